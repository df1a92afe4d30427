"""Layer tables of the network spaces: what the torch modules compute, for every network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from codesign_gym.cost_models.accuracy.training import MODULES
from codesign_gym.cost_models.workloads import all_networks, from_space
from codesign_gym.cost_models.workloads.spaces import MOST_NETWORKS, NETWORK_SPACES, network_space
from codesign_gym.search_spaces import InputError, make_space

CONVOLUTIONAL = ("mobilenet-1d", "resnet9-1d", "unet-1d")
LISTABLE = [name for name in NETWORK_SPACES if make_space(name).size <= 2000]
SPACES = pytest.mark.parametrize("name", LISTABLE)


def costs_of(module: nn.Module) -> tuple[list[tuple[int, int]], int]:
    """(MACs, weights) of each convolution in order of execution, and all parameters beside them."""
    found: list[tuple[int, int]] = []

    def hook(m: nn.Conv1d, inputs: tuple[Tensor], output: Tensor) -> None:
        found.append((output[0].numel() * m.weight[0].numel(), m.weight.numel()))

    for m in module.modules():
        if isinstance(m, nn.Conv1d):
            m.register_forward_hook(hook)
    with torch.no_grad():
        module.eval()(torch.zeros(1, 1, 40))
    rest = sum(p.numel() for p in module.parameters()) - sum(weights for _, weights in found)
    return found, rest


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_every_network_costs_what_it_computes(name: str) -> None:
    space = make_space(name)
    designs = space.enumerate()
    pairs = zip(space.decode(designs), from_space(space, designs), strict=True)
    for design, layers in pairs:
        convolutions, rest = costs_of(next(iter(MODULES[name].values()))(design, 1))
        expected = list(zip(layers.macs.tolist(), layers.weights.tolist(), strict=True))
        assert convolutions == expected, design
        # Batch norm has two parameters per channel; the last layer has a bias and no norm.
        norms = 2 * int(layers.k[:-1].sum())
        assert rest == norms + int(layers.k[-1]), design


def total(name: str, design: dict[str, Any]) -> tuple[int, int]:
    space = make_space(name)
    [layers] = from_space(space, space.encode([design]))
    return int(layers.macs.sum()), int(layers.weights.sum())


def test_resnet9_by_hand() -> None:
    plain = {f"{p}_{i}": v for i in (1, 2, 3) for p, v in (("filters", 8), ("blocks", 0))}
    weights = 3 * 8 + 3 * (3 * 64) + 80
    assert total("resnet9-1d", plain) == (40 * 24 + (40 + 20 + 10) * 192 + 80, weights)
    deeper = plain | {"blocks_2": 1}
    assert total("resnet9-1d", deeper)[0] - total("resnet9-1d", plain)[0] == 2 * 20 * 192


def test_unet_by_hand() -> None:
    flat = {"height": 1, "filters_1": 4}
    assert total("unet-1d", flat) == (40 * (12 + 48 + 4), 12 + 48 + 4)
    two = {"height": 2, "filters_1": 4, "filters_2": 8}
    down, up = 40 * (12 + 48) + 20 * (96 + 192), 40 * (3 * 12 * 4 + 48)
    assert total("unet-1d", two)[0] == down + up + 40 * 4


@SPACES
def test_all_networks_are_the_networks_in_grid_order(name: str) -> None:
    space = make_space(name)
    workloads = all_networks(space)
    assert len(workloads) == space.size
    grid = space.unravel(np.arange(space.size))
    tables = from_space(space, grid)
    per_layer = workloads.layers.macs[workloads.indices] * workloads.counts
    macs = np.add.reduceat(per_layer, workloads.indptr[:-1])
    assert np.array_equal(macs, [int(table.macs.sum()) for table in tables])
    counts = np.add.reduceat(workloads.counts, workloads.indptr[:-1])
    assert np.array_equal(counts, [len(table) for table in tables])
    assert len(workloads.layers.unique()[0]) == len(workloads.layers)


@SPACES
def test_group_names_do_not_matter(name: str) -> None:
    task = make_space(name, group="task2")
    joint = make_space(name) * task
    for space in (task, joint.select("task2")):
        assert network_space(space) == name
        assert all_networks(space) is all_networks(make_space(name))
        designs = space.sample(3, 0)
        ours, theirs = from_space(space, designs), from_space(make_space(name), designs)
        assert all(a.macs.tolist() == b.macs.tolist() for a, b in zip(ours, theirs, strict=True))


def test_other_spaces_have_no_layers() -> None:
    accelerator = make_space("systolic-accelerator")
    joint = make_space("unet-1d") * make_space("resnet9-1d", group="other")
    for space in (accelerator, joint, make_space("cell-network").select("network.width")):
        with pytest.raises(InputError, match="has no layer tables; those that have"):
            all_networks(space)
        with pytest.raises(InputError, match="has no layer tables"):
            from_space(space, space.sample(1, 0))


def test_too_many_networks_to_list() -> None:
    space = make_space("draco-mobilenet")
    assert space.size > MOST_NETWORKS
    with pytest.raises(InputError, match=r"'draco-mobilenet' has 2,395,008,000,000 networks, of "):
        all_networks(space)
