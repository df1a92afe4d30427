"""What grows with the evaluations: the best reward, and the hypervolume of the front."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from codesign_gym.experiments.report.figures import (
    axis,
    colour,
    dash,
    evaluations_axis,
    figure,
    plain,
)
from codesign_gym.experiments.report.study import FloatArray, Rows, Study
from codesign_gym.experiments.statistics import bootstrap_interval, iqm
from codesign_gym.search.pareto import best_so_far

BAND_SEEDS = 3
_POINTS, _BAND_POINTS, _CHECKPOINTS = 1000, 300, 50


@dataclass(frozen=True, eq=False)
class Steps:
    """A step function: from evaluation ``x[i]`` on, the value is ``y[i]``."""

    x: NDArray[np.int64]
    y: FloatArray

    def at(self, x: NDArray[np.int64]) -> FloatArray:
        """The values at these evaluations; NaN before the first step."""
        place = np.searchsorted(self.x, x, side="right") - 1
        return np.where(place >= 0, self.y[place], np.nan)


def reward_steps(study: Study) -> list[Steps]:
    """The best feasible reward of each run, where it changes; empty before the first."""
    return [
        _best_steps(np.where(run.evaluation.feasible, run.rewards, -np.inf), run.spent)
        for run in study.runs
    ]


def violation_steps(study: Study) -> list[Steps]:
    """The least total violation of each run, where it changes; empty without a valid design."""
    curves = [_best_steps(-run.evaluation.violation, run.spent) for run in study.runs]
    return [Steps(curve.x, -curve.y) for curve in curves]


def _best_steps(values: FloatArray, spent: NDArray[np.int64]) -> Steps:
    """The highest value so far, at each rise and at the end, by the budget used."""
    best = best_so_far(values)
    changed = improvements(best)
    if len(changed):
        changed = np.union1d(_thin(changed, _POINTS - 1), [len(best) - 1])
    return Steps(spent[changed], best[changed])


def improvements(best: FloatArray) -> Rows:
    """Where a non-decreasing curve rises; its first point too, unless that is minus infinity."""
    return np.flatnonzero(np.concatenate([[best[0] > -np.inf], best[1:] > best[:-1]]))


def hypervolume_steps(study: Study) -> list[Steps]:
    """The share of the scaled objective box that each run's front dominates, at checkpoints.

    Each objective is scaled (its logarithm, where it is shown on such an axis) from 0, the best
    among the feasible designs of all runs, to 1, the worst; the reference point is 1.1.
    """
    from moocore import filter_dominated, hypervolume

    points = _scaled(study)
    m = points.shape[1]
    reference = np.full(m, 1.1)
    curves = []
    for r, run in enumerate(study.runs):
        n = len(run.evaluation)
        own = points[study.run_of == r]
        at = np.unique(np.geomspace(1, n, _CHECKPOINTS).round().astype(np.int64))
        values, front, start = [], np.empty((0, m)), 0
        for stop in at.tolist():
            fresh = own[start:stop]
            front = np.concatenate([front, fresh[np.isfinite(fresh).all(axis=1)]])
            if len(front):
                front = filter_dominated(front)
            values.append(hypervolume(front, ref=reference) / 1.1**m if len(front) else 0.0)
            start = stop
        curves.append(Steps(run.spent[at - 1], np.array(values)))
    return curves


def draw(study: Study, curves: list[Steps], title: str) -> go.Figure:
    """Curves per agent: mean and band of three or more seeds, otherwise a line per seed."""
    traces: list[go.Scatter] = []
    for agent, name in enumerate(study.agents):
        runs = study.runs_of(agent)
        mine = [curves[r] for r in runs]
        at = _shared(mine)
        if len(runs) >= BAND_SEEDS and len(at):
            scores = np.stack([curve.at(at) for curve in mine])
            traces += _band(at, scores, agent, plain(name))
        else:
            seeds = [study.runs[r].config.seed for r in runs]
            traces += _lines(mine, seeds, agent, plain(name))
    longest = max(run.used for run in study.runs)
    return figure(
        traces,
        xaxis=evaluations_axis(longest),
        yaxis=axis(title),
        hovermode="x unified",
        showlegend=len(study.agents) > 1 or len(study.runs) > 1,
    )


def _scaled(study: Study) -> FloatArray:
    """Objectives of every evaluation, best feasible 0 and worst 1; infinite where infeasible."""
    values = study.evaluation.objectives.copy()
    for j, log in enumerate(study.log):
        if log:
            positive = np.where(study.feasible, np.abs(values[:, j]), 1.0)
            values[:, j] = study.objectives[j].sign * np.log(positive)
    values[~study.feasible] = np.inf
    finite = values[np.isfinite(values).all(axis=1)]
    if len(finite):
        low, span = finite.min(axis=0), np.ptp(finite, axis=0)
        values = (values - low) / np.where(span > 0, span, 1.0)
    return np.where(np.isfinite(values).all(axis=1, keepdims=True), values, np.inf)


def _shared(curves: list[Steps]) -> NDArray[np.int64]:
    """Steps of all the curves where every one of them has a value and has not ended."""
    if not all(len(curve.x) for curve in curves):
        return np.empty(0, dtype=np.int64)
    first, last = max(c.x[0] for c in curves), min(c.x[-1] for c in curves)
    steps = np.unique(np.concatenate([[first, last], *(curve.x for curve in curves)]))
    return _thin(steps[(steps >= first) & (steps <= last)], _BAND_POINTS)


def _thin(steps: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """At most ``limit`` of the steps, with the first and the last, evenly in their logarithm."""
    if len(steps) <= limit:
        return steps
    wanted = np.geomspace(steps[0] + 1, steps[-1] + 1, limit) - 1
    kept = np.unique(np.minimum(np.searchsorted(steps, wanted), len(steps) - 1))
    return np.asarray(steps[kept])


def _band(x: NDArray[np.int64], scores: FloatArray, agent: int, name: str) -> list[go.Scatter]:
    low, high = bootstrap_interval(scores, np.random.default_rng(0))
    shape = {"shape": "hv", "width": 0}
    common = {"x": x, "mode": "lines", "legendgroup": name, "hoverinfo": "skip", "line": shape}
    line = {"shape": "hv", "width": 2.5, "color": colour(agent), "dash": dash(agent)}
    return [
        go.Scatter(y=low, showlegend=False, **common),
        go.Scatter(
            y=high, fill="tonexty", fillcolor=colour(agent, 0.18), showlegend=False, **common
        ),
        go.Scatter(
            x=x,
            y=iqm(scores, axis=0),
            mode="lines" if len(x) > 1 else "markers",
            name=f"{name}, {len(scores)} seeds",
            legendgroup=name,
            line=line,
            hovertemplate="%{y:.4~r}",
        ),
    ]


def _lines(curves: list[Steps], seeds: list[int], agent: int, name: str) -> list[go.Scatter]:
    return [
        go.Scatter(
            x=curve.x,
            y=curve.y,
            mode="lines" if len(curve.x) > 1 else "markers",
            name=f"{name}, seed {seed}",
            line={
                "shape": "hv",
                "width": 2.5 if len(curves) == 1 else 1.25,
                "color": colour(agent),
                "dash": dash(agent),
            },
            hovertemplate="%{y:.4~r}",
        )
        for curve, seed in zip(curves, seeds, strict=True)
    ]
