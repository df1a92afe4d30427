"""Trainable networks: their layers are those costed, seeds stay apart, precision is reduced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from codesign_gym.cost_models.accuracy import training
from codesign_gym.cost_models.accuracy.cell_torch import CellNetwork
from codesign_gym.cost_models.accuracy.grouped import (
    Grouped,
    reduced_precision,
    seeded,
    to_fp16,
    to_int8,
)
from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.tasks import get_task, mnist1d
from codesign_gym.cost_models.accuracy.train_table import (
    train_table,
)
from codesign_gym.cost_models.accuracy.training import builder, train
from codesign_gym.cost_models.workloads.cell import layer, layer_keys
from codesign_gym.search_spaces import InputError, cell_network

SPACE = cell_network()
SHORT = Recipe(epochs=1, batch=500)
TINY = [SPACE.ravel(SPACE.encode([row]))[0].item() for row in (
    {"op_01": "none", "op_02": "skip", "op_12": "none", "width": 8, "cells": 1},
    {"op_01": "none", "op_02": "conv1", "op_12": "none", "width": 8, "cells": 1},
)]  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# -- the modules are the layers ---------------------------------------------------------------

EVERY_CELL = [network for network in SPACE.decode(SPACE.enumerate())
              if (network["width"], network["cells"]) == (16, 2)]  # fmt: skip


def alive(operations: tuple[str, str, str]) -> tuple[bool, bool, bool]:
    """Which edges stand on a path without ``none`` from input to output."""
    first, direct, second = operations
    through = first != "none" and second != "none"
    return through, direct != "none", through


def convolutions(network: CellNetwork) -> dict[str, nn.Conv1d]:
    return {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv1d)}


def macs_of(network: CellNetwork) -> dict[str, int]:
    """Multiply-accumulates of each convolution for one sequence, from what flows through it."""
    found: dict[str, int] = {}

    def count(name: str) -> Any:
        def hook(m: nn.Conv1d, inputs: tuple[Tensor], output: Tensor) -> None:
            found[name] = output[0].numel() * m.weight[0].numel()

        return hook

    for name, m in convolutions(network).items():
        m.register_forward_hook(count(name))
    with torch.no_grad():
        network.eval()(torch.zeros(1, 1, 40))
    return found


def test_every_cell_costs_what_it_computes() -> None:
    """MACs and weights of all 125 cells equal the layer table's, dead edges excepted."""
    assert len(EVERY_CELL) == 125
    for design in EVERY_CELL:
        operations = (str(design["op_01"]), str(design["op_02"]), str(design["op_12"]))
        network = CellNetwork(operations, 16, 2)
        lives = dict(zip(("op_01", "op_02", "op_12"), alive(operations), strict=True))

        def counts(name: str, lives: dict[str, bool] = lives) -> bool:
            return not any(edge in name and not lives[edge] for edge in lives)

        layers = [layer(key) for key in layer_keys(design)]
        macs = {name: n for name, n in macs_of(network).items() if counts(name)}
        weights = [m.weight.numel() for name, m in convolutions(network).items() if counts(name)]
        assert sorted(macs.values()) == sorted(int(table.macs.sum()) for table in layers), design
        assert sorted(weights) == sorted(int(table.weights.sum()) for table in layers), design


def test_all_parameters_are_weights_biases_of_the_classifier_and_batch_norm() -> None:
    network = CellNetwork(("conv3", "conv1", "conv3"), 16, 2)
    norms = sum(m.num_features for m in network.modules() if isinstance(m, nn.BatchNorm1d))
    weights = sum(m.weight.numel() for m in convolutions(network).values())
    assert sum(p.numel() for p in network.parameters()) == weights + 2 * norms + 10


@pytest.mark.parametrize("operations", [("conv3",) * 2, ("conv3", "conv5", "skip")])
def test_impossible_cells(operations: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="a cell has three operations of"):
        CellNetwork(operations, 8, 1)


