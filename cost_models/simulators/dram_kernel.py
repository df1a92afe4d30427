"""One DDR channel, event by event, in whole clocks: compiled by numba.

The next event is the earliest of: the next command that the constraints allow, the next request
that reaches the controller, the next refresh. Responses are no events: when a column command is
issued, the clock at which its data are handed back is already known.

A trace comes with its chains: the next request to the same bank, the next to the same row. Since
requests enter in the order of the trace, "the oldest queued request to the open row" is a link of a
chain, if that has entered; nothing is searched for. A command changes the prospects of its own bank
alone, beside the few clocks that all banks share.

All that changes is in one array ``w``, of which `dram_places` names the places, and all arrays are
passed on as pointers: numba would count references to arrays at every call, which took four fifths
of the time. Letters: ``n`` requests, ``b`` a bank, ``q`` the requests.

The model is DRAMSys 4 (Steiner et al., SAMOS 2020). Of its refresh two things are easily missed:
the manager has its turn before and after the command of a clock, and banks that it blocks for a
forced refresh still issue the command that is due at that clock.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from codesign_gym.cost_models.simulators.dram_places import (
    ACT_FROM,
    ACTIVATE,
    ACTS,
    ANY_BANK,
    ARRIVAL,
    AUTO,
    BANK,
    BANKS,
    BLOCKED,
    CCD_L,
    CCD_S,
    CHOSEN,
    CLOCKS,
    COLUMN_FROM,
    COVERED,
    DELIVERY,
    DIRECTION,
    EARLY,
    END,
    ENTERED,
    ENTRY,
    FAW,
    FLEX,
    FR_FCFS_GRP,
    FROM,
    GROUPS,
    HEAD,
    HIT,
    ID_BITS,
    LAST,
    MOST_BANKS,
    NEVER,
    NEXT_IN_BANK,
    NEXT_IN_ROW,
    NONE,
    NOW,
    OPEN_BANKS,
    OPEN_CLOCKS,
    OPEN_ROW,
    OPENED,
    POSTPONED,
    PRE_FROM,
    PREA_READY,
    PRECHARGE,
    PRES,
    PULLED,
    PULLED_IN,
    QUEUED,
    QUEUED_READS,
    QUEUED_WRITES,
    RAS,
    RC,
    RCD,
    RDA_FROM,
    READ_DONE,
    READ_END,
    READ_TO_WRITE,
    READS,
    RECENT,
    REF_CLOCK,
    REF_READY,
    REF_WANT,
    REFI,
    REFRESH,
    REFRESHES,
    REQUEST_FIELDS,
    RESPONSE,
    RFC,
    ROW,
    RP,
    RRD_L,
    RRD_S,
    RTP,
    SCHEDULER,
    SERVED,
    SLOT,
    TAKEN,
    TOTAL,
    TRIGGER,
    WAITING,
    WANT,
    WINDOW,
    WRITE,
    WRITE_END,
    WRITE_TO_PRECHARGE,
    WRITE_TO_READ_L,
    WRITE_TO_READ_S,
    WRITES,
)  # fmt: skip
from codesign_gym.cost_models.simulators.dram_queues import (
    Clocks,
    Requests,
    announce,
    decide,
    enter,
    respond,
)

_pointer_to: Any = types.CPointer


def _as_pointer(context: Any, address: Any, like: Any) -> tuple[Any, Any]:
    """The address as a pointer to the items of an array."""
    pointer: Any = _pointer_to(like.dtype)

    def to_pointer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(pointer))

    return pointer(address, like), to_pointer


_pointer: Any = intrinsic(_as_pointer)


@njit(cache=True, nogil=True)
def _first(w: Clocks) -> int:
    """The next command: its clock and, below it, its request, the oldest one of that clock."""
    floor = max(w[NOW], w[LAST] + 1)
    best = NEVER << ID_BITS
    for b in range(w[BANKS]):
        clock = max(max(w[FROM + b], w[ANY_BANK + w[SLOT + b]]), floor)
        best = min(best, (clock << ID_BITS) | w[CHOSEN + b])
    return best


@njit(cache=True, nogil=True)
def _close(w: Clocks, clock: int, completion: int) -> None:
    """A bank is precharged from this clock on, which may lie ahead."""
    w[COVERED] = max(w[COVERED], clock)
    w[END] = max(w[END], (clock << 8) | completion)


@njit(cache=True, nogil=True)
def _column(w: Clocks, q: Requests, ready: Clocks, b: int) -> None:
    """Issue the read or write of a bank."""
    now, k, write = w[NOW], w[CHOSEN + b], w[WANT + b] == WRITE
    own, groups = b & (w[GROUPS] - 1), w[GROUPS]
    for g in range(groups):
        same = g == own
        read_at, write_at = ANY_BANK + MOST_BANKS + g, ANY_BANK + 2 * MOST_BANKS + g
        ccd = now + (w[CCD_L] if same else w[CCD_S])
        if write:
            turn = now + (w[WRITE_TO_READ_L] if same else w[WRITE_TO_READ_S])
            w[read_at] = max(w[read_at], turn)
            w[write_at] = max(w[write_at], ccd)
        else:
            w[read_at] = max(w[read_at], ccd)
            w[write_at] = max(w[write_at], now + w[READ_TO_WRITE])
    if write:
        to_pre, done = w[WRITE_TO_PRECHARGE], w[WRITE_TO_PRECHARGE]
        w[WRITES] += 1
        w[QUEUED_WRITES] -= 1
        w[RDA_FROM + b] = now + to_pre - w[RTP]
        ready[k] = now + w[WRITE_END]
    else:
        to_pre, done = w[RTP], w[READ_DONE]
        w[READS] += 1
        w[QUEUED_READS] -= 1
        ready[k] = now + w[READ_END]
    w[DIRECTION] = write
    w[PREA_READY] = max(w[PREA_READY], now + to_pre)
    w[END] = max(w[END], (now << 8) | done)
    if w[AUTO + b]:
        w[OPEN_ROW + b] = -1
        w[OPEN_BANKS] -= 1
        w[PRES] += 1
        w[ACT_FROM + b] = max(w[ACT_FROM + b], now + to_pre + w[RP])
        w[REF_READY] = max(w[REF_READY], now + to_pre + w[RP])
        _close(w, max(now + to_pre, w[OPENED + b] + w[RAS]), w[RP])
    else:
        w[PRE_FROM + b] = max(w[PRE_FROM + b], now + to_pre)
    w[QUEUED + b] -= 1
    w[SERVED] += 1
    head = w[HEAD + b]
    while head < w[ENTERED] and ready[head]:
        head = q[head * REQUEST_FIELDS + NEXT_IN_BANK]
    w[HEAD + b] = head
    hit = w[HIT + b]
    while hit < w[ENTERED] and ready[hit]:
        hit = q[hit * REQUEST_FIELDS + NEXT_IN_ROW]
    w[HIT + b] = hit


@njit(cache=True, nogil=True)
def _activate(w: Clocks, q: Requests, b: int) -> None:
    """Open the row of the chosen request."""
    now, k = w[NOW], w[CHOSEN + b]
    if w[OPEN_BANKS] == 0 and now > w[COVERED]:
        w[OPEN_CLOCKS] -= now - w[COVERED]
    w[OPEN_BANKS] += 1
    w[OPEN_ROW + b], w[HIT + b], w[OPENED + b] = q[k * REQUEST_FIELDS + ROW], k, now
    w[COLUMN_FROM + b] = now + w[RCD]
    w[PRE_FROM + b] = max(w[PRE_FROM + b], now + w[RAS])
    w[ACT_FROM + b] = now + w[RC]
    w[RECENT + (w[ACTS] & 3)] = now
    w[ACTS] += 1
    four = w[RECENT + (w[ACTS] & 3)] + w[FAW]
    for g in range(w[GROUPS]):
        rrd = now + (w[RRD_L] if g == b & (w[GROUPS] - 1) else w[RRD_S])
        w[ANY_BANK + g] = max(w[ANY_BANK + g], max(rrd, four))
    w[REF_READY] = max(w[REF_READY], now + w[RC])
    w[PREA_READY] = max(w[PREA_READY], now + w[RAS])
    w[END] = max(w[END], (now << 8) | w[RCD])


@njit(cache=True, nogil=True)
def _precharge(w: Clocks, b: int) -> None:
    """Close the row of a bank."""
    now = w[NOW]
    w[OPEN_ROW + b] = -1
    w[OPEN_BANKS] -= 1
    w[PRES] += 1
    w[ACT_FROM + b] = max(w[ACT_FROM + b], now + w[RP])
    w[REF_READY] = max(w[REF_READY], now + w[RP])
    _close(w, now, w[RP])


@njit(cache=True, nogil=True)
def _consider_refresh(w: Clocks) -> None:
    """The refresh manager's turn, at or after its trigger."""
    now, idle = w[NOW], w[QUEUED_READS] + w[QUEUED_WRITES] == 0
    w[REF_WANT] = NONE
    if now >= w[TRIGGER] + w[REFI]:
        w[TRIGGER] += w[REFI]
        w[PULLED] = 0
    if w[PULLED]:
        if not idle:
            w[PULLED] = 0
            w[TRIGGER] += w[REFI]
            return
    elif w[FLEX] == w[POSTPONED]:
        w[BLOCKED] = 1
    elif not idle:
        w[FLEX] += 1
        w[TRIGGER] += w[REFI]
        return
    w[REF_WANT] = PRECHARGE if w[OPEN_BANKS] else REFRESH
    allowed = w[PREA_READY] if w[OPEN_BANKS] else w[REF_READY]
    w[REF_CLOCK] = max(allowed, max(now, w[LAST] + 1))


