"""Robust averages against definitions written out."""

import numpy as np
import pytest

from codesign_gym.experiments.statistics import (
    bootstrap_interval,
    iqm,
    performance_profile,
    probability_of_improvement,
    win_share,
)


def test_iqm_is_the_mean_of_the_middle_half() -> None:
    rng = np.random.default_rng(0)
    for n in range(1, 13):
        x = rng.normal(size=n)
        middle = sorted(x)[n // 4 : n - n // 4]
        assert iqm(x) == pytest.approx(np.mean(middle))


def test_iqm_along_axes() -> None:
    x = np.random.default_rng(1).normal(size=(3, 8, 5))
    flat = x.transpose(1, 0, 2).reshape(8, 15)
    assert iqm(x, axis=1).shape == (3, 5)
    assert iqm(x, axis=-2)[2, 4] == pytest.approx(iqm(x[2, :, 4]))
    np.testing.assert_allclose(iqm(x, axis=(0, 2)), [iqm(row) for row in flat])
    assert iqm(x) == pytest.approx(iqm(x.ravel()))


def test_iqm_ignores_outliers() -> None:
    assert iqm(np.array([1.0, 1.0, 1.0, 1e9])) == 1.0


@pytest.mark.parametrize("shape", [(5, 4), (3, 5, 4)])
def test_interval_equals_a_loop_over_resamples(shape: tuple[int, ...]) -> None:
    scores = np.random.default_rng(2).normal(size=shape)
    low, high = bootstrap_interval(scores, np.random.default_rng(7), level=0.9, resamples=60)

    strata = scores.reshape(-1, *shape[-2:])
    t, s, k = strata.shape
    picks = np.random.default_rng(7).integers(0, s, size=(60, t, s))
    means = np.empty((60, k))
    for b in range(60):
        pooled = np.concatenate([strata[i][picks[b, i]] for i in range(t)])
        means[b] = [iqm(pooled[:, point]) for point in range(k)]
    np.testing.assert_allclose(low, np.quantile(means, 0.05, axis=0))
    np.testing.assert_allclose(high, np.quantile(means, 0.95, axis=0))


def test_interval_does_not_depend_on_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(3).normal(size=(6, 20))
    whole = bootstrap_interval(scores, np.random.default_rng(0), resamples=100)
    monkeypatch.setattr("codesign_gym.experiments.statistics._CHUNK", 1)
    parts = bootstrap_interval(scores, np.random.default_rng(0), resamples=100)
    np.testing.assert_array_equal(whole, parts)


def test_interval_of_equal_scores_is_a_point() -> None:
    low, high = bootstrap_interval(np.full((5, 3), 2.5), np.random.default_rng(0))
    assert low.tolist() == high.tolist() == [2.5] * 3


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    low, high = bootstrap_interval(rng.normal(size=(40, 400)), rng, level=0.95, resamples=500)
    covered = np.mean((low <= 0) & (high >= 0))
    assert 0.88 < covered < 0.99


def test_probability_of_improvement() -> None:
    rng = np.random.default_rng(0)
    high, low = rng.normal(5, 1, (3, 12)), rng.normal(0, 1, (3, 9))
    assert probability_of_improvement(high, low, rng) == (1.0, 1.0, 1.0)
    assert probability_of_improvement(low, high, rng) == (0.0, 0.0, 0.0)
    same = np.ones((2, 4))
    assert probability_of_improvement(same, same, rng) == (0.5, 0.5, 0.5)
    near = rng.normal(0.3, 1, (3, 12))
    p, lower, upper = probability_of_improvement(near, low, rng)
    by_hand = np.mean([[a > b for a in near[t] for b in low[t]] for t in range(3)])
    assert p == pytest.approx(by_hand)
    assert 0 < lower < p < upper < 1


def test_interval_of_another_average() -> None:
    scores = np.array([[0.0, 0.0, 0.0, 0.0, 8.0]]).T[None]
    low, high = bootstrap_interval(scores, np.random.default_rng(0), average=np.mean)
    assert 0 <= low[0] < 1.6 < high[0] <= 8
    low, high = bootstrap_interval(scores, np.random.default_rng(0))
    assert low[0] == 0  # the interquartile mean of most resamples leaves the 8 out


def test_performance_profile_by_hand() -> None:
    scores = np.array([[0.0, 0.2, 0.4, 1.0], [0.4, 0.6, 0.6, 0.8]])
    share, low, high = performance_profile(
        scores, np.array([-1.0, 0.4, 0.7, 1.0]), np.random.default_rng(0)
    )
    np.testing.assert_allclose(share, [1, (1 / 4 + 3 / 4) / 2, (1 / 4 + 1 / 4) / 2, 0])
    assert (low <= share).all()
    assert (share <= high).all()
    assert low[0] == high[0] == 1
    assert low[1] < share[1] < high[1]
    assert (np.diff(share) <= 0).all()


def test_win_share_is_the_probability_without_its_interval() -> None:
    rng = np.random.default_rng(5)
    ours = rng.integers(0, 4, (3, 6)).astype(np.float64)
    theirs = rng.integers(0, 4, (3, 8)).astype(np.float64)
    share = win_share(ours, theirs)
    assert share == probability_of_improvement(ours, theirs, rng)[0]
    assert share + win_share(theirs, ours) == pytest.approx(1)
