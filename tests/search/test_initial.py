"""Initial designs are spread over the choices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign_gym.search.initial import latin_hypercube, sobol
from codesign_gym.search_spaces import Ordinal, SearchSpace
from tests.strategies import spaces


@settings(max_examples=60, deadline=None)
@given(spaces(), st.integers(0, 30), st.integers(0, 99), st.booleans())
def test_designs_are_of_the_space(space: SearchSpace, n: int, seed: int, even: bool) -> None:
    designs = (sobol if even else latin_hypercube)(space, n, np.random.default_rng(seed))
    assert designs.shape == (n, len(space))
    assert np.array_equal(space.canonical(space.check(designs)), designs)


@settings(max_examples=60, deadline=None)
@given(spaces(conditions=False), st.integers(1, 60), st.integers(0, 99))
def test_choices_are_tried_equally_often(space: SearchSpace, n: int, seed: int) -> None:
    designs = latin_hypercube(space, n, np.random.default_rng(seed))
    for column, k in zip(designs.T, space.nvec.tolist(), strict=True):
        counts = np.bincount(column, minlength=k)
        assert counts.max() - counts.min() <= (0 if n % k == 0 else 2)


@pytest.mark.parametrize("n", [8, 16])
def test_columns_are_shuffled_alone(n: int) -> None:
    space = SearchSpace("pair", tuple(Ordinal(name, tuple(range(8))) for name in "ab"))
    draws = [latin_hypercube(space, n, np.random.default_rng(seed)) for seed in range(200)]
    correlation = np.mean([np.asarray(np.corrcoef(draw.T))[0, 1] for draw in draws])
    assert abs(correlation) < 4 / np.sqrt(200 * (n - 1))


def test_sobol_designs_are_even_in_pairs() -> None:
    """Each of the 64 pairs of choices of two parameters once, which a Latin hypercube misses."""
    space = SearchSpace("pair", tuple(Ordinal(name, tuple(range(8))) for name in "ab"))
    for seed in range(5):
        rng = np.random.default_rng(seed)
        assert len(np.unique(sobol(space, 64, rng), axis=0)) == 64
        assert len(np.unique(latin_hypercube(space, 64, rng), axis=0)) < 60


def test_sobol_seeds_matter() -> None:
    space = SearchSpace("pair", tuple(Ordinal(name, tuple(range(8))) for name in "ab"))
    first, again, other = (sobol(space, 20, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