@njit(cache=True, nogil=True)
def _refresh(w: Clocks, q: Requests, ready: Clocks) -> None:
    """Issue the refresh, or the precharge of all banks before it."""
    now, want = w[NOW], w[REF_WANT]
    w[REF_WANT] = NONE
    if want == PRECHARGE:
        w[PRES] += w[OPEN_BANKS]
        w[OPEN_BANKS] = 0
        free = now + w[RP]
        _close(w, now, w[RP])
    else:
        w[REFRESHES] += 1
        if now > w[COVERED]:
            w[OPEN_CLOCKS] -= now - w[COVERED]
        free = now + w[RFC]
        _close(w, free - w[RP], 0)
        w[BLOCKED] = 0
        w[FLEX] -= w[PULLED]
        w[PULLED] = w[FLEX] != -w[PULLED_IN]
        if not w[PULLED]:
            w[TRIGGER] += w[REFI]
    w[REF_READY] = max(w[REF_READY], free)
    for b in range(w[BANKS]):
        w[OPEN_ROW + b] = -1
        w[ACT_FROM + b] = max(w[ACT_FROM + b], free)
        decide(w, q, ready, b)


@njit(cache=True, nogil=True)
def _next_event(w: Clocks, best: int) -> int:
    """The clock of the next event."""
    now = w[ARRIVAL]
    if not w[BLOCKED]:
        now = min(now, best >> ID_BITS)
    if w[REF_WANT] != NONE:
        now = min(now, w[REF_CLOCK])
    elif w[NOW] < w[TRIGGER]:
        now = min(now, w[TRIGGER])
    return int(now)


