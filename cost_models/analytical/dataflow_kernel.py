"""The dataflow equations, compiled: what one layer costs under one mapping.

Rows are plain float64 arrays laid out as the constants below say; whole numbers in them are exact
up to 2^53. Arrays come with the index of the row that is meant, because views would cost as much
as the arithmetic. `dataflow` is the module to call, and says what the equations mean.

Letters of a layer: n batch, k filters and c channels of one group, p x q output pixels, r x s
kernel, g groups. Of a mapping: u how many PEs share a dimension, a how much of it one PE keeps, b
how much of it the shared buffer keeps.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LAYER_FIELDS = (
    "n", "k", "c", "p", "q", "r", "s", "g", "stride_h", "stride_w", "dilation_h", "dilation_w",
    "padding_h", "padding_w", "weight_copies", "input_copies",
)  # fmt: skip
ACCELERATOR_FIELDS = (
    "template", "rows", "cols", "l1_bytes", "l1_weights", "l1_inputs", "l1_sums", "l2_bytes",
    "word_bytes", "sum_bytes", "noc_cycles_per_byte", "input_noc_cycles_per_byte",
    "dram_cycles_per_byte", "activation_ratio",
    "mac_pj", "register_weight_pj", "register_input_pj", "register_sum_pj", "noc_pj_per_byte",
    "l2_weight_pj_per_byte", "l2_input_pj_per_byte", "l2_output_pj_per_byte", "dram_pj_per_byte",
    "static_pj_per_cycle", "l2_cycles_per_byte",
)  # fmt: skip
MAPPING_FIELDS = (
    "stationary", "u_g", "u_k", "u_c", "u_p", "u_q", "u_r", "u_s", "a_k", "a_c", "a_p", "a_q",
    "a_r", "a_s", "b_n", "b_k", "b_c", "b_p", "b_q", "inner",
)  # fmt: skip
RESULT_FIELDS = (
    "compute_cycles", "noc_cycles", "l2_cycles", "dram_cycles", "exposed_cycles", "fill_cycles",
    "bottleneck",
    "register_weight_words", "register_input_words", "register_sum_words",
    "noc_weight_words", "noc_input_words", "noc_sum_words",
    "l2_weight_words", "l2_input_words", "l2_sum_reads_words", "l2_sum_writes_words",
    "dram_weight_words", "dram_input_words", "dram_output_words", "dram_sum_words",
    "l1_need_bytes", "l2_need_bytes", "active_pes",
    "macs", "cycles", "dram_bytes",
    "mac_energy_pj", "register_energy_pj", "noc_energy_pj", "l2_energy_pj", "dram_energy_pj",
    "static_energy_pj", "energy_pj",
)  # fmt: skip
TOTALLED = RESULT_FIELDS.index("macs")
"""The results from here on are those that a network's are the sums of."""

WEIGHT, OUTPUT, INPUT = 0, 1, 2
"""What stays in the PEs while the rest streams past."""

NVDLA, TPU, SHIDIANNAO, EYERISS, FREE = range(5)

OK, NO_PES, SPATIAL, TILE, L1_SMALL, L2_SMALL, TILE_LARGE = range(7)
"""Why a mapping is no mapping; `layer_costs.REASONS` puts it in words."""


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _window(outputs: float, tiles: float, stride: float, extent: float) -> float:
    """Input positions under `outputs` windows of length `extent`, read in `tiles` pieces.

    Neighbouring pieces overlap by `extent - stride` positions, which each of them reads.
    """
    return outputs * min(stride, extent) + tiles * max(extent - stride, 0.0)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _passes(size: float, chunk: float) -> float:
    """Chunks that cover a dimension."""
    return float(np.ceil(size / chunk))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _steps(size: float, chunk: float, pes: float, passes: float, even: bool) -> float:
    """Time steps along a dimension of `size`, cut into `passes` chunks that `pes` PEs share evenly.

    Where the array is configured once for a layer (`even`), the last chunk takes as long as any.
    """
    each, before = np.ceil(chunk / pes), passes - 1
    last = np.ceil((size - before * chunk) / pes)
    return float(before * each + (each if even else last))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def kept(layers: FloatArray, i: int, maps: FloatArray, j: int) -> tuple[float, float, float]:
    """Weights, inputs and outputs or sums that one PE keeps."""
    ak, ac, ap, aq = maps[j, 8], maps[j, 9], maps[j, 10], maps[j, 11]
    if maps[j, 0] == WEIGHT:
        inputs = ac * maps[j, 12] * maps[j, 13]
        return ak * inputs, inputs, ak
    if maps[j, 0] == OUTPUT:
        return ak, 1.0, ak * ap * aq
    height = (ap - 1) * layers[i, 8] + (maps[j, 12] - 1) * layers[i, 10] + 1
    width = (aq - 1) * layers[i, 9] + (maps[j, 13] - 1) * layers[i, 11] + 1
    return 1.0, ac * height * width, 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def fits_registers(layers: FloatArray, i: int, hw: FloatArray, maps: FloatArray, j: int) -> bool:
    """Whether a PE has room for what the mapping keeps in it."""
    weights, inputs, outputs = kept(layers, i, maps, j)
    total = (weights + inputs) * hw[8] + outputs * hw[9]
    return bool(weights <= hw[4] and inputs <= hw[5] and outputs <= hw[6] and total <= hw[3])


