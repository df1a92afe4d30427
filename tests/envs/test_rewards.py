"""Rewards: finite for whatever evaluation, in the right order, never against beating a spec."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from codesign_gym.cost_models import Metric, Metrics
from codesign_gym.envs import Evaluation, Spec, make_problem
from codesign_gym.envs.evaluation import assess
from codesign_gym.envs.rewards import (
    HingePenalty,
    MeanQuantile,
    Reward,
    TargetRatio,
    WeightedProduct,
    infeasible_reward,
)
from codesign_gym.search_spaces import InputError

METRICS = (
    Metric("accuracy_pct", "%", "max"),
    Metric("latency_ms", "ms", "min"),
    Metric("area_mm2", "mm2", "min"),
)
SPECS = (Spec("latency_ms", "<=", 2.0), Spec("accuracy_pct", ">=", 50.0))

PRODUCT = WeightedProduct(
    {"accuracy_pct": 1.0, "latency_ms": -0.07}, {"accuracy_pct": 100.0, "latency_ms": 2.0}
)
HINGE = HingePenalty({"accuracy_pct": 0.01})
RATIO = TargetRatio("latency_ms", target=2.0)
ACCURACY_RATIO = TargetRatio("accuracy_pct", target=50.0)
REWARDS: list[Reward] = [PRODUCT, HINGE, RATIO, ACCURACY_RATIO]


def evaluation(rows: list[list[float]], invalid: list[bool] | None = None) -> Evaluation:
    """An evaluation of (accuracy, latency, area)."""
    values = np.array(rows, dtype=np.float64).reshape(len(rows), 3)
    mask = {"broken": np.array(invalid)} if invalid else {}
    metrics = Metrics(METRICS, values, mask)
    return assess(np.zeros((len(rows), 1), np.int32), metrics, METRICS[:2], SPECS)


anything = st.one_of(
    st.sampled_from([0.0, np.inf, -np.inf, 5e-324, 1e308, -1e308]),
    st.floats(-1e6, 1e6),
)
evaluations = st.lists(
    st.tuples(anything, anything, anything, st.booleans()), min_size=1, max_size=8
).map(lambda rows: evaluation([list(row[:3]) for row in rows], [row[3] for row in rows]))


@given(evaluations)
def test_finite_for_whatever_was_measured(found: Evaluation) -> None:
    for reward in REWARDS:
        rewards = reward(found)
        assert rewards.shape == (len(found),)
        assert rewards.dtype == np.float64
        assert np.isfinite(rewards).all(), (reward, rewards)


@given(evaluations)
def test_feasible_is_worth_more_than_infeasible(found: Evaluation) -> None:
    rewards = PRODUCT(found)
    assert (rewards[found.feasible] >= 0).all()
    assert (rewards[~found.feasible] < 0).all()
    assert (rewards[~found.feasible] >= -1).all()


@given(evaluations)
def test_infeasible_reward_follows_the_violation(found: Evaluation) -> None:
    rewards = infeasible_reward(found)
    order = np.argsort(found.violation)
    assert (np.diff(rewards[order]) <= 0).all()
    finite = found.violation[np.isfinite(found.violation)]
    np.testing.assert_allclose(rewards[np.isfinite(found.violation)], -finite / (1 + finite))
    assert (rewards[found.feasible] == 0).all()
    assert (rewards[~found.metrics.valid] == -1).all()


@given(
    st.floats(50, 100), st.floats(50, 100), st.floats(1e-3, 2), st.floats(1e-3, 2), st.floats(1, 9)
)
def test_beating_a_spec_is_never_punished(a: float, b: float, s: float, t: float, c: float) -> None:
    low, high = sorted((a, b))
    fast, slow = sorted((s, t))
    found = evaluation([[high, fast, c], [low, slow, c]])
    assert found.feasible.all()
    for reward in REWARDS:
        better, worse = reward(found)
        assert better >= worse


@pytest.mark.parametrize(
    ("reward", "expected"),
    [
        (PRODUCT, [0.9 * 0.5**-0.07, -0.5 / 1.5, -1.0]),
        (HINGE, [0.9, 0.9 - 10 * 0.5, -100.0]),
        (RATIO, [1000.0, 2.0, 0.0]),
        (ACCURACY_RATIO, [1000.0, 1000.0, 0.0]),
    ],
)
def test_by_hand(reward: Reward, expected: list[float]) -> None:
    """Within the specs; latency half too long; invalid."""
    found = evaluation([[90, 1, 5], [90, 3, 5], [90, 1, 5]], [False, False, True])
    np.testing.assert_allclose(reward(found), expected, rtol=1e-12)


def test_ratio_of_a_metric_to_be_maximised() -> None:
    """40 % misses a target of 50 % by 10 points."""
    assert ACCURACY_RATIO(evaluation([[40, 1, 5]])).tolist() == [5.0]


def test_reference_is_worth_one() -> None:
    assert PRODUCT(evaluation([[100, 2, 5]])).tolist() == [1.0]


def test_mnasnet_exponent() -> None:
    """Tan et al. 2019, section 3.1: halving the latency is worth about 5 % of accuracy."""
    rewards = PRODUCT(evaluation([[80, 1, 5], [80 * 1.05, 2, 5]]))
    assert rewards[0] == pytest.approx(rewards[1], rel=1e-2)


def test_the_mean_share_of_known_designs_that_are_worse() -> None:
    reward = MeanQuantile({"accuracy_pct": (0.0, 50.0, 100.0), "latency_ms": (1.0, 3.0)})
    found = evaluation([[75, 1, 5], [50, 2, 5], [200, 9, 5]], [False, False, True])
    assert reward(found).tolist() == [0.875, 0.5, -1.0]
    for values in ((1.0,), (2.0, 1.0), (1.0, np.nan)):
        with pytest.raises(InputError, match="quantiles of 'a' must be two or more rising"):
            MeanQuantile({"a": values})


def test_zero_times_infinity_is_worth_nothing() -> None:
    reward = WeightedProduct({"area_mm2": 1.0, "latency_ms": 1.0}, {"area_mm2": 1, "latency_ms": 1})
    assert reward(evaluation([[90, 0, np.inf]])).tolist() == [0.0]
    ignored = WeightedProduct({"area_mm2": 0.0}, {"area_mm2": 1})
    assert ignored(evaluation([[90, 1, 0], [90, 1, 4]])).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: WeightedProduct({"a": 1.0}, {}), "reference of 'a' must be above 0, got 0.0"),
        (lambda: WeightedProduct({"a": 1.0}, {"a": -2.0}), "'a' must be above 0, got -2.0"),
        (lambda: WeightedProduct({"a": 1.0}, {"a": np.nan}), "'a' must be above 0, got nan"),
        (lambda: TargetRatio("a", 0.0), "target and cap must be above 0, got 0.0 and 1000.0"),
        (lambda: TargetRatio("a", 1.0, cap=-1.0), "above 0, got 1.0 and -1.0"),
    ],
)
def test_impossible_options(make: Callable[[], object], text: str) -> None:
    with pytest.raises(InputError) as error:
        make()
    assert text in str(error.value)


@pytest.mark.parametrize("name", ["resnet18-asic", "mobilenetv2-asic"])
def test_rewards_of_registered_problems(name: str) -> None:
    """A typical design is worth about 1, so that learners need no scaling."""
    problem = make_problem(name)
    found = problem.evaluate(problem.space.sample(500, np.random.default_rng(0)))
    rewards: NDArray[np.float64] = problem.reward(found)
    assert np.isfinite(rewards).all()
    assert rewards[found.feasible].min() > 0 > rewards[~found.feasible].max()
    assert 0.2 < np.median(rewards[found.feasible]) < 5
