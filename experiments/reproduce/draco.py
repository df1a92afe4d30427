"""DRACO's claim: grouped in place of depthwise convolutions fill a systolic array.

Jha et al., "DRACO: Co-Optimizing Hardware Utilization, and Performance of DNNs on Systolic
Accelerator", ISVLSI 2020 (arXiv 2006.15103): on a 64x64 array, 41.8 % more PE utilisation (average
over layers) and 42.6 % less latency for MobileNetV1 than row stationary dataflow, with negligible
loss of accuracy. All contenders here have as many processing elements, at 1 GHz.

Whether a row stationary array works on several groups of a convolution at once decides the
comparison, and the abstract does not say: both are shown, groups one after another (as the systolic
array must) and side by side (as the dataflow allows).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from codesign_gym.cost_models import MobileNetModel
from codesign_gym.cost_models.workers import each
from codesign_gym.cost_models.workloads import from_space
from codesign_gym.cost_models.workloads.networks import network
from codesign_gym.envs import DesignProblem
from codesign_gym.envs.draco import (
    MACS_RATIO,
    PARAMS_RATIO,
    data_reuse_choice,
    draco_mobilenet,
)
from codesign_gym.envs.rewards import WeightedProduct
from codesign_gym.experiments.reproduce.draco_accuracy import Accuracy, accuracy_of_groups
from codesign_gym.experiments.reproduce.draco_arrays import (
    Contender,
    on_row_stationary,
    on_systolic,
)
from codesign_gym.experiments.reproduce.finding import Claim, Finding, Row, Settings
from codesign_gym.search import make_agent, search
from codesign_gym.search.pareto import ranking
from codesign_gym.search_spaces import Designs, InputError
from codesign_gym.search_spaces.errors import unknown_name

SOURCE = "DRACO, Jha et al., ISVLSI 2020, arXiv 2006.15103"
UTILIZATION_PCT, LATENCY_PCT = 41.8, 42.6
"""Published: PE utilisation up, latency down, against row stationary."""

LIMITS = f"{MACS_RATIO:g}x MACs, {PARAMS_RATIO:g}x params"
AGENTS = ("regularized-evolution", "random")
GOALS = ("utilization_pct", "latency_ms")
SUMS = (*GOALS, "macs_ratio", "params_ratio")
"""Metrics that are sums over layers: one layer's choice does not change another's share."""


def optimum(problem: DesignProblem, metric: str) -> Designs:
    """The design ``[1, p]`` that is best in one metric within the specs, proven.

    Utilisation, latency, work and size are sums over layers, so that the choice is an integer
    linear program.

    Args:
        problem: ``draco-mobilenet``, with its specs.
        metric: One of `SUMS`, as must be those of the specs.

    Raises:
        InputError: A metric is no sum over layers, or no design keeps the specs.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    for name in (metric, *(spec.metric for spec in problem.specs)):
        if name not in SUMS:
            raise unknown_name("metric that is a sum over layers", name, SUMS)
    sizes = [len(parameter) for parameter in problem.space.parameters]
    # What each choice adds to each metric, all other layers being depthwise.
    single = np.zeros((sum(sizes), len(sizes)), dtype=np.int32)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    single[np.arange(len(owner)), owner] = np.concatenate([np.arange(size) for size in sizes])
    found, start = problem.evaluate(single).metrics, problem.evaluate(single[:1]).metrics
    added = {name: found[name] - start[name][0] for name in found}
    one_each = (owner == np.arange(len(sizes))[:, None]).astype(float)
    senses = [1.0 if spec.sense == "<=" else -1.0 for spec in problem.specs]
    specs = list(zip(senses, problem.specs, strict=True))
    bounds = [sense * (spec.bound - start[spec.metric][0]) for sense, spec in specs]
    matrix = np.vstack([one_each, *(sense * added[spec.metric] for sense, spec in specs)])
    upper = np.concatenate([np.ones(len(sizes)), bounds])
    lower = np.concatenate([np.ones(len(sizes)), np.full(len(bounds), -np.inf)])
    sign = next(m.sign for m in problem.metrics if m.name == metric)
    solved = milp(
        sign * added[metric],
        constraints=LinearConstraint(matrix, lower, upper),
        integrality=np.ones(len(owner)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0.0},
    )
    if solved.x is None:
        kept = ", ".join(map(str, problem.specs))
        raise InputError(f"no design of problem {problem.name!r} keeps {kept}")
    design: Designs = single[solved.x > 0.5].sum(axis=0, keepdims=True).astype(np.int32)
    return design


