"""Costs of layers on relaxed accelerators: PEs, buffers and bandwidths may be any real numbers.

A design is what `dataflow.SpatialAccelerators` describes, without rounding. The template's mapping
(`dataflow_search.from_template`) follows from it in closed form: dimensions are laid over as much
of the array as there is, registers and buffer are filled in the same order, each side as far as the
room that the sides before it left goes. Energies of the SRAMs follow their sizes. What comes out is
`dataflow_smooth.mapping_costs` of that, with gradients to every figure of the design.

Registers have no caps of their own for an operand, and double-buffering takes weights twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from codesign_gym.cost_models.analytical.dataflow_smooth import mapping_costs
from codesign_gym.cost_models.analytical.spatial_arrays import SpatialAccelerators
from codesign_gym.cost_models.analytical.spatial_technology import unit_energies
from codesign_gym.cost_models.analytical.technology import TECHNOLOGY_45NM
from codesign_gym.search_spaces.errors import InputError, unknown_name
from codesign_gym.search_spaces.hardware.spatial import TEMPLATES

DESIGN = ("pe_rows", "pe_cols", "l1_bytes", "l2_kb", "noc_bandwidth", "dram_gbps")
"""Columns of a relaxed design; units as in `SpatialAccelerators`."""

RELAXABLE = TEMPLATES[:4]
"""Templates with a relaxation; `free` chooses among them."""

# Order in which registers, then the buffer, are filled, and what the buffer keeps of weights,
# inputs and outputs (0 what passes, 1 a tile, 2 two), with the first side's share of the room.
_KEEPS = {"nvdla": "srck", "tpu": "srk", "shidiannao": "k", "eyeriss": "sck"}
_STREAMS = ("qpnkc", (0, 2, 1), 1.0)
_TILINGS: dict[str, tuple[str, tuple[int, int, int], float]] = {
    "nvdla": _STREAMS,
    "tpu": _STREAMS,
    "shidiannao": ("ckqpn", (2, 2, 1), 0.5),
    "eyeriss": ("qpnkc", (0, 2, 1), 0.5),
}


def relaxed_costs(layers: Any, designs: Any, template: str, *, word_bytes: int = 1) -> Any:
    """Smooth costs of layers on relaxed designs of one template.

    Args:
        layers: `dataflow.layer_rows`, a float tensor `[l, 16]`.
        designs: `DESIGN`, a float tensor `[a, 6]`; at least one PE, a word's room in each buffer.
        template: One of `RELAXABLE`.
        word_bytes: Width of a word, 1, 2 or 4.

    Returns:
        What `mapping_costs` does, tensors `[a, l]`; latencies at a clock of 1 GHz.

    Raises:
        InputError: The template has no relaxation, or the shapes do not fit.
    """
    import torch

    if template not in RELAXABLE:
        raise unknown_name("relaxable template", template, RELAXABLE)
    if designs.ndim != 2 or designs.shape[1] != len(DESIGN):
        raise InputError(f"designs must have shape [a, {len(DESIGN)}]; got {tuple(designs.shape)}")
    chip = dict(zip(DESIGN, designs.t().unsqueeze(-1).unbind(0), strict=True))
    hardware = _hardware(chip, TEMPLATES.index(template), word_bytes)
    mapping = _mapping(layers, chip, template, word_bytes)
    shape = (len(designs), len(layers))
    columns = [column.expand(shape) for column in mapping]
    return mapping_costs(layers, torch.stack(hardware, -1), torch.stack(columns, -1), smooth=True)


def _hardware(chip: dict[str, Any], template: int, word_bytes: int) -> list[Any]:
    """The kernel's `ACCELERATOR_FIELDS`, each `[a, 1]`."""
    import torch

    one = torch.ones_like(chip["l1_bytes"])
    example = SpatialAccelerators(template, 1, 1, word_bytes=word_bytes)
    fixed = unit_energies(example)
    sums = float(example.sum_bytes[0])
    l1_byte_pj, l2_byte_pj = _sram_pj(chip["l1_bytes"] / 1024), _sram_pj(chip["l2_kb"])
    noc, static = 1 / chip["noc_bandwidth"], float(fixed.static_pj_per_cycle[0])
    return [
        one * template, chip["pe_rows"], chip["pe_cols"], chip["l1_bytes"],
        chip["l1_bytes"] / word_bytes, chip["l1_bytes"] / word_bytes, chip["l1_bytes"] / sums,
        chip["l2_kb"] * 1024, one * word_bytes, one * sums, noc, noc, 1 / chip["dram_gbps"], one,
        one * float(fixed.mac_pj[0]), l1_byte_pj * word_bytes, l1_byte_pj * word_bytes,
        l1_byte_pj * sums, one * float(fixed.noc_pj_per_byte[0]), l2_byte_pj, l2_byte_pj,
        l2_byte_pj, one * float(fixed.dram_pj_per_byte[0]),
        static * chip["pe_rows"] * chip["pe_cols"], noc / 4,
    ]  # fmt: skip


