"""Families of accelerators on the command line: searched, resumed, explained and exported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from codesign_gym.cost_models import ChipModel, list_families, make_family
from codesign_gym.envs import make_problem
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.config import make_config, read_config
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.store import run_id
from codesign_gym.search_spaces import InputError
from tests.yaml_shape import read_yaml

LAYERS = "name,H,W,R,S,C,K,pad\nfirst,16,16,3,3,3,8,1\nsecond,16,16,1,1,8,16,0\n"
MODULE = """
import torch

def small():
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 16, 1))
    return net, torch.zeros(1, 3, 16, 16)
"""
FAMILY_OF_ONES_OWN = """
from codesign_gym.cost_models import SpatialModel

def quick(workload):
    return SpatialModel(workload, "template")
"""
CHIP = {
    "pes": 256,
    "sub1_pe_share": 32,
    "sub1_dataflow": "eyeriss",
    "sub2_dataflow": "nvdla",
    "noc_bandwidth": 64,
    "sub1_bandwidth_share": 4,
}
ARRAY = {
    "template": "free",
    "pe_rows": 16,
    "pe_cols": 16,
    "l1": 128,
    "l2": 128,
    "noc_bandwidth": 64,
    "dram_bandwidth": 16,
}
DESIGNS = {"systolic": [3, 3, 0, 4, 4, 4, 5, 0], "spatial": ARRAY, "heterogeneous": CHIP}
FORMATS = {
    "systolic": ("scalesim",),
    "spatial": ("zigzag", "timeloop"),
    "heterogeneous": ("zigzag", "timeloop"),
}


def codesign(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "layers.csv").write_text(LAYERS)
    (tmp_path / "small_network.py").write_text(MODULE)
    (tmp_path / "own_family.py").write_text(FAMILY_OF_ONES_OWN)
    return tmp_path


def as_onnx(path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    value = helper.make_tensor_value_info("x", 1, [1, 3, 16, 16])
    shapes = {"a": (8, 3, 3, 3), "b": (16, 8, 1, 1)}
    weights = [
        numpy_helper.from_array(np.zeros(shape, dtype=np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["y"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["y", "b"], ["z"], name="second"),
    ]
    out = helper.make_tensor_value_info("z", 1, [1, 16, 16, 16])
    graph = helper.make_graph(nodes, "g", [value], [out], weights)
    onnx.save(helper.make_model(graph), str(path))


@pytest.mark.parametrize("family", ["systolic", "spatial", "heterogeneous"])
@pytest.mark.parametrize("model", ["layers.csv", "small_network:small", "network.onnx"])
def test_a_search_in_other_units(family: str, model: str, folder: Path) -> None:
    """The same network as CSV, torch module and ONNX file costs the same, in any family."""
    if model == "network.onnx":
        as_onnx(folder / model)
    words = ["run", "accelerator", "--model", model, "--family", family, "--agent", "random"]
    words += ["--spec", "latency_us<=5000", "--spec", "area_um2<=10e6", "--objective", "energy_mj"]
    done = codesign(*words, "--budget", "30", "--out", "o", "--json")
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert [o["name"] for o in summary["objectives"]] == ["energy_uj"]
    assert summary["specs"] == ["latency_ms<=5", "area_mm2<=10"]
    best = summary["best"]
    table = make_problem("accelerator", model="layers.csv", family=family)
    truth = table.evaluate([best["choices"]]).metrics
    assert best["metrics"]["energy_uj"] == pytest.approx(float(truth["energy_uj"][0]))
    assert best["metrics"]["latency_ms"] == pytest.approx(float(truth["latency_ms"][0]))


def test_the_family_belongs_to_the_run() -> None:
    words = ["run", "accelerator", "--model", "layers.csv", "--agent", "random", "--out", "o"]
    words += ["--budget", "20", "--json"]
    commands = {}
    for family in ("spatial", "heterogeneous"):
        done = codesign(*words, "--family", family)
        assert done.exit_code == 0, done.output
        summary = json.loads(done.stdout)
        assert summary["family"] == family
        assert f"--family {family}" in summary["command"]
        commands[family] = summary["best"]["design"].keys()
    assert commands["spatial"] != commands["heterogeneous"]
    plain = json.loads(codesign(*words).stdout)
    told = json.loads(codesign(*words, "--family", "systolic").stdout)
    assert plain["family"] == told["family"] == ""
    assert plain["best"] == told["best"]
    report = codesign("report", "o")
    assert report.exit_code == 2
    assert "family differs" in " ".join(report.stderr.split())


def test_runs_without_a_family_keep_their_ids() -> None:
    assert run_id(RunConfig("accelerator", "random")) == run_id(
        RunConfig("accelerator", "random", family="")
    )
    assert run_id(RunConfig("accelerator", "random")) != run_id(
        RunConfig("accelerator", "random", family="spatial")
    )


def test_a_family_in_a_file(folder: Path) -> None:
    text = 'problem = "accelerator"\nmodel = "layers.csv"\nfamily = "spatial"\nagent = "random"\n'
    (folder / "run.toml").write_text(text + 'specs = ["dram_mb<=1"]\n')
    assert make_config(read_config(folder / "run.toml")).family == "spatial"
    (folder / "run.toml").write_text(text.replace("spatial", "spacial"))
    with pytest.raises(InputError, match=r"line 3, key 'family': unknown accelerator family"):
        read_config(folder / "run.toml")
    (folder / "run.toml").write_text(text.replace("layers.csv", "none.csv"))
    with pytest.raises(InputError, match=r"line 2, key 'model': .*none\.csv"):
        read_config(folder / "run.toml")


def test_a_family_of_ones_own() -> None:
    done = codesign(
        "evaluate", "accelerator", "--model", "layers.csv", "--family", "own_family:quick",
        "--design", json.dumps(ARRAY), "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    [row] = json.loads(done.stdout)
    assert row["metrics"]["energy_uj"] > 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["run", "accelerator", "--family", "systolik"],
            "unknown accelerator family 'systolik'; did you mean 'systolic'? Known: "
            "heterogeneous, spatial, systolic",
        ),
        (["run", "edge-accelerator", "--family", "spatial"], "unknown option of problem"),
        (
            ["export", "accelerator", "--design", "[3,3,0,4,4,4,5,0]", "--out", "e", "--format",
             "zigzag"],
            "unknown format of 'accelerator' 'zigzag'. Known: scalesim",
        ),
        (
            ["export", "edge-accelerator", "--design", "[3,8,7,0,0,6,0]", "--out", "e"],
            "has no mapping to export: shared buffer smaller than a tile",
        ),
    ],
)  # fmt: skip
def test_mistakes(words: list[str], says: str, folder: Path) -> None:
    done = codesign(*words)
    assert done.exit_code == 2
    assert says in " ".join(done.stderr.split())
    assert not (folder / "e").exists()


@pytest.mark.parametrize("family", DESIGNS)
def test_explain_fits_80_columns_and_accounts_for_everything(family: str) -> None:
    words = ["explain", "accelerator", "--model", "mobilenetv2", "--family", family]
    words += ["--design", json.dumps(DESIGNS[family])]
    done = codesign(*words)
    assert done.exit_code == 0, done.output
    assert max(map(len, done.stdout.splitlines())) <= 80
    rows = json.loads(codesign(*words, "--json").stdout)
    assert sum(row["energy_pct"] for row in rows) == pytest.approx(100)
    if family == "systolic":
        return
    assert "energy of one run" in done.stdout
    assert "mappings: " in done.stdout
    parts = ("mac_pct", "registers_pct", "noc_pct", "buffer_pct", "dram_pct", "static_pct")
    for row in rows:
        assert sum(row[part] for part in parts) == pytest.approx(100)
        assert row["stays"] in ("weight", "output", "input")
        assert 0 < row["util_pct"] <= 100
    model = make_family(family, "mobilenetv2")
    problem = make_problem("accelerator", model="mobilenetv2", family=family)
    given = DESIGNS[family]
    assert isinstance(given, dict)
    metrics = model.evaluate(problem.space.encode([given]))
    times = [row.get("times", 1) for row in rows]
    energy = sum(row["energy_uj"] * n for row, n in zip(rows, times, strict=True))
    assert energy == pytest.approx(float(metrics["energy_uj"][0]))


@pytest.mark.parametrize("family", DESIGNS)
def test_export_writes_every_format_that_applies(family: str, folder: Path) -> None:
    words = ["export", "accelerator", "--model", "mobilenetv2", "--family", family]
    words += ["--design", json.dumps(DESIGNS[family]), "--out", "e"]
    done = codesign(*words)
    assert done.exit_code == 0, done.output
    files = [Path(line) for line in done.stdout.splitlines()]
    assert sorted(files) == sorted(
        p.relative_to(folder) for p in (folder / "e").rglob("*") if p.is_file()
    )
    assert tuple(dict.fromkeys(path.parts[1] for path in files)) == FORMATS[family]
    for path in files:
        if path.suffix == ".yaml":
            assert read_yaml(path.read_text())
    one = codesign(*words[:-1], "f", "--format", FORMATS[family][0])
    assert one.exit_code == 0
    assert [path.name for path in (folder / "f").iterdir()] == [FORMATS[family][0]]


def test_families_are_listed() -> None:
    rows = json.loads(codesign("list", "families", "--json").stdout)
    assert [row["name"] for row in rows] == list_families()
    assert all(row["description"] for row in rows)


def test_a_chip_is_named_after_its_workload() -> None:
    assert ChipModel(("resnet18", "mobilenetv1")).name == "heterogeneous-resnet18+mobilenetv1"
