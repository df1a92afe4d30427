"""The evaluator: the budget, the cache, the record, and runs continued from it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from codesign_gym.envs import BudgetExhausted, Evaluation, Evaluator, Fidelity, Spec
from codesign_gym.envs.evaluation import concat
from codesign_gym.search_spaces import InputError
from tests.toy import Accuracy, Cost, toy_problem

SPACE = toy_problem().space
RUN = SPACE.sample(60, np.random.default_rng(0))  # of 64 designs: with repetitions


def split(designs: NDArray[np.int32], sizes: list[int]) -> list[NDArray[np.int32]]:
    """The designs in batches of these sizes, the rest last."""
    return np.split(designs, np.minimum(np.cumsum(sizes), len(designs)))


def assert_same(one: Evaluation, other: Evaluation) -> None:
    np.testing.assert_array_equal(one.designs, other.designs)
    np.testing.assert_array_equal(one.metrics.values_matrix, other.metrics.values_matrix)
    np.testing.assert_array_equal(one.objectives, other.objectives)
    np.testing.assert_array_equal(one.violations, other.violations)
    reasons = [[e.metrics.reason(i) for i in range(len(e))] for e in (one, other)]
    assert reasons[0] == reasons[1]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 20), max_size=6))
def test_same_answers_as_the_problem_in_any_batches(sizes: list[int]) -> None:
    evaluator = Evaluator(toy_problem(), budget=60)
    for batch in split(RUN, sizes):
        assert_same(evaluator.evaluate(batch), toy_problem().evaluate(batch))
    assert evaluator.history is not None
    assert_same(evaluator.history, toy_problem().evaluate(RUN))
    assert (evaluator.used, evaluator.remaining) == (60, 0)


@settings(max_examples=20)
@given(st.lists(st.integers(1, 20), max_size=6))
def test_each_distinct_design_is_computed_once(sizes: list[int]) -> None:
    cost, accuracy = Cost(), Accuracy()
    evaluator = Evaluator(toy_problem(cost, accuracy), budget=120)
    for batch in (*split(RUN, sizes), RUN):
        evaluator.evaluate(batch)
    distinct = {tuple(row) for row in RUN.tolist()}
    assert len(distinct) < len(RUN)
    assert len(cost.seen) == len(set(cost.seen)) == len(distinct)
    assert evaluator.used == 120  # repeated ones count


def test_budget_is_kept_and_nothing_evaluated_past_it() -> None:
    cost = Cost()
    recorded: list[Evaluation] = []
    evaluator = Evaluator(toy_problem(cost), budget=10, record=recorded.append)
    evaluator.evaluate(RUN[:8])
    computed = len(cost.seen)
    with pytest.raises(BudgetExhausted, match="3 evaluations asked for, 2 left"):
        evaluator.evaluate(RUN[8:11])
    assert (len(cost.seen), evaluator.used, len(recorded)) == (computed, 8, 1)
    evaluator.evaluate(RUN[8:10])
    assert evaluator.remaining == 0
    with pytest.raises(BudgetExhausted):
        evaluator.evaluate(RUN[:1])  # one that is known needs budget too
    assert evaluator.history is not None
    assert len(evaluator.history) == 10
    assert len(evaluator.evaluate(RUN[:0])) == 0


@pytest.mark.parametrize("budget", [0, -1])
def test_budget_of_nothing(budget: int) -> None:
    with pytest.raises(InputError, match=f"budget must be at least 1 evaluation, got {budget}"):
        Evaluator(toy_problem(), budget=budget)


def test_malformed_designs_cost_nothing() -> None:
    evaluator = Evaluator(toy_problem(), budget=10)
    with pytest.raises(InputError, match="must be a choice index"):
        evaluator.evaluate([[9, 9, 9]])
    assert (evaluator.used, evaluator.history) == (0, None)


def test_recorded_once_per_batch_before_the_search_learns_of_it() -> None:
    recorded: list[Evaluation] = []
    evaluator = Evaluator(toy_problem(), budget=60, record=recorded.append)
    for i, batch in enumerate(split(RUN, [5, 20, 1])):
        answer = evaluator.evaluate(batch)
        assert len(recorded) == i + 1
        assert_same(recorded[-1], answer)


def test_a_record_that_cannot_be_written_stops_the_search() -> None:
    def full(evaluation: Evaluation) -> None:
        raise OSError("no space left")

    evaluator = Evaluator(toy_problem(), budget=60, record=full)
    with pytest.raises(OSError, match="no space left"):
        evaluator.evaluate(RUN[:5])
    assert (evaluator.used, evaluator.history) == (0, None)


@settings(max_examples=30)
@given(
    st.lists(st.integers(1, 20), max_size=6),
    st.lists(st.integers(1, 20), max_size=6),
    st.integers(1, 59),
)
def test_continued_runs_equal_uninterrupted_ones(
    before: list[int], after: list[int], done: int
) -> None:
    """In whatever batches; what was recorded is neither computed nor recorded again."""
    first = Evaluator(toy_problem(), budget=60)
    stored = concat([first.evaluate(batch) for batch in split(RUN[:done], before)])
    cost = Cost()
    recorded: list[Evaluation] = []
    second = Evaluator(toy_problem(cost), budget=60, recorded=stored, record=recorded.append)
    for batch in split(RUN, after):
        second.evaluate(batch)
    assert second.history is not None
    assert_same(second.history, toy_problem().evaluate(RUN))
    known = {tuple(row) for row in RUN[:done].tolist()}
    new = {tuple(row) for row in RUN[done:].tolist()} - known
    assert len(cost.seen) == len(new)
    np.testing.assert_array_equal(concat(recorded).designs, RUN[done:])
    assert all(len(batch) for batch in recorded)


def test_continuing_with_other_designs_is_refused() -> None:
    stored = toy_problem().evaluate(RUN[:10])
    evaluator = Evaluator(toy_problem(), budget=60, recorded=stored)
    evaluator.evaluate(RUN[:4])
    other = RUN[4:12].copy()
    other[3, 0] = (other[3, 0] + 1) % 4
    with pytest.raises(InputError, match="cannot resume: from evaluation 4 on, the agent proposes"):
        evaluator.evaluate(other)
    assert evaluator.used == 4


def test_history_is_not_the_callers_array() -> None:
    evaluator = Evaluator(toy_problem(), budget=60)
    mine = RUN[:5].copy()
    evaluator.evaluate(mine)
    mine[:] = 0
    assert evaluator.history is not None
    np.testing.assert_array_equal(evaluator.history.designs, RUN[:5])


def test_history_grows_under_the_readers_eyes() -> None:
    evaluator = Evaluator(toy_problem(), budget=60)
    for i in range(10):
        evaluator.evaluate(RUN[i : i + 1])
        assert evaluator.history is not None
        np.testing.assert_array_equal(evaluator.history.designs, RUN[: i + 1])


def test_agents_see_the_statement_and_no_cost_model() -> None:
    evaluator = Evaluator(toy_problem(), budget=1)
    assert evaluator.statement.space == SPACE
    assert evaluator.statement.specs[1] == Spec("area_mm2", "<=", 4.0)
    assert not hasattr(evaluator.statement, "models")
    assert not [name for name in dir(evaluator) if "model" in name or name == "problem"]


# -- cheaper fidelities ------------------------------------------------------------------------


def staged(cost: Cost | None = None) -> Evaluator:
    """Ten evaluations of a problem with fidelities that cost a tenth and a third."""
    cheap = (cost or Cost(), Accuracy())
    fidelities = tuple(Fidelity(Fraction(1, n), cheap) for n in (10, 3))
    return Evaluator(toy_problem(fidelities=fidelities), budget=10)


def test_cheaper_evaluations_cost_their_share_exactly() -> None:
    evaluator = staged()
    for _ in range(10):
        evaluator.evaluate(RUN[:1], 0)
    assert (evaluator.spent, evaluator.remaining) == (Fraction(1), 9)
    evaluator.evaluate(RUN[:3], 1)
    evaluator.evaluate(RUN[:7])
    assert (evaluator.spent, evaluator.used, evaluator.left) == (Fraction(9), 7, Fraction(1))
    evaluator.evaluate(RUN[:1], 1)
    assert (evaluator.left, evaluator.remaining) == (Fraction(2, 3), 0)
    with pytest.raises(BudgetExhausted, match="7 evaluations of cost 1/10 asked for, 2/3 left"):
        evaluator.evaluate(RUN[:7], 0)
    evaluator.evaluate(RUN[:6], 0)
    assert evaluator.left == Fraction(1, 15)


def test_cheaper_evaluations_are_in_no_history_and_computed_once() -> None:
    cost = Cost()
    evaluator = staged(cost)
    found = evaluator.evaluate(RUN[:20], 0)
    assert_same(found, evaluator.evaluate(RUN[:20], 0))
    assert_same(found, toy_problem().evaluate(RUN[:20]))
    assert len(cost.seen) == len({tuple(row) for row in RUN[:20].tolist()})
    assert (evaluator.history, evaluator.used) == (None, 0)
    evaluator.evaluate(RUN[:2])
    assert evaluator.history is not None
    assert len(evaluator.history) == 2


@pytest.mark.parametrize("fidelity", [-1, 2])
def test_a_fidelity_that_is_not_there(fidelity: int) -> None:
    with pytest.raises(InputError, match=f"has 2 cheaper fidelities.*got {fidelity}"):
        staged().evaluate(RUN[:1], fidelity)


def test_charged_before_the_search_learns_of_it() -> None:
    charged: list[Fraction] = []
    problem = toy_problem(fidelities=(Fidelity(Fraction(1, 4), (Cost(), Accuracy())),))
    evaluator = Evaluator(problem, budget=10, charge=charged.append)
    evaluator.evaluate(RUN[:6], 0)
    evaluator.evaluate(RUN[:6])
    assert charged == [Fraction(3, 2)]
