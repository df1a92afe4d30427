"""What a design costs: analytical models, measured tables, learned proxies, one face."""

from codesign_gym.cost_models.accuracy.growth_model import GrowthModel
from codesign_gym.cost_models.accuracy.trained import AccuracyTable
from codesign_gym.cost_models.analytical.archgym_model import ArchGymModel
from codesign_gym.cost_models.analytical.chip_model import ChipModel
from codesign_gym.cost_models.analytical.mobilenet_model import MobileNetModel
from codesign_gym.cost_models.analytical.roofline import RooflineModel
from codesign_gym.cost_models.analytical.spatial_model import SpatialModel
from codesign_gym.cost_models.analytical.systolic_model import SystolicModel
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.families import FAMILIES, list_families, make_family
from codesign_gym.cost_models.measured.gemm_table import GemmKernelModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.cost_models.registry import COST_MODELS, list_cost_models, make_cost_model
from codesign_gym.cost_models.simulators.dram_model import DramModel
from codesign_gym.cost_models.simulators.soc_model import SocModel
from codesign_gym.cost_models.workloads import NETWORKS, Layers

__all__ = [
    "COST_MODELS",
    "FAMILIES",
    "NETWORKS",
    "AccuracyTable",
    "ArchGymModel",
    "ChipModel",
    "CostModel",
    "DramModel",
    "GemmKernelModel",
    "GrowthModel",
    "Layers",
    "Metric",
    "Metrics",
    "MobileNetModel",
    "RooflineModel",
    "SocModel",
    "SpatialModel",
    "SystolicModel",
    "list_cost_models",
    "list_families",
    "make_cost_model",
    "make_family",
]
