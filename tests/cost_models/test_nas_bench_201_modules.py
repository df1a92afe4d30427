"""Modules of NAS-Bench-201: what their layer tables say, and cells by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from codesign_gym.cost_models.accuracy.grouped import costs, seeded
from codesign_gym.cost_models.accuracy.nas_bench_201_torch import (
    Cell,
    ImageNetwork,
    SequenceNetwork,
    cell,
    operation,
)
from codesign_gym.cost_models.workloads import from_space
from codesign_gym.cost_models.workloads.nas_bench_201 import parameters
from codesign_gym.search_spaces import CellSpace, make_space

IMAGES, SEQUENCES = make_space("nas-bench-201"), make_space("nas-bench-201-1d")
SOME = np.concatenate(
    [[[0] * 6, [1] * 6, [2] * 6, [3] * 6, [4] * 6], IMAGES.sample(3, 0)]
).astype(np.int32)  # fmt: skip


def test_networks_on_images_cost_what_their_layers_do() -> None:
    for design, layers in zip(SOME, from_space(IMAGES, SOME), strict=True):
        with torch.device("meta"):  # shapes alone: nothing is computed
            network, x = ImageNetwork(design.tolist()), torch.zeros(1, 3, 32, 32)
        assert costs(network, x) == (parameters(layers).sum(), layers.macs.sum()), design


def test_networks_on_sequences_cost_what_their_layers_do() -> None:
    for design, layers in zip(SOME, from_space(SEQUENCES, SOME), strict=True):
        found = costs(SequenceNetwork(design.tolist()), torch.zeros(1, 1, 40))
        assert found == (parameters(layers).sum(), layers.macs.sum()), design


def test_a_cell_that_leads_nowhere_costs_what_is_around_it() -> None:
    assert isinstance(IMAGES, CellSpace)
    dead = IMAGES.pruned(IMAGES.check([[3, 3, 3, 0, 0, 0]]))
    [layers] = from_space(IMAGES, dead)
    assert {name.split("@")[0] for name in layers.name} == {
        "stem", "reduce1", "reduce2", "shortcut", "classifier",
    }  # fmt: skip
    assert layers.macs.sum() == 7_783_040


@pytest.mark.parametrize("dims", [1, 2])
def test_a_cell_by_hand(dims: int) -> None:
    torch.manual_seed(0)
    module = cell([2, 4, 1, 0, 3, 1], 4, dims).eval()
    x = torch.randn(2, 4, *[6] * dims)
    edges = module.edges
    node1 = edges["e01"](x)
    node2 = edges["e02"](x) + node1
    torch.testing.assert_close(module(x), edges["e13"](node1) + node2)


def test_cells_take_any_modules() -> None:
    """A search over operations puts mixtures on the edges."""
    mixture = nn.Sequential(operation(3, 4, 1), operation(4, 4, 1))
    x = torch.randn(2, 4, 10)
    assert Cell([mixture, *(operation(1, 4, 1) for _ in range(5))])(x).shape == x.shape


def test_seeds_of_networks_on_images_stay_apart() -> None:
    design = [3, 2, 4, 1, 0, 3]

    def build(seeds: int) -> ImageNetwork:
        return ImageNetwork(design, width=4, cells=1, seeds=seeds)

    both, x = seeded(build, (5, 2)).eval(), torch.randn(2, 6, 8, 8)
    scores = both(x)
    assert scores.shape == (2, 2, 10)
    for i, seed in enumerate((5, 2)):
        alone = seeded(build, (seed,)).eval()(x[:, 3 * i : 3 * i + 3])
        torch.testing.assert_close(scores[:, [i]], alone, rtol=1e-4, atol=1e-5)


def test_dead_edges_do_not_matter() -> None:
    assert isinstance(SEQUENCES, CellSpace)
    designs = SEQUENCES.sample(20, 1)
    x = torch.randn(3, 4, 20)
    for design, pruned in zip(designs, SEQUENCES.pruned(designs), strict=True):
        whole, part = cell(design, 4, 1).eval(), cell(pruned, 4, 1).eval()
        part.load_state_dict(whole.state_dict(), strict=False)  # fresh norms shift nothing
        torch.testing.assert_close(whole(x), part(x))
