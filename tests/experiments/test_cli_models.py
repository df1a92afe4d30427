"""The command line on one's own: models, objectives, problems and code that changes."""

from __future__ import annotations

import configparser
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from codesign_gym.cost_models.workloads import network
from codesign_gym.envs import make_problem

LAYERS = "name,H,W,R,S,C,K,pad\nfirst,16,16,3,3,3,8,1\nsecond,16,16,1,1,8,16,0\n"

PLUG_IN = """
from codesign_gym import Agent, make_problem

class Mine(Agent):
    def ask(self, n):
        return self.space.sample(n, self.rng)

    def tell(self, designs, evaluation):
        pass

def toy():
    from codesign_gym.experiments.testing import synthetic_problem
    return synthetic_problem("ordinal")

def nothing():
    return None
"""


def codesign(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "codesign_gym", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layers.csv").write_text(LAYERS)
    (tmp_path / "mine.py").write_text(PLUG_IN)
    return tmp_path


def test_search_for_ones_own_model() -> None:
    words = ["run", "accelerator", "--model", "layers.csv", "--budget", "60", "--out", "o"]
    done = codesign(*words, "--spec", "area_mm2<=1", "--objective", "energy_uj", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["model"] == "layers.csv"
    assert [o["name"] for o in summary["objectives"]] == ["energy_uj"]
    assert "--objective energy_uj --model layers.csv" in summary["command"]
    problem = make_problem("accelerator", model="layers.csv", objectives=["energy_uj"])
    truth = problem.evaluate([summary["best"]["choices"]])
    assert summary["best"]["metrics"]["energy_uj"] == truth.metrics["energy_uj"][0]


def test_a_changed_model_is_another_run(folder: Path) -> None:
    words = ["run", "accelerator", "--model", "layers.csv", "--budget", "20", "--out", "o"]
    assert codesign(*words).returncode == 0
    (folder / "layers.csv").write_text(LAYERS.replace("16", "32"))
    done = codesign(*words)
    assert done.returncode == 2
    assert "another content of layers.csv: use --fresh" in done.stderr.replace("\n", " ")
    assert codesign(*words, "--fresh").returncode == 0


def test_changed_code_of_an_agent_is_another_run(folder: Path) -> None:
    words = ["run", "resnet18-asic", "--plugin", "mine:Mine", "--budget", "20", "--out", "o"]
    assert codesign(*words).returncode == 0
    again = codesign(*words)
    assert "already finished" in again.stderr
    (folder / "mine.py").write_text(PLUG_IN.replace("sample(n, ", "sample(n, 1 and "))
    done = codesign(*words)
    assert done.returncode == 2
    assert "another content of mine" in done.stderr
    fresh = codesign(*words, "--fresh", "--json")
    assert json.loads(fresh.stdout)["evaluations"] == 20


def test_a_problem_of_ones_own_needs_no_package() -> None:
    done = codesign("run", "mine:toy", "--budget", "30", "--out", "o", "--json")
    assert json.loads(done.stdout)["evaluations"] == 30
    assert codesign("check", "agent", "mine:Mine").returncode == 0
    done = codesign("run", "mine:nothing")
    assert done.returncode == 2
    assert "must give a DesignProblem, gave None" in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "accelerator", "--model", "resnet"], "did you mean 'resnet50'"),
        (["run", "accelerator", "--model", "none.onnx"], "none.onnx"),
        (["run", "resnet18-asic", "--model", "vgg16"], "unknown option of problem"),
        (["run", "resnet18-asic", "--objective", "energy"], "did you mean 'energy_uj'"),
        (["run", "resnet18-asic", "--plugin", "mine"], "--plugin takes module:Class"),
        (["explain", "resnet18-asic", "--design", "[99,0,0,0,0,0,0,0]"], "must be a choice index"),
    ],
)
def test_mistakes(words: list[str], says: str) -> None:
    done = codesign(*words)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_explain_accounts_for_every_cycle() -> None:
    choices = [4, 4, 1, 5, 5, 5, 4, 0]
    done = codesign("explain", "resnet18-asic", "--design", json.dumps(choices), "--json")
    rows = json.loads(done.stdout)
    problem = make_problem("resnet18-asic")
    truth = problem.evaluate([choices]).metrics
    assert sum(row["cycles"] for row in rows) == pytest.approx(truth["latency_ms"][0] * 1e6)
    assert sum(row["cycles_pct"] for row in rows) == pytest.approx(100)
    assert sum(row["energy_pct"] for row in rows) == pytest.approx(100)
    assert sum(row["times"] for row in rows) == len(network("resnet18"))
    assert {row["bound"] for row in rows} <= {"compute", "dram", "fill"}


