"""Proxies of simulators, and whether data of several agents make better ones.

Krishnan et al., "ArchGym: An Open-Source Gymnasium for Machine Learning Assisted Architecture
Design" (ISCA 2023, arXiv 2306.08888, section 7), train forests on what agents have evaluated: the
proxy of a DRAM simulator has an RMSE of 0.61 % and takes a 2,000th of the time, and data that
several agents have gathered make better proxies than as many of a single one. Here data sets of
equal size are compared on designs drawn at random, which none of them has.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from codesign_gym.cost_models import learned
from codesign_gym.cost_models.learned import LearnedCostModel, train_on_designs
from codesign_gym.cost_models.learned.training import FEWEST_ROWS
from codesign_gym.cost_models.metrics import Metrics
from codesign_gym.envs import DesignProblem, make_problem
from codesign_gym.experiments.bench_rows import DRAMSYS_MS, cpu_seconds
from codesign_gym.experiments.console import slug
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.reproduce.finding import Claim, Drawing, Finding, Row, Settings
from codesign_gym.experiments.reproduce.pieces import code_of, piece
from codesign_gym.experiments.runner import inputs_of
from codesign_gym.experiments.scores import point_scores
from codesign_gym.search import make_agent, search
from codesign_gym.search_spaces import Designs, InputError

SOURCE = "ArchGym, Krishnan et al., ISCA 2023, arXiv 2306.08888"
PROBLEMS = ("dram-cloud-1", "archgym-accelerator-resnet50")
SEARCHING = ("nsga2", "regularized-evolution", "ppo")
AGENTS = (*SEARCHING, "random")
MIXED = "several agents"
FOREST = "random-forest"
"""What ArchGym trains."""

PUBLISHED_PCT = 0.61
PUBLISHED_SPEEDUP = 2000
CURVE = (100, 300, 1000, 3000, 10_000)
TESTED = 2000
PER_BUDGET = 20
"""Random designs that the largest proxy learns from, per evaluation of an agent."""

_BATCH = 1024


class _Truth(NamedTuple):
    """Designs with what they cost."""

    designs: Designs
    metrics: Metrics

    def take(self, rows: slice | Sequence[int]) -> _Truth:
        """Some of them."""
        part = np.arange(len(self.designs))[rows]
        return _Truth(self.designs[part], self.metrics.take(part))


def study(
    settings: Settings,
    problems: Sequence[str] = PROBLEMS,
    agents: Sequence[str] = AGENTS,
    tested: int = TESTED,
    model: str = "auto",
) -> Finding:
    """Errors by number of random designs, then by who gathered equally many, and the speed.

    Args:
        settings: ``budget`` evaluations of every agent, with each of ``seeds`` seeds.
        problems: What is simulated; the objectives are predicted.
        agents: Whose designs are learned from.
        tested: Random designs that errors are measured on.
        model: Method of the learning curve, as `train` takes it.
    """
    steps = len(problems) * (settings.seeds + 1)
    curves, mixes, speeds = list[Row](), list[Row](), list[Row]()
    for index, name in enumerate(problems):
        problem = make_problem(name)
        drawn = _drawn(problem, PER_BUDGET * settings.budget + tested)
        test = _valid(problem, drawn[:tested])
        made = _made(problem, settings.budget, tested)
        place = settings.directory / "pieces"
        found = piece(
            place / f"{slug(name)}-curve.json",
            made | {"model": model},
            partial(_curve, problem, drawn[tested:], test, model),
        )
        curves += found["curve"]
        speeds.append(found["speed"])
        for seed in range(settings.seeds):
            settings.progress(index * (settings.seeds + 1) + seed + 1, steps)
            mixes += piece(
                place / f"{slug(name)}-{seed}.json",
                made | {"agents": _agents(problem, agents), "seed": seed},
                partial(_mixes, problem, agents, test, settings.budget, seed),
            )
        settings.progress((index + 1) * (settings.seeds + 1), steps)
    claims = _claims(problems, curves, mixes, speeds)
    return Finding(
        title="Proxies of simulators, by how much data there are and who gathered them",
        source=SOURCE,
        summary=_summary(claims),
        claims=claims,
        tables={
            **_by_problem("by random designs trained on", problems, curves),
            **_by_problem(
                f"by who evaluated the training data ({FOREST}, equally many distinct designs)",
                problems,
                mixes,
            ),
            "CPU time per design, in batches: simulated, and all objectives predicted": speeds,
        },
        drawings=[_drawing(name, curves) for name in problems],
        settings={"seeds": settings.seeds, "budget": settings.budget, "problems": list(problems)},
    )


def _by_problem(
    what: str, problems: Sequence[str], rows: Sequence[Row]
) -> dict[str, Sequence[Row]]:
    """A table for each problem: they have objectives of their own."""
    return {
        f"{name}: RMSE in % of the mean on random designs, {what}": [
            row for row in rows if row["problem"] == name
        ]
        for name in problems
    }


def _made(problem: DesignProblem, budget: int, tested: int) -> dict[str, Any]:
    """What all pieces of a problem depend on."""
    return {
        "problem": problem.name,
        "space": problem.space.digest,
        "inputs": inputs_of(RunConfig(problem.name, "random"), problem),
        "budget": budget,
        "tested": tested,
        "code": code_of(learned, sys.modules[__name__]),
    }


def _agents(problem: DesignProblem, names: Sequence[str]) -> dict[str, Any]:
    """Agent -> what it is made of."""
    return {name: inputs_of(RunConfig(problem.name, name), problem)["code"] for name in names}


def _drawn(problem: DesignProblem, count: int) -> Designs:
    """So many distinct random designs in random order."""
    rows = np.unique(problem.space.sample(3 * count, 0), axis=0)
    return np.random.default_rng(0).permutation(rows)[:count]


def _valid(problem: DesignProblem, designs: Designs) -> _Truth:
    metrics = problem.measure(designs)
    rows = np.flatnonzero(metrics.valid & np.isfinite(metrics.values_matrix).all(axis=1))
    goals = np.stack([metrics[metric.name][rows] for metric in problem.objectives], axis=1)
    return _Truth(designs[rows], Metrics(problem.objectives, goals))


def _curve(problem: DesignProblem, drawn: Designs, test: _Truth, model: str) -> dict[str, Any]:
    """Errors of each objective by number of rows, and the speed of the proxy of most rows."""
    rest = _valid(problem, drawn)
    n = len(rest.designs)
    rows: list[Row] = []
    if n < FEWEST_ROWS:
        raise InputError(
            f"{problem.name} gave {n} valid designs, at least {FEWEST_ROWS} are needed"
        )
    for size in [*(size for size in CURVE if size < n), n]:
        part = rest.take(slice(size))
        proxy = train_on_designs(problem.space, part.designs, part.metrics, model)
        rows.append({"problem": problem.name, "rows": size} | _errors(problem, proxy, test))
    batch = np.resize(test.designs, (_BATCH, len(problem.space)))
    true, predicted = (
        1e6 * cpu_seconds(partial(call, batch), 3) / _BATCH
        for call in (problem.measure, proxy.compute)
    )
    speed = {
        "problem": problem.name,
        "simulated us": true,
        "predicted us": predicted,
        "times as fast": true / predicted,
    }
    return {"curve": rows, "speed": speed}


def _errors(problem: DesignProblem, proxy: LearnedCostModel, test: _Truth) -> dict[str, float]:
    found = proxy.compute(test.designs)
    return {
        metric.name: point_scores(test.metrics[metric.name], found[metric.name])["rmse_pct"]
        for metric in problem.objectives
    }


def _mixes(
    problem: DesignProblem, agents: Sequence[str], test: _Truth, budget: int, seed: int
) -> list[Row]:
    """Errors of forests that learn from each agent's designs, and from equal shares of all."""
    gathered = {}
    for agent in agents:
        history = search(problem, make_agent(agent, problem, seed), budget).history
        seen = np.unique(history.designs, axis=0)
        known = {row.tobytes() for row in test.designs}
        fresh = np.array([row.tobytes() not in known for row in seen], dtype=bool)
        own = np.random.default_rng(seed).permutation(seen[fresh])
        gathered[agent] = _valid(problem, own)
    size = min(len(data.designs) for data in gathered.values())
    if size < FEWEST_ROWS:
        few = min(gathered, key=lambda agent: len(gathered[agent].designs))
        raise InputError(
            f"{few} evaluated {size} distinct valid designs of {problem.name} with seed {seed}: at "
            f"least {FEWEST_ROWS} are needed, raise the budget of {budget}"
        )
    sets = {agent: data.designs[:size] for agent, data in gathered.items()}
    sets[MIXED] = _shares([data.designs for data in gathered.values()], size)
    rows: list[Row] = []
    for who, designs in sets.items():
        part = _valid(problem, designs)
        proxy = train_on_designs(problem.space, part.designs, part.metrics, FOREST, seed)
        row = {"problem": problem.name, "data of": who, "seed": seed, "rows": len(part.designs)}
        rows.append(row | _errors(problem, proxy, test))
    return rows


