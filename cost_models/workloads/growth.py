"""Growing plain networks as layers."""

from __future__ import annotations

from collections.abc import Mapping

from codesign_gym.cost_models.workloads.resnet9 import Convolution, layer
from codesign_gym.search_spaces.networks.growth import read_network

__all__ = ["layer", "layer_keys"]


def layer_keys(network: Mapping[str, object]) -> list[Convolution]:
    """The layers that a compiler would run for a decoded ``growing-network`` design, in order.

    Pooling and activations ride along with the convolutions; fully connected layers are
    convolutions on one position.
    """
    plain = read_network(network)
    keys, c, w = [], 1, plain.length
    for block in plain.blocks:
        for convolution in block:
            keys.append(Convolution(c, convolution.width, convolution.kernel, w))
            c = convolution.width
        w //= 2
    c *= w
    for width in (*(dense.width for dense in plain.dense), plain.classes):
        keys.append(Convolution(c, width, 1, 1))
        c = width
    return keys
