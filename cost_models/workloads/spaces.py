"""Layer tables of network spaces: of single designs, and of a whole space over distinct layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from codesign_gym.cost_models.workloads import cell, growth, mobilenet, nas_bench_201, resnet9, unet
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.networks import Workloads
from codesign_gym.search_spaces import Designs, InputError, SearchSpace, make_space


class _Lowering(NamedTuple):
    """How the networks of a space become layers: keys of the layers, and the layer of a key."""

    keys: Callable[[Mapping[str, object]], Sequence[Any]]
    layer: Callable[[Any], Layers]


_LOWERINGS = {
    "cell-network": _Lowering(cell.layer_keys, cell.layer),
    "draco-mobilenet": _Lowering(mobilenet.layer_keys, mobilenet.layer),
    "growing-network": _Lowering(growth.layer_keys, growth.layer),
    "mobilenet-1d": _Lowering(mobilenet.layer_keys_1d, mobilenet.layer_1d),
    "nas-bench-201": _Lowering(nas_bench_201.layer_keys, nas_bench_201.layer),
    "nas-bench-201-1d": _Lowering(nas_bench_201.layer_keys_1d, nas_bench_201.layer_1d),
    "resnet9-1d": _Lowering(resnet9.layer_keys, resnet9.layer),
    "unet-1d": _Lowering(unet.layer_keys, unet.layer),
}

NETWORK_SPACES: tuple[str, ...] = tuple(_LOWERINGS)
"""Spaces whose networks can be written as layers."""


MOST_NETWORKS = 100_000
"""Most networks of a space that are written as layers all at once."""


def network_space(space: SearchSpace) -> str:
    """Which of `NETWORK_SPACES` a space is, whatever its group is called.

    Example:
        >>> network_space(make_space("unet-1d", group="task2"))
        'unet-1d'

    Raises:
        InputError: The space is none of them.
    """
    if len(space.groups) == 1:
        [group] = space.groups
        for name in NETWORK_SPACES:
            if space == make_space(name, group=group):
                return name
    raise InputError(
        f"space {space.name!r} has no layer tables; those that have are "
        + ", ".join(map(repr, NETWORK_SPACES))
    )


def from_space(space: SearchSpace, designs: Designs) -> Sequence[Layers]:
    """The layer table of each design of a network space, ``n`` tables.

    Raises:
        InputError: The space is not one of `NETWORK_SPACES`.
    """
    lowering = _LOWERINGS[network_space(space)]
    position: dict[Hashable, int] = {}
    rows = [
        [position.setdefault(key, len(position)) for key in lowering.keys(network)]
        for network in space.decode(space.canonical(designs))
    ]
    table = Layers.concat(*map(lowering.layer, position))
    return [table.take(row) for row in rows]


def all_networks(space: SearchSpace) -> Workloads:
    """Every row of a network space in grid order, over one table of distinct layers.

    Network ``space.ravel(designs)`` is that of the designs. Rows that differ in inactive
    parameters alone are the same network.

    Raises:
        InputError: The space is not one of `NETWORK_SPACES`, or has more than `MOST_NETWORKS`.
    """
    name = network_space(space)
    if space.size > MOST_NETWORKS:
        raise InputError(
            f"space {space.name!r} has {space.size:,} networks, of which at most "
            f"{MOST_NETWORKS:,} can be listed: take those of single designs"
        )
    return _all_networks(name)


@cache
def _all_networks(name: str) -> Workloads:
    space, lowering = make_space(name), _LOWERINGS[name]
    position: dict[Hashable, int] = {}
    indptr, indices, counts = [0], [], []
    for network in space.decode(space.canonical(space.unravel(np.arange(space.size)))):
        for key, count in Counter(lowering.keys(network)).items():
            indices.append(position.setdefault(key, len(position)))
            counts.append(count)
        indptr.append(len(indices))
    table = Layers.concat(*map(lowering.layer, position))
    return Workloads(table, *(np.array(a, dtype=np.int64) for a in (indptr, indices, counts)))
