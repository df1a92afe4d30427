"""Tables of tuning results as problems: looked up, searched, and refused where they are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from codesign_gym.cost_models.measured.tuning import tuning_table
from codesign_gym.envs import make_problem
from codesign_gym.experiments.cli import app
from codesign_gym.search import make_agent, search
from codesign_gym.search_spaces import InputError
from tests.reference import reference

TEXT = (
    "tile,layout,time_ms,gflops\n8,row,4.0,1\n16,row,2.0,2\n8,col,3.0,1.5\n16,col,,\n32,row,1.5,3\n"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "t.csv"
    file.write_text(TEXT)
    return file


def test_results_are_looked_up(path: Path) -> None:
    table = tuning_table(path)
    designs = table.space.encode(
        [{"tile": t, "layout": o} for t, o in ((8, "row"), (32, "row"), (16, "col"), (32, "col"))]
    )
    metrics = table.evaluate(designs)
    assert metrics["time_ms"].tolist() == [4.0, 1.5, np.inf, np.inf]
    assert [metrics.reason(row) for row in range(4)] == [
        "", "", "no measurement in the table", "not in the table: it has 5 designs"
    ]  # fmt: skip


def test_the_largest_of_another_column(path: Path) -> None:
    with pytest.raises(InputError, match="has no value in row 3"):
        make_problem(f"{path}#max:gflops")  # the time before it would be a choice
    table = tuning_table(path, "gflops", ("tile", "layout"), "max")
    assert table.evaluate(table.space.encode([{"tile": 8, "layout": "col"}]))["gflops"] == 1.5


def test_a_search_from_the_command_line(path: Path, tmp_path: Path) -> None:
    words = ["run", str(path), "--agent", "random", "--budget", "6", "--json"]
    result = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    best = json.loads(result.stdout)["best"]
    assert best["metrics"]["time_ms"] == min(best["metrics"]["time_ms"], 4.0)
    path.write_text(TEXT.replace("1.5", "1.4"))
    again = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out")])
    assert again.exit_code == 2
    assert "another content" in again.stderr


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("tile,time_ms\n8,1\n8,2\n", "has the design {'tile': 8} twice"),
        ("tile,time_ms\n8,1\n,2\n", "column 'tile' has no value in row 1"),
        ("tile,speed\n8,1\n", "target column"),
        ("tile,time_ms\n8,0\n", "must be above 0"),
    ],
)
def test_no_table_of_results(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=fault):
        make_problem(str(tmp_path / "t.csv"))


def test_a_table_of_networks_has_a_space_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = "e01,e02,e12,e03,e13,e23,acc_c10_e200,help_fpga\n"
    (tmp_path / "cells.csv").write_text(cells + "0,0,0,3,0,0,50,3\n0,0,0,4,0,0,60,2\n")
    monkeypatch.setenv("CODESIGN_DATA", str(tmp_path))
    problem = make_problem("cells.csv#acc_c10_e200")
    assert problem.space.name == "nas-bench-201"
    evaluation = problem.evaluate([[0, 0, 0, 3, 0, 0], [0, 0, 0, 4, 0, 0], [1, 1, 1, 1, 1, 1]])
    assert evaluation.metrics.valid.tolist() == [True, True, False]
    assert problem.reward(evaluation)[0] < problem.reward(evaluation)[1]
    assert make_problem("cells.csv#help_fpga").objectives[0].direction == "min"
    with pytest.raises(InputError, match=r"name a column, cells\.csv#COLUMN"):
        make_problem("cells.csv")
    with pytest.raises(InputError, match="'e01' is of no known table"):
        make_problem("cells.csv#e01")
    words = ["run", "cells.csv#acc_c10_e200", "--agent", "random", "--budget", "4"]
    words += ["--out", str(tmp_path / "out")]
    assert CliRunner().invoke(app, words).exit_code == 0
    (tmp_path / "cells.csv").write_text(cells + "0,0,0,3,0,0,51,3\n")
    again = CliRunner().invoke(app, words)
    assert again.exit_code == 2
    assert "another content" in again.stderr


def test_several_columns_are_several_objectives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores below 0, losses and designs that were not measured among them."""
    head = "e0,e1,e2,e3,e4,e5,class_scene,room_layout,normal\n"
    rows = "0,0,0,0,0,0,50,-0.7,0.5\n0,0,0,0,0,1,60,-0.6,0.4\n0,0,0,0,0,2,70,,0.3\n"
    (tmp_path / "tasks.csv").write_text(head + rows)
    monkeypatch.setenv("CODESIGN_DATA", str(tmp_path))
    problem = make_problem("tasks.csv#class_scene,room_layout")
    assert problem.space.name == "transnas-101-micro"
    assert [(m.name, m.unit) for m in problem.objectives] == [
        ("class_scene_pct", "%"),
        ("room_layout_neg_loss", "nats"),
    ]
    evaluation = problem.evaluate([[0] * 6, [0] * 5 + [1], [0] * 5 + [2], [0] * 5 + [3]])
    assert evaluation.metrics.valid.tolist() == [True, True, False, False]
    assert evaluation.objectives[:2].tolist() == [[-50, 0.7], [-60, 0.6]]
    assert problem.reward(evaluation).tolist() == [0, 1, -1, -1]
    one = make_problem("tasks.csv#room_layout")
    assert one.reward(one.evaluate([[0] * 6])).tolist() == [0]
    for columns in ("normal,", "normal,normal", "normal,max:class_scene"):
        with pytest.raises(InputError, match="several columns must be different names"):
            make_problem(f"tasks.csv#{columns}")
    words = ["run", "tasks.csv#class_scene,normal", "--agent", "fbnetv5", "--budget", "4"]
    assert CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out")]).exit_code == 0


def test_a_surrogate_beats_chance_on_a_measured_kernel() -> None:
    """Random search of 200 reaches 1.167 times the optimum, the median of 15 seeds (guide)."""
    problem = make_problem(str(reference("gemm/xgemm4096_fp32_RTX_3090.csv.gz")))
    found = [
        search(problem, make_agent("forest", problem, seed), 200).history.metrics["time_mean_ms"]
        for seed in range(3)
    ]
    assert np.median([values.min() for values in found]) / 5.65784 < 1.1
