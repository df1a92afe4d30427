"""One DDR channel, event by event, in whole clocks: compiled by numba.

The next event is the earliest of: the next command that the constraints allow, the next request
that reaches the controller, the next refresh. Responses are no events: when a column command is
issued, the clock at which its data are handed back is already known.

A trace comes with its chains: the next request to the same bank, the next to the same row. Since
requests enter in the order of the trace, "the oldest queued request to the open row" is a link of a
chain, if that has entered; nothing is searched for. A command changes the prospects of its own bank
alone, beside the few clocks that all banks share.

All that changes is in one array ``w``, of which the constants below name the places: numba passes
one array on for nearly nothing, and dozens of them dearly. Letters: ``n`` requests, ``b`` a bank,
``q`` the requests.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Clocks = NDArray[np.int64]

NEVER = 1 << 38
"""A clock that no run reaches: a clock and, below it, a request's number share an int64."""

ID_BITS = 24
"""Bits of a request's number; a trace must be shorter."""

MOST_BANKS = 16

REQUEST_FIELDS = 8
BANK, ROW, IS_WRITE, NEXT_IN_BANK, NEXT_IN_ROW, SAME_BURST = range(6)
"""Columns of the requests ``[n, 8]``: where a request goes and whether it writes; the next request
to its bank, and to its row, ``n`` where there is none; the last one before it to the same burst, -1
where there is none."""

NONE, ACTIVATE, READ, WRITE, PRECHARGE, REFRESH = range(6)
OPEN_PAGE, OPEN_ADAPTIVE, CLOSED_PAGE, CLOSED_ADAPTIVE = range(4)
FIFO, FR_FCFS_GRP, FR_FCFS = range(3)
BANKWISE, READ_WRITE, SHARED = range(3)
SIMPLE, FIFO_ARBITER, REORDER_ARBITER = range(3)

TIMING = 22
(
    RCD, RP, RAS, RC, READ_END, WRITE_END, RTP, WRITE_TO_PRECHARGE, RRD_S, RRD_L, FAW, CCD_S, CCD_L,
    READ_TO_WRITE, WRITE_TO_READ_S, WRITE_TO_READ_L, REFI, RFC, GROUPS, BANKS, READ_DONE, SPARE,
) = range(TIMING)  # fmt: skip
"""Places of the part: clocks between commands, of two the second within a bank group. READ_END and
WRITE_END lead from a column command to the end of its data, READ_DONE to the end of what a read
draws power for."""

DESIGN = 9
(
    PAGE_POLICY, SCHEDULER, BUFFER, BUFFER_SIZE, REORDER_QUEUE, POSTPONED, PULLED_IN, ARBITER,
    MAX_ACTIVE,
) = range(TIMING, TIMING + DESIGN)  # fmt: skip
"""Places of the controller; without refresh POSTPONED is 0."""

COUNTS = 8
_AT_COUNTS = TIMING + DESIGN
CLOCKS, ACTS, PRES, READS, WRITES, REFRESHES, OPEN_CLOCKS, WINDOW = range(
    _AT_COUNTS, _AT_COUNTS + COUNTS
)
"""Places of the outcome: clock of the last response, commands, clocks with a row open out of the
window that power is averaged over."""

_AT_STATE = _AT_COUNTS + COUNTS
(
    _NOW, _LAST, _ENTERED, _ENTRY, _QUEUED_READS, _QUEUED_WRITES, _SERVED, _LAST_BANK, _DIRECTION,
    _ARRIVAL, _EARLY, _WAITING, _TAKEN, _RESPONSES, _RESPONSE, _DELIVERY, _TRIGGER, _FLEX, _PULLED,
    _BLOCKED, _REF_WANT, _REF_CLOCK, _REF_READY, _PREA_READY, _OPEN_BANKS, _COVERED, _END, _N,
) = range(_AT_STATE, _AT_STATE + 28)  # fmt: skip
_RECENT = _AT_STATE + 28  # the last four activations
_SHARED = _RECENT + 4  # per group activate, read, write: first clock for any bank; then 0
_AT_BANKS = _SHARED + 3 * MOST_BANKS + 1
(
    _ROW, _HEAD, _HIT, _QUEUED, _ACT_FROM, _PRE_FROM, _COLUMN_FROM, _RDA_FROM, _OPENED, _WANT,
    _CHOSEN, _AUTO, _FROM, _SLOT,
) = range(_AT_BANKS, _AT_BANKS + 14 * MOST_BANKS, MOST_BANKS)  # fmt: skip
WORK = _AT_BANKS + 14 * MOST_BANKS
"""Length of ``w``."""


