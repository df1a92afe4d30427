"""DRACO's comparison drawn: utilisation by layer, latency by kind of layer, accuracy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from codesign_gym.experiments.reproduce.draco_accuracy import Accuracy
from codesign_gym.experiments.reproduce.draco_arrays import Contender
from codesign_gym.experiments.reproduce.finding import Drawing


def drawings(entries: Mapping[str, Contender], accuracy: Accuracy) -> list[Drawing]:
    """The figures of the study."""
    return [_utilization(entries), _latency(entries), _accuracy(accuracy)]


def _utilization(entries: Mapping[str, Contender]) -> Drawing:
    import plotly.graph_objects as go

    from codesign_gym.experiments.report.figures import axis, colour, figure

    shown = {
        "rs apart": "depthwise, row stationary, groups apart",
        "os": "depthwise, output stationary",
        "draco lim": "DRACO's rule within limits",
        "draco": "DRACO's rule",
    }
    names = list(entries["os"].layers.name)
    bars = [
        go.Bar(
            x=names, y=entries[key].utilization_pct, name=label, marker_color=colour(i),
            hovertemplate="%{x}: %{y:.1f} %",
        )
        for i, (key, label) in enumerate(shown.items())
    ]  # fmt: skip
    drawn = figure(
        bars,
        height=460,
        barmode="group",
        bargap=0.25,
        xaxis=axis("", type="category", nticks=0, dtick=1, tickangle=-60, tickfont={"size": 11}),
        yaxis=axis("PE utilisation [%]", range=[0, 100]),
        margin={"l": 56, "r": 16, "t": 16, "b": 110},
    )
    return Drawing(
        "PE utilisation by layer",
        "MACs per processing element and cycle, memories never waited for; dw are the layers whose "
        "groups are chosen.",
        drawn,
    )


def _latency(entries: Mapping[str, Contender]) -> Drawing:
    import plotly.graph_objects as go

    from codesign_gym.experiments.report.figures import axis, colour, figure

    shown = list(entries.values())[::-1]
    names = [entry.name for entry in shown]
    bars = []
    for i, (label, depthwise) in enumerate(
        (("depthwise or grouped layers", True), ("other layers", False))
    ):
        parts = [
            float(
                entry.cycles[
                    [name.startswith("dw") == depthwise for name in entry.layers.name]
                ].sum()
            )
            / 1e6
            for entry in shown
        ]
        bars.append(
            go.Bar(
                y=names, x=parts, name=label, orientation="h", marker_color=colour(i),
                hovertemplate="%{y}: %{x:.3f} ms",
            )
        )  # fmt: skip
    drawn = figure(
        bars,
        height=440,
        barmode="stack",
        xaxis=axis("latency of one inference [ms]"),
        yaxis=axis("", type="category", nticks=0, dtick=1),
        margin={"l": 56, "r": 16, "t": 16, "b": 90},
    )
    return Drawing(
        "Latency",
        "At 1 GHz, memories never waited for. RS row stationary, groups one after another (apart) "
        "or side by side (together); OS, WS output and weight stationary.",
        drawn,
    )


def _accuracy(accuracy: Accuracy) -> Drawing:
    import plotly.graph_objects as go

    from codesign_gym.experiments.report.figures import axis, colour, figure

    x = accuracy.doublings
    middle = float(accuracy.accuracy_pct.mean())
    ends = np.array([x.min(), x.max()])
    dots = go.Scatter(
        x=x, y=accuracy.accuracy_pct, mode="markers", name="a network, mean of its seeds",
        marker={"color": colour(0, 0.55), "size": 8},
        hovertemplate="mean log2 g %{x:.1f}: %{y:.1f} %",
    )  # fmt: skip
    line = go.Scatter(
        x=ends, y=middle + accuracy.slope * (ends - x.mean()), mode="lines", name="linear fit",
        line={"color": colour(1)}, hoverinfo="skip",
    )  # fmt: skip
    drawn = figure(
        [dots, line],
        height=400,
        xaxis=axis("log2 of the channels per group, mean over layers (0: depthwise)"),
        yaxis=axis("accuracy on MNIST-1D [%]"),
        margin={"l": 56, "r": 16, "t": 16, "b": 90},
    )
    return Drawing("Accuracy, measured", accuracy.sentence(), drawn)
