"""Variation of designs, on every kind of space."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign_gym.experiments.testing import synthetic_problems
from codesign_gym.search.operators import crossover, keys, mutate, tournament, unseen
from codesign_gym.search_spaces import Categorical, Ordinal, SearchSpace
from tests.strategies import spaces

SPACES = {name: problem.space for name, problem in synthetic_problems().items()}


@settings(max_examples=60)
@given(spaces(), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, 1.0]))
def test_mutants_differ_in_an_active_parameter(space: SearchSpace, seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    parents = space.sample(20, rng)
    before = parents.copy()
    children = mutate(space, parents, rng, rate)
    assert np.array_equal(parents, before)
    assert np.array_equal(space.canonical(space.check(children)), children)
    can_move = (space.active(parents) & (space.nvec > 1)).any(axis=1)
    moved = ((children != parents) & space.active(parents)).any(axis=1)
    assert np.array_equal(moved, can_move)


@pytest.mark.parametrize("name", list(SPACES))
def test_mutation_without_a_rate_moves_one_parameter(name: str) -> None:
    space, rng = SPACES[name], np.random.default_rng(0)
    parents = space.sample(200, rng)
    changed = (mutate(space, parents, rng) != parents) & space.active(parents)
    if name in ("conditional", "growing", "fidelities"):  # what a switch turns off is zeroed too
        assert (changed.sum(axis=1) >= 1).all()
    else:
        assert (changed.sum(axis=1) == 1).all()


def test_mutation_never_moves_a_parameter_of_one_value() -> None:
    space, rng = SPACES["single-value"], np.random.default_rng(0)
    children = mutate(space, space.sample(100, rng), rng, rate=1.0)
    assert (children[:, [0, 2]] == 0).all()
    stuck = SearchSpace("stuck", (Categorical("a", ("only",)), Ordinal("b", (3,))))
    parents = stuck.sample(5, rng)
    assert np.array_equal(mutate(stuck, parents, rng, rate=1.0), parents)


def test_mutation_of_nothing() -> None:
    space = SPACES["ordinal"]
    assert mutate(
        space, space.sample(0, np.random.default_rng(0)), np.random.default_rng(0)
    ).shape == (
        0,
        8,
    )


def test_mutation_takes_every_category_equally_and_prefers_neighbours() -> None:
    rng, n = np.random.default_rng(0), 8000
    space = SearchSpace("two", (Categorical("c", tuple("abcde")), Ordinal("o", tuple(range(9)))))
    children = mutate(space, np.full((n, 2), 4, dtype=np.int32), rng, rate=1.0)
    category = np.bincount(children[:, 0], minlength=5)
    assert category[4] == 0
    np.testing.assert_allclose(category[:4], n / 4, rtol=0.1)
    steps = np.bincount(np.abs(children[:, 1] - 4), minlength=5)
    assert steps[0] == 0
    np.testing.assert_allclose(steps[1], n * (0.5 + 0.5 * 2 / 8), rtol=0.05)
    edge = mutate(space, np.tile(np.array([[0, 8]], dtype=np.int32), (n, 1)), rng, rate=1.0)[:, 1]
    np.testing.assert_allclose((edge == 7).mean(), 0.5 + 0.5 / 8, rtol=0.05)


@settings(max_examples=40)
@given(spaces(), st.integers(0, 2**32 - 1))
def test_children_take_each_active_choice_from_a_parent(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mothers, fathers = space.sample(20, rng), space.sample(20, rng)
    children = crossover(space, mothers, fathers, rng)
    assert np.array_equal(space.canonical(space.check(children)), children)
    inherited = (children == mothers) | (children == fathers)
    assert (inherited | ~space.active(children)).all()


def test_crossover_mixes() -> None:
    space = SPACES["large"]
    mothers = np.zeros((50, 120), dtype=np.int32)
    children = crossover(space, mothers, mothers + 1, np.random.default_rng(0))
    np.testing.assert_allclose(children.mean(), 0.5, atol=0.05)


def test_unseen_replaces_what_was_seen_or_repeats() -> None:
    space, rng = SPACES["ordinal"], np.random.default_rng(0)
    seen = space.sample(50, rng)
    fresh = space.sample(10, rng)
    known = set(keys(seen))
    proposals = np.concatenate([seen, fresh, fresh])
    before, known_before = proposals.copy(), set(known)
    found = unseen(space, proposals, known, rng)
    assert np.array_equal(proposals, before)
    assert known == known_before
    assert not set(keys(found)) & known
    assert len(set(keys(found))) == len(found)
    assert np.array_equal(found[50:60], fresh)  # what is new stays


def test_unseen_gives_up_where_nothing_is_left() -> None:
    space, rng = SPACES["tiny"], np.random.default_rng(0)
    everything = space.enumerate()
    assert unseen(space, everything[[0, 0]], set(keys(everything)), rng).shape == (2, 1)


def test_unseen_finds_the_last_design_left() -> None:
    space = SPACES["tiny"]
    everything = space.enumerate()
    known = set(keys(everything[:-1]))
    hits = [
        np.array_equal(
            unseen(space, everything[[0]], known, np.random.default_rng(seed)), everything[[-1]]
        )
        for seed in range(20)
    ]
    assert np.mean(hits) > 0.9


def test_keys_tell_designs_apart() -> None:
    designs = SPACES["ordinal"].sample(100, np.random.default_rng(0))
    assert len(set(keys(designs))) == len(np.unique(designs, axis=0))
    assert keys(designs[:3]) == keys(designs[:3].copy())


def test_tournament_picks_the_fittest_entrants() -> None:
    fitness = np.array([0.0, 3.0, 1.0, 2.0])
    rng = np.random.default_rng(0)
    assert (tournament(fitness, 50, 200, rng) == 1).all()
    wins = np.bincount(tournament(fitness, 20_000, 2, rng), minlength=4) / 20_000
    # Of two entrants with replacement, the one of rank r of 4 (best 1) wins with (9 - 2r) / 16.
    np.testing.assert_allclose(wins, np.array([1, 7, 3, 5]) / 16, atol=0.02)
    assert tournament(fitness, 0, 2, rng).shape == (0,)