@intrinsic
def _pointer(context, address, like):
    """The address as a pointer to the items of an array."""
    pointer = types.CPointer(like.dtype)

    def to_pointer(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(pointer))

    return pointer(address, like), to_pointer


@njit(cache=True, nogil=True)
def _second_hit(w, q, ready, b):
    """Whether a second queued request hits the open row."""
    if w[SCHEDULER] == FIFO:
        second = q[w[_HEAD + b] * REQUEST_FIELDS + NEXT_IN_BANK]
        return second < w[_ENTERED] and q[second * REQUEST_FIELDS + ROW] == w[_ROW + b]
    second = q[w[_HIT + b] * REQUEST_FIELDS + NEXT_IN_ROW]
    while second < w[_ENTERED] and ready[second]:
        second = q[second * REQUEST_FIELDS + NEXT_IN_ROW]
    return second < w[_ENTERED]


@njit(cache=True, nogil=True)
def _grouped(w, q, ready, first):
    """The oldest hit of the last direction that waits for no older one to its burst, else any."""
    if q[first * REQUEST_FIELDS + IS_WRITE] == w[_DIRECTION]:
        return first
    k = q[first * REQUEST_FIELDS + NEXT_IN_ROW]
    while k < w[_ENTERED]:
        if ready[k] == 0 and q[k * REQUEST_FIELDS + IS_WRITE] == w[_DIRECTION]:
            before = q[k * REQUEST_FIELDS + SAME_BURST]
            if before < 0 or ready[before]:
                return k
        k = q[k * REQUEST_FIELDS + NEXT_IN_ROW]
    return first


@njit(cache=True, nogil=True)
def _decide(w, q, ready, b):
    """Find the next command of a bank and the clock from which the bank itself allows it."""
    if w[_QUEUED + b] == 0:
        w[_FROM + b] = NEVER
        w[_WANT + b] = NONE
        return
    chosen, row, group = w[_HEAD + b], w[_ROW + b], b & (w[GROUPS] - 1)
    if row < 0:
        w[_WANT + b], w[_CHOSEN + b], w[_SLOT + b] = ACTIVATE, chosen, group
        w[_FROM + b] = w[_ACT_FROM + b]
        return
    if w[SCHEDULER] == FIFO:
        hits = q[chosen * REQUEST_FIELDS + ROW] == row
    else:
        hits = w[_HIT + b] < w[_ENTERED]
        if hits:
            chosen = w[_HIT + b]
            if w[SCHEDULER] == FR_FCFS_GRP:
                chosen = _grouped(w, q, ready, chosen)
    w[_CHOSEN + b] = chosen
    if not hits:
        w[_WANT + b], w[_SLOT + b] = PRECHARGE, 3 * MOST_BANKS
        w[_FROM + b] = w[_PRE_FROM + b]
        return
    policy = w[PAGE_POLICY]
    auto = policy == CLOSED_PAGE
    if policy == OPEN_ADAPTIVE:
        auto = w[_QUEUED + b] >= 2 and not _second_hit(w, q, ready, b)
    elif policy == CLOSED_ADAPTIVE:
        auto = not _second_hit(w, q, ready, b)
    w[_AUTO + b] = auto
    w[_FROM + b] = w[_COLUMN_FROM + b]
    if q[chosen * REQUEST_FIELDS + IS_WRITE]:
        w[_WANT + b], w[_SLOT + b] = WRITE, 2 * MOST_BANKS + group
    else:
        w[_WANT + b], w[_SLOT + b] = READ, MOST_BANKS + group
        if auto:
            w[_FROM + b] = max(w[_COLUMN_FROM + b], w[_RDA_FROM + b])


@njit(cache=True, nogil=True)
def _first(w):
    """The next command: its clock and, below it, its request, the oldest one of that clock."""
    floor = max(w[_NOW], w[_LAST] + 1)
    best = NEVER << ID_BITS
    for b in range(w[BANKS]):
        clock = max(max(w[_FROM + b], w[_SHARED + w[_SLOT + b]]), floor)
        best = min(best, (clock << ID_BITS) | w[_CHOSEN + b])
    return best


