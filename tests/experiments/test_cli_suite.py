"""The suite's commands: one score, tables that fit, and mistakes told before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from codesign_gym.envs import make_problem
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.suite.definition import LEVELS, Suite, shipped
from codesign_gym.experiments.suite.reference import entries
from codesign_gym.experiments.suite.results import references
from codesign_gym.search import list_agents, serves

OUTLINE = """
version = "tiny"
seeds = 2
[tasks]
energy = { problem = "resnet18-asic", group = "accelerator", objectives = ["energy_uj"], \
budgets = [10, 20, 30] }
front = { problem = "draco-mnist1d", group = "network", budgets = [4, 8, 16] }
"""

AGENT = '''
from codesign_gym import Agent


class Chance(Agent):
    """Uniform designs."""

    def ask(self, n):
        return self.space.sample(n, self.rng)

    def tell(self, designs, evaluation):
        pass
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a suite and a result of it."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "tiny.toml").write_text(OUTLINE)
    frozen = ["freeze", str(folder / "tiny.toml"), str(folder / "tiny.json")]
    invoke(*frozen, "--out", str(folder / "frozen"))
    words = ["--agent", "genetic", "--set", "population=8", "--suite", str(folder / "tiny.json")]
    invoke("run", *words, "--out", str(folder / "genetic"))
    return folder


def invoke(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["suite", *words], env={"COLUMNS": "80"})
    assert done.exit_code == code, done.output
    return done.output


def suite_of(folder: Path) -> list[str]:
    return ["--suite", str(folder / "tiny.json")]


def test_run_gives_one_score_and_a_page(folder: Path) -> None:
    words = ["run", "--agent", "genetic", "--set", "population=8", *suite_of(folder)]
    words += ["--out", str(folder / "genetic")]
    found = json.loads(invoke(*words, "--json"))
    assert found["agent"] == "genetic (population=8)"
    assert 0 < found["score"]["low"] < found["score"]["mean"] < found["score"]["high"] < 1
    assert [row["class"] for row in found["classes"]] == ["accelerator", "network", "all"]
    assert found["missing"] == ""
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert "Performance profiles" in page
    assert "codesign suite run --agent genetic --set population=8" in page
    text = invoke(*words)
    assert "suite tiny: genetic (population=8), score by class" in text
    tables = [line for line in text.splitlines() if not line.startswith(("result:", "report:"))]
    assert max(map(len, tables)) <= 80


def test_results_are_shown_side_by_side(folder: Path) -> None:
    result = str(folder / "genetic" / "result.json")
    text = invoke("show", result, *suite_of(folder))
    assert "energy_uj" in text
    assert "genetic (population=8)" in text
    assert max(map(len, text.splitlines())) <= 80
    assert max(map(len, invoke("show").splitlines())) <= 80
    (row,) = json.loads(invoke("show", result, *suite_of(folder), "--json"))["results"]
    assert row["failed"] == 0


def test_a_result_of_an_agent_from_outside_can_be_verified(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outside_agent.py").write_text(AGENT)
    monkeypatch.syspath_prepend(tmp_path)
    out = tmp_path / "out"
    words = ["--plugin", "outside_agent:Chance", *suite_of(folder), "--out", str(out)]
    invoke("run", *words, "--budget", "small", "--note", "Small budgets alone.")
    path = out / "result.json"
    data = json.loads(path.read_text())
    assert data["note"] == "Small budgets alone."
    assert set(data["info"]["code"]) == {"codesign_gym", "outside_agent"}
    words = [str(path), *suite_of(folder), "--runs", "3", "--seed", "1"]
    refused = invoke("verify", *words, code=2)
    assert "would have 'outside_agent:Chance' carried out" in refused
    assert "read that code first, then add --trust" in refused
    text = invoke("verify", *words, "--trust")
    assert "3 of 3 runs repeated bit for bit" in text
    (value, digest), *_ = data["tasks"]["energy"]["runs"]["small"]
    path.write_text(path.read_text().replace(f"[{value}, ", f"[{value * 0.9}, "))
    assert digest in path.read_text()
    words = [str(path), *suite_of(folder), "--runs", "4", "--trust"]
    assert "3 of 4 runs repeated" in invoke("verify", *words, code=1)


def test_failed_runs_are_told_by_the_exit_code(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = AGENT.replace("class Chance", "class Broken").replace(
        "pass", "raise ValueError('ill')"
    )
    (tmp_path / "broken_agent.py").write_text(broken)
    monkeypatch.syspath_prepend(tmp_path)
    words = ["run", "--plugin", "broken_agent:Broken", *suite_of(folder), "--budget", "small"]
    text = invoke(*words, "--out", str(tmp_path / "out"), code=1)
    assert "failed runs, score 0" in text
    assert "ill" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--agent", "genetik"], "unknown agent 'genetik'; did you mean 'genetic'"),
        (["--agent", "genetic", "--set", "populatin=3"], "unknown option of genetic 'populatin'"),
        (["--agent", "genetic", "--set", "population=0"], "population"),
        (["--agent", "genetic", "--set", "population"], "--set takes name=value"),
        (["--agent", "genetic", "--budget", "huge"], "unknown budget of the suite 'huge'"),
        (["--agent", "genetic", "--task", "energi"], "unknown task 'energi'; did you mean"),
        (["--agent", "genetic", "--seeds", "0"], "seeds must be in 1..100, got 0"),
        (["--plugin", "genetic"], "--plugin takes module:Class"),
        (["--agent", "no_module:Agent"], "cannot be loaded"),
        (["--agent", "random", "--suite", "v0"], "unknown version of the suite 'v0'"),
        ([], "no agent given"),
    ],
)
def test_mistakes_are_told_before_anything_runs(
    folder: Path, tmp_path: Path, words: list[str], told: str
) -> None:
    version = [] if "--suite" in words else suite_of(folder)
    text = invoke("run", *words, *version, "--out", str(tmp_path / "s"), code=2)
    assert told in text
    assert not (tmp_path / "s").exists()


def test_references_are_computed_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = next(each for each in entries("v1") if each.agent == "random")
    monkeypatch.setattr("codesign_gym.experiments.suite.reference.entries", lambda version: [entry])
    words = ["reference", *suite_of(folder), "--out", str(tmp_path / "r")]
    invoke(*words)
    before = (tmp_path / "r" / "random.json").read_text()
    assert json.loads(before)["seeds"] == 2
    assert "random: there" in invoke(*words, "--agent", entry.name)
    (tmp_path / "r" / "random.json").write_text("{}")
    invoke(*words)
    assert json.loads((tmp_path / "r" / "random.json").read_text()) == json.loads(before)
    assert "unknown reference agent" in invoke(*words, "--agent", "randon", code=2)


def test_the_shipped_references_are_whole() -> None:
    suite, listed = Suite.load(), entries("v1")
    general = {name for name in list_agents() if serves(name, make_problem("resnet18-asic"))}
    assert {entry.agent for entry in listed} >= general
    wanted = {(entry.agent, json.dumps(dict(entry.options))): entry for entry in listed}
    for result in references(suite):
        entry = wanted[result.agent, json.dumps(dict(result.options))]
        assert result.note == entry.note
        assert result.seeds == suite.seeds
        for name in suite.tasks:
            assert set(result.outcomes[name]) == set(entry.levels)
    partial = [entry for entry in listed if tuple(entry.levels) != LEVELS]
    assert all(entry.note for entry in partial)
    assert (shipped() / "v1.toml").is_file()
