"""Spatial accelerators as a struct of arrays, checked when built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.cost_models.analytical.technology import WORD_BYTES, FloatArray
from codesign_gym.cost_models.workloads.layers import IntArray
from codesign_gym.search_spaces.checks import as_table
from codesign_gym.search_spaces.errors import InputError, unknown_name
from codesign_gym.search_spaces.hardware.heterogeneous import grid_of
from codesign_gym.search_spaces.hardware.spatial import TEMPLATES

_ALLOWED: dict[str, tuple[float, float, str]] = {
    "template": (0, 4, f"a name out of {TEMPLATES} or its index"),
    "pe_rows": (0, 4096, "an integer in [0, 4096]"),
    "pe_cols": (0, 4096, "an integer in [0, 4096]"),
    "l1_bytes": (0, 2**24, "in [0, 2^24]"),
    "l2_kb": (0, 2**20, "in [0, 2^20]"),
    "noc_bandwidth": (0.01, 65536, "in [0.01, 65536]"),
    "dram_gbps": (0.01, 65536, "in [0.01, 65536]"),
    "word_bytes": (1, 4, f"one of {WORD_BYTES}"),
    "clock_ghz": (0.001, 100, "in [0.001, 100]"),
    "input_noc_bandwidth": (0, 65536, "in [0, 65536]"),
    "l1_weight_bytes": (0, 2**24, "in [0, 2^24]"),
    "l1_input_bytes": (0, 2**24, "in [0, 2^24]"),
    "l1_sum_bytes": (0, 2**24, "in [0, 2^24]"),
    "sum_bytes": (1, 8, "in [1, 8]"),
    "activation_ratio": (0.01, 4, "in [0.01, 4]"),
}
_WHOLE = ("template", "pe_rows", "pe_cols", "word_bytes")


@dataclass(frozen=True, eq=False)
class SpatialAccelerators:
    """Accelerators as a struct of arrays `[a]`; scalars are broadcast, values are checked.

    An array without PEs, or a buffer too small for any tile, is no error here: a search meets such
    designs, and `dataflow.evaluate` marks them invalid.

    Attributes:
        template: Dataflow, an index into `TEMPLATES`; names are taken as well. int64.
        pe_rows: Rows of PEs, int64 in [0, 4096].
        pe_cols: Columns of PEs, int64 in [0, 4096].
        l1_bytes: Registers of one PE, for operands and sums together.
        l2_kb: Shared buffer in KiB, both halves where it is double-buffered.
        noc_bandwidth: Bytes per cycle of each network between buffer and array: one for weights,
            one for inputs, one for sums into and one for sums out of the array.
        dram_gbps: DRAM bandwidth in GB/s.
        word_bytes: Width of a word, int64: 1, 2 or 4.
        clock_ghz: Clock of array and buffer.
        input_noc_bandwidth: That of the inputs' network if it differs; 0 stands for the same.
        l1_weight_bytes: What of `l1_bytes` weights may take at most; 0 stands for all.
        l1_input_bytes: The same for inputs.
        l1_sum_bytes: The same for sums.
        sum_bytes: Width of an unfinished sum.
        activation_ratio: Stored over plain size of inputs and outputs in DRAM, below 1 where they
            are compressed.
    """

    template: IntArray
    pe_rows: IntArray
    pe_cols: IntArray
    l1_bytes: FloatArray
    l2_kb: FloatArray
    noc_bandwidth: FloatArray
    dram_gbps: FloatArray
    word_bytes: IntArray
    clock_ghz: FloatArray
    input_noc_bandwidth: FloatArray
    l1_weight_bytes: FloatArray
    l1_input_bytes: FloatArray
    l1_sum_bytes: FloatArray
    sum_bytes: FloatArray
    activation_ratio: FloatArray

    def __init__(
        self,
        template: ArrayLike | str | Sequence[str],
        pe_rows: ArrayLike,
        pe_cols: ArrayLike,
        l1_bytes: ArrayLike = 512,
        l2_kb: ArrayLike = 128,
        noc_bandwidth: ArrayLike = 32,
        dram_gbps: ArrayLike = 16,
        word_bytes: ArrayLike = 1,
        clock_ghz: ArrayLike = 1,
        input_noc_bandwidth: ArrayLike = 0,
        l1_weight_bytes: ArrayLike = 0,
        l1_input_bytes: ArrayLike = 0,
        l1_sum_bytes: ArrayLike = 0,
        sum_bytes: ArrayLike = 4,
        activation_ratio: ArrayLike = 1,
    ) -> None:
        given = [
            _codes(template), pe_rows, pe_cols, l1_bytes, l2_kb, noc_bandwidth, dram_gbps,
            word_bytes, clock_ghz, input_noc_bandwidth, l1_weight_bytes, l1_input_bytes,
            l1_sum_bytes, sum_bytes, activation_ratio,
        ]  # fmt: skip
        matrix = broadcast_columns("SpatialAccelerators", tuple(_ALLOWED), given)
        for row, (name, (low, high, allowed)) in zip(matrix, _ALLOWED.items(), strict=True):
            bad = ~((row >= low) & (row <= high))
            if name in _WHOLE:
                bad |= np.trunc(row) != row
            if name == "word_bytes":
                bad |= row == 3  # between the word widths 2 and 4
            if bad.any():
                at = int(bad.argmax())
                raise InputError(
                    f"SpatialAccelerators.{name}[{at}] must be {allowed}; got {row[at]:g}"
                )
        for row, field in zip(matrix, fields(self), strict=True):
            column = row.astype(np.int64) if field.name in _WHOLE else row
            column.flags.writeable = False
            object.__setattr__(self, field.name, column)

    @classmethod
    def from_table(cls, columns: Mapping[str, ArrayLike]) -> SpatialAccelerators:
        """Accelerators out of named columns `[a]`; scalars are for all of them.

        The columns are the attributes, those with a default may be absent. `num_pes` stands for
        `pe_rows` and `pe_cols`: the most nearly square array of exactly so many PEs, rows <= cols.

        Raises:
            InputError: A column is unknown, missing, or holds what the attribute may not.

        Example:
            >>> two = SpatialAccelerators.from_table({"template": "nvdla", "num_pes": [168, 0]})
            >>> two.pe_rows.tolist(), two.pe_cols.tolist()
            ([12, 0], [14, 0])
        """
        given = as_table("an accelerator table", columns)
        for name in given:
            if name not in ACCELERATOR_COLUMNS:
                raise unknown_name("accelerator column", name, ACCELERATOR_COLUMNS)
        if "num_pes" in given:
            if "pe_rows" in given or "pe_cols" in given:
                raise InputError(
                    "an accelerator table has num_pes or pe_rows and pe_cols, not both"
                )
            given["pe_rows"], given["pe_cols"] = _grids(given.pop("num_pes"))
        missing = [name for name in ("template", "pe_rows", "pe_cols") if name not in given]
        if missing:
            raise InputError(
                f"an accelerator table needs the columns {', '.join(missing)}, which it lacks"
            )
        return cls(**given)

    def __len__(self) -> int:
        return len(self.template)

    @property
    def pes(self) -> IntArray:
        """Processing elements `[a]`."""
        return self.pe_rows * self.pe_cols


ACCELERATOR_COLUMNS = ("num_pes", *_ALLOWED)
"""Columns that `SpatialAccelerators.from_table` knows."""


def _grids(num_pes: ArrayLike) -> tuple[IntArray, IntArray]:
    """Rows and columns of the arrays of so many PEs, of the shape of `num_pes`."""
    counts = np.asarray(num_pes)
    whole = counts.dtype.kind in "iu" or counts.size == 0
    if not whole or not np.all((counts >= 0) & (counts <= 4096**2)):
        raise InputError(f"num_pes must be integers in [0, {4096**2}]; got {num_pes!r}")
    grids = [grid_of(int(pes)) if pes else (0, 0) for pes in counts.ravel()]
    table = np.array(grids, dtype=np.int64).reshape(*counts.shape, 2)
    return table[..., 0], table[..., 1]


def broadcast_columns(owner: str, names: Sequence[str], given: Sequence[ArrayLike]) -> FloatArray:
    """Scalars and columns `[a]` as one float64 matrix `[len(names), a]` of its own."""
    arrays = [_numbers(owner, name, values) for name, values in zip(names, given, strict=True)]
    size = max((values.size for values in arrays if values.ndim), default=1)
    matrix = np.empty((len(arrays), size))
    for row, name, values in zip(matrix, names, arrays, strict=True):
        if values.shape not in ((), (size,)):
            raise InputError(
                f"{owner}.{name} must be a scalar or have shape ({size},); got {values.shape}"
            )
        row[:] = values
    return matrix


def _numbers(owner: str, name: str, values: ArrayLike) -> FloatArray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{owner}.{name} must hold numbers; got {values!r}") from None


def _codes(template: ArrayLike | str | Sequence[str]) -> NDArray[np.int64] | ArrayLike:
    """Codes of templates given by name; codes as they are."""
    values = np.asarray(template)
    if values.dtype.kind != "U":
        return values
    for name in values.ravel():
        if name not in TEMPLATES:
            raise unknown_name("template", str(name), TEMPLATES)
    return np.array([TEMPLATES.index(name) for name in values.ravel()]).reshape(values.shape)
