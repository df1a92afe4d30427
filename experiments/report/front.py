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
    figure,
    metric_title,
    plain,
    symbol,
)
from codesign_gym.experiments.report.study import Rows, Study
from codesign_gym.experiments.report.text import amount, metric_name, unit

_POINTS = 5000


def front_figures(study: Study) -> list[go.Figure]:
    """A scatter of every two objectives, or of the one objective along the evaluations."""
    if len(study.objectives) == 1:
        return [_along_evaluations(study)]
    pairs = list(combinations(range(len(study.objectives)), 2))
    return [_pair(study, i, j, _POINTS // len(pairs)) for i, j in pairs]


def _pair(study: Study, i: int, j: int, limit: int) -> go.Figure:
    x, y = study.objectives[i], study.objectives[j]
    traces = _cloud(study, x.name, y.name, limit)
    two = len(study.objectives) == 2  # the projection of a front in space is no line
    for agent, name in enumerate(study.agents):
        rows = study.front_of(agent)
        several = len(study.agents) > 1
        traces.append(
            go.Scatter(
                x=study.evaluation.metrics[x.name][rows],
                y=study.evaluation.metrics[y.name][rows],
                mode="lines+markers" if two else "markers",
                name=f"front of {plain(name)}" if several else "Pareto front",
                legendgroup=plain(name),
                line={"shape": "hv", "width": 1.75, "color": colour(agent), "dash": dash(agent)},
                marker={"size": 8, "symbol": symbol(agent), "line": {"width": 0}},
                **_hover(study, rows),
            )
        )
    return figure(
        traces,
        height=520 if two else 400,
        xaxis=axis(metric_title(x, "x"), study.log[i]),
        yaxis=axis(metric_title(y, "y"), study.log[j]),
        hovermode="closest",
    )


def _along_evaluations(study: Study) -> go.Figure:
    """The one objective of each design, and each agent's best feasible value so far."""
    metric = study.objectives[0]
    values, traces = (
        study.evaluation.metrics[metric.name],
        _cloud(study, "", study.objectives[0].name, _POINTS),
    )
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
                x=ends + 1,
                y=values[rows],
                mode="lines+markers",
                name=f"best of {plain(study.agents[agent])}, seed {run.config.seed}",
                line={"shape": "hv", "width": 1.75, "color": colour(agent), "dash": dash(agent)},
                marker={"size": 6, "symbol": symbol(agent)},
                **_hover(study, rows),
            )
        )
    longest = max(len(run.evaluation) for run in study.runs)
    return figure(
        traces,
        height=520,
        xaxis=axis("evaluations", log=longest >= 100),
        yaxis=axis(metric_title(metric, "y"), study.log[0]),
        hovermode="closest",
    )


def _cloud(study: Study, x: str, y: str, limit: int) -> list[Any]:
    """All designs but those of the fronts, faint; an empty ``x`` stands for the evaluation."""
    metrics = study.evaluation.metrics
    across = metrics[x] if x else study.position.astype(np.float64)
    rows = study.distinct
    rows = rows[np.isfinite(across[rows]) & np.isfinite(metrics[y][rows])]
    if len(rows) > limit:
        rows = rows[np.linspace(0, len(rows) - 1, limit).astype(np.intp)]
    good = study.feasible[rows]
    parts = [("infeasible", rows[~good], GREY, 0.45, "x-thin-open")]
    for agent, name in enumerate(study.agents):
        label = f"feasible, {plain(name)}" if len(study.agents) > 1 else "feasible"
        mine = rows[good & (study.agent_of[study.run_of[rows]] == agent)]
        parts.append((label, mine, colour(agent), 0.3, "circle"))
    return [
        go.Scatter(
            x=across[part],
            y=metrics[y][part],
            mode="markers",
            name=name,
            marker={"size": 5, "color": shade, "symbol": mark, "line": {"color": shade, "width": 1}}
            if mark.startswith("x")
            else {"size": 5, "color": shade, "symbol": mark},
            opacity=alpha,
            **_hover(study, part),
        )
        for name, part, shade, alpha, mark in parts
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
