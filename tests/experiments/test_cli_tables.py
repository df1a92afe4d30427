"""The command line that trains tables: which networks, on what, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from codesign_gym.cost_models.accuracy import train_table as module
from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.trained import load_table
from codesign_gym.experiments.cli import app
from codesign_gym.search_spaces import make_space


def test_train_a_table_of_a_space_and_a_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made_up(
        journal: Path,
        networks: Iterable[int] | None = None,
        seeds: Sequence[int] = (0, 1),
        recipe: Recipe | None = None,
        jobs: int = 1,
        progress: Callable[[int, int], None] = lambda done, total: None,
        *,
        space: str,
        task: str,
    ) -> None:
        unet = make_space(space)
        header = {"space": unet.digest, "task": task, "seeds": list(seeds), "recipe": {}}
        one = {"correct": [[jobs]], "correct_fp16": [1], "correct_int8": [1], "cpu_s": 1.0}
        rows = [{"network": n} | one for n in unet.ravel(unet.enumerate()).tolist()]
        journal.write_text("".join(json.dumps(row) + "\n" for row in [header, *rows]))
        progress(39, 39)

    monkeypatch.setattr(module, "train_table", made_up)
    out = tmp_path / "t.npz"
    words = ["--space", "unet-1d", "--task", "mnist1d-stroke", "--seeds", "3", "--jobs", "5"]
    result = CliRunner().invoke(app, ["train-table", *words, "--out", str(out)])
    assert result.exit_code == 0, result.output
    table = load_table(out, "unet-1d", "mnist1d-stroke")
    assert table.correct.shape == (39, 1, 1)
    assert table.correct.max() == 5
    assert table.provenance["seeds"] == [0, 1, 2]
    assert table.provenance["command"] == (
        "codesign train-table --space unet-1d --task mnist1d-stroke --seeds 3 --out t.npz"
    )


def test_a_table_of_what_is_trained_so_far(tmp_path: Path) -> None:
    grid = make_space("nas-bench-201-1d")
    header = {"space": grid.digest, "task": "mnist1d", "seeds": [0, 1], "recipe": {}}
    one = {"correct": [[1]], "correct_fp16": [1], "correct_int8": [1], "cpu_s": 1.0}
    rows = [{"network": n} | one for n in module.training_order(grid)[:5]]
    journal = tmp_path / "t.jsonl"
    journal.write_text("".join(json.dumps(row) + "\n" for row in [header, *rows]))
    words = ["train-table", "--space", "nas-bench-201-1d", "--networks", "0"]
    result = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "t.npz")])
    assert result.exit_code == 0, result.output
    assert load_table(tmp_path / "t.npz", "nas-bench-201-1d").correct.shape == (5, 1, 1)
    result = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "other.npz")])
    assert result.exit_code == 2
    assert "no training to make a table of" in result.stderr


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--networks", "-1"], "Invalid value for '--networks'"),
        (["--space", "unet-1d"], "networks of 'unet-1d' are made for tasks with iou"),
        (["--space", "resnet"], "unknown space of trainable networks 'resnet'"),
        (["--task", "mnist"], "unknown task 'mnist'"),
    ],
)
def test_what_cannot_be_trained(tmp_path: Path, words: list[str], error: str) -> None:
    out = tmp_path / "t.npz"
    result = CliRunner().invoke(app, ["train-table", *words, "--out", str(out)])
    assert result.exit_code == 2
    assert error in result.stderr
    assert list(tmp_path.iterdir()) == []