def test_explain_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    network_first = make_problem("mnist1d-asic").space.sample(1, np.random.default_rng(0))
    design = json.dumps(network_first[0].tolist())
    chip = json.dumps([0] * len(make_problem("soc-edge-detection").space))
    for problem, given, heading in (
        ("mnist1d-asic", design, "layer"),
        ("resnet18-asic", "[4,4,1,5,5,5,4,0]", "layer"),
        ("soc-edge-detection", chip, "task"),
    ):
        done = codesign("explain", problem, "--design", given)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert max(map(len, lines)) <= 80
        assert heading in done.stdout
        if problem == "resnet18-asic":
            [conv1] = [line for line in lines if line.startswith("conv1 ")]
            assert len(conv1.split()) == 8  # nothing is folded


def test_version() -> None:
    assert codesign("--version").stdout.strip() == "0.1.0"


def test_export_for_scale_sim(folder: Path) -> None:
    choices = "[3,1,1,5,5,5,4,0]"  # 16 x 8, weight stationary, 64 kB each, 8 GB/s, int8
    done = codesign("export", "resnet18-asic", "--design", choices, "--out", "tool")
    assert done.returncode == 0, done.stderr
    config = configparser.ConfigParser()
    config.read(folder / "tool" / "scalesim" / "scale.cfg")
    presets = config["architecture_presets"]
    assert (presets["ArrayHeight"], presets["ArrayWidth"], presets["Dataflow"]) == ("16", "8", "ws")
    assert presets["IfmapSramSzkB"] == "64"
    header, *rows = (folder / "tool" / "scalesim" / "topology.csv").read_text().splitlines()
    layers = network("resnet18").unique()[0]
    m, k, n, _ = layers.gemm_shape()
    assert header == "Layer,M,N,K,"
    sizes = [[int(x) for x in row.split(",")[1:4]] for row in rows]
    assert sizes == np.stack([m, n, k], axis=1).tolist()
    layouts = (folder / "tool" / "scalesim" / "layout.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in layouts] == [row.split(",")[0] for row in rows]


def test_a_proxy_of_another_workload_is_refused() -> None:
    words = ["run", "edge-accelerator", "--agent", "random", "--budget", "60", "--out", "o"]
    assert codesign(*words).returncode == 0
    assert codesign("train-proxy", "o", "--out", "p.npz").returncode == 0
    proxy = ["run", "edge-accelerator", "--proxy", "p.npz", "--budget", "10", "--out", "q"]
    assert codesign(*proxy, "--model", "mobilenetv2").returncode == 0  # the default, spelled out
    done = codesign(*proxy, "--model", "resnet18")
    assert done.returncode == 2
    assert "trained on spatial-mobilenetv2, not on spatial-resnet18" in " ".join(
        done.stderr.split()
    )


def test_changed_code_of_a_problem_is_another_run(folder: Path) -> None:
    words = ["run", "mine:toy", "--budget", "20", "--out", "o"]
    assert codesign(*words).returncode == 0
    (folder / "mine.py").write_text(PLUG_IN.replace('"ordinal"', '"ordinal", objectives=1'))
    done = codesign(*words)
    assert done.returncode == 2


def test_compare_on_ones_own_model() -> None:
    words = ["compare", "accelerator", "--agents", "random,nsga2", "--seeds", "2", "--budget", "20"]
    words += ["--model", "layers.csv", "--objective", "energy_mj", "--objective", "energy_uj"]
    done = codesign(*words, "--out", "o", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["agents"]) == 2
    assert codesign(*words, "--out", "o", "--fresh").returncode == 0


def test_an_invalid_design_says_why() -> None:
    done = codesign("evaluate", "edge-accelerator", "--design", "[3,8,7,0,0,6,0]", "--json")
    [row] = json.loads(done.stdout)
    assert row["invalid"] == "shared buffer smaller than a tile"
    assert row["metrics"]["latency_ms"] is None


def test_flags_win_over_a_file_that_is_wrong(folder: Path) -> None:
    (folder / "run.toml").write_text('problem = "resnet18-asic"\nagent = "nope"\nbudget = 5\n')
    assert codesign("run", "--config", "run.toml", "--out", "o").returncode == 2
    done = codesign("run", "--config", "run.toml", "--agent", "random", "--out", "o")
    assert done.returncode == 0, done.stderr
