"""Which sub-accelerator runs which layer, and when (NASAIC, arXiv 2002.04116, section IV).

Several networks run at once on a chip of `k` sub-accelerators. The layers of one network, a chain,
run one after another; a sub-accelerator runs one layer at a time, to its end. Wanted is, under a
limit of the makespan, the schedule of least energy; where there is no such limit or no schedule
keeps it, the shortest one, of least energy among those. That is job-shop scheduling with a choice
of machines and NP-hard.

`heuristic` is NASAIC's: it starts with every layer where it takes least energy and, while the limit
is missed, moves the layer that costs least energy per time gained. To that are added a start with
every layer where it is fastest, steepest descent of the makespan, moves of two layers where one is
not enough (up to 32 layers), and a descent of the energy at the end. Orders are those of list
scheduling. `exact` goes through all orders and assignments and is for some 20 layers. Both are
deterministic and treat every instance by itself.

Energy of an idle sub-accelerator is not counted: its clock is off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.search_spaces.errors import InputError, unknown_name

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Method = Literal["auto", "heuristic", "exact"]

METHODS: tuple[Method, ...] = ("auto", "heuristic", "exact")
"""Ways to schedule."""


@dataclass(frozen=True, eq=False)
class Schedules:
    """Schedules of `n` instances, `z` layers altogether.

    Attributes:
        makespan: When the last layer ends, `[n]`; infinite where a layer can run nowhere.
        energy: Sum of the layers', `[n]`; infinite there as well.
        choice: Sub-accelerator of each layer, `[z]`, -1 there.
        start: When each layer starts, `[z]`, NaN there.
    """

    makespan: FloatArray
    energy: FloatArray
    choice: IntArray
    start: FloatArray


def schedule(
    latency: ArrayLike,
    energy: ArrayLike,
    starts: ArrayLike,
    *,
    chains: int = 1,
    limit: ArrayLike = 0.0,
    method: Method = "auto",
) -> Schedules:
    """The schedules of a batch of instances, the layers of all of them one after another.

    Args:
        latency: Of each layer on each sub-accelerator, `[z, k]`, at least 0; infinite where it
            cannot run.
        energy: The same for energy, at least 0.
        starts: Bounds of the chains, all those of the first instance first, `[n * chains + 1]`.
        chains: Chains of each instance; a chain may be empty.
        limit: What the makespan may be, `[n]` or one for all; 0 for the shortest.
        method: `"heuristic"`, `"exact"`, or `"auto"`: exact where that is quick, else heuristic.

    Raises:
        InputError: An instance is too large for `"exact"`.

    Example:
        Two chains of two layers. Alone, every layer takes least energy on the second accelerator.

        >>> latency, energy = [[1, 2], [1, 2], [2, 2], [2, 2]], [[5, 1], [5, 1], [3, 1], [3, 1]]
        >>> found = schedule(latency, energy, [0, 2, 4], chains=2, limit=6)
        >>> found.makespan.tolist(), found.energy.tolist(), found.choice.tolist()
        ([6.0], [6.0], [1, 1, 0, 1])
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    times, costs, bounds = _checked(latency, energy, starts, chains)
    instances = (len(bounds) - 1) // chains
    limits = np.empty(instances)
    limits[:] = limit
    if not np.all(limits >= 0):
        raise InputError(f"limit of the makespan must be at least 0; got {limits.min():g}")
    choice, start = np.zeros(len(times), dtype=np.int64), np.full(len(times), np.nan)
    totals = np.empty((instances, 2))
    arguments = (times, costs, bounds, chains, limits, choice, start, totals)
    if method != "heuristic":
        from codesign_gym.cost_models.analytical import scheduling_exact as kernel

        few = method == "auto"
        failed = kernel.fill_exact(*arguments, kernel.FEW_LABELS if few else kernel.MOST_LABELS)
        if failed >= 0 and not few:
            size = bounds[(failed + 1) * chains] - bounds[failed * chains]
            raise InputError(f"instance {failed} with {size} layers is too large for 'exact'")
    else:
        from codesign_gym.cost_models.analytical.scheduling_kernel import fill_schedules

        fill_schedules(*arguments)
    impossible = np.repeat(np.isinf(totals[:, 0]), np.diff(bounds[::chains]))
    choice[impossible], start[impossible] = -1, np.nan
    return Schedules(totals[:, 0], totals[:, 1], choice, start)


def _checked(
    latency: ArrayLike, energy: ArrayLike, starts: ArrayLike, chains: int
) -> tuple[FloatArray, FloatArray, IntArray]:
    """The tables as contiguous arrays, checked."""
    times = np.ascontiguousarray(latency, dtype=np.float64)
    costs = np.ascontiguousarray(energy, dtype=np.float64)
    bounds = np.ascontiguousarray(starts, dtype=np.int64)
    if times.ndim != 2 or times.shape[1] < 1 or times.shape != costs.shape:
        raise InputError(
            f"latency and energy must have one shape [z, k]; got {times.shape}, {costs.shape}"
        )
    if not (np.all(times >= 0) and np.all(costs[times < np.inf] >= 0)):
        raise InputError("latencies and energies must be at least 0")
    if chains < 1 or bounds.ndim != 1 or (len(bounds) - 1) % chains or len(bounds) < 1:
        raise InputError(f"starts must have shape [n * {chains} + 1]; got {bounds.shape}")
    if bounds[0] != 0 or bounds[-1] != len(times) or np.any(np.diff(bounds) < 0):
        raise InputError(f"starts must rise from 0 to {len(times)}, the number of layers")
    if np.any(np.diff(bounds[::chains]) < 1):
        raise InputError("every instance must have a layer")
    return times, np.where(np.isinf(times), np.inf, costs), bounds
