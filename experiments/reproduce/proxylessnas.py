"""ProxylessNAS on cells that are really trained: memory, latency targets, against scaling by width.

Cai, Zhu and Han, "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware",
ICLR 2019 (arXiv 1812.00332), train in the memory of one path and come to 74.6 % on ImageNet at 78
ms on a phone, where MobileNetV2, made narrower to be as fast, has 72.0 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from codesign_gym.cost_models.accuracy.recipe import RECIPES
from codesign_gym.cost_models.accuracy.tasks import TRAINING_SIZE
from codesign_gym.cost_models.analytical.array_model import scaled_latency_us
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.reproduce.finding import Claim, Drawing, Finding, Row, Settings
from codesign_gym.experiments.reproduce.supernet_costs import SPACE, TASK, path_costs
from codesign_gym.experiments.statistics import FloatArray
from codesign_gym.experiments.sweep import sweep
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.networks.nas_bench_201 import SEQUENCE_WIDTH

SOURCE = "ProxylessNAS, Cai, Zhu and Han, ICLR 2019, arXiv 1812.00332"
CANDIDATES = (2, 3, 4, 5, 6, 7)
MOST_MEMORY = 1.5
"""Of the memory of training a single path."""

NEAR = 0.05
"""How far from its target a latency may be."""

BLOCK = (2, 0, 3, 1, 0, 2)
"""MobileNetV2's block as a cell: pointwise, three taps, pointwise, around them the identity."""

WIDTHS = (8, 10, 12, 16)
"""Channels to which it is scaled; the latencies of the first three are the targets."""

TARGETS = 3
JUDGES = (100, 101, 102, 103)
"""Seeds with which what was found is trained once more: no search has seen them."""

PROBLEM = "codesign_gym.envs.nas_problems:trained_once"
ESTIMATORS = ("gradient", "reinforce")


class Point(NamedTuple):
    """A network: how long it takes, and its accuracy trained afresh."""

    latency_us: float
    accuracy_pct: float


def study(
    settings: Settings,
    epochs: int = 20,
    judges: Sequence[int] = JUDGES,
    problem: str = PROBLEM,
    size: int = TRAINING_SIZE,
) -> Finding:
    """Measure memory; search for three latencies; train what was found, and the scaled block."""
    targets = [scaled_latency_us(BLOCK, width) for width in WIDTHS[:TARGETS]]
    memory = [path_costs(candidates) for candidates in CANDIDATES]
    configs = [
        RunConfig(
            problem,
            "proxylessnas",
            settings.budget,
            seed,
            {"estimator": estimator, "target": target, "epochs": epochs},
        )
        for estimator in ESTIMATORS
        for target in targets
        for seed in range(settings.seeds)
    ]
    total = len(configs) + len(WIDTHS) + len(configs)
    swept = sweep(
        configs,
        settings.directory,
        settings.jobs,
        lambda done, _: settings.progress(done, total),
    )
    if swept.failures:
        raise InputError(f"{len(swept.failures)} runs failed: {swept.failures[0].error}")
    done = len(configs)
    scaled = {}
    for width in WIDTHS:
        accuracy = trained_pct(BLOCK, width, judges, size)
        scaled[width] = Point(scaled_latency_us(BLOCK, width), accuracy)
        done += 1
        settings.progress(done, total)
    found: dict[tuple[str, float], list[Point]] = {}
    for record in swept.records:
        best = int(np.argmax(record.rewards))
        design = record.evaluation.designs[best].tolist()
        latency = float(record.evaluation.metrics["latency_us"][best])
        options = record.config.options
        own = found.setdefault((str(options["estimator"]), float(options["target"])), [])
        own.append(Point(latency, trained_pct(design, SEQUENCE_WIDTH, judges, size)))
        done += 1
        settings.progress(done, total)
    rows = _search_rows(found)
    claims = [_memory(memory), _targets(found), _dominance(found, scaled)]
    return Finding(
        title="Networks for a latency, searched by two paths at a time",
        source=SOURCE,
        summary="; ".join(claim.measured for claim in claims) + ".",
        claims=claims,
        tables={
            "Memory of a step of the choices, of seven inverted bottlenecks and the identity": [
                {
                    "candidates": candidates,
                    "one path, MB": one,
                    "two paths, MB": two,
                    "of one path": two / one,
                    "all candidates, of one path": full / one,
                }
                for candidates, (one, two, full) in zip(CANDIDATES, memory, strict=True)
            ],
            f"Searches, mean of {settings.seeds} seeds, trained afresh": rows,
            "MobileNetV2's block, scaled by its width": [
                {
                    "channels": width,
                    "latency, us": point.latency_us,
                    "accuracy %": point.accuracy_pct,
                }
                for width, point in scaled.items()
            ],
        },
        drawings=[_drawing(found, scaled)],
        settings={"seeds": settings.seeds, "epochs of a search": epochs, "targets, us": targets},
    )


