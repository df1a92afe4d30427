"""PC-DARTS on cells that are really trained: what partial channels save, and against chance.

Xu et al., "PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search", ICLR
2020 (arXiv 1907.05737), mix one channel in four and come to an error of 2.57 % on CIFAR-10, for
which DARTS needs several times the memory and time (3.00 % with its first-order gradient).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from codesign_gym.cost_models.accuracy.recipe import RECIPES, Recipe
from codesign_gym.cost_models.accuracy.scratch_model import ScratchModel
from codesign_gym.cost_models.accuracy.tasks import TRAINING_SIZE
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.reproduce.finding import Claim, Drawing, Finding, Row, Settings
from codesign_gym.experiments.reproduce.supernet_costs import (
    SPACE,
    TASK,
    mixture_costs,
    network_epoch_s,
)
from codesign_gym.experiments.statistics import FloatArray, bootstrap_interval, iqm
from codesign_gym.experiments.sweep import sweep
from codesign_gym.search.agents.pc_darts import PcDartsOptions
from codesign_gym.search_spaces import Designs, InputError

SOURCE = "PC-DARTS, Xu et al., ICLR 2020, arXiv 1907.05737"
SHARES = (1, 2, 4)
"""One in so many channels is mixed: the paper's K."""

SEARCHED = (4, 1)
"""The shares with which cells are searched."""

JUDGES = (100, 101, 102, 103)
"""Seeds with which what was found is trained once more: no search has seen them."""

TRAINED_ONCE = "codesign_gym.envs.nas_problems:trained_once"
WINS = 8
"""Of ten seeds, against random search."""

RANDOM = "random search, equal cost"


def study(
    settings: Settings,
    epochs: int = 10,
    judges: Sequence[int] = JUDGES,
    problem: str = TRAINED_ONCE,
    size: int = TRAINING_SIZE,
) -> Finding:
    """Measure what mixing costs; search with it and by chance; train what was found afresh.

    Random search may train as many networks as a search costs, and as many more as it proposes.
    Costs are those of torch for both: that compiled code really trains the networks, several times
    as fast, is no merit of random search.
    """
    width = PcDartsOptions.width
    total = settings.seeds * (2 * len(SEARCHED) + 2)
    costs, steps = {}, 2000 // Recipe.batch
    choosing = epochs - int(PcDartsOptions.warm_up * epochs)
    for share in SHARES:
        memory, weights, choices = mixture_costs(share, width)
        costs[share] = {
            "memory": memory,
            "epoch": steps * (weights + choices),
            "search": steps * (epochs * weights + choosing * choices),
        }
    network = RECIPES[SPACE].epochs * network_epoch_s()
    budget = ceil(costs[SEARCHED[0]]["search"] / network) + settings.budget
    arms: dict[str, tuple[str, int, dict[str, int]]] = {
        _arm(share): ("pc-darts", settings.budget, {"share": share, "epochs": epochs})
        for share in SEARCHED
    }
    arms[RANDOM] = ("random", budget, {})
    configs = [
        RunConfig(problem, agent, evaluations, seed, options)
        for agent, evaluations, options in arms.values()
        for seed in range(settings.seeds)
    ]
    swept = sweep(
        configs,
        settings.directory,
        settings.jobs,
        lambda done, _: settings.progress(done, total),
    )
    if swept.failures:
        raise InputError(f"{len(swept.failures)} runs failed: {swept.failures[0].error}")
    judge = ScratchModel(SPACE, TASK, seeds=judges, epochs=RECIPES[SPACE].epochs, size=size)
    final: dict[str, FloatArray] = {}
    for i, arm in enumerate(arms):
        found = []
        for record in swept.records[i * settings.seeds : (i + 1) * settings.seeds]:
            found.append(float(judge.evaluate(_best(record))["accuracy_pct"][0]))
            settings.progress(len(configs) + len(found) + i * settings.seeds, total)
        final[arm] = np.array(found)
    claims = [_saving(costs), _accuracy(final), _chance(final, budget)]
    return Finding(
        title="What partial channels save in differentiable architecture search",
        source=SOURCE,
        summary=(
            f"A search and what it proposes cost as much as training {budget} networks in torch. "
            f"{claims[0].measured}; {claims[1].measured}; {claims[2].measured}."
        ),
        claims=claims,
        tables={
            f"Cost of mixing, {width} channels, batches of {Recipe.batch}": _cost_rows(costs),
            f"What was found, trained afresh with {len(judges)} other seeds": _final_rows(
                final, costs, network, budget
            ),
        },
        drawings=[_drawing(final)],
        settings={
            "seeds": settings.seeds,
            "epochs of a search": epochs,
            "CPU s of training a network": network,
            "networks of a random search": budget,
        },
    )


