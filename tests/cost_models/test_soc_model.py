"""Chips for tasks: closed forms, what a design means, what follows from a change to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign_gym.cost_models import SocModel
from codesign_gym.cost_models.simulators import soc_technology as technology
from codesign_gym.cost_models.simulators.soc_model import OVERFULL
from codesign_gym.cost_models.workloads.ar_workloads import TASK_GRAPHS
from codesign_gym.cost_models.workloads.task_graphs import Task, TaskGraph
from codesign_gym.search_spaces import Designs

ONE = TaskGraph("one", (Task("a", "stencil", 4e5, 1e4, input_bytes=3e4),), 1.0)
CHAIN = TaskGraph(
    "chain",
    (
        Task("a", "stencil", 4e5, 4e4, input_bytes=2e4),
        Task("b", "pointwise", 2e5, 1e4, {"a": 4e4}),
    ),
    1.0,
)
NAMES = st.sampled_from(list(TASK_GRAPHS))
MODELS = {name: SocModel(name) for name in TASK_GRAPHS}


def design(model: SocModel, **choices: Any) -> Designs:
    """A design ``[1, p]`` of the first choices but for some, named without their group."""
    known = {p.name: p for p in model.space.parameters}
    assert choices.keys() <= known.keys()
    row = [known[p.name].index(choices[p.name]) if p.name in choices else 0 for p in known.values()]
    return model.space.canonical(model.space.check([row]))


def cost(model: SocModel, **choices: Any) -> dict[str, float]:
    metrics = model.evaluate(design(model, **choices))
    return {name: float(column[0]) for name, column in metrics.items()}


def test_one_task_on_one_core_by_hand() -> None:
    found = cost(SocModel(ONE), core1="scalar", core1_clock=800, dram=0.8, system_bus_clock=400)
    # 2 instructions per operation, one a cycle: the core takes 1 ms, the DRAM 0.05, the bus 0.025.
    assert found["latency_ms"] == pytest.approx(1.0)
    area = 0.25 + 4 * 0.01 + 0.8 * 0.25
    standby = area * 1.0 + 0.8 * 2.0
    bus = 8 * 0.1 * 5 * 0.8**2  # at half of the fastest clock 0.8 of the supply
    dynamic = (4e5 * 2 * 70 + 4e4 * (np.sqrt(1300 * 2600) / 8 + bus)) / 1e6
    assert found["area_mm2"] == pytest.approx(area)
    assert found["energy_uj"] == pytest.approx(dynamic + standby * 1.0)
    assert found["power_mw"] == pytest.approx(dynamic + standby)


def test_an_accelerator_by_hand() -> None:
    found = cost(
        SocModel(ONE), stencil_lanes=8, stencil_clock=100, a_accelerated=True, dram=6.4,
        system_bus=32, system_bus_clock=800,
    )  # fmt: skip
    assert found["latency_ms"] == pytest.approx(4e5 / (2 * 8 * 100e3))


def test_power_is_over_the_period_or_what_is_longer() -> None:
    slow = cost(SocModel(ONE), core1_clock=100)
    assert slow["latency_ms"] == pytest.approx(8.0)
    assert slow["power_mw"] == pytest.approx(slow["energy_uj"] / 8.0)
    fast = cost(SocModel(ONE), core1="vector", core1_clock=800)
    assert fast["latency_ms"] < 1.0
    assert fast["power_mw"] == pytest.approx(fast["energy_uj"])


def demand(model: SocModel, **choices: Any) -> dict[str, list[float]]:
    needs = model.demand(model.chips(design(model, **choices)))[0]
    return {task: row.tolist() for task, row in zip(model.graph.names, needs, strict=True)}


def test_what_goes_over_which_bus() -> None:
    model = SocModel(CHAIN)
    # core1, core2, stencil, pointwise, DRAM, SRAM, system bus, local bus
    chosen = {"sram": 64, "a_output": "sram", "stencil_lanes": 2, "a_accelerated": True}
    shared = demand(model, **chosen)
    assert shared["a"] == [0, 0, 4e5, 0, 2e4, 4e4, 6e4, 0]
    assert shared["b"] == [2e5, 0, 0, 0, 1e4, 4e4, 5e4, 0]
    split = demand(model, **chosen, topology="split")
    assert split["a"] == [0, 0, 4e5, 0, 2e4, 4e4, 2e4, 6e4]  # its input comes over the bridge
    assert split["b"] == [2e5, 0, 0, 0, 1e4, 4e4, 5e4, 4e4]  # the core's from the SRAM as well
    plain = demand(model)
    assert plain["a"] == [4e5, 0, 0, 0, 6e4, 0, 6e4, 0]


def test_buffers_beyond_the_sram_are_no_design() -> None:
    model = SocModel("edge-detection")
    chosen = {f"smooth_{s}_output": "sram" for s in range(2)}
    fits, exceeds = (design(model, sram=kb, **chosen) for kb in (512, 256))
    metrics = model.evaluate(np.concatenate([fits, exceeds]))
    assert metrics.valid.tolist() == [True, False]
    assert metrics.reason(1) == OVERFULL
    assert model.explain(fits)
    assert model.explain(exceeds) == []


def test_what_is_not_there_says_nothing() -> None:
    """Clocks of absent parts, and mappings to them, are inactive."""
    model = SocModel(CHAIN)
    active = dict(zip(model.space.names, model.space.active(design(model))[0], strict=True))
    for name in (
        "soc.core2_clock", "soc.stencil_clock", "soc.local_bus", "soc.local_bus_clock",
        "soc.sram_port", "mapping.a_accelerated", "mapping.a_core", "mapping.a_output",
    ):  # fmt: skip
        assert not active[name]
    assert "mapping.b_output" not in active  # it leaves the chip


@settings(max_examples=30)
@given(NAMES, st.integers(0, 2**32))
def test_parts_add_up(name: str, seed: int) -> None:
    """The explanation ends when the design does; energy is at least that of all operations."""
    model = MODELS[name]
    row = model.space.sample(1, seed)
    row[0, model.space.names.index("soc.sram")] = 0
    row = model.space.canonical(row)
    metrics = {key: float(column[0]) for key, column in model.evaluate(row).items()}
    rows = model.explain(row)
    assert len(rows) == len(model.graph)
    assert max(float(r["end_ms"]) for r in rows) == pytest.approx(metrics["latency_ms"])
    assert sum(float(r["energy_pct"]) for r in rows) == pytest.approx(100)
    chips = model.chips(row)
    needs = model.demand(chips)[0]
    assert needs[:, :-4].sum() == pytest.approx(model.graph.operations.sum())
    moved = model.graph.output_bytes + model.graph.input_bytes
    assert needs[:, -4:-2].sum() == pytest.approx(moved.sum() + model.graph.edges[2].sum())
    on_elements = float((needs[:, :-4] * chips.energy[0, :-4]).sum())
    assert metrics["energy_uj"] >= on_elements / 1e6
    lasts = max(metrics["latency_ms"], model.graph.period_ms)
    assert metrics["power_mw"] * lasts == pytest.approx(metrics["energy_uj"])
    assert metrics["latency_ms"] >= (needs.sum(axis=0) / chips.capacity[0]).max() * (1 - 1e-9)


@settings(max_examples=30)
@given(NAMES, st.integers(0, 2**32))
def test_an_idle_core_costs_area_and_leakage_alone(name: str, seed: int) -> None:
    model = MODELS[name]
    row = model.space.sample(1, seed)
    names = list(model.space.names)
    row[0, names.index("soc.core2")] = 0
    row = model.space.canonical(row)
    more = row.copy()
    more[0, names.index("soc.core2")] = 1
    before, after = (model.evaluate(each).values_matrix[0] for each in (row, more))
    if np.isfinite(before).all():
        assert after[0] == before[0]
        assert after[2] == pytest.approx(before[2] + technology.CORE_MM2[0])
        assert after[3] > before[3]


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from(["dram", "system_bus", "system_bus_clock"]))
def test_bandwidth_never_slows_a_chain(seed: int, what: str) -> None:
    """Tasks one after another do not share, so that there is no anomaly."""
    model = SocModel(CHAIN)
    row = model.space.sample(1, seed)
    column = list(model.space.names).index(f"soc.{what}")
    choices = np.repeat(row, len(model.space.parameters[column]), axis=0)
    choices[:, column] = np.arange(len(choices))
    latency = model.evaluate(choices)["latency_ms"]
    if np.isfinite(latency).all():
        assert np.all(np.diff(latency) <= 1e-12)


def test_core_constants() -> None:
    """Horowitz (ISSCC 2014): 70 pJ per instruction of an in-order core at 45 nm."""
    rate, energy = technology.core_table(2)
    assert energy[0] == 2 * 70
    assert rate.tolist() == [0.5, 1.0, 4.0]
    assert technology.core_table(4)[0][-1] == 2.0  # half as many lanes of twice the width
    assert technology.accelerator_table("unknown", 2)[0] == technology.OTHER.operations
