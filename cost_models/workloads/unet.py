"""U-Net-like networks as layers."""

from __future__ import annotations

from collections.abc import Mapping

from codesign_gym.cost_models.workloads.resnet9 import Convolution, layer
from codesign_gym.search_spaces.networks.cell import INPUT_LENGTH

__all__ = ["layer", "layer_keys"]


def layer_keys(network: Mapping[str, object]) -> list[Convolution]:
    """The layers that a compiler would run for a decoded ``unet-1d`` design, in order.

    Pooling, repetition of positions, concatenation and activations ride along with the
    convolutions.
    """
    height = int(str(network["height"]))
    filters = [int(str(network[f"filters_{level + 1}"])) for level in range(height)]
    keys, c = [], 1
    for level, k in enumerate(filters):
        w = INPUT_LENGTH >> level
        keys += [Convolution(c, k, 3, w), Convolution(k, k, 3, w)]
        c = k
    for level in reversed(range(height - 1)):
        k, w = filters[level], INPUT_LENGTH >> level
        keys += [Convolution(k + c, k, 3, w), Convolution(k, k, 3, w)]
        c = k
    return [*keys, Convolution(c, 1, 1, INPUT_LENGTH)]
