"""One score of an agent, its parts, and agents against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from codesign_gym.experiments.statistics import (
    bootstrap_interval,
    iqm,
    performance_profile,
    probability_of_improvement,
)
from codesign_gym.experiments.suite.definition import LEVELS, Suite
from codesign_gym.experiments.suite.results import Result

FloatArray = NDArray[np.float64]
Row = dict[str, Any]

TAUS = np.linspace(0.0, 1.0, 101)[:-1]
"""Scores at which profiles are drawn; no run scores above 1."""


class Score(NamedTuple):
    """A mean of scores with its 95 % bootstrap interval, 0 to 1."""

    mean: float
    low: float
    high: float


def score(result: Result, suite: Suite, group: str = "", level: str = "") -> Score | None:
    """The mean over tasks and budgets, all or those of a group or a level.

    Every task counts the same with each of its budgets; runs are drawn within each (stratified).
    None where runs are missing: they are never filled in. One seed alone has no interval: NaN.
    """
    strata = _strata(result, suite, group, level)
    if strata is None:
        return None
    if strata.shape[1] == 1:
        return Score(float(strata.mean()), np.nan, np.nan)
    rng = np.random.default_rng(0)
    low, high = bootstrap_interval(strata[:, :, None], rng, average=np.mean)
    return Score(float(strata.mean()), float(low[0]), float(high[0]))


def middle(result: Result, suite: Suite) -> float | None:
    """The interquartile mean over all runs; None where some are missing."""
    strata = _strata(result, suite)
    return None if strata is None else float(iqm(strata))


def _strata(result: Result, suite: Suite, group: str = "", level: str = "") -> FloatArray | None:
    """Scores ``[t, s]`` of the tasks with their budgets; None where one is missing."""
    scores = result.scores(suite)
    wanted = [
        (task.name, each)
        for task in suite.tasks.values()
        for each in LEVELS
        if group in ("", task.group) and level in ("", each)
    ]
    return np.array([scores[key] for key in wanted]) if scores.keys() >= set(wanted) else None


def group_rows(result: Result, suite: Suite) -> list[Row]:
    """A row per group and one of all: the score with each budget, and over them with interval."""
    rows = []
    for group in [*suite.groups, ""]:
        tasks = [task for task in suite.tasks.values() if group in ("", task.group)]
        row: Row = {"class": group or "all", "tasks": len(tasks)}
        row |= {level: _mean(score(result, suite, group, level)) for level in LEVELS}
        whole = score(result, suite, group)
        row |= {"score": _mean(whole), "low": whole and whole.low, "high": whole and whole.high}
        rows.append(row)
    return rows


def _mean(found: Score | None) -> float | None:
    return None if found is None else found.mean


def task_rows(result: Result, suite: Suite) -> list[Row]:
    """A row per task: the mean score with each budget, None where its runs are missing."""
    scores = result.scores(suite)
    rows = []
    for name, task in suite.tasks.items():
        row: Row = {"task": name, "class": task.group}
        for level in LEVELS:
            found = scores.get((name, level))
            row[level] = None if found is None else float(found.mean())
        rows.append(row)
    return rows


def ranked_rows(results: Sequence[Result], suite: Suite, ours: Result | None = None) -> list[Row]:
    """A row per result, the best first, those with missing runs last.

    Args:
        results: To be ranked.
        suite: The suite.
        ours: Compared with each other one: how likely a run of it scores higher.
    """
    rows = []
    for result in results:
        whole = score(result, suite)
        row: Row = {"agent": result.label, "score": _mean(whole)}
        row |= {"low": whole and whole.low, "high": whole and whole.high}
        row["iqm"] = middle(result, suite)
        row |= {level: _mean(score(result, suite, level=level)) for level in LEVELS}
        if ours is not None:
            better = improvement(ours, result, suite)
            row["ours better"] = None if result is ours or better is None else better[0]
        row |= {"failed": len(result.failures), "missing": result.missing(suite)}
        rows.append(row)
    return sorted(rows, key=_place)


def _place(row: Row) -> tuple[bool, float]:
    if row["score"] is not None:
        return False, -row["score"]
    return True, -max((row[level] for level in LEVELS if row[level] is not None), default=0.0)


def improvement(one: Result, other: Result, suite: Suite) -> tuple[float, float, float] | None:
    """How likely a run of one scores higher than one of the other, with interval.

    Over the tasks and budgets that both have; None where there is none.
    """
    ours, theirs = one.scores(suite), other.scores(suite)
    shared = [key for key in ours if key in theirs]
    if not shared:
        return None
    mine, others = (np.array([part[key] for key in shared]) for part in (ours, theirs))
    return probability_of_improvement(mine, others, np.random.default_rng(0))


def profile(
    result: Result, suite: Suite, group: str = ""
) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """Share of runs that score above each of `TAUS`, with its band; None where runs are missing."""
    strata = _strata(result, suite, group)
    if strata is None:
        return None
    return performance_profile(strata, TAUS, np.random.default_rng(0))


def records_set(result: Result, suite: Suite) -> list[Row]:
    """The tasks whose best known was beaten, and by what."""
    rows = []
    for name, task in suite.tasks.items():
        values = [run.value for runs in result.outcomes.get(name, {}).values() for run in runs]
        better = [v for v in values if v is not None and task.beats_the_best_known(v)]
        if better:
            best = max if task.rising else min
            rows.append({"task": name, "best known": task.one, "found": best(better)})
    return rows


def summary(result: Result, suite: Suite, others: Mapping[str, Result]) -> Row:
    """A result and its comparison with others, as plain data."""
    whole = score(result, suite)
    return {
        "suite": suite.version,
        "agent": result.label,
        "seeds": result.seeds,
        "score": whole and whole._asdict(),
        "iqm": middle(result, suite),
        "missing": result.missing(suite),
        "classes": group_rows(result, suite),
        "tasks": task_rows(result, suite),
        "compared": ranked_rows([result, *others.values()], suite, result),
        "records": records_set(result, suite),
        "failures": result.failures,
    }
