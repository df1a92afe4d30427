"""The formats in which accelerators with mappings found are given to other tools."""

from __future__ import annotations

from codesign_gym.cost_models.analytical.loop_nest import How
from codesign_gym.cost_models.analytical.spatial_arrays import SpatialAccelerators
from codesign_gym.cost_models.analytical.timeloop_export import timeloop_files
from codesign_gym.cost_models.analytical.zigzag_export import zigzag_files
from codesign_gym.cost_models.workloads.layers import Layers

_WRITERS = {"zigzag": zigzag_files, "timeloop": timeloop_files}

FORMATS = tuple(_WRITERS)
"""Names of the formats."""


def mapped_files(
    layers: Layers, accelerator: SpatialAccelerators, form: str, mapping: How
) -> dict[str, str]:
    """File name -> text in one of `FORMATS`, for one accelerator and the mappings of its layers."""
    return _WRITERS[form](layers, accelerator, mapping)
