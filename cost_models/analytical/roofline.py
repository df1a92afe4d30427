"""The roofline of spatial accelerators: what no mapping of a layer can beat.

Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for multicore
architectures", CACM 2009. A layer takes as long as its multiply-accumulates on all processing
elements, or as its operands through DRAM once, whichever is longer; its energy is that of the
multiply-accumulates and of that traffic. Both are below what `dataflow` gives for any mapping.
"""

from __future__ import annotations

import numpy as np

from codesign_gym.cost_models.analytical.dataflow import (
    REASONS,
    LayerCosts,
    SpatialAccelerators,
    area_mm2,
    unit_energies,
)
from codesign_gym.cost_models.analytical.inference import INFERENCE_METRICS
from codesign_gym.cost_models.analytical.spatial_model import accelerators_of
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metrics
from codesign_gym.cost_models.workloads.layers import Kind, Layers
from codesign_gym.cost_models.workloads.load import load_workload
from codesign_gym.search_spaces import Designs, spatial_accelerator

_NO_PES = REASONS.index("no processing elements")


def evaluate(layers: Layers, accelerators: SpatialAccelerators) -> LayerCosts:
    """The bounds of every layer on every accelerator: columns `[a, l]`.

    float64, NaN where there are no processing elements: macs (of layers without, the operations);
    latency_cycles, latency_ms; energy_pj; dram_bytes.

    Example:
        >>> from codesign_gym.cost_models.workloads.constructors import gemm
        >>> chip = SpatialAccelerators("free", 16, 16, dram_gbps=16)
        >>> evaluate(gemm("g", 1, 1024, 1024), chip)["latency_cycles"].tolist()
        [[65664.0]]
    """
    costs = unit_energies(accelerators)
    macs = (layers.macs + layers.ops).astype(np.float64)
    # Two activations come to an elementwise layer; the second operand of a product is no input.
    two = layers.kind == Kind.ELEMENTWISE
    activations = layers.ifmap_words_touched * np.where(two, 2, 1) + layers.ofmap_words
    compressed = accelerators.activation_ratio[:, None] * activations
    weights = np.where(two, 0, layers.second_operand_words)
    moved = accelerators.word_bytes[:, None] * (weights + compressed)
    pes, cycles_per_byte = (
        accelerators.pes[:, None], accelerators.clock_ghz / accelerators.dram_gbps
    )  # fmt: skip
    cycles = np.maximum(
        macs / np.maximum(pes, 1),
        moved * cycles_per_byte[:, None],
    )
    energy = macs * costs.mac_pj[:, None] + moved * costs.dram_pj_per_byte[:, None]
    columns = {
        "macs": np.broadcast_to(macs, cycles.shape),
        "latency_cycles": cycles,
        "latency_ms": cycles / (accelerators.clock_ghz[:, None] * 1e6),
        "energy_pj": energy,
        "dram_bytes": moved,
    }
    return LayerCosts(columns, np.where(pes > 0, 0, _NO_PES) + np.zeros(cycles.shape, np.int64))


class RooflineModel(CostModel):
    """Bounds of latency, energy and DRAM traffic of one int8 inference on a spatial accelerator.

    The cheapest fidelity of `SpatialModel`, below it in latency, energy and traffic; the area is
    the same, the utilisation above.

    Args:
        workload: Layers, or anything that `load_workload` takes.
    """

    source = "roofline (Williams, Waterman and Patterson, CACM 2009) units of the dataflow model"
    metrics = INFERENCE_METRICS
    fidelity = 0

    def __init__(self, workload: str | Layers = "resnet18") -> None:
        self.name = f"roofline-{workload}" if isinstance(workload, str) else "roofline"
        self.space = spatial_accelerator()
        layers = load_workload(workload) if isinstance(workload, str) else workload
        self._layers, _ = layers.unique()

    def compute(self, designs: Designs) -> Metrics:
        """The bounds of designs ``[n, p]``, which are all valid."""
        chips = accelerators_of(self.space, designs)
        costs, times = evaluate(self._layers, chips), self._layers.repeat
        cycles = costs["latency_cycles"] @ times
        columns = (
            costs["latency_ms"] @ times,
            costs["energy_pj"] @ times / 1e6,
            area_mm2(chips),
            costs["dram_bytes"] @ times / 1e6,
            100 * (costs["macs"] @ times) / (chips.pes * cycles),
        )
        return Metrics(self.metrics, np.stack(columns, axis=1))
