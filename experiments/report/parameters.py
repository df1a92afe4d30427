"""What the parameters have to do with the result: the best designs, and the main effects."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from codesign_gym.experiments.report.figures import (
    GREY,
    axis,
    colour,
    figure,
    metric_title,
    plain,
)
from codesign_gym.experiments.report.study import FloatArray, Rows, Study, wide
from codesign_gym.experiments.report.text import metric_name, number, unit
from codesign_gym.search_spaces import Designs, SearchSpace

BEST = 200
ENOUGH = 30  # feasible designs from which on the importances leave out the infeasible ones
# From grey to the accent: both ends can be told from a light and from a dark page.
_SCALE = [[0.0, "#8a8f98"], [0.5, "#E69F00"], [1.0, "#D55E00"]]


def parallel_coordinates(study: Study) -> go.Figure:
    """The best different designs, a line each through its choices, objectives and reward."""
    rows = study.ranked[:BEST][::-1]  # the best are drawn last, on top
    designs = study.evaluation.designs[rows]
    bare = [p.name for p in study.space.parameters]
    dimensions = [
        {
            # Two lines fit above an axis: the group is told only where it is needed.
            "label": "<br>".join(
                plain(part)
                for part in (p.name if bare.count(p.name) == 1 else name, unit(p.unit))
                if part
            ),
            "values": designs[:, column],
            "range": [-0.5, len(p) - 0.5] if len(p) == 1 else [0, len(p) - 1],
            "tickvals": list(range(len(p))),
            "ticktext": [_short(str(value)) for value in p.values],
        }
        for column, (name, p) in enumerate(
            zip(study.space.names, study.space.parameters, strict=True)
        )
    ]
    for metric in study.objectives:
        values = study.evaluation.metrics[metric.name][rows]
        if np.isfinite(values).all():
            dimensions.append(_number_axis(metric_title(metric).replace(" (", "<br>(", 1), values))
    dimensions.append(_number_axis("reward", study.rewards[rows], log=False))
    rewards = study.rewards[rows]
    low, high = float(rewards.min()), float(rewards.max())
    line = {
        "color": rewards,
        "colorscale": _SCALE,
        "cmin": low if high > low else low - 1,
        "cmax": high,
    }
    trace = go.Parcoords(dimensions=dimensions, line=line, labelside="top")
    return figure([trace], height=460, margin={"l": 64, "r": 40, "t": 76, "b": 24})


def _short(text: str, limit: int = 12) -> str:
    """A label that fits beside an axis; Plotly takes these as they are, without markup."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _number_axis(label: str, values: FloatArray, log: bool | None = None) -> dict[str, Any]:
    """A dimension of measured values, logarithmic where they span much."""
    log = wide(values) if log is None else log
    x = np.log10(values) if log else values
    low, high = float(x.min()), float(x.max())
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        low, high = low - 0.5, high + 0.5
    ticks = np.linspace(low, high, 5)
    text = [number(float(10**tick if log else tick), 3) for tick in ticks]
    return {"label": label, "values": x, "range": [low, high], "tickvals": ticks, "ticktext": text}


def importance_rows(study: Study) -> tuple[Rows, bool]:
    """The different designs that importances are taken from; whether all of them are feasible."""
    rows = study.distinct
    rows = rows[np.isfinite(study.evaluation.objectives[rows]).all(axis=1)]
    good = rows[study.feasible[rows]]
    return (good, True) if len(good) >= ENOUGH else (rows, bool(study.feasible[rows].all()))


def eta_squared(space: SearchSpace, designs: Designs, values: FloatArray) -> FloatArray:
    """Share of the variance of ``values`` that each parameter's choice explains, ``[p]``.

    The sum of squares between the choices over the total, of one parameter at a time; a parameter
    counts in the designs where it is active.

    Args:
        space: The space of the designs.
        designs: Designs ``[n, p]``.
        values: One finite value for each, ``[n]``.
    """
    shares = np.zeros(len(space))
    centred = values - values.mean() if len(values) else values
    total = float(centred @ centred)
    if total <= 1e-24 * max(float(values @ values), 1e-300):
        return shares
    active = space.active(designs)
    for column, k in enumerate(space.nvec.tolist()):
        on = active[:, column]
        if on.any():
            x = centred[on] - centred[on].mean()
            sums = np.bincount(designs[on, column], x, minlength=k)
            counts = np.bincount(designs[on, column], minlength=k)
            shares[column] = float((sums**2 / np.maximum(counts, 1)).sum()) / total
    return np.clip(shares, 0.0, 1.0)


def importance(study: Study) -> go.Figure:
    """Each parameter's share of the variance of each objective, as bars."""
    rows, _ = importance_rows(study)
    designs = study.evaluation.designs[rows]
    shares = []
    for metric in study.objectives:
        values = study.evaluation.metrics[metric.name][rows]
        positive = len(values) > 0 and bool((values > 0).all())
        shares.append(eta_squared(study.space, designs, np.log(values) if positive else values))
    order = np.argsort(np.max(shares, axis=0), kind="stable")
    names = [plain(study.space.names[column]) for column in order]
    levels = np.array([len(np.unique(designs[:, column])) for column in order])
    chance = np.minimum((levels - 1) / max(len(rows) - 1, 1), 1.0)
    traces: list[Any] = [
        go.Bar(
            x=100 * share[order],
            y=names,
            orientation="h",
            name=plain(metric_name(metric)),
            legendrank=j + 1,
            marker={"color": colour(j), "line": {"width": 0}},
            hovertemplate="%{x:.1f} %",
        )
        for j, (metric, share) in reversed(
            list(enumerate(zip(study.objectives, shares, strict=True)))
        )
    ]
    traces.append(
        go.Scatter(
            x=100 * chance,
            y=names,
            mode="markers",
            name="expected by chance",
            marker={"symbol": "line-ns-open", "size": 14, "color": GREY, "line": {"width": 2}},
            hovertemplate="%{x:.1f} % by chance",
        )
    )
    across = axis("variance explained (%)", rangemode="tozero")
    return figure(
        traces,
        height=max(260, 110 + len(names) * (14 + 13 * len(shares))),
        barmode="group",
        bargap=0.35,
        xaxis=across,
        yaxis=axis("", type="category", showgrid=False, tickformat="", nticks=len(names) + 1),
        hovermode="y unified",
    )
