"""One DDR channel, event by event, in whole clocks: compiled by numba.

The next event is the earliest of: the next command that the constraints allow, the next request
that reaches the controller, the next refresh. Responses are no events: when a column command is
issued, the clock at which its data are handed back is already known.

A trace is given with its chains: the next request to the same bank, the next to the same row. Since
requests enter in the order of the trace, "the oldest queued request to the open row" is then the
next link of a chain, if it has entered; nothing is ever searched for.

Letters: ``n`` requests, ``b`` banks.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

NEVER = 1 << 38
"""A clock that no run reaches; a clock and a request number (24 bits) share one int64."""

IDS = 24

NONE, ACT, READ, WRITE, PRE = range(5)
"""What a bank wants to do next."""

FIELDS = 9
CLOCKS, REFRESHES, ACTS, PRES, READS, WRITES, OPEN, WINDOW, P95 = range(FIELDS)
"""Columns of the counts that `run` gives."""


class Timing(NamedTuple):
    """Clocks between commands; of two figures, the second is within a bank group."""

    rcd: int
    rp: int
    ras: int
    rc: int
    rl: int
    wl: int
    burst: int
    ccd_s: int
    ccd_l: int
    rrd_s: int
    rrd_l: int
    faw: int
    rtp: int
    wr: int
    wtr_s: int
    wtr_l: int
    rdwr: int
    refi: int
    rfc: int
    first_refresh: int
    read_completion: int
    groups: int
    banks: int


class Requests(NamedTuple):
    """A trace as the kernel reads it, ``[n]`` each.

    Attributes:
        clock: When the trace offers the request.
        bank, row, write: Where it goes, and whether it writes.
        next_bank, next_row: The next request to the same bank, and row; ``n`` if there is none.
        previous_address: The request before it to the same burst; -1 if there is none.
        first_of_bank: First request of each bank, ``[b]``.
    """

    clock: NDArray[np.int64]
    bank: NDArray[np.int32]
    row: NDArray[np.int32]
    write: NDArray[np.int8]
    next_bank: NDArray[np.int32]
    next_row: NDArray[np.int32]
    previous_address: NDArray[np.int32]
    first_of_bank: NDArray[np.int32]


class Controller(NamedTuple):
    """A design, its values in the order of the space's choices; 0 of ``postponed``: no refresh."""

    page_policy: int
    scheduler: int
    buffer: int
    buffer_size: int
    reorder_queue: bool
    postponed: int
    pulled_in: int
    arbiter: int
    max_active: int


OPEN_PAGE, OPEN_ADAPTIVE, CLOSED_PAGE, CLOSED_ADAPTIVE = range(4)
FIFO, FR_FCFS_GRP, FR_FCFS = range(3)
BANKWISE, READ_WRITE, SHARED = range(3)
SIMPLE, FIFO_ARBITER, REORDER_ARBITER = range(3)


class Banks(NamedTuple):
    """State of the banks, ``[b]`` each.

    Attributes:
        row: The open row, -1 where the bank is precharged.
        head: Its oldest queued request, if that has entered.
        hit: Its oldest queued request to the open row, if that has entered.
        count: Queued requests.
        act, pre, cas: First clock at which the bank itself allows the command.
        rda: As cas, for a read with auto-precharge: what the last write in the bank asks.
        opened: Clock of the last activation.
        want, chosen, automatic: The next command, the request that it serves, and whether it
            precharges the bank by itself.
        own: First clock at which the bank allows the next command.
        slot: Which of the shared clocks bounds the next command.
    """

    row: NDArray[np.int32]
    head: NDArray[np.int32]
    hit: NDArray[np.int32]
    count: NDArray[np.int32]
    act: NDArray[np.int64]
    pre: NDArray[np.int64]
    cas: NDArray[np.int64]
    rda: NDArray[np.int64]
    opened: NDArray[np.int64]
    want: NDArray[np.int8]
    chosen: NDArray[np.int32]
    automatic: NDArray[np.int8]
    own: NDArray[np.int64]
    slot: NDArray[np.int32]


@nb.njit(cache=True, nogil=True, inline="always")
def _second_hit(b, entered, scheduler, requests, banks, served):
    """Whether a second queued request hits the open row."""
    if scheduler == FIFO:
        second = requests.next_bank[banks.head[b]]
        return second < entered and requests.row[second] == banks.row[b]
    second = requests.next_row[banks.hit[b]]
    while second < entered and served[second]:
        second = requests.next_row[second]
    return second < entered


