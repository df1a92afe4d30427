"""Several networks at once on a chip of two sub-accelerators (NASAIC, arXiv 2002.04116).

Each sub-accelerator is a `dataflow` accelerator; its costs of a layer do not depend on the other,
so that a layer is worked out once for every sub-accelerator that some design has. Layers are then
laid over the two by `scheduling`.

What a choice of ``heterogeneous-accelerator`` does not say: PEs form the most nearly square array
of their number and have 64 bytes of registers each; each sub-accelerator has a shared buffer of
64 KiB unless told otherwise; its bandwidth is that of each of its networks and of its port to the
memory outside; the clock is 1 GHz. NASAIC's model (MAESTRO) sizes buffers by the mapping instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.analytical.dataflow import (
    TEMPLATES,
    SpatialAccelerators,
    area_mm2,
    network_totals,
)
from codesign_gym.cost_models.analytical.explanation import Row, explained
from codesign_gym.cost_models.analytical.exports import FORMATS, mapped_files
from codesign_gym.cost_models.analytical.scheduling import Method, Schedules, schedule
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.load import load_workload
from codesign_gym.cost_models.workloads.networks import NETWORKS, Workloads, network
from codesign_gym.search_spaces import (
    Designs,
    InputError,
    SearchSpace,
    heterogeneous_accelerator,
    in_group,
)
from codesign_gym.search_spaces.hardware.heterogeneous import (
    LANE_GBPS,
    LANES,
    SUB_DATAFLOWS,
    TILE_PES,
    TILES,
    SubAccelerators,
    grid_of,
    sub_accelerators,
)

IntArray = NDArray[np.int64]
Tasks = Mapping[str, tuple[SearchSpace, Workloads]]

REGISTER_BYTES, BUFFER_KB = 64, 64
"""Registers of a PE, and shared buffer of a sub-accelerator unless told otherwise."""

UNPLACED = "a layer fits on no sub-accelerator"

_TEMPLATES = np.array([TEMPLATES.index(name) for name in SUB_DATAFLOWS])


class _Tables(NamedTuple):
    """The layers of a batch of designs, `z` altogether, and what they cost on both.

    Attributes:
        layer: Index into the model's layers, `[z]`.
        starts: Bounds of the chains, design by design and task by task, `[n * tasks + 1]`.
        cycles: Infinite where a layer cannot run, `[z, 2]`.
        energy: In uJ, `[z, 2]`.
    """

    layer: IntArray
    starts: IntArray
    cycles: NDArray[np.float64]
    energy: NDArray[np.float64]


class ChipModel(CostModel):
    """Latency, energy and area of a heterogeneous chip that runs one network per task, at once.

    Args:
        tasks: Either fixed networks, each layers or anything that `load_workload` takes; or group
            -> a space of networks with the `Workloads` of all of them in grid order, from which
            the design chooses. The model's space has the tasks' groups, then ``accelerator``.
        latency_ms: Latency within which the scheduler minimises energy; without it, and where it
            cannot be kept, the latency is minimised.
        word_bytes: Width of a word, 1, 2 or 4.
        mapping: How layers are mapped, as for `dataflow.evaluate`.
        method: How they are scheduled, as for `scheduling.schedule`.
        tile_pes: PEs of a tile, as for `heterogeneous_accelerator`.
        buffer_kb: Shared buffer of a sub-accelerator, in KiB.
    """

    name = "heterogeneous-chip"
    formats = FORMATS
    source = (
        "NASAIC (Yang et al., DAC 2020): layers of several networks on two sub-accelerators; "
        "costs of a layer by the package's dataflow model at 45 nm"
    )
    metrics = (
        Metric("latency_ms", "ms", "min", "until the last network has ended, at 1 GHz"),
        Metric("energy_uj", "uJ", "min", "one inference of every network"),
        Metric("area_mm2", "mm2", "min", "both sub-accelerators at 45 nm"),
    )

    def __init__(
        self,
        tasks: Tasks | Sequence[str | Layers] = ("resnet18", "mobilenetv2"),
        *,
        latency_ms: float | None = None,
        word_bytes: int = 1,
        mapping: Literal["searched", "template"] = "searched",
        method: Method = "auto",
        tile_pes: int = TILE_PES,
        buffer_kb: float = BUFFER_KB,
    ) -> None:
        if not len(tasks):
            raise InputError("a chip needs at least one network, got none")
        if latency_ms is not None and not latency_ms > 0:
            raise InputError(f"latency_ms must be above 0, got {latency_ms}")
        if not buffer_kb > 0:
            raise InputError(f"buffer_kb must be above 0, got {buffer_kb}")
        self.latency_ms, self._method = latency_ms, method
        self._word_bytes, self._mapping = word_bytes, mapping
        spaces = []
        if isinstance(tasks, Mapping):
            spaces = [in_group(space, group) for group, (space, _) in tasks.items()]
            loads = [workloads for _, workloads in tasks.values()]
            for space, workloads in zip(spaces, loads, strict=True):
                if space.size != len(workloads):
                    raise InputError(
                        f"space {space.name!r} has {space.size} networks, its workloads "
                        f"{len(workloads)}"
                    )
        else:
            loads = [_in_order(task) for task in tasks]
            names = [task for task in tasks if isinstance(task, str)]
            if len(names) == len(tasks):
                self.name = f"heterogeneous-{'+'.join(names)}"
        self.groups = tuple(space.name for space in spaces) or tuple(
            f"network{i}" for i in range(1, len(loads) + 1)
        )
        self.space = heterogeneous_accelerator(tile_pes)
        self._grids = np.array([grid_of(tile_pes * tiles) for tiles in range(1, TILES + 1)])
        self._buffer_kb = buffer_kb
        for space in reversed(spaces):
            self.space = space * self.space
        self._spaces = spaces
        self._chains, self.layers = _joined(loads)
        configurations = len(SUB_DATAFLOWS) * TILES * LANES
        # What a layer costs on a sub-accelerator, NaN until a design has asked: cycles, energy.
        self._costs = np.full((2, configurations * len(self.layers)), np.nan)

    def compute(self, designs: Designs) -> Metrics:
        """The metrics of designs ``[n, p]``."""
        subs, plan, _ = self._schedules(designs)
        values = np.empty((len(designs), 3))
        values[:, 0] = plan.makespan / 1e6
        values[:, 1] = plan.energy
        values[:, 2] = self._areas[subs.tiles].sum(axis=1)
        unplaced = np.isinf(plan.makespan)
        return Metrics(self.metrics, values, {UNPLACED: unplaced} if unplaced.any() else {})

    def explain(self, designs: Designs) -> list[dict[str, str | float]]:
        """Where and when the layers of one design ``[1, p]`` run: a row per layer.

        Columns: ``task``; ``layer``; ``on``, the sub-accelerator and its dataflow; ``start`` and
        ``cycles``; ``energy_pct`` of the whole; and those of `explained`.
        """
        subs, plan, tables = self._schedules(designs)
        if np.isinf(plan.makespan[0]):
            return []
        rows: list[dict[str, str | float]] = []
        tasks = np.repeat(self.groups, np.diff(tables.starts))
        costs: dict[tuple[int, int], Row] = {}
        for on in np.unique(plan.choice).tolist():
            used = np.unique(tables.layer[plan.choice == on])
            chip = self._accelerators(_numbers(subs)[0, [on]])
            own = explained(self.layers.take(used), chip, self._mapping)
            costs |= {(on, row): cost for row, cost in zip(used.tolist(), own, strict=True)}
        for i, on in enumerate(plan.choice.tolist()):
            rows.append(
                {
                    "task": str(tasks[i]),
                    "layer": self.layers.name[tables.layer[i]],
                    "on": f"sub{on + 1} ({SUB_DATAFLOWS[subs.dataflow[0, on]]})",
                    "start": int(plan.start[i]),
                    "cycles": int(tables.cycles[i, on]),
                    "energy_pct": float(100 * tables.energy[i, on] / plan.energy[0]),
                }
                | costs[on, int(tables.layer[i])]
            )
        return rows

    def export(self, designs: Designs, form: str) -> dict[str, str]:
        """One design ``[1, p]`` as input files of ZigZag or Timeloop, a folder per sub-accelerator.

        Each sub-accelerator has the distinct layers that the schedule gives it.
        """
        if form not in self.formats:
            return super().export(designs, form)
        subs, plan, tables = self._schedules(designs)
        if np.isinf(plan.makespan[0]):
            raise InputError(f"there is no schedule to export: {UNPLACED}")
        files: dict[str, str] = {}
        for on in range(2):
            rows = np.unique(tables.layer[plan.choice == on])
            layers = self.layers.take(rows)
            if layers.multiplies.any():
                chip = self._accelerators(_numbers(subs)[0, [on]])
                found = mapped_files(layers, chip, form, self._mapping)
                files |= {f"sub{on + 1}/{name}": text for name, text in found.items()}
        return files

    @cached_property
    def _areas(self) -> NDArray[np.float64]:
        """Area of a sub-accelerator with so many tiles, ``[65]``."""
        areas = area_mm2(self._accelerators(np.arange(TILES) * LANES))
        return np.concatenate([[0.0], areas])

    def _accelerators(self, configurations: IntArray) -> SpatialAccelerators:
        """Sub-accelerators by number, ``[a]``."""
        dataflow, tiles = np.divmod(configurations // LANES, TILES)
        bandwidth = LANE_GBPS * (configurations % LANES + 1)
        rows, cols = self._grids[tiles].T
        return SpatialAccelerators(
            _TEMPLATES[dataflow], rows, cols, REGISTER_BYTES, self._buffer_kb, bandwidth, bandwidth,
            self._word_bytes,
        )  # fmt: skip

    def _schedules(self, designs: Designs) -> tuple[SubAccelerators, Schedules, _Tables]:
        """The sub-accelerators, schedules and tables of designs ``[n, p]``."""
        chosen, column = [], 0
        for space in self._spaces:
            chosen.append(space.ravel(designs[:, column : column + len(space)]))
            column += len(space)
        subs = sub_accelerators(designs[:, column:])
        tables = self._tables(subs, chosen or [np.zeros(len(designs), np.int64)] * len(self.groups))
        limit = 0.0 if self.latency_ms is None else self.latency_ms * 1e6
        plan = schedule(
            tables.cycles,
            tables.energy,
            tables.starts,
            chains=len(self.groups),
            limit=limit,
            method=self._method,
        )
        return subs, plan, tables

    def _tables(self, subs: SubAccelerators, chosen: Sequence[IntArray]) -> _Tables:
        """The layers of the networks chosen for each task, ``[n]`` each, with their costs."""
        bounds = [
            (ends[network], ends[network + 1])
            for (ends, _), network in zip(self._chains, chosen, strict=True)
        ]
        lengths = np.stack([stop - start for start, stop in bounds], axis=1)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        layer = np.empty(starts[-1], dtype=np.int64)
        for task, ((start, stop), (_, rows)) in enumerate(zip(bounds, self._chains, strict=True)):
            length = stop - start
            within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
            to = np.repeat(starts[:-1].reshape(lengths.shape)[:, task], length) + within
            layer[to] = rows[np.repeat(start, length) + within]
        number = _numbers(subs)
        there = np.repeat(subs.tiles > 0, lengths.sum(axis=1), axis=0)
        pairs = np.repeat(number, lengths.sum(axis=1), axis=0) * len(self.layers) + layer[:, None]
        pairs = np.where(there, pairs, 0)
        self._fill(pairs[there])
        cycles, energy = np.where(there, self._costs[:, pairs], np.inf)
        return _Tables(layer, starts, cycles, energy)

    def _fill(self, pairs: IntArray) -> None:
        """Work out what layers cost on sub-accelerators, where no design has asked before."""
        new = np.unique(pairs[np.isnan(self._costs[0, pairs])])
        if not len(new):
            return
        number, layer = np.divmod(new, len(self.layers))
        found = network_totals(self._singles, self._accelerators(number), layer, self._mapping)
        valid = found["valid"].astype(np.bool_)
        self._costs[0, new] = np.where(valid, found["cycles"], np.inf)
        self._costs[1, new] = np.where(valid, found["energy_uj"], np.inf)

    @cached_property
    def _singles(self) -> Workloads:
        """Every layer as a network of its own."""
        rows = np.arange(len(self.layers) + 1)
        return Workloads(self.layers, rows, rows[:-1], np.ones(len(self.layers), np.int64))


def _numbers(subs: SubAccelerators) -> IntArray:
    """Sub-accelerators as numbers, for `_accelerators` and the table of costs, ``[n, 2]``."""
    numbers: IntArray = (subs.dataflow * TILES + subs.tiles - 1) * LANES + subs.lanes - 1
    return numbers


def _in_order(task: str | Layers) -> Workloads:
    """One network, its layers in the order in which they run."""
    if isinstance(task, str):
        task = network(task) if task in NETWORKS else load_workload(task)
    return Workloads(task, np.array([0, len(task)]), np.arange(len(task)), task.repeat)


def _joined(loads: Sequence[Workloads]) -> tuple[list[tuple[IntArray, IntArray]], Layers]:
    """For each task the bounds and layers of its networks, repetitions one by one; the layers."""
    layers, rows = Layers.concat(*[load.layers for load in loads]).unique()
    chains, passed = [], 0
    for load in loads:
        own = rows[passed : passed + len(load.layers)]
        passed += len(load.layers)
        ends = np.concatenate([[0], np.cumsum(load.counts)])[load.indptr]
        chains.append((ends, np.repeat(own[load.indices], load.counts)))
    return chains, layers
