"""Systolic-array accelerators as a struct of arrays, checked when built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.analytical.spatial_arrays import broadcast_columns
from codesign_gym.cost_models.analytical.technology import WORD_BYTES, FloatArray
from codesign_gym.cost_models.workloads.layers import IntArray
from codesign_gym.search_spaces.errors import InputError
from codesign_gym.search_spaces.hardware.systolic import DATAFLOWS

_ALLOWED: dict[str, tuple[float, float, str]] = {
    "rows": (1, 4096, "an integer in [1, 4096]"),
    "cols": (1, 4096, "an integer in [1, 4096]"),
    "dataflow": (0, 2, f"0, 1 or 2, an index into {DATAFLOWS}"),
    "word_bytes": (1, 4, f"one of {WORD_BYTES}"),
    "ifmap_kb": (0.5, 65536, "in [0.5, 65536]"),
    "filter_kb": (0.5, 65536, "in [0.5, 65536]"),
    "ofmap_kb": (0.5, 65536, "in [0.5, 65536]"),
    "dram_gbps": (0.01, 65536, "in [0.01, 65536]"),
}
_INTEGERS = 4  # the first four fields; the others are real numbers
_LOWEST = np.array([[low] for low, _, _ in _ALLOWED.values()])
_HIGHEST = np.array([[high] for _, high, _ in _ALLOWED.values()])


@dataclass(frozen=True, eq=False)
class SystolicArrays:
    """Accelerators as a struct of arrays `[a]`; scalars are broadcast, values are checked.

    Attributes:
        rows: Rows of PEs, int64 in [1, 4096].
        cols: Columns of PEs, int64 in [1, 4096].
        dataflow: Index into `DATAFLOWS`, kept as int8.
        ifmap_kb: Capacity of the input SRAM in KiB, float64 in [0.5, 65536], both halves.
        filter_kb: Capacity of the filter SRAM.
        ofmap_kb: Capacity of the output SRAM.
        dram_gbps: DRAM bandwidth in GB/s, float64 in [0.01, 65536].
        word_bytes: Width of a word, int64: 1 (int8), 2 (fp16) or 4 (fp32).
    """

    rows: IntArray
    cols: IntArray
    dataflow: NDArray[np.integer[Any]]
    ifmap_kb: FloatArray
    filter_kb: FloatArray
    ofmap_kb: FloatArray
    dram_gbps: FloatArray
    word_bytes: IntArray

    def __post_init__(self) -> None:
        given = [getattr(self, field) for field in _ALLOWED]
        # One comparison for all fields: a single accelerator is evaluated as often as a million.
        matrix = broadcast_columns("SystolicArrays", tuple(_ALLOWED), given)
        bad = ~((matrix >= _LOWEST) & (matrix <= _HIGHEST))
        bad[:_INTEGERS] |= np.trunc(matrix[:_INTEGERS]) != matrix[:_INTEGERS]
        bad[3] |= matrix[3] == 3  # between the word widths 2 and 4
        if bad.any():
            column, row_index = np.argwhere(bad)[0]
            field = tuple(_ALLOWED)[column]
            raise InputError(
                f"SystolicArrays.{field}[{row_index}] must be {_ALLOWED[field][2]}; "
                f"got {matrix[column, row_index]:g}"
            )
        matrix.flags.writeable = False
        integers = matrix[:_INTEGERS].astype(np.int64)
        integers.flags.writeable = False
        codes = integers[2].astype(np.int8)
        columns = (integers[0], integers[1], codes, integers[3], *matrix[_INTEGERS:])
        for field, column in zip(_ALLOWED, columns, strict=True):
            object.__setattr__(self, field, column)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def pes(self) -> IntArray:
        """Processing elements `[a]`."""
        return self.rows * self.cols
