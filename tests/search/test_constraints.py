"""What agents make of specs."""

from __future__ import annotations

import dataclasses

import numpy as np

from codesign_gym.envs import Spec
from codesign_gym.envs.rewards import HingePenalty
from codesign_gym.experiments.testing import synthetic_problem
from codesign_gym.search.constraints import excess, merit, penalised, unconstrained_rewards
from codesign_gym.search.pareto import ranking
from tests.toy import toy_problem

PROBLEM = synthetic_problem("ordinal")
DESIGNS = np.unique(PROBLEM.space.sample(300, np.random.default_rng(0)), axis=0)
EVALUATION = PROBLEM.evaluate(DESIGNS)


def test_merit_orders_as_ranking_does() -> None:
    rewards = PROBLEM.reward(EVALUATION)
    by_merit = np.argsort(-merit(EVALUATION, rewards), kind="stable")
    assert np.array_equal(by_merit, ranking(EVALUATION, rewards))


def test_merit_puts_violation_above_a_reward_that_ignores_it() -> None:
    tight = dataclasses.replace(PROBLEM, specs=(Spec("time_ms", "<=", 0.5),))
    evaluation = tight.evaluate(DESIGNS)
    values = merit(evaluation, np.linspace(0, 9, len(DESIGNS)))
    order = np.argsort(-values, kind="stable")
    assert (
        np.diff(evaluation.violation[order[np.isfinite(evaluation.violation[order])]]) >= 0
    ).all()
    assert np.isfinite(values).all()


def test_the_penalty_is_in_proportion_and_bounded() -> None:
    rewards = np.array([5.0, 3.0, 99.0, 99.0, 99.0])
    violation = np.array([0.0, 0.0, 0.5, 1.0, np.inf])
    values = penalised(rewards, violation, spread=2.0, floor=3.0)
    assert values.tolist() == [5.0, 3.0, 2.0, 1.0, -17.0]


def test_rewards_without_specs_are_those_of_the_problem_without_specs() -> None:
    free = PROBLEM.with_specs(())
    expected = PROBLEM.reward(free.evaluate(DESIGNS))
    found = unconstrained_rewards(PROBLEM.statement, EVALUATION)
    valid = EVALUATION.metrics.valid
    np.testing.assert_allclose(found[valid], expected[valid])
    assert np.isnan(found[~valid]).all()
    assert (~valid).any()


def test_what_was_not_measured_has_no_reward() -> None:
    reward = HingePenalty({"accuracy_pct": 1.0})
    problem = toy_problem(reward=reward)
    designs = problem.space.enumerate()
    evaluation = problem.evaluate(designs)
    skipped = ~np.isfinite(evaluation.metrics["accuracy_pct"])
    assert skipped.any()
    assert np.isnan(unconstrained_rewards(problem.statement, evaluation)[skipped]).all()


def test_excess_is_negative_exactly_where_a_spec_is_kept() -> None:
    problem = toy_problem()
    evaluation = problem.evaluate(problem.space.enumerate())
    found = excess(problem.statement, evaluation)
    assert found.shape == evaluation.violations.shape
    known = np.isfinite(found)
    assert np.array_equal((found > 0)[known], (evaluation.violations > 0)[known])
    area = evaluation.metrics["area_mm2"]
    np.testing.assert_allclose(found[known[:, 1], 1], np.log(area / 4.0)[known[:, 1]])
    assert np.isnan(found[~evaluation.metrics.valid]).all()
