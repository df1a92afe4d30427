"""Mappings found by the dataflow model as nested loops, the form in which other tools take them.

From outside to inside there are four levels: loops over the tiles of the shared buffer (``dram``),
over the passes and steps of the array within a tile (``buffer``), the PEs side by side
(``spatial``), and what one PE keeps (``registers``). Where a level does not divide a dimension, its
last turn is shorter: `LoopNest.remainder` says by how much, so that nothing is rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from codesign_gym.cost_models.analytical.dataflow import (
    REASONS,
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
    Mapping,
)
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.search_spaces.errors import InputError
from codesign_gym.search_spaces.hardware.spatial import TEMPLATES

DIMS = ("n", "g", "k", "c", "p", "q", "r", "s")
"""Batch, groups, filters and channels of a group, output rows and columns, kernel."""

STEPS = ("stride_h", "stride_w", "dilation_h", "dilation_w")
"""What a layer's inputs depend on, beside its dimensions."""

How = Literal["searched", "template"]
"""Where mappings come from, as for `dataflow.evaluate`."""

LEVELS = ("dram", "buffer", "spatial", "registers")
"""Levels of a nest, the outermost first."""

_TILE_LOOPS = {"pixels": ("q", "p", "n"), "filters": ("k",), "channels": ("c",)}
# Within a tile: what streams past the stationary operand, then the passes; innermost first.
_PASSES = {
    "weight": ("q", "p", "n", "s", "r", "c", "k", "g"),
    "output": ("s", "r", "c", "q", "p", "n", "k", "g"),
    "input": ("k", "s", "r", "c", "q", "p", "n", "g"),
}
# Dimensions down the rows and along the columns; the other templates fold sets of PEs anyhow.
_SIDES = {
    "nvdla": (("c",), ("k",)),
    "tpu": (("c", "r", "s"), ("k",)),
    "shidiannao": (("p",), ("q",)),
}


@dataclass(frozen=True)
class LoopNest:
    """The mapping of one layer as loops.

    Attributes:
        layer: Name of the layer.
        sizes: Size of each of `DIMS`.
        steps: ``stride_h``, ``stride_w``, ``dilation_h`` and ``dilation_w``.
        stationary: What stays in the PEs, one of `STATIONARY`.
        trips: For each of `LEVELS`, the turns of each of `DIMS`, 1 where it has no loop.
        order: For each of `LEVELS`, all of `DIMS`, the innermost loop first.
    """

    layer: str
    sizes: dict[str, int]
    steps: dict[str, int]
    stationary: str
    trips: dict[str, dict[str, int]]
    order: dict[str, tuple[str, ...]]

    def tile(self, level: str, dim: str) -> int:
        """How much of a dimension one turn of a level's loops covers, everything inside them."""
        inside = LEVELS[LEVELS.index(level) + 1 :]
        return min(int(np.prod([self.trips[name][dim] for name in inside])), self.sizes[dim])

    def words(self, level: str) -> dict[str, int]:
        """Words of weights, inputs and outputs that one turn of a level's loops covers.

        Windows of inputs are whole, with padding.
        """
        of = {dim: self.tile(level, dim) for dim in DIMS}
        tall = (of["p"] - 1) * self.steps["stride_h"] + (of["r"] - 1) * self.steps["dilation_h"]
        wide = (of["q"] - 1) * self.steps["stride_w"] + (of["s"] - 1) * self.steps["dilation_w"]
        return {
            "weights": of["g"] * of["k"] * of["c"] * of["r"] * of["s"],
            "inputs": of["n"] * of["g"] * of["c"] * (tall + 1) * (wide + 1),
            "outputs": of["n"] * of["g"] * of["k"] * of["p"] * of["q"],
        }

    def kept_words(self) -> dict[str, int]:
        """Words of weights, inputs and sums that one PE keeps: of those that stream past, one."""
        a = self.trips["registers"]
        taps = a["r"] * a["s"]
        if self.stationary == "weight":
            return {"weights": a["k"] * a["c"] * taps, "inputs": a["c"] * taps, "outputs": a["k"]}
        if self.stationary == "output":
            return {"weights": a["k"], "inputs": 1, "outputs": a["k"] * a["p"] * a["q"]}
        return {"weights": 1, "inputs": self.words("spatial")["inputs"], "outputs": 1}

    def remainder(self, level: str, dim: str) -> int:
        """Turns of a loop the last time that it runs.

        The size less one, in the number system whose bases are the turns, has these less one as
        its digits.
        """
        inside = int(np.prod([self.trips[x][dim] for x in LEVELS[LEVELS.index(level) + 1 :]]))
        return (self.sizes[dim] - 1) // inside % self.trips[level][dim] + 1


