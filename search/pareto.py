"""Which designs are best: Pareto fronts, fronts by constrained domination, incumbents."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs.evaluation import Evaluation

FloatArray = NDArray[np.float64]


def best_so_far(rewards: FloatArray) -> FloatArray:
    """The highest reward up to each evaluation, ``[n]``."""
    return np.maximum.accumulate(rewards)


def ranking(evaluation: Evaluation, rewards: FloatArray) -> NDArray[np.intp]:
    """The designs from best to worst: feasible ones first, then by reward; each design once.

    Args:
        evaluation: ``n`` designs.
        rewards: Their rewards ``[n]``.

    Returns:
        Rows of the evaluation; of equals, and of repeated designs, the first comes first.
    """
    _, first = np.unique(evaluation.designs, axis=0, return_index=True)
    rows = np.sort(first)
    return rows[np.lexsort((-rewards[rows], ~evaluation.feasible[rows]))]


def nondominated(evaluation: Evaluation) -> NDArray[np.intp]:
    """Feasible designs that no feasible one dominates or equals, sorted by the first objective.

    Of designs with equal objectives, the first evaluated stands for all.

    Returns:
        Rows of the evaluation; empty where no design is feasible.
    """
    rows = np.flatnonzero(evaluation.feasible)
    if not len(rows):
        return rows
    _, first = np.unique(evaluation.designs[rows], axis=0, return_index=True)
    rows = rows[np.sort(first)]
    from moocore import is_nondominated

    kept = is_nondominated(_finite(evaluation.objectives[rows]), keep_weakly=False)
    rows = rows[np.asarray(kept, dtype=np.bool_)]
    return rows[np.argsort(evaluation.objectives[rows, 0], kind="stable")]


def constrained_ranks(objectives: FloatArray, violation: FloatArray) -> NDArray[np.int64]:
    """Front number of each design by constrained domination (Deb et al. 2002, section VI), ``[n]``.

    Feasible designs are sorted into non-dominated fronts 0, 1, ...; infeasible ones follow, one
    front for each distinct total violation.

    Args:
        objectives: To be minimised, ``[n, m]``.
        violation: Total violations, ``[n]``, 0 where feasible.
    """
    from moocore import pareto_rank

    ranks = np.zeros(len(objectives), dtype=np.int64)
    feasible = violation == 0
    if feasible.any():
        ranks[feasible] = pareto_rank(_finite(objectives[feasible]))
    if not feasible.all():
        _, order = np.unique(violation[~feasible], return_inverse=True)
        ranks[~feasible] = (ranks[feasible].max() + 1 if feasible.any() else 0) + order
    return ranks


def crowding_distance(objectives: FloatArray, ranks: NDArray[np.int64]) -> FloatArray:
    """How far each design's neighbours in its front lie apart (Deb et al. 2002, section III-B).

    Args:
        objectives: ``[n, m]``.
        ranks: Front of each design, ``[n]``.

    Returns:
        Distances ``[n]``; infinite at the ends of a front.
    """
    n, m = objectives.shape
    distance = np.zeros(n)
    for j in range(m):
        order = np.lexsort((objectives[:, j], ranks))
        x, front = objectives[order, j], ranks[order]
        finite = x[np.isfinite(x)]
        span = float(np.ptp(finite)) if len(finite) else 0.0
        inner = np.zeros(n, dtype=np.bool_)
        inner[1:-1] = (front[:-2] == front[1:-1]) & (front[1:-1] == front[2:])
        gap = np.full(n, np.inf)
        with np.errstate(invalid="ignore"):
            between = (x[2:] - x[:-2]) / (span or 1.0)
        gap[1:-1][inner[1:-1]] = np.nan_to_num(between[inner[1:-1]], nan=0.0, posinf=0.0)
        distance[order] += gap
    return distance


def _finite(objectives: FloatArray) -> FloatArray:
    """The same order in each column without infinities, which moocore takes for its sentinels."""
    if np.isfinite(objectives).all():
        return np.ascontiguousarray(objectives)
    order = [np.unique(column, return_inverse=True)[1] for column in objectives.T]
    return np.stack(order, axis=1).astype(np.float64)
