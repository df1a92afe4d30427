"""The DRAM simulator: cases by hand, what holds for every trace and controller, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign_gym.cost_models import DramModel, make_cost_model
from codesign_gym.cost_models.simulators.dram import (
    PARTS,
    WORKLOADS,
    Trace,
    make_trace,
    simulate,
    simulate_all,
)
from codesign_gym.search_spaces import Designs, InputError, dram_controller, make_space

SPACE = dram_controller()
PLAIN: dict[str, object] = {
    "PagePolicy": "Open",
    "Scheduler": "Fifo",
    "SchedulerBuffer": "Shared",
    "RequestBufferSize": 8,
    "RespQueue": "Fifo",
    "RefreshPolicy": "NoRefresh",
    "Arbiter": "Simple",
}


def trace(*requests: tuple[int, str, int]) -> Trace:
    """A trace of (clock, read or write, address)."""
    clock, command, address = zip(*requests, strict=True)
    return Trace(np.array(clock), np.array([c == "write" for c in command]), np.array(address))


def clocks(found: Trace, part: str = "DDR3-1600", **changes: object) -> float:
    """Total time in clocks under the plain controller, changed."""
    time = simulate(found, [PLAIN | changes], part)["total_time_ns"][0]
    return float(round(time / PARTS[part].tck_ns, 6))


# -- by hand: sums of data-sheet clocks ------------------------------------------------------------


def test_one_read_and_one_write() -> None:
    assert clocks(trace((0, "read", 0))) == 10 + 10 + 4  # RCD, RL, burst
    assert clocks(trace((7, "write", 0))) == 7 + 10 + 8 + 4  # WL
    assert clocks(trace((0, "read", 0)), "DDR4-2400") == 16 + 16 + 4


def test_two_reads_of_a_row_and_of_two_rows() -> None:
    assert clocks(trace((0, "read", 0), (1, "read", 64))) == 24 + 4
    far = trace((0, "read", 0), (1, "read", 1 << 16))  # another row of the bank
    assert clocks(far) == 28 + 10 + 10 + 10 + 4  # RAS, RP, RCD, RL, burst
    assert clocks(far, PagePolicy="Closed") == 38 + 10 + 10 + 4  # RC


def test_the_bus_turns_round() -> None:
    both = trace((0, "read", 0), (1, "write", 64))
    assert clocks(both) == 10 + (10 + 4 + 2 - 8) + 8 + 4
    back = trace((0, "write", 0), (1, "read", 64))
    assert clocks(back) == 10 + (8 + 4 + 6) + 10 + 4  # WTR


@pytest.mark.parametrize(("stride", "gap"), [(64, 6), (8192, 4)])
def test_bank_groups_of_ddr4(stride: int, gap: int) -> None:
    """Column commands are CCD_L apart within a bank group, CCD_S between two of open rows."""
    address = stride * (np.arange(400) % 4)
    many = Trace(np.arange(400), np.zeros(400, np.bool_), address)
    time = clocks(many, "DDR4-2400", RequestBufferSize=32)
    assert gap * 399 + 36 <= time <= gap * 399 + 36 + 3 * 6


def test_four_activations_in_a_window() -> None:
    """The fifth bank waits for FAW, not for RRD; the fourth a clock, for the second one's read."""
    banks = [(k, "read", k << 13) for k in range(5)]
    assert clocks(trace(*banks)) == 24 + 10 + 10 + 4
    assert clocks(trace(*banks[:4])) == 15 + 1 + 10 + 10 + 4


def test_first_ready_first() -> None:
    """FrFcfs serves the hit before the older miss, and so opens one row less."""
    three = trace((0, "read", 0), (1, "read", 1 << 16), (2, "read", 64))
    assert clocks(three, Scheduler="FrFcfs") < clocks(three)


def test_grouping_keeps_the_direction_but_not_past_a_hazard() -> None:
    """A read overtakes an older write to the open row, unless both are of one burst."""
    free = trace((0, "read", 0), (1, "write", 64), (2, "read", 128))
    held = trace((0, "read", 0), (1, "write", 64), (2, "read", 64))
    assert clocks(free, Scheduler="FrFcfsGrp") < clocks(free, Scheduler="FrFcfs")
    assert clocks(held, Scheduler="FrFcfsGrp") == clocks(held, Scheduler="FrFcfs")


def test_energy_of_one_read() -> None:
    """ACT, RD and the background with the row open, of eight devices; DDR3 draws IDD3N = IDD2N."""
    found = simulate(trace((0, "read", 0)), [PLAIN])
    window = 10 + (10 + 4 + 1) - 1
    milliampere_clocks = 28 * (70 - 45) + 4 * (140 - 45) + 45 * window
    assert found["energy_pj"][0] == pytest.approx(8 * 1.5 * 1.25 * milliampere_clocks)
    assert found["average_power_mw"][0] == pytest.approx(found["energy_pj"][0] / (window * 1.25))