@njit(cache=True, nogil=True, error_model="numpy")
def legal(layers: FloatArray, i: int, hw: FloatArray, maps: FloatArray, j: int) -> int:
    """`OK` if the array of the accelerator can be used so and the tiles nest, else why not."""
    if hw[1] < 1 or hw[2] < 1:
        return NO_PES
    template, stationary = hw[0], maps[j, 0]
    ug, uk, uc, up = maps[j, 1], maps[j, 2], maps[j, 3], maps[j, 4]
    uq, ur, us = maps[j, 5], maps[j, 6], maps[j, 7]
    fits = ug * uk * uc * up * uq * ur * us <= hw[1] * hw[2]
    if template in (NVDLA, TPU):
        fits = ug * up * uq == 1 and uc * ur * us <= hw[1] and uk <= hw[2] and stationary == WEIGHT
        fits = fits and (template == TPU or ur * us == 1)
    elif template == SHIDIANNAO:
        fits = up <= hw[1] and uq <= hw[2] and ug * uk * uc * ur * us == 1
        fits = fits and stationary == OUTPUT
    elif template == EYERISS:
        sets = np.floor(hw[1] / ur) * np.floor(hw[2] / min(up, hw[2]))
        fits = fits and uq * us == 1 and np.ceil(up / hw[2]) * ug * uk * uc <= sets
        fits = fits and stationary == WEIGHT
    if not fits:
        return SPATIAL
    for d in range(1, 19):
        if maps[j, d] < 1 or maps[j, d] != np.floor(maps[j, d]):
            return TILE
    for d in range(6):
        size = layers[i, 1 + d]
        if maps[j, 2 + d] > size or maps[j, 8 + d] > size:
            return TILE_LARGE
    for d in range(5):
        if maps[j, 14 + d] > layers[i, d]:
            return TILE_LARGE
    if maps[j, 1] > layers[i, 7]:
        return TILE_LARGE
    # The streamed dimensions are cut by the buffer alone, the others in whole chunks of the array.
    for d in range(6):
        streamed = (
            (stationary == WEIGHT and (d == 2 or d == 3))
            or (stationary == OUTPUT and (d == 1 or d >= 4))
            or (stationary == INPUT and d == 0)
        )
        keep = maps[j, 8 + d]
        if streamed and keep > 1:
            return TILE
        if d < 4:
            chunk, b, size = keep * maps[j, 2 + d], maps[j, 15 + d], layers[i, 1 + d]
            if b < size and not streamed and b % chunk != 0:
                return TILE
    return OK


