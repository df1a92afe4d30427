"""The command line on memory controllers: one's own trace is part of the run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from codesign_gym.envs import make_problem

TRACE = "".join(f"{5 * k}: {'write' if k % 3 else 'read'} {4096 * k:#x}\n" for k in range(300))


def codesign(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "codesign_gym", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.stl").write_text(TRACE)
    return tmp_path


def test_search_for_ones_own_trace(folder: Path) -> None:
    words = ["run", "dram", "--trace", "my.stl", "--budget", "40", "--out", "o"]
    done = codesign(*words, "--spec", "average_power_mw<=2000", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["trace"] == "my.stl"
    assert set(summary["files"]) == {"my.stl"}
    assert "--trace my.stl" in summary["command"]
    truth = make_problem("dram", trace="my.stl").evaluate([summary["best"]["choices"]])
    assert summary["best"]["metrics"]["mean_delay_ns"] == truth.metrics["mean_delay_ns"][0]
    (folder / "my.stl").write_text(TRACE.replace("write", "read"))
    changed = codesign(*words, "--spec", "average_power_mw<=2000")
    assert changed.returncode == 2
    assert "another content of my.stl: use --fresh" in changed.stderr.replace("\n", " ")


def test_a_trace_in_a_file_of_settings(folder: Path) -> None:
    (folder / "run.toml").write_text('problem = "dram"\ntrace = "none.stl"\nbudget = 10\n')
    done = codesign("run", "--config", "run.toml", "--out", "o")
    assert done.returncode == 2
    assert "run.toml, line 2, key 'trace': there is no trace none.stl" in done.stderr
    done = codesign("run", "--config", "run.toml", "--trace", "my.stl", "--out", "o", "--json")
    assert json.loads(done.stdout)["trace"] == "my.stl", done.stderr  # flags win over the file


def test_export(folder: Path) -> None:
    design = json.dumps([1, 2, 0, 3, 1, 1, 0, 1, 2, 4])
    done = codesign("export", "dram-cloud-1", "--design", design, "--out", "d")
    assert done.returncode == 0, done.stderr
    written = json.loads((folder / "d" / "dramsys" / "mcconfig.json").read_text())["mcconfig"]
    assert (written["Scheduler"], written["RequestBufferSize"]) == ("FrFcfs", 8)
    evaluated = codesign("evaluate", "dram", "--trace", "my.stl", "--design", design, "--json")
    assert json.loads(evaluated.stdout)[0]["metrics"]["total_time_ns"] > 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "dram", "--trace", "bad.stl"], "bad.stl, line 2: must be 'clock: read"),
        (["run", "dram", "--trace", "nothing"], "unknown memory workload or trace file 'nothing'"),
        (["run", "resnet18-asic", "--trace", "my.stl"], "unknown option of problem"),
        (["evaluate", "dram", "--design", '{"Scheduler": "Lifo"}'], "Fifo, FrFcfsGrp, FrFcfs"),
    ],
)
def test_mistakes(folder: Path, words: list[str], says: str) -> None:
    (folder / "bad.stl").write_text("0: read 0x0\n1: raed 0x40\n")
    done = codesign(*words)
    assert done.returncode == 2
    assert says in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


def test_a_model_without_parts_says_so() -> None:
    words = ["explain", "dram-stream", "--design", json.dumps([0] * 10)]
    done = codesign(*words)
    assert done.returncode == 0, done.stderr
    assert "average_power_mw" in done.stdout
    assert "no cost model has parts to show of this design" in done.stdout
    assert json.loads(codesign(*words, "--json").stdout) == []


def test_a_unit_as_people_write_it() -> None:
    words = ["evaluate", "dram-stream", "--design", json.dumps([0] * 10), "--json", "--spec"]
    feasible = []
    for spec in ("average_power <= 9 W", "average_power <= 9 mW"):
        done = codesign(*words, spec)
        assert done.returncode == 0, done.stderr
        feasible.append(json.loads(done.stdout)[0]["feasible"])
    assert feasible == [True, False]
    done = codesign(*words, "average_power <= 9 MW")
    assert done.returncode == 2
    assert "unknown metric 'average_power_MW'" in done.stderr


def test_names_that_the_terminal_cannot_show(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    (folder / "my.stl").rename(folder / "spür 1.stl")
    done = codesign("run", "dram", "--trace", "spür 1.stl", "--budget", "2", "--out", "ö")
    assert done.returncode == 0, done.stderr
    assert "report: \\xf6/report.html" in done.stdout
    assert (folder / "ö" / "report.html").is_file()
