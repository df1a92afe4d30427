"""Which input positions the taps of a sliding kernel reach, counted in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def touched(
    size: IntArray,
    kernel: IntArray,
    stride: IntArray,
    dilation: IntArray,
    pad: IntArray,
    outputs: IntArray,
) -> IntArray:
    """How many of `size` input positions lie under some tap of the kernel `[l]`."""
    # Tap j of output o is at o * stride + j * dilation, counted from the start of the padding.
    # Common factors only scale the positions, and a single tap has no dilation.
    dilation = np.where(kernel == 1, 1, dilation)
    common = np.gcd(stride, dilation)
    step, spacing = stride // common, dilation // common
    begin, end = -(-pad // common), -(-(pad + size) // common)
    total = np.zeros_like(size)
    # Outputs o = phase + spacing * i have taps at phase * step + spacing * (step * i + j): windows
    # of adjacent positions on a grid of their own, because step and spacing are coprime.
    for phase in range(int(np.minimum(spacing, outputs).max(initial=0))):
        windows = -((phase - outputs) // spacing)
        first = np.maximum(-((phase * step - begin) // spacing), 0)
        last = np.maximum(-((phase * step - end) // spacing), 0)
        covered = _covered(last, kernel, step, windows) - _covered(first, kernel, step, windows)
        total += covered * ((phase < spacing) & (windows > 0))
    return total


def _covered(end: IntArray, kernel: IntArray, step: IntArray, windows: IntArray) -> IntArray:
    """How many positions below `end` lie in windows of `kernel` that start `step` apart `[l]`."""
    # Each window but the last adds the smaller of the two.
    passed = np.minimum(end // step, windows - 1)
    covered: IntArray = passed * np.minimum(kernel, step)
    covered += np.minimum(end - passed * step, kernel)
    return covered
