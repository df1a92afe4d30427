"""The dataflow model as one array expression, for NumPy and torch, and smooth if wanted.

The equations are those of `dataflow_kernel.cost` for mappings that keep weights (nvdla, tpu,
eyeriss) or outputs (shidiannao) in the PEs, with the innermost loop as the mapping has it. Exact,
they equal the kernel. Smooth, sizes may be any real numbers and gradients exist in the limit of no
edges:

    ceil(x)     becomes  max(x, 1): a last, partly used chunk costs its share
    max(x, y)   becomes  (x + y + sqrt((x - y)^2 + e^2 (x + y)^2)) / 2, which is e above it at
                x = y: 4.4 %, and 0.8 % for ceil

What decides between cases (does a tile stay, is a load hidden) is taken as it is at the point.
Whether tiles fit is not decided here: `l1_need_bytes` and `l2_need_bytes` are for a penalty.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from codesign_gym.search_spaces.errors import InputError
from codesign_gym.search_spaces.hardware.spatial import TEMPLATES

_SOFT_MAX, _SOFT_CEIL = 0.044, 0.008
_TPU, _EYERISS = TEMPLATES.index("tpu"), TEMPLATES.index("eyeriss")


class _Maths:
    """Rounding, larger and smaller for one array library, exact or smooth."""

    def __init__(self, like: Any, smooth: bool) -> None:
        self.smooth = smooth
        if isinstance(like, np.ndarray):
            self.xp: Any = np
        else:
            import torch

            self.xp = torch

    def max(self, x: Any, y: Any) -> Any:
        if not self.smooth:
            return self.xp.maximum(x, y)
        return self._soft(x, y, _SOFT_MAX)

    def _soft(self, x: Any, y: Any, above: float) -> Any:
        both, apart = x + y, x - y
        return (both + self.xp.sqrt(apart * apart + both * both * above**2)) / 2

    def min(self, x: Any, y: Any) -> Any:
        return self.xp.minimum(x, y)

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        return self.xp.where(condition, x, y)

    def turns(self, x: Any) -> Any:
        """Chunks that cover `x` chunks' worth."""
        if not self.smooth:
            return self.xp.ceil(x)
        return self._soft(x, 1.0, _SOFT_CEIL)

    def steps(self, size: Any, chunk: Any, pes: Any, even: Any) -> Any:
        """Time steps along a dimension that PEs share (`dataflow_kernel._steps`)."""
        if self.smooth:
            return self.turns(size / pes)
        passes, keep = self.turns(size / chunk), self.turns(chunk / pes)
        last = self.turns((size - (passes - 1) * chunk) / pes)
        return (passes - 1) * keep + self.where(even, keep, last)

    def window(self, outputs: Any, tiles: Any, stride: Any, extent: Any) -> Any:
        """Input positions under windows read in pieces (`dataflow_kernel._window`)."""
        overlap = self.xp.clip(extent - stride, 0, None)
        return outputs * self.min(stride, extent) + tiles * overlap


