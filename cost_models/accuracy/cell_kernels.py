"""Compiled layers of eight channels on short sequences, forward and backward.

Letters: ``b`` sequences, ``l`` positions, ``n = l * b``. Activations are float32 ``[8, n]`` with
the sequences innermost, so that a tap of a convolution is a shift by ``b`` and every loop is long.
Arguments that are changed come last; the backward kernels add to their results.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codesign_gym.search_spaces.networks.nas_bench_201 import SEQUENCE_WIDTH

F32 = NDArray[np.float32]

WIDTH = SEQUENCE_WIDTH
assert WIDTH == 8, "the kernels are written out for eight channels"

EPSILON = np.float32(1e-5)
"""What torch's batch norm adds to the variance."""

MOMENTUM = np.float32(0.1)
"""Share of a batch in the running statistics of torch's batch norm."""

# Sums in any order, so that they fill the vector units; infinities and NaN stay what they are.
_FAST = {"reassoc", "contract", "nsz"}
compiled = njit(cache=True, fastmath=_FAST)


@compiled
def mix(w: F32, x: F32, shift: int, y: F32) -> None:
    """``y[k, i] += sum over c of w[k, c] * x[c, i + shift]`` wherever both are inside."""
    n = y.shape[1]
    low, high = max(0, -shift), n - max(0, shift)
    begin, end = low + shift, high + shift
    # Slices, not shifted indices: one that may be negative keeps a loop out of the vector unit.
    x0, x1, x2, x3 = x[0, begin:end], x[1, begin:end], x[2, begin:end], x[3, begin:end]
    x4, x5, x6, x7 = x[4, begin:end], x[5, begin:end], x[6, begin:end], x[7, begin:end]
    for k in range(y.shape[0]):
        out = y[k, low:high]
        w0, w1, w2, w3 = w[k, 0], w[k, 1], w[k, 2], w[k, 3]
        w4, w5, w6, w7 = w[k, 4], w[k, 5], w[k, 6], w[k, 7]
        for i in range(high - low):
            out[i] += (
                w0 * x0[i] + w1 * x1[i] + w2 * x2[i] + w3 * x3[i]
                + w4 * x4[i] + w5 * x5[i] + w6 * x6[i] + w7 * x7[i]
            )  # fmt: skip


@compiled
def correlate(dy: F32, x: F32, shift: int, dw: F32) -> None:
    """``dw[k, c] += sum over i of dy[k, i] * x[c, i + shift]``: the weights' gradient of `mix`."""
    n = dy.shape[1]
    low, high = max(0, -shift), n - max(0, shift)
    begin, end = low + shift, high + shift
    for k in range(dy.shape[0]):
        d = dy[k, low:high]
        for c in range(0, x.shape[0], 4):
            x0, x1 = x[c, begin:end], x[c + 1, begin:end]
            x2, x3 = x[c + 2, begin:end], x[c + 3, begin:end]
            s0 = s1 = s2 = s3 = np.float32(0)
            for i in range(high - low):
                s0 += d[i] * x0[i]
                s1 += d[i] * x1[i]
                s2 += d[i] * x2[i]
                s3 += d[i] * x3[i]
            dw[k, c] += s0
            dw[k, c + 1] += s1
            dw[k, c + 2] += s2
            dw[k, c + 3] += s3