def _sram_pj(capacity_kb: Any) -> Any:
    """`Technology.sram_pj_per_byte` of a tensor."""
    import torch

    small, middle, large = np.log(TECHNOLOGY_45NM.sram_kb).tolist()
    low, mid, high = np.log(TECHNOLOGY_45NM.sram_64bit_pj).tolist()
    distance = torch.log(capacity_kb) - middle
    below, above = (mid - low) / (middle - small), (high - mid) / (large - middle)
    slope = torch.where(distance < 0, below, above)
    return torch.exp(slope * distance) * (TECHNOLOGY_45NM.sram_64bit_pj[1] / 8)


def _mapping(layers: Any, chip: dict[str, Any], template: str, word_bytes: int) -> list[Any]:
    """The kernel's `MAPPING_FIELDS` of the template's rule, each broadcast to `[a, l]`."""
    import torch

    rows, cols = chip["pe_rows"], chip["pe_cols"]
    columns = layers.t().contiguous().unbind(0)
    size = dict(zip("nkcpqrsg", columns, strict=False))
    one = torch.ones((), dtype=layers.dtype)
    u = dict.fromkeys("gkcpqrs", one)
    if template in ("nvdla", "tpu"):
        u["c"], u["k"] = torch.minimum(size["c"], rows), torch.minimum(size["k"], cols)
        if template == "tpu":
            u["s"] = torch.minimum(size["s"], torch.clamp(rows / u["c"], min=1))
            u["r"] = torch.minimum(size["r"], torch.clamp(rows / (u["c"] * u["s"]), min=1))
    elif template == "shidiannao":
        u["p"], u["q"] = torch.minimum(size["p"], rows), torch.minimum(size["q"], cols)
    else:
        u["r"] = torch.minimum(size["r"], rows)
        u["p"] = torch.minimum(size["p"], torch.clamp(cols / 2, min=1))
        sets = torch.clamp(cols / u["p"] * (rows / u["r"]), min=1)
        u["c"] = torch.minimum(torch.clamp(sets, max=2), size["c"])
        u["k"] = torch.minimum(torch.clamp(sets / u["c"], min=1), size["k"])
        u["g"] = torch.minimum(torch.clamp(sets / (u["c"] * u["k"]), min=1), size["g"])
    kept = _registers(size, u, chip["l1_bytes"], template, word_bytes)
    tiles = _tiles(layers, size, u, kept, chip["l2_kb"] * 1024, template, word_bytes)
    stationary = one if template == "shidiannao" else 0 * one
    resident = _TILINGS[template][1][0] > 0
    inner = _inner(columns, size, tiles, word_bytes, resident)
    return [
        stationary, *(u[d] for d in "gkcpqrs"), *(kept[d] for d in "kcpqrs"),
        *(tiles[d] for d in "nkcpq"), inner,
    ]  # fmt: skip


