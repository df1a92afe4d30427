"""How a matrix product is computed on a CPU core: what a kernel tuner may choose."""

from __future__ import annotations

from itertools import permutations

from codesign_gym.search_spaces.parameters import Categorical, Ordinal
from codesign_gym.search_spaces.space import SearchSpace

TILES = (8, 16, 64, 256)
"""Sides of a tile."""

ORDERS = tuple("".join(order) for order in permutations("ijk"))
"""Nestings of the loops over the tiles, the outermost first."""

INNER = ("row", "dot")
"""Innermost loop: along a row of the result, or along the summed dimension."""

PACKS = ("none", "rows", "columns")
"""How a tile of the second matrix is copied before use: not at all, as it is, or transposed."""


def gemm_kernel(group: str = "kernel") -> SearchSpace:
    """Kernels of a 256 x 256 x 256 single-precision product: ``c[i, j] += a[i, k] * b[k, j]``.

    Args:
        group: Group of the parameters.

    >>> gemm_kernel().cardinality
    27648
    """
    tiles = (Ordinal(f"tile_{axis}", TILES, unit="elements", group=group) for axis in "ijk")
    return SearchSpace(
        "gemm-kernel",
        (
            *tiles,
            Categorical("order", ORDERS, group=group),
            Categorical("inner", INNER, group=group),
            Ordinal("rows", (1, 2, 4, 8), unit="rows", group=group),
            Ordinal("unroll", (1, 2, 4), unit="steps", group=group),
            Categorical("pack", PACKS, group=group),
        ),
    )
