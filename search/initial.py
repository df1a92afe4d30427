"""Initial designs: what an agent evaluates before it knows anything."""

from __future__ import annotations

import math

import numpy as np

from codesign_gym.search_spaces import Designs, SearchSpace


def latin_hypercube(space: SearchSpace, n: int, rng: np.random.Generator) -> Designs:
    """``n`` designs ``[n, p]`` that try the choices of every parameter equally often.

    A Latin hypercube sample (McKay et al., Technometrics 1979) of the unit cube, in which a choice
    of a parameter is a slice: the counts of two choices of a parameter differ by one or two at
    most, before inactive parameters are zeroed.

    >>> from codesign_gym.search_spaces import Ordinal
    >>> space = SearchSpace("chip", (Ordinal("rows", (8, 16, 32, 64)),))
    >>> np.bincount(latin_hypercube(space, 8, np.random.default_rng(0))[:, 0]).tolist()
    [2, 2, 2, 2]
    """
    order = rng.permuted(np.tile(np.arange(n), (len(space), 1)), axis=1).T
    return space.from_unit((order + rng.random(order.shape)) / max(n, 1))


def sobol(space: SearchSpace, n: int, rng: np.random.Generator) -> Designs:
    """``n`` designs ``[n, p]`` spread evenly over the choices of several parameters together.

    Points of a scrambled Sobol' sequence (Owen, Journal of Complexity 1998) of the unit cube, in
    which a choice of a parameter is a slice.

    >>> from codesign_gym.search_spaces import Ordinal
    >>> space = SearchSpace("chip", (Ordinal("rows", (8, 16)), Ordinal("cols", (8, 16))))
    >>> np.bincount(space.ravel(sobol(space, 16, np.random.default_rng(0)))).tolist()
    [4, 4, 4, 4]
    """
    from scipy.stats import qmc

    # Only a power of two of them is balanced: the first of the next one are nearly so.
    points = qmc.Sobol(len(space), rng=rng).random_base2(math.ceil(math.log2(max(n, 1))))
    return space.from_unit(points[:n])
