"""Layer tables of network spaces: of single designs, and of a whole space over distinct layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.workloads import (
    cell,
    darts,
    growth,
    hybrid,
    mobile,
    mobilenet,
    moe_vit,
    nas_bench_201,
    parts,
    resnet9,
    unet,
)
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.networks import Workloads
from codesign_gym.search_spaces import Designs, InputError, SearchSpace, make_space


class _Lowering(NamedTuple):
    """How the networks of a space become layers.

    Attributes:
        keys: Keys of the layers of a decoded design.
        layer: The layer of a key.
        fault: Why a decoded design is no network, empty where it is one; None where all are.
    """

    keys: Callable[[Mapping[str, object]], Sequence[Any]]
    layer: Callable[[Any], Layers] = parts.layer
    fault: Callable[[Mapping[str, object]], str] | None = None


_LOWERINGS = {
    "cell-network": _Lowering(cell.layer_keys, cell.layer),
    "darts": _Lowering(partial(darts.layer_keys, "darts")),
    "darts-1d": _Lowering(partial(darts.layer_keys, "darts-1d")),
    "darts-imagenet": _Lowering(partial(darts.layer_keys, "darts-imagenet")),
    "draco-mobilenet": _Lowering(mobilenet.layer_keys, mobilenet.layer),
    "fbnet": _Lowering(partial(mobile.layer_keys, "fbnet")),
    "growing-network": _Lowering(growth.layer_keys, growth.layer),
    "hybrid-vision": _Lowering(hybrid.layer_keys, fault=hybrid.fault),
    "moe-vit": _Lowering(moe_vit.layer_keys, fault=moe_vit.fault),
    "mobilenet-1d": _Lowering(mobilenet.layer_keys_1d, mobilenet.layer_1d),
    "nas-bench-201": _Lowering(nas_bench_201.layer_keys, nas_bench_201.layer),
    "nas-bench-201-1d": _Lowering(nas_bench_201.layer_keys_1d, nas_bench_201.layer_1d),
    "proxylessnas": _Lowering(partial(mobile.layer_keys, "proxylessnas")),
    "proxylessnas-1d": _Lowering(partial(mobile.layer_keys, "proxylessnas-1d")),
    "resnet9-1d": _Lowering(resnet9.layer_keys, resnet9.layer),
    "unet-1d": _Lowering(unet.layer_keys, unet.layer),
}

NETWORK_SPACES: tuple[str, ...] = tuple(_LOWERINGS)
"""Spaces whose networks can be written as layers."""


MOST_NETWORKS = 100_000
"""Most networks of a space that are written as layers all at once."""


@lru_cache(maxsize=64)
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


def has_layers(space: SearchSpace) -> bool:
    """Whether a space is one of `NETWORK_SPACES`.

    Example:
        >>> has_layers(make_space("fbnet")), has_layers(make_space("dram-controller"))
        (True, False)
    """
    try:
        network_space(space)
    except InputError:
        return False
    return True


def faults(space: SearchSpace, designs: Designs) -> list[str]:
    """Why each design of a network space cannot be built, empty where it can.

    Raises:
        InputError: The space is not one of `NETWORK_SPACES`.
    """
    fault = _LOWERINGS[network_space(space)].fault
    if fault is None:
        return [""] * len(designs)
    return [fault(network) for network in space.decode(space.canonical(designs))]


def from_space(space: SearchSpace, designs: Designs) -> Sequence[Layers]:
    """The layer table of each design of a network space, ``n`` tables.

    Raises:
        InputError: The space is not one of `NETWORK_SPACES`, or a design cannot be built.
    """
    lowering = _LOWERINGS[network_space(space)]
    position: dict[Hashable, int] = {}
    rows = []
    for design, network in enumerate(space.decode(space.canonical(designs))):
        if lowering.fault and (fault := lowering.fault(network)):
            raise InputError(f"design {design} of {space.name!r} cannot be built: {fault}")
        rows.append([position.setdefault(key, len(position)) for key in lowering.keys(network)])
    table = Layers.concat(*map(lowering.layer, position))
    return [table.take(row) for row in rows]


def workloads_of(space: SearchSpace, designs: Designs) -> Workloads:
    """The networks of designs ``[n]``, over one table of their distinct layers.

    Raises:
        InputError: The space is not one of `NETWORK_SPACES`.
    """
    lowering = _LOWERINGS[network_space(space)]
    return _counted(lowering, space.decode(space.canonical(designs)))[1]


class Sizes(NamedTuple):
    """How large networks are, each int64 ``[n]``.

    Attributes:
        macs: Multiply-accumulates of one inference.
        parameters: Trained numbers: weights, norms and biases.
    """

    macs: NDArray[np.int64]
    parameters: NDArray[np.int64]


def sizes(space: SearchSpace, designs: Designs) -> Sizes:
    """How large the network of each design is; all must be such as can be built.

    Raises:
        InputError: The space is none whose layers say what is trained in them.
    """
    name = network_space(space)
    lowering = _LOWERINGS[name]
    if lowering.layer is not parts.layer:
        known = ", ".join(repr(n) for n, own in _LOWERINGS.items() if own.layer is parts.layer)
        raise InputError(f"parameters are known of the spaces {known}; not of {name!r}")
    if not len(designs):
        return Sizes(*np.zeros((2, 0), dtype=np.int64))
    keys, loads = _counted(lowering, space.decode(space.canonical(designs)))
    columns = (loads.layers.macs, np.array([key.trained for key in keys], dtype=np.int64))
    return Sizes(
        *(
            np.add.reduceat(column[loads.indices] * loads.counts, loads.indptr[:-1])
            for column in columns
        )
    )


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
    space = make_space(name)
    networks = space.decode(space.canonical(space.unravel(np.arange(space.size))))
    return _counted(_LOWERINGS[name], networks)[1]


def _counted(
    lowering: _Lowering, networks: Sequence[Mapping[str, object]]
) -> tuple[list[Any], Workloads]:
    """The keys of the distinct layers of decoded designs, and the networks over them."""
    position: dict[Any, int] = {}
    indptr, indices, counts = [0], [], []
    for network in networks:
        for key, count in Counter(lowering.keys(network)).items():
            indices.append(position.setdefault(key, len(position)))
            counts.append(count)
        indptr.append(len(indices))
    table = Layers.concat(*map(lowering.layer, position))
    columns = (np.array(column, dtype=np.int64) for column in (indptr, indices, counts))
    return list(position), Workloads(table, *columns)