def test_cell_by_hand() -> None:
    x = torch.randn(2, 8, 40)
    network = CellNetwork(("skip", "avgpool3", "skip"), 8, 1)
    cell: Any = network.body[0]
    padded = nn.functional.pad(x, (1, 1))
    divisor = torch.tensor([2.0] + [3.0] * 38 + [2.0])  # at the edges of what is there
    average = (padded[..., :-2] + x + padded[..., 2:]) / divisor
    torch.testing.assert_close(cell(x), x + average)


# -- seeds stay apart -------------------------------------------------------------------------

OPERATIONS = ("conv3", "avgpool3", "conv1")


def cells(operations: Sequence[str], width: int, count: int, seeds: Sequence[int]) -> CellNetwork:
    return seeded(partial(CellNetwork, operations, width, count), seeds)


NETWORKS: dict[str, dict[str, object]] = {
    "cell-network": {"op_01": "conv3", "op_02": "avgpool3", "op_12": "conv1", "width": 8,
                     "cells": 2},
    "nas-bench-201-1d": {"e01": "conv3", "e02": "skip", "e12": "avgpool3", "e03": "none",
                         "e13": "conv1", "e23": "conv3"},
    "resnet9-1d": {"filters_1": 8, "blocks_1": 1, "filters_2": 16, "blocks_2": 0, "filters_3": 8,
                   "blocks_3": 1},
    "unet-1d": {"height": 3, "filters_1": 4, "filters_2": 8, "filters_3": 16},
}  # fmt: skip
"""A network of each space."""
TASKS = {"cell-network": "mnist1d", "nas-bench-201-1d": "mnist1d", "resnet9-1d": "mnist1d-shuffled",
         "unet-1d": "mnist1d-stroke"}  # fmt: skip
SPACES = pytest.mark.parametrize("space", sorted(NETWORKS))


def grouped_network(space: str, seeds: Sequence[int]) -> Grouped:
    return seeded(builder(space, NETWORKS[space]), seeds)


@SPACES
@pytest.mark.parametrize("training", [True, False])
def test_a_group_is_the_network_of_its_seed(space: str, training: bool) -> None:
    seeds = (5, 2, 11)
    grouped = grouped_network(space, seeds).train(training)
    x = torch.randn(20, 3, 40, generator=torch.Generator().manual_seed(0))
    scores = grouped(x)
    for i, seed in enumerate(seeds):
        alone = grouped_network(space, [seed]).train(training)
        torch.testing.assert_close(scores[:, [i]], alone(x[:, [i]]), rtol=1e-4, atol=1e-5)
    different = (scores[:, 0] - scores[:, 1]).abs().max()
    assert different > 0.01


@SPACES
def test_no_gradient_crosses_groups(space: str) -> None:
    grouped = grouped_network(space, (0, 1))
    x = torch.randn(10, 2, 40, requires_grad=True)
    grouped(x)[:, 0].pow(2).sum().backward()
    assert x.grad is not None
    assert x.grad[:, 0].abs().max() > 0
    assert x.grad[:, 1].abs().max() == 0


def test_seeding_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    cells(OPERATIONS, 8, 1, (0, 1))
    assert torch.equal(torch.get_rng_state(), before)


@SPACES
def test_seeds_train_together_as_they_do_apart(space: str) -> None:
    recipe = Recipe(epochs=2, batch=200)
    build, task = builder(space, NETWORKS[space]), get_task(TASKS[space])
    together = train(build, task, (0, 1), recipe)
    for i, seed in enumerate((0, 1)):
        apart = train(build, task, (seed,), recipe)
        # Sums in another order: the same up to a few of the 1,000 test sequences.
        gap = together.correct[i].astype(int) - apart.correct[0].astype(int)
        assert np.abs(gap).max() <= 25
    again = train(build, task, (0, 1), recipe)
    assert np.array_equal(again.correct, together.correct)
    # Of 1,000, where 100 is chance (and 200 the overlap of saying yes to every position).
    assert together.correct[:, -1].min() > (250 if space == "unet-1d" else 150)
    assert together.cpu_s > 0


@SPACES
def test_scores(space: str) -> None:
    """What a network says: ten scores of a sequence, or one per position."""
    x = torch.randn(6, 2, 40)
    scores = grouped_network(space, (0, 1)).eval()(x)
    assert scores.shape == (6, 2, 40 if space == "unet-1d" else 10)


