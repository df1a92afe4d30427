"""A workload on a spatial accelerator, with its mapping, as input files of Timeloop 4 (v0.4).

``architecture.yaml`` is for all layers; each layer has ``problem.yaml`` and ``mapping.yaml`` in a
folder of its own. Give the three together to Timeloop's front end, which evaluates them with
`call_model`. The format is that of timeloop.csail.mit.edu/v4 (Parashar et al., ISPASS 2019);
remainders of loops (``K=16,4``) are Timeloop's for imperfect factors (Horeni et al., Ruby, 2022).

What the mapping says is what the dataflow model found: loops, their turns and remainders, the PEs,
what is kept where. What is Timeloop's own:
    - sums have the width of a word in its memories, whose width is one for all operands;
    - padding is not known: inputs are read and stored where it is, too; inputs that do not fit the
      shared buffer with it bypass the buffer;
    - an operand that passes through the shared buffer in two chunks is kept there if its tile fits,
      else it bypasses the buffer;
    - the array of an ``eyeriss`` or ``free`` is one line of PEs, as their sets may be folded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from codesign_gym.cost_models.analytical.export_text import Tagged, file_name, yaml_text
from codesign_gym.cost_models.analytical.loop_nest import (
    DIMS,
    STEPS,
    How,
    LoopNest,
    array_sides,
    found_nests,
)
from codesign_gym.cost_models.analytical.spatial_arrays import SpatialAccelerators
from codesign_gym.cost_models.workloads.layers import Layers

OPERANDS = {
    "Weights": ("g", "k", "c", "r", "s"),
    "Inputs": ("n", "g", "c", "p", "q", "r", "s"),
    "Outputs": ("n", "g", "k", "p", "q"),
}
"""Data spaces and the dimensions that index them."""

_NAMES = dict(zip(DIMS, ("N", "G", "M", "C", "P", "Q", "R", "S"), strict=True))
_STEPS = dict(zip(STEPS, ("Hstride", "Wstride", "Hdilation", "Wdilation"), strict=True))
_TARGETS = {"dram": "DRAM", "buffer": "buffer", "spatial": "PE", "registers": "registers"}
_BUFFER_BITS = 64


def timeloop_files(
    layers: Layers, accelerator: SpatialAccelerators, mapping: How = "searched"
) -> dict[str, str]:
    """File name -> text: the architecture, and a problem and a mapping for every layer.

    Args:
        layers: The layers; pooling and elementwise ones, which have no multiply-accumulates, are
            left out.
        accelerator: One accelerator.
        mapping: As for `dataflow.evaluate`.

    Raises:
        InputError: There is not exactly one accelerator, or a layer has no mapping.
    """
    nests = found_nests(layers, accelerator, mapping)
    files = {"architecture.yaml": yaml_text(_architecture(accelerator), "Timeloop 4.")}
    for row, nest in enumerate(nests):
        folder = f"{row:02d}_{file_name(nest.layer)}"
        files[f"{folder}/problem.yaml"] = yaml_text(_problem(nest), "Timeloop 4.")
        files[f"{folder}/mapping.yaml"] = yaml_text(
            _mapping(nest, accelerator), "Timeloop 4: innermost loops first."
        )
    return files


def _architecture(accelerator: SpatialAccelerators) -> dict[str, Any]:
    """DRAM, shared buffer, and PEs with registers; bandwidths are in words per cycle."""
    word = int(accelerator.word_bytes[0])
    bits = 8 * word
    clock = float(accelerator.clock_ghz[0])
    noc, input_noc = (
        float(accelerator.noc_bandwidth[0]), float(accelerator.input_noc_bandwidth[0])
    )  # fmt: skip
    rows, cols = int(accelerator.pe_rows[0]), int(accelerator.pe_cols[0])
    lines = array_sides(int(accelerator.template[0])) is None

    def storage(name: str, kind: str, attributes: dict[str, Any]) -> Tagged:
        return Tagged("Component", {"name": name, "class": kind, "attributes": attributes})

    nodes = [
        Tagged(
            "Container",
            {
                "name": "system",
                "attributes": {"technology": "45nm", "global_cycle_seconds": 1e-9 / clock},
            },
        ),
        storage(
            "DRAM",
            "DRAM",
            {
                "width": _BUFFER_BITS,
                "datawidth": bits,
                "shared_bandwidth": float(accelerator.dram_gbps[0]) / clock / word,
            },
        ),
        storage(
            "buffer",
            "SRAM",
            {
                "depth": int(accelerator.l2_kb[0] * 1024 * 8) // _BUFFER_BITS,
                "width": _BUFFER_BITS,
                "datawidth": bits,
                "shared_bandwidth": (3 * noc + (input_noc or noc)) / word,
            },
        ),
        Tagged(
            "Container",
            {
                "name": "PE",
                "spatial": {"meshX": rows * cols} if lines else {"meshX": cols, "meshY": rows},
            },
        ),
        storage(
            "registers",
            "regfile",
            {"depth": int(accelerator.l1_bytes[0]) // word, "width": bits, "datawidth": bits},
        ),
        Tagged(
            "Component",
            {
                "name": "mac",
                "class": "intmac" if word == 1 else "fpmac",
                "attributes": {
                    "datawidth": bits,
                    "multiplier_width": bits,
                    "adder_width": round(8 * float(accelerator.sum_bytes[0])),
                },
            },
        ),
    ]
    return {"architecture": {"version": 0.4, "nodes": nodes}}


def _problem(nest: LoopNest) -> dict[str, Any]:
    return {
        "problem": {
            "version": 0.4,
            "shape": {
                "name": "grouped_convolution",
                "dimensions": list(_NAMES.values()),
                "coefficients": [{"name": name, "default": 1} for name in _STEPS.values()],
                "data_spaces": [
                    {"name": "Weights", "projection": [[[_NAMES[d]]] for d in OPERANDS["Weights"]]},
                    {
                        "name": "Inputs",
                        "projection": [
                            *([[_NAMES[d]]] for d in ("n", "g", "c")),
                            [["R", "Hdilation"], ["P", "Hstride"]],
                            [["S", "Wdilation"], ["Q", "Wstride"]],
                        ],
                    },
                    {
                        "name": "Outputs",
                        "projection": [[[_NAMES[d]]] for d in OPERANDS["Outputs"]],
                        "read_write": True,
                    },
                ],
            },
            "instance": {_NAMES[dim]: nest.sizes[dim] for dim in DIMS}
            | {_STEPS[name]: value for name, value in nest.steps.items()},
        }
    }


def _mapping(nest: LoopNest, accelerator: SpatialAccelerators) -> dict[str, Any]:
    kept = {
        "dram": list(OPERANDS),
        "buffer": _buffered(nest, accelerator),
        # Weights stream past stationary inputs, one at a time.
        "registers": [name for name in OPERANDS if nest.stationary != "input" or name != "Weights"],
    }
    directives: list[dict[str, Any]] = []
    for level, target in _TARGETS.items():
        loops: dict[str, Any] = {
            "target": target,
            "type": "spatial" if level == "spatial" else "temporal",
            "factors": [_factor(nest, level, dim) for dim in DIMS],
        }
        order = nest.order[level]
        if level == "spatial":
            order, loops["split"] = _axes(int(accelerator.template[0]))
        else:
            directives.append(
                {
                    "target": target,
                    "type": "dataspace",
                    "keep": kept[level],
                    "bypass": [name for name in OPERANDS if name not in kept[level]],
                }
            )
        loops["permutation"] = [_NAMES[dim] for dim in order]
        directives.append(loops)
    return {"mapping": directives}


def _factor(nest: LoopNest, level: str, dim: str) -> str:
    turns, last = nest.trips[level][dim], nest.remainder(level, dim)
    return f"{_NAMES[dim]}={turns}" + (f",{last}" if last != turns else "")


def _axes(template: int) -> tuple[tuple[str, ...], int]:
    """The order of the PEs' dimensions, and how many of them, the first, lie along X."""
    sides = array_sides(template)
    if sides is None:
        return DIMS, len(DIMS)
    down = sides[0]
    along = tuple(dim for dim in DIMS if dim not in down)
    return along + down, len(along)


