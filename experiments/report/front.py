"""The Pareto front among all designs evaluated."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import plotly.graph_objects as go

from codesign_gym.experiments.report.curves import improvements
from codesign_gym.experiments.report.figures import (
    GREY,
    axis,
    colour,
    dash,
    evaluations_axis,
    figure,
    metric_title,
    plain,
    symbol,
)
from codesign_gym.experiments.report.study import FloatArray, Rows, Study
from codesign_gym.experiments.report.text import amount, metric_name, unit

_POINTS = 5000


def front_figures(study: Study) -> list[tuple[str, go.Figure]]:
    """What is drawn, and the scatter: of every two objectives, or of one along the evaluations.

    With two objectives the surroundings of the front come apart, where it fills a corner only.
    """
    if len(study.objectives) == 1:
        return [(f"{metric_name(study.objectives[0])} by evaluation", _along_evaluations(study))]
    pairs = list(combinations(range(len(study.objectives)), 2))
    figures = [
        (
            f"{metric_name(study.objectives[i])} and {metric_name(study.objectives[j])}",
            _pair(study, i, j, _POINTS // len(pairs)),
        )
        for i, j in pairs
    ]
    window = _window(study) if len(pairs) == 1 else None
    if window is not None:
        figures.append(("near the front", _pair(study, 0, 1, _POINTS, window)))
    return figures


def _pair(study: Study, i: int, j: int, limit: int, window: FloatArray | None = None) -> go.Figure:
    x, y = study.objectives[i], study.objectives[j]
    traces = _cloud(study, x.name, y.name, limit, window)
    two = len(study.objectives) == 2  # the projection of a front in space is no line
    for agent, name in enumerate(study.agents):
        rows = study.front_of(agent)
        traces.append(
            go.Scatter(
                x=study.evaluation.metrics[x.name][rows],
                y=study.evaluation.metrics[y.name][rows],
                mode="lines+markers" if two else "markers",
                name=plain(name) if len(study.agents) > 1 else "Pareto front",
                legendgroup=plain(name),
                line={"shape": "hv", "width": 1.75, "color": colour(agent), "dash": dash(agent)},
                marker={"size": 8, "symbol": symbol(agent), "line": {"width": 0}},
                **_hover(study, rows),
            )
        )
    across, up = _ticks(study, x.name), _ticks(study, y.name)
    if window is not None:
        across["range"], up["range"] = window.T.tolist()
    return figure(
        traces,
        height=460 if two else 400,
        xaxis=axis(metric_title(x, "x"), study.log[i], **across),
        yaxis=axis(metric_title(y, "y"), study.log[j], **up),
        hovermode="closest",
    )


def _window(study: Study) -> FloatArray | None:
    """Ends of both axes around all fronts, ``[2, 2]``; None where they fill the figure anyway."""
    fronts = np.concatenate([study.front_of(agent) for agent in range(len(study.agents))])
    rows = study.distinct[np.isfinite(study.evaluation.objectives[study.distinct]).all(axis=1)]
    if not len(fronts):
        return None
    places = _places(study, study.objectives[0].name, study.objectives[1].name)
    low, high = places[fronts].min(axis=0), places[fronts].max(axis=0)
    whole = np.ptp(places[rows], axis=0)
    pad = np.maximum(0.25 * (high - low), 0.04 * whole)
    shares = (high - low + 2 * pad) / np.where(whole > 0, whole, np.inf)
    return np.stack([low - pad, high + pad]) if 0 < shares.prod() < 0.25 else None


def _places(study: Study, x: str, y: str) -> FloatArray:
    """Where evaluations stand in the figure, as logarithms on logarithmic axes, ``[n, 2]``."""
    log = dict(zip([m.name for m in study.objectives], study.log, strict=True))
    columns = [
        np.log10(np.where(values > 0, values, np.nan)) if log.get(name) else values
        for name in (x, y)
        for values in [_values(study, name)]
    ]
    return np.stack(columns, axis=1)


def _ticks(study: Study, name: str) -> dict[str, Any]:
    """Thousands and millions as k and M on axes that hold nothing below 1."""
    values = _values(study, name)
    finite = values[np.isfinite(values)]
    large = len(finite) > 0 and finite.min() >= 1 and finite.max() >= max(1e4, 2 * finite.min())
    return {"tickformat": "~s"} if large else {}


def _values(study: Study, name: str) -> FloatArray:
    """A metric of every evaluation; without a name, the evaluation's number within its run."""
    return study.evaluation.metrics[name] if name else study.position.astype(np.float64)


