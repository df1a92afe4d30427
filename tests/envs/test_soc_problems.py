"""FARSI's problems: budgets, feasible shares, and that searching pays."""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.cost_models import SocModel
from codesign_gym.cost_models.workloads.ar_workloads import TASK_GRAPHS
from codesign_gym.envs import make_problem
from codesign_gym.envs.soc_problems import POWER_BUDGET, reference_soc
from codesign_gym.search import make_agent, search


@pytest.mark.parametrize("workload", TASK_GRAPHS)
def test_budgets_are_relative_to_the_reference(workload: str) -> None:
    problem = make_problem(f"soc-{workload}")
    reference = reference_soc(SocModel(workload))
    latency, power, area = problem.specs
    assert reference["latency_ms"] < latency.bound
    assert power.bound == pytest.approx(POWER_BUDGET * reference["power_mw"], rel=1e-3)
    assert reference["area_mm2"] < area.bound
    assert float(f"{SocModel(workload).graph.period_ms:.4g}") == latency.bound


@pytest.mark.parametrize(
    ("workload", "share"), [("audio-decoder", 0.092), ("cava", 0.037), ("edge-detection", 0.019)]
)
def test_share_of_feasible_random_designs(workload: str, share: float) -> None:
    problem = make_problem(f"soc-{workload}")
    feasible = problem.evaluate(problem.space.sample(20_000, 1)).feasible.mean()
    assert feasible == pytest.approx(share, abs=0.003)


@pytest.mark.parametrize(
    ("workload", "agent", "budget"),
    [
        *((workload, "nsga2", 1000) for workload in TASK_GRAPHS),
        ("cava", "regularized-evolution", 500),
    ],
)
def test_search_beats_random(workload: str, agent: str, budget: int) -> None:
    """The median of three seeds is above the best of as many random searches."""
    problem = make_problem(f"soc-{workload}")

    def best(name: str) -> list[float]:
        agents = (make_agent(name, problem, seed) for seed in range(3))
        return [search(problem, each, budget).best.reward for each in agents]

    assert np.median(best(agent)) > max(best("random"))


def test_explain_names_every_task() -> None:
    problem = make_problem("soc-cava")
    best = search(problem, make_agent("nsga2", problem), 500).history
    row = best.designs[[int(np.argmax(problem.reward(best)))]]
    rows = problem.models[0].explain(row)
    assert {r["task"] for r in rows} == set(SocModel("cava").graph.names)
    assert all(0 <= float(r["start_ms"]) <= float(r["end_ms"]) for r in rows)
