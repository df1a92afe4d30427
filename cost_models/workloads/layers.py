"""Tables of neural-network layers, one array per dimension.

Every layer is a 2-D convolution, the canonical form of the accelerator models: a fully connected
layer is a 1x1 convolution on one pixel, a matrix product `[m, k] @ [k, n]` a 1x1 convolution from
`k` to `n` channels over `m` pixels, a 1-D convolution one of height 1. What else moves data has the
same columns and a `kind` of its own. `constructors` makes layers of each kind.

Letters: `l` layers, `w` networks, `z` (network, distinct layer) pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.cost_models.workloads.kinds import PADS, REQUIRED, Kind, LayerError
from codesign_gym.cost_models.workloads.windows import IntArray, touched
from codesign_gym.search_spaces.checks import as_table
from codesign_gym.search_spaces.errors import InputError, unknown_name

__all__ = ["BOTH", "COLUMNS", "IntArray", "Kind", "LayerError", "Layers"]

_LARGEST = 2**31 - 1
# Models multiply MACs by at most 16 bytes moved each; below this bound int64 cannot overflow.
_LARGEST_MACS = 2**56


def _ones() -> IntArray:
    return np.ones((), dtype=np.int64)


def _convolutions() -> IntArray:
    return np.full((), Kind.CONVOLUTION, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Layers:
    """Layers as a struct of arrays, each int64 `[l]`; checked when built, read-only after.

    A scalar stands for a column of equal values.

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
        dilation_h: Vertical distance of the kernel's taps, 1 where they are adjacent.
        dilation_w: Horizontal distance of the kernel's taps.
        kind: A `Kind`.
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
    dilation_h: IntArray = field(default_factory=_ones)
    dilation_w: IntArray = field(default_factory=_ones)
    kind: IntArray = field(default_factory=_convolutions)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", tuple(self.name))
        given = [np.asarray(getattr(self, column)) for column in _FIELDS]
        # One comparison for all columns: networks are built of tables of one row.
        matrix = np.empty((len(given), len(self)), dtype=np.int64)
        for column, values, target in zip(_FIELDS, given, matrix, strict=True):
            if values.shape not in ((), (len(self),)):
                raise InputError(
                    f"Layers.{column} must have shape ({len(self)},), one value per name; "
                    f"got {values.shape}"
                )
            if values.size and len(self) and values.dtype.kind not in "iu":
                self._reject(0, column, _allowed(column), values.flat[0])
            target[:] = values
        bad = (matrix < _LOWEST) | (matrix > _HIGHEST)
        if bad.any():
            index, row = np.argwhere(bad)[0]
            value = np.broadcast_to(given[index], len(self))[row]
            self._reject(row, _FIELDS[index], _allowed(_FIELDS[index]), value)
        matrix.flags.writeable = False
        for column, values in zip(_FIELDS, matrix, strict=True):
            object.__setattr__(self, column, values)
        if self.kind.any():
            self._check_kinds()
        self._check_geometry()

    def _check_kinds(self) -> None:
        for kind in np.unique(self.kind).tolist():
            of_kind, noun = self.kind == kind, Kind(kind).name.lower()
            for name, value in REQUIRED[Kind(kind)].items():
                wanted = getattr(self, value) if isinstance(value, str) else np.int64(value)
                self._reject_where(
                    of_kind & (getattr(self, name) != wanted), name, f"{value} for {noun}"
                )

    def _check_geometry(self) -> None:
        for name in ("c", "k"):
            bad = getattr(self, name) % self.groups != 0
            if bad.any():
                row = int(bad.argmax())
                channels = getattr(self, name)[row]
                self._reject(row, "groups", f"a divisor of {name}={channels}", self.groups[row])
        for kernel, size, axis in (("r", "h", "h"), ("s", "w", "w")):
            dilation = getattr(self, f"dilation_{axis}")
            padded = getattr(self, size) + 2 * getattr(self, f"pad_{axis}")
            bad = dilation * (getattr(self, kernel) - 1) + 1 > padded
            if bad.any():
                row = int(bad.argmax())
                most = (padded[row] - 1) // dilation[row] + 1
                apart = f" at dilation {dilation[row]}" if dilation[row] > 1 else ""
                allowed = f"in [1, {most}], the padded input ({size} + 2 * pad_{axis}){apart}"
                self._reject(row, kernel, allowed, getattr(self, kernel)[row])
        shape = (self.n, self.p, self.q, self.k, self.c // self.groups, self.r, self.s, self.repeat)
        work = np.prod([column.astype(np.float64) for column in shape], axis=0)
        self._reject_where(work >= _LARGEST_MACS, "macs * repeat", f"below {_LARGEST_MACS}", work)

    def _reject_where(
        self, bad: NDArray[np.bool_], column: str, allowed: str, values: ArrayLike | None = None
    ) -> None:
        """Raise for the first row that is `bad`; `values` are the column's unless given."""
        if bad.any():
            row = int(bad.argmax())
            given = getattr(self, column) if values is None else np.asarray(values)
            self._reject(row, column, allowed, given[row])

    def _reject(self, row: int, column: str, allowed: str, value: object) -> None:
        raise LayerError(row, self.name[row], column, f"must be {allowed}; got {value}")

    def __len__(self) -> int:
        return len(self.name)

    @cached_property
    def p(self) -> IntArray:
        """Output height `[l]`."""
        extent = self.dilation_h * (self.r - 1) + 1
        return (self.h + 2 * self.pad_h - extent) // self.stride_h + 1

    @cached_property
    def q(self) -> IntArray:
        """Output width `[l]`."""
        extent = self.dilation_w * (self.s - 1) + 1
        return (self.w + 2 * self.pad_w - extent) // self.stride_w + 1

    @cached_property
    def multiplies(self) -> NDArray[np.bool_]:
        """Whether a layer has multiply-accumulates `[l]`: not pooling, not elementwise."""
        free: NDArray[np.bool_] = (self.kind == Kind.POOLING) | (self.kind == Kind.ELEMENTWISE)
        return ~free

    @cached_property
    def _taps(self) -> IntArray:
        """Inputs of one output `[l]`."""
        return (self.c // self.groups) * self.r * self.s

    @cached_property
    def macs(self) -> IntArray:
        """Multiply-accumulates of one occurrence `[l]`, those with padding included.

        0 for pooling and elementwise layers.
        """
        return self.n * self.p * self.q * self.k * self._taps * self.multiplies

    @cached_property
    def ops(self) -> IntArray:
        """Operations that are not multiply-accumulates, of one occurrence `[l]`.

        Pooling: one comparison or addition per tap, those with padding included; elementwise: one
        per output; 0 for the others.
        """
        return self.n * self.p * self.q * self.k * self._taps * ~self.multiplies

    @cached_property
    def weights(self) -> IntArray:
        """Words of the filters `[l]`, without biases; 0 for layers that have none."""
        words: IntArray = self.k * self._taps * (self.kind == Kind.CONVOLUTION)
        return words

    @cached_property
    def second_operand_words(self) -> IntArray:
        """Words read beside the input `[l]`: the weights, or the second activation.

        The second activation is that of a matrix product or an elementwise layer.
        """
        second = np.where(self.kind == Kind.ELEMENTWISE, self.ifmap_words, self.k * self._taps)
        words: IntArray = second * (self.kind != Kind.POOLING)
        return words

    @cached_property
    def ifmap_words(self) -> IntArray:
        """Words of the unpadded input `[l]`, of an elementwise layer the first of its two."""
        return self.n * self.c * self.h * self.w

    @cached_property
    def ifmap_words_touched(self) -> IntArray:
        """Words of the input that some output depends on `[l]`.

        Fewer than `ifmap_words` where the stride exceeds the kernel (a 1x1 convolution of stride 2
        reads one pixel in four), where dilation skips some or where the last rows are out of the
        kernel's reach.
        """
        rows = touched(self.h, self.r, self.stride_h, self.dilation_h, self.pad_h, self.p)
        columns = touched(self.w, self.s, self.stride_w, self.dilation_w, self.pad_w, self.q)
        return self.n * self.c * rows * columns

    @cached_property
    def ofmap_words(self) -> IntArray:
        """Words of the output `[l]`."""
        return self.n * self.k * self.p * self.q

    def gemm_shape(self) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """The matrix products that compute the layers (im2col): `(m, k, n, groups)`, each `[l]`.

        Each of the `groups` products is `[m, k] @ [k, n]`: `m` output pixels of the batch, `k`
        inputs of one output, `n` filters of a group. Layers without multiply-accumulates have an
        empty product: `m`, `k` and `n` are 0.
        """
        m, k, n = self.n * self.p * self.q, self._taps, self.k // self.groups
        return m * self.multiplies, k * self.multiplies, n * self.multiplies, self.groups

    @cached_property
    def gemm_rows(self) -> IntArray:
        """`gemm_shape` and the input words that one group touches, `[l, 5]`, for compiled code.

        Layers without multiply-accumulates have a row of zeros but for `groups`: models that read
        this take them to cost nothing.
        """
        m, k, n, groups = self.gemm_shape()
        ifmap = self.ifmap_words_touched // groups * self.multiplies
        return np.stack([m, k, n, groups, ifmap], axis=1)

    def take(self, indices: ArrayLike) -> Layers:
        """The layers at `indices`, in that order (repetitions allowed)."""
        rows = np.asarray(indices, dtype=np.int64)
        columns = {name: getattr(self, name)[rows] for name in _FIELDS}
        return Layers(name=tuple(self.name[row] for row in rows), **columns)

    def unique(self) -> tuple[Layers, IntArray]:
        """The distinct layers in order of first appearance, and where each row went `[l]`.

        Names are ignored (the first one stays) and `repeat` is summed, so that the result costs
        what the table does.

        Example:
            >>> from codesign_gym.cost_models.workloads.constructors import linear
            >>> twice = Layers.concat(linear("a", 8, 4), linear("b", 8, 4), linear("c", 4, 4))
            >>> distinct, inverse = twice.unique()
            >>> distinct.name, distinct.repeat.tolist(), inverse.tolist()
            (('a', 'c'), [2, 1], [0, 0, 1])
        """
        geometry = np.stack([getattr(self, name) for name in _FIELDS if name != "repeat"], 1)
        _, first, inverse = np.unique(geometry, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        inverse = np.argsort(order)[inverse]
        repeat = np.zeros(len(first), dtype=np.int64)
        np.add.at(repeat, inverse, self.repeat)
        columns = self.take(first[order]).to_columns()
        names = tuple(self.name[row] for row in first[order])
        return Layers(name=names, **(columns | {"repeat": repeat})), inverse

    def to_columns(self) -> dict[str, IntArray]:
        """The integer fields by name, each `[l]`."""
        return {name: getattr(self, name) for name in _FIELDS}

    @classmethod
    def from_table(cls, columns: Mapping[str, ArrayLike]) -> Layers:
        """Layers out of named columns `[l]`, as a CSV file or a DataFrame has them.

        A scalar stands for a column of equal values. Names may be upper case. `h`, `w`, `r`, `s`,
        `c`, `k` describe a convolution; `stride`, `pad` and `dilation` stand for both directions
        (or `stride_h`, `stride_w` and so on); `n`, `groups`, `repeat`, strides and dilations are 1
        and the pads 0 where absent. `kind` has names or numbers of `Kind` and is 0 where absent,
        `name` is optional.

        Raises:
            InputError: A column is unknown, missing, or of another length.

        Example:
            >>> Layers.from_table({"H": [8, 4], "W": [8, 4], "R": [3, 1], "S": [3, 1],
            ...                    "C": [3, 8], "K": [8, 8], "pad": [1, 0]}).macs.tolist()
            [13824, 1024]
        """
        names, table = cls.read_table(columns)
        return cls(name=names, **table)

    @staticmethod
    def read_table(
        columns: Mapping[str, ArrayLike],
    ) -> tuple[tuple[str, ...], dict[str, NDArray[Any]]]:
        """The constructor's arguments out of a table as `from_table` takes it: names, columns."""
        table = as_table("a layer table", columns)
        given = {str(name).lower(): np.asarray(column) for name, column in table.items()}
        names = given.pop("name", None)
        for both in BOTH:
            if both in given:
                column = given.pop(both)
                given = {f"{both}_h": column, f"{both}_w": column} | given
        for column_name in given:
            if column_name not in _FIELDS:
                raise unknown_name("layer column", column_name, COLUMNS)
        missing = [column for column in ("k", "c", "r", "s", "h", "w") if column not in given]
        if missing:
            raise InputError(
                f"a layer table needs the columns {', '.join(missing)}, which it lacks"
            )
        if "kind" in given:
            kinds = given["kind"]
            codes = [Kind.of(kind) for kind in kinds.ravel().tolist()]
            given["kind"] = np.array(codes, dtype=np.int64).reshape(kinds.shape)
        sizes = [len(column) for column in given.values() if column.ndim]
        length = sizes[0] if sizes else 1
        default = {column: np.full(length, lowest) for column, (lowest, _) in _LIMITS.items()}
        for column_name, column in given.items():
            if not column.ndim:
                given[column_name] = np.full(length, column)
        labels = [f"layer{i}" for i in range(length)] if names is None else np.atleast_1d(names)
        return tuple(map(str, labels)), default | given

    @staticmethod
    def concat(*tables: Layers) -> Layers:
        """The rows of `tables` one under another."""
        columns = {
            column: np.concatenate([getattr(table, column) for table in tables] or [_EMPTY])
            for column in _FIELDS
        }
        return Layers(name=tuple(name for table in tables for name in table.name), **columns)


_FIELDS = tuple(field.name for field in fields(Layers) if field.name != "name")
_EMPTY = np.zeros(0, dtype=np.int64)

BOTH = ("stride", "pad", "dilation")
"""Columns of a table that stand for two: `stride` for `stride_h` and `stride_w`."""

COLUMNS = ("name", *BOTH, *_FIELDS)
"""Columns that `Layers.from_table` knows."""


_LIMITS = dict.fromkeys(_FIELDS, (1, _LARGEST))
_LIMITS |= dict.fromkeys(PADS, (0, _LARGEST)) | {"kind": (min(Kind), max(Kind))}
_LOWEST, _HIGHEST = (np.array([[limit[i]] for limit in _LIMITS.values()]) for i in (0, 1))


def _allowed(column: str) -> str:
    lowest, highest = _LIMITS[column]
    return f"an integer in [{lowest:d}, {highest:d}]"
