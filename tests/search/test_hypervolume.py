"""The gain of a front that designs are expected to bring."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moocore import hypervolume, is_nondominated

from codesign_gym.search.hypervolume import FloatArray, FrontGain


class Precise(FrontGain):
    DIRECTIONS = 60_000


def problem(seed: int, m: int) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    points = rng.random((60, m))
    return points[:40][is_nondominated(points[:40])], points[40:]


@pytest.mark.parametrize("m", [2, 3, 4])
def test_without_doubt_it_is_the_gain_of_hypervolume(m: int) -> None:
    front, points = problem(m, m)
    low, high = front.min(axis=0), front.max(axis=0)
    reference = high + FrontGain.MARGIN * (high - low)
    before = hypervolume(front, ref=reference)
    exact = [hypervolume(np.vstack([front, p]), ref=reference) - before for p in points]
    gain = Precise(front, np.random.default_rng(0))
    found = gain.of(points, np.zeros_like(points))
    # Up to a factor, the same for all.
    factor = found.sum() / np.sum(exact)
    np.testing.assert_allclose(found, factor * np.array(exact), atol=0.04 * found.max())
    assert (found > 0).any()


@given(st.integers(0, 2**16), st.integers(2, 4))
@settings(max_examples=30, deadline=None)
def test_what_is_dominated_gains_nothing_and_what_is_better_gains_more(seed: int, m: int) -> None:
    front, points = problem(seed, m)
    gain = FrontGain(front, np.random.default_rng(seed))
    certain = np.zeros_like(points)
    assert gain.of(front, np.zeros_like(front)) == pytest.approx(0, abs=1e-9)
    assert (gain.of(front[:1].repeat(3, axis=0) + 0.01, certain[:3]) == 0).all()
    assert (gain.of(points - 0.1, certain) >= gain.of(points, certain)).all()
    assert gain.of(front.min(axis=0, keepdims=True) - 0.1, certain[:1])[0] > 0


@given(st.integers(0, 2**16), st.integers(2, 4))
@settings(max_examples=30, deadline=None)
def test_what_is_believed_gains_nothing_more(seed: int, m: int) -> None:
    front, points = problem(seed, m)
    gain = FrontGain(front, np.random.default_rng(seed))
    certain = np.zeros_like(points)
    before = gain.of(points, certain)
    gain.believe(points[:1])
    after = gain.of(points, certain)
    assert after[0] == 0
    assert (after <= before).all()


def test_doubt_is_worth_something_and_ties_go_to_the_lower_objectives() -> None:
    front = np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])
    gain = FrontGain(front, np.random.default_rng(0))
    behind = np.array([[0.9, 0.9], [3.0, 3.0]])
    assert (gain.of(behind, np.zeros((2, 2))) == 0).all()
    assert gain.of(behind, np.full((2, 2), 0.5))[0] > 0
    near, far = gain.log_of(behind, np.zeros((2, 2)))
    assert near > far


def test_a_front_of_one_design_can_gain() -> None:
    gain = FrontGain(np.array([[0.3, -0.2, 0.1]]), np.random.default_rng(0))
    better = np.array([[0.2, -0.3, 0.0], [0.3, -0.2, 0.0]])
    assert (gain.of(better, np.zeros((2, 3))) > 0).all()
