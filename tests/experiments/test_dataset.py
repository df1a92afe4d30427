"""Recorded evaluations as tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from codesign_gym.cost_models.learned import LearnedCostModel
from codesign_gym.cost_models.learned.frames import Frame, read_table
from codesign_gym.envs import make_problem
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.dataset import dataset, split, write_dataset
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.runner import STORE_NAME, run
from codesign_gym.experiments.table_files import write_table
from codesign_gym.search_spaces import InputError


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of one problem, one of another on the same accelerators, one of other ones."""
    folder = tmp_path_factory.mktemp("runs")
    problems = ["resnet18-asic", "resnet18-asic", "mobilenetv2-asic", "edge-accelerator"]
    for i, problem in enumerate(problems):
        run(RunConfig(problem, "random", budget=60, seed=i), folder / str(i))
    return [folder / str(i) / STORE_NAME for i in range(4)]


def test_each_design_once_with_what_it_costs(stores: list[Path]) -> None:
    data = dataset([stores[0], stores[1], stores[0]])
    problem = make_problem("resnet18-asic")
    assert data.provenance["repeated"] >= 60
    assert data.frame.rows + data.provenance["repeated"] == 180
    rows = [
        {name: data.frame.columns[name][i] for name in problem.space.names}
        for i in range(data.frame.rows)
    ]
    plain = [{k: str(v) if isinstance(v, np.str_) else v for k, v in row.items()} for row in rows]
    metrics = problem.measure(problem.space.encode(plain))
    for name in metrics:
        assert np.array_equal(data.frame.columns[name], metrics[name])
    assert data.frame.units["latency_ms"] == "ms"
    assert data.features == tuple(problem.space.names)


def test_several_workloads_are_told_apart(stores: list[Path]) -> None:
    data = dataset(stores[:3], ["latency_ms"], valid_only=True)
    assert set(data.frame.columns["problem"]) == {"resnet18-asic", "mobilenetv2-asic"}
    assert "energy_uj" not in data.frame.columns
    assert not {"valid", "reason"} & data.frame.columns.keys()
    held = split(data, "unseen:problem")
    assert len(set(data.frame.columns["problem"][held])) == 1
    assert set(data.frame.columns["problem"][~held]).isdisjoint(data.frame.columns["problem"][held])
    with pytest.raises(InputError, match="have different spaces or metrics: make a table of each"):
        dataset([stores[0], stores[3]])


def test_splits_and_conditions(stores: list[Path]) -> None:
    data = dataset(stores[:2], where=["area_mm2<=4"])
    assert data.frame.columns["area_mm2"].max() <= 4
    assert data.provenance["left_out"] > 0
    largest = split(data, "largest:latency_ms")
    latency = data.frame.columns["latency_ms"]
    assert latency[largest].min() >= latency[~largest].max()
    assert split(data, "random", 3).sum() == round(0.2 * data.frame.rows)
    for how, told in (
        ("halves", "must be random, unseen:COLUMN or largest:COLUMN"),
        ("random:area_mm2", "must be random"),
        ("largest:reason", "unknown column of numbers 'reason'"),
        ("unseen:colour", "unknown column of groups 'colour'"),
    ):
        with pytest.raises(InputError, match=told):
            split(data, how)
    with pytest.raises(InputError, match=r"no row of .* is left"):
        dataset(stores[:1], where=["area_mm2<=0.001"])
    with pytest.raises(InputError, match="unknown metric of the runs 'latency'"):
        dataset(stores[:1], ["latency"])


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_tables_read_as_they_were_written(tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("duckdb", reason="Parquet needs duckdb")
    frame = Frame(
        {"a b": np.array([0.1, np.nan, 1e-300]), "c": np.array(['x,"y"', "", "é"])}, {"a b": "ms"}
    )
    write_table(tmp_path / name, frame)
    read = read_table(tmp_path / name)
    assert read.units == frame.units
    assert np.array_equal(read.columns["a b"], frame.columns["a b"], equal_nan=True)
    assert read.columns["c"].tolist() == frame.columns["c"].tolist()
    with pytest.raises(InputError, match=r"must end in \.csv"):
        write_table(tmp_path / "t.txt", frame)


def test_from_runs_to_a_proxy(stores: list[Path], tmp_path: Path) -> None:
    words = ["dataset", str(stores[0].parent), str(stores[1]), "--out", str(tmp_path / "t.csv")]
    words += ["--valid", "--split", "random"]
    done = CliRunner().invoke(app, words, env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    assert "2 runs" in done.stdout
    facts = json.loads((tmp_path / "t-train.csv.json").read_text())
    assert facts["units"]["area_mm2"] == "mm2"
    assert facts["data_sha256"] == read_table(tmp_path / "t-train.csv").digest()
    assert facts["features"] == list(make_problem("resnet18-asic").space.names)
    table = str(tmp_path / "t-train.csv")
    words = ["train-proxy", table, "--target", "area_mm2", "--method", "extra-trees", "--json"]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "p.npz")])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["metrics"]["area_mm2"]["kendall_tau"] > 0.5
    model = LearnedCostModel.load(tmp_path / "p.npz")
    assert model.schema.names == make_problem("resnet18-asic").space.names  # no other metric
    (tmp_path / "t-train.csv.json").write_text("{}")
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "p.npz")])
    assert done.exit_code == 2
    assert "does not say what the features are" in done.stderr


def test_a_table_needs_an_ending(stores: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a table must end in"):
        write_dataset(dataset(stores[:1]), tmp_path / "t.xlsx")
