"""The embedded accuracies: complete, plausible, and what training gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from codesign_gym.cost_models import AccuracyTable, make_cost_model
from codesign_gym.cost_models.accuracy.cell_training import train_cells
from codesign_gym.cost_models.accuracy.recipe import RECIPES, Recipe
from codesign_gym.cost_models.accuracy.tasks import get_task
from codesign_gym.cost_models.accuracy.train_table import training_order
from codesign_gym.cost_models.accuracy.trained import EMBEDDED, embedded_table
from codesign_gym.cost_models.accuracy.training import builder, train
from codesign_gym.cost_models.workloads import from_space
from codesign_gym.search_spaces import CellSpace, InputError, cell_network, make_space

SPACE = cell_network()
DESIGNS = SPACE.enumerate()
VALUES = SPACE.values(DESIGNS)
PATH_01_12 = (VALUES["op_01"] != "none") & (VALUES["op_12"] != "none")
CONNECTED = PATH_01_12 | (VALUES["op_02"] != "none")
CONVOLUTIONS = sum(
    np.char.startswith(VALUES[edge], "conv3").astype(int) for edge in ("op_01", "op_02", "op_12")
)
NAS201 = "nas-bench-201-1d"
TABLES = pytest.mark.parametrize(("space", "task"), list(EMBEDDED))


def learners(space: str) -> Any:
    """Which rows of a table are networks through which the input reaches the output."""
    return CONNECTED if space == "cell-network" else slice(None)


@TABLES
def test_every_network_is_there(space: str, task: str) -> None:
    table = embedded_table(space, task)
    networks, epochs = make_space(space).cardinality, RECIPES[space].epochs
    if space == NAS201:  # isomorphic cells are the same network, and it may be a sample
        assert table.provenance["different_networks"] == 6466
        networks = table.provenance["networks"]
        assert (1000 if task == "mnist1d" else 200) <= networks <= 6466
    assert table.correct.shape == (networks, len(table.provenance["seeds"]), epochs)
    assert table.correct_int8.shape == table.correct_fp16.shape == table.correct.shape[:2]
    assert table.correct.max() <= table.provenance["test_size"]
    assert {"command", "recipe", "versions", "data", "cpu_hours"} <= table.provenance.keys()
    assert Recipe(**table.provenance["recipe"]) == RECIPES[space]


def test_what_cannot_learn_has_not_learned() -> None:
    """Networks with no path from input to output give one answer always: about one in ten."""
    accuracy = embedded_table().correct[:, :, -1] / 1000
    assert 0 < (~CONNECTED).sum() < 1125
    assert accuracy[~CONNECTED].max() < 0.16
    assert accuracy[CONNECTED & (CONVOLUTIONS == 3)].min() > 0.8


@pytest.mark.parametrize(
    ("space", "task", "factor"),
    [
        ("cell-network", "mnist1d", 4),
        (NAS201, "mnist1d", 4),
        (NAS201, "mnist1d-denoise", 3),
        (NAS201, "mnist1d-stroke", 5),
        ("resnet9-1d", "mnist1d", 1.5),
        ("resnet9-1d", "mnist1d-shuffled", 2),
        ("unet-1d", "mnist1d-stroke", 8),
    ],
)
def test_tables_separate_networks_from_noise(space: str, task: str, factor: float) -> None:
    """Networks differ by much more than the two seeds of one network do."""
    accuracy = embedded_table(space, task).correct[learners(space)][:, :, -1] / 1000
    of_seeds = np.sqrt(accuracy.var(axis=1, ddof=1).mean())
    of_networks = accuracy.mean(axis=1).std()
    assert of_networks > factor * of_seeds


@pytest.mark.parametrize(
    ("space", "task", "lowest", "highest"),
    [
        ("mobilenet-1d", "mnist1d", 0.95, 0.995),
        ("resnet9-1d", "mnist1d", 0.85, 1.0),
        ("resnet9-1d", "mnist1d-shuffled", 0.35, 0.75),  # locality is gone: far above chance still
        ("unet-1d", "mnist1d-stroke", 0.55, 0.97),
    ],
)
def test_range(space: str, task: str, lowest: float, highest: float) -> None:
    accuracy = embedded_table(space, task).correct[:, :, -1].mean(axis=1) / 1000
    assert lowest < accuracy.min() < accuracy.max() < highest


@pytest.mark.parametrize(("space", "task"), [key for key in EMBEDDED if "cell" not in key[0]])
def test_larger_networks_are_better(space: str, task: str) -> None:
    """Of the smaller and larger half by MACs, the larger is better by more than noise."""
    networks = make_space(space)
    table = embedded_table(space, task)
    designs = networks.unravel(table.network)
    macs = [int(layers.macs.sum()) for layers in from_space(networks, designs)]
    order = np.argsort(macs)
    accuracy = table.correct[order][:, :, -1].mean(axis=1)
    half = len(order) // 2
    # Small MobileNets differ in their groups alone, which matter little: 0.25 points, with a
    # standard error of 0.07 from the seeds.
    least = 1 if space == "mobilenet-1d" else 5
    assert accuracy[half:].mean() > accuracy[:half].mean() + least


@TABLES
def test_reduced_precision_is_close_and_not_the_same(space: str, task: str) -> None:
    table = embedded_table(space, task)
    full = table.correct[:, :, -1].astype(int)
    assert np.abs(full - table.correct_fp16).max() <= 10
    difference = full - table.correct_int8
    assert (difference != 0).any()
    assert np.abs(difference[learners(space)].mean()) < 10


@TABLES
def test_model_reads_the_row_of_the_design(space: str, task: str) -> None:
    model = AccuracyTable(space, task)
    table = embedded_table(space, task)
    networks = make_space(space)
    designs = networks.unravel(table.network)
    names = [p.name for p in model.space.parameters]
    assert names == [*networks.names, "word"]
    words = model.space.parameters[-1].values
    columns = {1: table.correct_int8, 2: table.correct_fp16, 4: table.correct[:, :, -1]}
    [metric] = model.metrics
    assert metric.name == f"{get_task(task).metric}_pct"
    for j, word in enumerate(words):
        rows = np.column_stack([designs, np.full(len(designs), j)])
        expected = columns[int(word)].mean(axis=1) / 10
        assert np.allclose(model.evaluate(rows)[metric.name], expected)
    plain = AccuracyTable(space, task, word=False)
    assert plain.space == networks
    assert np.allclose(
        plain.evaluate(designs)[metric.name], table.correct[:, :, -1].mean(axis=1) / 10
    )


def test_a_sample_of_cells_is_uniform_and_isomorphic_ones_are_one() -> None:
    table, space = embedded_table(NAS201, "mnist1d"), make_space(NAS201)
    assert isinstance(space, CellSpace)
    first = training_order(space)[: len(table.network)]
    assert sorted(first) == table.network.tolist()
    model = AccuracyTable(NAS201, "mnist1d", word=False)
    designs = space.unravel(np.arange(space.size))
    metrics = model.evaluate(designs)
    alike = metrics["accuracy_pct"][space.ravel(space.representatives(designs))]
    np.testing.assert_array_equal(metrics["accuracy_pct"], alike)
    assert set(space.ravel(space.representatives(designs))[metrics.valid]) == set(first)
    # An edge without an operation at the end: nothing arrives, one digit in ten is right.
    dead = metrics["accuracy_pct"][metrics.valid & ~space.alive(designs).any(axis=1)]
    assert dead.max() < 16
    missing = np.flatnonzero(~metrics.valid)
    text = f"not in the table: trained subset of {len(first):,} of 6,466"
    assert {metrics.reason(row) for row in missing[:5].tolist()} <= {text}


def test_default_is_the_cell_network() -> None:
    model = AccuracyTable()
    assert (model.name, model.metrics[0].name) == ("mnist1d-accuracy", "accuracy_pct")
    assert model.space == AccuracyTable("cell-network", "mnist1d").space
    assert model.metrics[0].description == "test accuracy on MNIST-1D, mean of the seeds"


def test_inactive_levels_do_not_matter() -> None:
    model = AccuracyTable("unet-1d", "mnist1d-stroke", word=False)
    flat = np.array([[0, 1, i, j] for i in range(3) for j in range(3)])
    assert len(set(model.evaluate(flat)["iou_pct"])) == 1
    assert model.evaluate(model.space.unravel(range(81)))["iou_pct"].min() > 50


def test_two_networks_in_one_design() -> None:
    """Each group has its own metric and reads its own columns."""
    first = AccuracyTable("resnet9-1d", "mnist1d", word=False, group="task1")
    second = make_cost_model("unet-mnist1d-stroke", word=False, group="task2")
    third = AccuracyTable("resnet9-1d", "mnist1d-shuffled", group="task2")
    assert [m.metrics[0].name for m in (first, second, third)] == [
        "accuracy_task1_pct", "iou_task2_pct", "accuracy_task2_pct"
    ]  # fmt: skip
    assert third.space.names == (
        *(f"task2.{name}" for name in make_space("resnet9-1d").names), "accelerator.word"
    )  # fmt: skip
    joint = first.space * second.space
    designs = joint.sample(20, 0)
    for model, space, task in (
        (first, "resnet9-1d", "mnist1d"), (second, "unet-1d", "mnist1d-stroke")
    ):  # fmt: skip
        own = designs[:, joint.columns_of(model.space)]
        alone = AccuracyTable(space, task, word=False).evaluate(own)
        assert np.array_equal(model.evaluate(own).values_matrix, alone.values_matrix)


def test_no_such_table() -> None:
    with pytest.raises(InputError, match=r"no accuracies of 'unet-1d' on 'mnist1d'; there are"):
        AccuracyTable("unet-1d", "mnist1d")


def test_epochs_are_fidelities() -> None:
    early, late = AccuracyTable(epoch=2), AccuracyTable()
    assert early.fidelity < late.fidelity
    designs = np.column_stack([DESIGNS, np.full(1125, 2)])
    a, b = (m.evaluate(designs)["accuracy_pct"][CONNECTED] for m in (early, late))
    assert a.mean() < b.mean()
    with pytest.raises(InputError, match=r"epoch must be in 1\.\.10, got 11"):
        AccuracyTable(epoch=11)
    with pytest.raises(InputError, match=r"epoch must be in 1\.\.8, got 0"):
        AccuracyTable("unet-1d", "mnist1d-stroke", epoch=0)


RESNET9 = {
    "filters_1": 16, "blocks_1": 0, "filters_2": 8, "blocks_2": 1, "filters_3": 16, "blocks_3": 0
}  # fmt: skip


@pytest.mark.parametrize(
    ("space", "task", "network"),
    [
        (
            "cell-network",
            "mnist1d",
            {"op_01": "conv3", "op_02": "conv3", "op_12": "conv3", "width": 8, "cells": 1},
        ),
        (
            "cell-network",
            "mnist1d",
            {"op_01": "avgpool3", "op_02": "conv1", "op_12": "skip", "width": 8, "cells": 2},
        ),
        (
            "cell-network",
            "mnist1d",
            {"op_01": "none", "op_02": "skip", "op_12": "conv1", "width": 16, "cells": 1},
        ),
        ("resnet9-1d", "mnist1d", RESNET9),
        ("resnet9-1d", "mnist1d-shuffled", RESNET9),
        ("unet-1d", "mnist1d-stroke", {"height": 2, "filters_1": 4, "filters_2": 8}),
    ],
)
def test_training_gives_the_row(space: str, task: str, network: dict[str, object]) -> None:
    """Real training, the table's recipe and seeds: equal up to the noise of other arithmetic."""
    table = embedded_table(space, task)
    networks = make_space(space)
    [design] = networks.encode([network])
    row = np.flatnonzero((networks.enumerate() == design).all(axis=1)).item()
    recipe = Recipe(**table.provenance["recipe"])
    trained = train(builder(space, network), get_task(task), table.provenance["seeds"], recipe)
    # Rounding of another processor grows into another local optimum: a seed's worth of difference.
    assert np.abs(trained.correct[:, -1].astype(int) - table.correct[row, :, -1]).max() <= 60
    assert np.abs(trained.correct_int8.astype(int) - table.correct_int8[row]).max() <= 70


@pytest.mark.parametrize("row", [0, 700])
def test_compiled_training_gives_the_row(row: int) -> None:
    table, space = embedded_table(NAS201, "mnist1d"), make_space(NAS201)
    [network] = space.decode(space.unravel(table.network[[row]]))
    recipe = Recipe(**table.provenance["recipe"])
    trained = train_cells(network, get_task("mnist1d"), table.provenance["seeds"], recipe)
    assert np.abs(trained.correct[:, -1].astype(int) - table.correct[row, :, -1]).max() <= 60
    assert np.abs(trained.correct_int8.astype(int) - table.correct_int8[row]).max() <= 70
