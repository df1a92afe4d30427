"""Tables of trained networks: journals resume, and only whole ones become tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from codesign_gym.cost_models.accuracy import training
from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.tasks import get_task
from codesign_gym.cost_models.accuracy.train_table import (
    compile_table,
    open_journal,
    train_table,
    training_order,
)
from codesign_gym.cost_models.accuracy.trained import AccuracyTable, load_table
from codesign_gym.cost_models.accuracy.training import Trained, builder, train
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

    def fake(build: Any, task: Any, seeds: Any, recipe: Any, device: Any) -> Trained:
        if done:
            raise KeyboardInterrupt
        done.append(1)
        zeros = np.zeros((1, 1), np.uint16)
        return Trained(zeros, zeros[0], zeros[0], 0.1, 1, 1, True)

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
