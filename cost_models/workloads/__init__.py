"""What runs on an accelerator: layer tables of real networks and of search spaces."""

from codesign_gym.cost_models.workloads.layers import Kind, Layers
from codesign_gym.cost_models.workloads.load import load_workload
from codesign_gym.cost_models.workloads.networks import NETWORKS, Workloads, network
from codesign_gym.cost_models.workloads.spaces import Sizes, all_networks, from_space, sizes

__all__ = [
    "NETWORKS",
    "Kind",
    "Layers",
    "Sizes",
    "Workloads",
    "all_networks",
    "from_space",
    "load_workload",
    "network",
    "sizes",
]