def test_the_second_voltage_of_ddr4_counts() -> None:
    found = simulate(trace((0, "read", 0)), [PLAIN], "DDR4-2400")
    window = 16 + (16 + 2 + 1 + 4) - 1
    first = 39 * (60.75 - 44) + 4 * (184.5 - 44) + 44 * window
    expected = 8 * 0.833 * (1.2 * first + 2.5 * 39 * 4.05)
    assert found["energy_pj"][0] == pytest.approx(expected)


def test_idle_memory_is_refreshed_ahead() -> None:
    """19 triggers in 20 REFI, and 8 refreshes pulled in; the row is closed and opened again."""
    late = trace((0, "read", 0), (6240 * 20 - 3000, "read", 64))
    refreshed = PLAIN | {"RefreshPolicy": "AllBank", "RefreshMaxPostponed": 1}
    found = simulate(late, [PLAIN, refreshed | {"RefreshMaxPulledin": 8}])
    more = (found["energy_pj"][1] - found["energy_pj"][0]) / (8 * 1.5 * 1.25)
    reopened = 10 * (70 - 45) + 28 * (70 - 45) + 10 * 45  # PRE, ACT, RCD more of background
    assert more == pytest.approx((19 + 8) * 88 * (170 - 45) + reopened)


def test_a_forced_refresh_waits_for_the_banks_and_holds_the_requests_up() -> None:
    """Reads every clock: each trigger but the one postponed costs PREA, RP, RFC and RCD."""
    many = make_trace("stream", 6240)
    time = clocks(many, RefreshPolicy="AllBank", RefreshMaxPostponed=1, RefreshMaxPulledin=1)
    stop = 10 + 88 + 10  # RP, RFC, RCD
    assert 2 * stop <= time - clocks(many) <= 3 * (stop + 10)


# -- what holds always -----------------------------------------------------------------------------

requests = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.booleans(),
        st.one_of(st.integers(0, 12), st.integers(0, (1 << 24) - 1)),
    ),
    min_size=1,
    max_size=60,
)


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Short traces that repeat lines, rows and idle times, in the smallest part's 1 GiB."""
    gaps, writes, lines = zip(*draw(requests), strict=True)
    stretch = draw(st.sampled_from((1, 500)))
    return Trace(np.cumsum(gaps) * stretch, np.array(writes), 64 * np.array(lines), "drawn")


@st.composite
def controllers(draw: st.DrawFn) -> Designs:
    """One to five rows of choice indices, not canonical."""
    row = st.tuples(*(st.integers(0, len(p) - 1) for p in SPACE.parameters))
    return np.array(draw(st.lists(row, min_size=1, max_size=5)), dtype=np.int32)


parts = st.sampled_from(sorted(PARTS))


@settings(max_examples=120)
@given(traces(), controllers(), parts)
def test_bounds(found: Trace, designs: Designs, name: str) -> None:
    part, got = PARTS[name], simulate(found, designs, name)
    least = part.unloaded_clocks * part.tck_ns * (1 - 1e-12)
    last = found.clock[-1] * part.tck_ns * (1 - 1e-12)
    assert (got["total_time_ns"] >= last + least).all()
    assert (got["mean_latency_ns"] >= least).all()
    assert (got["p95_latency_ns"] >= least).all()
    assert (got["mean_delay_ns"] >= got["mean_latency_ns"] * (1 - 1e-12)).all()
    background = part.devices * part.vdd * min(part.idd2n, part.idd3n)
    assert (got["average_power_mw"] >= background * (1 - 1e-12)).all()
    assert (got["bandwidth_gbps"] <= part.peak_gbps).all()
    bits = 8 * part.burst_bytes * len(found)
    np.testing.assert_allclose(got["bandwidth_gbps"] * got["total_time_ns"], bits)


@settings(max_examples=60)
@given(traces(), controllers(), parts, st.integers(0, 99))
def test_neither_order_nor_threads_nor_company_matter(
    found: Trace, designs: Designs, name: str, seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(designs))
    whole = simulate(found, designs, name).values_matrix
    np.testing.assert_array_equal(simulate(found, designs[order], name).values_matrix, whole[order])
    np.testing.assert_array_equal(simulate(found, designs, name, threads=3).values_matrix, whole)
    alone = [simulate(found, [row], name).values_matrix[0] for row in designs]
    np.testing.assert_array_equal(alone, whole)


@settings(max_examples=60)
@given(traces(), controllers(), st.integers(0, 7), st.integers(0, 3), st.integers(0, 3))
def test_inactive_parameters_do_not_matter(
    found: Trace, designs: Designs, limit: int, postponed: int, pulled_in: int
) -> None:
    other = designs.copy()
    other[:, [6, 7, 9]] = postponed, pulled_in, limit
    other = np.where(SPACE.active(designs), designs, other)
    np.testing.assert_array_equal(
        simulate(found, designs).values_matrix, simulate(found, other).values_matrix
    )


