"""The systolic-array model as a cost model: one fixed network, or the network of each design."""

from __future__ import annotations

import numpy as np

from codesign_gym.cost_models.analytical.systolic import SystolicArrays, area_mm2, network_totals
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.cost_models.workloads.cell import all_cell_networks
from codesign_gym.cost_models.workloads.networks import Workloads, network
from codesign_gym.search_spaces import Designs, SearchSpace, cell_network, systolic_accelerator

CELL_NETWORK = "cell-network"
"""The workload that stands for: whatever network the design says."""


class SystolicModel(CostModel):
    """Latency, energy, area and DRAM traffic of one inference on a systolic accelerator.

    Args:
        workload: A network of ``cost_models.workloads.NETWORKS``, or ``cell-network`` for the
            network that each design chooses.
        batch: Inputs per inference, for a fixed network.
    """

    source = (
        "closed form of SCALE-Sim (Samajdar et al., ISPASS 2020) with buffer-limited DRAM traffic; "
        "45 nm energies and areas of Horowitz (ISSCC 2014)"
    )
    metrics = (
        Metric("latency_ms", "ms", "min", "one inference at 1 GHz"),
        Metric("energy_uj", "uJ", "min", "arithmetic, SRAM and DRAM of one inference"),
        Metric("area_mm2", "mm2", "min", "processing elements and SRAMs at 45 nm"),
        Metric("dram_mb", "MB", "min", "DRAM traffic of one inference, 1e6 bytes"),
        Metric("utilization_pct", "%", "max", "MACs per processing element and cycle"),
    )

    def __init__(self, workload: str, batch: int = 1) -> None:
        self.name = f"systolic-{workload}"
        accelerator = systolic_accelerator()
        self._joint = workload == CELL_NETWORK
        if self._joint:
            self.space: SearchSpace = cell_network() * accelerator
            self._workloads = all_cell_networks()
        else:
            self.space = accelerator
            self._workloads = Workloads.of(network(workload, batch))
        self._network_parameters = len(cell_network()) if self._joint else 0
        self._values = [np.asarray(p.values) for p in accelerator.parameters]

    @property
    def layers_per_design(self) -> float:
        """Distinct layers evaluated for one design, on average over the workloads."""
        return len(self._workloads.indices) / len(self._workloads)

    def compute(self, designs: Designs) -> Metrics:
        """The metrics of designs ``[n, p]``."""
        hardware = designs[:, self._network_parameters :]
        column = [values[hardware[:, j]] for j, values in enumerate(self._values)]
        rows, cols, _, ifmap, filters, ofmap, bandwidth, word = column
        arrays = SystolicArrays(
            rows=rows,
            cols=cols,
            dataflow=hardware[:, 2],  # the space lists dataflows in the order of their codes
            ifmap_kb=ifmap,
            filter_kb=filters,
            ofmap_kb=ofmap,
            dram_gbps=bandwidth,
            word_bytes=word,
        )
        chosen = cell_network().ravel(designs[:, : self._network_parameters]) if self._joint else 0
        totals = network_totals(self._workloads, arrays, chosen)
        values = np.empty((len(designs), len(self.metrics)))
        values[:, 0] = totals["latency_ms"]
        values[:, 1] = totals["energy_uj"]
        values[:, 2] = area_mm2(arrays)
        values[:, 3] = totals["dram_bytes"] / 1e6
        values[:, 4] = totals["overall_util_pct"]
        return Metrics(self.metrics, values)