@njit(cache=True, nogil=True)
def _announce(w, clock, handed, latency):
    """When the next request reaches the controller; not yet known while the arbiter is full."""
    k = w[_ENTERED]
    w[_ARRIVAL] = NEVER
    if k == w[_N]:
        return
    if w[ARBITER] == SIMPLE:
        w[_TAKEN] = w[_ARRIVAL] = max(clock[k], w[_ENTRY] + 1)
    else:
        taken = max(clock[k], w[_TAKEN] + 1)
        if k >= w[MAX_ACTIVE]:  # it takes the place of an earlier one, once that is answered
            place = k - w[MAX_ACTIVE]
            if place >= w[_RESPONSES]:
                return
            taken = max(taken, handed[place])
        w[_TAKEN] = taken
        w[_EARLY] = taken <= w[_ENTRY]
        w[_ARRIVAL] = max(taken, w[_ENTRY] + 1)
    latency[k] = -w[_TAKEN]


@njit(cache=True, nogil=True)
def _enter(w, q, clock, ready, handed, latency):
    """Let the request at the door in, if the buffer has room."""
    if w[BUFFER] == SHARED:
        room = w[_QUEUED_READS] + w[_QUEUED_WRITES] < w[BUFFER_SIZE]
    elif w[BUFFER] == READ_WRITE:
        room = max(w[_QUEUED_READS], w[_QUEUED_WRITES]) < w[BUFFER_SIZE]
    else:  # DRAMSys asks the bank of the request before
        room = w[_QUEUED + w[_LAST_BANK]] < w[BUFFER_SIZE]
    w[_WAITING] = not room
    if not room:
        w[_ARRIVAL] = NEVER
        return
    k = w[_ENTERED]
    b = q[k * REQUEST_FIELDS + BANK]
    w[_ENTERED], w[_LAST_BANK], w[_ENTRY] = k + 1, b, w[_NOW]
    w[_QUEUED + b] += 1
    if q[k * REQUEST_FIELDS + IS_WRITE]:
        w[_QUEUED_WRITES] += 1
    else:
        w[_QUEUED_READS] += 1
    _decide(w, q, ready, b)
    _announce(w, clock, handed, latency)


@njit(cache=True, nogil=True)
def _respond(w, k, ready, handed, latency):
    """Hand back the data of request k, whose end ``ready`` tells, and what waited for it."""
    if not w[REORDER_QUEUE]:  # one response a clock, in the order of the column commands
        w[_DELIVERY] = max(ready[k], w[_DELIVERY] + 1)
        ready[k] = w[_DELIVERY]
        if w[ARBITER] != REORDER_ARBITER:
            latency[k] += ready[k]
            handed[w[_RESPONSES]] = w[_RESPONSE] = ready[k]
            w[_RESPONSES] += 1
            return
    i = w[_RESPONSES]
    while i < w[_N] and ready[i]:
        w[_RESPONSE] = max(ready[i], w[_RESPONSE] + 1)
        latency[i] += w[_RESPONSE]
        handed[i] = w[_RESPONSE]
        i += 1
    w[_RESPONSES] = i


@njit(cache=True, nogil=True)
def _close(w, clock, completion):
    """A bank is precharged from this clock on, which may lie ahead."""
    w[_COVERED] = max(w[_COVERED], clock)
    w[_END] = max(w[_END], (clock << 8) | completion)


