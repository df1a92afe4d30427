"""The command line from end to end, and what it answers to every kind of mistake."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from codesign_gym.cost_models import list_cost_models
from codesign_gym.envs import list_problems, make_problem
from codesign_gym.experiments import console
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.runner import STORE_NAME
from codesign_gym.experiments.store import SCHEMA_VERSION, Store
from codesign_gym.search import list_agents
from codesign_gym.search_spaces import list_spaces

NAME = "resnet18-asic"
NSGA2 = ("--agent", "nsga2")
PROBLEM = make_problem(NAME)
CLI = [sys.executable, "-c", "from codesign_gym.experiments.cli import main; main()"]
VALUES: dict[str, Any] = PROBLEM.space.decode([[2, 3, 1, 4, 5, 6, 3, 0]])[0]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    left = [path.name for path in tmp_path.rglob("*") if path.suffix in (".new", ".tmp")]
    assert left == []


def call(*words: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(words), input=stdin)


def works(*words: str, stdin: str | None = None) -> str:
    result = call(*words, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def gives(*words: str, stdin: str | None = None) -> Any:
    return json.loads(works(*words, "--json", stdin=stdin))


def fails(*words: str, stdin: str | None = None) -> str:
    """The one sentence on stderr; status 2, nothing on stdout, no traceback."""
    result = call(*words, stdin=stdin)
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("error: ").strip()


def process(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, *words],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | settings,
        check=False,
        timeout=60,
    )


# -- list -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("agents", list_agents()),
        ("spaces", list_spaces()),
        ("cost-models", list_cost_models()),
        ("problems", list_problems()),
    ],
)
def test_list(kind: str, names: list[str]) -> None:
    rows = gives("list", kind)
    assert [row["name"] for row in rows] == names
    if kind != "spaces":
        assert all(row["description"] for row in rows)
    text = works("list", kind)
    assert all(name in text for name in names)


def test_list_tells_what_an_agent_has_to_set() -> None:
    [row] = [row for row in gives("list", "agents") if row["name"] == "nsga2"]
    assert row["options"] == ["population=48", "crossover=0.9"]


# -- run --------------------------------------------------------------------------------------


def test_run_gives_a_summary(in_a_folder: Path) -> None:
    summary = gives("run", NAME, "--budget", "120", "--seed", "3", "--set", "evaluation_ms=2")
    assert summary["problem"] == NAME
    assert summary["agent"] == "auto"
    assert summary["budget"] == summary["evaluations"] == 120
    assert summary["seed"] == 3
    assert summary["options"] == {"evaluation_ms": 2}
    assert summary["finished"] is True
    assert summary["specs"] == [str(spec) for spec in PROBLEM.specs]
    assert [o["name"] for o in summary["objectives"]] == ["energy_uj", "latency_ms", "area_mm2"]
    assert 0 < summary["feasible_share"] <= 1
    assert summary["seconds"] > 0
    assert summary["versions"]["numpy"] == np.__version__
    assert Path(summary["store"]) == Path(f"results/{NAME}-auto-s3/{STORE_NAME}")
    assert "<html" in Path(summary["report"]).read_text(encoding="utf-8")

    best = summary["best"]
    truth = PROBLEM.evaluate([best["choices"]])
    assert np.array_equal(PROBLEM.space.encode([best["design"]])[0], best["choices"])
    assert best["metrics"]["energy_uj"] == truth.metrics["energy_uj"][0]
    assert best["reward"] == PROBLEM.reward(truth)[0]
    assert best["feasible"] is True
    assert best["violations"] == [0.0]
    energies = [row["metrics"]["energy_uj"] for row in summary["pareto"]]
    assert energies == sorted(energies)
    assert all(row["feasible"] for row in summary["pareto"])

    with Store(in_a_folder / summary["store"]) as store:
        [record] = store.records()
    assert len(record.rewards) == 120
    assert best["reward"] == record.rewards[record.evaluation.feasible].max()


def test_run_again_only_reads() -> None:
    first = gives("run", NAME, "--budget", "60", "--out", "out")
    content = Path("out", STORE_NAME).read_bytes()
    again = gives("run", NAME, "--budget", "60", "--out", "out")
    assert Path("out", STORE_NAME).read_bytes() == content
    del first["seconds"], again["seconds"]
    assert first == again


def test_specs_replace_those_of_the_problem() -> None:
    summary = gives("run", NAME, "--budget", "60", "--spec", "latency_ms <= 20", "--spec",
                    "dram_mb<=100")  # fmt: skip
    assert summary["specs"] == ["latency_ms<=20", "dram_mb<=100"]
    assert summary["best"]["metrics"]["latency_ms"] <= 20


def test_flags_win_over_the_file() -> None:
    Path("run.toml").write_text(
        f'problem = "{NAME}"\nagent = "regularized-evolution"\nbudget = 50\nseed = 9\n'
        'specs = ["area_mm2<=5"]\n[options]\npopulation = 10\ntournament = 2\n'
    )
    summary = gives("run", "--config", "run.toml")
    assert (summary["agent"], summary["budget"], summary["seed"]) == (
        "regularized-evolution",
        50,
        9,
    )
    assert summary["options"] == {"population": 10, "tournament": 2}
    assert summary["specs"] == ["area_mm2<=5"]
    summary = gives("run", "--config", "run.toml", "--budget", "20", "--set", "tournament=3",
                    "--spec", "area_mm2<=4")  # fmt: skip
    assert summary["budget"] == 20
    assert summary["options"] == {"population": 10, "tournament": 3}
    assert summary["specs"] == ["area_mm2<=4"]


def test_a_plug_in_of_the_current_directory() -> None:
    Path("my_plug_in.py").write_text(
        "from codesign_gym.search.agents import RandomAgent\n"
        "class Mine(RandomAgent):\n    'Mine.'\n"
    )
    for flag in ("--plugin", "--agent"):
        done = process("run", NAME, flag, "my_plug_in:Mine", "--budget", "20", "--json")
        assert done.returncode == 0, done.stderr
        summary = json.loads(done.stdout)
        assert summary["agent"] == "my_plug_in:Mine"
        assert Path(summary["store"]).parent.name == f"{NAME}-my_plug_in-Mine-s0"


def test_for_people_at_80_columns() -> None:
    done = process("run", NAME, "--budget", "150", "--out", "out", COLUMNS="80")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    shown = {line.split()[0]: line.split()[-5:] for line in lines if len(line.split()) >= 6}
    for name in ("reward", "feasible", "latency_ms", "energy_uj", "area_mm2", "dataflow", "word"):
        assert len(shown[name]) == 5  # whole, on one line
    rewards = [float(text.replace(",", "")) for text in shown["reward"]]
    assert rewards == sorted(rewards, reverse=True)
    assert shown["feasible"] == ["yes"] * 5
    assert "150 evaluations" in done.stdout
    assert "report: out/report.html" in done.stdout
    assert "\x1b" not in done.stdout  # no colours where there is no terminal
    for words in (["list", "agents"], ["list", "spaces"], ["list", "problems"]):
        done = process(*words, COLUMNS="80")
        assert done.returncode == 0, done.stderr
        assert max(map(len, done.stdout.splitlines())) <= 80
    for whole in ("mobilenetv2-asic", "latency_ms<=0.003,", "max accuracy_pct,", "2.532e+09"):
        assert whole in done.stdout


def test_output_into_a_closed_pipe() -> None:
    listing = subprocess.Popen(
        [*CLI, "list", "agents"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert listing.stdout is not None
    assert listing.stderr is not None
    listing.stdout.close()
    error = listing.stderr.read().decode()
    listing.stderr.close()
    listing.wait(30)
    assert "Traceback" not in error


# -- compare and report -----------------------------------------------------------------------


def test_compare_ranks_agents() -> None:
    words = ["compare", NAME, "--agents", "random, nsga2,random", "--seeds", "3", "--budget", "200"]
    result = gives(*words, "--out", "out")
    rows = result["agents"]
    assert {row["agent"] for row in rows} == {"nsga2", "random"}  # named twice, run once
    best = [row["IQM"] for row in rows]
    assert best == sorted(best, reverse=True)
    for row in rows:
        assert row["seeds"] == 3
        assert row["budget"] == 200
        assert row["low"] <= row["IQM"] <= row["high"]
    with Store(Path("out", STORE_NAME)) as store:
        records = store.records()
    assert [(r.config.agent, r.config.seed) for r in records] == [
        (agent, seed) for agent in ("random", "nsga2") for seed in range(3)
    ]
    for row in rows:
        rewards = [r.rewards.max() for r in records if r.config.agent == row["agent"]]
        assert row["IQM"] == pytest.approx(np.mean(rewards))
    assert "random" in Path(result["report"]).read_text(encoding="utf-8")
    text = works(*words, "--out", "out")  # from the store now
    assert "random" in text
    assert "200 evaluations, 3 seeds" in text


def test_compare_checks_every_name_first() -> None:
    text = fails("compare", NAME, "--agents", "random,nsga3", "--budget", "50", "--out", "out")
    assert "did you mean 'nsga2'" in text
    assert not Path("out").exists()


def test_report_of_a_folder_and_of_a_store() -> None:
    gives("run", NAME, "--budget", "60", "--out", "out")
    Path("out/report.html").unlink()
    assert "report: out/report.html" in works("report", "out")
    assert Path("out/report.html").stat().st_size > 5000
    works("report", f"out/{STORE_NAME}", "--out", "elsewhere/mine.html")
    assert Path("elsewhere/mine.html").stat().st_size > 5000


# -- evaluate ---------------------------------------------------------------------------------


def test_evaluate_values_and_choices() -> None:
    choices = PROBLEM.space.encode([VALUES])[0].tolist()
    by_values, by_choices = gives(
        "evaluate", NAME, "--design", json.dumps(VALUES), "--design", json.dumps(choices)
    )
    assert by_values == by_choices
    truth = PROBLEM.evaluate([choices])
    assert by_values["design"] == VALUES
    assert by_values["choices"] == choices
    assert by_values["metrics"]["latency_ms"] == truth.metrics["latency_ms"][0]
    assert by_values["feasible"] == truth.feasible[0]
    assert by_values["reward"] == PROBLEM.reward(truth)[0]


def test_evaluate_a_file_and_standard_input() -> None:
    designs = [VALUES, [0] * 8, [1] * 8]
    Path("designs.json").write_text(json.dumps(designs))
    from_file = gives("evaluate", NAME, "--designs", "designs.json")
    from_stdin = gives("evaluate", NAME, "--designs", "-", stdin=json.dumps(designs))
    assert from_file == from_stdin
    assert [row["choices"] for row in from_file][1:] == [[0] * 8, [1] * 8]
    one = gives("evaluate", NAME, "--designs", "-", stdin=json.dumps(VALUES))
    assert one == from_file[:1]


def test_evaluate_under_other_specs_for_people() -> None:
    text = works("evaluate", NAME, "--design", "[0,0,0,0,0,0,0,0]", "--spec", "area_mm2<=1")
    assert "latency_ms" in text
    assert "dataflow" in text
    [row] = gives("evaluate", NAME, "--design", "[0,0,0,0,0,0,0,0]", "--spec", "area_mm2>=1e6")
    assert row["feasible"] is False
    assert row["violations"][0] == pytest.approx(1, abs=1e-3)


# -- proxies and tables -----------------------------------------------------------------------


def test_train_a_proxy_and_search_with_it() -> None:
    gives("run", NAME, "--agent", "random", "--budget", "200", "--out", "data")
    card = gives("train-proxy", "data", "--out", "models/p.npz")
    assert card["rows"] == 200
    assert card["proxy"] == "models/p.npz"
    assert card["metrics"]["energy_uj"]["kendall_tau"] > 0.5
    summary = gives("run", NAME, "--budget", "96", "--proxy", "models/p.npz", "--out", "out")
    assert summary["proxy"] == "models/p.npz"
    assert summary["best"]["choices"] in [row["choices"] for row in summary["verified"]]
    rewards = [(row["feasible"], row["reward"]) for row in summary["verified"]]
    assert rewards == sorted(rewards, reverse=True)  # by the true models, feasible ones first
    text = works("run", NAME, "--budget", "96", "--proxy", "models/p.npz", "--out", "out")
    assert "by the true cost models" in text
    [row] = gives("evaluate", NAME, "--design", json.dumps(VALUES), "--proxy", "models/p.npz")
    assert row["metrics"] != gives("evaluate", NAME, "--design", json.dumps(VALUES))[0]["metrics"]
    text = works("train-proxy", "data", "--out", "models/p.npz")
    assert "errors on a random fifth, 40 of 200 rows" in text
    assert "made with the proxy" in fails("train-proxy", "out")
    assert not Path("proxy.npz").exists()


# -- mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["list", "agent"], "unknown kind 'agent'; did you mean 'agents'"),
        (["run", "resnet18"], "unknown problem 'resnet18'; did you mean 'resnet18-asic'"),
        (["run", NAME, "--agent", "nsga3"], "unknown agent 'nsga3'; did you mean 'nsga2'"),
        (["run", NAME, "--agent", "nothing:Here"], "No module named 'nothing'"),
        (["run", NAME, "--plugin", "json:loads"], "must be a subclass of codesign_gym.Agent"),
        (["run", NAME, *NSGA2, "--set", "poplation=3"], "did you mean 'population'"),
        (["run", NAME, *NSGA2, "--set", "population=few"], "must be int, got 'few'"),
        (["run", NAME, "--set", "population"], "--set takes name=value, got 'population'"),
        (["run", NAME, "--set", "=3"], "--set takes name=value"),
        (["run", NAME, "--set", "seed=3"], "unknown option of auto 'seed'"),
        (["run", NAME, *NSGA2, "--set", "crossover=nan"], "must be float, got 'nan'"),
        (["run", NAME, "--agent", "optuna", "--set", "sampler=TPF"], "did you mean 'TPE'"),
        (["run", NAME, "--agent", "ppo", "--set", "learning_rate=-1"], "must be in 0..1, got -1"),
        (["run", NAME, "--spec", "latency<=1"], "did you mean 'latency_ms'"),
        (["run", NAME, "--spec", "latency_ms<1"], "a spec is written"),
        (["run", NAME, "--spec", "latency_ms<=nan"], "must be finite and not 0"),
        (["run", NAME, "--spec", ""], "a spec is written"),
        (["run", NAME, "--budget", "0"], "budget must be in 1..1000000000, got 0"),
        (["run", NAME, "--seed", "-1"], "seed must be in 0..4294967295, got -1"),
        (["run", NAME, "--proxy", "none.npz"], "there is no proxy none.npz"),
        (["run", NAME, "--config", "none.toml"], "cannot read none.toml"),
        (["run"], "no problem given"),
        (["run", ""], "no problem given"),
        (["compare", NAME, "--agents", ""], "unknown agent ''"),
        (["compare", "nothing", "--agents", "random"], "unknown problem 'nothing'"),
        (["report", "nowhere"], "there is no store nowhere"),
        (["evaluate", "nothing", "--design", "[]"], "unknown problem 'nothing'"),
        (["evaluate", NAME], "no design given"),
        (["evaluate", NAME, "--designs", "none.json"], "cannot read none.json"),
        (["evaluate", NAME, "--designs", "."], "cannot read ."),
        (["train-proxy", "nowhere"], "there is no store nowhere"),
        (["check", "agents", "random"], "did you mean 'agent'"),
        (["check", "agent", "randm"], "did you mean 'random'"),
        (["bench", "nothing"], "unknown benchmark 'nothing'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_name_or_number(words: list[str], says: str) -> None:
    assert says in fails(*words)
    assert list(Path().iterdir()) == []  # nothing was begun


@pytest.mark.parametrize(
    ("design", "says"),
    [
        ("[9,0,0,0,0,0,0,0]", "parameter 'rows' must be a choice index in 0..6"),
        ("[-1,0,0,0,0,0,0,0]", "got -1"),
        ("[0,0,0]", "must have shape [n, 8]"),
        ("[]", "must have shape [n, 8]"),
        ("[0.5,0,0,0,0,0,0,0]", "must be integer choice indices"),
        ("[NaN,0,0,0,0,0,0,0]", "got nan"),
        ("[1e999,0,0,0,0,0,0,0]", "got inf"),
        ("[100000000000000000000000000,0,0,0,0,0,0,0]", "must be"),
        ('["a",0,0,0,0,0,0,0]', "must be integer choice indices"),
        ("[true,0,0,0,0,0,0,0]", "True"),
        ("[null,0,0,0,0,0,0,0]", "None"),
        ("[[0,0,0,0,0,0,0,0]]", "must have shape"),
        ("[[],0,0,0,0,0,0,0]", "must be"),
        (json.dumps(VALUES | {"rows": 5}), "parameter 'accelerator.rows' must be one of 4, 8"),
        (json.dumps(VALUES | {"rows": None}), "got None"),
        (json.dumps(VALUES | {"rows": [4]}), "got [4]"),
        (json.dumps(VALUES | {"rows": float("nan")}), "got nan"),
        (json.dumps(VALUES | {"dataflow": "oss"}), "got 'oss'"),
        (json.dumps(VALUES | {"row": 4}), "did you mean 'rows'"),
        ("{}", "lacks parameter 'rows'"),
        ("3", "must be a JSON object or a list of choice indices, got 3"),
        ("null", "got None"),
        ("{", "--design is not JSON"),
        ("", "--design is not JSON"),
        ("[" * 100_000, "--design is not JSON"),
    ],
    ids=lambda value: value[:30],
)
def test_a_wrong_design(design: str, says: str) -> None:
    assert says in fails("evaluate", NAME, "--design", design)
    good = json.dumps([0] * 8)
    if "not JSON" not in says:
        text = fails("evaluate", NAME, "--design", good, "--design", design)
        assert text.startswith("design 1: ")  # which one it is


def test_a_wrong_file_of_designs() -> None:
    Path("d.json").write_bytes(b"\xff\xfe")
    assert "cannot read d.json" in fails("evaluate", NAME, "--designs", "d.json")
    assert "- is not JSON" in fails("evaluate", NAME, "--designs", "-", stdin="")
    assert "no design given" in fails("evaluate", NAME, "--designs", "-", stdin="[]")


def test_a_wrong_configuration_file() -> None:
    path = Path("run.toml")
    path.write_text(f'problem = "{NAME}"\nbudget = "many"\n')
    text = fails("run", "--config", "run.toml")
    assert text == "run.toml, line 2, key 'budget' must be a whole number, got 'many'"
    path.write_text(f'problem = "{NAME}\n')
    assert "run.toml: " in fails("run", "--config", "run.toml")
    path.write_text(f'problem = "{NAME}"\nagent = "nsga2"\n[options]\npopulation = [1]\n')
    assert "option 'population' of nsga2 must be int, got [1]" in fails(
        "run", "--config", "run.toml"
    )
    assert list(Path().iterdir()) == [path]


@pytest.mark.parametrize(
    "words", [["run", NAME, "--budget", "many"], ["nothing"], ["compare", NAME], ["run", "--hlp"],
              ["compare", NAME, "--agents", "random", "--seeds", "0"]]
)  # fmt: skip
def test_mistakes_in_flags(words: list[str]) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_a_plug_in_that_cannot_be_imported() -> None:
    Path("torn_plug_in.py").write_text("def f(:\n")
    done = process("run", NAME, "--plugin", "torn_plug_in:Mine")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "cannot be loaded: SyntaxError" in done.stderr
    assert "Traceback" not in done.stderr


# -- stores that cannot be used ---------------------------------------------------------------


def unusable(path: Path, says: str) -> None:
    content = path.read_bytes()
    out = str(path.parent)
    for words in (
        ["run", NAME, "--budget", "30", "--out", out],
        ["run", NAME, "--budget", "31", "--out", out],
        ["compare", NAME, "--agents", "random", "--seeds", "1", "--budget", "20", "--out", out],
        ["report", out],
        ["train-proxy", out],
    ):
        assert says in fails(*words)
        assert path.read_bytes() == content
        assert not path.with_name("report.html").exists()
    assert not Path("proxy.npz").exists()


@pytest.fixture
def store() -> Path:
    gives("run", NAME, "--budget", "30", "--out", "out")
    Path("out/report.html").unlink()
    return Path("out", STORE_NAME)


def test_a_damaged_store(store: Path) -> None:
    store.write_bytes(store.read_bytes()[:5000])
    unusable(store, "damaged")


def test_a_store_of_a_newer_version(store: Path) -> None:
    connection = sqlite3.connect(store)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    unusable(store, "was written by a newer codesign-gym")


@pytest.mark.parametrize("content", [b"my own notes", b"SQLite format 3\0" + bytes(200)])
def test_a_file_that_is_no_store(content: bytes) -> None:
    Path("out").mkdir()
    Path("out", STORE_NAME).write_bytes(content)
    unusable(Path("out", STORE_NAME), "is not a store of codesign-gym: not touched")


def test_a_store_in_use(store: Path) -> None:
    content = store.read_bytes()
    with Store(store, write=True):
        words = ("run", NAME, "--budget", "30", "--out", "out", "--fresh")
        assert "in use by another process" in fails(*words)
        works(*words[:-1])  # a finished run is only read
        works("report", "out")  # reading is free
    assert store.read_bytes() == content


def test_output_that_cannot_be_written() -> None:
    Path("file").write_text("mine")
    assert "cannot write the store" in fails("run", NAME, "--budget", "5", "--out", "file")
    gives("run", NAME, "--budget", "5", "--out", "out")
    Path("out/report.html").unlink()
    Path("out/report.html").mkdir()
    text = fails("report", "out")
    assert text.startswith("cannot read or write")
    shutil.rmtree("out/report.html")
    assert "file" in fails("report", "out", "--out", "file/report.html")
    assert Path("file").read_text() == "mine"


# -- what is printed --------------------------------------------------------------------------


def test_json_knows_neither_infinity_nor_nan(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json(
        {"a": float("inf"), "b": [np.float64("nan"), np.int32(3)], 3: (True, None), "c": -0.5}
    )
    text = capsys.readouterr().out
    assert json.loads(text, parse_constant=pytest.fail) == {
        "a": None,
        "b": [None, 3],
        "3": [True, None],
        "c": -0.5,
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.000123456, "0.0001235"),
        (99999.4, "1e+05"),
        (123456.7, "123,457"),
        (float("-inf"), "-inf"),
        (9999, "9999"),
        (10000, "10,000"),
        (2_531_725_875, "2.532e+09"),
        (True, "True"),
        (["a", 1], "a, 1"),
        ("x", "x"),
    ],
)
def test_numbers_for_people(value: object, text: str) -> None:
    assert console.number(value) == text


def test_an_empty_table(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_table([])
    assert capsys.readouterr().out.strip() == "(none)"
