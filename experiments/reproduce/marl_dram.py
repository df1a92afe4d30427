"""Multi-agent against single-agent reinforcement learning on DRAM controllers.

Krishnan et al., "Multi-Agent Reinforcement Learning for Microprocessor Design Space Exploration"
(arXiv 2211.16385), report that one agent per parameter consistently beats a single agent. In the
code behind that comparison the single agent's encoding reaches 5.9 % of the space, the agents' own
all of it. Here every agent reaches every design, spends the same budget, and is measured against
the true optimum, which `codesign tabulate` found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import make_problem
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.reproduce.finding import Claim, Drawing, Finding, Row, Settings
from codesign_gym.experiments.statistics import (
    bootstrap_interval,
    iqm,
    probability_of_improvement,
)
from codesign_gym.experiments.sweep import sweep
from codesign_gym.experiments.truth import Truth, known_truth
from codesign_gym.search.pareto import best_so_far
from codesign_gym.search_spaces import InputError

SOURCE = "Krishnan et al., arXiv 2211.16385"
SINGLE, MULTI = ("ppo", "sac"), ("ippo", "mappo")
AGENTS = (*MULTI, *SINGLE, "regularized-evolution", "random")
"""The compared ones, and two that tell how hard the problems are."""

PROBLEMS = (
    "dram-stream",
    "dram-random",
    "dram-cloud-1",
    "dram-cloud-2",
    "dram-copy",
    "dram-bursty",
)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A problem with one of its objectives, or with all of them in its own reward."""

    problem: str
    objective: str

    def config(self, agent: str, seed: int, budget: int) -> RunConfig:
        """A run of an agent."""
        objectives = (self.objective,) if self.objective else None
        return RunConfig(self.problem, agent, budget, seed, objectives=objectives)

    @property
    def name(self) -> str:
        """Trace and objective."""
        return f"{self.problem.removeprefix('dram-')}: {self.objective or 'all objectives'}"


def study(settings: Settings, problems: Sequence[str] = PROBLEMS) -> Finding:
    """Equal budgets, equal reachable designs, every trace with every objective."""
    truths = {name: _truth(name) for name in problems}
    cases = [
        Case(name, objective)
        for name in problems
        for objective in ("", *(metric.name for metric in make_problem(name).objectives))
    ]
    configs = [
        case.config(agent, seed, settings.budget)
        for case in cases
        for agent in AGENTS
        for seed in range(settings.seeds)
    ]
    result = sweep(configs, settings.directory, settings.jobs, settings.progress)
    if result.failures:
        raise InputError(f"{len(result.failures)} runs failed: {result.failures[0].error}")
    # scores [case, agent, seed, evaluation]: minus the regret so far
    records = iter(result.records)
    scores = np.array(
        [
            [
                [score(next(records), truths[case.problem], case) for _ in range(settings.seeds)]
                for _ in AGENTS
            ]
            for case in cases
        ]
    )
    final = scores[..., -1]
    won = _win_rates(final)
    beaten = _cases_won(final, cases)
    return Finding(
        title="Does multi-agent reinforcement learning beat single-agent on DRAM controllers?",
        source=SOURCE,
        summary=_summary(won, beaten, len(cases)),
        claims=_claims(won, beaten, len(cases)),
        tables={
            "Mean regret (interquartile, 0 is the true optimum, 1 a median design)": _table(
                final, cases
            ),
            "Probability that a multi-agent run ends better than a single-agent run": won,
        },
        drawings=_drawings(scores, final),
        settings={"seeds": settings.seeds, "budget": settings.budget, "problems": list(problems)},
    )


def _truth(name: str) -> Truth:
    truth = known_truth(make_problem(name))
    if truth is None:
        raise InputError(f"the optimum of {name!r} is not known: run codesign tabulate {name}")
    return truth


def score(record: RunRecord, truth: Truth, case: Case) -> FloatArray:
    """Minus the regret of the best feasible design after each evaluation, ``[n]``.

    The regret is 0 at the optimum and 1 at a median design; before a design is feasible it is
    counted as 2, which is worse than nearly all designs.
    """
    feasible = record.evaluation.feasible
    if case.objective:
        optimum = truth.optima[case.objective]["value"]
        column = record.evaluation.metrics.columns[case.objective]
        sign = record.evaluation.metrics.metrics[column].sign
        median = truth.quantiles[case.objective][4]
        values = record.evaluation.metrics[case.objective]
        regret = sign * (values - optimum) / max(sign * (median - optimum), 1e-300)
    else:
        regret = truth.regret(record.rewards)
    return best_so_far(np.where(feasible, -np.minimum(regret, 2.0), -2.0))