@njit(cache=True, nogil=True)
def _play(
    w: Clocks, first: Clocks, clock: Clocks, q: Requests, ready: Clocks, handed: Clocks,
    latency: Clocks, n: int,
) -> None:  # fmt: skip
    """`run`, on pointers."""
    w[TOTAL] = n
    for b in range(w[BANKS]):
        w[OPEN_ROW + b], w[HEAD + b], w[HIT + b], w[FROM + b] = -1, first[b], n, NEVER
    for i in range(4):
        w[RECENT + i] = -NEVER
    w[LAST] = w[RESPONSE] = w[DELIVERY] = w[TAKEN] = w[ENTRY] = -1
    w[TRIGGER] = w[REFI] if w[POSTPONED] else NEVER
    announce(w, clock, handed, latency)
    best = NEVER << ID_BITS
    while w[SERVED] < n:
        now = w[NOW] = _next_event(w, best)
        arrives, blocked = w[ARRIVAL] == now, w[BLOCKED]
        if arrives and w[EARLY]:
            enter(w, q, clock, ready, handed, latency)
            best = _first(w)
        if now >= w[TRIGGER]:
            _consider_refresh(w)
        if w[REF_WANT] != NONE and w[REF_CLOCK] <= now:
            w[LAST] = now
            _refresh(w, q, ready)
        elif not blocked and best >> ID_BITS <= now:  # what is due is not held back by a block
            w[LAST] = now
            k = best & ((1 << ID_BITS) - 1)
            b = q[k * REQUEST_FIELDS + BANK]
            want = w[WANT + b]
            if want == ACTIVATE:
                _activate(w, q, b)
            elif want == PRECHARGE:
                _precharge(w, b)
            else:
                direction = w[DIRECTION]
                _column(w, q, ready, b)
                if w[WAITING]:
                    enter(w, q, clock, ready, handed, latency)
                respond(w, k, ready, handed, latency)
                if w[ARRIVAL] == NEVER and not w[WAITING]:
                    announce(w, clock, handed, latency)
                if w[SCHEDULER] == FR_FCFS_GRP and direction != w[DIRECTION]:
                    for other in range(w[BANKS]):
                        decide(w, q, ready, other)
            decide(w, q, ready, b)
        if now >= w[TRIGGER]:
            _consider_refresh(w)
        if arrives and not w[EARLY] and w[ARRIVAL] == now:  # seen after this clock's command
            enter(w, q, clock, ready, handed, latency)
            if now >= w[TRIGGER]:
                _consider_refresh(w)
        best = _first(w)
    w[CLOCKS] = w[RESPONSE]
    w[WINDOW] = (w[END] >> 8) + (w[END] & 255) - 1
    if w[OPEN_BANKS] == 0 and w[WINDOW] > w[COVERED]:
        w[OPEN_CLOCKS] -= w[WINDOW] - w[COVERED]
    w[OPEN_CLOCKS] += w[WINDOW]


