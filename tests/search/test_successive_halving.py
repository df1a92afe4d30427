"""Successive halving: who goes on, what it costs, and what the inner agent learns."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign_gym.envs import DesignProblem, Evaluation, Evaluator
from codesign_gym.experiments.testing import synthetic_problems
from codesign_gym.search import make_agent, search
from codesign_gym.search.agents import RandomAgent
from codesign_gym.search.constraints import merit
from codesign_gym.search_spaces import Designs, InputError

PROBLEM = synthetic_problems()["fidelities"]
FULL = 2  # place of the full evaluation after the two fidelities, of cost 1/10 and 3/10


class Watched(Evaluator):
    """Remembers every batch: its fidelity, and what was found."""

    def __init__(self, problem: DesignProblem, budget: int) -> None:
        super().__init__(problem, budget)
        self.batches: list[tuple[int, Evaluation]] = []

    def evaluate(self, designs: Any, fidelity: int | None = None) -> Evaluation:
        found = super().evaluate(designs, fidelity)
        self.batches.append((FULL if fidelity is None else fidelity, found))
        return found

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return [(level, len(found)) for level, found in self.batches]


class Listening(RandomAgent):
    """Counts what it is told."""

    told = 0

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        self.told += len(designs)


def watched(budget: int, **options: Any) -> Watched:
    evaluator = Watched(PROBLEM, budget)
    make_agent("successive-halving", PROBLEM, 0, **options).search(evaluator)
    return evaluator


def test_brackets_by_hand() -> None:
    """Nine, three and one; five and one; three: Hyperband's with eta 3 and three levels."""
    evaluator = watched(11)
    cheapest, middle, dearest = [(0, 9), (1, 3), (FULL, 1)], [(1, 5), (FULL, 1)], [(FULL, 3)]
    assert evaluator.sizes[:6] == [*cheapest, *middle, *dearest]
    # 2.8 + 2.5 + 3 of 11 are used: 2.7 are left, of which a bracket of eight takes 2.4.
    assert evaluator.sizes[6:] == [(0, 8), (1, 2), (FULL, 1)]
    assert (evaluator.used, evaluator.spent) == (6, Fraction("10.7"))


def test_only_the_cheapest_bracket() -> None:
    assert watched(6, brackets=1).sizes[:6] == [(0, 9), (1, 3), (FULL, 1)] * 2


def test_a_last_evaluation_is_full() -> None:
    assert watched(1).sizes == [(FULL, 1)]


def test_the_best_go_on() -> None:
    batches = watched(30).batches
    for (level, found), (above, chosen) in pairwise(batches):
        if above <= level:
            continue  # another bracket
        worth = merit(found, PROBLEM.reward(found))
        rows = [
            next(i for i, row in enumerate(found.designs) if np.array_equal(row, design))
            for design in chosen.designs
        ]
        out = np.delete(worth, rows)
        assert worth[rows].min() >= out.max()


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(2, 6), st.sampled_from([None, 1, 2]))
def test_the_budget_is_kept_and_used(budget: int, eta: int, brackets: int | None) -> None:
    evaluator = watched(budget, eta=eta, brackets=brackets)
    costs = [*PROBLEM.statement.fidelities, Fraction(1)]
    assert evaluator.spent == sum(costs[level] * n for level, n in evaluator.sizes)
    assert budget - 1 < evaluator.spent <= budget


@pytest.mark.parametrize("told", ["full", "all"])
def test_what_the_inner_agent_is_told(told: str) -> None:
    agent = make_agent("successive-halving", PROBLEM, 0, told=told)
    inner = Listening(PROBLEM.statement)
    agent._inner = inner  # type: ignore[attr-defined]
    evaluator = Watched(PROBLEM, 8)
    agent.search(evaluator)
    asked = {row.tobytes() for _, found in evaluator.batches for row in found.designs}
    assert inner.told == (evaluator.used if told == "full" else len(asked))


@pytest.mark.parametrize("done", range(1, 15, 3))
def test_continued_searches_equal_undisturbed_ones(done: int) -> None:
    options: dict[str, Any] = {"inner": "regularized-evolution", "told": "all"}
    whole = search(PROBLEM, make_agent("successive-halving", PROBLEM, 3, **options), 40).history
    recorded: list[Evaluation] = []
    again = search(
        PROBLEM,
        make_agent("successive-halving", PROBLEM, 3, **options),
        40,
        recorded=whole.take(slice(done)),
        record=recorded.append,
    ).history
    assert np.array_equal(again.designs, whole.designs)
    assert np.array_equal(again.metrics.values_matrix, whole.metrics.values_matrix)
    assert sum(map(len, recorded)) == len(whole) - done


def test_it_is_better_than_full_evaluations_alone_at_the_same_cost() -> None:
    def mean(agent: str) -> float:
        found = [search(PROBLEM, make_agent(agent, PROBLEM, s), 30).best.reward for s in range(20)]
        return float(np.mean(found))

    assert mean("successive-halving") > mean("random")


@pytest.mark.parametrize("inner", ["ppo", "alternating", "successive-halving"])
def test_inner_agents_that_cannot_be_asked(inner: str) -> None:
    with pytest.raises(InputError, match="option 'inner' of successive-halving must be an agent"):
        make_agent("successive-halving", PROBLEM, 0, inner=inner)


def test_it_cannot_be_asked_itself() -> None:
    agent = make_agent("successive-halving", PROBLEM)
    with pytest.raises(NotImplementedError, match="drives the evaluator itself"):
        agent.ask(1)
