"""Many runs at once: each carried out once, whatever is killed, and none ended by another."""

from __future__ import annotations

import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from codesign_gym.envs import list_problems, make_problem
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.runner import STORE_NAME, run
from codesign_gym.experiments.store import Store, run_id
from codesign_gym.experiments.sweep import grid, read_sweep, sweep
from codesign_gym.search import list_agents, serves
from codesign_gym.search_spaces import InputError
from tests.benchmarks.kill_sweep import kill_sweep

AGENTS: dict[str, dict[str, list[int]]] = {"random": {}, "nsga2": {"population": [8, 16]}}
PLUG_IN = '''
from codesign_gym.search.agents import RandomAgent

class Fails(RandomAgent):
    """Raises in its second round where its seed is odd."""
    batch_size = 5
    rounds = 0

    def ask(self, n):
        self.rounds += 1
        if self.seed % 2 and self.rounds == 2:
            raise ZeroDivisionError("by nothing")
        return super().ask(n)
'''


def configs() -> list[RunConfig]:
    return grid(["resnet18-asic"], AGENTS, range(3), 40)


def test_a_sweep_is_its_runs(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    result = sweep(configs(), tmp_path / "s", progress=lambda *done: seen.append(done))
    assert seen == [(i, 9) for i in range(10)]
    assert not result.failures
    assert len(result.records) == 9
    for record, config in zip(result.records, configs(), strict=True):
        assert run_id(record.config) == run_id(config)
        assert record.finished
        alone = run(config, tmp_path / "alone")
        np.testing.assert_array_equal(alone.evaluation.designs, record.evaluation.designs)
        np.testing.assert_array_equal(alone.rewards, record.rewards)
    assert not list((tmp_path / "s" / "parts").iterdir())
    assert json.loads((tmp_path / "s" / "failures.json").read_text()) == []


def test_what_is_finished_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep(configs()[:4], tmp_path)
    made: list[int] = []

    def spy(config: RunConfig, directory: Path) -> None:
        made.append(config.seed)
        run(config, directory)

    monkeypatch.setattr("codesign_gym.experiments.sweep.run", spy)
    result = sweep(configs(), tmp_path)
    assert len(made) == 5
    assert len(result.records) == 9


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with an agent that fails in it."""
    (tmp_path / "failing_agent.py").write_text(PLUG_IN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_that_fails_ends_itself_alone(plug_in: Path) -> None:
    agents: dict[str, dict[str, list[int]]] = {"failing_agent:Fails": {}, "random": {}}
    asked = grid(["resnet18-asic"], agents, range(4), 20)
    result = sweep(asked, plug_in / "s")
    assert len(result.records) == 6
    assert [failure.config.seed for failure in result.failures] == [1, 3]
    assert {failure.error for failure in result.failures} == {"ZeroDivisionError: by nothing"}
    told = json.loads((plug_in / "s" / "failures.json").read_text())
    assert [row["config"]["seed"] for row in told] == [1, 3]
    (plug_in / "failing_agent.py").write_text(PLUG_IN.replace("== 2", "== 99"))
    with pytest.raises(InputError, match="another content of failing_agent"):
        sweep(asked, plug_in / "s")


def test_killed_workers_and_coordinators_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The small form of ``python -m tests.benchmarks.kill_sweep``."""
    outcome = kill_sweep(tmp_path, runs=40, kills=3)
    assert outcome.coordinators_killed == 2, "the sweep was over before anything was killed"
    assert outcome.workers_killed == 1
    assert (outcome.lost, outcome.doubled) == (0, 0)
    with Store(tmp_path / "s" / STORE_NAME) as store:
        records = store.records()
    assert sorted(record.config.seed for record in records) == list(range(40))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    for record in records[::13]:
        alone = run(record.config, tmp_path / "alone")
        np.testing.assert_array_equal(alone.evaluation.designs, record.evaluation.designs)


def test_the_command(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'problems = ["resnet18-asic", "mobilenetv2-asic"]\nseeds = [0, 7]\nbudget = 50\n'
        'specs = ["area_mm2<=1.5"]\n[agents.random]\n[agents.nsga2]\npopulation = [8, 16, 24]\n'
        "crossover = 0.7\n"
    )
    words = ["sweep", str(file), "--out", str(tmp_path / "s")]
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert set(data["problems"]) == {"resnet18-asic", "mobilenetv2-asic"}
    found = data["problems"]["resnet18-asic"]
    assert len(found["agents"]) == 4
    by_agent = {row["agent"]: row for row in found["lottery"]}
    assert by_agent["nsga2"]["settings"] == 3
    assert by_agent["nsga2"]["runs"] == 6
    assert by_agent["nsga2"]["worst"] <= by_agent["nsga2"]["median"] <= by_agent["nsga2"]["best"]
    assert "crossover=0.7" in by_agent["nsga2"]["best setting"]
    assert "nsga2" in Path(found["report"]).read_text(encoding="utf-8")
    text = CliRunner().invoke(app, words).stdout
    assert "what the options do" in text


GOOD = 'problems = ["resnet18-asic"]\nbudget = 10\n[agents.random]\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("budget", "bugdet"), "line 2, key 'bugdet': unknown key"),
        (GOOD.replace("10", "0"), "budget must be in 1"),
        (GOOD.replace("18", "19"), "resnet19-asic"),
        (GOOD.replace("random", "randon"), "randon"),
        (GOOD + "rate = 3\n", "rate"),
        (GOOD.replace("[agents.random]", ""), "agents must name at least one"),
        (GOOD.replace("[agents.random]", "[agents]\nrandom = 3"), "agents.random must be a table"),
        (GOOD.replace("[agents.random]", 'agents = "random"'), "key 'agents' must be a table"),
        (GOOD.replace("budget = 10", "seeds = 0"), "seeds must be a number in 1..10000 or"),
        (GOOD.replace("budget = 10", f"seeds = {10**14}"), f"got {10**14}"),
        (GOOD + "[agents.nsga2]\npopulation = []\n", "agents.nsga2.population needs a value"),
        (GOOD.replace("budget = 10", "seeds = [1, 'a']"), "seeds must be"),
        (GOOD.replace("budget = 10", "seeds = true"), "key 'seeds' must be a whole number or"),
        (GOOD.replace('"resnet18-asic"', "3"), "must be a list of texts"),
        ("problems = [", "at line"),
    ],
)
def test_mistakes_are_told_before_anything_runs(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(text)
    done = CliRunner().invoke(app, ["sweep", str(file), "--out", str(tmp_path / "s")])
    assert done.exit_code == 2, done.output
    assert words in done.output
    assert not (tmp_path / "s").exists()


def test_an_unfinished_run_is_not_taken_over(tmp_path: Path) -> None:
    (config,) = grid(["resnet18-asic"], {"random": {}}, [0], 10)
    run(config, tmp_path / "a")
    with Store(tmp_path / "a" / STORE_NAME, write=True) as store:
        store._to_write().execute("UPDATE runs SET finished = 0")
    with (
        Store(tmp_path / "a" / STORE_NAME) as other,
        Store(tmp_path / "b" / STORE_NAME, write=True) as store,
        pytest.raises(InputError, match="is not finished"),
    ):
        store.adopt(other, run_id(config))


def test_read_sweep_gives_every_combination(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(GOOD.replace("budget = 10", "seeds = 4") + "[agents.nsga2]\npopulation=[4,8]\n")
    found = read_sweep(file)
    assert len(found) == 4 + 8
    assert {config.budget for config in found} == {500}
    assert len({run_id(config) for config in found}) == 12


def test_a_store_that_is_about_to_be_left_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = grid(["resnet18-asic"], {"random": {}}, [0], 10)[0]
    held = tmp_path / "s" / "parts" / run_id(config) / STORE_NAME
    with ThreadPoolExecutor(1) as pool, Store(held, write=True) as other:
        swept = pool.submit(sweep, [config], tmp_path / "s")
        time.sleep(0.5)
        assert not swept.done()
        other.close()
        assert len(swept.result(timeout=30).records) == 1
    monkeypatch.setattr("codesign_gym.experiments.sweep.PATIENCE_S", 0.2)
    held = tmp_path / "t" / "parts" / run_id(config) / STORE_NAME
    with Store(held, write=True):
        (failure,) = sweep([config], tmp_path / "t").failures
    assert "is in use by another process" in failure.error


def test_the_example_names_every_problem_and_every_agent() -> None:
    examples = Path(__file__).parents[2] / "examples"
    names = ("every-problem", "growing", "fidelities", "supernets", "supernet-of-tasks")
    found = [config for name in names for config in read_sweep(examples / f"{name}.toml")]
    named = {(config.problem, config.agent) for config in found}
    general = [name for name in list_agents() if serves(name, make_problem("resnet18-asic"))]
    staged = [name for name in list_problems() if make_problem(name).fidelities]
    special = {
        ("eas-mnist1d", "eas"),
        *((name, "successive-halving") for name in staged),
        *(("nas-mnist1d", name) for name in ("pc-darts", "proxylessnas")),
        ("nas-mnist1d-tasks", "fbnetv5-supernet"),
    }
    assert named == {*itertools.product(list_problems(), general), *special}
    assert {agent for _, agent in named} == set(list_agents())