@njit(cache=True, nogil=True, error_model="numpy")
def cost(
    layers: FloatArray, i: int, hw: FloatArray, maps: FloatArray, j: int, outs: FloatArray, o: int,
    whole: bool = True,
) -> int:  # fmt: skip
    """Write `RESULT_FIELDS` of a layer under a mapping, and its best `inner` into the mapping.

    Args:
        layers: Rows of `LAYER_FIELDS`.
        i: Which of them.
        hw: One row of `ACCELERATOR_FIELDS`.
        maps: Rows of `MAPPING_FIELDS`; a negative `inner` becomes the one with least traffic.
        j: Which of them.
        outs: Where the result goes, rows of `RESULT_FIELDS`.
        o: Which of them.
        whole: Whether to write everything, or only what is totalled.

    Returns:
        `OK`, or why there is no result; `outs` then keeps what it had.
    """
    n, k, c, p, q = layers[i, 0], layers[i, 1], layers[i, 2], layers[i, 3], layers[i, 4]
    r, s, g = layers[i, 5], layers[i, 6], layers[i, 7]
    sh, sw, dh, dw = layers[i, 8], layers[i, 9], layers[i, 10], layers[i, 11]
    weight_copies, input_copies = layers[i, 14], layers[i, 15]
    template, word, sums = hw[0], hw[8], hw[9]
    stationary = maps[j, 0]
    ug, uk, uc, up = maps[j, 1], maps[j, 2], maps[j, 3], maps[j, 4]
    uq, ur, us = maps[j, 5], maps[j, 6], maps[j, 7]
    ak, ac, ap = maps[j, 8], maps[j, 9], maps[j, 10]
    aq, ar, as_ = maps[j, 11], maps[j, 12], maps[j, 13]
    bn, bk, bc, bp, bq = maps[j, 14], maps[j, 15], maps[j, 16], maps[j, 17], maps[j, 18]

    # What one PE keeps, in words, and how much of each dimension the array works on in one pass:
    # the share of all PEs, and of the streamed dimensions all that the shared buffer has.
    eh, ew = (ar - 1) * dh + 1, (as_ - 1) * dw + 1
    full_h, full_w = (r - 1) * dh + 1, (s - 1) * dw + 1
    cn, ck, cc, cp, cq, cr, cs = 1.0, uk * ak, uc * ac, up * ap, uq * aq, ur * ar, us * as_
    keep_w, keep_i, keep_o = kept(layers, i, maps, j)
    if stationary == WEIGHT:
        cn, cp, cq = bn, bp, bq
    elif stationary == OUTPUT:
        cc, cr, cs = bc, r, s
    else:
        ck = bk
    l1_need = (keep_w + keep_i) * word + keep_o * sums
    if keep_w > hw[4] or keep_i > hw[5] or keep_o > hw[6] or l1_need > hw[3]:
        return L1_SMALL
    # Weights load behind the previous pass if the PE has room for two sets of them.
    exposed = stationary == WEIGHT and (
        template == EYERISS or 2 * keep_w > hw[4] or l1_need + keep_w * word > hw[3]
    )

    passes_k, passes_c, passes_g = _passes(k, ck), _passes(c, cc), _passes(g, ug)
    passes_p, passes_q = _passes(p, cp), _passes(q, cq)
    passes_r, passes_s = _passes(r, cr), _passes(s, cs)
    pixel_passes = _passes(n, cn) * passes_p * passes_q
    sum_passes = passes_c * passes_r * passes_s
    even = template == EYERISS
    steps_p = _steps(p, cp, up, passes_p, even)
    compute = (
        n * _steps(k, ck, uk, passes_k, even) * _steps(c, cc, uc, passes_c, even) * steps_p
        * _steps(q, cq, uq, passes_q, even) * _steps(r, cr, ur, passes_r, even)
        * _steps(s, cs, us, passes_s, even) * passes_g
    )  # fmt: skip

    weights, outputs = g * k * c * r * s * weight_copies, g * n * k * p * q
    channels = g * n * c * input_copies
    tiles_p, tiles_q = _passes(p, bp), _passes(q, bq)
    dram_inputs = (
        channels
        * (_window(p, tiles_p, sh, full_h) - layers[i, 12])
        * (_window(q, tiles_q, sw, full_w) - layers[i, 13])
    )
    # An array that streams pixels takes the rows of `up` outputs at a time.
    strips = steps_p if stationary == WEIGHT else passes_p
    if template == TPU:
        # A systolic array is fed the unrolled input (im2col): each word once per tap.
        pass_inputs = channels * (p * r) * (q * s)
    else:
        pass_inputs = (
            channels
            * passes_r * _window(p, strips, sh, (min(cr, r) - 1) * dh + 1)
            * passes_s * _window(q, passes_q, sw, (min(cs, s) - 1) * dw + 1)
        )  # fmt: skip

    # The tiles in the shared buffer, in bytes.
    in_h = min((bp - 1) * sh + full_h, (p - 1) * sh + full_h - layers[i, 12])
    in_w = min((bq - 1) * sw + full_w, (q - 1) * sw + full_w - layers[i, 13])
    tile_w = ug * bk * bc * r * s * weight_copies * word
    tile_i = ug * bn * bc * in_h * in_w * input_copies * word
    tile_o = ug * bn * bk * bp * bq
    tiles_m = _passes(n, bn) * tiles_p * tiles_q
    tiles_k, tiles_c = _passes(k, bk), _passes(c, bc)
    chunk_w = ug * weight_copies * word * min(ck, bk)
    if stationary == WEIGHT:
        chunk_w *= min(cc, bc) * min(cr, r) * min(cs, s)
    window_h, window_w = (up - 1) * sh + (min(cr, r) - 1) * dh + 1, ew
    if stationary == OUTPUT:
        window_h, window_w = (cp - 1) * sh + full_h, (cq - 1) * sw + full_w
        first_i = ug * input_copies * window_h * window_w
    else:
        first_i = ug * cc * input_copies * window_h * window_w
    if stationary == INPUT:
        chunk_i = ug * cc * input_copies * word * ((cp - 1) * sh + eh) * ((cq - 1) * sw + ew)
    elif stationary == OUTPUT:
        chunk_i = first_i * word
    else:
        chunk_i = tile_i
    chunk_o = ug * ck * cp * cq if stationary == OUTPUT else ug * min(ck, bk) * up * bq

    # Of the loops between buffer and DRAM, over tiles of pixels (0), filters (1) and channels (2),
    # one is innermost: the operand that does not depend on it stays, the others are fetched again
    # in every turn of the loop that they do not depend on.
    many_m, many_k, many_c = tiles_m > 1, tiles_k > 1, tiles_c > 1
    one_pass = (
        (stationary == WEIGHT and bk <= ck and bc <= cc and passes_r * passes_s == 1)
        or (stationary == OUTPUT and bn == 1 and bk <= ck and bp <= cp and bq <= cq)
        or (stationary == INPUT and bn == 1 and bc <= cc and bp <= cp and bq <= cq
            and passes_r * passes_s == 1)
    )  # fmt: skip
    # A stationary tile that is all the buffer has of its operand outlives the buffer's tile.
    stays_w, stays_i = one_pass and stationary == WEIGHT, one_pass and stationary == INPUT
    stays_o = one_pass and stationary == OUTPUT
    need_w, pass_w = tile_w * (2 if many_k or many_c else 1), min(2 * chunk_w, tile_w)
    need_i, pass_i = tile_i * (2 if many_m or many_c else 1), 2 * chunk_i
    keeps_i = strips != tiles_p or chunk_i >= tile_i
    pass_o = min(2 * chunk_o, tile_o)
    # Selections, not branches: a search meets them in no order that a processor could foresee.
    asked, best, l2_need, inner = maps[j, 19], np.inf, 0.0, -1.0
    for candidate in range(3):
        wf = 1.0 if candidate == 0 else tiles_m
        kf = 1.0 if candidate == 1 else tiles_k
        cf = 1.0 if candidate == 2 else tiles_c
        pw, pi, po = (
            wf if stays_w else pixel_passes, kf if stays_i else passes_k,
            cf if stays_o else sum_passes,
        )  # fmt: skip
        # What is read no more often than it is fetched passes through; else it stays.
        need = need_w if wf < pw else pass_w
        need += need_i if (kf < pi) | keeps_i else pass_i
        need += (tile_o if cf < po else pass_o) * (sums if po > 1 else word)
        traffic = word * (
            weights * wf + (dram_inputs * kf + outputs) * hw[13]
        ) + 2 * sums * outputs * (cf - 1)
        taken = (need <= hw[7]) & (traffic < best) & ((asked < 0) | (asked == candidate))
        best, l2_need = traffic if taken else best, need if taken else l2_need
        inner = float(candidate) if taken else inner
    if inner < 0:
        return L2_SMALL
    w_times, i_times, o_times = (
        1.0 if inner == 0 else tiles_m, 1.0 if inner == 1 else tiles_k,
        1.0 if inner == 2 else tiles_c,
    )  # fmt: skip
    w_passes = w_times if stays_w else pixel_passes
    i_passes = i_times if stays_i else passes_k
    w_reads, i_reads = weights * w_passes, pass_inputs * i_passes
    o_writes = outputs * (o_times if stays_o else sum_passes)
    o_reads = o_writes - outputs

    # Between buffer and array: a network each for weights, inputs, sums in and sums out.
    passes_w = w_passes * passes_k * sum_passes * passes_g
    weight_cycles = w_reads * word * hw[10]
    if template == TPU:
        # A set of weights is shifted in from the edge, a row per cycle.
        weight_cycles = max(weight_cycles, passes_w * uc * ur * us)
    sums_in, sums_out = o_reads * sums, o_reads * sums + outputs * word
    stream = max(i_reads * word * hw[11], sums_out * hw[10])
    first = first_i * word * hw[11] + ug * uk * ak * up * uq * sums * hw[10]
    if exposed:
        rounds = pixel_passes * passes_k * sum_passes * passes_g
        if stationary == WEIGHT:
            rounds *= strips / passes_p
        # The last sums ripple through the PEs that add them up, one set after another.
        overhead = weight_cycles + rounds * (first + uc * ur * us * ak)
        noc = stream
    else:
        overhead = 0.0
        noc = max(stream, weight_cycles)
    busy = max(compute, noc) + overhead
    l2_traffic = (w_reads + i_reads) * word + sums_in + sums_out + best
    l2_cycles = l2_traffic * hw[24]
    dram_cycles = best * hw[12]
    fill = (
        (min(chunk_w, tile_w) + first_i * word) * hw[12]
        + min(chunk_w, tile_w) * hw[10] + first
    )  # fmt: skip
    cycles = np.ceil(max(busy, l2_cycles, dram_cycles) + fill)

    # Hops: every word that reaches a PE, and every sum handed from PE to PE.
    if stationary == OUTPUT:
        pe_h = _window(p, _passes(p, ap), sh, full_h)
        pe_w = _window(q, _passes(q, aq), sw, full_w)
    else:
        blocks_p, blocks_q = p, passes_q * uq
        if stationary == INPUT:
            blocks_p, blocks_q = _passes(p, ap), _passes(q, aq)
        pe_h = passes_r * ur * _window(p, blocks_p, sh, eh)
        pe_w = passes_s * us * _window(q, blocks_q, sw, ew)
    hops_w = w_reads * up * uq
    hops_i = max(channels * pe_h * pe_w * uk * i_passes, i_reads)
    hops_o = o_writes * (uc * ur * us) + o_reads

    macs = outputs * c * r * s
    maps[j, 19] = inner
    spilled = 2 * outputs * (o_times - 1)
    dram_w, dram_i = weights * w_times, dram_inputs * i_times
    register_w, register_i = macs * min(weight_copies, 1.0) + hops_w, macs * input_copies + hops_i
    mac_pj = macs * hw[14]
    register_pj = register_w * hw[15] + register_i * hw[16] + 2 * macs * hw[17]
    noc_pj = ((hops_w + hops_i) * word + hops_o * sums) * hw[18]
    l2_pj = (
        (w_reads + dram_w) * word * hw[19]
        + (i_reads + dram_i) * word * hw[20]
        + (sums_in + sums_out + outputs * word + spilled * sums) * hw[21]
    )
    dram_pj, static_pj = best * hw[22], cycles * hw[23]
    energy_pj = mac_pj + register_pj + noc_pj + l2_pj + dram_pj + static_pj
    outs[o, 24], outs[o, 25], outs[o, 26] = macs, cycles, best
    outs[o, 27], outs[o, 28], outs[o, 29] = mac_pj, register_pj, noc_pj
    outs[o, 30], outs[o, 31], outs[o, 32], outs[o, 33] = l2_pj, dram_pj, static_pj, energy_pj
    if not whole:
        return OK
    outs[o, 0], outs[o, 1], outs[o, 2], outs[o, 3] = compute, noc, l2_cycles, dram_cycles
    outs[o, 4], outs[o, 5] = overhead, fill
    slowest = max(busy, l2_cycles, dram_cycles)
    if slowest > busy:
        outs[o, 6] = 3.0 if slowest == dram_cycles else 2.0
    else:
        outs[o, 6] = 1.0 if noc > compute else 0.0
    outs[o, 7], outs[o, 8], outs[o, 9] = register_w, register_i, 2 * macs
    outs[o, 10], outs[o, 11], outs[o, 12] = hops_w, hops_i, hops_o
    outs[o, 13], outs[o, 14], outs[o, 15], outs[o, 16] = w_reads, i_reads, o_reads, o_writes
    outs[o, 17], outs[o, 18], outs[o, 19], outs[o, 20] = dram_w, dram_i, outputs, spilled
    outs[o, 21], outs[o, 22], outs[o, 23] = l1_need, l2_need, macs / compute
    return OK
