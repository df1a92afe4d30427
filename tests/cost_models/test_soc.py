"""Phases of tasks that share resources: a slow reference, closed forms, bounds, an anomaly."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from codesign_gym.cost_models.simulators.soc import simulate
from codesign_gym.search_spaces import InputError

Case = tuple[NDArray[np.float64], NDArray[np.float64], list[list[int]]]


@st.composite
def cases(draw: st.DrawFn, dependent: bool = True) -> Case:
    """Up to seven tasks on up to four resources; whole numbers, so that ends coincide."""
    tasks, resources = draw(st.integers(1, 7)), draw(st.integers(1, 4))
    whole = st.integers(0, 6)
    demand = [[draw(whole) for _ in range(resources)] for _ in range(tasks)]
    capacity = [draw(st.integers(1, 5)) for _ in range(resources)]
    before = [
        [j for j in range(i) if dependent and draw(st.integers(0, 2)) == 0] for i in range(tasks)
    ]
    return np.array(demand, float), np.array(capacity, float), before


def flat(before: list[list[int]]) -> tuple[NDArray[np.int64], list[int]]:
    """Producers as bounds and a list."""
    return np.cumsum([0, *(len(own) for own in before)]), [j for own in before for j in own]


def slow_reference(case: Case) -> tuple[list[float], list[float]]:
    """Starts and ends in exact fractions, by the definition: shares, speeds, next end."""
    demand, capacity, before = case
    needs = [[Fraction(x) for x in row] for row in demand.tolist()]
    gives = [Fraction(x) for x in capacity.tolist()]
    todo: dict[int, Fraction] = {}
    begun: dict[int, Fraction] = {}
    ended: dict[int, Fraction] = {}
    now = Fraction(0)
    while len(ended) < len(needs):
        for i in range(len(needs)):
            if i not in begun and all(j in ended for j in before[i]):
                begun[i], todo[i] = now, Fraction(1)
        rest = {}
        for i, share in todo.items():
            times = [Fraction(0)]
            for r, need in enumerate(needs[i]):
                if need:
                    crowd = sum(1 for j in todo if needs[j][r])
                    times.append(need / (gives[r] / crowd))
            rest[i] = (share * max(times), max(times))
        step = min(left for left, _ in rest.values())
        now += step
        for i, (left, whole) in rest.items():
            if left == step:
                ended[i] = now
                del todo[i]
            else:
                todo[i] -= step / whole
    order = range(len(needs))
    return [float(begun[i]) for i in order], [float(ended[i]) for i in order]


@given(cases())
def test_agrees_with_the_slow_reference(case: Case) -> None:
    demand, capacity, before = case
    found = simulate(demand, capacity, *flat(before))
    start, end = slow_reference(case)
    np.testing.assert_allclose(found.start, start, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.end, end, rtol=1e-9, atol=1e-9)


def alone(demand: NDArray[np.float64], capacity: NDArray[np.float64]) -> NDArray[np.float64]:
    """How long each task takes with the whole chip to itself."""
    times: NDArray[np.float64] = (demand / capacity).max(axis=1)
    return times


@given(cases())
def test_makespan_lies_between_its_bounds(case: Case) -> None:
    demand, capacity, before = case
    found = simulate(demand, capacity, *flat(before))
    times = alone(demand, capacity)
    path = np.zeros(len(times))
    for i, own in enumerate(before):
        path[i] = times[i] + max((path[j] for j in own), default=0.0)
    assert found.makespan >= path.max() - 1e-9
    assert found.makespan >= (demand.sum(axis=0) / capacity).max() - 1e-9
    assert found.makespan <= times.sum() + 1e-9
    assert np.all(found.end - found.start >= times - 1e-9)


@given(cases())
def test_a_resource_is_never_overdrawn_and_all_work_is_done(case: Case) -> None:
    """Integrates speeds anew between all starts and ends."""
    demand, capacity, before = case
    found = simulate(demand, capacity, *flat(before))
    moments = np.unique(np.concatenate([found.start, found.end]))
    done = np.zeros(len(demand))
    for low, high in pairwise(moments):
        middle = (low + high) / 2
        running = (found.start < middle) & (middle < found.end)
        crowd = (running[:, None] & (demand > 0)).sum(axis=0)
        pace = 1 / (demand[running] * crowd / capacity).max(axis=1)
        assert np.all(pace @ demand[running] <= capacity * (1 + 1e-9))
        done[running] += pace * (high - low)
    worked = demand.any(axis=1)
    np.testing.assert_allclose(done[worked], 1, rtol=1e-9)
    np.testing.assert_allclose(found.bound.sum(axis=1), found.end - found.start, atol=1e-9)
    for i, own in enumerate(before):
        assert all(found.start[i] >= found.end[j] for j in own)


@given(cases(dependent=False), st.data())
def test_capacity_never_slows_independent_tasks(case: Case, data: st.DataObject) -> None:
    demand, capacity, before = case
    more = capacity + [data.draw(st.integers(0, 4)) for _ in capacity]
    slow, fast = (simulate(demand, c, *flat(before)).end for c in (capacity, more))
    assert np.all(fast <= slow + 1e-9)


@given(cases(), st.integers(2, 5))
def test_a_chip_twice_as_fast_takes_half_the_time(case: Case, factor: int) -> None:
    demand, capacity, before = case
    slow, fast = (simulate(demand, c, *flat(before)).end for c in (capacity, factor * capacity))
    np.testing.assert_allclose(factor * fast, slow, rtol=1e-9)


def test_a_faster_bus_can_slow_dependent_tasks() -> None:
    """The anomaly: `b` gets ready sooner and takes half the core from `c`, the start of a tail."""
    # Resources: a bus, a core, another core. a -> b, and c -> d with d long.
    demand = np.array([[4, 0, 0], [0, 2, 0], [0, 4, 0], [0, 0, 10]], float)
    starts, producers = [0, 0, 1, 1, 2], [0, 2]
    late, soon = (simulate(demand, [bus, 1, 1], starts, producers) for bus in (1, 2))
    assert late.makespan == 14
    assert soon.makespan == 16
    assert soon.makespan <= alone(demand, np.array([2.0, 1, 1])).sum()


def test_one_task_is_the_closed_form() -> None:
    found = simulate([[6e6, 1e6, 3e6]], [2e6, 1e6, 4e6], [0, 0], [])
    assert found.makespan == 3
    assert found.bound.tolist() == [[3, 0, 0]]


def test_two_tasks_on_one_bus_take_twice_as_long() -> None:
    both = [[1, 0, 8], [0, 1, 8]]
    assert simulate(both[:1], [1, 1, 2], [0, 0], []).makespan == 4
    found = simulate(both, [1, 1, 2], [0, 0, 0], [])
    assert found.end.tolist() == [8, 8]
    assert found.bound[:, 2].tolist() == [8, 8]


def test_a_core_bound_task_does_not_notice_a_bus_that_it_hardly_needs() -> None:
    found = simulate([[9, 0, 1], [0, 1, 8]], [1, 1, 2], [0, 0, 0], [])
    assert found.end.tolist() == [9, 8]


@pytest.mark.parametrize(
    ("demand", "capacity", "starts", "producers", "message"),
    [
        ([1.0], [1.0], [0, 0], [], r"demand must be \[t, r\]"),
        ([[1.0]], [1.0, 2.0], [0, 0], [], "capacity"),
        ([[-1.0]], [1.0], [0, 0], [], "at least 0"),
        ([[1.0]], [0.0], [0, 0], [], "above 0"),
        ([[1.0]], [1.0], [0], [], "one for each of 1 tasks"),
        ([[1.0], [1.0]], [1.0], [0, 1, 0], [], "must not fall"),
        ([[1.0], [1.0]], [1.0], [0, 1, 1], [0], "earlier tasks only"),
        ([[1.0], [1.0]], [1.0], [0, 0, 1], [1], "earlier tasks only"),
    ],
)
def test_faulty_input(
    demand: list[list[float]], capacity: list[float], starts: list[int], producers: list[int],
    message: str,
) -> None:  # fmt: skip
    with pytest.raises(InputError, match=message):
        simulate(demand, capacity, starts, producers)
