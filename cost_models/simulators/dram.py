"""A DRAM channel behind a memory controller: time, latency, energy and power of a trace.

The model is DRAMSys 4 (Steiner, Jung, Prado, Bykov, Wehn: "DRAMSys4.0: a fast and cycle-accurate
SystemC/TLM-based DRAM simulator", SAMOS 2020), clock for clock, with the energies of DRAMPower from
the currents of the data sheet. Its controller has no other clock than the memory's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.cost_models.simulators import dram_places as at
from codesign_gym.cost_models.simulators.dram_parts import PARTS, Part, get_part
from codesign_gym.cost_models.simulators.dram_traces import Requests, Trace, read_trace
from codesign_gym.cost_models.simulators.dram_workloads import WORKLOADS, make_trace
from codesign_gym.search_spaces import Designs, InputError, dram_controller

__all__ = [
    "DRAM_METRICS",
    "PARTS",
    "WORKLOADS",
    "Trace",
    "make_trace",
    "read_trace",
    "simulate",
    "simulate_all",
]

DRAM_METRICS = (
    Metric("total_time_ns", "ns", "min", "from the first clock to the last response"),
    Metric("mean_latency_ns", "ns", "min", "from the arbiter to the response, mean"),
    Metric("p95_latency_ns", "ns", "min", "the same, which 95 % of the requests do not exceed"),
    Metric("mean_delay_ns", "ns", "min", "from the clock in the trace to the response, mean"),
    Metric("energy_pj", "pJ", "min", "of all devices of the channel"),
    Metric("average_power_mw", "mW", "min", "energy over the time until the last command is done"),
    Metric("bandwidth_gbps", "Gb/s", "max", "bits read and written over the total time"),
    Metric("edp_uj_us", "uJ us", "min", "energy-delay product: energy times total time"),
)
"""What `simulate` gives. Latency is DRAMSys' own: it begins when the arbiter has the request, which
without a limit is when the one before has been let in, and with one when it takes the request. So a
controller that lets little in has short latencies; what a request waits altogether is its delay."""

_SPACE = dram_controller()
_BATCH = 4096  # controllers at a time, of 3 kB each
_CHUNK = 8  # of them in one call of the kernel, which holds no lock
_PLAYED = at.COUNTS + 3  # figures of one run


def simulate(
    trace: Trace,
    designs: Sequence[Mapping[str, object]] | ArrayLike,
    part: str | Part = "DDR3-1600",
    threads: int = 1,
) -> Metrics:
    """Time, latency, energy, power and bandwidth of a trace under each controller.

    Args:
        trace: What `read_trace` or `make_trace` gives.
        designs: Controllers, dicts of values by the names of ``dram-controller``, where inactive
            ones may be left out, or choice indices ``[n, 10]``.
        part: A part's name, see `PARTS`.
        threads: How many run at a time; the figures do not depend on it.

    Raises:
        InputError: An unknown part, parameter or value; an address outside the part.

    >>> door = {"PagePolicy": "Open", "Scheduler": "FrFcfs", "SchedulerBuffer": "Shared"}
    >>> door |= {"RequestBufferSize": 8, "RespQueue": "Fifo", "Arbiter": "Simple"}
    >>> found = simulate(make_trace("stream"), [door | {"RefreshPolicy": "NoRefresh"}])
    >>> float(found["total_time_ns"][0])  # 10,000 bursts of 4 clocks, and 20 clocks before them
    50025.0
    """
    return simulate_all([trace], designs, part, threads)[0]


def simulate_all(
    traces: Sequence[Trace],
    designs: Sequence[Mapping[str, object]] | ArrayLike,
    part: str | Part = "DDR3-1600",
    threads: int = 1,
) -> list[Metrics]:
    """`simulate` for several traces: one `Metrics` for each, all on the same threads."""
    part = get_part(part)
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise InputError(f"threads must be a whole number from 1, got {threads!r}")
    rows = _indices(designs)
    if isinstance(traces, Trace):
        raise InputError("traces must be a list: put the one trace into brackets")
    for trace in traces:
        if not isinstance(trace, Trace):
            raise InputError(f"a trace must be what read_trace or make_trace gives, got {trace!r}")
    different, which = np.unique(_SPACE.ravel(rows), return_inverse=True)
    requests = [trace.on(part) for trace in traces]
    outcome = np.empty((len(traces), len(different), _PLAYED))
    with ThreadPoolExecutor(threads) as pool:
        play_all = pool.map if threads > 1 else map
        for start in range(0, len(different), _BATCH):
            batch = slice(start, start + _BATCH)
            places = _places(_SPACE.unravel(different[batch]), part)
            chunks = [places[i : i + _CHUNK] for i in range(0, len(places), _CHUNK)]
            jobs = [(asked, chunk) for asked in requests for chunk in chunks]
            played = np.concatenate(list(play_all(_play, jobs)))
            outcome[:, batch] = played.reshape(len(traces), len(places), _PLAYED)
    return [Metrics(DRAM_METRICS, _figures(table[which], part)) for table in outcome]


def _indices(designs: Sequence[Mapping[str, object]] | ArrayLike) -> Designs:
    """The designs as canonical choice indices ``[n, 10]``."""
    if isinstance(designs, Mapping):
        raise InputError("designs must be a list: put the one controller into brackets")
    if isinstance(designs, Sequence) and any(isinstance(row, Mapping) for row in designs):
        return _SPACE.encode(designs)  # type: ignore[arg-type]  # it refuses what is no mapping
    if isinstance(designs, Sequence) and not designs:
        return np.zeros((0, len(_SPACE)), dtype=np.int32)
    return _SPACE.canonical(_SPACE.check(designs))  # type: ignore[arg-type]


def _places(designs: Designs, part: Part) -> NDArray[np.int64]:
    """The kernel's work array of each controller on the part, ``[n, WORK]``."""
    work = np.zeros((len(designs), at.WORK), dtype=np.int64)
    to_precharge = part.wl + part.burst + part.wr
    clocks = {
        at.RCD: part.rcd,
        at.RP: part.rp,
        at.RAS: part.ras,
        at.RC: part.rc,
        at.READ_END: part.rl + part.burst,
        at.WRITE_END: part.wl + part.burst,
        at.RTP: part.rtp,
        at.WRITE_TO_PRECHARGE: to_precharge,
        at.RRD_S: part.rrd[0],
        at.RRD_L: part.rrd[1],
        at.FAW: part.faw,
        at.CCD_S: part.ccd[0],
        at.CCD_L: part.ccd[1],
        at.READ_TO_WRITE: part.rl + part.burst + part.turnaround - part.wl,
        at.WRITE_TO_READ_S: part.wl + part.burst + part.wtr[0],
        at.WRITE_TO_READ_L: part.wl + part.burst + part.wtr[1],
        at.REFI: part.refi,
        at.RFC: part.rfc,
        at.GROUPS: part.groups,
        at.BANKS: part.banks,
        at.READ_DONE: part.rl + part.dqsck + 1 + part.burst,
    }
    for place, value in clocks.items():
        work[:, place] = value
    columns = {  # numbers as such, policies as their codes
        parameter.name: np.asarray(parameter.values)[choice] if parameter.ordered else choice
        for parameter, choice in zip(_SPACE.parameters, designs.T, strict=True)
    }
    work[:, at.PAGE_POLICY] = columns["PagePolicy"]
    work[:, at.SCHEDULER] = columns["Scheduler"]
    work[:, at.BUFFER] = columns["SchedulerBuffer"]
    work[:, at.BUFFER_SIZE] = columns["RequestBufferSize"]
    work[:, at.REORDER_QUEUE] = columns["RespQueue"]
    work[:, at.POSTPONED] = columns["RefreshPolicy"] * columns["RefreshMaxPostponed"]
    work[:, at.PULLED_IN] = columns["RefreshMaxPulledin"]
    work[:, at.ARBITER] = columns["Arbiter"]
    work[:, at.MAX_ACTIVE] = columns["MaxActiveTransactions"]
    return work


