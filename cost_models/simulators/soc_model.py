"""A workload of tasks on systems on chip, as a cost model: latency, power, area, energy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.analytical.technology import TECHNOLOGY_45NM
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.cost_models.simulators import soc_technology as technology
from codesign_gym.cost_models.simulators.soc import Timeline, simulate
from codesign_gym.cost_models.workloads.ar_workloads import task_graph
from codesign_gym.cost_models.workloads.task_graphs import TaskGraph
from codesign_gym.search_spaces import Designs
from codesign_gym.search_spaces.hardware.soc import soc

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

OVERFULL = "the SRAM is too small for the buffers put there"

_CHUNK = 1024
"""Designs simulated at a time, so that their tables stay in the cache."""


class Chips(NamedTuple):
    """What ``n`` designs come to; resources in the order of `SocModel.resources`.

    Attributes:
        capacity: Operations, or bytes, per ms of each resource, ``[n, r]``.
        energy: pJ of an operation, or byte, on each resource, ``[n, r]``.
        area: In mm2, ``[n]``.
        leakage: Leakage and standby in mW, ``[n]``.
        place: Resource that runs each task, ``[n, t]``.
        lies: Where each output lies, 0 DRAM or 1 SRAM, ``[n, t]``.
        split: Whether there is a local bus, ``[n]``.
        overfull: Whether the buffers exceed the SRAM, ``[n]``.
    """

    capacity: FloatArray
    energy: FloatArray
    area: FloatArray
    leakage: FloatArray
    place: IntArray
    lies: IntArray
    split: NDArray[np.bool_]
    overfull: NDArray[np.bool_]


class SocModel(CostModel):
    """One frame or block of a workload on a chip, by FARSI's phases.

    Energy is what a period takes: of operations, memories and buses, and leakage until the next
    frame or, if that is later, the end of this one. Power is that energy over that time. Frames
    follow one another without overlap; caches, interrupts, the operating system and DRAM pages are
    left out. Every output buffer keeps its room for the whole period.

    Args:
        workload: A task graph, or the name of one of `TASK_GRAPHS`.
    """

    source = (
        "FARSI's phase-driven simulation (arXiv 2201.05232) of own task graphs; energies and areas "
        "at 45 nm, see soc_technology"
    )
    metrics = (
        Metric("latency_ms", "ms", "min", "until the last task of a frame or block has ended"),
        Metric("power_mw", "mW", "min", "chip and DRAM, mean over a period"),
        Metric("area_mm2", "mm2", "min", "the chip at 45 nm, DRAM apart"),
        Metric("energy_uj", "uJ", "min", "one frame or block, leakage included"),
    )

    def __init__(self, workload: str | TaskGraph = "edge-detection") -> None:
        self.graph = task_graph(workload) if isinstance(workload, str) else workload
        self.name = f"soc-{self.graph.name}"
        tasks = [(task.name, task.kind) for task in self.graph.tasks]
        buffered = [
            name for name, sink in zip(self.graph.names, self.graph.sinks, strict=True) if not sink
        ]
        self.space = soc(tasks, buffered)
        self.resources = (
            "core1", "core2", *self.graph.kinds, "dram", "sram", "system bus", "local bus",
        )  # fmt: skip
        self._column = {p.label: j for j, p in enumerate(self.space.parameters)}

    def compute(self, designs: Designs) -> Metrics:
        """The metrics of designs ``[n, p]``."""
        from codesign_gym.cost_models.simulators.soc_kernel import fill_costs

        values, overfull = np.empty((len(designs), 4)), np.zeros(len(designs), np.bool_)
        graph = self.graph
        starts, producers, amounts = graph.edges
        for low in range(0, len(designs), _CHUNK):
            rows = slice(low, low + _CHUNK)
            chips = self.chips(designs[rows])
            costs = np.empty((len(chips.area), 2))
            fill_costs(
                graph.operations, graph.input_bytes, graph.output_bytes, starts, producers, amounts,
                chips.place, chips.lies, chips.split, chips.capacity, chips.energy, costs,
            )  # fmt: skip
            latency = costs[:, 0]
            lasts = np.maximum(latency, graph.period_ms)
            energy = costs[:, 1] / 1e6 + chips.leakage * lasts
            values[rows] = np.stack([latency, energy / lasts, chips.area, energy], axis=1)
            overfull[rows] = chips.overfull
        return Metrics(self.metrics, values, {OVERFULL: overfull} if overfull.any() else {})

    def explain(self, designs: Designs) -> list[dict[str, str | float]]:
        """When and where the tasks of one design ``[1, p]`` run: a row per task, by start.

        Columns: ``task``; ``on``, the processing element; ``output``, where it writes;
        ``start_ms`` and ``end_ms``; ``bound``, the resource that held it up longest, and
        ``bound_pct`` of its time; ``energy_pct`` of all operations and transfers. No rows for an
        invalid design.
        """
        chips = self.chips(designs)
        if chips.overfull[0]:
            return []
        demand = self.demand(chips)[0]
        energy = (demand * chips.energy[0]).sum(axis=1)
        line = self.timeline(chips, demand)
        rows: list[dict[str, str | float]] = []
        for i in np.lexsort((line.end, line.start)).tolist():
            took, bound = line.end[i] - line.start[i], int(line.bound[i].argmax())
            rows.append(
                {
                    "task": self.graph.names[i],
                    "on": self.resources[chips.place[0, i]],
                    "output": "sram" if chips.lies[0, i] else "dram",
                    "start_ms": float(line.start[i]),
                    "end_ms": float(line.end[i]),
                    "bound": self.resources[bound],
                    "bound_pct": float(100 * line.bound[i, bound] / took) if took else 0.0,
                    "energy_pct": float(100 * energy[i] / energy.sum()),
                }
            )
        return rows

    def timeline(self, chips: Chips, demand: FloatArray) -> Timeline:
        """The phases of the first of the chips, whose tasks need ``demand`` ``[t, r]``; in ms."""
        return simulate(demand, chips.capacity[0], *self.graph.edges[:2])

    def demand(self, chips: Chips) -> FloatArray:
        """Operations and bytes that each task needs of each resource, ``[n, t, r]``."""
        from codesign_gym.cost_models.simulators.soc_kernel import demand_of

        graph = self.graph
        found = np.empty((len(chips.area), len(graph), len(self.resources)))
        for n, demand in enumerate(found):
            demand_of(
                graph.operations, graph.input_bytes, graph.output_bytes, *graph.edges,
                chips.place[n], chips.lies[n], chips.split[n], demand,
            )  # fmt: skip
        return found

    def chips(self, designs: Designs) -> Chips:
        """What canonical designs ``[n, p]`` come to."""
        n, word = len(designs), self.graph.word_bytes
        shape = (n, len(self.resources))
        # A resource that is not there has no demand; its capacity only must not be 0.
        capacity, energy = np.ones(shape), np.zeros(shape)
        logic, memory = np.zeros(n), np.zeros(n)
        per_cycle, operation_pj = technology.core_table(word)
        for r, core in enumerate(("core1", "core2")):
            kind = designs[:, self._column[f"soc.{core}"]] - r  # core2's first choice is none
            clock = self._value(designs, f"soc.{core}_clock")
            there = kind >= 0
            capacity[:, r] = np.where(there, per_cycle[kind] * clock * 1e3, 1.0)
            energy[:, r] = there * operation_pj[kind] * technology.supply_squared(clock)
            logic += there * np.array(technology.CORE_MM2)[kind]
        for r, name in enumerate(self.graph.kinds, start=2):
            rate, pj, lane, beside = technology.accelerator_table(name, word)
            lanes = self._value(designs, f"soc.{name}_lanes")
            clock = self._value(designs, f"soc.{name}_clock")
            capacity[:, r] = np.where(lanes > 0, rate * lanes * clock * 1e3, 1.0)
            energy[:, r] = (lanes > 0) * pj * technology.supply_squared(clock)
            logic += lanes * lane + (lanes > 0) * beside
        split = designs[:, self._column["soc.topology"]] == 1
        gbps = self._value(designs, "soc.dram")
        sram_kb, port = self._value(designs, "soc.sram"), self._value(designs, "soc.sram_port")
        capacity[:, -4] = gbps * 1e6
        energy[:, -4] = TECHNOLOGY_45NM.dram_pj_per_byte()
        capacity[:, -3] = port * technology.SRAM_MHZ * 1e3
        there = sram_kb > 0
        energy[there, -3] = TECHNOLOGY_45NM.sram_pj_per_byte(sram_kb[there])
        memory += TECHNOLOGY_45NM.sram_um2(sram_kb) / 1e6
        logic += gbps * technology.DRAM_MM2_PER_GBPS
        for b, (bus, present) in enumerate((("system_bus", True), ("local_bus", split))):
            width, clock = (
                self._value(designs, f"soc.{bus}"),
                self._value(designs, f"soc.{bus}_clock"),
            )
            capacity[:, b - 2] = width * clock * 1e3
            energy[:, b - 2] = technology.BUS_PJ_PER_BYTE[b] * technology.supply_squared(clock)
            logic += present * width * technology.BUS_MM2_PER_BYTE[b]
        place, lies = self._mapping(designs)
        leakage = technology.LOGIC_MW_PER_MM2 * logic + technology.SRAM_MW_PER_MM2 * memory
        leakage += technology.DRAM_MW_PER_GBPS * gbps
        overfull = lies @ self.graph.output_bytes > sram_kb * 1024
        return Chips(capacity, energy, logic + memory, leakage, place, lies, split, overfull)

    def _mapping(self, designs: Designs) -> tuple[IntArray, IntArray]:
        """Processing element of each task and memory of each output, ``[n, t]`` each."""
        place = np.empty((len(designs), len(self.graph)), dtype=np.int64)
        lies = np.zeros_like(place)
        for i, (task, kind) in enumerate(
            zip(self.graph.names, self.graph.kind_codes.tolist(), strict=True)
        ):
            accelerated = designs[:, self._column[f"mapping.{task}_accelerated"]] == 1
            core = designs[:, self._column[f"mapping.{task}_core"]]
            place[:, i] = np.where(accelerated, 2 + kind, core)
            if not self.graph.sinks[i]:
                lies[:, i] = designs[:, self._column[f"mapping.{task}_output"]]
        return place, lies

    def _value(self, designs: Designs, label: str) -> FloatArray:
        """The chosen numbers of an ordinal parameter, ``[n]``."""
        column = self._column[label]
        numbers = np.array(self.space.parameters[column].values, dtype=np.float64)
        return numbers[designs[:, column]]
