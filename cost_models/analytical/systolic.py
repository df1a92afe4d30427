"""Systolic-array accelerators in closed form: cycles, memory traffic, energy and area.

An accelerator is `rows` x `cols` processing elements (PEs), three double-buffered SRAMs and one
DRAM channel. Layers are matrix products (im2col) `[M, K] @ [K, N]`, the groups of a convolution one
after another, layers one after another with their activations passing through DRAM. The second
operand of a product of activations takes the place of the filters. Pooling and elementwise layers
cost nothing: a vector unit applies them to the outputs on their way, and is not modelled.

Compute (Samajdar et al., "SCALE-Sim", 2018; equal to SCALE-Sim 3.0 without stalls):

    =================  ====  =======  =====  ===================  ====================
    dataflow           rows  columns  steps  cycles per fold      SRAM reads per group
    =================  ====  =======  =====  ===================  ====================
    output stationary  M     N        K      K + rows + cols - 2  M K Nf + K N Mf
    weight stationary  K     N        M      M + 2 rows + cols-2  M K Nf + K N
    input stationary   K     M        N      N + 2 rows + cols-2  M K + K N Mf
    =================  ====  =======  =====  ===================  ====================

    compute_cycles = groups * folds * cycles_per_fold; folds = ceil(on_rows / rows) *
    ceil(on_cols / cols), Mf and Nf being the folds of M and N. Partial sums of K's folds Kf are
    read back and added: Kf writes and Kf - 1 reads of the outputs.

DRAM (per group; half of each SRAM holds the working set while the other half is filled): of two
fold-loop orders the one that moves fewer bytes is taken, for each layer.

    output stationary, M outer: inputs once if the strip min(rows K, I) fits, else Nf times;
        filters once if K N fits, else Mf times. N outer: the mirror image.
    weight stationary: filters once. N outer: inputs once if they fit, else Nf times; sums
        M min(N, cols) must fit. K outer: inputs once if the strip min(M rows, I) fits, else Nf
        times; sums M N must fit. Sums that do not fit are spilled at accumulator width: Kf - 1
        writes and as many reads, then the write of the result.
    input stationary: weight stationary with the roles of inputs and filters exchanged.

    I are the group's inputs that some output depends on, without padding: a pass reads each once,
    as a line buffer would. Outputs are written once, at word width.

Latency: `cycles = max(compute_cycles + fill_cycles, dram_cycles)`. The array waits for its
fill: the first fold's stationary tile, or for output stationary the first word of each row and
column.

Energy: multiply-accumulates with their registers; every SRAM access of the array; every word
between DRAM and SRAM (one SRAM access and the DRAM's energy). Partial sums move 4 bytes. Leakage,
control and wires are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.cost_models.analytical.systolic_arrays import SystolicArrays
from codesign_gym.cost_models.analytical.technology import (
    ACCUMULATOR_BYTES,
    TECHNOLOGY_45NM,
    FloatArray,
    Technology,
)
from codesign_gym.cost_models.workloads.layers import IntArray, Layers
from codesign_gym.cost_models.workloads.networks import Workloads
from codesign_gym.search_spaces.errors import InputError, unknown_name
from codesign_gym.search_spaces.hardware.systolic import DATAFLOWS

__all__ = [
    "DATAFLOWS",
    "SystolicArrays",
    "area_mm2",
    "evaluate",
    "layer_table",
    "network_totals",
]


def layer_table(
    layers: Layers,
    arrays: SystolicArrays,
    *,
    technology: Technology = TECHNOLOGY_45NM,
    compat: Literal["scalesim"] | None = None,
) -> dict[str, NDArray[np.int64] | FloatArray]:
    """Every layer on every accelerator, one occurrence each: columns `[a, l]`.

    The columns of pooling and elementwise layers are 0.

    int64: macs, folds, cycles_per_fold (the folds of one group); compute_cycles, dram_cycles,
    fill_cycles, cycles, stall_cycles; ifmap_sram_reads, filter_sram_reads, ofmap_sram_reads,
    ofmap_sram_writes (words moved by the array); sram_accesses (these and the words moved to and
    from DRAM); dram_ifmap_bytes, dram_filter_bytes, dram_ofmap_bytes, dram_bytes.
    float64: latency_ms, energy_pj; mapping_eff_pct (PEs with work, mean over folds),
    compute_util_pct (MACs per PE and compute cycle), overall_util_pct (the same per cycle).

    Args:
        layers: The layers `[l]`.
        arrays: The accelerators `[a]`.
        technology: Clock and energies.
        compat: `"scalesim"` gives these columns as SCALE-Sim 3.0 reports them, defects included,
            and leaves every other column as it is:
            cycles and compute_cycles, of one group and without stalls, are the index of the last
            cycle: one less than the count; stall_cycles is 0 and latency_ms follows;
            ifmap_sram_reads, filter_sram_reads, ofmap_sram_writes are those of one group, and
            output stationary writes `rows + cols` too many per fold;
            compute_util_pct takes a weight or input stationary fold for `cols - 1` cycles longer
            than it is;
            overall_util_pct is that of one group, per compute_cycles as given here.
            Output sizes stay exact. The tool rounds them up, one too many where the stride does
            not divide `h + 2 pad_h - r`; the numbers agree for inputs cropped to what is read.
    """
    from codesign_gym.cost_models.analytical import systolic_kernel as kernel

    if compat not in (None, "scalesim"):
        raise unknown_name("compat", compat, ("scalesim",))
    if not layers.multiplies.all():
        busy = np.flatnonzero(layers.multiplies)
        part = layer_table(layers.take(busy), arrays, technology=technology, compat=compat)
        return {column: _spread(values, busy, len(layers)) for column, values in part.items()}
    shape = (len(arrays), len(layers))
    counts = np.empty((len(kernel.COUNTS), *shape), dtype=np.int64)
    energy_pj = np.empty(shape)
    kernel.fill_table(
        layers.gemm_rows, _array_rows(arrays), _constant_rows(arrays, technology), counts,
        energy_pj,
    )  # fmt: skip
    table: dict[str, NDArray[np.int64] | FloatArray]
    table = dict(zip(kernel.COUNTS, counts, strict=True))
    table["stall_cycles"] = table["cycles"] - table["compute_cycles"]
    table["latency_ms"] = table["cycles"] / (technology.clock_ghz * 1e6)
    table["energy_pj"] = energy_pj

    pes = arrays.pes[:, None]
    _, _, _, groups = layers.gemm_shape()
    slots = groups * table["folds"] * pes
    steps = table["cycles_per_fold"] - _skew(arrays)
    table["mapping_eff_pct"] = 100 * table["macs"] / (slots * steps)
    table["compute_util_pct"] = 100 * table["macs"] / (pes * table["compute_cycles"])
    table["overall_util_pct"] = 100 * table["macs"] / (pes * table["cycles"])
    if compat == "scalesim":
        table |= _as_scalesim(table, groups, arrays)
        table["latency_ms"] = table["cycles"] / (technology.clock_ghz * 1e6)
    return table


def _spread(
    values: NDArray[np.int64] | FloatArray, busy: IntArray, layers: int
) -> NDArray[np.int64] | FloatArray:
    """A column `[a, l]` with `values` for the `busy` of `layers` and 0 for the others."""
    column = np.zeros((len(values), layers))
    column[:, busy] = values
    return column if values.dtype.kind == "f" else column.astype(np.int64)


def _skew(arrays: SystolicArrays) -> IntArray:
    """Cycles of a fold that fill and drain the array `[a, 1]`."""
    load = np.where(arrays.dataflow == 0, 0, arrays.rows)
    return (load + arrays.rows + arrays.cols - 2)[:, None]


def _as_scalesim(
    table: dict[str, NDArray[np.int64] | FloatArray], groups: IntArray, arrays: SystolicArrays
) -> dict[str, NDArray[np.int64] | FloatArray]:
    """The columns of `table` that SCALE-Sim reports otherwise (see `layer_table`)."""
    pes, cols, folds = arrays.pes[:, None], arrays.cols[:, None], table["folds"]
    output_stationary = (arrays.dataflow == 0)[:, None]
    macs = table["macs"] // groups
    last_cycle = folds * table["cycles_per_fold"] - 1
    # The tool adds each fold's outputs and, again, the height and width of their tile.
    extra_writes = np.where(output_stationary, folds * (arrays.rows + arrays.cols)[:, None], 0)
    # It takes the demand matrix of the stationary operand, as long as the fold, for one that has
    # yet to be skewed by its `cols` columns.
    skewed_again = np.where(output_stationary, 0, cols - 1)
    return {
        "cycles": last_cycle,
        "compute_cycles": last_cycle,
        "stall_cycles": np.zeros_like(last_cycle),
        "ifmap_sram_reads": table["ifmap_sram_reads"] // groups,
        "filter_sram_reads": table["filter_sram_reads"] // groups,
        "ofmap_sram_writes": table["ofmap_sram_writes"] // groups + extra_writes,
        "compute_util_pct": 100 * macs / (pes * folds * (table["cycles_per_fold"] + skewed_again)),
        "overall_util_pct": 100 * macs / (pes * last_cycle),
    }


def evaluate(
    layers: Layers | Mapping[str, ArrayLike],
    *,
    rows: ArrayLike,
    cols: ArrayLike,
    dataflow: str | Sequence[str],
    ifmap_kb: ArrayLike = 256.0,
    filter_kb: ArrayLike = 256.0,
    ofmap_kb: ArrayLike = 256.0,
    dram_gbps: ArrayLike = 16.0,
    word_bytes: ArrayLike = 1,
    compat: Literal["scalesim"] | None = None,
) -> dict[str, NDArray[np.int64] | FloatArray]:
    """`layer_table` for accelerators given by their figures; scalars are for all of them.

    Args:
        layers: The layers `[l]`, or a table as `Layers.from_table` takes it.
        rows: Rows of PEs.
        cols: Columns of PEs.
        dataflow: Names out of `DATAFLOWS`.
        ifmap_kb: Capacity of the input SRAM in KiB.
        filter_kb: Capacity of the filter SRAM.
        ofmap_kb: Capacity of the output SRAM.
        dram_gbps: DRAM bandwidth in GB/s.
        word_bytes: Width of a word: 1, 2 or 4.
        compat: As for `layer_table`.

    Example:
        >>> from codesign_gym.cost_models.workloads.networks import network
        >>> table = evaluate(network("alexnet"), rows=[8, 16], cols=8, dataflow="ws")
        >>> table["mapping_eff_pct"].shape
        (2, 8)
    """
    if not isinstance(layers, Layers):
        layers = Layers.from_table(layers)
    names = np.ravel(np.asarray(dataflow, dtype=object)).tolist()
    for name in names:
        if name not in DATAFLOWS:
            raise unknown_name("dataflow", name, DATAFLOWS)
    codes = np.array([DATAFLOWS.index(name) for name in names])
    arrays = SystolicArrays(
        rows=np.asarray(rows),
        cols=np.asarray(cols),
        dataflow=codes[0] if isinstance(dataflow, str) else codes,
        ifmap_kb=np.asarray(ifmap_kb),
        filter_kb=np.asarray(filter_kb),
        ofmap_kb=np.asarray(ofmap_kb),
        dram_gbps=np.asarray(dram_gbps),
        word_bytes=np.asarray(word_bytes),
    )
    return layer_table(layers, arrays, compat=compat)


def network_totals(
    workloads: Workloads,
    arrays: SystolicArrays,
    network: ArrayLike = 0,
    *,
    technology: Technology = TECHNOLOGY_45NM,
) -> dict[str, FloatArray]:
    """One network on each accelerator, all occurrences of its layers summed: columns `[a]`.

    Args:
        workloads: The networks `[w]`.
        arrays: The accelerators `[a]`.
        network: Index in [0, w) of the network on each accelerator, `[a]` or one for all.
        technology: Clock and energies.

    Returns:
        macs, compute_cycles, cycles, stall_cycles, latency_ms, energy_uj, dram_bytes,
        sram_accesses (words) and overall_util_pct, float64.

    Example:
        >>> from codesign_gym.cost_models.workloads.networks import network
        >>> arrays = SystolicArrays(
        ...     rows=16, cols=16, dataflow=[0, 1], ifmap_kb=64, filter_kb=64, ofmap_kb=2048,
        ...     dram_gbps=8, word_bytes=1,
        ... )
        >>> network_totals(Workloads.of(network("resnet18")), arrays)["latency_ms"].round(2)
        array([12.05,  9.23])
    """
    from codesign_gym.cost_models.analytical import systolic_kernel as kernel

    # A copy, because the compiled code is specialised for writable arrays.
    rows = np.empty(len(arrays), dtype=np.int64)
    rows[:] = network
    if len(rows) and not (rows.min() >= 0 and rows.max() < len(workloads)):
        raise InputError(
            f"network must lie in [0, {len(workloads) - 1}]; got {rows.min()} to {rows.max()}"
        )
    sums = np.empty((len(kernel.TOTALS), len(arrays)))
    kernel.fill_totals(
        workloads.layers.gemm_rows, workloads.indptr, workloads.indices, workloads.counts,
        _array_rows(arrays), _constant_rows(arrays, technology), rows, sums,
    )  # fmt: skip
    totals = dict(zip(kernel.TOTALS, sums, strict=True))
    totals["energy_uj"] = totals.pop("energy_pj") / 1e6
    totals["stall_cycles"] = totals["cycles"] - totals["compute_cycles"]
    totals["latency_ms"] = totals["cycles"] / (technology.clock_ghz * 1e6)
    # A network of nothing but pooling takes no cycles, every other at least one.
    cycles = np.maximum(totals["cycles"], 1)
    totals["overall_util_pct"] = 100 * totals["macs"] / (arrays.pes * cycles)
    return totals


def area_mm2(arrays: SystolicArrays, *, technology: Technology = TECHNOLOGY_45NM) -> FloatArray:
    """Area of PEs and SRAMs `[a]`; wires, control and the DRAM interface are left out."""
    capacity_kb = arrays.ifmap_kb + arrays.filter_kb + arrays.ofmap_kb
    pes_um2 = arrays.pes * technology.pe_um2(arrays.word_bytes)
    return (pes_um2 + technology.sram_um2(capacity_kb)) / 1e6


def _array_rows(arrays: SystolicArrays) -> IntArray:
    """The kernel's `ARRAY_FIELDS` `[a, 4]`."""
    return np.stack((arrays.rows, arrays.cols, arrays.dataflow, arrays.word_bytes), axis=1)


def _constant_rows(arrays: SystolicArrays, technology: Technology) -> FloatArray:
    """The kernel's `CONSTANT_FIELDS` `[a, 10]`."""
    words = arrays.word_bytes
    capacity_kb = np.stack([arrays.ifmap_kb, arrays.filter_kb, arrays.ofmap_kb])
    half_bytes = capacity_kb * 512
    byte_pj = technology.sram_pj_per_byte(capacity_kb)
    rows = np.empty((len(arrays), 10))
    rows[:, 0:2] = (half_bytes[:2] / words).T
    rows[:, 2] = half_bytes[2] / ACCUMULATOR_BYTES
    rows[:, 3] = technology.clock_ghz / arrays.dram_gbps
    rows[:, 4] = technology.mac_pj(words)
    rows[:, 5:8] = (byte_pj * words).T
    rows[:, 8] = byte_pj[2] * ACCUMULATOR_BYTES
    rows[:, 9] = technology.dram_pj_per_byte()
    return rows
