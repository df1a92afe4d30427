"""What layers cost on one spatial accelerator, and by which mapping, for people."""

from __future__ import annotations

from typing import Literal

import numpy as np

from codesign_gym.cost_models.analytical.dataflow import (
    BOTTLENECKS,
    Objective,
    SpatialAccelerators,
    evaluate,
    find_mapping,
)
from codesign_gym.cost_models.analytical.mapping import (
    BUFFER_DIMS,
    INNER_LOOPS,
    REGISTER_DIMS,
    SPATIAL_DIMS,
    STATIONARY,
)
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.networks import Workloads

Row = dict[str, str | float]

_PARTS = {
    "mac_pct": "mac",
    "registers_pct": "register",
    "noc_pct": "noc",
    "buffer_pct": "l2",
    "dram_pct": "dram",
    "static_pct": "static",
}


def network_explained(
    workloads: Workloads,
    accelerator: SpatialAccelerators,
    mapping: Literal["searched", "template"] = "searched",
    objective: Objective = "edp",
) -> list[Row]:
    """A row per distinct layer of the one network, on one accelerator.

    Columns: ``layer``; ``times`` it runs; ``cycles`` of all its runs and their share
    ``cycles_pct``; ``energy_pct``, the share of the energy; and those of `explained`.
    """
    layers, times = workloads.layers, workloads.counts
    rows = explained(layers, accelerator, mapping, objective)
    cycles = np.nan_to_num(evaluate(layers, accelerator, mapping, objective)["cycles"][0]) * times
    energy = np.array([row["energy_uj"] for row in rows], dtype=np.float64) * times
    shares: list[Row] = [
        {
            "layer": name,
            "times": int(times[i]),
            "cycles": int(cycles[i]),
            "cycles_pct": float(100 * cycles[i] / max(cycles.sum(), 1)),
            "energy_pct": float(100 * energy[i] / energy.sum()) if energy.any() else 0.0,
        }
        for i, name in enumerate(layers.name)
    ]
    return [share | row for share, row in zip(shares, rows, strict=True)]


def explained(
    layers: Layers,
    accelerator: SpatialAccelerators,
    mapping: Literal["searched", "template"] = "searched",
    objective: Objective = "edp",
) -> list[Row]:
    """A row per layer, one occurrence each, on one accelerator.

    Columns: ``util_pct`` (MACs per PE and cycle); ``bound``, what the layer waits for;
    ``macs_per_byte`` of DRAM traffic; ``energy_uj`` and how much of it, in per cent, MACs,
    registers, NoC, buffer, DRAM and the cycles themselves take (``mac_pct`` to ``static_pct``); of
    the mapping, what ``stays`` in the PEs, how many PEs share which dimensions (``array``), what
    each of them keeps (``in_pe``), the ``tile`` of the shared buffer where it is not the whole
    layer, and which loop over tiles is the ``inner``most. Empty where there is no mapping.
    """
    table = {
        name: values[0]
        for name, values in evaluate(layers, accelerator, mapping, objective).items()
    }
    found, _ = find_mapping(layers, accelerator, mapping, objective)
    groups = layers.groups
    sizes = np.stack([layers.n, layers.k // groups, layers.c // groups, layers.p, layers.q], axis=1)
    rows: list[Row] = []
    for i in range(len(layers)):
        valid = bool(table["valid"][i])
        energy_pj = float(table["energy_pj"][i]) if valid else 0.0
        row: Row = {
            "util_pct": float(100 * table["utilization"][i]) if valid else 0.0,
            "bound": BOTTLENECKS[int(table["bottleneck"][i])] if valid else "no mapping",
            "macs_per_byte": float(table["macs"][i] / table["dram_bytes"][i]) if valid else 0.0,
            "energy_uj": energy_pj / 1e6,
        }
        for name, part in _PARTS.items():
            pj = float(table[f"{part}_energy_pj"][i]) if valid else 0.0
            row[name] = 100 * pj / energy_pj if energy_pj else 0.0
        buffer = found.buffer[0, i].tolist()
        cut = [
            f"{dim}{kept}/{size}"
            for dim, kept, size in zip(BUFFER_DIMS, buffer, sizes[i].tolist(), strict=True)
            if kept < size
        ]
        together, of = int(found.spatial[0, i, 0]), int(groups[i])
        some = [f"g{together}/{of}"] if together < of else []
        row |= {
            "stays": STATIONARY[int(found.stationary[0, i])],
            "array": _sides(SPATIAL_DIMS, found.spatial[0, i].tolist()),
            "in_pe": _sides(REGISTER_DIMS, found.registers[0, i].tolist()),
            "tile": " ".join([*some, *cut]) or "whole",
            "inner": INNER_LOOPS[int(found.inner[0, i])] if cut else "-",
        }
        if not valid:
            row |= dict.fromkeys(("stays", "array", "in_pe", "tile", "inner"), "")
        rows.append(row)
    return rows


def _sides(names: tuple[str, ...], sides: list[int]) -> str:
    """Dimensions that are more than 1, such as ``k16 c8``; 1 where there is none."""
    told = [f"{name}{side}" for name, side in zip(names, sides, strict=True) if side > 1]
    return " ".join(told) or "1"
