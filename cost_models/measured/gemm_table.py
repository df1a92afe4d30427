"""Measured times of all kernels of the space ``gemm-kernel``, looked up."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.measured.timing import load_times
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.search_spaces import Designs, gemm_kernel

WORD_BYTES = 4


@cache
def embedded_times() -> tuple[NDArray[np.float32], dict[str, Any]]:
    """The times that the package carries: those of each pass, and their provenance."""
    with as_file(files(__package__) / "data" / "gemm_kernel.npz") as path:
        return load_times(path)


class GemmKernelModel(CostModel):
    """A product of two 256 x 256 single-precision matrices on one core, by measured kernels.

    The time of a kernel is the least of several runs on the machine that the provenance of the
    table names: on another, the order of the kernels is another, which `codesign time-kernels`
    shows. The buffer is what packing a tile of the second matrix takes.
    """

    name = "gemm-kernel-times"
    metrics = (
        Metric("time_ms", "ms", "min", "processor time of one product, the least of all runs"),
        Metric("buffer_kib", "KiB", "min", "memory for a packed tile"),
    )

    def __init__(self) -> None:
        times, about = embedded_times()
        self.space = gemm_kernel()
        self.source = f"measured with codesign time-kernels on {about['machine']}"
        self._time_ms = times.min(axis=0).astype(np.float64)

    def compute(self, designs: Designs) -> Metrics:
        """Times and buffers of designs ``[n, 8]``."""
        chosen = self.space.values(designs)
        tile_kib = chosen["tile_j"] * chosen["tile_k"] * WORD_BYTES / 1024
        buffer_kib = np.where(chosen["pack"] == "none", 0.0, tile_kib)
        time_ms = self._time_ms[self.space.ravel(designs)]
        return Metrics(self.metrics, np.stack([time_ms, buffer_kib], axis=1))