def _win_rates(final: FloatArray) -> list[Row]:
    rng = np.random.default_rng(0)
    rows: list[Row] = []
    for multi in MULTI:
        for single in SINGLE:
            ours, theirs = final[:, AGENTS.index(multi)], final[:, AGENTS.index(single)]
            p, low, high = probability_of_improvement(ours, theirs, rng)
            rows.append(
                {"multi": multi, "single": single, "probability": p, "low": low, "high": high}
            )
    return rows


def _cases_won(final: FloatArray, cases: Sequence[Case]) -> dict[tuple[str, str], int]:
    """In how many cases the mean of each multi-agent is above that of each single agent."""
    means = iqm(final, axis=2)
    return {
        (multi, single): int((means[:, AGENTS.index(multi)] > means[:, AGENTS.index(single)]).sum())
        for multi in MULTI
        for single in SINGLE
    }


def _claims(won: Sequence[Row], beaten: dict[tuple[str, str], int], n: int) -> list[Claim]:
    return [
        Claim(
            f"{row['multi']} consistently beats {row['single']}",
            "across target objectives",
            f"better mean in {beaten[row['multi'], row['single']]} of {n} cases; a run is better "
            f"with probability {row['probability']:.2f} [{row['low']:.2f}, {row['high']:.2f}]",
            beaten[row["multi"], row["single"]] == n and row["low"] > 0.5,
        )
        for row in won
    ]


def _summary(won: Sequence[Row], beaten: dict[tuple[str, str], int], n: int) -> str:
    better = [f"{r['multi']} over {r['single']}" for r in won if r["low"] > 0.5]
    worse = [f"{r['multi']} under {r['single']}" for r in won if r["high"] < 0.5]
    everywhere = [pair for pair, count in beaten.items() if count == n]
    kept = "survives" if len(everywhere) == len(beaten) else "does not survive"
    return (
        f"The claim that multi-agent consistently beats single-agent {kept} a sound encoding. "
        f"More likely better: {', '.join(better) or 'none'}. "
        f"More likely worse: {', '.join(worse) or 'none'}."
    )


def _table(final: FloatArray, cases: Sequence[Case]) -> list[Row]:
    rows: list[Row] = []
    for case, scores in zip(cases, final, strict=True):
        rows.append({"case": case.name} | {
            agent: float(-iqm(one)) for agent, one in zip(AGENTS, scores, strict=True)
        })  # fmt: skip
    low, high = zip(*(_interval(final[:, a]) for a in range(len(AGENTS))), strict=True)
    means = {"case": "all"} | {a: float(-iqm(final[:, i])) for i, a in enumerate(AGENTS)}
    ends = {"case": "all, 95 % interval"} | {
        a: f"{-high[i]:.3f} to {-low[i]:.3f}" for i, a in enumerate(AGENTS)
    }
    return [*rows, means, ends]


def _interval(scores: FloatArray) -> tuple[float, float]:
    """Of the mean over cases ``[t, s]``, runs drawn within each case."""
    low, high = bootstrap_interval(scores[:, :, None], np.random.default_rng(0))
    return float(low[0]), float(high[0])


def _drawings(scores: FloatArray, final: FloatArray) -> list[Drawing]:
    import plotly.graph_objects as go

    from codesign_gym.experiments.report.figures import axis, colour, dash, evaluations_axis, figure

    n = scores.shape[-1]
    at = np.unique(np.geomspace(1, n, 60).round().astype(int))
    curves = [
        go.Scatter(
            x=at,
            y=-iqm(scores[:, a][..., at - 1], axis=(0, 1)),
            name=agent,
            line={"color": colour(a), "dash": dash(a), "width": 2.5},
        )
        for a, agent in enumerate(AGENTS)
    ]
    ends = [_interval(final[:, a]) for a in range(len(AGENTS))]
    middle = [float(-iqm(final[:, a])) for a in range(len(AGENTS))]
    dots = go.Scatter(
        x=middle,
        y=list(AGENTS),
        mode="markers",
        marker={"size": 11, "color": [colour(a) for a in range(len(AGENTS))]},
        error_x={
            "array": [-low - m for m, (low, _) in zip(middle, ends, strict=True)],
            "arrayminus": [m + high for m, (_, high) in zip(middle, ends, strict=True)],
            "type": "data",
            "symmetric": False,
        },
        showlegend=False,
    )
    return [
        Drawing(
            "Regret by evaluations",
            "Interquartile mean over all cases and seeds; 0 is the true optimum.",
            figure(curves, xaxis=evaluations_axis(n), yaxis=axis("regret")),
        ),
        Drawing(
            "Regret at the end",
            "Interquartile mean over all cases and seeds, with a 95 % bootstrap interval.",
            figure([dots], xaxis=axis("regret", rangemode="tozero"), yaxis={"autorange": "reversed",
                   "automargin": True}),
        ),
    ]  # fmt: skip