def _play(job: tuple[Requests, NDArray[np.int64]]) -> NDArray[np.float64]:
    """The kernel's counts, and in clocks mean and 95th percentile of latency, mean of delay."""
    from codesign_gym.cost_models.simulators import dram_kernel as kernel

    (first, clock, table), controllers = job
    n, works = len(clock), controllers.copy()
    found = np.empty((len(works), 3), np.int64)
    kernel.run_each(works, first, clock, table, -(-95 * n // 100), found)
    total, p95, handed = found.T
    mean, delay = total / n, (handed - clock.sum()) / n
    return np.column_stack([works[:, at.CLOCKS : at.CLOCKS + at.COUNTS], mean, p95, delay])


def _figures(played: NDArray[np.float64], part: Part) -> NDArray[np.float64]:
    """The metrics, in their order, ``[n, 8]``.

    Micron's form as in DRAMPower: what a command adds to the background, and the background, by
    whether a row is open.
    """
    clocks, acts, pres, reads, writes, refreshes, open_clocks, window, mean, p95, delay = played.T
    current = (  # mA x clocks of one device
        acts * part.ras * (part.idd0 - part.idd3n)
        + pres * (part.rc - part.ras) * (part.idd0 - part.idd2n)
        + reads * part.burst * (part.idd4r - part.idd3n)
        + writes * part.burst * (part.idd4w - part.idd3n)
        + refreshes * part.rfc * (part.idd5 - part.idd3n)
        + open_clocks * part.idd3n
        + (window - open_clocks) * part.idd2n
    )
    second = (acts * part.ras + pres * (part.rc - part.ras)) * part.idd02
    energy = part.devices * part.tck_ns * (current * part.vdd + second * part.vdd2)
    bits = 8 * part.burst_bytes * (reads + writes)
    return np.stack(
        [
            clocks * part.tck_ns,
            mean * part.tck_ns,
            p95 * part.tck_ns,
            delay * part.tck_ns,
            energy,
            energy / (window * part.tck_ns),
            bits / (clocks * part.tck_ns),
            1e-9 * energy * clocks * part.tck_ns,
        ],
        axis=1,
    )