def test_overlap_by_hand() -> None:
    credit = training.MARKING["iou"][1]
    masks = torch.tensor([[1.0, 1, 0, 0], [0, 0, 0, 1]])
    scores = torch.tensor([[[2.0, -1, 3, -1], [1, 1, -1, -1]], [[-1, -1, -1, -1], [1, 1, 1, 1]]])
    assert torch.allclose(credit(scores, masks), torch.tensor([[1 / 3, 1], [0, 1 / 4]]))


@pytest.mark.parametrize("metric", ["iou", "r2"])
def test_cells_answer_per_position_too(metric: str) -> None:
    network = seeded(builder("nas-bench-201-1d", NETWORKS["nas-bench-201-1d"], metric), (0, 1))
    x = torch.randn(6, 2, 40, requires_grad=True)
    scores = network.train()(x)
    assert scores.shape == (6, 2, 40)
    scores[:, 0].pow(2).sum().backward()
    assert x.grad is not None
    assert x.grad[:, 0].abs().max() > 0 == x.grad[:, 1].abs().max()
    with pytest.raises(InputError, match="unknown metric of the networks of 'unet-1d' 'r2'"):
        builder("unet-1d", {}, "r2")


def test_explained_by_hand() -> None:
    credit = training.MARKING["r2"][1]
    clean = torch.tensor([[1.0, -1, 1, -1], [0, 0, 0, 4]])
    scores = torch.stack(
        [torch.stack([clean[0], clean[0] / 2]), torch.stack([clean[1], -clean[1]])]
    )
    assert torch.allclose(credit(scores, clean), torch.tensor([[1, 3 / 4], [1, 0]]))


def test_unknown_spaces_and_tasks(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown space of trainable networks 'unet'"):
        builder("unet", {})
    with pytest.raises(InputError, match=r"unknown space of trainable networks 'unet'"):
        train_table(tmp_path / "j", space="unet")
    with pytest.raises(InputError, match=r"unknown task 'mnist'"):
        train_table(tmp_path / "j", task="mnist")
    with pytest.raises(InputError, match=r"'unet-1d' are made for tasks with iou; .* is accuracy"):
        train_table(tmp_path / "j", space="unet-1d")
    assert not (tmp_path / "j").exists()


# -- reduced precision ------------------------------------------------------------------------


def test_reduced_precision_leaves_the_network_as_it_was() -> None:
    x, _, x_test, _ = map(torch.from_numpy, mnist1d())
    network = cells(("conv3", "conv3", "conv3"), 8, 2, (0, 1)).eval()
    calibration, tests = (t[:200, None].expand(-1, 2, -1) for t in (x, x_test))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        full = network(tests)
    half = reduced_precision(network, calibration, tests, to_fp16)
    eighth = reduced_precision(network, calibration, tests, to_int8)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    with torch.no_grad():
        assert torch.equal(network(tests), full)  # no hook is left behind
    spread = full.std()
    assert 0 < (half - full).abs().max() < 0.01 * spread
    assert (half - full).abs().max() < (eighth - full).abs().max() < 0.5 * spread


def test_a_failure_inside_leaves_the_network_as_it_was_too() -> None:
    network = cells(OPERATIONS, 8, 1, (0,)).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    calls = 0

    def failing(x: Tensor, largest: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls > len(convolutions(network)):
            raise KeyError
        return torch.zeros_like(x)

    with pytest.raises(KeyError):
        reduced_precision(network, torch.ones(2, 1, 40), torch.ones(2, 1, 40), failing)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_int8_has_255_symmetric_levels() -> None:
    x = torch.linspace(-2, 2, 4001)
    rounded = to_int8(x, torch.tensor(1.0))
    assert len(set(rounded.tolist())) == 255
    assert rounded.max() == 1 == -rounded.min()
    inside = x.abs() <= 1
    assert (rounded - x)[inside].abs().max() <= 0.5 / 127 + 1e-6
    assert torch.equal(to_int8(torch.zeros(3), torch.tensor(0.0)), torch.zeros(3))