@compiled
def convolve(w: F32, x: F32, b: int, y: F32) -> None:
    """A convolution with weights ``[8, 8, taps]``, zeros around the sequence."""
    taps = w.shape[2]
    y[:] = 0
    for tap in range(taps):
        mix(np.ascontiguousarray(w[:, :, tap]), x, (tap - taps // 2) * b, y)


@compiled
def convolve_back(w: F32, x: F32, dy: F32, b: int, dx: F32, dw: F32) -> None:
    """Gradients of `convolve` to its input and weights."""
    taps = w.shape[2]
    part = np.empty((WIDTH, WIDTH), dtype=np.float32)
    for tap in range(taps):
        shift = (tap - taps // 2) * b
        mix(np.ascontiguousarray(w[:, :, tap].T), dy, -shift, dx)
        part[:] = 0
        correlate(dy, x, shift, part)
        dw[:, :, tap] += part


@compiled
def normalise(y: F32, running: F32, inverse: F32) -> None:
    """Batch norm without scale and offset, in place, on the statistics of the batch.

    Args:
        y: What is normalised.
        running: Mean and variance that inference will use, ``[2, 8]``; moved towards the batch's.
        inverse: Becomes what each channel was multiplied by, ``[8]``.
    """
    n = y.shape[1]
    for k in range(y.shape[0]):
        row = y[k]
        total = np.float32(0)
        for i in range(n):
            total += row[i]
        mean = total / np.float32(n)
        squares = np.float32(0)
        for i in range(n):
            row[i] -= mean
            squares += row[i] * row[i]
        variance = squares / np.float32(n)
        inv = np.float32(1) / np.sqrt(variance + EPSILON)
        inverse[k] = inv
        for i in range(n):
            row[i] *= inv
        running[0, k] += MOMENTUM * (mean - running[0, k])
        running[1, k] += MOMENTUM * (squares / np.float32(n - 1) - running[1, k])


@compiled
def normalise_fixed(y: F32, running: F32) -> None:
    """Batch norm without scale and offset, in place, on the running statistics ``[2, 8]``."""
    for k in range(y.shape[0]):
        row, mean = y[k], running[0, k]
        inv = np.float32(1) / np.sqrt(running[1, k] + EPSILON)
        for i in range(y.shape[1]):
            row[i] = (row[i] - mean) * inv


@compiled
def normalise_back(
    dz: F32, unit: F32, scale: F32, inverse: F32, dscale: F32, doffset: F32, dy: F32
) -> None:
    """Gradients of batch norm to its scale, offset and input, which is overwritten.

    Args:
        dz: Gradient of what came out.
        unit: What `normalise` left.
        scale: What that was multiplied by, ``[8]``.
        inverse: As `normalise` gave it.
        dscale: Gradient of the scale ``[8]``.
        doffset: Gradient of the offset ``[8]``.
        dy: Becomes the gradient of what `normalise` was given.
    """
    n = dz.shape[1]
    for k in range(dz.shape[0]):
        d, u, out = dz[k], unit[k], dy[k]
        total = product = np.float32(0)
        for i in range(n):
            total += d[i]
            product += d[i] * u[i]
        doffset[k] += total
        dscale[k] += product
        factor = scale[k] * inverse[k]
        mean, slope = total / np.float32(n), product / np.float32(n)
        for i in range(n):
            out[i] = factor * (d[i] - mean - slope * u[i])


@compiled
def add_scaled(unit: F32, scale: F32, offset: F32, out: F32) -> None:
    """``out += scale * unit + offset`` per channel."""
    for k in range(out.shape[0]):
        o, u, a, c = out[k], unit[k], scale[k], offset[k]
        for i in range(out.shape[1]):
            o[i] += a * u[i] + c


@compiled
def rectify(x: F32, out: F32) -> None:
    """``out = max(x, 0)``; NaN stays NaN."""
    zero = np.float32(0)
    for k in range(x.shape[0]):
        a, o = x[k], out[k]
        for i in range(x.shape[1]):
            o[i] = zero if a[i] < zero else a[i]


@compiled
def rectify_back(x: F32, dout: F32, dx: F32) -> None:
    """``dx += dout`` where ``x`` is positive."""
    zero = np.float32(0)
    for k in range(x.shape[0]):
        a, d, o = x[k], dout[k], dx[k]
        for i in range(x.shape[1]):
            o[i] += d[i] if a[i] > zero else zero


@compiled
def average(x: F32, b: int, out: F32) -> None:
    """``out +=`` the mean of each position and its neighbours, those outside not counted."""
    n = x.shape[1]
    half, third = np.float32(1 / 2), np.float32(1 / 3)
    for k in range(x.shape[0]):
        first, last = x[k, : 2 * b], x[k, n - 2 * b :]
        before, here, after = x[k, : n - 2 * b], x[k, b : n - b], x[k, 2 * b :]
        start, inside, end = out[k, :b], out[k, b : n - b], out[k, n - b :]
        for i in range(b):
            start[i] += half * (first[i] + first[i + b])
            end[i] += half * (last[i] + last[i + b])
        for i in range(n - 2 * b):
            inside[i] += third * (before[i] + here[i] + after[i])


@compiled
def average_back(dout: F32, b: int, dx: F32) -> None:
    """The gradient of `average`."""
    n = dout.shape[1]
    half, third = np.float32(1 / 2), np.float32(1 / 3)
    for k in range(dx.shape[0]):
        first, inside, last = dout[k, :b], dout[k, b : n - b], dout[k, n - b :]
        start, end = dx[k, : 2 * b], dx[k, n - 2 * b :]
        for i in range(b):
            share = half * first[i]
            start[i] += share
            start[i + b] += share
            share = half * last[i]
            end[i] += share
            end[i + b] += share
        for shift in range(0, 3 * b, b):
            to = dx[k, shift : shift + n - 2 * b]
            for i in range(n - 2 * b):
                to[i] += third * inside[i]


@compiled
def halve(x: F32, b: int, out: F32) -> None:
    """``out =`` the mean of every two positions, ``[8, n / 2]``."""
    half = np.float32(1 / 2)
    for k in range(out.shape[0]):
        for start in range(0, out.shape[1], b):
            a, o = x[k, 2 * start : 2 * start + 2 * b], out[k, start : start + b]
            for i in range(b):
                o[i] = half * (a[i] + a[i + b])


@compiled
def halve_back(dout: F32, b: int, dx: F32) -> None:
    """The gradient of `halve`; ``dx`` is overwritten."""
    half = np.float32(1 / 2)
    for k in range(dout.shape[0]):
        for start in range(0, dout.shape[1], b):
            d, o = dout[k, start : start + b], dx[k, 2 * start : 2 * start + 2 * b]
            for i in range(b):
                o[i] = o[i + b] = half * d[i]
