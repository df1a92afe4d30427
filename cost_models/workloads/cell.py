"""Cell networks as layers."""

from __future__ import annotations

from collections.abc import Mapping

from codesign_gym.cost_models.workloads.constructors import conv1d, linear
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.search_spaces.networks.cell import CLASSES, INPUT_LENGTH

Key = tuple[str, int, int]
"""A layer: what it is (stem, conv1, conv3, classifier), the width, the length of the sequence."""


def layer_keys(network: Mapping[str, object]) -> list[Key]:
    """The layers that a compiler would run for a decoded ``cell-network`` design, in order.

    Only convolutions and the classifier are listed: pooling, additions and activations ride along
    with them. An edge between which and the input or the output stands ``none`` is dead and is
    left out; the stem and the classifier always run.
    """
    width, cells = int(str(network["width"])), int(str(network["cells"]))
    first, direct, second = (str(network[edge]) for edge in ("op_01", "op_02", "op_12"))
    through = [] if "none" in (first, second) else [first, second]
    operations = [op for op in (*through[:1], direct, *through[1:]) if op in ("conv1", "conv3")]
    connected = bool(through) or direct != "none"
    keys: list[Key] = [("stem", width, INPUT_LENGTH)]
    for cell in range(cells if connected else 0):
        keys += [(op, width, INPUT_LENGTH >> cell) for op in operations]
    return [*keys, ("classifier", width, 1)]


def layer(key: Key) -> Layers:
    """The one-row layer table of a key."""
    kind, width, length = key
    if kind == "stem":
        return conv1d(kind, k=width, c=1, s=3, w=length, pad=1)
    if kind == "classifier":
        return linear(kind, width, CLASSES)
    kernel = int(kind[-1])
    return conv1d(f"{kind}@{length}", k=width, c=width, s=kernel, w=length, pad=kernel // 2)
