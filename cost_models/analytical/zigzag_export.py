"""A workload on a spatial accelerator, with its mapping, as the input files of ZigZag 3.9.

Run them with ZigZag's `get_hardware_performance_zigzag("workload.yaml", "hardware.yaml",
"mapping.yaml")`. Multiply-accumulates agree exactly. Its latency and energy are an estimate of its
own: ZigZag has no energy of networks and none per cycle, fills its memories with loops as it sees
fit, in the order given, and adds stalls of every memory.

What its format cannot say:
    - a loop that does not divide its dimension. Where the tiles found do not, theirs are the
      nearest smaller ones that do; orders and the use of the PEs stay.
    - accesses of one memory at different costs. All ports of a memory are equally wide, so that a
      byte costs the same through each; a DRAM that is faster than a network is held to it where it
      meets the shared buffer.
    - registers that operands share. Each operand has its own, as large as any of the mappings
      needs, since ZigZag fills what there is and wants room for all of it in the shared buffer.
    - sets of PEs folded over an array. The array of an ``eyeriss`` or ``free`` is one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from codesign_gym.cost_models.analytical.export_text import yaml_text
from codesign_gym.cost_models.analytical.loop_nest import (
    DIMS,
    How,
    LoopNest,
    array_sides,
    found_nests,
)
from codesign_gym.cost_models.analytical.spatial_arrays import SpatialAccelerators
from codesign_gym.cost_models.analytical.spatial_technology import area_mm2, unit_energies
from codesign_gym.cost_models.analytical.technology import TECHNOLOGY_45NM
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.search_spaces.errors import InputError

_NAMES = dict(zip(DIMS, ("B", "G", "K", "C", "OY", "OX", "FY", "FX"), strict=True))
_DRAM_BITS = 2**40
_EQUATION = "O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]"


def zigzag_files(
    layers: Layers, accelerator: SpatialAccelerators, mapping: How = "searched"
) -> dict[str, str]:
    """``hardware.yaml``, ``mapping.yaml`` and ``workload.yaml`` with the mappings found.

    Args:
        layers: The layers; pooling and elementwise ones, which ZigZag does not map, are left out.
        accelerator: One accelerator.
        mapping: As for `dataflow.evaluate`.

    Raises:
        InputError: There is not exactly one accelerator, a layer has no mapping, or the accelerator
            has what the format cannot say.
    """
    nests = found_nests(layers, accelerator, mapping)
    for name, plain in (("input_noc_bandwidth", 0), ("activation_ratio", 1)):
        value = float(getattr(accelerator, name)[0])
        if value != plain:
            raise InputError(f"ZigZag's format needs {name} of {plain}; got {value:g}")
    kept = layers.take(np.flatnonzero(layers.multiplies))
    shapes = [_shape(kept, row, nest, accelerator) for row, nest in enumerate(nests)]
    sides = array_sides(int(accelerator.template[0]))
    mappings = [
        _mapping(shape["name"], nest, sides) for shape, nest in zip(shapes, nests, strict=True)
    ]
    # ZigZag asks for a mapping of layers without one, too; there is none here.
    default = {"name": "default", "memory_operand_links": _LINKS}
    return {
        "hardware.yaml": yaml_text(
            _hardware(accelerator, nests), "ZigZag 3.9: energies in pJ, area mm2."
        ),
        "mapping.yaml": yaml_text([*mappings, default], "ZigZag 3.9: innermost loops first."),
        "workload.yaml": yaml_text(shapes, "ZigZag 3.9: layers with multiply-accumulates."),
    }


_LINKS = {"O": "O", "W": "I2", "I": "I1"}
_REGISTERS = {"weights": "I2", "inputs": "I1", "outputs": "O"}

Ports = dict[str, tuple[str, int, list[str]]]


def _hardware(accelerator: SpatialAccelerators, nests: Sequence[LoopNest]) -> dict[str, Any]:
    """The array, and the memories from the PEs outwards."""
    rows, cols = int(accelerator.pe_rows[0]), int(accelerator.pe_cols[0])
    lines = array_sides(int(accelerator.template[0])) is None
    sizes = [rows * cols] if lines else [rows, cols]
    dims = [f"D{i + 1}" for i in range(len(sizes))]
    energies = unit_energies(accelerator)
    buffer_bits = int(8 * 1024 * accelerator.l2_kb[0])
    buffer_mm2 = float(TECHNOLOGY_45NM.sram_um2(accelerator.l2_kb)[0]) / 1e6
    noc = max(8, round(8 * float(accelerator.noc_bandwidth[0])))
    buffer: Ports = {
        "r_port_1": ("read", noc, ["I1, tl"]),
        "r_port_2": ("read", noc, ["I2, tl"]),
        "r_port_3": ("read", noc, ["O, tl"]),
        "r_port_4": ("read", noc, ["O, th"]),
        "w_port_1": ("write", noc, ["O, fl"]),
        "w_port_2": ("write", noc, ["I1, fh", "I2, fh", "O, fh"]),
    }
    buffer_pj = float(energies.l2_weight_pj_per_byte[0]) * noc / 8
    dram = max(1, round(8 * float(accelerator.dram_gbps[0] / accelerator.clock_ghz[0])))
    every_way = ["I1, fh", "I1, tl", "I2, fh", "I2, tl", "O, fh", "O, tl", "O, fl", "O, th"]
    dram_pj = float(energies.dram_pj_per_byte[0]) * dram / 8
    return {
        "name": "codesign",
        "operational_array": {
            "unit_energy": float(energies.mac_pj[0]),
            # With all registers of a PE.
            "unit_area": (float(area_mm2(accelerator)[0]) - buffer_mm2) / (rows * cols),
            "dimensions": dims,
            "sizes": sizes,
        },
        "memories": _registers(accelerator, nests)
        | {
            "buffer": _memory(buffer_bits, buffer_pj, buffer_mm2, dims, buffer),
            "dram": _memory(
                _DRAM_BITS, dram_pj, 0.0, dims, {"rw_port_1": ("read_write", dram, every_way)}
            ),
        },
    }


def _registers(accelerator: SpatialAccelerators, nests: Sequence[LoopNest]) -> dict[str, Any]:
    """What a PE keeps of each operand, as much as any of the mappings needs."""
    word, sums = 8 * int(accelerator.word_bytes[0]), round(8 * float(accelerator.sum_bytes[0]))
    energies = unit_energies(accelerator)
    memories = {}
    for name, operand in _REGISTERS.items():
        wide, pj = word, float(energies.register_weight_pj[0])
        reads, writes = [f"{operand}, tl"], [f"{operand}, fh"]
        if operand == "O":
            wide, pj = sums, float(energies.register_sum_pj[0])
            reads, writes = ["O, tl", "O, th"], ["O, fh", "O, fl"]
        ports: Ports = {"r_port_1": ("read", wide, reads), "w_port_1": ("write", wide, writes)}
        words = max(2, *(nest.kept_words()[name] for nest in nests))  # the next one behind it
        memories[f"registers_{name}"] = _memory(words * wide, pj, 0.0, [], ports)
    return memories


def _memory(
    bits: int, access_pj: float, mm2: float, dims: Sequence[str], ports: Ports
) -> dict[str, Any]:
    """A memory of the operands that its ports carry; an access is as wide as a port."""
    ways = [way for _, _, allocated in ports.values() for way in allocated]
    return {
        "size": bits,
        "r_cost": access_pj,
        "w_cost": access_pj,
        "area": mm2,
        "latency": 1,
        "operands": list(dict.fromkeys(way.split(",")[0] for way in ways)),
        "ports": [
            {
                "name": name,
                "type": kind,
                "bandwidth_min": min(8, wide),
                "bandwidth_max": wide,
                "allocation": allocated,
            }
            for name, (kind, wide, allocated) in ports.items()
        ],
        "served_dimensions": list(dims),
    }


def _shape(
    layers: Layers, row: int, nest: LoopNest, accelerator: SpatialAccelerators
) -> dict[str, Any]:
    height, width, pad_h, pad_w = (
        int(getattr(layers, name)[row]) for name in ("h", "w", "pad_h", "pad_w")
    )
    steps, word = nest.steps, 8 * int(accelerator.word_bytes[0])
    precision = {"O": round(8 * float(accelerator.sum_bytes[0])), "O_final": word}
    return {
        "id": row,
        "name": f"{row}_{nest.layer}",
        "operator_type": "Conv",
        "equation": _EQUATION,
        "dimension_relations": [
            f"ix={steps['stride_w']}*ox+{steps['dilation_w']}*fx",
            f"iy={steps['stride_h']}*oy+{steps['dilation_h']}*fy",
        ],
        "loop_dims": list(_NAMES.values()),
        "loop_sizes": [nest.sizes[dim] for dim in DIMS],
        "operand_precision": precision | {"W": word, "I": word},
        "operand_source": {"W": row, "I": row},
        "pr_loop_dims": ["IX", "IY"],
        "pr_loop_sizes": [width, height],
        "padding": [[pad_w, pad_w], [pad_h, pad_h]],
    }


def _mapping(
    name: str, nest: LoopNest, sides: tuple[tuple[str, ...], tuple[str, ...]] | None
) -> dict[str, Any]:
    spatial = nest.trips["spatial"]
    axes = (DIMS,) if sides is None else sides
    return {
        "name": name,
        "spatial_mapping": {
            f"D{i + 1}": [f"{_NAMES[dim]}, {spatial[dim]}" for dim in axis if spatial[dim] > 1]
            or [f"{_NAMES[axis[0]]}, 1"]
            for i, axis in enumerate(axes)
        },
        "temporal_ordering": [[_NAMES[dim], trips] for dim, trips in temporal_loops(nest)],
        "memory_operand_links": _LINKS,
    }


def temporal_loops(nest: LoopNest) -> list[tuple[str, int]]:
    """Dimension and turns of every loop in time, the innermost first, as ZigZag can take them.

    Of each dimension the turns multiply to what the PEs leave of it. Where those of the mapping do
    not, each level from the inside has the largest divisor of what is left that is not above its
    own turns, and the outermost has the rest.
    """
    turns: dict[str, dict[str, int]] = {}
    for dim in DIMS:
        left = -(-nest.sizes[dim] // nest.trips["spatial"][dim])
        for level in ("registers", "buffer"):
            most = min(nest.trips[level][dim], left)
            own = next(part for part in range(most, 0, -1) if left % part == 0)
            turns.setdefault(level, {})[dim] = own
            left //= own
        turns.setdefault("dram", {})[dim] = left
    return [
        (dim, turns[level][dim])
        for level in ("registers", "buffer", "dram")
        for dim in nest.order[level]
        if turns[level][dim] > 1
    ]
