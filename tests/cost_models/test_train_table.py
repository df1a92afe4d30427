"""Training of cell networks: the layers are those costed, seeds stay apart, journals resume."""

from __future__ import annotations

import json
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
    compile_table,
    open_journal,
    train_table,
    training_order,
)
from codesign_gym.cost_models.accuracy.trained import AccuracyTable, load_table
from codesign_gym.cost_models.accuracy.training import Trained, builder, train
from codesign_gym.cost_models.workloads.cell import layer, layer_keys
from codesign_gym.search_spaces import CellSpace, InputError, cell_network, make_space

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


# -- the journal ------------------------------------------------------------------------------


def lines(journal: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.read_text().splitlines()]


def test_train_two_networks_and_continue_after_a_torn_line(tmp_path: Path) -> None:
    journal, told = tmp_path / "deep" / "table.jsonl", []
    train_table(journal, TINY, (0, 1), SHORT, progress=lambda done, all_: told.append((done, all_)))
    header, *rows = lines(journal)
    assert header == {
        "space": SPACE.digest,
        "task": "mnist1d",
        "seeds": [0, 1],
        "recipe": {"epochs": 1, "batch": 500, "learning_rate": 0.01, "weight_decay": 0.01},
    }
    assert sorted(row["network"] for row in rows) == sorted(TINY)
    assert told == [(0, 2), (1, 2), (2, 2)]
    for row in rows:
        [design] = SPACE.decode(SPACE.unravel([row["network"]]))
        here = train(builder("cell-network", design), get_task("mnist1d"), (0, 1), SHORT)
        assert row["correct"] == here.correct.tolist()
        assert row["correct_int8"] == here.correct_int8.tolist()
        assert row["correct_fp16"] == here.correct_fp16.tolist()

    whole = journal.read_text()
    first_two = "".join(whole.splitlines(keepends=True)[:2])
    journal.write_text(whole[:-20])  # killed while writing the last line
    again: list[tuple[int, int]] = []
    train_table(
        journal, TINY, (0, 1), SHORT, progress=lambda done, all_: again.append((done, all_))
    )
    assert again == [(1, 2), (2, 2)]
    assert journal.read_text().startswith(first_two)

    def without_time(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{k: v for k, v in row.items() if k != "cpu_s"} for row in rows]

    assert without_time(lines(journal)) == without_time([header, *rows])


HEADER = {"space": "x", "seeds": [0], "recipe": {}}


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ("", []),
        ('{"network": 1}\n', [1]),
        ('{"network": 1}\n{"network": 2}\n', [1, 2]),
        ('{"network": 1}\n{"netw', [1]),
        ('{"netw', []),
        ('{"network": 1}\n{"network": 2}', [1]),  # whole, but its end was not written
    ],
)
def test_rows_of_a_journal(tmp_path: Path, content: str, left: list[int]) -> None:
    journal = tmp_path / "j"
    journal.write_text(json.dumps(HEADER) + "\n" + content)
    assert [row["network"] for row in open_journal(journal, HEADER)] == left
    assert journal.read_text().endswith("\n")
    assert [row["network"] for row in open_journal(journal, HEADER)] == left


def test_a_new_journal_begins_with_its_header(tmp_path: Path) -> None:
    for name in ("new", "empty"):
        if name == "empty":
            (tmp_path / name).touch()
        assert open_journal(tmp_path / name, HEADER) == []
        assert lines(tmp_path / name) == [HEADER]


def test_another_header_is_refused(tmp_path: Path) -> None:
    open_journal(tmp_path / "j", HEADER)
    content = (tmp_path / "j").read_bytes()
    with pytest.raises(InputError, match=r"was begun with .* name another file"):
        open_journal(tmp_path / "j", HEADER | {"seeds": [0, 1]})
    with pytest.raises(InputError, match="was begun with"):
        train_table(tmp_path / "j", TINY, (0,), SHORT)
    assert (tmp_path / "j").read_bytes() == content