@nb.njit(cache=True, nogil=True, inline="always")
def _grouped(b, entered, last_write, requests, banks, served):
    """The oldest hit of the last direction that no older hit to its address holds up, else any."""
    first = banks.hit[b]
    if requests.write[first] == last_write:
        return first
    other = requests.next_row[first]
    while other < entered:
        if not served[other] and requests.write[other] == last_write:
            before = requests.previous_address[other]
            if before < 0 or served[before]:
                return other
        other = requests.next_row[other]
    return first


@nb.njit(cache=True, nogil=True)
def _decide(b, entered, last_write, design, groups, requests, banks, served):
    """Find the next command of a bank and the clock from which the bank allows it."""
    if banks.count[b] == 0:
        banks.want[b] = NONE
        banks.own[b] = NEVER
        return
    head = banks.head[b]
    group = b % groups
    if banks.row[b] < 0:
        banks.want[b], banks.chosen[b] = ACT, head
        banks.own[b] = banks.act[b]
        banks.slot[b] = group
        return
    if design.scheduler == FIFO:
        hits = requests.row[head] == banks.row[b]
        chosen = head
    else:
        hits = banks.hit[b] < entered
        chosen = banks.hit[b]
        if hits and design.scheduler == FR_FCFS_GRP:
            chosen = _grouped(b, entered, last_write, requests, banks, served)
    if not hits:
        banks.want[b], banks.chosen[b] = PRE, head
        banks.own[b] = banks.pre[b]
        banks.slot[b] = 3 * groups
        return
    automatic = design.page_policy == CLOSED_PAGE
    if design.page_policy == OPEN_ADAPTIVE:
        automatic = banks.count[b] >= 2 and not _second_hit(
            b, entered, design.scheduler, requests, banks, served
        )
    elif design.page_policy == CLOSED_ADAPTIVE:
        automatic = not _second_hit(b, entered, design.scheduler, requests, banks, served)
    banks.chosen[b], banks.automatic[b] = chosen, automatic
    if requests.write[chosen]:
        banks.want[b], banks.slot[b] = WRITE, 2 * groups + group
        banks.own[b] = banks.cas[b]
    else:
        banks.want[b], banks.slot[b] = READ, groups + group
        banks.own[b] = max(banks.cas[b], banks.rda[b]) if automatic else banks.cas[b]


@nb.njit(cache=True, nogil=True)
def _first(floor, banks, shared):
    """The next command: its clock and, below it, its request; ``NEVER`` or more if none."""
    best = NEVER << IDS
    for b in range(len(banks.own)):
        clock = max(max(banks.own[b], shared[banks.slot[b]]), floor)
        best = min(best, (clock << IDS) | banks.chosen[b])
    return best


_STATE = 27
(
    _NOW, _LAST, _ENTERED, _READS, _WRITES, _DONE, _LAST_BANK, _LAST_WRITE, _ARRIVAL, _TIMED,
    _WAITING, _TAKEN, _KNOWN, _OUT, _IN, _TRIGGER, _FLEX, _PULLED, _BLOCKED, _REF_WANT, _REF_CLOCK,
    _REF_READY, _PREA_READY, _ROWS, _COVERED, _END, _BEFORE,
) = range(_STATE)  # fmt: skip


@nb.njit(cache=True, nogil=True)
def _announce(design, requests, s, latency, handed):
    """When the next request reaches the controller; never, as long as the arbiter is full."""
    k = s[_ENTERED]
    s[_ARRIVAL], s[_WAITING] = NEVER, 0
    if k == len(requests.clock):
        return
    before = s[_BEFORE]
    if design.arbiter == SIMPLE:
        s[_TAKEN] = max(requests.clock[k], before + 1)
        s[_ARRIVAL], s[_TIMED] = s[_TAKEN], 0
    else:
        free = 0
        if k >= design.max_active:
            if k - design.max_active >= s[_KNOWN]:
                return
            free = handed[k - design.max_active]
        taken = max(max(requests.clock[k], s[_TAKEN] + 1), free)
        s[_TAKEN] = taken
        s[_TIMED] = taken <= before
        s[_ARRIVAL] = before + 1 if taken <= before else taken
    latency[k] = -s[_TAKEN]