def _registers(
    size: dict[str, Any], u: dict[str, Any], room: Any, template: str, word: int
) -> dict[str, Any]:
    """How much of each dimension a PE keeps, filled in the template's order."""
    import torch

    sums, output = 4.0, template == "shidiannao"
    a = dict.fromkeys("kcpqrs", torch.ones((), dtype=room.dtype))
    copies = 1.0 if template == "eyeriss" or output else 2.0
    for d in _KEEPS[template]:
        taps = a["r"] * a["s"]
        if output:
            limit = (room - word) / (word + sums * a["p"] * a["q"])
        elif d == "k":
            inputs = a["c"] * taps
            limit = (room - word * inputs) / (word * copies * inputs + sums)
        else:
            rest = a["k"] * a["c"] * taps / a[d]
            limit = (room - sums * a["k"]) / (word * (copies * rest + rest / a["k"]))
        a[d] = torch.clamp(torch.minimum(limit, size[d] / u[d]), min=1)
    return a


def _tiles(
    layers: Any, size: dict[str, Any], u: dict[str, Any], kept: dict[str, Any], room: Any,
    template: str, word: int,
) -> dict[str, Any]:  # fmt: skip
    """What the buffer keeps of each dimension, side by side as `dataflow_search.tile` does."""
    import torch

    columns = layers.t().contiguous().unbind(0)
    _, _, _, _, _, r, s, _, sh, sw, dh, dw, _, _, weight_copies, input_copies = columns
    order, modes, share = _TILINGS[template]
    one, output = torch.ones_like(r), template == "shidiannao"
    b = {"n": one} | {d: torch.minimum(u[d] * kept[d], size[d]) for d in "kcpq"}
    if output:
        b["c"] = one
    rest_h, rest_w = (r - 1) * dh + 1 - sh, (s - 1) * dw + 1 - sw
    tap = u["g"] * r * s * weight_copies * word * modes[0]
    pixel, result = u["g"] * input_copies * word * modes[1], u["g"] * 4.0 * modes[2]
    if modes[0] == 0:
        taps = torch.minimum(u["r"] * kept["r"], r) * torch.minimum(u["s"] * kept["s"], s)
        room = room - 2 * u["g"] * weight_copies * word * b["k"] * b["c"] * taps
    for position, d in enumerate(order):
        of = b | {d: one}
        inputs = pixel * of["n"] * of["c"]
        height, width = of["p"] * sh + rest_h, of["q"] * sw + rest_w
        weights = tap * of["k"] * of["c"]
        outputs = result * of["n"] * of["k"] * of["p"] * of["q"]
        if d == "n":
            slope, fixed = inputs * height * width + outputs, weights
        elif d == "c":
            slope, fixed = inputs * height * width + weights, outputs
        elif d == "k":
            slope, fixed = weights + outputs, inputs * height * width
        else:
            step, across, rest = (sh, width, rest_h) if d == "p" else (sw, height, rest_w)
            slope, fixed = inputs * across * step + outputs, weights + inputs * across * rest
        limit = (room - fixed) * (share if position == 0 else 1.0)
        b[d] = torch.minimum(torch.maximum(limit / slope, b[d]), size[d])
    return b


def _inner(
    columns: Any, size: dict[str, Any], tiles: dict[str, Any], word: int, resident: bool
) -> Any:
    """The innermost loop with least traffic, as it is at the point.

    That over pixels needs weights that are `resident`: that have room as a tile.
    """
    import torch

    with torch.no_grad():
        turns = {d: torch.clamp(size[d] / tiles[d], min=1) for d in "nkcpq"}
        many = (turns["n"] * turns["p"] * turns["q"], turns["k"], turns["c"])
        group, heads = size["g"], size["n"] * size["g"]
        weights = group * size["k"] * size["c"] * size["r"] * size["s"] * columns[14] * word
        inputs = heads * size["c"] * size["p"] * size["q"] * columns[8] * columns[9] * word
        sums = 2 * 4.0 * heads * size["k"] * size["p"] * size["q"]
        pixels = weights * (many[0] - 1) if resident else 0 * many[0] - 1
        filters, channels = inputs * (many[1] - 1), sums * (many[2] - 1)
        shape = (pixels + filters + channels).shape
        saved = [part.expand(shape) for part in (pixels, filters, channels)]
        return torch.stack(saved).argmax(0).to(weights.dtype)