@njit(cache=True, nogil=True)
def _column(w, q, ready, b):
    """Issue the read or write of a bank."""
    now, k, write = w[_NOW], w[_CHOSEN + b], w[_WANT + b] == WRITE
    own, groups = b & (w[GROUPS] - 1), w[GROUPS]
    for g in range(groups):
        same = g == own
        read_at, write_at = _SHARED + MOST_BANKS + g, _SHARED + 2 * MOST_BANKS + g
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
        w[_QUEUED_WRITES] -= 1
        w[_RDA_FROM + b] = now + to_pre - w[RTP]
        ready[k] = now + w[WRITE_END]
    else:
        to_pre, done = w[RTP], w[READ_DONE]
        w[READS] += 1
        w[_QUEUED_READS] -= 1
        ready[k] = now + w[READ_END]
    w[_DIRECTION] = write
    w[_PREA_READY] = max(w[_PREA_READY], now + to_pre)
    w[_END] = max(w[_END], (now << 8) | done)
    if w[_AUTO + b]:
        w[_ROW + b] = -1
        w[_OPEN_BANKS] -= 1
        w[PRES] += 1
        w[_ACT_FROM + b] = max(w[_ACT_FROM + b], now + to_pre + w[RP])
        w[_REF_READY] = max(w[_REF_READY], now + to_pre + w[RP])
        _close(w, max(now + to_pre, w[_OPENED + b] + w[RAS]), w[RP])
    else:
        w[_PRE_FROM + b] = max(w[_PRE_FROM + b], now + to_pre)
    w[_QUEUED + b] -= 1
    w[_SERVED] += 1
    head = w[_HEAD + b]
    while head < w[_ENTERED] and ready[head]:
        head = q[head * REQUEST_FIELDS + NEXT_IN_BANK]
    w[_HEAD + b] = head
    hit = w[_HIT + b]
    while hit < w[_ENTERED] and ready[hit]:
        hit = q[hit * REQUEST_FIELDS + NEXT_IN_ROW]
    w[_HIT + b] = hit


@njit(cache=True, nogil=True)
def _activate(w, q, b):
    """Open the row of the chosen request."""
    now, k = w[_NOW], w[_CHOSEN + b]
    if w[_OPEN_BANKS] == 0 and now > w[_COVERED]:
        w[OPEN_CLOCKS] -= now - w[_COVERED]
    w[_OPEN_BANKS] += 1
    w[_ROW + b], w[_HIT + b], w[_OPENED + b] = q[k * REQUEST_FIELDS + ROW], k, now
    w[_COLUMN_FROM + b] = now + w[RCD]
    w[_PRE_FROM + b] = max(w[_PRE_FROM + b], now + w[RAS])
    w[_ACT_FROM + b] = now + w[RC]
    w[_RECENT + (w[ACTS] & 3)] = now
    w[ACTS] += 1
    four = w[_RECENT + (w[ACTS] & 3)] + w[FAW]
    for g in range(w[GROUPS]):
        rrd = now + (w[RRD_L] if g == b & (w[GROUPS] - 1) else w[RRD_S])
        w[_SHARED + g] = max(w[_SHARED + g], max(rrd, four))
    w[_REF_READY] = max(w[_REF_READY], now + w[RC])
    w[_PREA_READY] = max(w[_PREA_READY], now + w[RAS])
    w[_END] = max(w[_END], (now << 8) | w[RCD])


@njit(cache=True, nogil=True)
def _precharge(w, b):
    """Close the row of a bank."""
    now = w[_NOW]
    w[_ROW + b] = -1
    w[_OPEN_BANKS] -= 1
    w[PRES] += 1
    w[_ACT_FROM + b] = max(w[_ACT_FROM + b], now + w[RP])
    w[_REF_READY] = max(w[_REF_READY], now + w[RP])
    _close(w, now, w[RP])


@njit(cache=True, nogil=True)
def _consider_refresh(w):
    """The refresh manager's turn, at or after its trigger."""
    now, idle = w[_NOW], w[_QUEUED_READS] + w[_QUEUED_WRITES] == 0
    w[_REF_WANT] = NONE
    if now >= w[_TRIGGER] + w[REFI]:
        w[_TRIGGER] += w[REFI]
        w[_PULLED] = 0
    if w[_PULLED]:
        if not idle:
            w[_PULLED] = 0
            w[_TRIGGER] += w[REFI]
            return
    elif w[_FLEX] == w[POSTPONED]:
        w[_BLOCKED] = 1
    elif not idle:
        w[_FLEX] += 1
        w[_TRIGGER] += w[REFI]
        return
    w[_REF_WANT] = PRECHARGE if w[_OPEN_BANKS] else REFRESH
    allowed = w[_PREA_READY] if w[_OPEN_BANKS] else w[_REF_READY]
    w[_REF_CLOCK] = max(allowed, max(now, w[_LAST] + 1))


