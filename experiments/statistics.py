"""Robust averages over runs, with intervals (Agarwal et al., NeurIPS 2021, arXiv 2108.13264)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_CHUNK = 4_000_000  # resampled values held at once, 32 MB


def iqm(scores: FloatArray, axis: int | tuple[int, ...] | None = None) -> FloatArray:
    """Mean of the middle half of the scores along ``axis``; all of them where it is None.

    A quarter of the values, rounded down, is cut off at each end, as rliable and
    `scipy.stats.trim_mean` do: the plain mean of three runs or fewer.

    >>> float(iqm(np.array([0.0, 1.0, 2.0, 90.0])))
    1.5
    """
    axes = tuple(range(scores.ndim)) if axis is None else axis
    axes = (axes,) if isinstance(axes, int) else axes
    kept = [a for a in range(scores.ndim) if a not in {b % scores.ndim for b in axes}]
    flat = scores.transpose(*kept, *axes).reshape(*(scores.shape[a] for a in kept), -1)
    cut = flat.shape[-1] // 4
    middle = np.sort(flat, axis=-1)[..., cut : flat.shape[-1] - cut]
    return np.asarray(middle.mean(axis=-1))


def bootstrap_interval(
    scores: FloatArray,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 2000,
    average: Callable[..., FloatArray] = iqm,
) -> tuple[FloatArray, FloatArray]:
    """Percentile bootstrap interval of the interquartile mean, or another, over runs.

    Whole runs are drawn with replacement, so that the points of a curve stay together, and within
    each task separately (stratified), so that every task keeps its weight.

    Args:
        scores: ``[s, k]``: ``k`` points of ``s`` runs; or ``[t, s, k]`` with ``s`` runs of each of
            ``t`` tasks, over all of which the mean is taken.
        rng: Draws the resamples.
        level: Share of resampled means inside the interval.
        resamples: Number of resamples.
        average: What is taken of the runs: called with an array and the ``axis`` to average over.

    Returns:
        Lower and upper ends, each ``[k]``.
    """
    strata = scores[None] if scores.ndim == 2 else scores
    t, s, k = strata.shape
    picks = rng.integers(0, s, size=(resamples, t, s))
    tails = [(1 - level) / 2, (1 + level) / 2]
    ends = np.empty((2, k))
    step = max(1, _CHUNK // picks.size)
    for start in range(0, k, step):
        drawn = strata[np.arange(t)[:, None], picks, start : start + step]
        ends[:, start : start + step] = np.quantile(average(drawn, axis=(1, 2)), tails, axis=0)
    return ends[0], ends[1]


def performance_profile(
    scores: FloatArray, taus: FloatArray, rng: np.random.Generator, level: float = 0.95
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The share of runs that score above each of ``taus``, with bootstrap bands.

    The run-score distribution of Agarwal et al. 2021, section 4.2: every task counts the same, and
    runs are drawn within each.

    Args:
        scores: ``[t, s]``: ``s`` runs of each of ``t`` tasks.
        taus: Thresholds ``[k]``.
        rng: Draws the resamples.
        level: Share of resamples inside the band.

    Returns:
        The shares and the ends of their bands, each ``[k]``.
    """
    above = (scores[:, :, None] > taus).astype(np.float64)
    low, high = bootstrap_interval(above, rng, level, average=np.mean)
    return above.mean(axis=(0, 1)), low, high


def probability_of_improvement(
    ours: FloatArray, theirs: FloatArray, rng: np.random.Generator, level: float = 0.95
) -> tuple[float, float, float]:
    """How likely a run of ours scores higher than one of theirs, with a bootstrap interval.

    The mean over the tasks of the share of pairs of runs in which ours is higher, ties counting
    half (Agarwal et al. 2021, section 4.3); runs are drawn within each task.

    Args:
        ours: Scores ``[t, s]`` of ``s`` runs of each of ``t`` tasks.
        theirs: Those of the other ``[t, r]``.
        rng: Draws the resamples.
        level: Share of resamples inside the interval.

    Returns:
        The probability and the ends of its interval.
    """
    wins = _wins(ours, theirs)
    t, s, r = wins.shape
    tasks = np.arange(t)[:, None, None]
    resampled = [
        wins[tasks, rng.integers(0, s, (t, s))[:, :, None], rng.integers(0, r, (t, r))[:, None]]
        for _ in range(2000)
    ]
    low, high = np.quantile([w.mean() for w in resampled], [(1 - level) / 2, (1 + level) / 2])
    return float(wins.mean()), float(low), float(high)


def win_share(ours: FloatArray, theirs: FloatArray) -> float:
    """The probability alone that `probability_of_improvement` gives with its interval."""
    return float(_wins(ours, theirs).mean())


def _wins(ours: FloatArray, theirs: FloatArray) -> FloatArray:
    """Of each pair of runs of each task, 1 where ours is higher and a half for ties, [t, s, r]."""
    higher, equal = ours[:, :, None] > theirs[:, None], ours[:, :, None] == theirs[:, None]
    return np.where(higher, 1.0, 0.5 * equal)


def share_better(known: FloatArray, scores: FloatArray) -> FloatArray:
    """The share of known scores ``[w]`` that is above each of some ``[...]``, in percent.

    >>> share_better(np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 4.0]))
    array([50.,  0.])
    """
    better: FloatArray = (known > scores[..., None]).mean(axis=-1) * 100
    return better
