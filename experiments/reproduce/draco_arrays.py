"""The contenders of DRACO's comparison: a MobileNetV1 on an array, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from codesign_gym.cost_models import Layers, MobileNetModel
from codesign_gym.cost_models.analytical import dataflow
from codesign_gym.cost_models.analytical.mobilenet_model import DRAM_GBPS, SRAM_KB
from codesign_gym.cost_models.analytical.technology import FloatArray
from codesign_gym.cost_models.workloads.mobilenet import parameters
from codesign_gym.cost_models.workloads.networks import network

SIDE = 64
"""Rows, and columns, of processing elements."""

_AMPLE = {"l2_kb": 65536, "noc_bandwidth": 4096, "dram_gbps": 65536}
# The SRAM of the systolic array, and a word per column and cycle on each network.
_LIMITED = {"l2_kb": 3 * SRAM_KB, "noc_bandwidth": SIDE, "dram_gbps": DRAM_GBPS}


@dataclass(frozen=True)
class Contender:
    """A network on an array.

    Attributes:
        name: For people.
        layers: The network ``[l]``.
        utilization_pct: Multiply-accumulates per processing element and cycle ``[l]``, memories
            never waited for.
        cycles: Of each layer ``[l]``, memories never waited for.
        limited_cycles: The same with 768 KiB of SRAM and 16 GB/s.
    """

    name: str
    layers: Layers
    utilization_pct: FloatArray
    cycles: FloatArray
    limited_cycles: FloatArray

    @property
    def average_pct(self) -> float:
        """Utilisation, average over layers, as DRACO counts."""
        return float(self.utilization_pct.mean())

    @property
    def latency_ms(self) -> float:
        """One inference at 1 GHz, memories never waited for."""
        return float(self.cycles.sum() / 1e6)

    def row(self) -> dict[str, Any]:
        """Its figures as a row of a table."""
        base = network("mobilenetv1")
        macs = float(self.layers.macs.sum())
        return {
            "network on array": self.name,
            "avg util %": self.average_pct,
            "MAC util %": 100 * macs / (SIDE**2 * float(self.cycles.sum())),
            "ms": self.latency_ms,
            "ms 16 GB/s": float(self.limited_cycles.sum() / 1e6),
            "MACs x": macs / float(base.macs.sum()),
            "params x": parameters(self.layers) / parameters(base),
        }


def on_systolic(name: str, layers: Layers, flow: str) -> Contender:
    """A network on a systolic array of dataflow ``os``, ``ws`` or ``is``."""
    groups = layers.c // layers.groups
    ample, limited = (
        MobileNetModel("draco-mobilenet", flow, SIDE, stalls).cost(layers, groups)
        for stalls in (False, True)
    )
    cycles, limited_cycles = (c.cycles.astype(np.float64) for c in (ample, limited))
    return Contender(name, layers, ample.utilization_pct, cycles, limited_cycles)


def on_row_stationary(name: str, layers: Layers, side_by_side: bool) -> Contender:
    """A network on a row stationary array, each layer with the fastest mapping found.

    Args:
        name: For people.
        layers: The network.
        side_by_side: Whether processing elements may work on several groups at once; else the
            groups of a convolution run one after another, as on the systolic array.
    """
    columns = layers.to_columns()
    groups = np.ones_like(columns["groups"]) if side_by_side else columns["groups"]
    part = columns | {
        "c": columns["c"] // groups,
        "k": columns["k"] // groups,
        "groups": columns["groups"] // groups,
    }
    table = Layers(name=layers.name, **part)

    def cycles(memory: Mapping[str, float]) -> FloatArray:
        array = dataflow.SpatialAccelerators("eyeriss", SIDE, SIDE, **memory)
        found = dataflow.evaluate(table, array, objective="latency")["cycles"][0]
        return np.asarray(found * groups, dtype=np.float64)

    ample, limited = cycles(_AMPLE), cycles(_LIMITED)
    return Contender(name, layers, 100 * layers.macs / (SIDE**2 * ample), ample, limited)
