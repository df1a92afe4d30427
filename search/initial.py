"""Initial designs: what an agent evaluates before it knows anything."""

from __future__ import annotations

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
