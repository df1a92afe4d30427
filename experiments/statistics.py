"""Robust averages over runs, with intervals (Agarwal et al., NeurIPS 2021, arXiv 2108.13264)."""

from __future__ import annotations

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
    scores: FloatArray, rng: np.random.Generator, level: float = 0.95, resamples: int = 2000
) -> tuple[FloatArray, FloatArray]:
    """Percentile bootstrap interval of the interquartile mean over runs.

    Whole runs are drawn with replacement, so that the points of a curve stay together, and within
    each task separately (stratified), so that every task keeps its weight.

    Args:
        scores: ``[s, k]``: ``k`` points of ``s`` runs; or ``[t, s, k]`` with ``s`` runs of each of
            ``t`` tasks, over all of which the mean is taken.
        rng: Draws the resamples.
        level: Share of resampled means inside the interval.
        resamples: Number of resamples.

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
        ends[:, start : start + step] = np.quantile(iqm(drawn, axis=(1, 2)), tails, axis=0)
    return ends[0], ends[1]


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
    wins = (ours[:, :, None] > theirs[:, None]) + 0.5 * (ours[:, :, None] == theirs[:, None])
    t, s, r = wins.shape
    tasks = np.arange(t)[:, None, None]
    resampled = [
        wins[tasks, rng.integers(0, s, (t, s))[:, :, None], rng.integers(0, r, (t, r))[:, None]]
        for _ in range(2000)
    ]
    low, high = np.quantile([w.mean() for w in resampled], [(1 - level) / 2, (1 + level) / 2])
    return float(wins.mean()), float(low), float(high)
