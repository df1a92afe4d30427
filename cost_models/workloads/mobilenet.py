"""MobileNets with grouped in place of depthwise convolutions, as layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

import numpy as np

from codesign_gym.cost_models.workloads.constructors import conv1d, linear
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.networks import network as known_network
from codesign_gym.search_spaces.errors import unknown_name
from codesign_gym.search_spaces.networks.cell import CLASSES, INPUT_LENGTH
from codesign_gym.search_spaces.networks.mobilenet import CHANNELS_1D, FEATURES_1D, STRIDES_1D


class GroupedLayer(NamedTuple):
    """A layer of the network with depthwise convolutions, and the channels per group put in it.

    The channels are 0 where the layer has no choice and stays as it is.
    """

    name: str
    per_group: int


def layer_keys(network: Mapping[str, object]) -> list[GroupedLayer]:
    """The layers that a compiler would run for a decoded ``draco-mobilenet`` design, in order."""
    return _keys(base_layers("draco-mobilenet"), network)


def layer(key: GroupedLayer) -> Layers:
    """The one-row layer table of a key of ``draco-mobilenet``."""
    return regrouped(base_layers("draco-mobilenet"), key)


def layer_keys_1d(network: Mapping[str, object]) -> list[GroupedLayer]:
    """The layers that a compiler would run for a decoded ``mobilenet-1d`` design, in order."""
    return _keys(base_layers("mobilenet-1d"), network)


def layer_1d(key: GroupedLayer) -> Layers:
    """The one-row layer table of a key of ``mobilenet-1d``."""
    return regrouped(base_layers("mobilenet-1d"), key)


def _keys(base: Layers, network: Mapping[str, object]) -> list[GroupedLayer]:
    return [GroupedLayer(name, int(str(network.get(name, 0)))) for name in base.name]


def regrouped(base: Layers, key: GroupedLayer) -> Layers:
    """A row of a base network, its channels grouped as the key says."""
    row = base.take([base.name.index(key.name)])
    if not key.per_group:
        return row
    columns = row.to_columns() | {"groups": row.c // key.per_group}
    return Layers(name=(f"{key.name} g{key.per_group}",), **columns)


def parameters(layers: Layers) -> int:
    """Trained numbers of a MobileNet: weights, two per channel of batch norm, the last bias."""
    return int(layers.weights.sum() + 2 * layers.k[:-1].sum() + layers.k[-1])


@cache
def _mobilenet_1d() -> Layers:
    w = INPUT_LENGTH
    tables = [conv1d("stem", c=1, k=CHANNELS_1D[0], s=3, w=w, pad=1)]
    outputs = (*CHANNELS_1D[1:], FEATURES_1D)
    for index, (c, k, stride) in enumerate(zip(CHANNELS_1D, outputs, STRIDES_1D, strict=True), 1):
        tables.append(conv1d(f"dw{index}", c=c, k=c, s=3, w=w, stride=stride, pad=1, groups=c))
        w = int(np.asarray(tables[-1].q)[0])
        tables.append(conv1d(f"pw{index}", c=c, k=k, s=1, w=w))
    return Layers.concat(*tables, linear("classifier", FEATURES_1D, CLASSES))


_BASES: dict[str, Callable[[], Layers]] = {
    "draco-mobilenet": lambda: known_network("mobilenetv1"),
    "mobilenet-1d": _mobilenet_1d,
}

MOBILENET_SPACES: tuple[str, ...] = tuple(_BASES)
"""Spaces of MobileNets with a choice of the channels per group."""


def base_layers(space: str) -> Layers:
    """The network with depthwise convolutions of one of `MOBILENET_SPACES`.

    The rows that a design changes are called as its parameters are, ``dw1``, ``dw2``, ...

    >>> base_layers("mobilenet-1d").name[:4]
    ('stem', 'dw1', 'pw1', 'dw2')
    """
    if space not in _BASES:
        raise unknown_name("space of MobileNets", space, MOBILENET_SPACES)
    return _BASES[space]()
