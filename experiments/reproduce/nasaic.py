"""NASAIC's comparison: networks and chip one after the other, by chance, or together.

Yang et al., DAC 2020 (arXiv 2002.04116), table I. Every approach may evaluate equally many designs:

    nas-then-asic     half for the most accurate networks, specs disregarded; half for a chip
    asic-then-hw-nas  half at random, of which the chip closest to the specs is kept; half for
                      networks on it, under the specs
    monte-carlo       designs at random
    co-exploration    networks and chip together
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from codesign_gym.envs import DesignProblem, Evaluation
from codesign_gym.envs.partial import completed, partial_problem
from codesign_gym.envs.rewards import HingePenalty
from codesign_gym.search.loop import SearchResult, search
from codesign_gym.search.pareto import ranking
from codesign_gym.search.registry import make_agent
from codesign_gym.search_spaces import Designs, InputError

Row = dict[str, Any]
HARDWARE = ("accelerator",)


def nas_then_asic(problem: DesignProblem, agent: str, budget: int, seed: int) -> Designs:
    """The design ``[1, p]`` of choosing networks for accuracy first, then a chip for them."""
    networks = _networks(problem)
    start = problem.space.sample(1, seed)
    # Accuracy alone: no specs, and nothing in the reward but the accuracies.
    accuracy = problem.with_specs(())
    found = _best(_run(partial_problem(accuracy, networks, start), agent, budget // 2, seed))
    start = completed(problem, networks, start, found)
    part = partial_problem(problem, HARDWARE, start)
    found = _best(_run(part, agent, budget - budget // 2, seed))
    return completed(problem, HARDWARE, start, found)


def asic_then_hw_nas(problem: DesignProblem, agent: str, budget: int, seed: int) -> Designs:
    """The design ``[1, p]`` of choosing a chip first, then networks that suit it."""
    history = _run(problem, "random", budget // 2, seed).history
    start = history.designs[[_closest(problem, history)]]
    networks = _networks(problem)
    part = partial_problem(problem, networks, start)
    found = _best(_run(part, agent, budget - budget // 2, seed))
    return completed(problem, networks, start, found)


def monte_carlo(problem: DesignProblem, agent: str, budget: int, seed: int) -> Designs:
    """The best design ``[1, p]`` of as many random ones; the agent plays no part."""
    del agent
    return _best(_run(problem, "random", budget, seed))


def co_exploration(problem: DesignProblem, agent: str, budget: int, seed: int) -> Designs:
    """The best design ``[1, p]`` that an agent finds when all may be chosen."""
    return _best(_run(problem, agent, budget, seed))


APPROACHES: dict[str, Callable[[DesignProblem, str, int, int], Designs]] = {
    "nas-then-asic": nas_then_asic,
    "asic-then-hw-nas": asic_then_hw_nas,
    "monte-carlo": monte_carlo,
    "co-exploration": co_exploration,
}
"""The approaches by name, that which the others are compared with first."""


def compare(
    problem: DesignProblem,
    *,
    agent: str = "regularized-evolution",
    budget: int = 2000,
    seeds: Sequence[int] = range(5),
) -> list[Row]:
    """A row per approach: what its best designs come to, on average over the seeds.

    Columns: ``approach``; ``specs_met_pct``, seeds whose design keeps all specs; each metric's
    mean; ``<metric>_reduction_pct`` of chip metrics and ``<metric>_loss_pp`` of accuracies, both
    against NAS-then-ASIC; ``seeds`` and ``budget``.

    Args:
        problem: A problem of `envs.nasaic.nasaic_problem`.
        agent: Name of the agent of all guided searches.
        budget: Evaluations that each approach may spend per seed, at least 2.
        seeds: Seeds of the searches.
    """
    if budget < 2:
        raise InputError(f"budget must be at least 2 evaluations, got {budget}")
    if not len(seeds):
        raise InputError("seeds must name at least one seed, got none")
    return list(_rows(problem, agent, budget, seeds))


def _rows(problem: DesignProblem, agent: str, budget: int, seeds: Sequence[int]) -> Iterator[Row]:
    base: dict[str, float] = {}
    # Every final design is measured in full: an accuracy that a search was spared is known then.
    full = problem.with_specs(())
    for approach, find in APPROACHES.items():
        designs = np.concatenate([find(problem, agent, budget, int(seed)) for seed in seeds])
        metrics = full.evaluate(designs).metrics
        feasible = problem.assess(designs, metrics).feasible
        means = {metric.name: float(metrics[metric.name].mean()) for metric in problem.metrics}
        base = base or means
        row: Row = {"approach": approach, "specs_met_pct": 100 * float(feasible.mean()), **means}
        for metric in problem.metrics:
            now, before = means[metric.name], base[metric.name]
            if metric.direction == "max":
                row[f"{metric.name.removesuffix('_pct')}_loss_pp"] = before - now
            else:
                row[f"{metric.name}_reduction_pct"] = 100 * (1 - now / before)
        yield row | {"seeds": len(seeds), "budget": budget}


def _networks(problem: DesignProblem) -> tuple[str, ...]:
    return tuple(group for group in problem.space.groups if group not in HARDWARE)


def _run(problem: DesignProblem, agent: str, budget: int, seed: int) -> SearchResult:
    if isinstance(problem.reward, HingePenalty) and not problem.specs:
        problem = replace(problem, reward=replace(problem.reward, rho=0.0))
    return search(problem, make_agent(agent, problem, seed), budget)


def _best(result: SearchResult) -> Designs:
    """The best design ``[1, p]``, by feasibility and reward."""
    return result.history.designs[[ranking(result.history, result.rewards)[0]]]


def _closest(problem: DesignProblem, history: Evaluation) -> int:
    """The design closest to the corner of the specs, least violation first."""
    distance = np.zeros(len(history))
    for spec in problem.specs:
        distance += (history.metrics[spec.metric] / spec.bound - 1) ** 2
    distance = np.where(history.metrics.valid, distance, np.inf)
    return int(np.lexsort((distance, history.violation))[0])