def journal_of(path: Path, networks: list[int]) -> Path:
    """A made-up journal: network n has n % 1000 correct."""
    header = {"space": SPACE.digest, "task": "mnist1d", "seeds": [0, 1], "recipe": {"epochs": 2}}
    rows = [
        {
            "network": n,
            "correct": [[n % 1000, n % 999]] * 2,
            "correct_fp16": [n % 1000] * 2,
            "correct_int8": [n % 998] * 2,
            "cpu_s": 3.6,
        }
        for n in networks
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in [header, *rows]))
    return path


def test_compile_the_table(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(SPACE.size).tolist()
    compile_table(journal_of(tmp_path / "j", order), tmp_path / "t.npz", "codesign train-table")
    table = load_table(tmp_path / "t.npz")
    n = np.arange(SPACE.size)
    assert np.array_equal(table.correct[:, 1], np.stack([n % 1000, n % 999], axis=1))
    assert np.array_equal(table.correct_int8[:, 0], n % 998)
    assert np.array_equal(table.correct_fp16[:, 1], n % 1000)
    assert table.provenance["seeds"] == [0, 1]
    assert table.provenance["command"] == "codesign train-table"
    assert table.provenance["cpu_hours"] == round(1125 * 3.6 / 3600, 2)
    assert table.provenance["versions"]["torch"]
    assert {path.name for path in tmp_path.iterdir()} == {"j", "t.npz"}


@pytest.mark.parametrize("networks", [range(1124), [*range(1124), 0], [*range(1125), 3], []])
def test_an_incomplete_journal_is_no_table(tmp_path: Path, networks: Any) -> None:
    journal = journal_of(tmp_path / "j", list(networks))
    with pytest.raises(InputError, match=rf"holds {len(list(networks))} networks of 1125"):
        compile_table(journal, tmp_path / "t.npz", "")
    assert not (tmp_path / "t.npz").exists()


def cells_of(path: Path, count: int) -> Path:
    """A made-up journal of the first cells in training order: the n-th has n correct."""
    grid = make_space("nas-bench-201-1d")
    header = {"space": grid.digest, "task": "mnist1d", "seeds": [0], "recipe": {"epochs": 1}}
    rows = [
        {"network": n, "correct": [[i]], "correct_fp16": [i], "correct_int8": [i], "cpu_s": 1.0,
         "parameters": 5, "macs": 7}
        for i, n in enumerate(training_order(grid)[:count])
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in [header, *rows]))
    return path


def test_the_order_is_a_sample_of_all_different_cells() -> None:
    grid = make_space("nas-bench-201-1d")
    order = training_order(grid)
    assert len(set(order)) == len(order) == 6466
    assert order == training_order(grid)
    designs = grid.unravel(order[:650])
    assert abs((designs == 3).mean() - (grid.unravel(order) == 3).mean()) < 0.03


def test_a_table_of_a_sample_says_what_it_lacks(tmp_path: Path) -> None:
    journal, out = cells_of(tmp_path / "j", 40), tmp_path / "t.npz"
    names: Any = {"space": "nas-bench-201-1d", "task": "mnist1d"}
    with pytest.raises(InputError, match="holds 40 networks of 6466: train the rest"):
        compile_table(journal, out, "", **names)
    compile_table(journal, out, "", **names, subset=True)
    provenance = load_table(out, **names).provenance
    assert {k: provenance[k] for k in ("networks", "different_networks", "order_seed")} == {
        "networks": 40, "different_networks": 6466, "order_seed": 0,
    }  # fmt: skip
    model = AccuracyTable(**names, word=False, file=out)
    assert model.name == "nas201-mnist1d"
    grid = make_space("nas-bench-201-1d")
    order = training_order(grid)
    metrics = model.evaluate(grid.unravel([order[7], order[40]]))
    assert metrics["accuracy_pct"].tolist() == [0.7, -np.inf]
    assert metrics.reason(1) == "not in the table: trained subset of 40 of 6,466"
    everything = grid.enumerate()
    assert isinstance(grid, CellSpace)
    same = grid.ravel(grid.representatives(everything)) == order[7]
    assert (model.evaluate(everything[same])["accuracy_pct"] == 0.7).all()


