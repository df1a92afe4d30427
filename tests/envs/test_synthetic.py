"""The synthetic problems have the structure that they state."""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.envs import DesignProblem, make_problem
from codesign_gym.envs.synthetic import FEASIBLE, TableModel


@pytest.fixture(params=["synthetic-12x8", "synthetic-12x8-front"])
def problem(request: pytest.FixtureRequest) -> DesignProblem:
    return make_problem(request.param)


@pytest.mark.parametrize("instance", range(3))
def test_about_a_third_is_feasible(instance: int) -> None:
    made = make_problem("synthetic-12x8", instance=instance)
    evaluation = made.evaluate(made.space.sample(20_000, 1))
    assert evaluation.feasible.mean() == pytest.approx(FEASIBLE, abs=0.03)


def test_instances_differ_and_stay_the_same() -> None:
    designs = TableModel(0).space.sample(50, 0)
    first, again, other = (TableModel(i).evaluate(designs).values_matrix for i in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.isclose(first, other).any()


def test_the_reward_is_the_log_of_the_objectives(problem: DesignProblem) -> None:
    evaluation = problem.evaluate(problem.space.sample(5000, 2))
    rewards, feasible = problem.reward(evaluation), evaluation.feasible
    assert rewards[feasible].min() > 0 > rewards[~feasible].max()
    logs = np.log(evaluation.objectives[feasible]).sum(axis=1)
    np.testing.assert_allclose(np.diff(rewards[feasible]), -np.diff(logs), atol=1e-9)


def test_two_objectives_conflict() -> None:
    problem = make_problem("synthetic-12x8-front")
    logs = np.log(problem.evaluate(problem.space.sample(5000, 3)).objectives)
    assert np.corrcoef(logs.T)[0, 1] < 0.1


def test_parameters_interact_and_a_third_are_shuffled() -> None:
    model = TableModel(0)
    rng = np.random.default_rng(0)
    designs = model.space.sample(4000, rng)
    logs = np.log(model.evaluate(designs)["delay_ms"])
    one_hot = model.space.one_hot(designs)
    fitted = one_hot @ np.linalg.lstsq(one_hot, logs, rcond=None)[0]
    explained = 1 - (logs - fitted).var() / logs.var()
    assert 0.3 < explained < 0.8  # by main effects alone
    shuffled = [not np.array_equal(row, np.arange(8)) for row in model._order]
    assert sum(shuffled) == 4
