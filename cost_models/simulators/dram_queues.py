"""What waits in a memory controller, compiled by numba: requests, and responses.

The arrays are those of `dram_kernel.run`, passed on as pointers.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codesign_gym.cost_models.simulators.dram_places import (
    ACT_FROM,
    ACTIVATE,
    ARBITER,
    ARRIVAL,
    AUTO,
    BANK,
    BUFFER,
    BUFFER_SIZE,
    CHOSEN,
    CLOSED_ADAPTIVE,
    CLOSED_PAGE,
    COLUMN_FROM,
    DELIVERY,
    DIRECTION,
    EARLY,
    ENTERED,
    ENTRY,
    FIFO,
    FR_FCFS_GRP,
    FROM,
    GROUPS,
    HEAD,
    HIT,
    IS_WRITE,
    LAST_BANK,
    MAX_ACTIVE,
    MOST_BANKS,
    NEVER,
    NEXT_IN_BANK,
    NEXT_IN_ROW,
    NONE,
    NOW,
    OPEN_ADAPTIVE,
    OPEN_ROW,
    PAGE_POLICY,
    PRE_FROM,
    PRECHARGE,
    QUEUED,
    QUEUED_READS,
    QUEUED_WRITES,
    RDA_FROM,
    READ,
    READ_WRITE,
    REORDER_ARBITER,
    REORDER_QUEUE,
    REQUEST_FIELDS,
    RESPONSE,
    RESPONSES,
    ROW,
    SAME_BURST,
    SCHEDULER,
    SHARED,
    SIMPLE,
    SLOT,
    TAKEN,
    TOTAL,
    WAITING,
    WANT,
    WRITE,
)  # fmt: skip

Clocks = NDArray[np.int64]
Requests = NDArray[np.int32]


@njit(cache=True, nogil=True)
def _second_hit(w: Clocks, q: Requests, ready: Clocks, b: int) -> bool:
    """Whether a second queued request hits the open row."""
    if w[SCHEDULER] == FIFO:
        second = q[w[HEAD + b] * REQUEST_FIELDS + NEXT_IN_BANK]
        return bool(second < w[ENTERED] and q[second * REQUEST_FIELDS + ROW] == w[OPEN_ROW + b])
    second = q[w[HIT + b] * REQUEST_FIELDS + NEXT_IN_ROW]
    while second < w[ENTERED] and ready[second]:
        second = q[second * REQUEST_FIELDS + NEXT_IN_ROW]
    return bool(second < w[ENTERED])


@njit(cache=True, nogil=True)
def _grouped(w: Clocks, q: Requests, ready: Clocks, first: int) -> int:
    """The oldest hit of the last direction that waits for no older one to its burst, else any."""
    if q[first * REQUEST_FIELDS + IS_WRITE] == w[DIRECTION]:
        return first
    k = q[first * REQUEST_FIELDS + NEXT_IN_ROW]
    while k < w[ENTERED]:
        if ready[k] == 0 and q[k * REQUEST_FIELDS + IS_WRITE] == w[DIRECTION]:
            before = q[k * REQUEST_FIELDS + SAME_BURST]
            if before < 0 or ready[before]:
                return int(k)
        k = q[k * REQUEST_FIELDS + NEXT_IN_ROW]
    return first


@njit(cache=True, nogil=True)
def decide(w: Clocks, q: Requests, ready: Clocks, b: int) -> None:
    """Find the next command of a bank and the clock from which the bank itself allows it."""
    if w[QUEUED + b] == 0:
        w[FROM + b] = NEVER
        w[WANT + b] = NONE
        return
    chosen, row, group = w[HEAD + b], w[OPEN_ROW + b], b & (w[GROUPS] - 1)
    if row < 0:
        w[WANT + b], w[CHOSEN + b], w[SLOT + b] = ACTIVATE, chosen, group
        w[FROM + b] = w[ACT_FROM + b]
        return
    if w[SCHEDULER] == FIFO:
        hits = q[chosen * REQUEST_FIELDS + ROW] == row
    else:
        hits = w[HIT + b] < w[ENTERED]
        if hits:
            chosen = w[HIT + b]
            if w[SCHEDULER] == FR_FCFS_GRP:
                chosen = _grouped(w, q, ready, chosen)
    w[CHOSEN + b] = chosen
    if not hits:
        w[WANT + b], w[SLOT + b] = PRECHARGE, 3 * MOST_BANKS
        w[FROM + b] = w[PRE_FROM + b]
        return
    policy = w[PAGE_POLICY]
    auto = policy == CLOSED_PAGE
    if policy == OPEN_ADAPTIVE:
        auto = w[QUEUED + b] >= 2 and not _second_hit(w, q, ready, b)
    elif policy == CLOSED_ADAPTIVE:
        auto = not _second_hit(w, q, ready, b)
    w[AUTO + b] = auto
    w[FROM + b] = w[COLUMN_FROM + b]
    if q[chosen * REQUEST_FIELDS + IS_WRITE]:
        w[WANT + b], w[SLOT + b] = WRITE, 2 * MOST_BANKS + group
    else:
        w[WANT + b], w[SLOT + b] = READ, MOST_BANKS + group
        if auto:
            w[FROM + b] = max(w[COLUMN_FROM + b], w[RDA_FROM + b])


@njit(cache=True, nogil=True)
def announce(w: Clocks, clock: Clocks, handed: Clocks, latency: Clocks) -> None:
    """When the next request reaches the controller; not yet known while the arbiter is full."""
    k = w[ENTERED]
    w[ARRIVAL] = NEVER
    if k == w[TOTAL]:
        return
    if w[ARBITER] == SIMPLE:
        w[TAKEN] = w[ARRIVAL] = max(clock[k], w[ENTRY] + 1)
    else:
        taken = max(clock[k], w[TAKEN] + 1)
        if k >= w[MAX_ACTIVE]:  # it takes the place of an earlier one, once that is answered
            place = k - w[MAX_ACTIVE]
            if place >= w[RESPONSES]:
                return
            taken = max(taken, handed[place])
        w[TAKEN] = taken
        w[EARLY] = taken <= w[ENTRY]
        w[ARRIVAL] = max(taken, w[ENTRY] + 1)
    latency[k] = -w[TAKEN]


@njit(cache=True, nogil=True)
def enter(
    w: Clocks, q: Requests, clock: Clocks, ready: Clocks, handed: Clocks, latency: Clocks,
) -> None:  # fmt: skip
    """Let the request at the door in, if the buffer has room."""
    if w[BUFFER] == SHARED:
        room = w[QUEUED_READS] + w[QUEUED_WRITES] < w[BUFFER_SIZE]
    elif w[BUFFER] == READ_WRITE:
        room = max(w[QUEUED_READS], w[QUEUED_WRITES]) < w[BUFFER_SIZE]
    else:  # DRAMSys asks the bank of the request before
        room = w[QUEUED + w[LAST_BANK]] < w[BUFFER_SIZE]
    w[WAITING] = not room
    if not room:
        w[ARRIVAL] = NEVER
        return
    k = w[ENTERED]
    b = q[k * REQUEST_FIELDS + BANK]
    w[ENTERED], w[LAST_BANK], w[ENTRY] = k + 1, b, w[NOW]
    w[QUEUED + b] += 1
    if q[k * REQUEST_FIELDS + IS_WRITE]:
        w[QUEUED_WRITES] += 1
    else:
        w[QUEUED_READS] += 1
    decide(w, q, ready, b)
    announce(w, clock, handed, latency)


@njit(cache=True, nogil=True)
def respond(w: Clocks, k: int, ready: Clocks, handed: Clocks, latency: Clocks) -> None:
    """Hand back the data of request k, whose end ``ready`` tells, and what waited for it."""
    if not w[REORDER_QUEUE]:  # one response a clock, in the order of the column commands
        w[DELIVERY] = max(ready[k], w[DELIVERY] + 1)
        ready[k] = w[DELIVERY]
        if w[ARBITER] != REORDER_ARBITER:
            latency[k] += ready[k]
            handed[w[RESPONSES]] = w[RESPONSE] = ready[k]
            w[RESPONSES] += 1
            return
    i = w[RESPONSES]
    while i < w[TOTAL] and ready[i]:
        w[RESPONSE] = max(ready[i], w[RESPONSE] + 1)
        latency[i] += w[RESPONSE]
        handed[i] = w[RESPONSE]
        i += 1
    w[RESPONSES] = i