def _buffered(nest: LoopNest, accelerator: SpatialAccelerators) -> list[str]:
    """The operands that the shared buffer keeps: all if their tiles fit, else what must stay."""
    room = float(accelerator.l2_kb[0]) * 1024 // float(accelerator.word_bytes[0])
    words = {name.capitalize(): count for name, count in nest.words("dram").items()}
    kept = list(OPERANDS)
    # Inputs last of all: with the padding, which Timeloop stores, they may be too large.
    for name in (*sorted(passing(nest), key=lambda name: -words[name]), "Inputs"):
        if name in kept and sum(words[each] for each in kept) > room:
            kept.remove(name)
    return kept


def passing(nest: LoopNest) -> list[str]:
    """Operands that the array reads from the shared buffer no more often than DRAM brings them.

    The array passes again over an operand in the passes that do not index it, and DRAM brings it
    again in the tiles that do not, unless those are the innermost loop; stationary operands outlive
    a tile that is one pass.
    """
    tiles, passes = nest.trips["dram"], nest.trips["buffer"]
    streamed = {"weight": "npq", "output": "crs", "input": "k"}[nest.stationary]
    pixels, filters, channels = ("n", "p", "q"), ("k",), ("c",)
    first = nest.order["dram"][0]
    found = []
    for name, others in (("Weights", pixels), ("Inputs", filters), ("Outputs", channels)):
        fetched = 1 if first in others else int(np.prod([tiles[dim] for dim in others]))
        again = ("c", "r", "s") if name == "Outputs" else others
        read = int(np.prod([tiles[d] * (1 if d in streamed else passes[d]) for d in again]))
        stays = {"weight": "Weights", "output": "Outputs", "input": "Inputs"}[nest.stationary]
        if name == stays and all(passes[d] == 1 for d in DIMS if d not in streamed):
            read = fetched
        if fetched >= read and (name != "Inputs" or _rows_meet(nest)):
            found.append(name)
    return found


def _rows_meet(nest: LoopNest) -> bool:
    """Whether a pass takes all rows that a tile has, and streams no tile of inputs from it."""
    return nest.stationary != "weight" and nest.trips["buffer"]["p"] == 1
