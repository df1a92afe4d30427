"""Schedules of chains of layers on sub-accelerators, compiled: list scheduling and local search.

An instance is a slice of tables: chain `j` in `first:last` has the layers `starts[j]:starts[j + 1]`
in this order, and `latency[i, s]`, `energy[i, s]` are what layer `i` takes on sub-accelerator `s`,
infinite where it cannot run. `choice[i]` says where it runs. `scheduling` is the module to call.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

EPS = 1e-12
"""Relative difference below which two makespans or energies count as equal."""

_PAIRED = 32
"""Layers of an instance up to which two layers are moved at a time where one is not enough."""


@njit(cache=True, nogil=True)
def list_schedule(
    latency: FloatArray, starts: IntArray, first: int, last: int, choice: IntArray,
    begin: FloatArray, room: FloatArray, at: IntArray,
) -> float:  # fmt: skip
    """The makespan of an assignment; `begin[i]` gets the time at which each layer starts.

    Giffler and Thompson's active schedule: of the layers that could run next, that which would end
    first names a sub-accelerator; of those that want it before that end, the layer goes whose
    chain has most work left.

    Args:
        latency: `[z, k]`.
        starts: Bounds of the chains, `[c + 1]`.
        first: First chain of the instance.
        last: The chain after its last.
        choice: Sub-accelerator of each layer, `[z]`.
        begin: Start times, `[z]`.
        room: To work in, `[3, max(chains, k)]`.
        at: To work in, `[chains]`.
    """
    for s in range(latency.shape[1]):
        room[0, s] = 0.0  # when the sub-accelerator is free
    for c in range(last - first):
        at[c], room[1, c], room[2, c] = starts[first + c], 0.0, 0.0  # ready, work left
        for i in range(starts[first + c], starts[first + c + 1]):
            room[2, c] += latency[i, choice[i]]
    for _ in range(starts[last] - starts[first]):
        chosen, end = -1, np.inf
        for c in range(last - first):
            if at[c] < starts[first + c + 1]:
                s = choice[at[c]]
                ends = max(room[1, c], room[0, s]) + latency[at[c], s]
                if chosen < 0 or ends < end:
                    chosen, end = c, ends
        where = choice[at[chosen]]
        for c in range(last - first):
            if at[c] < starts[first + c + 1] and choice[at[c]] == where:
                early = max(room[1, c], room[0, where]) < end
                if early and room[2, c] > room[2, chosen]:
                    chosen = c
        i = at[chosen]
        begin[i] = max(room[1, chosen], room[0, where])
        room[1, chosen] = room[0, where] = begin[i] + latency[i, where]
        room[2, chosen] -= latency[i, where]
        at[chosen] += 1
    makespan = 0.0
    for c in range(last - first):
        makespan = max(makespan, room[1, c])
    return makespan


@njit(cache=True, nogil=True)
def _hopeless(
    latency: FloatArray, loads: FloatArray, chain: IntArray, choice: IntArray,
    i: int, s: int, j: int, t: int, most: float,
) -> bool:  # fmt: skip
    """Whether moving layer i to s, and j to t unless j < 0, cannot bring the makespan to `most`.

    `loads` has the work of the sub-accelerators, then that of the chains.
    """
    k = latency.shape[1]
    for load in range(len(loads)):
        work = loads[load]
        for step in range(2 if j >= 0 else 1):
            layer, to = (i, s) if step == 0 else (j, t)
            now = choice[layer]
            if load == to or load == k + chain[layer]:
                work += latency[layer, to]
            if load == now or load == k + chain[layer]:
                work -= latency[layer, now]
        if work > most * (1 + EPS):
            return True
    return False


@njit(cache=True, nogil=True)
def _measure(
    latency: FloatArray, starts: IntArray, first: int, last: int, choice: IntArray,
    chain: IntArray, loads: FloatArray,
) -> None:  # fmt: skip
    """Write the work of each sub-accelerator and of each chain."""
    loads[:] = 0.0
    for c in range(first, last):
        for i in range(starts[c], starts[c + 1]):
            chain[i] = c - first
            loads[choice[i]] += latency[i, choice[i]]
            loads[latency.shape[1] + c - first] += latency[i, choice[i]]


@njit(cache=True, nogil=True)
def total(energy: FloatArray, low: int, high: int, choice: IntArray) -> float:
    """Energy of an assignment of the layers `low:high`."""
    result = 0.0
    for i in range(low, high):
        result += energy[i, choice[i]]
    return result


@njit(cache=True, nogil=True)
def _improve(
    latency: FloatArray, energy: FloatArray, starts: IntArray, first: int, last: int,
    choice: IntArray, limit: float, makespan: float, pairs: bool, shorten: int,
    begin: FloatArray, room: FloatArray, at: IntArray, chain: IntArray, loads: FloatArray,
) -> float:  # fmt: skip
    """Make the best move of one layer, or of two (`pairs`), and return the makespan, else -1.

    What is best says `shorten`: 0 the lowest energy within the limit; 1 a shorter makespan than
    that of `choice` at least energy per time gained; 2 the shortest makespan.
    """
    low, high, k = starts[first], starts[last], latency.shape[1]
    _measure(latency, starts, first, last, choice, chain, loads)
    target = makespan * (1 - 1e-9) if shorten else limit
    best, best_i, best_s, best_j, best_t, best_makespan = np.inf, -1, -1, -1, -1, -1.0
    least = 1e-9 * total(energy, low, high, choice)
    for i in range(low, high):
        from_i = choice[i]
        for s in range(k):
            if s == from_i or latency[i, s] == np.inf:
                continue
            extra_i = energy[i, s] - energy[i, from_i]
            for j in range(i + 1 if pairs else high - 1, high):
                from_j = choice[j]
                for t in range(k if pairs else 1):
                    extra = extra_i
                    if pairs:
                        if t == from_j or latency[j, t] == np.inf:
                            continue
                        extra += energy[j, t] - energy[j, from_j]
                    if not shorten and (extra >= min(best, 0.0) or extra > -least):
                        continue
                    other = j if pairs else -1
                    if _hopeless(latency, loads, chain, choice, i, s, other, t, target):
                        continue
                    choice[i] = s
                    if pairs:
                        choice[j] = t
                    ends = list_schedule(latency, starts, first, last, choice, begin, room, at)
                    choice[i], choice[j] = from_i, (from_j if j != i else from_i)
                    if ends > target * (1 + EPS):
                        continue
                    worth = extra
                    if shorten == 1:
                        gained = makespan - ends
                        worth = extra / gained if extra > 0 else -gained * 1e-30
                    elif shorten == 2:
                        worth = ends
                    if worth < best:
                        best, best_makespan = worth, ends
                        best_i, best_s, best_j, best_t = i, s, other, t
    if best_i >= 0:
        choice[best_i] = best_s
        if best_j >= 0:
            choice[best_j] = best_t
    return best_makespan


@njit(cache=True, nogil=True)
def _search(
    latency: FloatArray, energy: FloatArray, starts: IntArray, first: int, last: int,
    choice: IntArray, limit: float, shorten: int,
    begin: FloatArray, room: FloatArray, at: IntArray, chain: IntArray, loads: FloatArray,
) -> float:  # fmt: skip
    """Shorten the schedule of `choice` to the limit, then lower its energy; the makespan."""
    makespan = list_schedule(latency, starts, first, last, choice, begin, room, at)
    small = starts[last] - starts[first] <= _PAIRED
    for aim in (shorten, 0):
        pairs = False
        while aim == 0 or makespan > limit * (1 + EPS):
            allowed = max(limit, makespan) if aim == 0 else limit
            ends = _improve(
                latency, energy, starts, first, last, choice, allowed, makespan, pairs, aim,
                begin, room, at, chain, loads,
            )  # fmt: skip
            if ends >= 0:
                makespan, pairs = ends, False
            elif pairs or not small:
                break
            else:
                pairs = True
    return makespan


@njit(cache=True, nogil=True)
def heuristic(
    latency: FloatArray, energy: FloatArray, starts: IntArray, first: int, last: int,
    limit: float, choice: IntArray, begin: FloatArray,
) -> tuple[float, float]:  # fmt: skip
    """Write the best assignment found and its start times; makespan and energy, or infinite ones.

    From the assignment of least energy and from that of least latency, layers are moved until the
    limit is kept, then to lower the energy. Within the limit less energy is better, else a shorter
    makespan, then less energy.
    """
    low, high, k, chains = starts[first], starts[last], latency.shape[1], last - first
    room, at = np.empty((3, max(chains, k))), np.empty(chains, np.int64)
    chain, loads = np.empty(high, np.int64), np.empty(k + chains)
    trial = np.empty(high, np.int64)
    best_makespan, best_energy = np.inf, np.inf
    for attempt in range(4):
        table = energy if attempt % 2 == 0 else latency
        for i in range(low, high):
            trial[i] = 0
            for s in range(1, k):
                if table[i, s] < table[i, trial[i]]:
                    trial[i] = s
            if latency[i, trial[i]] == np.inf:
                return np.inf, np.inf
        makespan = _search(
            latency, energy, starts, first, last, trial, limit, 1 + attempt // 2,
            begin, room, at, chain, loads,
        )  # fmt: skip
        joules = total(energy, low, high, trial)
        if better(makespan, joules, best_makespan, best_energy, limit):
            best_makespan, best_energy = makespan, joules
            for i in range(low, high):
                choice[i] = trial[i]
        if attempt == 0 and makespan <= limit and joules <= _least(energy, low, high) * (1 + EPS):
            break  # every layer where it takes least
    list_schedule(latency, starts, first, last, choice, begin, room, at)
    return best_makespan, best_energy


@njit(cache=True, nogil=True)
def _least(energy: FloatArray, low: int, high: int) -> float:
    """Energy of the layers `low:high`, each where it takes least."""
    result = 0.0
    for i in range(low, high):
        result += energy[i].min()
    return result


@njit(cache=True, nogil=True)
def better(makespan: float, joules: float, than: float, than_joules: float, limit: float) -> bool:
    """Whether a makespan and energy are worth more than others under a limit of the makespan."""
    keeps, kept = makespan <= limit * (1 + EPS), than <= limit * (1 + EPS)
    if keeps != kept:
        return keeps
    if keeps or abs(makespan - than) <= EPS * makespan:
        return joules < than_joules * (1 - EPS)
    return makespan < than


@njit(cache=True, nogil=True)
def fill_schedules(
    latency: FloatArray, energy: FloatArray, starts: IntArray, chains: int, limits: FloatArray,
    choice: IntArray, begin: FloatArray, totals: FloatArray,
) -> None:  # fmt: skip
    """Write assignments `[z]`, start times `[z]`, makespans and energies `[n, 2]` of instances."""
    for n in range(len(totals)):
        totals[n, 0], totals[n, 1] = heuristic(
            latency, energy, starts, n * chains, (n + 1) * chains, limits[n], choice, begin
        )
