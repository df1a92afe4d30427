"""Phases of tasks that share a chip: FARSI's simulation (arXiv 2201.05232, section on simulation).

A task needs so much of each resource: operations of a processing element, bytes of memories and
buses. It works on all of them at once, in step, so that its speed is that of the resource that is
slowest for it; alone it takes ``max_r demand_r / capacity_r``. A resource that `u` running tasks
need gives each of them 1/u of what it can. What a task leaves of its share is not passed on.

Time goes in phases. In a phase no task starts or ends, so that all speeds stay the same; the task
that ends first ends the phase. A task starts as soon as all that it depends on has ended: there is
no queue, tasks on one processing element take turns. At most `t` phases, no time steps.

What follows, and is tested:

- All work is done: the sum over phases of speed times duration is 1 for every task.
- ``makespan >= longest path of tasks alone``, and ``>= sum of demands / capacity`` of a resource.
- ``makespan <= sum of all tasks alone``: of n running tasks each has at least 1/n of its speed.
- Tasks that do not depend on each other are never slower for more capacity: if at some moment no
  task has more left to do, the running ones are a subset, so that nobody's share is smaller, and
  this stays so.
- With dependences this fails. A task that ends sooner lets its successors start sooner, who then
  take shares of what a more urgent one needs (an anomaly like those of Graham 1969 for list
  scheduling). The bounds above hold all the same, and they only move down with more capacity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.search_spaces.errors import InputError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Timeline:
    """When the `t` tasks of one design ran, and why they took as long as they did.

    Attributes:
        start: Start of each task, ``[t]``.
        end: End of each task, ``[t]``.
        bound: Time for which each resource held each task up, ``[t, r]``.
    """

    start: FloatArray
    end: FloatArray
    bound: FloatArray

    @property
    def makespan(self) -> float:
        """When the last task ends."""
        return float(self.end.max())


def simulate(
    demand: ArrayLike, capacity: ArrayLike, starts: ArrayLike, producers: ArrayLike
) -> Timeline:
    """How tasks share resources.

    Args:
        demand: What each task needs of each resource, ``[t, r]``, at least 0.
        capacity: What each resource gives per unit of time, ``[r]``, above 0.
        starts: Bounds of each task's producers, ``[t + 1]``.
        producers: Earlier tasks that must have ended, ``[e]``.

    Example:
        Two tasks on processing elements of their own share a bus of which each could use all.

        >>> both = simulate([[1, 0, 2], [0, 1, 2]], [1, 1, 1], [0, 0, 0], [])
        >>> both.end.tolist()
        [4.0, 4.0]
    """
    from codesign_gym.cost_models.simulators.soc_kernel import run_phases

    needs = np.ascontiguousarray(demand, dtype=np.float64)
    gives = np.ascontiguousarray(capacity, dtype=np.float64)
    bounds, before = np.asarray(starts, dtype=np.int64), np.asarray(producers, dtype=np.int64)
    if needs.ndim != 2 or gives.shape != needs.shape[1:] or not len(needs):
        raise InputError(f"demand must be [t, r], capacity [r]; got {needs.shape}, {gives.shape}")
    if not (np.all((needs >= 0) & np.isfinite(needs)) and np.all(gives > 0)):
        raise InputError("demands must be finite and at least 0, capacities above 0")
    tasks = len(needs)
    if bounds.shape != (tasks + 1,) or bounds[0] or bounds[-1] != len(before):
        raise InputError(f"starts must rise from 0 to {len(before)}, one for each of {tasks} tasks")
    if np.any(np.diff(bounds) < 0) or np.any(before < 0):
        raise InputError("starts must not fall, and producers must be tasks")
    if np.any(before >= np.repeat(np.arange(tasks), np.diff(bounds))):
        raise InputError("a task may depend on earlier tasks only")
    found = Timeline(np.empty(tasks), np.empty(tasks), np.empty(needs.shape))
    run_phases(needs, gives, bounds, before, found.start, found.end, found.bound)
    return found
