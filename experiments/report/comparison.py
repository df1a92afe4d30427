"""Figures of agents against each other: profiles, probabilities of improvement, bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from codesign_gym.experiments.report.curves import BAND_SEEDS
from codesign_gym.experiments.report.figures import (
    GREY,
    axis,
    colour,
    dash,
    figure,
    plain,
)
from codesign_gym.experiments.report.study import FloatArray, Study, wide
from codesign_gym.experiments.statistics import performance_profile, win_share

Curve = tuple[FloatArray, FloatArray, FloatArray]
"""Shares above thresholds and the ends of their bands, each ``[k]``."""

_COLOURS = [(0.0, "#D55E00"), (0.5, "#f4f4f4"), (1.0, "#0072B2")]


def final_rewards(study: Study) -> dict[str, FloatArray]:
    """Agent -> the best feasible reward of each of its runs; minus infinity without one."""
    return {
        name: np.array([study.runs[r].reached for r in study.runs_of(agent)])
        for agent, name in enumerate(study.agents)
    }


def reward_profiles(finals: Mapping[str, FloatArray]) -> go.Figure | None:
    """Share of each agent's runs whose best reward is above a threshold; None without a range."""
    reached = np.concatenate(list(finals.values()))
    reached = reached[np.isfinite(reached)]
    if len(reached) < 2 or np.ptp(reached) == 0:
        return None
    log, taus = wide(reached), np.unique(reached)  # the shares fall at these and nowhere else
    margin = 0.02 * taus[0] if log else 0.02 * np.ptp(taus)
    taus = np.concatenate([[taus[0] - margin], taus])
    curves = {
        name: performance_profile(values[None], taus, np.random.default_rng(0))
        for name, values in finals.items()
    }
    return profiles(taus, curves, "best reward of a run", log)


def profiles(
    taus: FloatArray, curves: Mapping[str, Curve], title: str, log: bool = False
) -> go.Figure:
    """Performance profiles with their bootstrap bands."""
    traces: list[go.Scatter] = []
    for agent, (name, (share, low, high)) in enumerate(curves.items()):
        told = plain(name)
        common = {"x": taus, "mode": "lines", "legendgroup": told}
        edge = {"width": 0, "shape": "hv"}
        traces += [
            go.Scatter(y=low, line=edge, hoverinfo="skip", showlegend=False, **common),
            go.Scatter(
                y=high,
                line=edge,
                fill="tonexty",
                fillcolor=colour(agent, 0.15),
                hoverinfo="skip",
                showlegend=False,
                **common,
            ),
            go.Scatter(
                y=share,
                name=told,
                line={"width": 2.5, "shape": "hv", "color": colour(agent), "dash": dash(agent)},
                hovertemplate="%{y:.0%}",
                **common,
            ),
        ]
    return figure(
        traces,
        xaxis=axis(title, log=log),
        yaxis=axis("share of runs above", range=[-0.02, 1.02], tickformat=".0%"),
        hovermode="x unified",
    )


def improvements(names: Sequence[str], shares: FloatArray) -> go.Figure:
    """How likely a run of the row's agent beats one of the column's, ``[a, a]``; NaN is blank."""
    told = [plain(name) for name in names]
    text = [["" if np.isnan(p) else f"{100 * p:.0f}" for p in row] for row in shares]
    trace = go.Heatmap(
        x=told,
        y=told,
        z=shares,
        zmin=0,
        zmax=1,
        colorscale=_COLOURS,
        text=text,
        texttemplate="%{text}",
        textfont={"size": 11, "color": "#1f2328"},
        xgap=1,
        ygap=1,
        showscale=False,
        hovertemplate="%{y} over %{x}: %{z:.0%}<extra></extra>",
    )
    squares: dict[str, Any] = {"type": "category", "showgrid": False, "dtick": 1, "tickformat": ""}
    return figure(
        [trace],
        height=150 + 26 * len(names),
        margin={"l": 56, "r": 16, "t": 110, "b": 12},
        xaxis=axis("", side="top", tickangle=-40, **squares),
        yaxis=axis("", autorange="reversed", **squares),
    )


def pairwise(finals: Sequence[FloatArray]) -> FloatArray:
    """`win_share` of every agent over every other ``[a, a]``, of their scores ``[t, s]`` each."""
    return np.array(
        [
            [np.nan if i == j else win_share(one, other) for j, other in enumerate(finals)]
            for i, one in enumerate(finals)
        ]
    )


def bars(
    groups: Sequence[str], scores: Mapping[str, Sequence[tuple[float, float, float]]]
) -> go.Figure:
    """Scores by group as bars with intervals; each agent has (score, low, high) per group."""
    traces = []
    for agent, (name, values) in enumerate(scores.items()):
        mean, low, high = np.array(values).T
        traces.append(
            go.Bar(
                x=list(groups),
                y=mean,
                name=plain(name),
                marker={"color": colour(agent)},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": high - mean,
                    "arrayminus": mean - low,
                    "color": GREY,
                    "thickness": 1.5,
                },
                hovertemplate="%{y:.3f}",
            )
        )
    return figure(
        traces,
        barmode="group",
        xaxis=axis("", type="category"),
        yaxis=axis("score", range=[0, 1.02]),
        hovermode="x unified",
        showlegend=True,
    )


def comparable(study: Study) -> bool:
    """Whether there are several agents with enough runs each to speak of shares of runs."""
    counts = [len(study.runs_of(agent)) for agent in range(len(study.agents))]
    return len(counts) > 1 and min(counts) >= BAND_SEEDS