def _shares(sets: Sequence[Designs], size: int) -> Designs:
    """So many distinct designs, taken from each set by turns."""
    turns = [row for some in zip_longest(*sets) for row in some if row is not None]
    distinct = {row.tobytes(): row for row in turns}
    return np.array(list(distinct.values())[:size])


def _objectives(row: Row) -> list[float]:
    return [
        value for key, value in row.items() if key not in ("problem", "data of", "seed", "rows")
    ]


def _claims(
    problems: Sequence[str], curves: Sequence[Row], mixes: Sequence[Row], speeds: Sequence[Row]
) -> list[Claim]:
    claims = []
    for name in problems:
        own = [row for row in curves if row["problem"] == name]
        [speed] = [row for row in speeds if row["problem"] == name]
        dram = name.startswith("dram-")
        worst = max(_objectives(own[-1]))
        claims.append(
            Claim(
                f"{name}: a proxy's RMSE is at most {PUBLISHED_PCT} %",
                f"{PUBLISHED_PCT} %" + ("" if dram else " (of a DRAM simulator)"),
                f"{worst:.2f} % of the worst objective after {own[-1]['rows']:,} rows, "
                f"{max(_objectives(own[0])):.1f} % after {own[0]['rows']:,}",
                worst <= PUBLISHED_PCT,
            )
        )
        over = DRAMSYS_MS * 1e3 / speed["predicted us"]
        claims.append(
            Claim(
                f"{name}: it takes a {PUBLISHED_SPEEDUP:,}th of the time",
                f"{PUBLISHED_SPEEDUP:,} times as fast"
                + (" as DRAMSys" if dram else " (a DRAM simulator)"),
                f"{speed['times as fast']:.0f} times as fast as our own model"
                + (f", {over:,.0f} times as DRAMSys 4 ({DRAMSYS_MS} ms)" if dram else ""),
                over >= PUBLISHED_SPEEDUP if dram else None,
            )
        )
        claims += _diversity(name, [row for row in mixes if row["problem"] == name])
    return claims