def mapping_costs(
    layers: Any, hardware: Any, mappings: Any, *, smooth: bool = False
) -> dict[str, Any]:
    """Costs of layers on accelerators under mappings, each of any shape `[...]`.

    Args:
        layers: `dataflow.layer_rows` or a relaxation of them, `[..., 16]`; NumPy or torch, float.
        hardware: `dataflow.accelerator_rows` or a relaxation, `[..., 25]`.
        mappings: `Mapping.to_rows` or a relaxation, `[..., 20]`, with `inner` given; all keep
            weights in the PEs, or all outputs.
        smooth: Whether to round and choose smoothly.

    Returns:
        cycles, energy_pj, compute_cycles, dram_bytes, l1_need_bytes, l2_need_bytes.

    Example:
        >>> from codesign_gym.cost_models.analytical import dataflow
        >>> from codesign_gym.cost_models.workloads.constructors import conv
        >>> layer = conv("c", c=64, k=64, h=28, r=3, pad=1)
        >>> chip = dataflow.SpatialAccelerators("nvdla", 16, 16)
        >>> found, _ = dataflow.find_mapping(layer, chip)
        >>> rows = dataflow.layer_rows(layer), dataflow.accelerator_rows(chip)
        >>> costs = mapping_costs(*rows, found.to_rows((1, 1)))
        >>> bool(costs["cycles"] == dataflow.evaluate(layer, chip)["cycles"][0])
        True
    """
    (n, k, c, p, q, r, s, g, sh, sw, dh, dw, padding_h, padding_w, weight_copies, input_copies) = (
        _columns(layers, 16)
    )  # fmt: skip
    (template, _, _, l1, l1_weights, _, _, _, word, sums, noc_cycles, input_noc_cycles, dram_cycle,
     ratio, mac_pj, weight_pj, input_pj, sum_pj, noc_pj, l2_weight_pj, l2_input_pj, l2_output_pj,
     dram_pj, static_pj, l2_cycle) = _columns(hardware, 25)  # fmt: skip
    (stationary, ug, uk, uc, up, uq, ur, us, ak, ac, ap, aq, ar, as_, bn, bk, bc, bp, bq, inner) = (
        _columns(mappings, 20)
    )  # fmt: skip
    output = bool((stationary == 1).all())
    if not (output or (stationary == 0).all()) or (inner < 0).any():
        raise InputError(
            "mappings must all keep weights, or all outputs, in the PEs and name the innermost loop"
        )
    f = _Maths(layers, smooth)
    # What is relaxed meets its limits up to rounding.
    near = 1 + 1e-5 if smooth else 1.0
    even, systolic = template == _EYERISS, template == _TPU

    eh, ew = (ar - 1) * dh + 1, (as_ - 1) * dw + 1
    full_h, full_w = (r - 1) * dh + 1, (s - 1) * dw + 1
    ck = uk * ak
    if output:
        cc, cp, cq, cr, cs = bc, up * ap, uq * aq, r, s
        keep_w, keep_i, keep_o = ak, 1.0, ak * ap * aq
    else:
        cc, cp, cq, cr, cs = uc * ac, bp, bq, ur * ar, us * as_
        keep_i = ac * ar * as_
        keep_w, keep_o = ak * keep_i, ak
    l1_need = (keep_w + keep_i) * word + keep_o * sums

    passes_k, passes_g, passes_c = f.turns(k / ck), f.turns(g / ug), f.turns(c / cc)
    passes_p, passes_q = f.turns(p / cp), f.turns(q / cq)
    if output:
        tiles_n, tiles_p, tiles_q = f.turns(n / bn), f.turns(p / bp), f.turns(q / bq)
        pixel_passes = n * passes_p * passes_q
        tiles_m = tiles_n * tiles_p * tiles_q
        sum_passes = tiles_c = passes_c
        strips = passes_p
        taps = r * s
        compute = (
            n * c * taps * passes_g * f.steps(k, ck, uk, even)
            * f.steps(p, cp, up, even) * f.steps(q, cq, uq, even)
        )  # fmt: skip
    else:
        passes_r, passes_s = f.turns(r / cr), f.turns(s / cs)
        tiles_n, tiles_p, tiles_q = f.turns(n / bn), passes_p, passes_q
        pixel_passes = tiles_m = tiles_n * tiles_p * tiles_q
        tiles_c = f.turns(c / bc)
        sum_passes = passes_c * passes_r * passes_s
        strips = f.steps(p, bp, up, even)
        compute = (
            n * f.steps(k, ck, uk, even) * f.steps(c, cc, uc, even) * strips * passes_g
            * f.steps(q, bq, uq, even) * f.steps(r, cr, ur, even) * f.steps(s, cs, us, even)
        )  # fmt: skip

    weights, outputs = g * k * c * r * s * weight_copies, g * n * k * p * q
    channels = g * n * c * input_copies
    dram_inputs = (
        channels
        * (f.window(p, tiles_p, sh, full_h) - padding_h)
        * (f.window(q, tiles_q, sw, full_w) - padding_w)
    )
    if output:
        pass_inputs = channels * f.window(p, strips, sh, full_h) * f.window(q, passes_q, sw, full_w)
    else:
        extent_h, extent_w = (f.min(cr, r) - 1) * dh + 1, (f.min(cs, s) - 1) * dw + 1
        pass_inputs = channels * f.where(
            systolic,
            p * r * q * s,
            passes_r * f.window(p, strips, sh, extent_h) * passes_s
            * f.window(q, tiles_q, sw, extent_w),
        )  # fmt: skip

    in_h = f.min((bp - 1) * sh + full_h, (p - 1) * sh + full_h - padding_h)
    in_w = f.min((bq - 1) * sw + full_w, (q - 1) * sw + full_w - padding_w)
    tile_w = ug * bk * bc * r * s * weight_copies * word
    tile_i = ug * bn * bc * in_h * in_w * input_copies * word
    tile_o = ug * bn * bk * bp * bq
    tiles_k = f.turns(k / bk)
    chunk_w = ug * weight_copies * word * f.min(ck, bk)
    if output:
        first_i = ug * input_copies * ((cp - 1) * sh + full_h) * ((cq - 1) * sw + full_w)
        chunk_i, chunk_o = first_i * word, ug * ck * cp * cq
        one_pass = (bn <= near) & (bk <= near * ck) & (bp <= near * cp) & (bq <= near * cq)
    else:
        chunk_w = chunk_w * f.min(cc, bc) * f.min(cr, r) * f.min(cs, s)
        first_i = ug * cc * input_copies * ((up - 1) * sh + extent_h) * ew
        chunk_i, chunk_o = tile_i, ug * f.min(ck, bk) * up * bq
        one_pass = (bk <= near * ck) & (bc <= near * cc) & (near * cr >= r) & (near * cs >= s)

    one = f.xp.ones_like(k)
    w_times = f.where(inner == 0, one, tiles_m)
    i_times = f.where(inner == 1, one, tiles_k)
    o_times = f.where(inner == 2, one, tiles_c)
    w_passes, o_passes = pixel_passes, sum_passes
    if output:
        o_passes = f.where(one_pass, o_times, sum_passes)
    else:
        w_passes = f.where(one_pass, w_times, pixel_passes)
    cut_k, cut_c = near * bk < k, near * bc < c
    cut_m = (near * bn < n) | (near * bp < p) | (near * bq < q)
    stays_w, stays_o = w_times < w_passes, o_times < o_passes
    # An array of weights streams all that the buffer has of the inputs.
    stays_i = (i_times < passes_k) | (strips > near * tiles_p) | (near * chunk_i >= tile_i)
    l2_need = (
        f.where(stays_w, tile_w * f.where(cut_k | cut_c, 2 * one, one), f.min(2 * chunk_w, tile_w))
        + f.where(stays_i, tile_i * f.where(cut_m | cut_c, 2 * one, one), 2 * chunk_i)
        + f.where(stays_o, tile_o, f.min(2 * chunk_o, tile_o))
        * f.where(o_passes > 1, sums, word)
    )  # fmt: skip
    dram_bytes = word * (weights * w_times + (dram_inputs * i_times + outputs) * ratio)
    dram_bytes = dram_bytes + 2 * sums * outputs * (o_times - 1)

    w_reads, i_reads, o_writes = weights * w_passes, pass_inputs * passes_k, outputs * o_passes
    o_reads = o_writes - outputs
    weight_cycles = w_reads * word * noc_cycles
    sums_in = o_reads * sums
    sums_out = sums_in + outputs * word
    stream = f.max(i_reads * word * input_noc_cycles, sums_out * noc_cycles)
    first = first_i * word * input_noc_cycles + ug * ck * up * uq * sums * noc_cycles
    if output:
        busy = f.max(compute, f.max(stream, weight_cycles))
    else:
        exposed = even | (2 * keep_w > near * l1_weights) | (l1_need + keep_w * word > near * l1)
        adders = uc * ur * us
        sets = passes_k * sum_passes * passes_g
        weight_cycles = f.where(
            systolic, f.max(weight_cycles, w_passes * sets * adders), weight_cycles
        )
        rounds = pixel_passes * sets * strips / tiles_p
        busy = f.where(
            exposed,
            f.max(compute, stream) + weight_cycles + rounds * (first + adders * ak),
            f.max(compute, f.max(stream, weight_cycles)),
        )
    l2_cycles = ((w_reads + i_reads) * word + sums_in + sums_out + dram_bytes) * l2_cycle
    first_w = f.min(chunk_w, tile_w) if output else chunk_w
    fill = (first_w + first_i * word) * dram_cycle + first_w * noc_cycles + first
    cycles = f.max(f.max(busy, l2_cycles), dram_bytes * dram_cycle) + fill
    if not smooth:
        cycles = f.xp.ceil(cycles)

    if output:
        pe_h = f.window(p, f.turns(p / ap), sh, full_h)
        pe_w = f.window(q, f.turns(q / aq), sw, full_w)
        adders = 1.0
    else:
        pe_h = passes_r * ur * f.window(p, p, sh, eh)
        pe_w = passes_s * us * f.window(q, tiles_q * uq, sw, ew)
    hops_w = w_reads * up * uq
    hops_i = f.max(channels * pe_h * pe_w * uk * passes_k, i_reads)
    hops_o = o_writes * adders + o_reads
    macs = outputs * c * r * s
    energy = (
        macs * mac_pj
        + (macs * weight_copies + hops_w) * weight_pj
        + (macs * input_copies + hops_i) * input_pj
        + 2 * macs * sum_pj
        + ((hops_w + hops_i) * word + hops_o * sums) * noc_pj
        + (w_reads + weights * w_times) * word * l2_weight_pj
        + (i_reads + dram_inputs * i_times) * word * l2_input_pj
        + (sums_in + sums_out + outputs * word + 2 * outputs * (o_times - 1) * sums) * l2_output_pj
        + dram_bytes * dram_pj
        + cycles * static_pj
    )
    return {
        "cycles": cycles,
        "energy_pj": energy,
        "compute_cycles": compute,
        "dram_bytes": dram_bytes,
        "l1_need_bytes": l1_need,
        "l2_need_bytes": l2_need,
    }


def _columns(rows: Any, width: int) -> list[Any]:
    if rows.shape[-1] != width:
        raise InputError(f"rows must have shape [..., {width}]; got {tuple(rows.shape)}")
    # Side by side in memory, and one node for gradients instead of one per column.
    if isinstance(rows, np.ndarray):
        return list(np.ascontiguousarray(np.moveaxis(rows, -1, 0)))
    return list(rows.movedim(-1, 0).contiguous().unbind(0))
