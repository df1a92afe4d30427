"""The networks of a space on one systolic array that stays as it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codesign_gym.cost_models.analytical.systolic import DATAFLOWS, SystolicArrays, network_totals
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.cost_models.workloads.constructors import conv1d, linear
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.networks import Workloads
from codesign_gym.cost_models.workloads.spaces import all_networks
from codesign_gym.search_spaces import Designs, InputError, make_space
from codesign_gym.search_spaces.errors import unknown_name
from codesign_gym.search_spaces.networks.cell import CLASSES, INPUT_LENGTH
from codesign_gym.search_spaces.networks.nas_bench_201 import KERNELS, STAGES

SRAM_KB = 4.0
"""Capacity of each of the array's three SRAMs."""

DRAM_GBPS = 1.0
"""Bandwidth of its DRAM: that of a microcontroller's memory."""


DATAFLOW, SIDE = "ws", 8
"""The array unless told otherwise."""


class ArrayModel(CostModel):
    """Latency and energy of one int8 inference of each network on a fixed systolic array.

    The array has 4 KiB for each of inputs, filters and outputs, and 1 GB/s of DRAM bandwidth.

    Args:
        space: Name of a network space whose networks can all be listed.
        dataflow: ``os``, ``ws`` or ``is``.
        side: Rows, and columns, of processing elements.
    """

    source = (
        "closed form of SCALE-Sim (Samajdar et al., ISPASS 2020) with buffer-limited DRAM traffic"
    )
    metrics = (
        Metric("latency_us", "us", "min", "one inference at 1 GHz"),
        Metric("energy_uj", "uJ", "min", "arithmetic, memories and DRAM of one inference"),
    )

    def __init__(
        self, space: str = "nas-bench-201-1d", dataflow: str = DATAFLOW, side: int = SIDE
    ) -> None:
        if dataflow not in DATAFLOWS:
            raise unknown_name("dataflow", dataflow, DATAFLOWS)
        if not 1 <= side <= 4096:
            raise InputError(f"side must be an integer in [1, 4096], got {side}")
        self.name = f"{space}-on-{dataflow}{side}"
        self.space = make_space(space)
        self._workloads = all_networks(self.space)
        self._side, self._dataflow = side, DATAFLOWS.index(dataflow)

    def compute(self, designs: Designs) -> Metrics:
        """Latency and energy of networks ``[n, p]``."""
        arrays = _arrays(self._side, self._dataflow, len(designs))
        totals = network_totals(self._workloads, arrays, self.space.ravel(designs))
        values = np.stack([totals["latency_ms"] * 1e3, totals["energy_uj"]], axis=1)
        return Metrics(self.metrics, values)


def _arrays(side: int, dataflow: int, n: int) -> SystolicArrays:
    """The same array ``n`` times."""
    return SystolicArrays(
        rows=np.full(n, side),
        cols=np.array(side),
        dataflow=np.array(dataflow),
        ifmap_kb=np.array(SRAM_KB),
        filter_kb=np.array(SRAM_KB),
        ofmap_kb=np.array(SRAM_KB),
        dram_gbps=np.array(DRAM_GBPS),
        word_bytes=np.array(1),
    )


def scaled_latency_us(design: Sequence[int], width: int) -> float:
    """Latency of a cell of ``nas-bench-201-1d`` with another number of channels, on the same array.

    Args:
        design: Index of the operation of each edge.
        width: Channels; the networks of the space have `SEQUENCE_WIDTH`.
    """
    kernels = [KERNELS[index] for index in design if index in KERNELS]
    layers = [conv1d("stem", c=1, k=width, s=3, w=INPUT_LENGTH, pad=1)]
    for stage in range(STAGES):
        w = INPUT_LENGTH >> stage
        layers += [conv1d(f"conv{s}@{w}", c=width, k=width, s=s, w=w, pad=s // 2) for s in kernels]
    layers.append(linear("classifier", width, CLASSES))
    arrays = _arrays(SIDE, DATAFLOWS.index(DATAFLOW), 1)
    totals = network_totals(Workloads.of(Layers.concat(*layers)), arrays)
    return float(totals["latency_ms"][0] * 1e3)
