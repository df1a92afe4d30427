"""MAESTRO's cost analysis, compiled: the nest of one cluster level, summed over classes of steps.

Everything compiled stands in this file, because numba's cache notices changes of the file a
function is in and of no other. Rows are plain arrays here, laid out as the constants below say;
`maestro` is the module to call. See there for the method and its defects.

Every template is, on its upper level, a nest of four loops: one *spatial* (its places are dealt to
the clusters), one *tiled* (its last tile may be smaller), two plain. A step is told apart only by
its innermost loop that has advanced and by whether the spatial and the tiled loop are at their
leftover: at most 17 classes, each with a count, in place of the tool's product of all positions.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

# A layer row, int64: channels per group; `times` images and groups one after another.
LAYER_FIELDS = ("k", "c", "r", "s", "p", "q", "stride_h", "stride_w", "times", "depthwise")
# An accelerator row, int64.
ACCELERATOR_FIELDS = ("template", "num_pes", "noc_bandwidth", "noc_latency")
# What the scalar function counts, int64, in this order; utilised PEs come apart.
COUNTS = (
    "runtime_cycles", "num_macs", "l1_accesses", "l2_accesses", "l1_required_bytes",
    "l2_required_bytes",
)  # fmt: skip

KCP_WS, YXP_OS, RS, DPT = 0, 1, 2, 3
# PEs per cluster; 0 stands for the height of the kernel.
CLUSTER_PES = (64, 8, 0, 1)
_TILE_C, _TILE_K, _TILE_X = 64, 16, 8

# Columns of the nest `[4, 5]`, its rows being the loops, outermost first: steps; words of the
# dimension under the tile, and new ones when it advances; whether inputs and weights depend on it.
_STEPS, _TILE, _NEW, _INPUT, _WEIGHT = 0, 1, 2, 3, 4


@njit(cache=True, nogil=True, error_model="numpy")
def _delay(words: int, bandwidth: int, latency: int) -> int:
    """Cycles until `words` have passed a network of `bandwidth` words per cycle."""
    # Doubles are exact here (words < 2^53) and divide faster than int64.
    return latency + math.ceil(words / bandwidth) - 1


@njit(cache=True, nogil=True, error_model="numpy")
def _set(nest: IntArray, loop: int, steps: int, tile: int, new: int, reads: int) -> None:
    """Write a row of the nest; `reads` is 1 for a loop of inputs, 2 of weights, 3 of both."""
    nest[loop, _STEPS] = steps
    nest[loop, _TILE] = tile
    nest[loop, _NEW] = new
    nest[loop, _INPUT] = reads & 1
    nest[loop, _WEIGHT] = reads >> 1


@njit(cache=True, nogil=True, error_model="numpy")
def _ingress(
    nest: IntArray, tensor: int, depth: int, spatial: int, active: int, last_new: int
) -> int:
    """Words of a tensor that enter the level when the loop `depth` advances (-1: at the start).

    Args:
        nest: The loops `[4, 5]`.
        tensor: Column `_INPUT` or `_WEIGHT`.
        depth: Innermost loop that advances; those inside it start again.
        spatial: Which loop is dealt to the clusters.
        active: Clusters with work.
        last_new: New words of the last cluster where the first pass is not full, or -1.
    """
    words = 1
    fresh = False  # whether only what is new enters
    if depth >= 0:
        if nest[depth, tensor] == 0:
            return 0
        fresh = True
        for loop in range(depth + 1, 4):
            if nest[loop, tensor] and nest[loop, _STEPS] > 1:
                fresh = False
    for loop in range(4):
        if nest[loop, tensor] and loop != spatial:
            words *= nest[loop, _NEW] if fresh and loop == depth else nest[loop, _TILE]
    if nest[spatial, tensor]:
        # Neighbours share a halo when the loop starts again or advances.
        again = 0 <= depth < spatial
        rest = nest[spatial, _NEW if again or (fresh and spatial == depth) else _TILE]
        total = nest[spatial, _TILE] + (active - 1) * rest
        if again and last_new >= 0:
            total += last_new - rest
        words *= total
    return words


@njit(cache=True, nogil=True, error_model="numpy")
def _times(loop: int, depth: int, full: int, leftover: int, at_leftover: int) -> int:
    """How many positions of a loop fall into a class of steps."""
    if loop > depth:
        return 1 - at_leftover
    if at_leftover:
        return leftover
    return full - 1 if loop == depth else full


@njit(cache=True, nogil=True, error_model="numpy")
def _wide_tile(
    width: int, r: int, s: int, used: int, bandwidth: int, latency: int
) -> tuple[int, float]:
    """Cycles and mean active PEs of a yxp_os cluster on `width` >= 8 s columns, 8 s at a time.

    Such a last tile arises where the horizontal stride exceeds the kernel (see `maestro`).
    `used` is the PEs of a tile as it was meant, more than one.
    """
    kernel = r * s
    columns = width // s
    passes = columns // _TILE_X
    cycles = kernel + _delay(kernel * (_TILE_X + 1), bandwidth, latency)
    steady = max(
        kernel,
        _delay(kernel * _TILE_X, bandwidth, latency),
        _delay(1 + (_TILE_X - 1) * s, bandwidth, latency),
    )
    cycles += (passes - 1) * steady
    pes = float(_TILE_X * passes)
    left = width - passes * _TILE_X * s
    if left > 0:
        partial = 1 if left > s and left % s else 0
        entering = kernel * (used - partial)
        leaving = 1 + (used - partial - 1) * s + partial
        cycles += max(
            kernel, _delay(entering, bandwidth, latency), _delay(leaving, bandwidth, latency)
        )
        pes = (pes + used) / (passes + 1)
    else:
        pes /= passes
    return cycles, pes


@njit(cache=True, nogil=True, error_model="numpy")
def _layer(
    layer: IntArray, accelerator: IntArray, nest: IntArray
) -> tuple[tuple[int, int, int, int, int, int], float]:
    """Costs of one layer on one accelerator: the `COUNTS` as a tuple, and the mean active PEs.

    Args:
        layer: Row of `LAYER_FIELDS`.
        accelerator: Row of `ACCELERATOR_FIELDS`.
        nest: Where the loops go, `[4, 5]`.
    """
    k, c, r, s, p, q = layer[0], layer[1], layer[2], layer[3], layer[4], layer[5]
    stride_h, stride_w = layer[6], layer[7]
    template = DPT if layer[9] else accelerator[0]
    num_pes, bandwidth, latency = accelerator[1], accelerator[2], accelerator[3]
    kernel = r * s
    height, width = (p - 1) * stride_h + r, (q - 1) * stride_w + s
    new_rows, new_columns = min(r, stride_h), min(s, stride_w)

    # The tiled loop: full tiles and leftover, and what a tile counts in MACs and in outputs.
    full, left, mac_full, mac_left, out_full, out_left = 1, 0, 1, 0, 1, 1
    # One output per cluster, of rows (rs, yxp_os) or of channels.
    places, cluster, row_parallel = p, 1, True
    # The lower level is a single step but for `_wide_tile`: its cycles and PEs, its L1 words.
    l1_words = 3 * kernel
    if template == KCP_WS:
        spatial, tiled, places, cluster, row_parallel = 0, 1, k, 64, False
        mac_full = min(c, _TILE_C)
        if c > _TILE_C:
            full, mac_left = c // _TILE_C, c % _TILE_C
            left = 1 if mac_left else 0
        _set(nest, 1, full + left, mac_full, mac_full, 3)
        _set(nest, 2, p, r, new_rows, 1)
        _set(nest, 3, q, s, new_columns, 1)
        used = mac_full
        compute = kernel + _delay(2 * used * kernel, bandwidth, latency)
    elif template == YXP_OS:
        spatial, tiled, cluster = 2, 3, _TILE_X
        # The tool takes a tile of outputs for one of input columns and rounds it to the stride.
        used = (min(_TILE_X, width - s + 1) - 1 + stride_w) // stride_w
        tile = used * new_columns + max(s - stride_w, 0)
        advance = used * stride_w
        out_full = mac_full = tile - s + 1
        last_width = tile
        if width > tile:
            full = 1 + (width - tile) // advance
            if (full - 1) * advance + tile < width:
                left = 1
                last_width = width - full * advance
                if last_width < 0:
                    last_width = width
                out_left = mac_left = last_width - s + 1
        _set(nest, 0, k, 1, 1, 2)
        _set(nest, 1, c, 1, 1, 3)
        _set(nest, 3, full + left, tile, min(tile, advance), 1)
        compute = kernel + _delay(kernel * (used + 1), bandwidth, latency)
    elif template == RS:
        spatial, tiled, cluster = 0, 3, r
        out_full = mac_full = min(k, _TILE_K)
        if k > _TILE_K:
            full, mac_left = k // _TILE_K, k % _TILE_K
            left, out_left = 1 if mac_left else 0, mac_left
        _set(nest, 1, q, s, new_columns, 1)
        _set(nest, 2, c, 1, 1, 3)
        _set(nest, 3, full + left, mac_full, mac_full, 2)
        used = r
        compute = s * mac_full + _delay(kernel * (1 + mac_full), bandwidth, latency)
        l1_words = s * (1 + 2 * _TILE_K)
    else:
        spatial, tiled, places, row_parallel = 0, 3, c, False
        _set(nest, 1, p, r, new_rows, 1)
        _set(nest, 2, q, s, new_columns, 1)
        _set(nest, 3, 1, 1, 1, 0)
        used, compute = 1, kernel
    compute_left, used_left = compute, float(used)
    if template == YXP_OS and left and stride_w > s and last_width >= _TILE_X * s:
        compute_left, used_left = _wide_tile(last_width, r, s, used, bandwidth, latency)

    # The spatial loop: full passes, and what is left for one more.
    clusters = num_pes // cluster
    passes, leftover = 1, 0
    if places > clusters:
        passes, leftover = places // clusters, places % clusters
    short = 1 < places < clusters
    sp_tile, sp_out_new, sp_out_last, last_new = 1, 1, 0, 0
    if row_parallel:
        sp_tile, sp_out_new, sp_out_last = r, new_rows, 1
        if stride_h > r:
            last_new = height + stride_h - r
    last_new = last_new if short else -1
    reads = 1 if row_parallel else (2 if template == KCP_WS else 3)
    _set(nest, spatial, passes + min(leftover, 1), sp_tile, sp_out_new, reads)

    runtime, macs, words_in, words_out, first = 0, 0, 0, 0, 0
    pes, steps = 0.0, 0
    for depth in range(-1, 4):
        if depth >= 0 and nest[depth, _STEPS] == 1:
            continue
        plain = 1
        for loop in range(depth + 1):
            if loop != spatial and loop != tiled:
                plain *= nest[loop, _STEPS] - 1 if loop == depth else nest[loop, _STEPS]
        for at_leftover in range(2):
            times = plain * _times(spatial, depth, passes, min(leftover, 1), at_leftover)
            if times == 0:
                continue
            active = leftover if at_leftover else min(places, clusters)
            # Outputs of the clusters as the tool counts them, and their work.
            outputs, work = 1 + (active - 1) * sp_out_new, active
            if at_leftover and active == 1:
                outputs = work = sp_tile
            elif short and not at_leftover:
                outputs += sp_out_last - sp_out_new
            ingress = _ingress(nest, _INPUT, depth, spatial, active, last_new)
            ingress += kernel * _ingress(nest, _WEIGHT, depth, spatial, active, last_new)
            ingress_delay = _delay(ingress, bandwidth, latency)
            for at_last in range(2):
                count = times * _times(tiled, depth, full, left, at_last)
                if count == 0:
                    continue
                egress = outputs * (out_left if at_last else out_full)
                busy = compute_left if at_last else compute
                if depth < 0:
                    cycles = busy + ingress_delay
                    first = ingress + egress
                else:
                    cycles = max(busy, ingress_delay, _delay(egress, bandwidth, latency))
                runtime += count * cycles
                macs += count * kernel * work * (mac_left if at_last else mac_full)
                words_in += count * ingress
                words_out += count * egress
                pes += count * active * (used_left if at_last else used)
                steps += count

    # Inputs and weights arrive in L2 once; the tool counts outputs as if the stride were 1.
    resident = c * height * width + k * c * kernel
    read_back = (c if template == DPT else k) * (height - r + 1) * (width - s + 1)
    times = layer[8]
    return (
        times * runtime, times * macs, times * (4 * macs + words_in),
        times * (words_in + words_out + resident + read_back), 2 * l1_words, 2 * first,
    ), pes / steps  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def fill_table(
    layers: IntArray, accelerators: IntArray, counts: IntArray, utilised_pes: FloatArray
) -> None:
    """Write the costs of every layer on every accelerator.

    Args:
        layers: `LAYER_FIELDS` of each layer, `[l, 10]`.
        accelerators: `ACCELERATOR_FIELDS` of each accelerator, `[a, 4]`.
        counts: Where the `COUNTS` go, `[6, a, l]`.
        utilised_pes: Where the mean numbers of active PEs go, `[a, l]`.
    """
    nest = np.empty((4, 5), dtype=np.int64)
    for a in range(len(accelerators)):
        for i in range(len(layers)):
            result, utilised_pes[a, i] = _layer(layers[i], accelerators[a], nest)
            for column in range(len(result)):
                counts[column, a, i] = result[column]
