"""The kernels of the space ``gemm-kernel``, compiled: a product in tiles, in many ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

SIDE = 256
"""Rows and columns of the matrices."""

Kernel = Callable[..., None]


def tiles_of(order: str, sides: Mapping[str, int]) -> NDArray[np.int64]:
    """The tiles in the order of their loops: start in i, j and k, and whether k or j is new.

    Args:
        order: Nesting of the loops, the outermost first, such as ``ikj``.
        sides: Axis -> side of a tile.
    """
    rows, last = [], None
    for starts in product(*(range(0, SIDE, sides[axis]) for axis in order)):
        at = dict(zip(order, starts, strict=True))
        rows.append((at["i"], at["j"], at["k"], (at["j"], at["k"]) != last))
        last = (at["j"], at["k"])
    return np.array(rows, dtype=np.int64)


@cache
def kernel(inner: str, rows: int, unroll: int, pack: str) -> Kernel:
    """The kernel of these choices, which are constants to the compiler.

    It takes ``a``, ``b`` and ``c`` ``[256, 256]``, the tiles, the sides of a tile in i, j and k,
    and a buffer for a packed tile.
    """
    packs, transposed = pack != "none", pack == "columns"

    @njit(inline="always")
    def packed(b: Any, buffer: Any, j0: int, k0: int, tj: int, tk: int) -> None:
        for k in range(tk):
            for j in range(tj):
                buffer[j * tk + k if transposed else k * tj + j] = b[k0 + k, j0 + j]

    @njit(inline="always")
    def view(b: Any, buffer: Any, j0: int, k0: int, tj: int, tk: int) -> Any:
        if transposed:
            return buffer[: tk * tj].reshape((tj, tk)).T
        if packs:
            return buffer[: tk * tj].reshape((tk, tj))
        return b[k0 : k0 + tk, j0 : j0 + tj]

    @njit(fastmath=True, error_model="numpy")
    def along_rows(
        a: Any, b: Any, c: Any, tiles: Any, ti: int, tj: int, tk: int, buffer: Any
    ) -> None:
        for t in range(len(tiles)):
            i0, j0, k0 = tiles[t, 0], tiles[t, 1], tiles[t, 2]
            if packs and tiles[t, 3]:
                packed(b, buffer, j0, k0, tj, tk)
            part = view(b, buffer, j0, k0, tj, tk)
            for i in range(i0, i0 + ti, rows):
                for k in range(0, tk, unroll):
                    for j in range(tj):
                        for r in range(rows):
                            total = c[i + r, j0 + j]
                            for u in range(unroll):
                                total += a[i + r, k0 + k + u] * part[k + u, j]
                            c[i + r, j0 + j] = total

    @njit(fastmath=True, error_model="numpy")
    def dots(a: Any, b: Any, c: Any, tiles: Any, ti: int, tj: int, tk: int, buffer: Any) -> None:
        for t in range(len(tiles)):
            i0, j0, k0 = tiles[t, 0], tiles[t, 1], tiles[t, 2]
            if packs and tiles[t, 3]:
                packed(b, buffer, j0, k0, tj, tk)
            part = view(b, buffer, j0, k0, tj, tk)
            for i in range(i0, i0 + ti, rows):
                for j in range(0, tj, unroll):
                    for r in range(rows):
                        for u in range(unroll):
                            total = np.float32(0)
                            for k in range(tk):
                                total += a[i + r, k0 + k] * part[k, j + u]
                            c[i + r, j0 + j + u] += total

    return along_rows if inner == "row" else dots
