"""The best schedule of a small instance, compiled: all orders, all assignments, pruned.

A state says how many layers of each chain have been started; a label of it, when each chain and
each sub-accelerator is free and what energy was spent. Labels that another one beats in all of that
are dropped, and so are those that cannot become better than the best schedule known. Letters and
tables are those of `scheduling_kernel`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codesign_gym.cost_models.analytical import scheduling_kernel
from codesign_gym.cost_models.analytical.scheduling_kernel import EPS, better, heuristic

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_LABELS, FEW_LABELS = 2_000_000, 5_000
"""Labels after which an instance counts as too large, and as too large to be worth the time."""


@njit(nogil=True)
def _grown(labels: FloatArray, steps: IntArray, size: int) -> tuple[FloatArray, IntArray]:
    """Twice the room for labels, and for how they came about."""
    more, more_steps = np.empty((2 * size, labels.shape[1])), np.empty((2 * size, 3), np.int64)
    more[:size], more_steps[:size] = labels[:size], steps[:size]
    return more, more_steps


@njit(nogil=True)
def _raise(
    label: FloatArray, digits: IntArray, sizes: IntArray, tails: FloatArray, k: int
) -> float:
    """Raise the times of a label to what is possible; a lower bound of its makespan.

    `tails[c, d]` is the least time that chain c takes after d layers.
    """
    m = len(digits)
    ready, free = np.inf, np.inf
    for c in range(m):
        if digits[c] < sizes[c]:
            ready = min(ready, label[c])
    for s in range(k):
        free = min(free, label[m + s])
    bound, work = 0.0, 0.0
    for c in range(m):
        if digits[c] < sizes[c]:
            label[c] = max(label[c], free)
            work += tails[c, digits[c]]
        bound = max(bound, label[c] + tails[c, digits[c]])
    if ready < np.inf:
        for s in range(k):
            label[m + s] = max(label[m + s], ready)
            work += label[m + s]
        bound = max(bound, work / k)
    for c in range(m):
        if digits[c] == sizes[c]:
            label[c] = bound
    return bound


@njit(nogil=True)
def _undominated(labels: FloatArray, start: int, stop: int, width: int, steps: IntArray) -> int:
    """Keep of the labels `start:stop` those that no other equals or beats; where they end."""
    sums = np.zeros(stop - start)
    for i in range(stop - start):
        for d in range(labels.shape[1]):
            sums[i] += labels[start + i, d]
    order = np.argsort(sums, kind="mergesort")
    old, old_steps = labels[start:stop].copy(), steps[start:stop].copy()
    end = start
    for i in order:
        beaten = False
        for j in range(start, end):
            beaten = True
            for d in range(width):
                if labels[j, d] > old[i, d]:
                    beaten = False
                    break
            if beaten:
                break
        if not beaten:
            labels[end], steps[end] = old[i], old_steps[i]
            end += 1
    return end


@njit(nogil=True)
def exact(
    latency: FloatArray, energy: FloatArray, starts: IntArray, first: int, last: int,
    limit: float, choice: IntArray, begin: FloatArray, most: int,
) -> tuple[float, float, bool]:  # fmt: skip
    """Write the best assignment and its start times; makespan, energy, whether it is proven.

    Where no schedule keeps the limit, the shortest one is meant, and of those that of least energy.
    """
    makespan, joules = heuristic(latency, energy, starts, first, last, limit, choice, begin)
    if makespan == np.inf:
        return makespan, joules, True
    proven = True
    if limit > 0:
        makespan, joules, proven = _labelled(
            latency, energy, starts, first, last, limit, choice, begin, makespan, joules, most
        )
    if proven and makespan > limit * (1 + EPS):
        makespan, joules, proven = _labelled(
            latency, energy, starts, first, last, 0.0, choice, begin, makespan, joules, most
        )
        if proven:
            makespan, joules, proven = _labelled(
                latency,
                energy,
                starts,
                first,
                last,
                makespan,
                choice,
                begin,
                makespan,
                joules,
                most,
            )
    return makespan, joules, proven


@njit(nogil=True)
def _labelled(
    latency: FloatArray, energy: FloatArray, starts: IntArray, first: int, last: int,
    limit: float, choice: IntArray, begin: FloatArray, makespan: float, joules: float,
    most: int,
) -> tuple[float, float, bool]:  # fmt: skip
    """Improve on a schedule of this makespan and energy, if that is possible."""
    m, k = last - first, latency.shape[1]
    sizes, radix = np.empty(m, np.int64), np.empty(m, np.int64)
    states = 1
    for c in range(m - 1, -1, -1):
        sizes[c], radix[c] = starts[first + c + 1] - starts[first + c], states
        states *= sizes[c] + 1
    tails, thrift = np.zeros((m, sizes.max() + 1)), np.zeros((m, sizes.max() + 1))
    for c in range(m):
        for d in range(sizes[c] - 1, -1, -1):
            i = starts[first + c] + d
            tails[c, d] = tails[c, d + 1] + latency[i].min()
            thrift[c, d] = thrift[c, d + 1] + energy[i].min()
    width = m + k + (1 if limit > 0 else 0)  # energy counts only where there is a limit to keep
    labels, steps = np.empty((4096, m + k + 1)), np.empty((4096, 3), np.int64)
    bounds = np.zeros(states + 1, np.int64)
    labels[0], bounds[1] = 0.0, 1
    digits, label = np.empty(m, np.int64), np.empty(m + k + 1)
    for state in range(1, states):
        for c in range(m):
            digits[c] = state // radix[c] % (sizes[c] + 1)
        end = bounds[state]
        left = 0.0
        for c in range(m):
            left += thrift[c, digits[c]]
        for c in range(m):
            if digits[c] == 0:
                continue
            before, i = state - radix[c], starts[first + c] + digits[c] - 1
            for source in range(bounds[before], bounds[before + 1]):
                for s in range(k):
                    if latency[i, s] == np.inf:
                        continue
                    label[:] = labels[source]
                    label[c] = max(label[c], label[m + s]) + latency[i, s]
                    label[m + s] = label[c]
                    label[m + k] += energy[i, s]
                    bound = _raise(label, digits, sizes, tails, k)
                    # No better than what is known, or than what is allowed: drop it.
                    if limit > 0:
                        hopeless = bound > limit * (1 + EPS) or (
                            makespan <= limit * (1 + EPS)
                            and label[m + k] + left >= joules * (1 - 1e-9)
                        )
                    else:
                        hopeless = bound >= makespan * (1 - 1e-9)
                    if hopeless:
                        continue
                    if end == len(labels):
                        if end > most:
                            return makespan, joules, False
                        labels, steps = _grown(labels, steps, end)
                    labels[end] = label
                    steps[end, 0], steps[end, 1], steps[end, 2] = source, c, s
                    end += 1
        bounds[state + 1] = _undominated(labels, bounds[state], end, width, steps)
    best = -1
    for source in range(bounds[states - 1], bounds[states]):
        ends, spent = labels[source, 0], labels[source, m + k]
        if better(ends, spent, makespan, joules, limit):
            best, makespan, joules = source, ends, spent
    if best >= 0:
        _replay(latency, starts, first, steps, best, choice, begin, sizes, k)
    return makespan, joules, True


@njit(nogil=True)
def _replay(
    latency: FloatArray, starts: IntArray, first: int, steps: IntArray, label: int,
    choice: IntArray, begin: FloatArray, sizes: IntArray, k: int,
) -> None:  # fmt: skip
    """Write the assignment and the start times that led to a label."""
    m, total = len(sizes), sizes.sum()
    trace = np.empty((total, 2), np.int64)
    for step in range(total - 1, -1, -1):
        trace[step, 0], trace[step, 1] = steps[label, 1], steps[label, 2]
        label = steps[label, 0]
    at, ready, free = np.zeros(m, np.int64), np.zeros(m), np.zeros(k)
    for step in range(total):
        c, s = trace[step]
        i = starts[first + c] + at[c]
        choice[i], begin[i] = s, max(ready[c], free[s])
        ready[c] = free[s] = begin[i] + latency[i, s]
        at[c] += 1


def _compile() -> Callable[..., int]:
    """The loop over instances, compiled again when the heuristic's text has changed as well."""
    kernel = hashlib.sha256(Path(scheduling_kernel.__file__).read_bytes()).hexdigest()

    @njit(cache=True, nogil=True)
    def fill_exact(
        latency: FloatArray, energy: FloatArray, starts: IntArray, chains: int, limits: FloatArray,
        choice: IntArray, begin: FloatArray, totals: FloatArray, most: int,
    ) -> int:  # fmt: skip
        """As `fill_schedules`; the first instance of more than `most` labels, or -1.

        Such instances get the heuristic's schedule.
        """
        len(kernel)
        failed = -1
        for n in range(len(totals)):
            totals[n, 0], totals[n, 1], proven = exact(
                latency,
                energy,
                starts,
                n * chains,
                (n + 1) * chains,
                limits[n],
                choice,
                begin,
                most,
            )
            if not proven and failed < 0:
                failed = n
        return failed

    compiled: Callable[..., int] = fill_exact
    return compiled


fill_exact = _compile()
