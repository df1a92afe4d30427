"""How layers are laid over spatial accelerators: a mapping for each pair of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from codesign_gym.cost_models.analytical.technology import FloatArray
from codesign_gym.cost_models.workloads.layers import IntArray
from codesign_gym.search_spaces.errors import InputError

STATIONARY = ("weight", "output", "input")
"""What stays in the PEs while the other operands stream past, in the order of the codes."""

SPATIAL_DIMS = ("g", "k", "c", "p", "q", "r", "s")
"""Dimensions that PEs can share: groups, filters, channels, output rows and columns, kernel."""

REGISTER_DIMS = ("k", "c", "p", "q", "r", "s")
"""Dimensions of which one PE can keep several."""

BUFFER_DIMS = ("n", "k", "c", "p", "q")
"""Dimensions that the shared buffer cuts; it keeps kernels whole."""

INNER_LOOPS = ("pixels", "filters", "channels")
"""Loops between DRAM and buffer: that over tiles of n, p, q; of k; of c."""

_WIDTHS = {"stationary": 1, "spatial": 7, "registers": 6, "buffer": 5, "inner": 1}
_RANGES = {"stationary": (0, 2), "inner": (-1, 2)}


@dataclass(frozen=True, eq=False)
class Mapping:
    """A mapping for every accelerator and layer; leading dimensions are broadcast to `[a, l]`.

    The array works on `registers * spatial` of each dimension at a time. Of the streamed dimensions
    (of n, p, q if weights stay, of c, r, s if outputs stay, of k if inputs stay) it works through
    all that the buffer has, and `registers` must be 1. Along every other dimension the buffer's
    tile is the whole layer, or a multiple of what the array works on.

    Attributes:
        stationary: Index into `STATIONARY`, int64 `[..., ]`.
        spatial: PEs that share each of `SPATIAL_DIMS`, int64 `[..., 7]`.
        registers: How much of each of `REGISTER_DIMS` one PE keeps, int64 `[..., 6]`.
        buffer: How much of each of `BUFFER_DIMS` the shared buffer keeps, int64 `[..., 5]`.
        inner: Which of `INNER_LOOPS` is innermost; -1 for the one with least DRAM traffic. The
            operand that does not depend on it is fetched once, each of the others once in every
            turn of the loop that it does not depend on. int64 `[..., ]`.
    """

    stationary: IntArray
    spatial: IntArray
    registers: IntArray
    buffer: IntArray
    inner: IntArray

    def __init__(
        self,
        stationary: ArrayLike,
        spatial: ArrayLike,
        registers: ArrayLike,
        buffer: ArrayLike,
        inner: ArrayLike = -1,
    ) -> None:
        given = (stationary, spatial, registers, buffer, inner)
        for (name, width), values in zip(_WIDTHS.items(), given, strict=True):
            column = np.array(values)
            if column.dtype.kind not in "iu" or (width > 1 and column.shape[-1:] != (width,)):
                raise InputError(
                    f"Mapping.{name} must hold integers of shape "
                    f"[...{f', {width}' if width > 1 else ''}]; got {column.dtype} {column.shape}"
                )
            low, high = _RANGES.get(name, (1, 2**31))
            if column.size and not (column.min() >= low and column.max() <= high):
                raise InputError(
                    f"Mapping.{name} must lie in [{low}, {high}]; "
                    f"got {column.min()} to {column.max()}"
                )
            object.__setattr__(self, name, column.astype(np.int64))

    @classmethod
    def of(
        cls,
        stationary: str,
        *,
        spatial: dict[str, int] | None = None,
        registers: dict[str, int] | None = None,
        buffer: dict[str, int] | None = None,
        inner: str | None = None,
    ) -> Mapping:
        """One mapping by names; dimensions that are not named are 1.

        Example:
            >>> one = Mapping.of("weight", spatial={"c": 16, "k": 8}, buffer={"p": 14, "q": 14})
            >>> one.spatial.tolist(), one.buffer.tolist()
            ([1, 8, 16, 1, 1, 1, 1], [1, 1, 1, 14, 14])
        """
        return cls(
            _index("stationary", stationary, STATIONARY),
            _sides("spatial", spatial, SPATIAL_DIMS),
            _sides("registers", registers, REGISTER_DIMS),
            _sides("buffer", buffer, BUFFER_DIMS),
            -1 if inner is None else _index("inner", inner, INNER_LOOPS),
        )

    @classmethod
    def from_rows(cls, rows: FloatArray, shape: tuple[int, int]) -> Mapping:
        """A mapping `[a, l]` out of the kernel's rows `[a * l, 20]`."""
        table = rows.astype(np.int64).reshape(*shape, 20)
        return cls(
            table[..., 0], table[..., 1:8], table[..., 8:14], table[..., 14:19], table[..., 19]
        )

    def to_rows(self, shape: tuple[int, int]) -> FloatArray:
        """The kernel's rows `[a * l, 20]` for `a` accelerators and `l` layers."""
        table = np.empty((*shape, 20))
        start = 0
        for name, width in _WIDTHS.items():
            values = getattr(self, name)
            values = values[..., None] if width == 1 else values
            try:
                table[..., start : start + width] = values
            except ValueError:
                raise InputError(
                    f"Mapping.{name} must be broadcast to {shape}, one per accelerator and layer; "
                    f"got {values.shape[:-1]}"
                ) from None
            start += width
        return table.reshape(-1, 20)


def _index(what: str, name: str, names: Sequence[str]) -> int:
    if name not in names:
        raise InputError(f"Mapping.{what} must be one of {', '.join(names)}; got {name!r}")
    return names.index(name)


def _sides(what: str, given: dict[str, int] | None, names: Sequence[str]) -> list[int]:
    sides = dict.fromkeys(names, 1)
    for name, side in (given or {}).items():
        sides[names[_index(f"{what} dimension", name, names)]] = side
    return list(sides.values())