def _diversity(name: str, rows: Sequence[Row]) -> list[Claim]:
    """Data of several agents against those of one that searches, and against chance."""
    errors: dict[str, float] = {}
    for who in dict.fromkeys(str(row["data of"]) for row in rows):
        each = np.array([_objectives(row) for row in rows if row["data of"] == who])
        errors[who] = float(np.exp(np.log(np.maximum(each, 1e-9)).mean()))
    mixed = errors.pop(MIXED)
    chance = errors.pop("random", None)
    listed = ", ".join(f"{who} {error:.2f} %" for who, error in errors.items())
    claims = [
        Claim(
            f"{name}: data of several agents beat as many of one that searches",
            "lower RMSE",
            f"several {mixed:.2f} % (geometric mean over objectives and seeds), {listed}",
            all(mixed < error for error in errors.values()),
        )
    ]
    if chance is not None:
        claims.append(
            Claim(
                f"{name}: data of several agents beat as many random designs",
                "not compared",
                f"several {mixed:.2f} %, random {chance:.2f} %",
                mixed < chance,
            )
        )
    return claims


def _summary(claims: Sequence[Claim]) -> str:
    held = sum(claim.holds is True for claim in claims)
    failed = "; ".join(claim.text for claim in claims if claim.holds is False)
    return (
        f"{held} of {len(claims)} statements hold. "
        + (f"Not: {failed}. " if failed else "")
        + "Errors are those of designs drawn at random, where a data set of good designs alone is "
        "weakest; all truths are this package's own models."
    )


def _drawing(name: str, curves: Sequence[Row]) -> Drawing:
    import plotly.graph_objects as go

    from codesign_gym.experiments.report.figures import axis, colour, dash, figure

    own = [row for row in curves if row["problem"] == name]
    metrics = [key for key in own[0] if key not in ("problem", "rows")]
    lines = [
        go.Scatter(
            x=[row["rows"] for row in own],
            y=[row[metric] for row in own],
            name=metric,
            mode="lines+markers",
            line={"color": colour(m), "dash": dash(m), "width": 2.5},
        )
        for m, metric in enumerate(metrics)
    ]
    return Drawing(
        f"Learning curve, {name}",
        f"RMSE in % of the mean on designs not seen; ArchGym's figure is {PUBLISHED_PCT} %.",
        figure(lines, xaxis=axis("designs trained on", log=True), yaxis=axis("RMSE, %", log=True)),
    )
