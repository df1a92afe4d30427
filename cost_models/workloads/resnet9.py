"""ResNet-9-like networks as layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from codesign_gym.cost_models.workloads.constructors import conv1d
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.search_spaces.networks.cell import CLASSES, INPUT_LENGTH
from codesign_gym.search_spaces.networks.resnet9 import STAGES, STEM_FILTERS


class Convolution(NamedTuple):
    """A convolution that keeps the length: ``c`` to ``k`` channels, ``s`` taps, ``w`` positions."""

    c: int
    k: int
    s: int
    w: int


def layer_keys(network: Mapping[str, object]) -> list[Convolution]:
    """The layers that a compiler would run for a decoded ``resnet9-1d`` design, in order.

    Pooling, additions and activations ride along with the convolutions.
    """
    w, c = INPUT_LENGTH, STEM_FILTERS
    keys = [Convolution(1, c, 3, w)]
    for stage in STAGES:
        k, blocks = (int(str(network[f"{name}_{stage}"])) for name in ("filters", "blocks"))
        w = w if stage == STAGES[0] else w // 2
        keys += [Convolution(c, k, 3, w), *[Convolution(k, k, 3, w)] * (2 * blocks)]
        c = k
    return [*keys, Convolution(c, CLASSES, 1, 1)]


def layer(key: Convolution) -> Layers:
    """The one-row layer table of a convolution."""
    name = f"conv{key.s} {key.c}-{key.k}@{key.w}"
    return conv1d(name, c=key.c, k=key.k, s=key.s, w=key.w, pad=key.s // 2)
