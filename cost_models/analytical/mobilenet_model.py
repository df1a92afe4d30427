"""MobileNets with grouped convolutions on a fixed systolic array: how well they fill it.

The question of DRACO (Jha et al., ISVLSI 2020, arXiv 2006.15103). A group of a convolution is a
matrix product of its own, and the array computes one after another. With output stationary
dataflow a group of ``g`` channels, kernel 3x3 and ``M`` output pixels on ``n`` x ``n`` processing
elements takes ``ceil(M / n) * ceil(g / n) * (9 g + 2 n - 2)`` cycles for its ``9 g^2 M``
multiply-accumulates: a depthwise convolution uses one column of the array, and fills and drains it
for nine cycles of work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.analytical.systolic import DATAFLOWS, SystolicArrays, layer_table
from codesign_gym.cost_models.analytical.technology import TECHNOLOGY_45NM, FloatArray
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.mobilenet import (
    GroupedLayer,
    base_layers,
    parameters,
    regrouped,
)
from codesign_gym.cost_models.workloads.spaces import from_space
from codesign_gym.search_spaces import Designs, InputError, make_space
from codesign_gym.search_spaces.errors import unknown_name

SRAM_KB = 256.0
"""Capacity of each of the array's three SRAMs, for its stalls."""

DRAM_GBPS = 16.0
"""Bandwidth of its DRAM."""


@dataclass(frozen=True)
class Choices:
    """What one layer costs with each choice of its channels per group, columns ``[c]``.

    Attributes:
        per_group: Channels per group.
        utilization_pct: Multiply-accumulates per processing element and cycle.
        cycles: Of the layer.
        macs: Multiply-accumulates.
        weights: Words of the filters.
    """

    per_group: NDArray[np.int64]
    utilization_pct: FloatArray
    cycles: NDArray[np.int64]
    macs: NDArray[np.int64]
    weights: NDArray[np.int64]


class MobileNetModel(CostModel):
    """PE utilisation, latency, work and size of a MobileNet with grouped convolutions.

    Utilisation is averaged over layers, as DRACO counts, and given for the whole network, where
    layers weigh as much as their multiply-accumulates (the harmonic mean, as of all rates).

    A design's layers do not influence each other, so that it is a sum over tables, exact against
    the layer tables that `from_space` gives.

    Args:
        space: ``draco-mobilenet`` or ``mobilenet-1d``.
        dataflow: ``os``, ``ws`` or ``is``.
        side: Rows, and columns, of processing elements.
        stalls: Whether the array waits for its memories, 256 KiB each and 16 GB/s; else cycles are
            those of the array alone, as in DRACO's simulator.
    """

    source = "closed form of SCALE-Sim (Samajdar et al., ISPASS 2020), convolutions group by group"
    metrics = (
        Metric("utilization_pct", "%", "max", "MACs per PE and cycle, average over layers"),
        Metric("mac_utilization_pct", "%", "max", "MACs per PE and cycle of the whole network"),
        Metric("latency_ms", "ms", "min", "one inference at 1 GHz"),
        Metric("macs_ratio", "x", "min", "multiply-accumulates, depthwise network = 1"),
        Metric("params_ratio", "x", "min", "trained parameters, depthwise network = 1"),
    )

    def __init__(
        self,
        space: str = "draco-mobilenet",
        dataflow: str = "os",
        side: int = 64,
        stalls: bool = False,
    ) -> None:
        if dataflow not in DATAFLOWS:
            raise unknown_name("dataflow", dataflow, DATAFLOWS)
        if not 1 <= side <= 4096:
            raise InputError(f"side must be an integer in [1, 4096], got {side}")
        base = base_layers(space)
        self.name = f"{space}-{dataflow}{side}" + ("-stalls" if stalls else "")
        self.space = make_space(space)
        self.arrays = SystolicArrays(
            rows=np.array(side),
            cols=np.array(side),
            dataflow=np.array(DATAFLOWS.index(dataflow)),
            ifmap_kb=np.array(SRAM_KB),
            filter_kb=np.array(SRAM_KB),
            ofmap_kb=np.array(SRAM_KB),
            dram_gbps=np.array(DRAM_GBPS),
            word_bytes=np.array(1),
        )
        self.stalls = stalls
        names = [parameter.name for parameter in self.space.parameters]
        self.choices: tuple[Choices, ...] = tuple(
            self.cost(
                Layers.concat(
                    *(regrouped(base, GroupedLayer(p.name, int(g))) for g in p.values)
                ),
                np.array(p.values, dtype=np.int64),
            )
            for p in self.space.parameters
        )  # fmt: skip
        rest = [row for row, name in enumerate(base.name) if name not in names]
        self.rest = self.cost(base.take(rest), np.zeros(len(rest), dtype=np.int64))
        self._layers, self._macs, self._params = len(base), int(base.macs.sum()), parameters(base)
        self._other_params = self._params - int(base.weights.sum())

    def cost(self, layers: Layers, per_group: NDArray[np.int64]) -> Choices:
        """What layers cost on the array; ``per_group`` is kept beside them."""
        table = layer_table(layers, self.arrays)
        cycles = "cycles" if self.stalls else "compute_cycles"
        utilization = "overall" if self.stalls else "compute"
        return Choices(
            per_group,
            table[f"{utilization}_util_pct"][0].astype(np.float64),
            table[cycles][0].astype(np.int64),
            layers.macs,
            layers.weights,
        )

    def compute(self, designs: Designs) -> Metrics:
        """The metrics of designs ``[n, p]``."""

        def total(column: str) -> FloatArray:
            fixed = float(getattr(self.rest, column).sum())
            chosen = (getattr(c, column)[i] for c, i in zip(self.choices, designs.T, strict=True))
            return np.asarray(sum(chosen, start=np.zeros(len(designs))) + fixed)

        macs, cycles = total("macs"), total("cycles")
        values = np.empty((len(designs), len(self.metrics)))
        values[:, 0] = total("utilization_pct") / self._layers
        values[:, 1] = 100 * macs / (self.arrays.pes[0] * cycles)
        values[:, 2] = cycles / (TECHNOLOGY_45NM.clock_ghz * 1e6)
        values[:, 3] = macs / self._macs
        values[:, 4] = (total("weights") + self._other_params) / self._params
        return Metrics(self.metrics, values)

    def explain(self, designs: Designs) -> list[dict[str, str | float]]:
        """Where the cycles of one design ``[1, p]`` go: a row per layer, in order.

        Columns: ``layer``; ``per_group``, input channels per group; ``cycles`` and their share
        ``cycles_pct``; ``util_pct`` (MACs per processing element and cycle); ``macs``.
        """
        [layers] = from_space(self.space, designs)
        found = self.cost(layers, layers.c // layers.groups)
        return [
            {
                "layer": name,
                "per_group": int(found.per_group[i]),
                "cycles": int(found.cycles[i]),
                "cycles_pct": float(100 * found.cycles[i] / found.cycles.sum()),
                "util_pct": float(found.utilization_pct[i]),
                "macs": int(found.macs[i]),
            }
            for i, name in enumerate(layers.name)
        ]
