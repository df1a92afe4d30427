"""NAS-Bench-201 networks as layers: the published ones on images, ours on sequences.

Every convolution that a cell names is listed, those on dead edges too, so that multiply-accumulates
and parameters equal the published ones of all 15,625 cells. `CellSpace.pruned` gives the cells that
a compiler would run; a cell that leads nowhere then costs what stem, reductions and classifier do.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from codesign_gym.cost_models.workloads.constructors import conv, conv1d, linear
from codesign_gym.cost_models.workloads.layers import IntArray, Layers
from codesign_gym.search_spaces.networks.cell import CLASSES, INPUT_LENGTH
from codesign_gym.search_spaces.networks.nas_bench_201 import (
    CELLS,
    EDGES,
    KERNELS,
    OPERATIONS,
    SEQUENCE_OPERATIONS,
    SEQUENCE_WIDTH,
    STAGES,
    WIDTH,
)

SIZE = 32
"""Height and width of the images of CIFAR."""

Key = tuple[str, int, int]
"""A layer: what it is, the number of its stage, its output channels."""


def layer_keys(network: Mapping[str, object]) -> list[Key]:
    """The layers of a decoded ``nas-bench-201`` design for CIFAR-10, in order of execution."""
    named = _convolutions(network, OPERATIONS)
    keys: list[Key] = [("stem", 0, WIDTH)]
    for stage in range(STAGES):
        width = WIDTH << stage
        if stage:
            keys += [(kind, stage, width) for kind in ("reduce1", "reduce2", "shortcut")]
        keys += [(kind, stage, width) for kind in named] * CELLS
    return [*keys, ("classifier", STAGES - 1, CLASSES)]


def layer(key: Key) -> Layers:
    """The one-row layer table of a key of ``nas-bench-201``."""
    kind, stage, k = key
    h = SIZE >> stage
    if kind == "stem":
        return conv(kind, c=3, k=k, h=h, r=3, pad=1)
    if kind == "classifier":
        return linear(kind, WIDTH << stage, k)
    if kind == "reduce1":
        return conv(f"{kind}@{h}", c=k // 2, k=k, h=2 * h, r=3, stride=2, pad=1)
    if kind == "reduce2":
        return conv(f"{kind}@{h}", c=k, k=k, h=h, r=3, pad=1)
    if kind == "shortcut":  # after an average pool
        return conv(f"{kind}@{h}", c=k // 2, k=k, h=h, r=1)
    kernel = int(kind[-1])
    return conv(f"{kind}@{h}", c=k, k=k, h=h, r=kernel, pad=kernel // 2)


def parameters(layers: Layers) -> IntArray:
    """Trained numbers of each layer of a network of either space, ``[l]``.

    Weights, two per channel of the batch norms (after every convolution but the shortcuts, and
    before the classifier) and the bias of the classifier.
    """
    last = np.array([name == "classifier" for name in layers.name])
    bare = np.array([name.startswith("shortcut") for name in layers.name])
    numbers: IntArray = layers.weights + np.where(
        last, 2 * layers.c + layers.k, 2 * layers.k * ~bare
    )
    return numbers


def layer_keys_1d(network: Mapping[str, object]) -> list[Key]:
    """The layers of a decoded ``nas-bench-201-1d`` classifier, in order of execution."""
    named = _convolutions(network, SEQUENCE_OPERATIONS)
    cells = [(kind, stage, SEQUENCE_WIDTH) for stage in range(STAGES) for kind in named]
    return [("stem", 0, SEQUENCE_WIDTH), *cells, ("classifier", STAGES - 1, CLASSES)]


def layer_1d(key: Key) -> Layers:
    """The one-row layer table of a key of ``nas-bench-201-1d``."""
    kind, stage, k = key
    w = INPUT_LENGTH >> stage
    if kind == "stem":
        return conv1d(kind, c=1, k=k, s=3, w=w, pad=1)
    if kind == "classifier":
        return linear(kind, SEQUENCE_WIDTH, k)
    kernel = int(kind[-1])
    return conv1d(f"{kind}@{w}", c=k, k=k, s=kernel, w=w, pad=kernel // 2)


def _convolutions(network: Mapping[str, object], operations: tuple[str, ...]) -> list[str]:
    """``conv1`` or ``conv3`` for each edge that has one, in the order of the edges."""
    chosen = (operations.index(str(network[edge])) for edge in EDGES)
    return [f"conv{KERNELS[operation]}" for operation in chosen if operation in KERNELS]
