"""The phases of a chip at work, compiled. `soc` is the module to call, and says what they mean.

Letters: `t` tasks; `r` resources, in the order processing elements (two cores first), DRAM, SRAM,
system bus, local bus; `e` edges of the task graph.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

EPS = 1e-12
"""Relative difference below which two tasks end at once."""

_WAITING, _RUNNING, _DONE = range(3)


@njit(cache=True, nogil=True, error_model="numpy")
def run_phases(
    demand: FloatArray, capacity: FloatArray, starts: IntArray, producers: IntArray,
    start: FloatArray, end: FloatArray, bound: FloatArray,
) -> float:  # fmt: skip
    """The makespan of one design; writes when tasks start and end, and what they waited for.

    Args:
        demand: What each task needs of each resource, `[t, r]`.
        capacity: What each resource gives per unit of time, `[r]`.
        starts: Bounds of each task's producers, `[t + 1]`.
        producers: The tasks that must have ended, `[e]`.
        start: Start of each task, `[t]`.
        end: End of each task, `[t]`.
        bound: Time for which each resource held each task up, `[t, r]`.
    """
    tasks, resources = demand.shape
    state = np.zeros(tasks, np.int64)
    left, slow = np.ones(tasks), np.zeros(tasks)
    held, users = np.zeros(tasks, np.int64), np.zeros(resources)
    bound[:] = 0.0
    now, done = 0.0, 0
    while done < tasks:
        for i in range(tasks):
            if state[i] == _WAITING:
                ready = True
                for at in range(starts[i], starts[i + 1]):
                    ready = ready and state[producers[at]] == _DONE
                if ready:
                    state[i], start[i] = _RUNNING, now
                    for r in range(resources):
                        users[r] += demand[i, r] > 0
        step = np.inf
        for i in range(tasks):
            if state[i] == _RUNNING:
                slow[i] = 0.0
                for r in range(resources):
                    if demand[i, r] > 0:
                        needs = demand[i, r] * users[r] / capacity[r]
                        if needs > slow[i]:
                            slow[i], held[i] = needs, r
                step = min(step, left[i] * slow[i])
        now += step
        for i in range(tasks):
            if state[i] == _RUNNING:
                bound[i, held[i]] += step
                if left[i] * slow[i] <= step * (1 + EPS):
                    state[i], end[i] = _DONE, now
                    done += 1
                    for r in range(resources):
                        users[r] -= demand[i, r] > 0
                else:
                    left[i] -= step / slow[i]
    return now


@njit(cache=True, nogil=True)
def demand_of(
    operations: FloatArray, inputs: FloatArray, outputs: FloatArray, starts: IntArray,
    producers: IntArray, amounts: FloatArray, place: IntArray, lies: IntArray, split: bool,
    demand: FloatArray,
) -> None:  # fmt: skip
    """Write what each task of one design needs of each resource, `[t, r]`.

    Args:
        operations: Of each task, `[t]`.
        inputs: Bytes from outside, `[t]`.
        outputs: Bytes of each output buffer, `[t]`.
        starts: Bounds of each task's edges, `[t + 1]`.
        producers: Producer of each edge, `[e]`.
        amounts: Bytes of each edge, `[e]`.
        place: Processing element of each task, `[t]`.
        lies: Memory of each output buffer, 0 DRAM or 1 SRAM, `[t]`.
        split: Whether accelerators and SRAM have a bus of their own.
        demand: Where it goes.
    """
    demand[:] = 0.0
    memory = demand.shape[1] - 4
    for i in range(len(operations)):
        demand[i, place[i]] = operations[i]
        demand[i, memory] = inputs[i]
        demand[i, memory + lies[i]] += outputs[i]
        for at in range(starts[i], starts[i + 1]):
            demand[i, memory + lies[producers[at]]] += amounts[at]
        dram, sram = demand[i, memory], demand[i, memory + 1]
        if not split:
            demand[i, memory + 2] = dram + sram
        elif place[i] < 2:  # a core reaches the SRAM through the bridge
            demand[i, memory + 2], demand[i, memory + 3] = dram + sram, sram
        else:
            demand[i, memory + 2], demand[i, memory + 3] = dram, dram + sram


@njit(cache=True, nogil=True)
def fill_costs(
    operations: FloatArray, inputs: FloatArray, outputs: FloatArray, starts: IntArray,
    producers: IntArray, amounts: FloatArray, place: IntArray, lies: IntArray, split: BoolArray,
    capacity: FloatArray, energy: FloatArray, costs: FloatArray,
) -> None:  # fmt: skip
    """Write makespan and energy of designs, `[n, 2]`.

    Args:
        operations: As for `demand_of`.
        inputs: The same.
        outputs: The same.
        starts: The same.
        producers: The same.
        amounts: The same.
        place: Of each design, `[n, t]`.
        lies: Of each design, `[n, t]`.
        split: Of each design, `[n]`.
        capacity: What each resource gives per unit of time, `[n, r]`.
        energy: What one operation, or byte, takes on each resource, `[n, r]`.
        costs: Where it goes.
    """
    tasks, resources = len(operations), capacity.shape[1]
    demand, bound = np.empty((tasks, resources)), np.empty((tasks, resources))
    start, end = np.empty(tasks), np.empty(tasks)
    for n in range(len(costs)):
        demand_of(
            operations, inputs, outputs, starts, producers, amounts, place[n], lies[n], split[n],
            demand,
        )  # fmt: skip
        costs[n, 0] = run_phases(demand, capacity[n], starts, producers, start, end, bound)
        costs[n, 1] = 0.0
        for i in range(tasks):
            for r in range(resources):
                costs[n, 1] += demand[i, r] * energy[n, r]
