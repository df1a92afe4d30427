"""The hyperparameter lottery: what an agent's options do to what it finds.

Krishnan et al., "ArchGym: An Open-Source Gymnasium for Machine Learning Assisted Architecture
Design" (ISCA 2023, arXiv 2306.08888), sweep the hyperparameters of five families of agents and find
that results spread widely within each family, and that every family has a setting with which it
finds designs as good as any other's. A setting that looks best among many is partly lucky: here it
is chosen on one half of the seeds and judged on the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from codesign_gym.experiments.reproduce.finding import Claim, Drawing, Finding, Row, Settings
from codesign_gym.experiments.reproduce.regrets import NEAR, Case, FloatArray, curves, effort
from codesign_gym.experiments.statistics import bootstrap_interval, iqm
from codesign_gym.search_spaces import InputError

SOURCE = "ArchGym, Krishnan et al., ISCA 2023, arXiv 2306.08888"
PROBLEMS = ("dram-random", "dram-cloud-1", "dram-cloud-2")
GRIDS: dict[str, dict[str, Sequence[Any]]] = {
    "random": {},
    "regularized-evolution": {"population": (8, 16, 32, 64), "tournament": (2, 4, 8)},
    "nsga2": {"population": (8, 16, 32, 64), "crossover": (0.0, 0.5, 0.9)},
    "ppo": {
        "learning_rate": (3e-4, 3e-3, 3e-2),
        "entropy": (0.0, 0.01, 0.1),
        "num_envs": (8, 32),
    },
    "ippo": {"learning_rate": (5e-4, 5e-3, 5e-2), "entropy": (0.0, 0.1, 0.3)},
}
"""Agent -> option -> values tried."""


def settings_of(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of options."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def study(
    settings: Settings,
    problems: Sequence[str] = PROBLEMS,
    grids: Mapping[str, Mapping[str, Sequence[Any]]] = GRIDS,
) -> Finding:
    """Every agent with every setting: the spread, and the best setting on seeds not seen."""
    if settings.seeds < 2:
        raise InputError(f"seeds must be at least 2, half of them to choose, got {settings.seeds}")
    cases = [Case(name) for name in problems]
    arms = [(agent, options) for agent, grid in grids.items() for options in settings_of(grid)]
    runs = [
        (case, case.config(agent, seed, settings.budget, **options))
        for case in cases
        for agent, options in arms
        for seed in range(settings.seeds)
    ]
    found = curves([config for _, config in runs], [case for case, _ in runs], settings)
    final = found[:, -1].reshape(len(cases), len(arms), settings.seeds)
    needed = effort(found).reshape(final.shape)
    rows = [
        _row(case, agent, arms, needed[c], final[c])
        for c, case in enumerate(cases)
        for agent in grids
    ]
    return Finding(
        title="The hyperparameter lottery on DRAM controllers",
        source=SOURCE,
        summary=_summary(rows, len(runs)),
        claims=_claims(rows),
        tables={
            f"Evaluations until the regret is at most {NEAR}, by setting; one is chosen on half of "
            "the seeds and judged on the others; and its regret at the end": rows
        },
        drawings=[_drawing(case, arms, needed[c]) for c, case in enumerate(cases)],
        settings={
            "seeds": settings.seeds,
            "budget": settings.budget,
            "problems": list(problems),
            "runs": len(runs),
        },
    )


def _row(
    case: Case,
    agent: str,
    arms: Sequence[tuple[str, dict[str, Any]]],
    needed: FloatArray,
    final: FloatArray,
) -> Row:
    own = [i for i, (name, _) in enumerate(arms) if name == agent]
    means = iqm(needed[own], axis=1)
    chosen = own[int(np.argmin(iqm(needed[own][:, ::2], axis=1)))]
    judged = needed[chosen, 1::2]
    low, high = bootstrap_interval(judged[:, None], np.random.default_rng(0))
    options = ", ".join(f"{name}={value}" for name, value in arms[chosen][1].items())
    return {
        "problem": case.problem,
        "agent": agent,
        "settings": len(own),
        "best": float(means.min()),
        "median": float(np.median(means)),
        "worst": float(means.max()),
        "chosen": float(iqm(judged)),
        "low": float(low[0]),
        "high": float(high[0]),
        "at the end": float(iqm(final[chosen, 1::2])),
        "setting": options or "-",
    }


def _by_problem(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(str(row["problem"]), []).append(row)
    return found


def _claims(rows: Sequence[Row]) -> list[Claim]:
    claims = []
    for problem, own in _by_problem(rows).items():
        tuned = [row for row in own if row["settings"] > 1]
        spread = float(np.median([row["worst"] - row["best"] for row in tuned]))
        between = max(row["chosen"] for row in tuned) - min(row["chosen"] for row in tuned)
        claims.append(
            Claim(
                f"{problem}: settings matter more than the agent",
                "wide spread within each agent",
                f"worst minus best setting of an agent {spread:.0f} evaluations, worst minus best "
                f"tuned agent {between:.0f}",
                spread > between,
            )
        )
        best = min(tuned, key=lambda row: float(row["chosen"]))
        near = [row["agent"] for row in tuned if row["low"] <= best["high"]]
        far = [row["agent"] for row in tuned if row["agent"] not in near]
        claims.append(
            Claim(
                f"{problem}: every agent has a setting as good as any",
                "all five agents",
                f"interval meets that of the best, {best['agent']}: {', '.join(near)}"
                + (f"; not: {', '.join(far)}" if far else ""),
                not far,
            )
        )
    return claims


def _summary(rows: Sequence[Row], runs: int) -> str:
    claims = _claims(rows)
    matter = sum(bool(claim.holds) for claim in claims[::2])
    equal = sum(bool(claim.holds) for claim in claims[1::2])
    n = len(claims) // 2
    chance = [row["at the end"] for row in rows if row["settings"] == 1]
    return (
        f"{runs:,} runs. The setting decides more than the agent on {matter} of {n} problems; "
        f"every tuned agent is as good as any other on {equal} of {n}. Random search ends at a "
        f"regret of {max(chance):.3f} or less: with enough evaluations these problems are easy."
    )


def _drawing(case: Case, arms: Sequence[tuple[str, dict[str, Any]]], needed: FloatArray) -> Drawing:
    import plotly.graph_objects as go

    from codesign_gym.experiments.report.figures import axis, colour, figure, plain

    names = list(dict.fromkeys(agent for agent, _ in arms))
    traces = []
    for a, agent in enumerate(names):
        own = [i for i, (name, _) in enumerate(arms) if name == agent]
        traces.append(
            go.Box(
                y=iqm(needed[own], axis=1),
                name=agent,
                boxpoints="all",
                jitter=0.5,
                pointpos=0,
                marker={"color": colour(a)},
                text=[plain(str(arms[i][1] or "no options")) for i in own],
                hovertemplate="%{y:.0f}  %{text}<extra></extra>",
            )
        )
    return Drawing(
        case.problem,
        "Each point is a setting: the interquartile mean over the seeds.",
        figure(traces, yaxis=axis("evaluations", rangemode="tozero"), showlegend=False),
    )
