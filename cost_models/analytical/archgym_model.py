"""ArchGym's accelerator problem on the dataflow model: hardware and mapping in one design."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np

from codesign_gym.cost_models.analytical.dataflow import (
    REASONS,
    Objective,
    SpatialAccelerators,
    area_mm2,
    network_totals,
)
from codesign_gym.cost_models.analytical.explanation import network_explained
from codesign_gym.cost_models.analytical.inference import INFERENCE_METRICS
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metrics
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.load import load_workload
from codesign_gym.cost_models.workloads.networks import Workloads
from codesign_gym.search_spaces import Designs
from codesign_gym.search_spaces.hardware.archgym import MAPPINGS, MINIMISED, archgym_accelerator

WORD_BYTES, CLOCK_GHZ = 2, 0.2
"""Eyeriss'."""

_LATENCY = replace(INFERENCE_METRICS[0], description="one inference at 200 MHz")


class ArchGymModel(CostModel):
    """Latency, energy, area of one 16-bit inference on ArchGym's form of accelerator, at 45 nm.

    Scratchpads are the room that a PE has for each operand. Mappings are chosen for the whole
    network by rule or by search; the search works out tiles and loop orders itself, layer by layer.

    Args:
        workload: Layers, or anything that `load_workload` takes.
    """

    source = (
        "parameters in the form of ArchGym (arXiv 2306.08888) and Eyeriss (JSSC 2017); the "
        "package's mapping-level dataflow model"
    )
    metrics = (_LATENCY, *INFERENCE_METRICS[1:])

    def __init__(self, workload: str | Layers = "alexnet") -> None:
        self.name = f"archgym-{workload}" if isinstance(workload, str) else "archgym"
        self.space = archgym_accelerator()
        layers = load_workload(workload) if isinstance(workload, str) else workload
        self._workloads = Workloads.of(layers)

    def compute(self, designs: Designs) -> Metrics:
        """The metrics of designs ``[n, p]``; where no mapping fits, the design is invalid."""
        values = np.empty((len(designs), len(self.metrics)))
        codes = np.zeros(len(designs), dtype=np.int64)
        # The dataflow model takes one way of mapping at a time.
        ways, which = np.unique(designs[:, -2:], axis=0, return_inverse=True)
        for way, chosen in enumerate(ways.tolist()):
            rows = np.flatnonzero(which == way)
            chips = self._accelerators(designs[rows])
            totals = network_totals(self._workloads, chips, 0, *_way(chosen))
            values[rows] = np.stack(
                [
                    totals["latency_ms"],
                    totals["energy_uj"],
                    area_mm2(chips),
                    totals["dram_bytes"] / 1e6,
                    totals["utilization"] * 100,
                ],
                axis=1,
            )
            codes[rows] = totals["reason"]
        invalid = {REASONS[c]: codes == c for c in np.unique(codes).tolist() if c}
        return Metrics(self.metrics, values, invalid)

    def explain(self, designs: Designs) -> list[dict[str, str | float]]:
        """Where the cycles and energy of one design ``[1, p]`` go, as `SpatialModel.explain`."""
        mapping, minimised = _way(designs[0, -2:].tolist())
        return network_explained(self._workloads, self._accelerators(designs), mapping, minimised)

    def _accelerators(self, designs: Designs) -> SpatialAccelerators:
        column: dict[str, Any] = {
            parameter.name: np.array(parameter.values)[designs[:, j]]
            for j, parameter in enumerate(self.space.parameters)
        }
        spads = {
            f"l1_{operand}_bytes": WORD_BYTES * column[f"{operand}_spad"]
            for operand in ("weight", "input", "sum")
        }
        return SpatialAccelerators(
            column["dataflow"],
            pe_rows=column["pe_rows"],
            pe_cols=column["pe_cols"],
            l1_bytes=sum(spads.values()),
            l2_kb=column["buffer"],
            noc_bandwidth=column["noc_bandwidth"],
            dram_gbps=column["dram_bandwidth"],
            word_bytes=WORD_BYTES,
            clock_ghz=CLOCK_GHZ,
            sum_bytes=WORD_BYTES,
            **spads,
        )


def _way(chosen: list[int]) -> tuple[Literal["searched", "template"], Objective]:
    """How layers are mapped, and what for, by the last two choices of a design."""
    mapping = cast(Literal["searched", "template"], MAPPINGS[chosen[0]])
    return mapping, cast(Objective, MINIMISED[chosen[1]])