def array_sides(template: int) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Dimensions down the rows and along the columns; None where PEs count as one line.

    ``eyeriss`` folds sets of PEs over the array, ``free`` uses it in any way.
    """
    return _SIDES.get(TEMPLATES[template])


def found_nests(
    layers: Layers, accelerator: SpatialAccelerators, mapping: How = "searched"
) -> list[LoopNest]:
    """The mapping that `dataflow.evaluate` uses, for every layer with multiply-accumulates.

    Args:
        layers: The layers; pooling and elementwise ones, which other tools do not map, are left
            out.
        accelerator: One accelerator.
        mapping: As for `dataflow.evaluate`.

    Raises:
        InputError: There is not exactly one accelerator, or no mapping of a layer fits it.
    """
    if len(accelerator) != 1:
        raise InputError(f"a design is one accelerator, got {len(accelerator)}")
    layers = layers.take(np.flatnonzero(layers.multiplies))
    found, valid = find_mapping(layers, accelerator, mapping)
    if not valid.all():
        row = int((~valid[0]).argmax())
        reason = REASONS[evaluate(layers.take([row]), accelerator, mapping)["reason"][0, 0]]
        raise InputError(f"layer {layers.name[row]!r} has no mapping to export: {reason}")
    return [_nest(layers, found, row) for row in range(len(layers))]


def _nest(layers: Layers, mapping: Mapping, row: int) -> LoopNest:
    groups = int(layers.groups[row])
    sizes = {dim: int(getattr(layers, dim)[row]) for dim in DIMS if dim != "g"}
    sizes |= {"g": groups, "k": sizes["k"] // groups, "c": sizes["c"] // groups}
    spatial, registers, buffer = (
        dict.fromkeys(DIMS, 1) | dict(zip(names, values[0, row].tolist(), strict=True))
        for names, values in (
            (SPATIAL_DIMS, mapping.spatial),
            (REGISTER_DIMS, mapping.registers),
            (BUFFER_DIMS, mapping.buffer),
        )
    )
    # The buffer keeps kernels whole, and of groups what the array works on.
    buffer |= {"r": sizes["r"], "s": sizes["s"], "g": min(spatial["g"], groups)}
    stationary = STATIONARY[int(mapping.stationary[0, row])]
    inner = INNER_LOOPS[int(mapping.inner[0, row])]
    others = [dim for name in reversed(INNER_LOOPS) if name != inner for dim in _TILE_LOOPS[name]]
    passes = _PASSES[stationary]
    return LoopNest(
        layer=layers.name[row],
        sizes=sizes,
        steps={name: int(getattr(layers, name)[row]) for name in STEPS},
        stationary=stationary,
        trips={
            "dram": {dim: -(-sizes[dim] // buffer[dim]) for dim in DIMS},
            "buffer": {dim: -(-buffer[dim] // (spatial[dim] * registers[dim])) for dim in DIMS},
            "spatial": spatial,
            "registers": registers,
        },
        order={
            "dram": (*_TILE_LOOPS[inner], *others, "s", "r", "g"),
            "buffer": passes,
            "spatial": DIMS,
            # Where sums stay, an input serves all filters of a PE before the next one comes.
            "registers": ("k", *[dim for dim in passes if dim != "k"]),
        },
    )
