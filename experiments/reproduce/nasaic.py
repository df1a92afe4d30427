"""NASAIC's comparison: networks and chip one after the other, by chance, or together.

Yang et al., DAC 2020 (arXiv 2002.04116), table I. Every approach may evaluate equally many designs:

    nas-then-asic     half for the most accurate networks, half for the fastest whole chip for them,
                      specs disregarded, as those were derived (`envs.nasaic`)
    nas-then-fitting  the same networks, then a chip by the agent that breaks the specs least: not
                      in the paper, it shows what the choice of chip is to blame for
    asic-then-hw-nas  half at random, of which the chip closest to the specs is kept; half for
                      networks on it, under the specs
    monte-carlo       designs at random
    co-exploration    networks and chip together
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from codesign_gym.envs import DesignProblem, Evaluation
from codesign_gym.envs.nasaic import fastest
from codesign_gym.envs.partial import completed, partial_problem
from codesign_gym.envs.rewards import HingePenalty, WeightedProduct
from codesign_gym.search.loop import SearchResult, search
from codesign_gym.search.pareto import ranking
from codesign_gym.search.registry import make_agent
from codesign_gym.search_spaces import Designs, InputError

HARDWARE = ("accelerator",)
WHOLE = ("accelerator.pes", "accelerator.noc_bandwidth")
"""What a chip that uses everything has the most of."""


class Found(NamedTuple):
    """What an approach came to.

    Attributes:
        design: The design it ends with, ``[1, p]``.
        explored: The designs it evaluated, in order, ``[budget, p]``.
    """

    design: Designs
    explored: Designs


Approach = Callable[[DesignProblem, str, int, int], Found]


def nas_then_asic(problem: DesignProblem, agent: str, budget: int, seed: int) -> Found:
    """Networks for accuracy first, then the fastest chip with all PEs and all bandwidth."""
    start, explored = _accurate_networks(problem, agent, budget // 2, seed)
    split = []
    for at, parameter in enumerate(problem.space.parameters):
        if parameter.label in WHOLE:
            start[:, at] = len(parameter) - 1
        elif parameter.group in HARDWARE:
            split.append(parameter.label)
    start = problem.space.canonical(start)
    speed = WeightedProduct({"latency_ms": -1.0}, {"latency_ms": 1.0})
    part = partial_problem(replace(problem, specs=(), reward=speed), split, start)
    history = _run(part, agent, budget - budget // 2, seed).history
    designs = completed(problem, split, start, history.designs)
    return Found(designs[[fastest(history.metrics)]], np.concatenate([explored, designs]))


def nas_then_fitting(problem: DesignProblem, agent: str, budget: int, seed: int) -> Found:
    """Networks for accuracy first, then a chip for them that breaks the specs least."""
    networks, explored = _accurate_networks(problem, agent, budget // 2, seed)
    result = _run(partial_problem(problem, HARDWARE, networks), agent, budget - budget // 2, seed)
    designs = completed(problem, HARDWARE, networks, result.history.designs)
    found = completed(problem, HARDWARE, networks, _best(result))
    return Found(found, np.concatenate([explored, designs]))


def asic_then_hw_nas(problem: DesignProblem, agent: str, budget: int, seed: int) -> Found:
    """A chip first, then networks that suit it."""
    history = _run(problem, "random", budget // 2, seed).history
    start = history.designs[[_closest(problem, history)]]
    networks = _networks(problem)
    part = partial_problem(problem, networks, start)
    result = _run(part, agent, budget - budget // 2, seed)
    designs = completed(problem, networks, start, result.history.designs)
    found = completed(problem, networks, start, _best(result))
    return Found(found, np.concatenate([history.designs, designs]))


def monte_carlo(problem: DesignProblem, agent: str, budget: int, seed: int) -> Found:
    """The best of as many random designs; the agent plays no part."""
    return co_exploration(problem, "random", budget, seed)


def co_exploration(problem: DesignProblem, agent: str, budget: int, seed: int) -> Found:
    """The best design that an agent finds when all may be chosen."""
    result = _run(problem, agent, budget, seed)
    return Found(_best(result), result.history.designs)


APPROACHES: dict[str, Approach] = {
    "nas-then-asic": nas_then_asic,
    "nas-then-fitting": nas_then_fitting,
    "asic-then-hw-nas": asic_then_hw_nas,
    "monte-carlo": monte_carlo,
    "co-exploration": co_exploration,
}
"""The approaches by name, that which the others are compared with first."""


def check_size(budget: int, seeds: int) -> None:
    """Raise `InputError` unless every approach can spend its budget and there is a seed."""
    if budget < 2:
        raise InputError(f"budget must be at least 2 evaluations, got {budget}")
    if seeds < 1:
        raise InputError(f"seeds must be at least 1, got {seeds}")


def measured(problem: DesignProblem, designs: Designs) -> Evaluation:
    """Designs measured in full: accuracies that a search was spared as well."""
    return problem.assess(designs, problem.with_specs(()).measure(designs))


def _accurate_networks(
    problem: DesignProblem, agent: str, budget: int, seed: int
) -> tuple[Designs, Designs]:
    """The most accurate networks found on some chip ``[1, p]``, and the designs gone through."""
    networks, start = _networks(problem), problem.space.sample(1, seed)
    result = _run(partial_problem(problem.with_specs(()), networks, start), agent, budget, seed)
    explored = completed(problem, networks, start, result.history.designs)
    return completed(problem, networks, start, _best(result)), explored


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
