"""How every figure looks: palette, axes, and a size that follows the page."""

from __future__ import annotations

from html import escape
from typing import Any

import plotly.graph_objects as go

from codesign_gym.cost_models.metrics import Metric
from codesign_gym.experiments.report.text import metric_name, with_unit

# Okabe and Ito's colours (jfly.uni-koeln.de/color), without black, which a dark page swallows.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "hexagon")
DASHES = ("solid", "dash", "dot", "dashdot")
GREY = "#8a8f98"
GRID = "rgba(128,128,128,0.22)"
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


def colour(agent: int, alpha: float = 1.0) -> str:
    """The colour of an agent."""
    code = PALETTE[agent % len(PALETTE)]
    red, green, blue = (int(code[i : i + 2], 16) for i in (1, 3, 5))
    return code if alpha == 1 else f"rgba({red},{green},{blue},{alpha:g})"


def dash(agent: int) -> str:
    """The dash pattern of an agent: another one each time the colours are used up."""
    return DASHES[agent // len(PALETTE) % len(DASHES)]


def symbol(agent: int) -> str:
    """The marker of an agent."""
    return SYMBOLS[agent % len(SYMBOLS)]


def plain(text: str) -> str:
    """Text that Plotly shows as it is: it reads a subset of HTML, and ``%{...}`` in templates."""
    return escape(text, quote=False).replace("%{", "%&#123;")


def metric_title(metric: Metric, axis: str = "") -> str:
    """The title of a metric's axis, ``"x"`` or ``"y"``, with the direction that is better."""
    name = plain(with_unit(metric_name(metric), metric.unit))
    arrows = {"xmin": "← better", "xmax": "better →", "ymin": "↓ better", "ymax": "↑ better"}
    return f"{name}   {arrows[axis + metric.direction]}" if axis else name


def axis(title: str, log: bool = False, **options: Any) -> dict[str, Any]:
    """An axis; the digits of every tick are written out."""
    return {
        "title": {"text": title, "standoff": 12},
        "type": "log" if log else "linear",
        "tickformat": ",.6~r",
        "nticks": 6 if log else 8,
        "gridcolor": GRID,
        "linecolor": GRID,
        "zeroline": False,
        "automargin": True,
        **options,
    }


def evaluations_axis(longest: int) -> dict[str, Any]:
    """The axis of evaluations, where the longest run has so many."""
    whole = {"dtick": 1} if longest < 10 else {}
    return axis("evaluations", log=longest >= 100, **whole)


def figure(traces: list[Any], height: int = 420, **layout: Any) -> go.Figure:
    """A figure in the page's style, as wide as its place."""
    base: dict[str, Any] = {
        "template": go.layout.Template(),
        "height": height,
        "margin": {"l": 56, "r": 16, "t": 36, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 13, "color": GREY},
        "legend": {
            "orientation": "h",
            "x": 0,
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
        },
        "hoverlabel": {
            "bgcolor": "#1f2328",
            "bordercolor": "#1f2328",
            "font": {"family": FONT, "size": 12, "color": "#ffffff"},
            "align": "left",
            "namelength": -1,
        },
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": PALETTE[0]},
    }
    return go.Figure(data=traces, layout=base | layout)