@nb.njit(cache=True, nogil=True)
def _enter(design, groups, requests, banks, s, served, latency, handed):
    """Let the request at the door in if the buffer has room; its bank, or -1."""
    if design.buffer == SHARED:
        room = s[_READS] + s[_WRITES] < design.buffer_size
    elif design.buffer == READ_WRITE:
        room = s[_READS] < design.buffer_size and s[_WRITES] < design.buffer_size
    else:
        room = banks.count[s[_LAST_BANK]] < design.buffer_size
    if not room:
        s[_WAITING], s[_ARRIVAL] = 1, NEVER
        return -1
    k = s[_ENTERED]
    b = requests.bank[k]
    s[_ENTERED], s[_LAST_BANK], s[_BEFORE] = k + 1, b, s[_NOW]
    banks.count[b] += 1
    s[_WRITES if requests.write[k] else _READS] += 1
    _decide(b, k + 1, s[_LAST_WRITE], design, groups, requests, banks, served)
    _announce(design, requests, s, latency, handed)
    return b


@nb.njit(cache=True, nogil=True)
def _respond(k, end, design, s, ready, handed, latency):
    """Note that the data of request k end at this clock, and when they are handed back."""
    if not design.reorder_queue:  # the queue hands over one a clock, in the order of commands
        end = max(end, s[_IN] + 1)
        s[_IN] = end
        if design.arbiter != REORDER_ARBITER:
            latency[k] += end
            handed[s[_KNOWN]] = end
            s[_KNOWN] += 1
            s[_OUT] = end
            return
    ready[k] = end
    k = s[_KNOWN]
    while k < len(ready) and ready[k] > 0:
        s[_OUT] = max(ready[k], s[_OUT] + 1)
        latency[k] += s[_OUT]
        handed[k] = s[_OUT]
        k += 1
    s[_KNOWN] = k


@nb.njit(cache=True, nogil=True)
def _close(clock, completion, s):
    """A bank closes at this clock, which may lie ahead."""
    s[_COVERED] = max(s[_COVERED], clock)
    s[_END] = max(s[_END], (clock << 8) | completion)


@nb.njit(cache=True, nogil=True)
def _column(b, timing, design, requests, banks, shared, s, served, counts):
    """Issue the read or write of a bank now; the clock at which its data end."""
    now, groups = s[_NOW], timing.groups
    group, k = b % groups, banks.chosen[b]
    write = banks.want[b] == WRITE
    to_pre = timing.wl + timing.burst + timing.wr if write else timing.rtp
    for g in range(groups):
        same = g == group
        ccd = now + (timing.ccd_l if same else timing.ccd_s)
        if write:
            wtr = timing.wtr_l if same else timing.wtr_s
            shared[groups + g] = max(shared[groups + g], now + timing.wl + timing.burst + wtr)
            shared[2 * groups + g] = max(shared[2 * groups + g], ccd)
        else:
            shared[groups + g] = max(shared[groups + g], ccd)
            shared[2 * groups + g] = max(shared[2 * groups + g], now + timing.rdwr)
    s[_PREA_READY] = max(s[_PREA_READY], now + to_pre)
    counts[WRITES if write else READS] += 1
    s[_END] = max(s[_END], (now << 8) | (to_pre if write else timing.read_completion))
    if banks.automatic[b]:
        banks.act[b] = max(banks.act[b], now + to_pre + timing.rp)
        s[_REF_READY] = max(s[_REF_READY], now + to_pre + timing.rp)
        s[_ROWS] -= 1
        counts[PRES] += 1
        _close(max(now + to_pre, banks.opened[b] + timing.ras), timing.rp, s)
        banks.row[b] = -1
    else:
        banks.pre[b] = max(banks.pre[b], now + to_pre)
    if write:
        banks.rda[b] = now + to_pre - timing.rtp
    # the request leaves the buffer
    served[k] = 1
    banks.count[b] -= 1
    s[_WRITES if write else _READS] -= 1
    s[_LAST_WRITE] = write
    s[_DONE] += 1
    head = banks.head[b]
    while head < s[_ENTERED] and served[head]:
        head = requests.next_bank[head]
    banks.head[b] = head
    hit = banks.hit[b]
    while hit < s[_ENTERED] and served[hit]:
        hit = requests.next_row[hit]
    banks.hit[b] = hit
    return now + (timing.wl if write else timing.rl) + timing.burst


