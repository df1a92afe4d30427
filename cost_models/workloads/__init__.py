"""What runs on an accelerator: layer tables of real networks and of search spaces."""

from __future__ import annotations

from collections.abc import Sequence

from codesign_gym.cost_models.workloads.cell import layer, layer_keys
from codesign_gym.cost_models.workloads.layers import Kind, Layers
from codesign_gym.cost_models.workloads.load import load_workload
from codesign_gym.cost_models.workloads.networks import NETWORKS, Workloads, network
from codesign_gym.search_spaces import Designs, InputError, SearchSpace, cell_network

__all__ = ["NETWORKS", "Kind", "Layers", "Workloads", "from_space", "load_workload", "network"]


def from_space(space: SearchSpace, designs: Designs) -> Sequence[Layers]:
    """The layer table of each design of a network space, ``n`` tables.

    Raises:
        InputError: The space is not one whose networks can be written as layers.
    """
    if space != cell_network():
        raise InputError(f"space {space.name!r} has no layer tables; 'cell-network' has")
    decoded = space.decode(designs)
    return [Layers.concat(*[layer(key) for key in layer_keys(network)]) for network in decoded]
