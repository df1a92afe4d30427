"""Agents against each other out of their runs: who is how likely to be better, and by how much."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.statistics import performance_profile, probability_of_improvement
from codesign_gym.experiments.summaries import label

FloatArray = NDArray[np.float64]
Row = dict[str, Any]

PAIRED = 6
"""Agents that are compared in pairs: the best ones."""

_LEVELS = (0.25, 0.5, 0.75, 0.9)


def finals(records: Sequence[RunRecord], failed: Iterable[RunConfig] = ()) -> dict[str, FloatArray]:
    """Agent (and options) -> the best feasible reward of each run; minus infinity without one.

    Args:
        records: Finished runs.
        failed: Runs that ended with an error, which found nothing: an agent that fails where it is
            hard would otherwise look better than one that goes through.
    """
    found: dict[str, list[float]] = {}
    for record in records:
        found.setdefault(label(record.config), []).append(record.reached)
    for config in failed:
        found.setdefault(label(config), []).append(-np.inf)
    return {name: np.array(values) for name, values in found.items()}


def improvement_rows(
    problems: Sequence[Mapping[str, FloatArray]], names: Sequence[str]
) -> list[Row]:
    """A row per ordered pair of agents: how likely a run of the first is better, with interval.

    Args:
        problems: The `finals` of each problem; pairs count over the problems that all share.
        names: The agents.
    """
    shared = [found for found in problems if all(name in found for name in names)]
    rows = []
    for one in names:
        for other in names:
            if one != other and shared:
                ours, theirs = (
                    _stacked([found[name] for found in shared]) for name in (one, other)
                )
                p, low, high = probability_of_improvement(ours, theirs, np.random.default_rng(0))
                row = {"agent": one, "over": other, "probability": p, "low": low, "high": high}
                rows.append(row)
    return rows


def _stacked(values: Sequence[FloatArray]) -> FloatArray:
    """Runs of each problem ``[t, s]``; as many of each as the problem with the fewest has."""
    fewest = min(map(len, values))
    return np.array([part[:fewest] for part in values])


def improvement_table(rows: Sequence[Row]) -> list[Row]:
    """The pairs as a square: a line per agent, a numbered column per agent it is compared with."""
    names = list(dict.fromkeys(row["agent"] for row in rows))
    found = {(row["agent"], row["over"]): row["probability"] for row in rows}
    return [
        {"#": i, "agent": one}
        | {
            f"over #{j}": "" if one == other else f"{found[one, other]:.2f}"
            for j, other in enumerate(names, 1)
        }
        for i, one in enumerate(names, 1)
    ]


def profile_rows(found: Mapping[str, FloatArray]) -> list[Row]:
    """A row per agent: share of its runs above rewards that 75, 50, 25 and 10 % of all runs exceed.

    Empty where fewer than two runs found a feasible design.
    """
    pooled = np.concatenate(list(found.values()))
    pooled = pooled[np.isfinite(pooled)]
    if len(pooled) < 2:
        return []
    taus = np.unique(np.quantile(pooled, _LEVELS))
    rows = []
    for name, values in found.items():
        share, low, high = performance_profile(values[None], taus, np.random.default_rng(0))
        row: Row = {"agent": name, "rewards": taus.tolist(), "share": share.tolist()}
        rows.append(row | {"low": low.tolist(), "high": high.tolist()})
    return sorted(rows, key=lambda row: -sum(row["share"]))


def profile_table(rows: Sequence[Row]) -> list[Row]:
    """The profiles as a line per agent, a column per reward."""
    return [
        {"agent": row["agent"]}
        | {
            f"> {tau:.4g}": f"{share:.0%}"
            for tau, share in zip(row["rewards"], row["share"], strict=True)
        }
        for row in rows
    ]