def _arm(share: int) -> str:
    return f"PC-DARTS, K = {share}"


def _best(record: RunRecord) -> Designs:
    """The design of a run with the highest reward, ``[1, p]``."""
    return record.evaluation.designs[[int(np.argmax(record.rewards))]]


def _cost_rows(costs: dict[int, dict[str, float]]) -> list[Row]:
    return [
        {
            "K": share,
            "memory of a step, MB": own["memory"],
            "of K = 1": own["memory"] / costs[1]["memory"],
            "CPU s of an epoch": own["epoch"],
            "of K = 1 ": own["epoch"] / costs[1]["epoch"],
        }
        for share, own in costs.items()
    ]


def _final_rows(
    final: dict[str, FloatArray], costs: dict[int, dict[str, float]], network: float, budget: int
) -> list[Row]:
    rows: list[Row] = []
    spent = [costs[share]["search"] for share in SEARCHED] + [budget * network]
    for (arm, values), seconds in zip(final.items(), spent, strict=True):
        low, high = bootstrap_interval(values[:, None], np.random.default_rng(0))
        rows.append(
            {
                "search": arm,
                "accuracy %": float(iqm(values)),
                "low": float(low[0]),
                "high": float(high[0]),
                "worst": float(values.min()),
                "deviation of the seeds": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
                "CPU s": seconds,
            }
        )
    return rows


def _saving(costs: dict[int, dict[str, float]]) -> Claim:
    memory, time = (costs[4][key] / costs[1][key] for key in ("memory", "epoch"))
    return Claim(
        "memory per step and time per epoch fall with K = 4",
        "less memory, so that batches can be larger; 0.1 in place of 0.4 GPU-days",
        f"{memory:.2f} of the memory and {time:.2f} of the time of K = 1",
        memory < 1 and time < 1,
    )


def _accuracy(final: dict[str, FloatArray]) -> Claim:
    ours, full = (final[_arm(share)] for share in SEARCHED)
    spread = float(full.std(ddof=1)) if len(full) > 1 else 0.0
    loss = float(full.mean() - ours.mean())
    return Claim(
        "cells found with K = 4 are no less accurate than with K = 1, within the seeds' spread",
        "2.57 % error against 3.00 %",
        f"{ours.mean():.2f} % against {full.mean():.2f} % (spread {spread:.2f})",
        loss <= spread,
    )


def _chance(final: dict[str, FloatArray], budget: int) -> Claim:
    ours, theirs = final[_arm(SEARCHED[0])], final[RANDOM]
    wins = int((ours > theirs).sum())
    return Claim(
        f"better than random search at equal training cost in {WINS} of 10 seeds",
        "not stated",
        f"better in {wins} of {len(ours)} seeds than the best of {budget} random networks "
        f"({ours.mean():.2f} % against {theirs.mean():.2f} %)",
        10 * wins >= WINS * len(ours),
    )


def _drawing(final: dict[str, FloatArray]) -> Drawing:
    import plotly.graph_objects as go

    from codesign_gym.experiments.report.figures import axis, colour, figure

    traces = [
        go.Box(y=values, name=arm, boxpoints="all", marker={"color": colour(i)})
        for i, (arm, values) in enumerate(final.items())
    ]
    return Drawing(
        "What was found",
        "Each point is the cell of one seed of a search, trained afresh with other seeds.",
        figure(traces, xaxis=axis("search", type="category"), yaxis=axis("accuracy, %")),
    )
