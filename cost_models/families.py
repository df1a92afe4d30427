"""Families of accelerators for a model of one's own: each a cost model of one workload, by name."""

from __future__ import annotations

from collections.abc import Callable

from codesign_gym.cost_models.analytical.chip_model import ChipModel
from codesign_gym.cost_models.analytical.spatial_model import SpatialModel
from codesign_gym.cost_models.analytical.systolic_model import SystolicModel
from codesign_gym.cost_models.base import CostModel
from codesign_gym.search_spaces import Registry

FAMILIES: Registry[Callable[..., CostModel]] = Registry(
    "accelerator family", "codesign_gym.families"
)
"""Registered families: name -> function of a ``workload`` that gives its cost model.

The model's space is that of the family's accelerators. Among its metrics are ``energy_uj``,
``latency_ms`` and ``area_mm2``.
"""

FAMILIES.register("systolic")(SystolicModel)
FAMILIES.register("spatial")(SpatialModel)


@FAMILIES.register("heterogeneous")
def _heterogeneous(workload: str) -> CostModel:
    """Chips of two sub-accelerators that share the layers of one network."""
    return ChipModel((workload,))


def make_family(name: str, workload: str) -> CostModel:
    """The cost model of a family's accelerators for a workload (see `load_workload`).

    Example:
        >>> make_family("spatial", "mobilenetv2").space.name
        'spatial-accelerator'
    """
    return FAMILIES.make(name, CostModel, workload=workload)  # type: ignore[type-abstract]


def list_families() -> list[str]:
    """Names of all registered families."""
    return FAMILIES.names()