@nb.njit(cache=True, nogil=True)
def _row(b, timing, requests, banks, shared, s, recent, counts):
    """Issue the activation or precharge of a bank now."""
    now, groups = s[_NOW], timing.groups
    if banks.want[b] == PRE:
        banks.row[b] = -1
        banks.act[b] = max(banks.act[b], now + timing.rp)
        s[_REF_READY] = max(s[_REF_READY], now + timing.rp)
        s[_ROWS] -= 1
        counts[PRES] += 1
        _close(now, timing.rp, s)
        return
    k = banks.chosen[b]
    if s[_ROWS] == 0 and now > s[_COVERED]:
        counts[OPEN] -= now - s[_COVERED]  # what is left of the window is when a row was open
    s[_END] = max(s[_END], (now << 8) | timing.rcd)
    s[_ROWS] += 1
    counts[ACTS] += 1
    banks.row[b], banks.hit[b], banks.opened[b] = requests.row[k], k, now
    banks.cas[b] = now + timing.rcd
    banks.pre[b] = max(banks.pre[b], now + timing.ras)
    banks.act[b] = now + timing.rc
    oldest = counts[ACTS] & 3  # where the activation three before this one stands
    recent[(oldest + 3) & 3] = now
    for g in range(groups):
        rrd = timing.rrd_l if g == b % groups else timing.rrd_s
        shared[g] = max(shared[g], max(now + rrd, recent[oldest] + timing.faw))
    s[_REF_READY] = max(s[_REF_READY], now + timing.rc)
    s[_PREA_READY] = max(s[_PREA_READY], now + timing.ras)


@nb.njit(cache=True, nogil=True)
def _consider_refresh(timing, design, s):
    """The refresh manager's turn at a clock past its trigger."""
    now, idle = s[_NOW], s[_READS] + s[_WRITES] == 0
    s[_REF_WANT] = NONE
    if now >= s[_TRIGGER] + timing.refi:
        s[_TRIGGER] += timing.refi
        s[_PULLED] = 0
    if s[_PULLED]:
        if not idle:
            s[_PULLED] = 0
            s[_TRIGGER] += timing.refi
            return
    elif s[_FLEX] == design.postponed:
        s[_BLOCKED] = 1
    elif not idle:
        s[_FLEX] += 1
        s[_TRIGGER] += timing.refi
        return
    s[_REF_WANT] = PRE if s[_ROWS] else ACT
    s[_REF_CLOCK] = max(s[_PREA_READY] if s[_ROWS] else s[_REF_READY], max(now, s[_LAST] + 1))


@nb.njit(cache=True, nogil=True)
def _refresh(timing, design, requests, banks, shared, s, served, counts):
    """Issue the refresh, or the precharge of all banks before it, now."""
    now, precharge = s[_NOW], s[_REF_WANT] == PRE
    s[_REF_WANT] = NONE
    if precharge:
        counts[PRES] += s[_ROWS]
        s[_ROWS] = 0
        _close(now, timing.rp, s)
        s[_REF_READY] = max(s[_REF_READY], now + timing.rp)
        for b in range(timing.banks):
            banks.row[b] = -1
            banks.act[b] = max(banks.act[b], now + timing.rp)
    else:
        counts[REFRESHES] += 1
        if now > s[_COVERED]:
            counts[OPEN] -= now - s[_COVERED]
        _close(now + timing.rfc - timing.rp, 0, s)
        s[_REF_READY] = max(s[_REF_READY], now + timing.rfc)
        for b in range(timing.banks):
            banks.act[b] = max(banks.act[b], now + timing.rfc)
        s[_BLOCKED] = 0
        if s[_PULLED]:
            s[_FLEX] -= 1
        s[_PULLED] = 1
        if s[_FLEX] == -design.pulled_in:
            s[_PULLED] = 0
            s[_TRIGGER] += timing.refi
    for b in range(timing.banks):
        _decide(b, s[_ENTERED], s[_LAST_WRITE], design, timing.groups, requests, banks, served)


