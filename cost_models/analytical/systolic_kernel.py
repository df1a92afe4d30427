"""The systolic-array equations, compiled: one scalar function and the two loops that drive it.

Everything compiled stands in this file, because numba's cache notices changes of the file a
function is in and of no other. Rows are plain arrays here, laid out as the constants below say;
`systolic` is the module to call. See there for the model.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

# A layer row, int64: the GEMM of one group and the group's input words.
LAYER_FIELDS = ("m", "k", "n", "groups", "ifmap_words")
# An accelerator row, int64.
ARRAY_FIELDS = ("rows", "cols", "dataflow", "word_bytes")
# Its derived constants, float64: what half of each SRAM holds, and costs.
CONSTANT_FIELDS = (
    "ifmap_capacity_words", "filter_capacity_words", "psum_capacity_words", "cycles_per_byte",
    "mac_pj", "ifmap_word_pj", "filter_word_pj", "ofmap_word_pj", "psum_pj", "dram_byte_pj",
)  # fmt: skip
# What the scalar function counts, int64, in this order; the energy comes apart.
COUNTS = (
    "macs", "folds", "cycles_per_fold", "compute_cycles", "dram_cycles", "fill_cycles", "cycles",
    "ifmap_sram_reads", "filter_sram_reads", "ofmap_sram_reads", "ofmap_sram_writes",
    "sram_accesses", "dram_ifmap_bytes", "dram_filter_bytes", "dram_ofmap_bytes", "dram_bytes",
)  # fmt: skip
TOTALS = ("macs", "compute_cycles", "cycles", "sram_accesses", "dram_bytes", "energy_pj")

_OUTPUT_STATIONARY, _WEIGHT_STATIONARY = 0, 1
_PSUM_BYTES = 4


@njit(cache=True, nogil=True, error_model="numpy")
def _layer(layer: IntArray, array: IntArray, constant: FloatArray) -> tuple[tuple[int, ...], float]:
    """Costs of one layer on one accelerator: the `COUNTS` as a tuple, and the energy in pJ.

    Args:
        layer: Row of `LAYER_FIELDS`.
        array: Row of `ARRAY_FIELDS`.
        constant: Row of `CONSTANT_FIELDS`.
    """
    m, k, n, groups, ifmap = layer[0], layer[1], layer[2], layer[3], layer[4]
    rows, cols, dataflow, word_bytes = array[0], array[1], array[2], array[3]
    ifmap_capacity, filter_capacity, psum_capacity = constant[0], constant[1], constant[2]
    filters = k * n
    outputs = m * n
    macs = m * filters

    # Which loop of the GEMM runs over rows and columns of the array, which over time.
    if dataflow == _OUTPUT_STATIONARY:
        on_rows, on_cols, steps, skew = m, n, k, rows + cols - 2
    elif dataflow == _WEIGHT_STATIONARY:
        on_rows, on_cols, steps, skew = k, n, m, 2 * rows + cols - 2
    else:
        on_rows, on_cols, steps, skew = k, m, n, 2 * rows + cols - 2
    # Doubles are exact here (m, k, n < 2^53) and divide faster than int64.
    row_folds = math.ceil(on_rows / rows)
    col_folds = math.ceil(on_cols / cols)
    used_rows = min(on_rows, rows)
    used_cols = min(on_cols, cols)
    folds = row_folds * col_folds
    cycles_per_fold = steps + skew

    # Per group: how often each operand crosses the DRAM interface (the cheaper of two loop
    # orders), what the array reads, and the words without which it cannot begin.
    spilled = np.int64(0)
    if dataflow == _OUTPUT_STATIONARY:
        # M outer: a strip of inputs stays while the filters pass by.
        ifmap_passes = 1 if min(used_rows * k, ifmap) <= ifmap_capacity else col_folds
        filter_passes = 1 if filters <= filter_capacity else row_folds
        dram_ifmap, dram_filter = ifmap * ifmap_passes, filters * filter_passes
        # N outer: a strip of filters stays while the inputs pass by.
        ifmap_passes = 1 if ifmap <= ifmap_capacity else col_folds
        filter_passes = 1 if k * used_cols <= filter_capacity else row_folds
        if ifmap * ifmap_passes + filters * filter_passes < dram_ifmap + dram_filter:
            dram_ifmap, dram_filter = ifmap * ifmap_passes, filters * filter_passes
        ifmap_reads, filter_reads = m * k * col_folds, filters * row_folds
        partial = np.int64(0)
        first = used_rows + used_cols
    else:
        if dataflow == _WEIGHT_STATIONARY:
            streamed, capacity = ifmap, ifmap_capacity
        else:
            streamed, capacity = filters, filter_capacity
        partial = outputs * (row_folds - 1)
        # Columns outer, K inner: sums of one column fold are completed before the next.
        passes = 1 if streamed <= capacity else col_folds
        if steps * used_cols > psum_capacity:
            spilled = 2 * partial
        traffic = streamed * passes * word_bytes + spilled * _PSUM_BYTES
        # K outer: a strip of the streamed operand stays, the sums of all columns stay open.
        other_passes = 1 if min(steps * used_rows, streamed) <= capacity else col_folds
        other_spilled = 2 * partial if outputs > psum_capacity else np.int64(0)
        if streamed * other_passes * word_bytes + other_spilled * _PSUM_BYTES < traffic:
            passes, spilled = other_passes, other_spilled
        first = used_rows * used_cols
        if dataflow == _WEIGHT_STATIONARY:
            dram_ifmap, dram_filter = ifmap * passes, filters
            ifmap_reads, filter_reads = m * k * col_folds, filters
        else:
            dram_ifmap, dram_filter = ifmap, filters * passes
            ifmap_reads, filter_reads = m * k, filters * col_folds
            first = min(first, ifmap)

    dram_ofmap_bytes = groups * (outputs * word_bytes + spilled * _PSUM_BYTES)
    dram_ifmap, dram_filter = groups * dram_ifmap, groups * dram_filter
    dram_ifmap_bytes, dram_filter_bytes = dram_ifmap * word_bytes, dram_filter * word_bytes
    dram_bytes = dram_ifmap_bytes + dram_filter_bytes + dram_ofmap_bytes
    ifmap_reads, filter_reads = groups * ifmap_reads, groups * filter_reads
    outputs, partial, spilled = groups * outputs, groups * partial, groups * spilled
    macs = groups * macs

    compute_cycles = groups * folds * cycles_per_fold
    dram_cycles = math.ceil(dram_bytes * constant[3])
    fill_cycles = math.ceil(first * word_bytes * constant[3])
    # The bytes of the fill are part of the traffic: only the array waits for them.
    cycles = max(compute_cycles + fill_cycles, dram_cycles)

    # What moves between DRAM and SRAM passes the SRAM's port once more.
    ifmap_moves, filter_moves = ifmap_reads + dram_ifmap, filter_reads + dram_filter
    output_moves, psum_moves = 2 * outputs, 2 * partial + spilled
    energy_pj = (
        macs * constant[4]
        + ifmap_moves * constant[5]
        + filter_moves * constant[6]
        + output_moves * constant[7]
        + psum_moves * constant[8]
        + dram_bytes * constant[9]
    )
    sram_accesses = ifmap_moves + filter_moves + output_moves + psum_moves
    return (
        macs, folds, cycles_per_fold, compute_cycles, dram_cycles, fill_cycles, cycles,
        ifmap_reads, filter_reads, partial, outputs + partial,
        sram_accesses, dram_ifmap_bytes, dram_filter_bytes, dram_ofmap_bytes, dram_bytes,
    ), energy_pj  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def fill_table(
    layers: IntArray,
    arrays: IntArray,
    constants: FloatArray,
    counts: IntArray,
    energy_pj: FloatArray,
) -> None:
    """Write the costs of every layer on every accelerator.

    Args:
        layers: `LAYER_FIELDS` of each layer, `[l, 5]`.
        arrays: `ARRAY_FIELDS` of each accelerator, `[a, 4]`.
        constants: `CONSTANT_FIELDS` of each accelerator, `[a, 10]`.
        counts: Where the `COUNTS` go, `[16, a, l]`.
        energy_pj: Where the energies go, `[a, l]`.
    """
    for a in range(len(arrays)):
        for i in range(len(layers)):
            result, energy_pj[a, i] = _layer(layers[i], arrays[a], constants[a])
            for column in range(len(result)):
                counts[column, a, i] = result[column]


@njit(cache=True, nogil=True, error_model="numpy")
def fill_totals(
    layers: IntArray,
    indptr: IntArray,
    indices: IntArray,
    counts: IntArray,
    arrays: IntArray,
    constants: FloatArray,
    network: IntArray,
    totals: FloatArray,
) -> None:
    """Write the costs of one network on each accelerator, layer by layer without temporaries.

    Args:
        layers: `LAYER_FIELDS` of the distinct layers, `[l, 5]`.
        indptr: Bounds of each network in `indices`, `[w + 1]`.
        indices: Rows of `layers`, `[z]`.
        counts: Occurrences of each, `[z]`.
        arrays: `ARRAY_FIELDS` of each accelerator, `[a, 4]`.
        constants: `CONSTANT_FIELDS` of each accelerator, `[a, 10]`.
        network: The network that runs on each accelerator, `[a]`.
        totals: Where `TOTALS` go, `[6, a]`.
    """
    for a in range(len(arrays)):
        macs = compute_cycles = cycles = sram_accesses = dram_bytes = energy_pj = 0.0
        for j in range(indptr[network[a]], indptr[network[a] + 1]):
            result, energy = _layer(layers[indices[j]], arrays[a], constants[a])
            count = float(counts[j])
            macs += count * result[0]
            compute_cycles += count * result[3]
            cycles += count * result[6]
            sram_accesses += count * result[11]
            dram_bytes += count * result[15]
            energy_pj += count * energy
        totals[0, a] = macs
        totals[1, a] = compute_cycles
        totals[2, a] = cycles
        totals[3, a] = sram_accesses
        totals[4, a] = dram_bytes
        totals[5, a] = energy_pj
