"""The dataflow model as a cost model: one workload on spatial accelerators, mappings searched."""

from __future__ import annotations

from typing import Literal

import numpy as np

from codesign_gym.cost_models.analytical.dataflow import (
    REASONS,
    SpatialAccelerators,
    area_mm2,
    network_totals,
)
from codesign_gym.cost_models.analytical.explanation import Row, network_explained
from codesign_gym.cost_models.analytical.exports import FORMATS, mapped_files
from codesign_gym.cost_models.analytical.inference import INFERENCE_METRICS
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metrics
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.load import load_workload
from codesign_gym.cost_models.workloads.networks import Workloads
from codesign_gym.search_spaces import Designs, SearchSpace, spatial_accelerator


class SpatialModel(CostModel):
    """Latency, energy, area and DRAM traffic of one int8 inference on a spatial accelerator.

    For every layer and accelerator a mapping is found inside the evaluation.

    Args:
        workload: Layers, or anything that `load_workload` takes: a network's name, an ONNX file, a
            CSV table, or ``module:function``.
        mapping: ``searched``, or the closed-form rule ``template``: a cheaper fidelity.
    """

    source = "mapping-level dataflow model, checked against Eyeriss silicon (JSSC 2017) and ZigZag"
    metrics = INFERENCE_METRICS
    formats = FORMATS

    def __init__(
        self,
        workload: str | Layers = "resnet18",
        mapping: Literal["searched", "template"] = "searched",
    ) -> None:
        self.name = f"spatial-{workload}" if isinstance(workload, str) else "spatial"
        self.space = spatial_accelerator()
        self.fidelity = 2 if mapping == "searched" else 1
        layers = load_workload(workload) if isinstance(workload, str) else workload
        self._workloads = Workloads.of(layers)
        self._mapping: Literal["searched", "template"] = mapping

    def compute(self, designs: Designs) -> Metrics:
        """The metrics of designs ``[n, p]``; where no mapping fits, the design is invalid."""
        chips = accelerators_of(self.space, designs)
        totals = network_totals(self._workloads, chips, 0, self._mapping)
        columns = (
            totals["latency_ms"],
            totals["energy_uj"],
            area_mm2(chips),
            totals["dram_bytes"] / 1e6,
            totals["utilization"] * 100,
        )
        codes = totals["reason"]
        invalid = {REASONS[c]: codes == c for c in np.unique(codes).tolist() if c}
        return Metrics(self.metrics, np.stack(columns, axis=1), invalid)

    def export(self, designs: Designs, form: str) -> dict[str, str]:
        """One design ``[1, p]``, with its mappings, as input files of ZigZag or Timeloop."""
        if form not in self.formats:
            return super().export(designs, form)
        layers, chip = self._workloads.layers, accelerators_of(self.space, designs)
        return mapped_files(layers, chip, form, self._mapping)

    def explain(self, designs: Designs) -> list[Row]:
        """Where the cycles and the energy of one design ``[1, p]`` go: a row per distinct layer.

        The columns are those of `network_explained`.
        """
        return network_explained(
            self._workloads, accelerators_of(self.space, designs), self._mapping
        )


def accelerators_of(space: SearchSpace, designs: Designs) -> SpatialAccelerators:
    """The accelerators that designs ``[n, p]`` of `spatial_accelerator` choose, `n`."""
    columns = [np.asarray(p.values)[designs[:, j]] for j, p in enumerate(space.parameters)]
    _, rows, cols, l1, l2, noc, dram = columns
    return SpatialAccelerators(
        designs[:, 0],  # the space lists templates in the order of their codes
        pe_rows=rows,
        pe_cols=cols,
        l1_bytes=l1,
        l2_kb=l2,
        noc_bandwidth=noc,
        dram_gbps=dram,
    )
