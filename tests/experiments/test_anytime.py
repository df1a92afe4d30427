"""Agents compared after few evaluations and after many, out of the same runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from codesign_gym.envs import make_problem
from codesign_gym.experiments.anytime import anytime_rows, anytime_table
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.record import RunRecord
from codesign_gym.experiments.statistics import iqm
from codesign_gym.experiments.sweep import grid, read_sweep, sweep
from codesign_gym.experiments.truth import known_truth

PROBLEM = "resnet18-asic"
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[RunRecord]:
    configs = grid([PROBLEM], {"random": {}, "genetic": {}}, range(4), 60)
    return list(sweep(configs, tmp_path_factory.mktemp("sweep")).records)


def test_the_head_of_a_run_is_a_shorter_run(records: list[RunRecord]) -> None:
    head = records[0].head(20)
    assert len(head.evaluation) == len(head.rewards) == head.config.budget == 20
    best = head.rewards[head.evaluation.feasible].max()
    assert head.rewards[head.best] == best
    assert records[0].head(99).config.budget == 60


def test_regret_falls_with_the_budget(records: list[RunRecord]) -> None:
    truth = known_truth(make_problem(PROBLEM))
    assert truth is not None
    rows = anytime_rows(records, [20, 60, 100], truth)
    assert [(row["agent"], row["budget"]) for row in rows] == [
        ("random", 20), ("random", 60), ("genetic", 20), ("genetic", 60),
    ]  # fmt: skip
    for early, late in zip(rows[::2], rows[1::2], strict=True):
        assert late["regret"] <= early["regret"]
        assert late["front %"] >= early["front %"]
        for key in ("regret", "front %"):
            low, high = late[f"{key} interval"]
            assert low <= late[key] <= high
    final = np.array([r.rewards[r.best] for r in records if r.config.agent == "random"])
    assert rows[1]["regret"] == pytest.approx(float(iqm(truth.regret(final))))


def test_without_a_truth_rewards_are_compared(records: list[RunRecord]) -> None:
    rows = anytime_rows(records, [60], None)
    assert all("regret" not in row and row["seeds"] == 4 for row in rows)
    table = anytime_table(rows, "reward")
    assert [line["agent"] for line in table] == ["genetic", "random"]
    assert table[0]["@60"].startswith(f"{max(row['reward'] for row in rows):.3f} [")
    assert anytime_table(rows, "regret") == []


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        'problems = ["synthetic-12x8-front"]\nseeds = 2\nbudget = 30\n[agents]\nrandom = {}\n'
    )
    words = ["sweep", str(tmp_path / "s.toml"), "--out", str(tmp_path / "out"), "--at", "10"]
    done = CliRunner().invoke(app, [*words, "--at", "30"])
    assert done.exit_code == 0, done.output
    assert "regret with 95 % interval" in done.stdout
    assert "front % with 95 % interval" in done.stdout
    assert "@10" in done.stdout
    data = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert [row["budget"] for row in data["problems"]["synthetic-12x8-front"]["anytime"]] == [10]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("agents-*.toml")), ids=lambda path: path.stem)
def test_the_examples_are_sweeps(path: Path) -> None:
    configs = read_sweep(path)
    assert len({config.seed for config in configs}) >= 10
    assert {"auto", "gp", "random"} <= {config.agent for config in configs}
