"""NASAIC's scatter: accuracy against latency, energy and area, with the specs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from codesign_gym.experiments.report.figures import axis, colour, figure, symbol
from codesign_gym.experiments.reproduce.finding import Drawing
from codesign_gym.experiments.reproduce.nasaic import APPROACHES
from codesign_gym.experiments.reproduce.nasaic_runs import CHIP_METRICS

if TYPE_CHECKING:
    from codesign_gym.experiments.reproduce.nasaic_study import Results

_TITLES = {"latency_ms": "latency (µs)", "energy_uj": "energy (µJ)", "area_mm2": "area (mm²)"}
_SCALES = {"latency_ms": 1e3, "energy_uj": 1.0, "area_mm2": 1.0}
_SHARE, _GAP = 0.285, 0.0725


def drawings(studies: Sequence[Results]) -> list[Drawing]:
    """A drawing per workload."""
    lead = (
        "Mean accuracy of both networks against the chip. Faint: designs explored with seed 0; "
        "marked: the designs that the approaches end with, one per seed. The shaded side keeps the "
        "spec."
    )
    return [Drawing(f"{s.label}, explored and chosen", lead, scatter(s)) for s in studies]


def scatter(study: Results) -> go.Figure:
    """Three panels side by side, one for each metric of the chip."""
    traces: list[Any] = []
    layout: dict[str, Any] = {"shapes": []}
    chosen = np.concatenate([study.accuracy(approach) for approach in APPROACHES])
    floor = float(chosen.min()) - 0.25 * float(np.ptp(chosen)) - 0.5
    ceiling = float(chosen.max()) + 0.1 * float(np.ptp(chosen)) + 0.1
    for panel, metric in enumerate(CHIP_METRICS, start=1):
        across = f"x{panel}"
        scale = _SCALES[metric]
        [bound] = [spec.bound * scale for spec in study.problem.specs if spec.metric == metric]
        highest = 0.0
        for i, approach in enumerate(APPROACHES):
            cloud = np.array(study.outcomes[approach][0].cloud).reshape(-1, 5)
            values = scale * study.column(approach, metric)
            highest = max(highest, float(values.max()))
            common = {"xaxis": across, "yaxis": "y", "legendgroup": approach}
            traces.append(
                go.Scattergl(
                    x=scale * cloud[:, panel], y=cloud[:, 0], mode="markers", showlegend=False,
                    hoverinfo="skip",
                    marker={"size": 4, "opacity": 0.25, "color": colour(i)}, **common,
                )
            )  # fmt: skip
            traces.append(
                go.Scatter(
                    x=values, y=study.accuracy(approach), mode="markers", name=approach,
                    showlegend=panel == 1,
                    marker={
                        "size": 10, "symbol": symbol(i), "color": colour(i),
                        "line": {"width": 1, "color": "white"},
                    },
                    hovertemplate="%{y:.2f} %, %{x:.4g}", **common,
                )
            )  # fmt: skip
        start = (panel - 1) * (_SHARE + _GAP)
        layout[f"xaxis{panel}"] = axis(
            _TITLES[metric], domain=[start, start + _SHARE], nticks=5,
            range=[0, 1.15 * max(highest, bound)],
        )  # fmt: skip
        layout["shapes"].append(
            {
                "type": "rect", "xref": across, "yref": "paper", "x0": 0, "x1": bound, "y0": 0,
                "y1": 1, "fillcolor": "rgba(0,158,115,0.10)", "layer": "below",
                "line": {"width": 0},
            }
        )  # fmt: skip
    layout["yaxis"] = axis("mean accuracy (%)", range=[floor, ceiling], anchor="x")
    return figure(traces, height=440, **layout, hovermode="closest")
