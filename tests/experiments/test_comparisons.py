"""Agents in pairs and profiles of their runs, against counts by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from codesign_gym.experiments.cli import app
from codesign_gym.experiments.comparisons import (
    finals,
    improvement_rows,
    improvement_table,
    profile_rows,
    profile_table,
)
from codesign_gym.experiments.record import RunRecord
from codesign_gym.experiments.report import write_report
from codesign_gym.experiments.summaries import compare_rows, floor, lottery_rows, worth
from codesign_gym.experiments.sweep import grid, sweep


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[RunRecord]:
    agents: dict[str, dict[str, list[int]]] = {"random": {}, "genetic": {}}
    configs = grid(["resnet18-asic"], agents, range(4), 60)
    return list(sweep(configs, tmp_path_factory.mktemp("sweep")).records)


def test_finals_are_the_best_feasible_rewards(records: list[RunRecord]) -> None:
    found = finals(records)
    assert list(found) == ["random", "genetic"]
    run = records[2]
    feasible = run.evaluation.feasible
    assert found["random"][2] == run.reached == run.rewards[feasible].max()
    assert _fruitless(run).reached == -np.inf


def _fruitless(run: RunRecord) -> RunRecord:
    """The run without its feasible designs."""
    rest = ~run.evaluation.feasible
    return RunRecord(
        run.config, run.space, run.objectives, run.specs,
        run.evaluation.take(np.flatnonzero(rest)), run.rewards[rest], True, "", {},
        run.spent[rest],
    )  # fmt: skip


def test_a_run_without_a_feasible_design_counts_as_the_worst_feasible_one(
    records: list[RunRecord],
) -> None:
    lucky = _fruitless(records[0])
    lucky.rewards[:] = 1e9  # nothing that breaks the specs may win by its reward
    rows = compare_rows([lucky, *records[1:]])
    assert [row["found"] for row in rows] == ["4 of 4", "3 of 4"]
    least = floor(records)
    assert least == min(run.rewards[run.evaluation.feasible].min() for run in records)
    assert worth(lucky, least) == least
    assert rows[1]["agent"] == "random"
    assert rows[1]["low"] < compare_rows(records)[1]["low"]
    assert lottery_rows([lucky, *records[1:]])[0]["agent"] == "genetic"
    alone = compare_rows([lucky])[0]
    assert alone["found"] == "0 of 1"
    assert alone["IQM"] == 1e9  # nothing to compare with: the best of what there is
    assert all("found" not in row for row in compare_rows(records))


def test_a_failed_run_found_nothing(records: list[RunRecord]) -> None:
    failed = [replace(records[0].config, seed=9), replace(records[0].config, agent="ants")]
    found = finals(records, failed)
    assert found["random"].tolist() == [*finals(records)["random"], -np.inf]
    assert found["ants"].tolist() == [-np.inf]


def test_pairs_count_over_the_problems_that_all_share() -> None:
    first = {"a": np.array([1.0, 3.0]), "b": np.array([2.0, 2.0, -np.inf])}
    second = {"a": np.array([5.0, 5.0]), "b": np.array([5.0, 6.0])}
    third = {"a": np.array([9.0, 9.0])}
    rows = improvement_rows([first, second, third], ["a", "b"])
    assert [row["agent"] for row in rows] == ["a", "b"]
    assert rows[0]["probability"] == pytest.approx((2 / 4 + (0.5 + 0 + 0.5 + 0) / 4) / 2)
    assert rows[0]["probability"] + rows[1]["probability"] == pytest.approx(1)
    assert rows[0]["low"] <= rows[0]["probability"] <= rows[0]["high"]
    table = improvement_table(rows)
    assert table[0] == {"#": 1, "agent": "a", "over #1": "", "over #2": "0.38"}
    assert improvement_rows([third], ["a", "b"]) == []


def test_profiles_of_one_problem() -> None:
    rows = profile_rows({"a": np.arange(1.0, 6.0), "b": np.array([-np.inf] * 5)})
    assert rows[0]["agent"] == "a"
    assert rows[0]["rewards"] == pytest.approx([2, 3, 4, 4.6])
    assert rows[0]["share"] == pytest.approx([0.6, 0.4, 0.2, 0.2])
    assert rows[1]["share"] == [0, 0, 0, 0]
    assert profile_table(rows)[0] == {
        "agent": "a", "> 2": "60%", "> 3": "40%", "> 4": "20%", "> 4.6": "20%"
    }  # fmt: skip
    assert profile_rows({"a": np.array([-np.inf, 1.0])}) == []


def test_compare_tells_both(tmp_path: Path) -> None:
    words = ["compare", "resnet18-asic", "--agents", "random,genetic", "--seeds", "3"]
    words += ["--budget", "40", "--out", str(tmp_path)]
    data = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert len(data["improvement"]) == 2
    assert {row["agent"] for row in data["profiles"]} == {"random", "genetic"}
    text = CliRunner().invoke(app, words, env={"COLUMNS": "80"}).stdout
    assert "how likely a run of the row beats one of the column" in text
    assert "share of runs above a reward" in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("report")) <= 80


def test_a_sweep_compares_over_all_its_problems(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        'problems = ["resnet18-asic", "mobilenetv2-asic"]\nseeds = 2\nbudget = 20\n'
        "[agents.random]\n[agents.genetic]\npopulation = [4, 8]\n"
    )
    words = ["sweep", str(tmp_path / "s.toml"), "--out", str(tmp_path / "s")]
    data = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert len(data["improvement"]) == 6
    one = data["problems"]["resnet18-asic"]
    assert len(one["improvement"]) == 6
    assert len(one["profiles"]) == 3
    text = CliRunner().invoke(app, words, env={"COLUMNS": "80"}).stdout
    assert "all problems: how likely" in text


def test_the_report_draws_both_from_three_runs_each(
    records: list[RunRecord], tmp_path: Path
) -> None:
    write_report(records, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert 'id="agents"' in page
    assert "Probability of improvement" in page
    assert "share of runs above" in page
    write_report([*records[:2], *records[4:6]], tmp_path / "two.html")
    assert 'id="agents"' not in (tmp_path / "two.html").read_text(encoding="utf-8")
