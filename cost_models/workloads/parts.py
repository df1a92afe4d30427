"""A layer of a network space as a key: its shape, and what is trained beside its weights."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from codesign_gym.cost_models.workloads.constructors import conv, conv1d
from codesign_gym.cost_models.workloads.layers import Layers


class Part(NamedTuple):
    """A convolution that keeps, or with a stride divides, the resolution.

    Attributes:
        c: Input channels.
        k: Output channels.
        kernel: Taps in each direction.
        size: Input height and width; the length of a sequence.
        stride: Step of the kernel.
        groups: Groups of channels.
        dilation: Distance of the taps.
        dims: 1 for sequences, 2 for images.
        extra: Trained numbers beside the weights: two per channel of a batch norm, biases.
    """

    c: int
    k: int
    kernel: int
    size: int
    stride: int = 1
    groups: int = 1
    dilation: int = 1
    dims: int = 2
    extra: int = 0


@lru_cache(maxsize=1 << 14)
def layer(part: Part) -> Layers:
    """The one-row layer table of a part.

    >>> layer(Part(16, 16, 3, 32, stride=2, groups=16)).name
    ('dw3 16-16@32 s2',)
    """
    kind = "dw" if 1 < part.groups == part.c else "conv"
    name = f"{kind}{part.kernel} {part.c}-{part.k}@{part.size}"
    name += f" s{part.stride}" * (part.stride > 1) + f" d{part.dilation}" * (part.dilation > 1)
    pad = part.dilation * (part.kernel // 2)
    if part.dims == 1:
        return conv1d(
            name, c=part.c, k=part.k, w=part.size, s=part.kernel, stride=part.stride, pad=pad,
            dilation=part.dilation, groups=part.groups,
        )  # fmt: skip
    return conv(
        name, c=part.c, k=part.k, h=part.size, r=part.kernel, stride=part.stride, pad=pad,
        dilation=part.dilation, groups=part.groups,
    )  # fmt: skip
