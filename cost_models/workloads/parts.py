"""A layer of a network space as a key: its shape, and what is trained in it."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from codesign_gym.cost_models.workloads.constructors import conv, conv1d, gemm, matmul
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
        extra: Trained numbers beside the weights: two per channel of a norm, biases.
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

    @property
    def trained(self) -> int:
        """Trained numbers."""
        weights: int = self.c // self.groups * self.k * self.kernel**self.dims
        return weights + self.extra


class Product(NamedTuple):
    """The matrix product ``[m, k] @ [k, n]``: of tokens with weights, or of two activations.

    Attributes:
        m: Rows, such as tokens.
        k: What is summed over, such as input features.
        n: Columns, such as output features.
        of_weights: Whether the second operand is trained.
        extra: Trained numbers beside the weights.
        shared: Whether weights and extra are those of a layer that is counted elsewhere.
    """

    m: int
    k: int
    n: int
    of_weights: bool = True
    extra: int = 0
    shared: bool = False

    @property
    def trained(self) -> int:
        """Trained numbers."""
        return 0 if self.shared else self.k * self.n * self.of_weights + self.extra


@lru_cache(maxsize=1 << 14)
def layer(part: Part | Product) -> Layers:
    """The one-row layer table of a part.

    >>> layer(Part(16, 16, 3, 32, stride=2, groups=16)).name
    ('dw3 16-16@32 s2',)
    """
    if isinstance(part, Product):
        make = gemm if part.of_weights else matmul
        kind = "linear" if part.of_weights else "matmul"
        return make(f"{kind} {part.k}-{part.n}@{part.m}", part.m, part.k, part.n)
    kind = "dw" if 1 < part.groups == part.c else "conv"
    name = f"{kind}{part.kernel} {part.c}-{part.k}@{part.size}"
    name += f" s{part.stride}" * (part.stride > 1) + f" d{part.dilation}" * (part.dilation > 1)
    pad = part.dilation * (part.kernel // 2) if part.kernel % 2 else 0
    if part.dims == 1:
        return conv1d(
            name, c=part.c, k=part.k, w=part.size, s=part.kernel, stride=part.stride, pad=pad,
            dilation=part.dilation, groups=part.groups,
        )  # fmt: skip
    return conv(
        name, c=part.c, k=part.k, h=part.size, r=part.kernel, stride=part.stride, pad=pad,
        dilation=part.dilation, groups=part.groups,
    )  # fmt: skip