def test_only_what_comes_first_in_the_order_counts(tmp_path: Path) -> None:
    """With several processes a later network may be done before an earlier one."""
    journal, out = cells_of(tmp_path / "j", 20), tmp_path / "t.npz"
    rows = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(rows[:11] + rows[12:]) + '{"network": 1')
    compile_table(journal, out, "", space="nas-bench-201-1d", subset=True)
    assert load_table(out, "nas-bench-201-1d").correct.max() == 9


def test_a_table_of_another_space_or_task_is_refused(tmp_path: Path) -> None:
    compile_table(journal_of(tmp_path / "j", list(range(1125))), tmp_path / "t.npz", "")
    with pytest.raises(InputError, match=r"another space, or another version of 'unet-1d'"):
        load_table(tmp_path / "t.npz", "unet-1d")
    with pytest.raises(InputError, match="made for the task 'mnist1d', not 'mnist1d-shuffled'"):
        load_table(tmp_path / "t.npz", task="mnist1d-shuffled")


def test_a_journal_of_another_space_or_task_makes_no_table(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "j", list(range(1125)))
    with pytest.raises(InputError, match="was begun for another space or task"):
        compile_table(journal, tmp_path / "t.npz", "", task="mnist1d-shuffled")
    with pytest.raises(InputError, match="was begun for another space or task"):
        compile_table(journal, tmp_path / "t.npz", "", space="resnet9-1d")


def test_inactive_parameters_make_no_rows(tmp_path: Path) -> None:
    """The segmenters of one level are trained once each, whatever their other levels say."""
    unet = make_space("unet-1d")
    positions = unet.ravel(unet.enumerate()).tolist()
    assert len(positions) == 39
    rows = [
        {"network": n, "correct": [[n]], "correct_fp16": [n], "correct_int8": [n], "cpu_s": 1.0}
        for n in positions
    ]
    header = {"space": unet.digest, "task": "mnist1d-stroke", "seeds": [0], "recipe": {}}
    journal = tmp_path / "j"
    journal.write_text("".join(json.dumps(row) + "\n" for row in [header, *rows]))
    space, task = "unet-1d", "mnist1d-stroke"
    compile_table(journal, tmp_path / "t.npz", "", space=space, task=task)
    table = load_table(tmp_path / "t.npz", space, task)
    assert table.correct[:, 0, 0].tolist() == positions
    assert "masks" in table.provenance["data"]


def test_a_failed_training_keeps_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are on disk as they come; the error reaches the caller."""
    done: list[int] = []

    def fake(build: Any, task: Any, seeds: Any, recipe: Any) -> Trained:
        if done:
            raise KeyboardInterrupt
        done.append(1)
        zeros = np.zeros((1, 1), np.uint16)
        return Trained(zeros, zeros[0], zeros[0], 0.1, 1, 1)

    monkeypatch.setattr(training, "train", fake)
    with pytest.raises(KeyboardInterrupt):
        train_table(tmp_path / "j", [3, 4], (0,), SHORT)
    assert [row["network"] for row in lines(tmp_path / "j")[1:]] == [3]


def test_a_sample_of_a_space_too_large_to_list(tmp_path: Path) -> None:
    space = make_space("darts-1d")
    with pytest.raises(InputError, match=r"'darts-1d' has 1.1e\+18 networks, which cannot all be"):
        training_order(space)
    order = training_order(space, 1500)
    assert order[:7] == training_order(space, 7)
    assert len(set(order)) == 1500
    recipe = Recipe(epochs=1, batch=1000)
    journal, out = tmp_path / "j", tmp_path / "t.npz"
    train_table(journal, order[:2], (0,), recipe, space="darts-1d")
    compile_table(journal, out, "", space="darts-1d", subset=True)
    model = AccuracyTable("darts-1d", word=False, file=out)
    assert model.name == "darts-1d-mnist1d"
    metrics = model.evaluate(space.unravel(order[:3]))
    assert metrics.valid.tolist() == [True, True, False]
    assert "trained subset of 2 of 1,076,746,950,455,072,400" in metrics.reason(2)
