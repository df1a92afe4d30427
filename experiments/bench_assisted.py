"""What a search with a proxy finds for a tenth of the true evaluations of one without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from codesign_gym.envs import DesignProblem, make_problem
from codesign_gym.experiments.bench_rows import Row, row
from codesign_gym.search import make_agent, search

SEARCHED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "dram-cloud-1": ("dram-cloud-1", {}),
    "accelerator, resnet50": ("accelerator", {"model": "resnet50"}),
}
"""Title -> problem and its options."""

WITHOUT = "regularized-evolution"
"""The agent with all of the true evaluations."""

WITH = ("assisted", "nsga2", "auto")
"""Agents with a tenth: with a proxy, what is inside of it alone, and the package's own choice."""

CLOSE = 0.99


def assisted_rows(seeds: int = 10, budget: int = 2000) -> Iterator[Row]:
    """Best true reward of a tenth of the evaluations over that of all, by pairs of seeds.

    Every true evaluation counts: those that the proxy learns from, and those of what it proposes.
    There are no others, and the best is always one of them.

    Args:
        seeds: Searches of each agent.
        budget: True evaluations of the one without a proxy.
    """
    for title, (name, options) in SEARCHED.items():
        problem = make_problem(name, **options)
        reference = np.array([_best(problem, WITHOUT, budget, seed) for seed in range(seeds)])
        for agent in WITH:
            found = [_best(problem, agent, budget // 10, seed) for seed in range(seeds)]
            ratio = np.array(found) / reference
            label = f"{title}, {agent}, {budget // 10} over {WITHOUT}, {budget} evaluations"
            yield row(f"{label}, median", float(np.median(ratio)), "of the reward")
            yield row(f"{label}, worst of {seeds} seeds", float(ratio.min()), "of the reward")
            within = 100 * float((ratio >= CLOSE).mean())
            yield row(f"{label}, within 1 %", within, "% of the seeds")


def _best(problem: DesignProblem, agent: str, budget: int, seed: int) -> float:
    """The highest reward that is feasible; 0 where nothing is."""
    best = search(problem, make_agent(agent, problem, seed), budget).best
    return best.reward if best.feasible else 0.0
