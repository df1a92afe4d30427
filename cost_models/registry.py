"""Cost models by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from codesign_gym.cost_models.accuracy.growth_model import GrowthModel
from codesign_gym.cost_models.accuracy.scratch_model import ScratchModel
from codesign_gym.cost_models.accuracy.supernet_model import SupernetModel
from codesign_gym.cost_models.accuracy.tasks import get_task
from codesign_gym.cost_models.accuracy.trained import EMBEDDED, AccuracyTable
from codesign_gym.cost_models.accuracy.zero_cost import ZeroCostProxies
from codesign_gym.cost_models.analytical.archgym_model import ArchGymModel
from codesign_gym.cost_models.analytical.array_model import ArrayModel
from codesign_gym.cost_models.analytical.chip_model import ChipModel
from codesign_gym.cost_models.analytical.mobilenet_model import MobileNetModel
from codesign_gym.cost_models.analytical.network_size import NetworkSize
from codesign_gym.cost_models.analytical.roofline import RooflineModel
from codesign_gym.cost_models.analytical.spatial_model import SpatialModel
from codesign_gym.cost_models.analytical.systolic_model import SystolicModel
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.measured.gemm_table import GemmKernelModel
from codesign_gym.cost_models.simulators.dram_model import DramModel
from codesign_gym.cost_models.simulators.soc_model import SocModel
from codesign_gym.search_spaces import Registry

COST_MODELS: Registry[Callable[..., CostModel]] = Registry("cost model", "codesign_gym.cost_models")
"""Registered cost models: name -> class or function that makes one."""

for (_space, _task), _table in EMBEDDED.items():
    _factory = partial(AccuracyTable, _space, _task)
    _factory.__doc__ = f"Networks of {_space}: {get_task(_task).about}."
    COST_MODELS.register(_table.model)(_factory)
COST_MODELS.register("zero-cost-proxies")(ZeroCostProxies)
COST_MODELS.register("archgym-accelerator")(ArchGymModel)
COST_MODELS.register("soc")(SocModel)
COST_MODELS.register("dram")(DramModel)
COST_MODELS.register("network-on-array")(ArrayModel)
COST_MODELS.register("scratch")(ScratchModel)
COST_MODELS.register("growth-mnist1d")(GrowthModel)
COST_MODELS.register("gemm-kernel-times")(GemmKernelModel)
COST_MODELS.register("network-size")(NetworkSize)
COST_MODELS.register("roofline")(RooflineModel)
COST_MODELS.register("spatial")(SpatialModel)
COST_MODELS.register("heterogeneous-chip")(ChipModel)
COST_MODELS.register("mobilenet-groups")(MobileNetModel)
COST_MODELS.register("supernet")(SupernetModel)
COST_MODELS.register("systolic")(SystolicModel)


def make_cost_model(name: str, **options: Any) -> CostModel:
    """The registered cost model called ``name``, e.g. ``("systolic", workload="resnet18")``."""
    return COST_MODELS.make(name, CostModel, **options)  # type: ignore[type-abstract]


def list_cost_models() -> list[str]:
    """Names of all registered cost models."""
    return COST_MODELS.names()
