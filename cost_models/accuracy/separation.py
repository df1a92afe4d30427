"""How well a table tells its networks apart: their differences beside those of the seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codesign_gym.cost_models.accuracy.trained import AccuracyRecords

TOP = 0.1
"""The share of the best networks that agents compete for."""


@dataclass(frozen=True)
class Separation:
    """Standard deviations in points, between networks and of the mean of one network's seeds.

    Attributes:
        networks: How many.
        all_networks: Between all networks that learn.
        noise: Of a network's mean, from the differences of its seeds, over all that learn.
        top: Between the networks of the best tenth.
        top_noise: Of the means of those.
        top_from: Accuracy of the last network of the best tenth, %.
        best: That of the best network, %.
    """

    networks: int
    all_networks: float
    noise: float
    top: float
    top_noise: float
    top_from: float
    best: float


def separation(records: AccuracyRecords, chance_pct: float = 15.0) -> Separation:
    """The separation of a table of at least two seeds.

    For their spread, networks are chosen as the best tenth by one half of the seeds, and it is that
    of the other half less what its noise explains: the lucky ones do not count as good. For the
    noise they are chosen by the mean, which says nothing of the differences of the seeds.

    Args:
        records: A table.
        chance_pct: Accuracy up to which a network has not learned.
    """
    accuracy = records.correct[:, :, -1].astype(np.float64) * 100
    accuracy /= records.provenance["test_size"]
    accuracy = accuracy[accuracy.mean(axis=1) > chance_pct]
    seeds = accuracy.shape[1]
    mean = accuracy.mean(axis=1)
    variance = accuracy.var(axis=1, ddof=1)
    half = accuracy[:, : seeds // 2].mean(axis=1)
    other = accuracy[:, seeds // 2 :]
    count = max(2, round(TOP * len(accuracy)))
    top_variance = variance[np.argsort(-mean, kind="stable")[:count]].mean()
    top = np.argsort(-half, kind="stable")[:count]
    spread = other[top].mean(axis=1).var(ddof=1) - top_variance / other.shape[1]
    best = np.sort(mean)[::-1]
    return Separation(
        networks=len(records.network),
        all_networks=float(mean.std()),
        noise=float(np.sqrt(variance.mean() / seeds)),
        top=float(np.sqrt(max(spread, 0.0))),
        top_noise=float(np.sqrt(top_variance / seeds)),
        top_from=float(best[count - 1]),
        best=float(best[0]),
    )