def test_several_traces_at_once() -> None:
    several = [make_trace(name, 300) for name in WORKLOADS]
    designs = SPACE.sample(20, 0)
    for threads in (1, 2):
        found = simulate_all(several, designs, threads=threads)
        for one, metrics in zip(several, found, strict=True):
            np.testing.assert_array_equal(
                metrics.values_matrix, simulate(one, designs).values_matrix
            )


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_controller_finishes_every_workload(name: str) -> None:
    """400 random controllers, with every choice of every parameter among them."""
    designs = SPACE.sample(400, 1)
    for part in PARTS:
        found = simulate(make_trace(name, 500), designs, part)
        assert np.isfinite(found.values_matrix).all()


def test_dicts_and_rows_are_the_same_designs() -> None:
    designs, found = SPACE.sample(8, 2), make_trace("hot", 200)
    by_name = simulate(found, SPACE.decode(designs)).values_matrix
    np.testing.assert_array_equal(by_name, simulate(found, designs).values_matrix)
    assert len(simulate(found, []).valid) == 0


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda t: simulate(t, [PLAIN], "DDR9"), "unknown DRAM part 'DDR9'.*DDR3-1600, DDR4-2400"),
        (lambda t: simulate(t, [PLAIN], cast(Any, 3)), "named by text, got 3"),
        (lambda t: simulate(cast(Any, "t.stl"), [PLAIN]), "what read_trace .* gives, got 't.stl'"),
        (lambda t: replace(PARTS["DDR3-1600"], banks=32), "1..16 banks.*got 32 in 1"),
        (lambda t: simulate(t, cast(Any, PLAIN)), "must be a list"),
        (lambda t: simulate(t, [PLAIN | {"Sheduler": "Fifo"}]), "did you mean 'Scheduler'"),
        (lambda t: simulate(t, [PLAIN | {"Scheduler": "Lifo"}]), "Fifo, FrFcfsGrp, FrFcfs.*'Lifo'"),
        (lambda t: simulate(t, [PLAIN | {"RequestBufferSize": 3}]), "1, 2, 4.*got 3"),
        (lambda t: simulate(t, [{}]), "design 0 lacks parameter 'PagePolicy'"),
        (lambda t: simulate(t, [PLAIN | {"Arbiter": "Fifo"}]), "lacks.*'MaxActiveTransactions'"),
        (lambda t: simulate(t, [[0] * 9]), r"must have shape \[n, 10\]"),
        (lambda t: simulate(t, [[9] * 10]), "'PagePolicy' must be a choice index in 0..3"),
        (lambda t: simulate(t, cast(Any, [PLAIN, 3])), "list of dicts"),
        (lambda t: simulate(t, [PLAIN], threads=0), "threads must be a whole number from 1, got 0"),
        (lambda t: simulate(trace((0, "read", 1 << 30)), [PLAIN]), "outside DDR3-1600"),
        (lambda t: DramModel("cloud"), "unknown memory workload or trace file 'cloud'.*cloud-1"),
        (lambda t: DramModel("none.stl"), "there is no trace none.stl"),
        (lambda t: make_trace("stream", 0), "number of requests must be in 1..16777214, got 0"),
    ],
)
def test_bad_input(call: Callable[[Trace], object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        call(make_trace("stream", 4))


# -- space and cost model --------------------------------------------------------------------------


def test_space() -> None:
    space = make_space("dram-controller")
    assert (space.size, space.cardinality, len(space)) == (442_368, 166_464, 10)


def test_cost_model_and_export() -> None:
    model = make_cost_model("dram", trace="copy", part="DDR4-2400")
    assert model.name == "dram-copy-DDR4-2400"
    designs = SPACE.sample(3, 0)
    expected = simulate(make_trace("copy"), designs, "DDR4-2400")
    np.testing.assert_array_equal(model.evaluate(designs).values_matrix, expected.values_matrix)
    ((name, text),) = model.export(designs[:1], "dramsys").items()
    written = json.loads(text)["mcconfig"]
    assert name == "mcconfig.json"
    assert SPACE.decode(designs[:1])[0].items() <= written.items()
    assert written["CmdMux"] == "Oldest"
    with pytest.raises(InputError, match="has no format 'zigzag'"):
        model.export(designs[:1], "zigzag")


def test_energy_delay_product() -> None:
    found = simulate(make_trace("mixed"), SPACE.sample(20, 0))
    product = found["energy_pj"] / 1e6 * found["total_time_ns"] / 1e3
    np.testing.assert_allclose(found["edp_uj_us"], product, rtol=1e-12)
