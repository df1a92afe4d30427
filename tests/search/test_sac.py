"""SAC on a cube: every design has its share of it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from codesign_gym.envs import Evaluator
from codesign_gym.experiments.testing import synthetic_problem
from codesign_gym.search import make_agent
from codesign_gym.search.agents.sac import choices_of
from codesign_gym.search_spaces import Designs, Ordinal, SearchSpace
from tests.strategies import spaces_and_designs

ORDINAL = synthetic_problem("ordinal")


@given(spaces_and_designs())
def test_every_design_is_reached_at_the_middle_of_its_cell(
    made: tuple[SearchSpace, Designs],
) -> None:
    space, rows = made
    designs = space.canonical(rows)
    points = (2 * space.unit(designs) - 1).astype(np.float32)
    assert np.array_equal(choices_of(space, points), designs)


@pytest.mark.parametrize("k", range(1, 40))
def test_the_cells_of_a_side_are_equally_long(k: int) -> None:
    """Of a fine, even grid every choice has the same number of points."""
    space = SearchSpace("line", (Ordinal("x", tuple(range(k))),))
    points = (np.arange(100 * k) + 0.5) / (50 * k) - 1
    counts = np.bincount(choices_of(space, points[:, None])[:, 0], minlength=k)
    assert counts.tolist() == [100] * k


def test_uniform_actions_are_uniform_choices() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (5000, 8)).astype(np.float32)
    counts = np.stack(
        [np.bincount(column, minlength=8) for column in choices_of(ORDINAL.space, points).T]
    )
    # Chi-squared with 7 degrees of freedom: above 29 once in 10,000.
    assert (((counts - 625) ** 2 / 625).sum(axis=1) < 29).all()


def test_the_corners_are_designs_and_rounding_beyond_them_too() -> None:
    sides = (-1.0, 1.0, -1.000001, 1.000001)
    for corner in itertools.product(sides, repeat=2):
        space = SearchSpace("pair", (Ordinal("x", (1, 2, 3)), Ordinal("y", tuple(range(7)))))
        design = choices_of(space, np.array([corner], dtype=np.float32))[0]
        assert design.tolist() == [2 * (corner[0] > 0), 6 * (corner[1] > 0)]


@pytest.mark.parametrize(("num_envs", "learning_starts"), [(8, 0), (16, 24)])
def test_it_evaluates_batches_of_its_environments(num_envs: int, learning_starts: int) -> None:
    options: dict[str, Any] = {"gradient_steps": 1, "batch_size": 8, "hidden": 4}
    agent = make_agent(
        "sac", ORDINAL, 0, num_envs=num_envs, learning_starts=learning_starts, **options
    )
    sizes: list[int] = []
    evaluator = Evaluator(ORDINAL, 37, record=lambda evaluation: sizes.append(len(evaluation)))
    agent.search(evaluator)
    whole, rest = divmod(37, num_envs)
    assert sizes == [num_envs] * whole + [rest]


def test_it_drives_its_own_loop() -> None:
    agent = make_agent("sac", ORDINAL)
    assert agent.owns_loop
    with pytest.raises(NotImplementedError, match="use search"):
        agent.ask(1)
    with pytest.raises(NotImplementedError, match="use search"):
        agent.tell(ORDINAL.space.sample(1, agent.rng), ORDINAL.evaluate([[0] * 8]))