@njit(cache=True, nogil=True)
def run(
    w: Clocks, first: Clocks, clock: Clocks, q: Requests, ready: Clocks, handed: Clocks,
    latency: Clocks,
) -> None:  # fmt: skip
    """Play a trace on one controller.

    Args:
        w: Part and controller in their places, 0 elsewhere, ``[WORK]``; gets the outcome.
        first: First request of each bank, ``n`` where there is none, ``[banks]``.
        clock: When the trace offers each request, ``[n]``.
        q: The requests, ``[n, 8]``.
        ready: To work in, all 0, ``[n]``.
        handed: To work in, ``[n]``.
        latency: Gets the clocks of each request from its offer to its response, ``[n]``.
    """
    _play(
        _pointer(w.ctypes.data, w),
        _pointer(first.ctypes.data, first),
        _pointer(clock.ctypes.data, clock),
        _pointer(q.ctypes.data, q),
        _pointer(ready.ctypes.data, ready),
        _pointer(handed.ctypes.data, handed),
        _pointer(latency.ctypes.data, latency),
        len(clock),
    )


@njit(cache=True, nogil=True)
def nearest_rank(latency: Clocks, rank: int) -> int:
    """The latency that so many do not exceed: counted, since latencies are short."""
    counts = np.zeros(latency.max() + 1, np.int64)
    for clocks in latency:
        counts[clocks] += 1
    clocks = 0
    below = counts[0]
    while below < rank:
        clocks += 1
        below += counts[clocks]
    return clocks


@njit(cache=True, nogil=True)
def run_each(
    works: Clocks, first: Clocks, clock: Clocks, q: Requests, rank: int, found: Clocks
) -> None:
    """Play a trace on several controllers, one after another, without Python in between.

    Args:
        works: As ``w`` of `run`, ``[d, WORK]``.
        first: As of `run`.
        clock: As of `run`.
        q: As of `run`.
        rank: The latency that so many requests do not exceed is looked for.
        found: Gets sum of the latencies, that latency, and sum of the hand-overs, ``[d, 3]``.
    """
    n = len(clock)
    ready, handed, latency = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    for i in range(len(works)):
        ready[:] = 0
        run(works[i], first, clock, q, ready, handed, latency)
        found[i, 0] = latency.sum()
        found[i, 1] = nearest_rank(latency, rank)
        found[i, 2] = handed.sum()