def _single_goal(problem: DesignProblem, metric: str) -> DesignProblem:
    [objective] = (m for m in problem.metrics if m.name == metric)
    reward = WeightedProduct({metric: -objective.sign}, {metric: 1.0})
    return replace(problem, objective_names=(metric,), reward=reward)


def _search(goal: str, agent: str, seed: int, budget: int) -> Designs:
    """The best design ``[p]`` of a search for one goal, or, if that is empty, by the reward."""
    problem = draco_mobilenet()
    if goal:
        problem = _single_goal(problem, goal)
    result = search(problem, make_agent(agent, problem, seed), budget)
    best: Designs = result.history.designs[ranking(result.history, result.rewards)[0]]
    return best


def _searches(settings: Settings) -> dict[tuple[str, str], Designs]:
    """(goal, agent) -> the best design of each seed ``[s, p]``."""
    arms = [("", AGENTS[0]), *((goal, agent) for goal in GOALS for agent in AGENTS)]
    tasks = [(*arm, seed, settings.budget) for arm in arms for seed in range(settings.seeds)]
    found: dict[int, Designs] = {}
    for i, design in each(_search, tasks, settings.jobs):
        found[i] = design
        settings.progress(len(found), len(tasks))
    return {
        arm: np.stack([found[k * settings.seeds + seed] for seed in range(settings.seeds)])
        for k, arm in enumerate(arms)
    }


def _search_rows(problem: DesignProblem, searches: Mapping[tuple[str, str], Designs]) -> list[Row]:
    rows: list[Row] = []
    ours = problem.evaluate(data_reuse_choice(problem)).metrics
    for goal in GOALS:
        best = float(problem.evaluate(optimum(problem, goal)).metrics[goal][0])
        rows.append({"goal": goal, "by": "proven optimum", "median": best, "worst": best,
                     "off %": 0.0})  # fmt: skip
        found = {"DRACO's rule (no search)": ours[goal]}
        for agent in AGENTS:
            found[agent] = problem.evaluate(searches[goal, agent]).metrics[goal]
        for name, values in found.items():
            median = float(np.median(values))
            worst = float(values.min() if goal == "utilization_pct" else values.max())
            rows.append({"goal": goal, "by": name, "median": median, "worst": worst,
                         "off %": 100 * abs(median / best - 1)})  # fmt: skip
    return rows


def contenders(problem: DesignProblem, found: Designs) -> dict[str, Contender]:
    """The networks on arrays that are compared, by a short name.

    Args:
        problem: ``draco-mobilenet``.
        found: The design ``[1, p]`` that a search found.
    """
    base = network("mobilenetv1")
    free, limited, best = (
        from_space(problem.space, design)[0]
        for design in (
            data_reuse_choice(problem.with_specs(())), data_reuse_choice(problem), found,
        )
    )  # fmt: skip
    return {
        "rs apart": on_row_stationary("depthwise, RS apart", base, False),
        "rs together": on_row_stationary("depthwise, RS together", base, True),
        "os": on_systolic("depthwise, OS", base, "os"),
        "ws": on_systolic("depthwise, WS", base, "ws"),
        "draco": on_systolic("rule, OS", free, "os"),
        "draco lim": on_systolic("rule within limits, OS", limited, "os"),
        "search": on_systolic("search within limits, OS", best, "os"),
        "draco ws": on_systolic("rule, WS", free, "ws"),
        "draco rs": on_row_stationary("rule, RS apart", free, False),
    }


