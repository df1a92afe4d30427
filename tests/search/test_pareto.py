"""Fronts, ranks and crowding against their definitions in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from codesign_gym.cost_models import Metric, Metrics
from codesign_gym.envs import Evaluation, Spec
from codesign_gym.envs.evaluation import assess
from codesign_gym.experiments.testing import synthetic_problem
from codesign_gym.search.pareto import (
    best_so_far,
    constrained_ranks,
    crowding_distance,
    nondominated,
    ranking,
)

Row = tuple[float, ...]
Floats = NDArray[np.float64]
INF = math.inf


def dominates(a: Row, b: Row) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


def reference_ranks(objectives: list[Row], violation: list[float]) -> list[int]:
    """Peel off fronts: whoever no one left beats, by feasibility first."""

    def beats(i: int, j: int) -> bool:
        if violation[i] or violation[j]:
            return violation[i] < violation[j]
        return dominates(objectives[i], objectives[j])

    ranks = [-1] * len(objectives)
    left, front = set(range(len(objectives))), 0
    while left:
        best = {j for j in left if not any(beats(i, j) for i in left)}
        for j in best:
            ranks[j] = front
        left, front = left - best, front + 1
    return ranks


def reference_crowding(objectives: list[Row], ranks: list[int]) -> list[float]:
    """Front by front and objective by objective, spans over all designs' finite values."""
    distance = [0.0] * len(objectives)
    for j in range(len(objectives[0])):
        finite = [row[j] for row in objectives if math.isfinite(row[j])]
        span = (max(finite) - min(finite) if finite else 0.0) or 1.0
        for front in set(ranks):
            members = [i for i, rank in enumerate(ranks) if rank == front]
            members.sort(key=lambda i: objectives[i][j])
            distance[members[0]] = distance[members[-1]] = INF
            for low, i, high in zip(members, members[1:], members[2:], strict=False):
                gap = objectives[high][j] - objectives[low][j]
                distance[i] += gap / span if math.isfinite(gap) else 0.0
    return distance


coordinate = st.sampled_from([0.0, 1.0, 2.0, 3.0, 0.5, INF])
vectors = st.integers(1, 3).flatmap(
    lambda m: st.lists(st.tuples(*[coordinate] * m), min_size=1, max_size=14)
)


@settings(max_examples=300)
@given(st.data())
def test_constrained_ranks_are_the_peeled_fronts(data: st.DataObject) -> None:
    objectives = data.draw(vectors)
    n = len(objectives)
    violation = data.draw(
        st.lists(st.sampled_from([0.0, 0.0, 0.1, 2.0, INF]), min_size=n, max_size=n)
    )
    found = constrained_ranks(np.array(objectives), np.array(violation))
    assert found.tolist() == reference_ranks(objectives, violation)


@pytest.mark.parametrize("violation", [[0.0] * 3, [1.0] * 3, [INF] * 3, [3.0, 1.0, 2.0]])
def test_ranks_of_all_feasible_or_none(violation: list[float]) -> None:
    objectives: list[Row] = [(1.0, 2.0), (2.0, 1.0), (2.0, 2.0)]
    found = constrained_ranks(np.array(objectives), np.array(violation))
    assert found.tolist() == reference_ranks(objectives, violation)


@settings(max_examples=300)
@given(st.data())
def test_crowding_distance_is_that_of_the_definition(data: st.DataObject) -> None:
    m = data.draw(st.integers(1, 3))
    n = data.draw(st.integers(1, 12))
    # Different values in each column: where designs tie, the definition leaves the order open.
    columns = [data.draw(st.permutations([*map(float, range(n - 1)), INF])) for _ in range(m)]
    objectives: list[Row] = list(zip(*columns, strict=True))
    ranks = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    found = crowding_distance(np.array(objectives), np.array(ranks))
    np.testing.assert_allclose(found, reference_crowding(objectives, ranks))


@settings(max_examples=100)
@given(vectors)
def test_crowding_is_a_distance_whatever_comes(objectives: list[Row]) -> None:
    ranks = constrained_ranks(np.array(objectives), np.zeros(len(objectives)))
    found = crowding_distance(np.array(objectives), ranks)
    assert (found >= 0).all()
    for front in np.unique(ranks):
        assert np.isinf(found[ranks == front]).any()


def evaluation_of(
    designs: list[list[int]], objectives: list[Row], kept: list[bool], valid: list[bool]
) -> Evaluation:
    kinds = (Metric("a_ms", "ms", "min"), Metric("b_pct", "%", "max"), Metric("c", "1", "min"))
    values = np.array(
        [[a, -b, 0.5 if k else 2.0] for (a, b), k in zip(objectives, kept, strict=True)]
    )
    metrics = Metrics(kinds, values, {"broken": ~np.array(valid)})
    return assess(np.array(designs, dtype=np.int32), metrics, kinds[:2], [Spec("c", "<=", 1.0)])


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 1.0, 2.0]),
            st.sampled_from([-2.0, -1.0, 0.0]),
            st.booleans(),
            st.sampled_from([True, True, False]),
            st.integers(0, 1),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_nondominated_by_brute_force(rows: list[tuple[float, float, bool, bool, int]]) -> None:
    # A design is its figures here, with a spare bit: equal designs cost the same.
    designs = [[int(a), int(-b), int(kept), int(valid), spare] for a, b, kept, valid, spare in rows]
    found = nondominated(
        evaluation_of(
            designs, [row[:2] for row in rows], [row[2] for row in rows], [row[3] for row in rows]
        )
    )
    feasible = [i for i, row in enumerate(rows) if row[2] and row[3]]
    front = [i for i in feasible if not any(dominates(rows[j][:2], rows[i][:2]) for j in feasible)]
    once = {rows[i][:2]: i for i in reversed(front)}  # the first of equals
    assert sorted(found.tolist()) == sorted(once.values())
    firsts = [rows[i][0] for i in found]
    assert firsts == sorted(firsts)


def test_no_feasible_design_is_no_front() -> None:
    evaluation = evaluation_of([[0], [1]], [(1.0, 1.0), (2.0, 2.0)], [False, True], [True, False])
    assert nondominated(evaluation).tolist() == []


def test_best_so_far() -> None:
    assert best_so_far(np.array([1.0, -2.0, 3.0, 3.0, 0.0])).tolist() == [1, 1, 3, 3, 3]
    assert best_so_far(np.array([])).tolist() == []


def test_ranking_is_feasible_first_and_each_design_once() -> None:
    problem = synthetic_problem("ordinal")
    designs = problem.space.sample(50, 0)
    evaluation = problem.evaluate(np.concatenate([designs, designs[:5]]))
    rewards = np.arange(55.0)  # later is better, whatever the feasibility
    rows = ranking(evaluation, rewards)
    assert sorted(rows) == list(range(50))
    feasible = evaluation.feasible[rows]
    good = int(feasible.sum())
    assert 0 < good < 50
    assert feasible[:good].all()
    assert (np.diff(rows[:good]) < 0).all()
    assert (np.diff(rows[good:]) < 0).all()
