"""Tables of neural-network layers, one array per dimension.

Every layer is a 2-D convolution, the canonical form of the accelerator models: a fully connected
layer is a 1x1 convolution on one pixel, a matrix product `[m, k] @ [k, n]` a 1x1 convolution from
`k` to `n` channels over `m` pixels, a 1-D convolution one of height 1.

Letters: `l` layers, `w` networks, `z` (network, distinct layer) pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.search_spaces.errors import InputError, unknown_name

IntArray = NDArray[np.int64]

_LARGEST = 2**31 - 1
# Models multiply MACs by at most 16 bytes moved each; below this bound int64 cannot overflow.
_LARGEST_MACS = 2**56
_PADS = ("pad_h", "pad_w")


@dataclass(frozen=True, eq=False)
class Layers:
    """Layers as a struct of arrays, each int64 `[l]`; checked when built, read-only after.

    Attributes:
        name: What each layer is called, `l` strings.
        n: Batch size.
        k: Output channels.
        c: Input channels.
        r: Kernel height.
        s: Kernel width.
        h: Input height without padding.
        w: Input width without padding.
        stride_h: Vertical step of the kernel.
        stride_w: Horizontal step of the kernel.
        pad_h: Rows of zeros above and, again, below the input.
        pad_w: Columns of zeros left and, again, right of the input.
        groups: Groups of channels convolved apart; `groups == c == k` is a depthwise convolution.
        repeat: How often the layer occurs; the other quantities are those of one occurrence.
    """

    name: tuple[str, ...]
    n: IntArray
    k: IntArray
    c: IntArray
    r: IntArray
    s: IntArray
    h: IntArray
    w: IntArray
    stride_h: IntArray
    stride_w: IntArray
    pad_h: IntArray
    pad_w: IntArray
    groups: IntArray
    repeat: IntArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", tuple(self.name))
        for field in _FIELDS:
            column = self._column(field, getattr(self, field))
            column.flags.writeable = False
            object.__setattr__(self, field, column)
        self._check_geometry()

    def _column(self, field: str, values: ArrayLike) -> IntArray:
        """`values` as a checked int64 column `[l]` of its own."""
        column = np.array(values)
        if column.shape != (len(self),):
            raise InputError(
                f"Layers.{field} must have shape ({len(self)},), one value per name; "
                f"got {column.shape}"
            )
        lowest = 0 if field in _PADS else 1
        if column.size and column.dtype.kind not in "iu":
            self._reject(0, field, f"an integer in [{lowest}, {_LARGEST}]", column[0])
        bad = (column < lowest) | (column > _LARGEST)
        if bad.any():
            row = int(bad.argmax())
            self._reject(row, field, f"an integer in [{lowest}, {_LARGEST}]", column[row])
        return column.astype(np.int64)

    def _check_geometry(self) -> None:
        for field in ("c", "k"):
            bad = getattr(self, field) % self.groups != 0
            if bad.any():
                row = int(bad.argmax())
                channels = getattr(self, field)[row]
                self._reject(row, "groups", f"a divisor of {field}={channels}", self.groups[row])
        for kernel, size, pad in (("r", "h", "pad_h"), ("s", "w", "pad_w")):
            padded = getattr(self, size) + 2 * getattr(self, pad)
            bad = getattr(self, kernel) > padded
            if bad.any():
                row = int(bad.argmax())
                allowed = f"in [1, {padded[row]}], the padded input ({size} + 2 * {pad})"
                self._reject(row, kernel, allowed, getattr(self, kernel)[row])
        shape = (self.n, self.p, self.q, self.k, self.c // self.groups, self.r, self.s, self.repeat)
        macs = np.prod([column.astype(np.float64) for column in shape], axis=0)
        if np.any(macs >= _LARGEST_MACS):
            row = int(macs.argmax())
            self._reject(row, "macs * repeat", f"below {_LARGEST_MACS}", macs[row])

    def _reject(self, row: int, field: str, allowed: str, value: object) -> None:
        raise InputError(
            f"Layer {row} ({self.name[row]!r}): {field} must be {allowed}; got {value}"
        )

    def __len__(self) -> int:
        return len(self.name)

    @cached_property
    def p(self) -> IntArray:
        """Output height `[l]`."""
        return (self.h + 2 * self.pad_h - self.r) // self.stride_h + 1

    @cached_property
    def q(self) -> IntArray:
        """Output width `[l]`."""
        return (self.w + 2 * self.pad_w - self.s) // self.stride_w + 1

    @cached_property
    def macs(self) -> IntArray:
        """Multiply-accumulates of one occurrence `[l]`, those with padding included."""
        return self.n * self.p * self.q * self.k * (self.c // self.groups) * self.r * self.s

    @cached_property
    def weights(self) -> IntArray:
        """Words of the filters `[l]`, without biases."""
        return self.k * (self.c // self.groups) * self.r * self.s

    @cached_property
    def ifmap_words(self) -> IntArray:
        """Words of the unpadded input `[l]`."""
        return self.n * self.c * self.h * self.w

    @cached_property
    def ifmap_words_touched(self) -> IntArray:
        """Words of the input that some output depends on `[l]`.

        Fewer than `ifmap_words` where the stride exceeds the kernel (a 1x1 convolution of stride 2
        reads one pixel in four) or where the last rows are out of the kernel's reach.
        """
        rows = _touched(self.h, self.r, self.stride_h, self.pad_h, self.p)
        columns = _touched(self.w, self.s, self.stride_w, self.pad_w, self.q)
        return self.n * self.c * rows * columns

    @cached_property
    def ofmap_words(self) -> IntArray:
        """Words of the output `[l]`."""
        return self.n * self.k * self.p * self.q

    def gemm_shape(self) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """The matrix products that compute the layers (im2col): `(m, k, n, groups)`, each `[l]`.

        Each of the `groups` products is `[m, k] @ [k, n]`: `m` output pixels of the batch, `k`
        inputs of one output, `n` filters of a group.
        """
        depth = (self.c // self.groups) * self.r * self.s
        return self.n * self.p * self.q, depth, self.k // self.groups, self.groups

    @cached_property
    def gemm_rows(self) -> IntArray:
        """`gemm_shape` and the input words that one group touches, `[l, 5]`, for compiled code."""
        m, k, n, groups = self.gemm_shape()
        return np.stack([m, k, n, groups, self.ifmap_words_touched // self.groups], axis=1)

    def take(self, indices: ArrayLike) -> Layers:
        """The layers at `indices`, in that order (repetitions allowed)."""
        rows = np.asarray(indices, dtype=np.int64)
        columns = {field: getattr(self, field)[rows] for field in _FIELDS}
        return Layers(name=tuple(self.name[row] for row in rows), **columns)

    def unique(self) -> tuple[Layers, IntArray]:
        """The distinct layers in order of first appearance, and where each row went `[l]`.

        Names are ignored (the first one stays) and `repeat` is summed, so that the result costs
        what the table does.

        Example:
            >>> twice = Layers.concat(linear("a", 8, 4), linear("b", 8, 4), linear("c", 4, 4))
            >>> distinct, inverse = twice.unique()
            >>> distinct.name, distinct.repeat.tolist(), inverse.tolist()
            (('a', 'c'), [2, 1], [0, 0, 1])
        """
        geometry = np.stack([getattr(self, field) for field in _FIELDS if field != "repeat"], 1)
        _, first, inverse = np.unique(geometry, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        inverse = np.argsort(order)[inverse]
        repeat = np.zeros(len(first), dtype=np.int64)
        np.add.at(repeat, inverse, self.repeat)
        columns = self.take(first[order]).to_columns()
        name = tuple(self.name[row] for row in first[order])
        return Layers(name=name, **(columns | {"repeat": repeat})), inverse

    def to_columns(self) -> dict[str, IntArray]:
        """The integer fields by name, each `[l]`."""
        return {field: getattr(self, field) for field in _FIELDS}

    @classmethod
    def from_table(cls, columns: Mapping[str, ArrayLike]) -> Layers:
        """Layers out of named columns `[l]`, as a CSV file or a DataFrame has them.

        Names may be upper case. `h`, `w`, `r`, `s`, `c`, `k` describe a convolution; `stride` and
        `pad` stand for both directions (or `stride_h`, `stride_w`, `pad_h`, `pad_w`); `n`,
        `groups`, `repeat` and the strides are 1 and the pads 0 where absent. `name` is optional.

        Raises:
            InputError: A column is unknown, missing, or of another length.

        Example:
            >>> Layers.from_table({"H": [8, 4], "W": [8, 4], "R": [3, 1], "S": [3, 1],
            ...                    "C": [3, 8], "K": [8, 8], "pad": [1, 0]}).macs.tolist()
            [13824, 1024]
        """
        given = {str(name).lower(): np.asarray(column) for name, column in columns.items()}
        names = given.pop("name", None)
        for both in ("stride", "pad"):
            if both in given:
                column = given.pop(both)
                given = {f"{both}_h": column, f"{both}_w": column} | given
        for column_name in given:
            if column_name not in _FIELDS:
                raise unknown_name("layer column", column_name, ("name", "stride", "pad", *_FIELDS))
        missing = [f for f in ("k", "c", "r", "s", "h", "w") if f not in given]
        if missing:
            raise InputError(
                f"a layer table needs the columns {', '.join(missing)}, which it lacks"
            )
        length = len(given["k"])
        default = {field: np.full(length, field not in _PADS, dtype=np.int64) for field in _FIELDS}
        labels = [f"layer{i}" for i in range(length)] if names is None else names
        return cls(name=tuple(map(str, labels)), **(default | given))

    @staticmethod
    def concat(*tables: Layers) -> Layers:
        """The rows of `tables` one under another."""
        columns = {
            field: np.concatenate([getattr(table, field) for table in tables] or [_EMPTY])
            for field in _FIELDS
        }
        return Layers(name=tuple(name for table in tables for name in table.name), **columns)


_FIELDS = tuple(field.name for field in fields(Layers) if field.name != "name")
_EMPTY = np.zeros(0, dtype=np.int64)


def _touched(
    size: IntArray, kernel: IntArray, stride: IntArray, pad: IntArray, outputs: IntArray
) -> IntArray:
    """How many of `size` input positions lie under some position of the kernel `[l]`."""
    # Windows are `kernel` long and start `stride` apart, so each but the last adds the smaller of
    # the two. Positions count from the start of the padding.
    added = np.minimum(kernel, stride)

    def before(end: IntArray) -> IntArray:
        passed = np.minimum(end // stride, outputs - 1)
        covered: IntArray = passed * added + np.minimum(end - passed * stride, kernel)
        return covered

    return before(pad + size) - before(pad)


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
        groups: Groups of channels.
        n: Batch size.
        repeat: How often the layer occurs.

    Example:
        >>> layer = conv("conv1", c=3, k=64, h=224, r=7, stride=2, pad=3)
        >>> layer.p.item(), layer.macs.item()
        (112, 118013952)
    """
    stride_h, stride_w = (stride, stride) if isinstance(stride, int) else stride
    pad_h, pad_w = (pad, pad) if isinstance(pad, int) else pad
    values = {"n": n, "k": k, "c": c, "r": r, "s": r if s is None else s}
    values |= {"h": h, "w": h if w is None else w, "stride_h": stride_h, "stride_w": stride_w}
    values |= {"pad_h": pad_h, "pad_w": pad_w, "groups": groups, "repeat": repeat}
    return Layers(name=(name,), **{field: np.array([value]) for field, value in values.items()})


def conv1d(
    name: str,
    *,
    c: int,
    k: int,
    w: int,
    s: int,
    stride: int = 1,
    pad: int = 0,
    groups: int = 1,
    n: int = 1,
    repeat: int = 1,
) -> Layers:
    """A 1-D convolution over `w` positions: a 2-D one of height 1."""
    steps, pads = (1, stride), (0, pad)
    return conv(
        name, c=c, k=k, h=1, w=w, r=1, s=s, stride=steps, pad=pads, groups=groups, n=n,
        repeat=repeat,
    )  # fmt: skip


def gemm(name: str, m: int, k: int, n: int, *, batch: int = 1, repeat: int = 1) -> Layers:
    """The matrix product `[batch * m, k] @ [k, n]`, its right-hand side shared by the batch."""
    return conv(name, n=batch, c=k, k=n, h=m, w=1, r=1, repeat=repeat)


def linear(name: str, c: int, k: int, *, n: int = 1, repeat: int = 1) -> Layers:
    """A fully connected layer from `c` to `k` features on a batch of `n`."""
    return conv(name, n=n, c=c, k=k, h=1, r=1, repeat=repeat)