def _along_evaluations(study: Study) -> go.Figure:
    """The one objective of each design, and each agent's best feasible value so far."""
    metric = study.objectives[0]
    values, traces = _values(study, metric.name), _cloud(study, "", metric.name, _POINTS)
    for r, run in enumerate(study.runs):
        agent = int(study.agent_of[r])
        found = np.where(run.evaluation.feasible, run.evaluation.objectives[:, 0], np.inf)
        changed = improvements(np.maximum.accumulate(-found))
        if not len(changed):
            continue
        ends = np.append(changed, len(found) - 1)
        rows = np.flatnonzero(study.run_of == r)[np.append(changed, changed[-1])]
        traces.append(
            go.Scatter(
                x=run.spent[ends],
                y=values[rows],
                mode="lines+markers",
                name=f"best of {plain(study.agents[agent])}, seed {run.config.seed}",
                line={"shape": "hv", "width": 1.75, "color": colour(agent), "dash": dash(agent)},
                marker={"size": 6, "symbol": symbol(agent)},
                **_hover(study, rows),
            )
        )
    longest = max(run.used for run in study.runs)
    return figure(
        traces,
        height=520,
        xaxis=evaluations_axis(longest),
        yaxis=axis(metric_title(metric, "y"), study.log[0], **_ticks(study, metric.name)),
        hovermode="closest",
    )


def _cloud(
    study: Study, x: str, y: str, limit: int, window: FloatArray | None = None
) -> list[go.Scatter]:
    """The different designs, faint; an empty ``x`` stands for the number of the evaluation."""
    places = _places(study, x, y)
    rows = study.distinct[np.isfinite(places[study.distinct]).all(axis=1)]
    if window is not None:
        rows = rows[((places[rows] >= window[0]) & (places[rows] <= window[1])).all(axis=1)]
    if len(rows) > limit:
        rows = rows[np.linspace(0, len(rows) - 1, limit).astype(np.intp)]
    good = study.feasible[rows]
    bad = {"color": GREY, "symbol": "x-thin", "line": {"color": GREY, "width": 1}}
    parts: list[tuple[str, Rows, dict[str, Any], float, dict[str, Any]]]
    parts = [("infeasible", rows[~good], bad, 0.45, {})]
    for agent, name in enumerate(study.agents):
        mine = rows[good & (study.agent_of[study.run_of[rows]] == agent)]
        legend = {"legendgroup": plain(name), "showlegend": len(study.agents) == 1}
        parts.append(("feasible", mine, {"color": colour(agent)}, 0.3, legend))
    return [
        go.Scatter(
            x=_values(study, x)[part],
            y=_values(study, y)[part],
            mode="markers",
            name=name,
            marker={"size": 5, **marker},
            opacity=alpha,
            **legend,
            **_hover(study, part),
        )
        for name, part, marker, alpha, legend in parts
        if len(part)
    ]


def _hover(study: Study, rows: Rows) -> dict[str, Any]:
    """What the pointer shows of each design: where it came from, its choices, its metrics."""
    names = [f"{plain(name)}  " for name in study.space.names]
    lines = ["<b>%{customdata[0]}</b>"]
    lines += [f"{name}%{{customdata[{k}]}}" for k, name in enumerate(names, 1)]
    start = 1 + len(names)
    for k, metric in enumerate(study.metrics, start):
        lines.append(f"<b>{plain(metric_name(metric))}  %{{customdata[{k}]}}</b>")
    units = [f" {unit(p.unit)}" if p.unit else "" for p in study.space.parameters]
    table = study.evaluation.metrics.values_matrix
    active = study.space.active(study.evaluation.designs[rows])
    data = []
    for row, on, design in zip(
        rows.tolist(), active.tolist(), study.evaluation.designs[rows].tolist(), strict=True
    ):
        r = int(study.run_of[row])
        run = f"{study.agents[study.agent_of[r]]}, seed {study.runs[r].config.seed}"
        origin = f"{run}, evaluation {study.position[row]:,}"
        chosen = [
            plain(f"{p.values[c]}{u}") if used else "unused"
            for p, c, u, used in zip(study.space.parameters, design, units, on, strict=True)
        ]
        measured = zip(table[row].tolist(), study.metrics, strict=True)
        data.append([plain(origin), *chosen, *(plain(amount(v, m.unit)) for v, m in measured)])
    return {"customdata": data, "hovertemplate": "<br>".join(lines) + "<extra></extra>"}
