"""The command that repeats a paper's comparison: what it writes, shows and refuses."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from codesign_gym.experiments.cli import app
from codesign_gym.experiments.reproduce.registry import REPRODUCTIONS

STUDY = """
import plotly.graph_objects as go
from codesign_gym.experiments.reproduce.finding import Claim, Drawing, Finding
from codesign_gym.experiments.reproduce.registry import Reproduction

def run(settings):
    settings.progress(1, 2)
    rows = [{"way": "a <b>", "seeds": settings.seeds, "budget": settings.budget, "x": float("nan")}]
    return Finding(
        title="A study of <tags>", source="A paper", summary="It holds & more.",
        claims=[Claim("twice as fast", "2x", "1.9x", True), Claim("free", "0", "?", None)],
        tables={"Ways": rows},
        drawings=[Drawing("Speed", "By way.", go.Figure(layout={"height": 300}))],
        settings={"seeds": settings.seeds},
    )

study = Reproduction(run, "ways", "A paper", seeds=3, budget=20)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a study of one's own in it."""
    (tmp_path / "toy_study.py").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_study_of_ones_own_is_run_written_and_shown(folder: Path) -> None:
    code = "from codesign_gym.experiments.cli import main; main()"
    command = [sys.executable, "-c", code, "reproduce", "toy_study:study", "--seeds", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for text in ("Ways", "a <b>", "twice as fast", "not comparable"):
        assert text in done.stdout
    result = json.loads((folder / "results/reproduce-toy_study-study/result.json").read_text())
    assert result["tables"]["Ways"] == [{"way": "a <b>", "seeds": 2, "budget": 20, "x": None}]
    assert result["claims"][0]["verdict"] == "holds"
    assert result["command"].endswith("--seeds 2 --budget 20 --jobs 1")
    page = (folder / "results/reproduce-toy_study-study/report.html").read_text()
    assert "A study of &lt;tags&gt;" in page
    assert "a &lt;b&gt;" in page
    assert "a <b>" not in page
    assert "It holds &amp; more." in page


def test_json_goes_to_stdout_alone(folder: Path) -> None:
    done = CliRunner().invoke(
        app, ["reproduce", "toy_study:study", "--json", "--out", str(folder / "o")]
    )
    data = json.loads(done.stdout)
    assert data["settings"] == {"seeds": 3}
    assert Path(data["report"]).exists()
    assert math.isclose(data["tables"]["Ways"][0]["budget"], 20)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nasaik"], "nasaik"),
        (["toy_study:none"], "cannot be loaded"),
        (["toy_study:run"], "must be a Reproduction"),
        (["toy_study:study", "--seeds", "0"], "greater than or equal to 1"),
    ],
)
def test_mistakes_are_told(folder: Path, arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["reproduce", *arguments])
    assert done.exit_code == 2
    assert words in done.output


def test_every_registered_study_is_listed() -> None:
    done = CliRunner().invoke(app, ["list", "reproductions", "--json"])
    rows = json.loads(done.stdout)
    assert [row["name"] for row in rows] == REPRODUCTIONS.names()
    assert all(row["about"] and row["source"] for row in rows)


def test_a_directory_that_cannot_be_is_told_before_the_work(folder: Path) -> None:
    (folder / "study_of_0.py").write_text(STUDY.replace("settings.progress(1, 2)", "1 / 0"))
    (folder / "file").touch()
    done = CliRunner().invoke(app, ["reproduce", "study_of_0:study", "--out", "file"])
    assert done.exit_code == 2, done.output
    assert "cannot read or write file" in done.output


def test_a_study_must_give_a_finding(folder: Path) -> None:
    (folder / "study_of_none.py").write_text(STUDY.replace("return Finding(", "return dict("))
    done = CliRunner().invoke(app, ["reproduce", "study_of_none:study"])
    assert done.exit_code == 2, done.output
    assert "reproduction 'study_of_none:study' must give a Finding, gave {'title'" in done.output


@pytest.mark.parametrize(
    "words",
    [
        ["reproduce", "draco", "--seeds", str(10**14)],
        ["reproduce", "draco", "--budget", str(10**20)],
        ["compare", "resnet18-asic", "--agents", "random", "--seeds", str(10**14)],
    ],
)
def test_more_than_can_be_run_is_refused_at_once(words: list[str]) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert words[-2] in done.output
