"""A whole search: an agent spends a budget on a problem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import BudgetExhausted, DesignProblem, Evaluation, Evaluator
from codesign_gym.search.agent import Agent
from codesign_gym.search.pareto import nondominated, ranking
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.parameters import Choice


class Best(NamedTuple):
    """The best design of a search.

    Attributes:
        design: Its values by parameter.
        metrics: Its metrics by name.
        reward: Its reward.
        feasible: Whether it keeps every spec.
    """

    design: dict[str, Choice]
    metrics: dict[str, float]
    reward: float
    feasible: bool


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search found.

    Attributes:
        problem: The problem.
        history: Every full evaluation, in order.
    """

    problem: DesignProblem
    history: Evaluation

    @cached_property
    def rewards(self) -> NDArray[np.float64]:
        """The problem's reward of every evaluation, ``[n]``."""
        return self.problem.reward(self.history)

    @cached_property
    def best(self) -> Best:
        """The feasible design with the highest reward; of all designs, if none is feasible."""
        row = ranking(self.history, self.rewards)[0]
        return Best(
            self.problem.space.decode(self.history.designs[[row]])[0],
            {name: float(column[row]) for name, column in self.history.metrics.items()},
            float(self.rewards[row]),
            bool(self.history.feasible[row]),
        )

    @cached_property
    def pareto(self) -> Evaluation:
        """The feasible designs that no other dominates, by the first objective."""
        return self.history.take(nondominated(self.history))


def search(
    problem: DesignProblem,
    agent: Agent,
    budget: int = 1000,
    *,
    recorded: Evaluation | None = None,
    record: Callable[[Evaluation], None] = lambda evaluation: None,
    charge: Callable[[Fraction], None] = lambda cost: None,
) -> SearchResult:
    """Let ``agent`` spend ``budget`` evaluations on ``problem``.

    Args:
        problem: The problem.
        agent: A fresh agent, made for this problem.
        budget: Evaluations, at least 1; those of a cheaper fidelity count as what they cost, and
            less than one evaluation may be left over by an agent that makes them.
        recorded: Evaluations of an interrupted run of the same search, to continue from.
        record: Called with each new batch, before the agent learns of it.
        charge: Called with the cost of each batch of a cheaper fidelity, in full evaluations.

    Raises:
        InputError: The agent was made for another space, or does not spend the budget exactly.
    """
    if agent.space != problem.space:
        raise InputError(
            f"the agent was made for the space {agent.space.name!r}, "
            f"problem {problem.name!r} has {problem.space.name!r}"
        )
    for part in ("objectives", "specs"):
        its, wanted = getattr(agent.statement, part), getattr(problem, part)
        if its != wanted:
            raise InputError(
                f"the agent was made for other {part} than those of problem {problem.name!r}: "
                f"{', '.join(map(str, its))}"
            )
    evaluator = Evaluator(problem, budget, recorded, record, charge)
    name = type(agent).__name__
    try:
        agent.search(evaluator)
    except BudgetExhausted as error:
        raise InputError(f"agent {name} overspent its budget: {error}") from error
    history = evaluator.history
    if history is None or evaluator.remaining:
        raise InputError(f"agent {name} stopped with {evaluator.remaining} evaluations left")
    return SearchResult(problem, history)
