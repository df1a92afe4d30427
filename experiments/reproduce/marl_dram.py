"""Multi-agent against single-agent reinforcement learning on DRAM controllers.

Krishnan et al., "Multi-Agent Reinforcement Learning for Microprocessor Design Space Exploration"
(arXiv 2211.16385), report that one agent per parameter consistently beats a single agent. In the
code behind that comparison the single agent's encoding reaches 5.9 % of the space, the agents' own
all of it. Here every agent reaches every design, spends the same budget, and is measured against
the true optimum, which `codesign tabulate` found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from codesign_gym.experiments.reproduce.finding import Claim, Drawing, Finding, Row, Settings
from codesign_gym.experiments.reproduce.regrets import (
    NEAR,
    Case,
    FloatArray,
    cases_of,
    checkpoints,
    curves,
    effort,
)
from codesign_gym.experiments.statistics import bootstrap_interval, iqm, probability_of_improvement

SOURCE = "Krishnan et al., arXiv 2211.16385"
SINGLE, MULTI = ("ppo", "sac"), ("ippo", "mappo")
AGENTS = (*MULTI, *SINGLE, "regularized-evolution", "random")
"""The compared ones, and two that tell how hard the problems are."""

TRACES = ("random", "cloud-1", "cloud-2", "copy", "bursty")
"""Not ``stream``: ten random designs contain an optimum of it."""
PROBLEMS = tuple(f"dram-{trace}" for trace in TRACES)
PAIRS = tuple((multi, single) for multi in MULTI for single in SINGLE)


def study(settings: Settings, problems: Sequence[str] = PROBLEMS) -> Finding:
    """Equal budgets, equal reachable designs, every trace with every objective."""
    cases = cases_of(problems)
    runs = [
        (case, case.config(agent, seed, settings.budget))
        for case in cases
        for agent in AGENTS
        for seed in range(settings.seeds)
    ]
    found = curves([config for _, config in runs], [case for case, _ in runs], settings)
    # regrets [case, agent, seed, evaluation]
    regrets = found.reshape(len(cases), len(AGENTS), settings.seeds, settings.budget)
    needed = effort(regrets)
    rows = [_pair(needed, *pair) for pair in PAIRS]
    return Finding(
        title="Does multi-agent reinforcement learning beat single-agent on DRAM controllers?",
        source=SOURCE,
        summary=_summary(rows, len(cases), regrets[:, -1, :, -1]),
        claims=[_claim(row, len(cases)) for row in rows],
        tables={
            f"Evaluations until the regret is at most {NEAR} (interquartile mean over the seeds; "
            "twice the budget where it never is)": _table(needed, cases),
            "Regret at the end: 0 is the true optimum, 1 a median design": _table(
                regrets[..., -1], cases
            ),
            "A run of a multi-agent against one of a single agent, by evaluations needed": rows,
        },
        drawings=_drawings(regrets),
        settings={"seeds": settings.seeds, "budget": settings.budget, "problems": list(problems)},
    )


def _pair(final: FloatArray, multi: str, single: str) -> Row:
    """How likely a run of one is better, and in how many cases its mean is."""
    ours, theirs = final[:, AGENTS.index(multi)], final[:, AGENTS.index(single)]
    p, low, high = probability_of_improvement(-ours, -theirs, np.random.default_rng(0))
    means = iqm(ours, axis=1), iqm(theirs, axis=1)
    return {
        "multi": multi,
        "single": single,
        "probability": p,
        "low": low,
        "high": high,
        "better cases": int((means[0] < means[1]).sum()),
        "worse cases": int((means[0] > means[1]).sum()),
    }


def _claim(row: Row, n: int) -> Claim:
    return Claim(
        f"{row['multi']} consistently beats {row['single']}",
        "across target objectives",
        f"better mean in {row['better cases']} of {n} cases, worse in {row['worse cases']}; a run "
        f"is better with probability {row['probability']:.2f} [{row['low']:.2f}, "
        f"{row['high']:.2f}]",
        row["worse cases"] == 0 and row["low"] > 0.5,
    )


def _summary(rows: Sequence[Row], n: int, chance: FloatArray) -> str:
    better = [f"{row['multi']} over {row['single']}" for row in rows if row["low"] > 0.5]
    worse = [f"{row['single']} over {row['multi']}" for row in rows if row["high"] < 0.5]
    everywhere = all(row["worse cases"] == 0 and row["low"] > 0.5 for row in rows)
    return (
        f"That multi-agent consistently beats single-agent {'holds' if everywhere else 'fails'} "
        f"over {n} cases where every agent can reach every design. Better on the whole: "
        f"{', '.join(better + worse) or 'none'}. Random search meets the optimum in "
        f"{100 * (chance <= NEAR).mean():.0f} % of its runs: these problems are easy."
    )


def _table(final: FloatArray, cases: Sequence[Case]) -> list[Row]:
    def row(name: str, values: Sequence[object]) -> Mapping[str, object]:
        return {"case": name} | dict(zip(AGENTS, values, strict=True))

    rows = [
        row(case.name, iqm(regrets, axis=1).tolist())
        for case, regrets in zip(cases, final, strict=True)
    ]
    ends = [_interval(final[:, a]) for a in range(len(AGENTS))]
    rows.append(row("all", iqm(final, axis=(0, 2)).tolist()))
    rows.append(row("all, 95 % interval", [f"{low:.3g} to {high:.3g}" for low, high in ends]))
    return rows


def _interval(regrets: FloatArray) -> tuple[float, float]:
    """Of the mean over cases ``[t, s]``, runs drawn within each case."""
    low, high = bootstrap_interval(regrets[:, :, None], np.random.default_rng(0))
    return float(low[0]), float(high[0])


def _drawings(regrets: FloatArray) -> list[Drawing]:
    import plotly.graph_objects as go

    from codesign_gym.experiments.report.figures import axis, colour, dash, evaluations_axis, figure

    n = regrets.shape[-1]
    at = checkpoints(n)
    lines = [
        go.Scatter(
            x=at,
            y=iqm(regrets[:, a][..., at - 1], axis=(0, 1)),
            name=agent,
            line={"color": colour(a), "dash": dash(a), "width": 2.5},
        )
        for a, agent in enumerate(AGENTS)
    ]
    needed = effort(regrets)
    middle = iqm(needed, axis=(0, 2))
    ends = np.array([_interval(needed[:, a]) for a in range(len(AGENTS))])
    dots = go.Scatter(
        x=middle,
        y=list(AGENTS),
        mode="markers",
        marker={"size": 11, "color": [colour(a) for a in range(len(AGENTS))]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": ends[:, 1] - middle,
            "arrayminus": middle - ends[:, 0],
        },
        showlegend=False,
    )
    names = {"autorange": "reversed", "automargin": True}
    return [
        Drawing(
            "Regret by evaluations",
            "Interquartile mean over all cases and seeds; 0 is the true optimum.",
            figure(lines, xaxis=evaluations_axis(n), yaxis=axis("regret")),
        ),
        Drawing(
            "Evaluations until the optimum is met",
            f"Until the regret is at most {NEAR}: interquartile mean over cases and seeds, with a "
            "95 % bootstrap interval.",
            figure([dots], xaxis=axis("evaluations", rangemode="tozero"), yaxis=names),
        ),
    ]
