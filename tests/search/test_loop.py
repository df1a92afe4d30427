"""A search spends exactly its budget, records each batch, and continues from a record."""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.envs import Evaluation, Evaluator
from codesign_gym.envs.evaluation import concat
from codesign_gym.experiments.testing import synthetic_problem
from codesign_gym.search import Agent, make_agent, search
from codesign_gym.search.agents import RandomAgent
from codesign_gym.search_spaces import Designs, InputError

PROBLEM = synthetic_problem("ordinal")


def random_agent(seed: int = 0) -> Agent:
    return make_agent("random", PROBLEM, seed)


@pytest.mark.parametrize("budget", [1, 255, 256, 257])
def test_the_budget_is_spent_exactly(budget: int) -> None:
    assert len(search(PROBLEM, random_agent(), budget).history) == budget


@pytest.mark.parametrize("budget", [0, -3])
def test_a_budget_below_one_is_refused(budget: int) -> None:
    with pytest.raises(InputError, match=f"at least 1 evaluation, got {budget}"):
        search(PROBLEM, random_agent(), budget)


def test_an_agent_of_another_space_is_refused() -> None:
    other = make_agent("random", synthetic_problem("tiny"))
    with pytest.raises(InputError, match=r"made for the space 'tiny'.*has 'ord'"):
        search(PROBLEM, other, 10)


def test_result_by_its_definition() -> None:
    result = search(PROBLEM, random_agent(), 300)
    again = PROBLEM.evaluate(result.history.designs)
    rewards = PROBLEM.reward(again)
    assert np.array_equal(result.rewards, rewards)
    assert result.best.reward == rewards.max()
    row = PROBLEM.space.encode([result.best.design])
    assert np.array_equal(row[0], result.history.designs[rewards.argmax()])
    assert result.best.metrics["time_ms"] == again.metrics["time_ms"][rewards.argmax()]
    assert result.best.feasible
    assert result.pareto.feasible.all()
    assert 0 < len(result.pareto) < 300


def test_the_first_of_equals_is_the_best() -> None:
    tiny = synthetic_problem("tiny")
    result = search(tiny, make_agent("random", tiny), 50)
    first = int(np.flatnonzero(result.rewards == result.rewards.max())[0])
    assert tiny.space.encode([result.best.design]).tolist() == [
        result.history.designs[first].tolist()
    ]


class Watched(RandomAgent):
    """Random search in batches of 8 that writes down what it is told."""

    batch_size = 8
    events: list[tuple[str, int]]

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        self.events.append(("told", len(designs)))


def test_every_batch_is_recorded_before_the_agent_learns_of_it() -> None:
    agent = Watched(PROBLEM.statement)
    agent.events = []
    parts: list[Evaluation] = []

    def record(evaluation: Evaluation) -> None:
        agent.events.append(("recorded", len(evaluation)))
        parts.append(evaluation)

    result = search(PROBLEM, agent, 20, record=record)
    assert agent.events == [(event, n) for n in (8, 8, 4) for event in ("recorded", "told")]
    recorded = concat(parts)
    assert np.array_equal(recorded.designs, result.history.designs)
    assert np.array_equal(recorded.metrics.values_matrix, result.history.metrics.values_matrix)


@pytest.mark.parametrize("agent", ["random", "regularized-evolution", "nsga2", "optuna", "ppo"])
@pytest.mark.parametrize("done", [1, 50, 99])
def test_a_recorded_search_is_continued_without_evaluating_again(agent: str, done: int) -> None:
    whole = search(PROBLEM, make_agent(agent, PROBLEM, 3), 100)
    parts: list[Evaluation] = []
    again = search(
        PROBLEM,
        make_agent(agent, PROBLEM, 3),
        100,
        recorded=whole.history.take(slice(done)),
        record=parts.append,
    )
    assert np.array_equal(again.history.designs, whole.history.designs)
    assert np.array_equal(again.rewards, whole.rewards)
    assert np.array_equal(concat(parts).designs, whole.history.designs[done:])


def test_recorded_figures_are_believed() -> None:
    whole = search(PROBLEM, random_agent(), 60).history
    whole.metrics.values_matrix[:40] *= 1.5  # not what the cost model would say
    again = search(PROBLEM, random_agent(), 60, recorded=whole.take(slice(40))).history
    assert np.array_equal(again.metrics.values_matrix[:40], whole.metrics.values_matrix[:40])


def test_another_agent_cannot_continue_a_record() -> None:
    whole = search(PROBLEM, random_agent(seed=1), 60)
    with pytest.raises(InputError, match="cannot resume: from evaluation 0 on"):
        search(PROBLEM, random_agent(seed=2), 100, recorded=whole.history)


class StopsEarly(RandomAgent):
    def search(self, evaluator: Evaluator) -> None:
        evaluator.evaluate(self.ask(3))


class DoesNothing(RandomAgent):
    def search(self, evaluator: Evaluator) -> None:
        pass


class Overspends(RandomAgent):
    def ask(self, n: int) -> Designs:
        return super().ask(n + 1)


class AsksForNothing(RandomAgent):
    def ask(self, n: int) -> Designs:
        return super().ask(0)


@pytest.mark.parametrize(("kind", "left"), [(StopsEarly, 7), (DoesNothing, 10)])
def test_an_agent_that_stops_early_is_a_defect(kind: type[Agent], left: int) -> None:
    with pytest.raises(InputError, match=rf"agent {kind.__name__} stopped with {left} evaluations"):
        search(PROBLEM, kind(PROBLEM.statement), 10)


def test_an_agent_cannot_overspend() -> None:
    spent: list[Evaluation] = []
    with pytest.raises(InputError, match="agent Overspends overspent its budget: 11 evaluations"):
        search(PROBLEM, Overspends(PROBLEM.statement), 10, record=spent.append)
    assert spent == []


def test_an_agent_that_asks_for_nothing_does_not_hang() -> None:
    with pytest.raises(InputError, match="agent AsksForNothing proposed no designs"):
        search(PROBLEM, AsksForNothing(PROBLEM.statement), 10)


def test_an_agent_that_forgets_to_return_its_designs_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RandomAgent, "ask", lambda self, n: None)
    with pytest.raises(InputError, match="agent RandomAgent proposed no designs"):
        search(PROBLEM, RandomAgent(PROBLEM.statement), 10)
