"""Places in the arrays that the DRAM kernel works on.

All that changes is in one array ``w``: the part, the controller, the outcome, the state of the
channel and, `MOST_BANKS` places each, of the banks.
"""

from __future__ import annotations

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

TIMING = 21
(
    RCD, RP, RAS, RC, READ_END, WRITE_END, RTP, WRITE_TO_PRECHARGE, RRD_S, RRD_L, FAW, CCD_S, CCD_L,
    READ_TO_WRITE, WRITE_TO_READ_S, WRITE_TO_READ_L, REFI, RFC, GROUPS, BANKS, READ_DONE,
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
AT_COUNTS = TIMING + DESIGN
CLOCKS, ACTS, PRES, READS, WRITES, REFRESHES, OPEN_CLOCKS, WINDOW = range(
    AT_COUNTS, AT_COUNTS + COUNTS
)
"""Places of the outcome: clock of the last response, commands, clocks with a row open out of the
window that power is averaged over."""

AT_STATE = AT_COUNTS + COUNTS
(
    NOW, LAST, ENTERED, ENTRY, QUEUED_READS, QUEUED_WRITES, SERVED, LAST_BANK, DIRECTION,
    ARRIVAL, EARLY, WAITING, TAKEN, RESPONSES, RESPONSE, DELIVERY, TRIGGER, FLEX, PULLED,
    BLOCKED, REF_WANT, REF_CLOCK, REF_READY, PREA_READY, OPEN_BANKS, COVERED, END, TOTAL,
) = range(AT_STATE, AT_STATE + 28)  # fmt: skip
RECENT = AT_STATE + 28  # the last four activations
ANY_BANK = RECENT + 4  # per group activate, read, write: first clock for any bank; then 0
AT_BANKS = ANY_BANK + 3 * MOST_BANKS + 1
(
    OPEN_ROW, HEAD, HIT, QUEUED, ACT_FROM, PRE_FROM, COLUMN_FROM, RDA_FROM, OPENED, WANT,
    CHOSEN, AUTO, FROM, SLOT,
) = range(AT_BANKS, AT_BANKS + 14 * MOST_BANKS, MOST_BANKS)  # fmt: skip
WORK = AT_BANKS + 14 * MOST_BANKS
"""Length of ``w``.

State of the channel: NOW and the clock of the LAST command; ENTERED requests, the clock of the last
ENTRY, those queued and SERVED; the bank that the last one went to and the DIRECTION of the last
column command; the ARRIVAL of the next, whether EARLY, before the command of its clock, or WAITING
for room, and when the arbiter has TAKEN it; RESPONSES, the clock of the last RESPONSE and of the
last DELIVERY by a response queue; of refresh the TRIGGER, the FLEXibility, whether PULLED in and
BLOCKED, what it wants and when, and when the banks are ready; OPEN_BANKS, until when some bank is
known to be open (COVERED), and the END of the last command, its completion in the low 8 bits; the
TOTAL of requests.

State of a bank: its OPEN_ROW, -1 if precharged; HEAD, the oldest queued request, and HIT, that to
the open row, if they have entered; how many are QUEUED; from when the bank itself allows to
activate, precharge, read or write, and RDA; when it was OPENED; what it WANTs next, for which
request, with AUTO-precharge or not, from when, and the SLOT of the clock for any bank.
"""
