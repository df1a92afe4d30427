"""Plain-data summaries of runs and of what is registered: for tables and for JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.families import FAMILIES, list_families
from codesign_gym.cost_models.registry import COST_MODELS, list_cost_models, make_cost_model
from codesign_gym.envs import Evaluation, list_problems, make_problem
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.reproduce.registry import REPRODUCTIONS
from codesign_gym.experiments.statistics import bootstrap_interval, iqm
from codesign_gym.experiments.truth import Truth
from codesign_gym.search import agent_class, list_agents
from codesign_gym.search.capabilities import CAPABILITIES
from codesign_gym.search_spaces import InputError, SearchSpace, list_spaces, make_space
from codesign_gym.search_spaces.errors import unknown_name

Row = dict[str, Any]


def design_rows(
    space: SearchSpace, evaluation: Evaluation, rewards: NDArray[np.float64]
) -> list[Row]:
    """Every design with all that is known of it."""
    decoded = space.decode(evaluation.designs)
    return [
        {
            "design": design,
            "choices": evaluation.designs[i].tolist(),
            "metrics": {name: float(column[i]) for name, column in evaluation.metrics.items()},
            "violations": evaluation.violations[i].tolist(),
            "feasible": bool(evaluation.feasible[i]),
            "invalid": evaluation.metrics.reason(i) or None,
            "reward": float(rewards[i]),
        }
        for i, design in enumerate(decoded)
    ]


def run_summary(record: RunRecord) -> Row:
    """A run in short."""
    rows = [record.best, *record.pareto.tolist()]
    best, *front = design_rows(
        record.space, record.evaluation.take(np.array(rows)), record.rewards[rows]
    )
    return {
        **record.config.to_dict(),
        "evaluations": len(record.evaluation),
        "finished": record.finished,
        "feasible_share": float(record.evaluation.feasible.mean()),
        "objectives": [metric.to_dict() for metric in record.objectives],
        "specs": [str(spec) for spec in record.specs],
        "best": best,
        "pareto": front,
        "command": record.command,
        **record.info,
    }


def floor(records: Sequence[RunRecord]) -> float:
    """What a run counts that found nothing feasible: as little as any feasible design of all runs.

    Minus infinity where no run found any.
    """
    lowest = [
        float(record.rewards[record.evaluation.feasible].min())
        for record in records
        if record.evaluation.feasible.any()
    ]
    return min(lowest, default=-np.inf)


def worth(record: RunRecord, least: float) -> float:
    """The highest reward of a feasible design, or ``least``, see `floor`.

    Where that is minus infinity, no run has a feasible design, and the best of the others counts.
    """
    value = max(record.reached, least)
    return value if np.isfinite(value) else float(record.rewards[record.best])


def compare_rows(
    records: Sequence[RunRecord], seed: int = 0, truth: Truth | None = None
) -> list[Row]:
    """One row per agent (and options), the best first: interquartile mean of the best rewards.

    A run without a feasible design counts as the worst feasible one of all; ``found`` says how many
    runs have one, where some have none.
    Where the problem's ``truth`` is known, also the regret (interquartile mean; 0 at the optimum, 1
    at the median feasible design) and the share of the true front's hypervolume.
    """
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(label(record.config), []).append(record)
    rows = []
    least = floor(records)
    some = any(np.isinf(record.reached) for record in records)
    for name, members in groups.items():
        final = np.array([worth(record, least) for record in members])
        found = sum(np.isfinite(record.reached) for record in members)
        low, high = bootstrap_interval(final[:, None], np.random.default_rng(seed))
        rows.append(
            {
                "agent": name,
                "seeds": len(members),
                "budget": members[0].config.budget,
                "IQM": float(iqm(final)),
                "low": float(low[0]),
                "high": float(high[0]),
                "feasible %": 100 * float(np.mean([r.evaluation.feasible.mean() for r in members])),
                "Pareto": float(np.mean([len(r.pareto) for r in members])),
            }
            | ({"found": f"{found} of {len(members)}"} if some else {})
            | (_against(truth, members, final) if truth else {})
        )
    return sorted(rows, key=lambda row: -row["IQM"])


def lottery_rows(records: Sequence[RunRecord]) -> list[Row]:
    """What the choice of an agent's options does: its worst, median and best setting.

    A setting counts by the interquartile mean of its runs' best rewards; a row per agent, the one
    with the best setting first.
    """
    finals: dict[str, dict[str, list[float]]] = {}
    least = floor(records)
    for record in records:
        settings = finals.setdefault(record.config.agent, {})
        settings.setdefault(label(record.config), []).append(worth(record, least))
    rows = []
    for agent, settings in finals.items():
        scores = {name: float(iqm(np.array(final))) for name, final in settings.items()}
        ordered = sorted(scores.values())
        rows.append(
            {
                "agent": agent,
                "settings": len(scores),
                "runs": sum(map(len, settings.values())),
                "worst": ordered[0],
                "median": float(np.median(ordered)),
                "best": ordered[-1],
                "best setting": max(scores, key=scores.__getitem__),
            }
        )
    return sorted(rows, key=lambda row: -row["best"])


def _against(truth: Truth, members: Sequence[RunRecord], final: NDArray[np.float64]) -> Row:
    shares = [truth.hypervolume_share(r.evaluation.objectives[r.pareto]) for r in members]
    return {"regret": float(iqm(truth.regret(final))), "front %": 100 * float(np.mean(shares))}


def label(config: RunConfig) -> str:
    """Agent with the options that were set."""
    options = ", ".join(f"{k}={v}" for k, v in config.options.items())
    return config.agent + (f" ({options})" if options else "")


def _first_line(item: object) -> str:
    return (item.__doc__ or "").strip().splitlines()[0] if item.__doc__ else ""


def _problem(name: str) -> Row:
    problem = make_problem(name)
    return {
        "name": name,
        "designs": problem.space.cardinality,
        "objectives": [f"{m.direction} {m.name}" for m in problem.objectives],
        "specs": [str(spec) for spec in problem.specs],
        "description": problem.description,
    }


def _agent(name: str) -> Row:
    kind = agent_class(name)
    options = kind.Options()
    needs = [CAPABILITIES[need].about if need in CAPABILITIES else need for need in kind.needs]
    return {"name": name, "options": [f"{k}={v}" for k, v in vars(options).items()],
            "needs": needs + [f"the extra {extra}" for extra in kind.packages.values()],
            "description": _first_line(kind)}  # fmt: skip


def _space(name: str) -> Row:
    space = make_space(name)
    return {
        "name": name,
        "designs": space.cardinality,
        "parameters": [
            f"{n}: {p.describe()}" for n, p in zip(space.names, space.parameters, strict=True)
        ],
    }


def _cost_model(name: str) -> Row:
    model = make_cost_model(name)
    return {
        "name": name,
        "metrics": [f"{m.direction} {m.name}" for m in model.metrics],
        "description": _first_line(COST_MODELS.get(name)),
    }


def _reproduction(name: str) -> Row:
    study = REPRODUCTIONS.get(name)
    size = f"{study.seeds} seeds x {study.budget:,} evaluations"
    return {"name": name, "size": size, "about": study.about, "source": study.source}


def _family(name: str) -> Row:
    about = _first_line(FAMILIES.get(name))
    return {"name": name, "description": about}


_KINDS: dict[str, tuple[Callable[[], list[str]], Callable[[str], Row]]] = {
    "agents": (list_agents, _agent),
    "cost-models": (list_cost_models, _cost_model),
    "families": (list_families, _family),
    "problems": (list_problems, _problem),
    "reproductions": (REPRODUCTIONS.names, _reproduction),
    "spaces": (list_spaces, _space),
}


def catalogue(kind: str) -> list[Row]:
    """Everything registered of a kind, a key of `_KINDS`."""
    if kind not in _KINDS:
        raise unknown_name("kind", kind, _KINDS)
    names, describe = _KINDS[kind]
    rows = []
    for name in names():
        try:
            rows.append(describe(name))
        except InputError as error:  # a package's own that fails is told of, beside the others
            rows.append({"name": name, "description": f"error: {error}"})
    return rows
