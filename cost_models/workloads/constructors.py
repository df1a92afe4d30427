"""Tables of one row: the layers of a network, by the names that networks have for them."""

from __future__ import annotations

import numpy as np

from codesign_gym.cost_models.workloads.layers import Kind, Layers


def conv(
    name: str,
    *,
    c: int,
    k: int,
    h: int,
    w: int | None = None,
    r: int,
    s: int | None = None,
    stride: int | tuple[int, int] = 1,
    pad: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    n: int = 1,
    repeat: int = 1,
) -> Layers:
    """A 2-D convolution as a table of one row; input and kernel are square unless told otherwise.

    Args:
        name: What the layer is called.
        c: Input channels.
        k: Output channels.
        h: Input height without padding.
        w: Input width without padding; `h` if absent.
        r: Kernel height.
        s: Kernel width; `r` if absent.
        stride: Step of the kernel, one for both directions or (vertical, horizontal).
        pad: Zeros on each side, one for both directions or (vertical, horizontal).
        dilation: Distance of the kernel's taps, one for both directions or (vertical, horizontal).
        groups: Groups of channels.
        n: Batch size.
        repeat: How often the layer occurs.

    Example:
        >>> layer = conv("conv1", c=3, k=64, h=224, r=7, stride=2, pad=3)
        >>> layer.p.item(), layer.macs.item()
        (112, 118013952)
    """
    return _row(
        name, Kind.CONVOLUTION, c=c, k=k, h=h, w=w, r=r, s=s, stride=stride, pad=pad,
        dilation=dilation, groups=groups, n=n, repeat=repeat,
    )  # fmt: skip


def _row(
    name: str,
    kind: Kind,
    *,
    c: int,
    k: int,
    h: int,
    w: int | None,
    r: int,
    s: int | None,
    stride: int | tuple[int, int] = 1,
    pad: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int,
    n: int,
    repeat: int,
) -> Layers:
    """A table of one row."""
    values = {"kind": int(kind), "n": n, "k": k, "c": c, "r": r, "s": r if s is None else s}
    values |= {"h": h, "w": h if w is None else w, "groups": groups, "repeat": repeat}
    for column, both in (("stride", stride), ("pad", pad), ("dilation", dilation)):
        vertical, horizontal = (both, both) if isinstance(both, int) else both
        values |= {f"{column}_h": vertical, f"{column}_w": horizontal}
    return Layers(name=(name,), **{column: np.array([value]) for column, value in values.items()})


def conv1d(
    name: str,
    *,
    c: int,
    k: int,
    w: int,
    s: int,
    stride: int = 1,
    pad: int = 0,
    dilation: int = 1,
    groups: int = 1,
    n: int = 1,
    repeat: int = 1,
) -> Layers:
    """A 1-D convolution over `w` positions: a 2-D one of height 1."""
    return conv(
        name, c=c, k=k, h=1, w=w, r=1, s=s, stride=(1, stride), pad=(0, pad),
        dilation=(1, dilation), groups=groups, n=n, repeat=repeat,
    )  # fmt: skip


def gemm(name: str, m: int, k: int, n: int, *, batch: int = 1, repeat: int = 1) -> Layers:
    """The matrix product `[batch * m, k] @ [k, n]`, its right-hand side shared by the batch."""
    return conv(name, n=batch, c=k, k=n, h=m, w=1, r=1, repeat=repeat)


def linear(name: str, c: int, k: int, *, n: int = 1, repeat: int = 1) -> Layers:
    """A fully connected layer from `c` to `k` features on a batch of `n`."""
    return conv(name, n=n, c=c, k=k, h=1, r=1, repeat=repeat)


def matmul(name: str, m: int, k: int, n: int, *, repeat: int = 1) -> Layers:
    """The product `[m, k] @ [k, n]` of two activations, as in attention.

    `repeat` is the number of such products, each with operands of its own: heads times batch.

    Example:
        >>> scores = matmul("qk", 128, 64, 128, repeat=12)
        >>> scores.macs.item(), scores.weights.item(), scores.second_operand_words.item()
        (1048576, 0, 8192)
    """
    return _row(
        name, Kind.MATMUL, c=k, k=n, h=m, w=1, r=1, s=1, groups=1, n=1, repeat=repeat
    )  # fmt: skip


def pool(
    name: str,
    *,
    c: int,
    h: int,
    w: int | None = None,
    r: int,
    s: int | None = None,
    stride: int | tuple[int, int] = 1,
    pad: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    n: int = 1,
    repeat: int = 1,
) -> Layers:
    """A pooling of windows, maximum or average; the arguments are those of `conv`.

    Example:
        >>> layer = pool("pool1", c=64, h=112, r=3, stride=2, pad=1)
        >>> layer.p.item(), layer.macs.item(), layer.ops.item()
        (56, 0, 1806336)
    """
    return _row(
        name, Kind.POOLING, c=c, k=c, h=h, w=w, r=r, s=s, stride=stride, pad=pad,
        dilation=dilation, groups=c, n=n, repeat=repeat,
    )  # fmt: skip


def elementwise(
    name: str, *, c: int, h: int = 1, w: int | None = None, n: int = 1, repeat: int = 1
) -> Layers:
    """A sum, product or the like of two activations of the shape `[n, c, h, w]`."""
    return _row(
        name, Kind.ELEMENTWISE, c=c, k=c, h=h, w=w, r=1, s=1, groups=c, n=n, repeat=repeat
    )  # fmt: skip