def _per_layer(entries: dict[str, Contender]) -> list[Row]:
    shown = ("rs apart", "rs together", "os", "ws", "draco", "draco lim", "search")
    layers = entries["os"].layers
    rows: list[Row] = []
    for row, name in enumerate(layers.name):
        line: dict[str, object] = {"layer": name}
        for key in shown:
            line[key] = float(entries[key].utilization_pct[row])
        per_group = [
            int((e.layers.c // e.layers.groups)[row])
            for e in (entries["draco"], entries["draco lim"], entries["search"])
        ]
        line["g"] = "/".join(map(str, per_group)) if name.startswith("dw") else ""
        rows.append(line)
    return rows


def _change(new: float, old: float) -> float:
    return 100 * (new / old - 1)


def _claims(entries: dict[str, Contender], accuracy: Accuracy) -> list[Claim]:
    draco, same = entries["draco"], entries["os"]
    claims = []
    for key, how in (("rs apart", "groups apart"), ("rs together", "groups side by side")):
        base = entries[key]
        points = draco.average_pct - base.average_pct
        relative = _change(draco.average_pct, base.average_pct)
        claims.append(
            Claim(
                f"average PE utilisation above RS by as much, {how}",
                f"+{UTILIZATION_PCT} %",
                f"{points:+.1f} points, {relative:+.1f} %",
                max(points, relative) >= UTILIZATION_PCT,
            )
        )
        change = _change(draco.latency_ms, base.latency_ms)
        claims.append(
            Claim(
                f"latency below RS by as much, {how}",
                f"-{LATENCY_PCT} %",
                f"{change:+.1f} %",
                change <= -LATENCY_PCT,
            )
        )
    claims.append(
        Claim(
            "grouped convolutions fill the same systolic array",
            "not stated apart",
            f"{same.average_pct:.1f} to {draco.average_pct:.1f} %, latency "
            f"{_change(draco.latency_ms, same.latency_ms):+.1f} %",
            draco.average_pct > same.average_pct and draco.latency_ms < same.latency_ms,
        )
    )
    return [*claims, accuracy.claim()]


def _readings(entries: dict[str, Contender]) -> list[Row]:
    """Which reading of "41.8 % more utilisation" goes with 42.6 % less latency."""
    share = 1 - LATENCY_PCT / 100
    growth = share * (1 + UTILIZATION_PCT / 100)
    base = UTILIZATION_PCT * share / (1 - share)
    ratio = float(entries["draco"].layers.macs.sum() / entries["os"].layers.macs.sum())
    return [
        {
            "reading": f"relative: u -> {1 + UTILIZATION_PCT / 100:g} u",
            "MACs would be": f"x{growth:.2f}",
            "possible": "no: grouping adds MACs",
        },
        {
            "reading": f"points: u -> u + {UTILIZATION_PCT}",
            "MACs would be": f"x1 and more for u <= {base:.1f} %",
            "possible": f"yes; ours are x{ratio:.2f} without limits",
        },
    ]


def _limited_ms(entry: Contender) -> float:
    return float(entry.limited_cycles.sum() / 1e6)


def _summary(entries: dict[str, Contender], accuracy: Accuracy) -> str:
    rs, packed, same, draco = (
        entries[key] for key in ("rs apart", "rs together", "os", "draco")
    )  # fmt: skip
    return (
        "On one systolic array the idea holds: grouped convolutions raise the average PE "
        f"utilisation from {same.average_pct:.1f} to {draco.average_pct:.1f} % and cut latency "
        f"{same.latency_ms / draco.latency_ms:.1f} times, for "
        f"{draco.layers.macs.sum() / same.layers.macs.sum():.1f} times the multiply-accumulates. "
        f"Against row stationary (RS) it depends on how groups are mapped: one after another gives "
        f"{rs.average_pct:.1f} % and {rs.latency_ms:.3f} ms, side by side {packed.average_pct:.1f} "
        f"% and {packed.latency_ms:.3f} ms, beside {draco.latency_ms:.3f} ms. Were utilisation "
        "counted over the whole network, latency would be MACs / (PEs x utilisation), and only "
        "points, not a relative gain, fit the published pair of figures. "
        f"With 16 GB/s of DRAM the difference is small: {_limited_ms(rs):.2f} ms row stationary, "
        f"{_limited_ms(draco):.2f} ms with DRACO's groups. "
        f"{accuracy.sentence()}"
    )


def reproduce_draco(settings: Settings) -> Finding:
    """DRACO's comparison beside ours; see the module."""
    from codesign_gym.experiments.reproduce.draco_figures import drawings

    problem = draco_mobilenet()
    searches = _searches(settings)
    designs = searches["", AGENTS[0]]
    evaluation = problem.evaluate(designs)
    best = designs[[ranking(evaluation, problem.reward(evaluation))[0]]]
    entries = contenders(problem, best)
    accuracy = accuracy_of_groups()
    return Finding(
        title="DRACO: grouped convolutions on a systolic array",
        source=SOURCE,
        summary=_summary(entries, accuracy),
        claims=_claims(entries, accuracy),
        tables={
            f"MobileNetV1 on 64x64 PEs: depthwise, or grouped by DRACO's rule or by search, limits "
            f"{LIMITS}. RS row stationary, groups one after another (apart) or side by side "
            "(together); OS, WS output and weight stationary": [
                entry.row() for entry in entries.values()
            ],
            "PE utilisation of each layer in %, and g, the channels per group by DRACO's rule "
            "without and with limits and by search": _per_layer(entries),
            f"Best within {LIMITS}, output stationary": _search_rows(problem, searches),
            "What the published pair of figures implies, if both are of the whole "
            "network": _readings(entries),
            accuracy.caption: accuracy.rows,
        },
        drawings=drawings(entries, accuracy),
        settings={
            "seeds": settings.seeds,
            "budget": settings.budget,
            "array": MobileNetModel.source,
        },
    )