@nb.njit(cache=True, nogil=True)
def run(timing, design, requests, latency):
    """Play a trace on one controller.

    Args:
        timing: The part.
        design: The controller.
        requests: The trace.
        latency: Gets the clocks from offer to response of each request, ``[n]``.

    Returns:
        Counts in the order of the constants above, ``[9]``.
    """
    n, groups = len(requests.clock), timing.groups
    banks = Banks(
        np.full(timing.banks, -1, np.int32),
        requests.first_of_bank.copy(),
        np.full(timing.banks, n, np.int32),
        np.zeros(timing.banks, np.int32),
        np.zeros(timing.banks, np.int64),
        np.zeros(timing.banks, np.int64),
        np.zeros(timing.banks, np.int64),
        np.zeros(timing.banks, np.int64),
        np.zeros(timing.banks, np.int64),
        np.zeros(timing.banks, np.int8),
        np.zeros(timing.banks, np.int32),
        np.zeros(timing.banks, np.int8),
        np.full(timing.banks, NEVER, np.int64),
        np.zeros(timing.banks, np.int32),
    )
    shared = np.zeros(3 * groups + 1, np.int64)  # per group ACT, READ, WRITE; PRE: no bound
    served = np.zeros(n, np.uint8)
    ready = np.zeros(n, np.int64)
    handed = np.zeros(n, np.int64)  # clocks of the responses, in their order
    recent = np.full(4, -NEVER, np.int64)
    counts = np.zeros(FIELDS, np.int64)
    s = np.zeros(_STATE, np.int64)
    s[_LAST] = s[_OUT] = s[_IN] = s[_TAKEN] = s[_BEFORE] = -1
    s[_TRIGGER] = timing.first_refresh if design.postponed else NEVER
    _announce(design, requests, s, latency, handed)
    best = NEVER << IDS
    while s[_DONE] < n:
        now = NEVER if s[_BLOCKED] else best >> IDS
        arrival = s[_ARRIVAL]
        now = min(now, arrival)
        if s[_REF_WANT] != NONE:
            now = min(now, s[_REF_CLOCK])
        elif s[_NOW] < s[_TRIGGER]:
            now = min(now, s[_TRIGGER])
        s[_NOW] = now
        late = arrival == now and s[_TIMED] == 0
        if arrival == now and not late:
            _enter(design, groups, requests, banks, s, served, latency, handed)
            best = _first(max(now, s[_LAST] + 1), banks, shared)
        was_blocked = s[_BLOCKED]
        if now >= s[_TRIGGER]:
            _consider_refresh(timing, design, s)
        if s[_REF_WANT] != NONE and s[_REF_CLOCK] <= now:
            s[_LAST] = now
            _refresh(timing, design, requests, banks, shared, s, served, counts)
        elif not was_blocked and best >> IDS <= now:
            s[_LAST] = now
            k = best & ((1 << IDS) - 1)
            b = requests.bank[k]
            if banks.want[b] == ACT or banks.want[b] == PRE:
                _row(b, timing, requests, banks, shared, s, recent, counts)
            else:
                before = s[_LAST_WRITE]
                end = _column(b, timing, design, requests, banks, shared, s, served, counts)
                if s[_WAITING]:
                    _enter(design, groups, requests, banks, s, served, latency, handed)
                _respond(k, end, design, s, ready, handed, latency)
                if s[_ARRIVAL] == NEVER and not s[_WAITING]:
                    _announce(design, requests, s, latency, handed)
                if design.scheduler == FR_FCFS_GRP and before != s[_LAST_WRITE]:
                    for other in range(timing.banks):
                        if banks.row[other] >= 0:
                            _decide(other, s[_ENTERED], s[_LAST_WRITE], design, groups, requests,
                                    banks, served)
            _decide(b, s[_ENTERED], s[_LAST_WRITE], design, groups, requests, banks, served)
        if now >= s[_TRIGGER]:
            _consider_refresh(timing, design, s)
        if late and s[_ARRIVAL] == now:
            _enter(design, groups, requests, banks, s, served, latency, handed)
            if now >= s[_TRIGGER]:
                _consider_refresh(timing, design, s)
        best = _first(max(now, s[_LAST] + 1), banks, shared)
    counts[CLOCKS] = s[_OUT]
    counts[WINDOW] = (s[_END] >> 8) + (s[_END] & 255) - 1
    if s[_ROWS] == 0 and counts[WINDOW] > s[_COVERED]:
        counts[OPEN] -= counts[WINDOW] - s[_COVERED]
    counts[OPEN] += counts[WINDOW]
    return counts
