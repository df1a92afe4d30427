"""The networks of a space on one systolic array that stays as it is."""

from __future__ import annotations

import numpy as np

from codesign_gym.cost_models.analytical.systolic import DATAFLOWS, SystolicArrays, network_totals
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.cost_models.workloads.spaces import all_networks
from codesign_gym.search_spaces import Designs, InputError, make_space
from codesign_gym.search_spaces.errors import unknown_name

SRAM_KB = 4.0
"""Capacity of each of the array's three SRAMs."""

DRAM_GBPS = 1.0
"""Bandwidth of its DRAM: that of a microcontroller's memory."""


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
        self, space: str = "nas-bench-201-1d", dataflow: str = "ws", side: int = 8
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
        arrays = SystolicArrays(
            rows=np.full(len(designs), self._side),
            cols=np.array(self._side),
            dataflow=np.array(self._dataflow),
            ifmap_kb=np.array(SRAM_KB),
            filter_kb=np.array(SRAM_KB),
            ofmap_kb=np.array(SRAM_KB),
            dram_gbps=np.array(DRAM_GBPS),
            word_bytes=np.array(1),
        )
        totals = network_totals(self._workloads, arrays, self.space.ravel(designs))
        values = np.stack([totals["latency_ms"] * 1e3, totals["energy_uj"]], axis=1)
        return Metrics(self.metrics, values)
