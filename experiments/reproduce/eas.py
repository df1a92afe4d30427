"""Growing networks: what inherited weights save, and what a policy that grows networks finds.

Cai et al., "Efficient Architecture Search by Network Transformation", AAAI 2018 (arXiv 1707.04873),
train every network that they try for 20 epochs from inherited weights, several times fewer than
from scratch, and come to an error of 4.23 % on CIFAR-10. Here everything is trained on MNIST-1D, in
one dimension, in minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from codesign_gym.cost_models.accuracy.growth_model import (
    inherited,
    train_grown,
    training_data,
)
from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.tasks import TRAINING_SIZE
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.reproduce.finding import Claim, Drawing, Finding, Row, Settings
from codesign_gym.experiments.statistics import (
    FloatArray,
    bootstrap_interval,
    iqm,
    probability_of_improvement,
)
from codesign_gym.experiments.sweep import sweep
from codesign_gym.search.pareto import best_so_far
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.networks.growth import KERNELS, ROOT, Plain
from codesign_gym.search_spaces.networks.transformations import (
    Deeper,
    Wider,
    grown,
    is_full,
    next_width,
)

SOURCE = "EAS, Cai et al., AAAI 2018, arXiv 1707.04873"
NETWORKS = 10
EPOCHS = 8
"""Of parents, of children that inherit, and of the same from scratch."""

PARENT_STEPS, CHILD_STEPS = (1, 1), (2, 3)
"""Steps of widening and of deepening: from the root to a parent, from a parent to its child."""

SHARE = 0.95
"""Of the final accuracy: what counts as having got there."""

THIRD = 1 / 3
PROBLEM = "eas-mnist1d"
FROM_SCRATCH = "codesign_gym.envs.growth_problems:from_scratch"
ARMS = {
    "EAS, inherited": (PROBLEM, "eas"),
    "random, inherited": (PROBLEM, "random"),
    "random, from scratch": (FROM_SCRATCH, "random"),
}


class Pair(NamedTuple):
    """A network trained twice, ``e`` epochs each; accuracies before training and after each.

    Attributes:
        weights: Of the parent and of the child.
        parent: Accuracy of the parent when it was left.
        inherited: Accuracies of the child from the parent's weights, ``[e + 1]``.
        scratch: From fresh weights, ``[e + 1]``.
    """

    weights: tuple[int, int]
    parent: float
    inherited: FloatArray
    scratch: FloatArray


def random_growth(start: Plain, wider: int, deeper: int, rng: np.random.Generator) -> Plain:
    """A network after random steps: each layer wider or not, then layers put in anywhere."""
    network = start
    for _ in range(wider):
        for part, layers in enumerate(network.parts):
            for i in range(len(layers)):
                width = next_width(network, part, i)
                if width is not None and rng.random() < 0.5:
                    network = grown(network, Wider(part, i, width))
    for _ in range(deeper):
        parts = [part for part in range(len(network.parts)) if not is_full(network, part)]
        part = int(rng.choice(parts))
        layer = int(rng.integers(len(network.parts[part])))
        dense = part == len(network.blocks)
        kernel = 1 if dense else int(rng.choice(KERNELS))
        network = grown(network, Deeper(part, layer, kernel))
    return network


def train_pair(network: int, seed: int, epochs: int = EPOCHS, size: int = TRAINING_SIZE) -> Pair:
    """Train a parent, then its child from the parent's weights and from scratch.

    Args:
        network: Number of the pair: which parent and which child.
        seed: Of all training.
        epochs: Of each training.
        size: Training sequences.
    """
    from codesign_gym.cost_models.accuracy.growing_torch import accuracy, fresh

    rng = np.random.default_rng(network)
    old = random_growth(ROOT, *PARENT_STEPS, rng)
    new = random_growth(old, *CHILD_STEPS, rng)
    data, recipe = training_data(size), Recipe(epochs=epochs)
    parent = fresh(old, seed)
    left = train_grown(parent, data, recipe, seed).accuracy[-1]
    curves = []
    for module in (inherited(new, seed, size, parent), fresh(new, seed)):
        first = accuracy(module, data)
        curves.append(np.array([first, *train_grown(module, data, recipe, seed).accuracy]))
    return Pair((old.weights, new.weights), left, *curves)


def epochs_to(curve: FloatArray, target: float) -> int:
    """Epochs until an accuracy is reached; one more than there were where it never is.

    >>> epochs_to(np.array([0.1, 0.5, 0.9]), 0.5), epochs_to(np.array([0.1, 0.5]), 0.9)
    (1, 2)
    """
    there = np.flatnonzero(curve >= target)
    return int(there[0]) if len(there) else len(curve)


def study(
    settings: Settings, networks: int = NETWORKS, epochs: int = EPOCHS, size: int = TRAINING_SIZE
) -> Finding:
    """Train networks twice, from inherited and from fresh weights; and search both ways."""
    searched = len(ARMS) * settings.seeds
    total = networks * settings.seeds + searched
    pairs = []
    for network in range(networks):
        for seed in range(settings.seeds):
            pairs.append(train_pair(network, seed, epochs, size))
            settings.progress(len(pairs), total)
    records = _search(settings, len(pairs), total)
    rows, claims = _inheritance(pairs, networks, settings.seeds)
    search_rows, search_claim = _searches(records)
    return Finding(
        title="What inherited weights save in the search for networks",
        source=SOURCE,
        summary=_summary(claims, search_claim),
        claims=[*claims, search_claim],
        tables={
            f"Each network trained twice for {epochs} epochs; epochs until {SHARE:.0%} of a final "
            "accuracy, mean of the seeds": rows,
            "Searches, interquartile mean of the seeds with 95 % interval": search_rows,
        },
        drawings=_drawings(pairs, records),
        settings={
            "seeds": settings.seeds,
            "budget": settings.budget,
            "networks": networks,
            "epochs": epochs,
            "training sequences": size,
        },
    )


def _search(settings: Settings, before: int, total: int) -> dict[str, list[RunRecord]]:
    """The runs of each arm, kept so that an interrupted study continues."""
    configs = []
    for problem, agent in ARMS.values():
        options: dict[str, Any] = {"stage": settings.budget // 2} if agent == "eas" else {}
        configs += [
            RunConfig(problem, agent, settings.budget, seed, options)
            for seed in range(settings.seeds)
        ]
    result = sweep(
        configs,
        settings.directory,
        settings.jobs,
        lambda done, _: settings.progress(before + done, total),
    )
    if result.failures:
        raise InputError(f"{len(result.failures)} runs failed: {result.failures[0].error}")
    seeds = settings.seeds
    return {arm: list(result.records[i * seeds : (i + 1) * seeds]) for i, arm in enumerate(ARMS)}


def _inheritance(pairs: Sequence[Pair], networks: int, seeds: int) -> tuple[list[Row], list[Claim]]:
    def table(values: Sequence[float]) -> FloatArray:
        return np.array(values, dtype=np.float64).reshape(networks, seeds)

    own = table([epochs_to(p.inherited, SHARE * p.inherited[-1]) for p in pairs])
    # At least 1: fresh weights that are as good as trained ones have learned nothing.
    scratch = table([max(1, epochs_to(p.scratch, SHARE * p.scratch[-1])) for p in pairs])
    common = table([epochs_to(p.inherited, SHARE * p.scratch[-1]) for p in pairs])
    gain = table([100 * (p.inherited[-1] - p.scratch[-1]) for p in pairs])
    final = [
        table([100 * getattr(p, name)[-1] for p in pairs]) for name in ("inherited", "scratch")
    ]
    left = table([100 * p.parent for p in pairs])
    rows: list[Row] = [
        {
            "network": i,
            "weights": pairs[i * seeds].weights[1],
            "parent's weights": pairs[i * seeds].weights[0],
            "parent %": float(left[i].mean()),
            "inherited %": float(final[0][i].mean()),
            "from scratch %": float(final[1][i].mean()),
            "epochs, inherited": float(own[i].mean()),
            "epochs, from scratch": float(scratch[i].mean()),
            "epochs, inherited, to the accuracy from scratch": float(common[i].mean()),
        }
        for i in range(networks)
    ]

    def with_interval(values: FloatArray) -> tuple[float, float, float]:
        low, high = bootstrap_interval(values[:, :, None], np.random.default_rng(0))
        return float(iqm(values)), float(low[0]), float(high[0])

    claims = []
    for text, needed in (
        ("their own final accuracy", own),
        ("the final accuracy from scratch", common),
    ):
        middle, low, high = with_interval(needed / scratch)
        claims.append(
            Claim(
                f"inherited networks reach {SHARE:.0%} of {text} in a third of the epochs",
                "several times fewer epochs",
                f"{middle:.2f} [{low:.2f}, {high:.2f}] of the epochs from scratch "
                f"({needed.mean():.1f} in place of {scratch.mean():.1f})",
                high <= THIRD,
            )
        )
    middle, low, high = with_interval(gain)
    claims.append(
        Claim(
            "inherited networks end no less accurate than from scratch (within 1 point)",
            "not stated",
            f"{middle:+.1f} [{low:+.1f}, {high:+.1f}] points after equal epochs",
            low >= -1,
        )
    )
    return rows, claims


def _costs(record: RunRecord) -> FloatArray:
    """Multiply-accumulates of training up to each evaluation, in 1e9; what failed cost none."""
    work = record.evaluation.metrics["train_gmacs"]
    return np.cumsum(np.where(np.isfinite(work), work, 0.0))


def _best(record: RunRecord) -> FloatArray:
    return best_so_far(np.where(record.evaluation.feasible,
                                record.evaluation.metrics["accuracy_pct"], 0.0))  # fmt: skip


def _searches(records: dict[str, list[RunRecord]]) -> tuple[list[Row], Claim]:
    """All arms at the training that the cheapest run had spent at its end."""
    equal = min(float(_costs(record)[-1]) for own in records.values() for record in own)
    at_cost: dict[str, FloatArray] = {}
    rows: list[Row] = []
    for arm, own in records.items():
        ends = np.array([_best(record)[-1] for record in own])
        spent = [int((_costs(record) <= equal * (1 + 1e-9)).sum()) for record in own]
        at_cost[arm] = np.array(
            [_best(record)[max(0, n - 1)] for record, n in zip(own, spent, strict=True)]
        )
        low, high = bootstrap_interval(at_cost[arm][:, None], np.random.default_rng(0))
        rows.append(
            {
                "search": arm,
                f"best % at {equal:.0f} GMAC": float(iqm(at_cost[arm])),
                "low": float(low[0]),
                "high": float(high[0]),
                "networks by then": float(np.mean(spent)),
                "best % at equal epochs": float(iqm(ends)),
                "GMAC by then": float(np.mean([_costs(record)[-1] for record in own])),
            }
        )
    ours, *others = at_cost
    verdicts, texts = [], []
    for other in others:
        p, least, most = probability_of_improvement(
            at_cost[ours][None], at_cost[other][None], np.random.default_rng(0)
        )
        verdicts.append(least > 0.5)
        texts.append(f"against {other}: better with probability {p:.2f} [{least:.2f}, {most:.2f}]")
    return rows, Claim(
        "EAS finds more accurate networks than random search at equal training cost",
        "4.23 % error on CIFAR-10",
        "; ".join(texts),
        all(verdicts),
    )


def _summary(claims: Sequence[Claim], searched: Claim) -> str:
    own, common, final = claims
    return (
        f"Inherited networks need {own.measured}; to what training from scratch ends at, "
        f"{common.measured}. Their final accuracy differs by {final.measured}. "
        f"EAS {searched.measured}. The epochs that the parents were trained for are not counted: "
        "a search trains a parent once for all its children."
    )


def _drawings(pairs: Sequence[Pair], records: dict[str, list[RunRecord]]) -> list[Drawing]:
    import plotly.graph_objects as go

    from codesign_gym.experiments.report.figures import axis, colour, figure

    traces = []
    for a, (name, curves) in enumerate(
        {
            "inherited": np.array([p.inherited for p in pairs]),
            "from scratch": np.array([p.scratch for p in pairs]),
        }.items()
    ):
        low, high = bootstrap_interval(curves, np.random.default_rng(0))
        epochs = np.arange(curves.shape[1])
        traces += [
            go.Scatter(
                x=np.concatenate([epochs, epochs[::-1]]),
                y=100 * np.concatenate([high, low[::-1]]),
                fill="toself",
                fillcolor=colour(a, 0.15),
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
            ),
            go.Scatter(x=epochs, y=100 * iqm(curves, axis=0), name=name, line={"color": colour(a)}),
        ]
    searches = []
    for a, (arm, own) in enumerate(records.items()):
        for i, record in enumerate(own):
            searches.append(
                go.Scatter(
                    x=_costs(record),
                    y=_best(record),
                    name=arm,
                    legendgroup=arm,
                    showlegend=i == 0,
                    line={"color": colour(a), "shape": "hv"},
                )
            )
    return [
        Drawing(
            "Accuracy by epochs of training",
            "Interquartile mean over all networks and seeds, with a 95 % bootstrap interval.",
            figure(traces, xaxis=axis("epochs"), yaxis=axis("accuracy, %")),
        ),
        Drawing(
            "Best accuracy by cost of training",
            "Each line is a search. The training of the root, which all inherit, is not counted.",
            figure(searches, xaxis=axis("training, GMAC"), yaxis=axis("best accuracy, %")),
        ),
    ]