@njit(cache=True, nogil=True)
def _refresh(w, q, ready):
    """Issue the refresh, or the precharge of all banks before it."""
    now, want = w[_NOW], w[_REF_WANT]
    w[_REF_WANT] = NONE
    if want == PRECHARGE:
        w[PRES] += w[_OPEN_BANKS]
        w[_OPEN_BANKS] = 0
        free = now + w[RP]
        _close(w, now, w[RP])
    else:
        w[REFRESHES] += 1
        if now > w[_COVERED]:
            w[OPEN_CLOCKS] -= now - w[_COVERED]
        free = now + w[RFC]
        _close(w, free - w[RP], 0)
        w[_BLOCKED] = 0
        w[_FLEX] -= w[_PULLED]
        w[_PULLED] = w[_FLEX] != -w[PULLED_IN]
        if not w[_PULLED]:
            w[_TRIGGER] += w[REFI]
    w[_REF_READY] = max(w[_REF_READY], free)
    for b in range(w[BANKS]):
        w[_ROW + b] = -1
        w[_ACT_FROM + b] = max(w[_ACT_FROM + b], free)
        _decide(w, q, ready, b)


@njit(cache=True, nogil=True)
def _next_event(w, best):
    """The clock of the next event."""
    now = w[_ARRIVAL]
    if not w[_BLOCKED]:
        now = min(now, best >> ID_BITS)
    if w[_REF_WANT] != NONE:
        now = min(now, w[_REF_CLOCK])
    elif w[_NOW] < w[_TRIGGER]:
        now = min(now, w[_TRIGGER])
    return now


@njit(cache=True, nogil=True)
def _play(w, first, clock, q, ready, handed, latency, n):
    """`run`, on pointers."""
    w[_N] = n
    for b in range(w[BANKS]):
        w[_ROW + b], w[_HEAD + b], w[_HIT + b], w[_FROM + b] = -1, first[b], n, NEVER
    for i in range(4):
        w[_RECENT + i] = -NEVER
    w[_LAST] = w[_RESPONSE] = w[_DELIVERY] = w[_TAKEN] = w[_ENTRY] = -1
    w[_TRIGGER] = w[REFI] if w[POSTPONED] else NEVER
    _announce(w, clock, handed, latency)
    best = NEVER << ID_BITS
    while w[_SERVED] < n:
        now = w[_NOW] = _next_event(w, best)
        arrives, blocked = w[_ARRIVAL] == now, w[_BLOCKED]
        if arrives and w[_EARLY]:
            _enter(w, q, clock, ready, handed, latency)
            best = _first(w)
        if now >= w[_TRIGGER]:
            _consider_refresh(w)
        if w[_REF_WANT] != NONE and w[_REF_CLOCK] <= now:
            w[_LAST] = now
            _refresh(w, q, ready)
        elif not blocked and best >> ID_BITS <= now:  # what is due is not held back by a block
            w[_LAST] = now
            k = best & ((1 << ID_BITS) - 1)
            b = q[k * REQUEST_FIELDS + BANK]
            want = w[_WANT + b]
            if want == ACTIVATE:
                _activate(w, q, b)
            elif want == PRECHARGE:
                _precharge(w, b)
            else:
                direction = w[_DIRECTION]
                _column(w, q, ready, b)
                if w[_WAITING]:
                    _enter(w, q, clock, ready, handed, latency)
                _respond(w, k, ready, handed, latency)
                if w[_ARRIVAL] == NEVER and not w[_WAITING]:
                    _announce(w, clock, handed, latency)
                if w[SCHEDULER] == FR_FCFS_GRP and direction != w[_DIRECTION]:
                    for other in range(w[BANKS]):
                        _decide(w, q, ready, other)
            _decide(w, q, ready, b)
        if now >= w[_TRIGGER]:
            _consider_refresh(w)
        if arrives and not w[_EARLY] and w[_ARRIVAL] == now:  # seen after this clock's command
            _enter(w, q, clock, ready, handed, latency)
            if now >= w[_TRIGGER]:
                _consider_refresh(w)
        best = _first(w)
    w[CLOCKS] = w[_RESPONSE]
    w[WINDOW] = (w[_END] >> 8) + (w[_END] & 255) - 1
    if w[_OPEN_BANKS] == 0 and w[WINDOW] > w[_COVERED]:
        w[OPEN_CLOCKS] -= w[WINDOW] - w[_COVERED]
    w[OPEN_CLOCKS] += w[WINDOW]


@njit(cache=True, nogil=True)
def run(w, first, clock, q, ready, handed, latency):
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