def trained_pct(design: Sequence[int], width: int, seeds: Sequence[int], size: int) -> float:
    """Accuracy of a cell at any width, trained from scratch, mean of the seeds, in percent."""
    from codesign_gym.cost_models.accuracy.nas_bench_201_torch import SequenceNetwork
    from codesign_gym.cost_models.accuracy.tasks import get_task
    from codesign_gym.cost_models.accuracy.training import train
    from codesign_gym.cost_models.threads import one_thread

    task = get_task(TASK)
    data = task.data().first(size)

    def made(copies: int) -> SequenceNetwork:
        return SequenceNetwork(design, width, seeds=copies)

    with one_thread():
        trained = train(made, task._replace(data=lambda: data), seeds, RECIPES[SPACE])
    return float(100 * trained.correct[:, -1].mean() / len(data.x_test))


def _search_rows(found: dict[tuple[str, float], list[Point]]) -> list[Row]:
    rows: list[Row] = []
    for (estimator, target), points in found.items():
        latency, accuracy = np.array(points).T
        rows.append(
            {
                "estimator": estimator,
                "target, us": target,
                "latency, us": float(latency.mean()),
                "furthest from the target, %": float(100 * np.abs(latency / target - 1).max()),
                "accuracy %": float(accuracy.mean()),
                "worst": float(accuracy.min()),
                "best": float(accuracy.max()),
            }
        )
    return rows


def _memory(memory: Sequence[tuple[float, float, float]]) -> Claim:
    shares = [two / one for one, two, _ in memory]
    full = [whole / one for one, _, whole in memory]
    return Claim(
        f"a step takes at most {MOST_MEMORY:g} times the memory of training a single path, "
        f"for {CANDIDATES[0]} to {CANDIDATES[-1]} candidates",
        "the memory of one path in place of all",
        f"{min(shares):.2f} to {max(shares):.2f} times the memory of a single path, where all "
        f"candidates at once take {min(full):.1f} to {max(full):.1f} times",
        max(shares) <= MOST_MEMORY,
    )


def _targets(found: dict[tuple[str, float], list[Point]]) -> Claim:
    off = [
        abs(point.latency_us / target - 1)
        for (estimator, target), points in found.items()
        for point in points
        if estimator == ESTIMATORS[0]
    ]
    return Claim(
        f"the latency target is met within {NEAR:.0%} for three targets",
        "78 ms at a target of 80 ms",
        f"at most {max(off):.1%} from the target in {len(off)} searches",
        max(off) <= NEAR,
    )


def _dominance(found: dict[tuple[str, float], list[Point]], scaled: dict[int, Point]) -> Claim:
    means = [
        Point(*np.array(points).mean(axis=0))
        for (estimator, _), points in found.items()
        if estimator == ESTIMATORS[0]
    ]
    beaten = [
        width
        for width, point in scaled.items()
        if any(
            m.latency_us <= point.latency_us * (1 + 1e-9) and m.accuracy_pct > point.accuracy_pct
            for m in means
        )
    ]
    return Claim(
        "what is searched is more accurate than MobileNetV2's block scaled by its width, and no "
        "slower",
        "74.6 % against 72.0 %",
        f"{len(beaten)} of {len(scaled)} widths are dominated by the mean of a target's searches"
        + (f" (channels {', '.join(map(str, beaten))})" if beaten else ""),
        len(beaten) == len(scaled),
    )


def _drawing(found: dict[tuple[str, float], list[Point]], scaled: dict[int, Point]) -> Drawing:
    import plotly.graph_objects as go

    from codesign_gym.experiments.report.figures import axis, colour, figure

    def points(values: FloatArray, name: str, i: int, mode: str) -> go.Scatter:
        return go.Scatter(
            x=values[:, 0], y=values[:, 1], name=name, mode=mode, line={"color": colour(i)}
        )

    traces = [points(np.array(list(scaled.values())), "scaled block", 0, "lines+markers")]
    for i, estimator in enumerate(ESTIMATORS, start=1):
        own = [p for (kind, _), values in found.items() if kind == estimator for p in values]
        traces.append(points(np.array(own), f"searched, {estimator}", i, "markers"))
    return Drawing(
        "Accuracy by latency",
        "Each point is a network, trained afresh with seeds that no search has seen.",
        figure(traces, xaxis=axis("latency, us"), yaxis=axis("accuracy, %")),
    )
