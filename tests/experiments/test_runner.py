"""A run is begun once, continued after any interruption, and then only read."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from codesign_gym.envs import Evaluation, make_problem
from codesign_gym.experiments import runner
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.runner import STORE_NAME, Progress, build, environment, run
from codesign_gym.experiments.store import Store
from codesign_gym.search import AGENTS, Agent, agent_class, list_agents, serves
from codesign_gym.search.agents import RandomAgent
from codesign_gym.search.capabilities import missing_packages
from codesign_gym.search_spaces import Designs, InputError

PROBLEM = "resnet18-asic"


def config_of(agent: str, budget: int = 120, **changes: Any) -> RunConfig:
    small_batches: dict[str, dict[str, Any]] = {
        "a2c": {"num_envs": 8},
        "dqn": {"num_envs": 8, "learning_starts": 16},
        "ippo": {"batch_size": 8},
        "large-batch-ppo": {"batch_size": 8},
        "mappo": {"batch_size": 8},
        "maskable-ppo": {"num_envs": 8},
        "nsga2": {"population": 16},
        "ppo": {"num_envs": 8},
        "sac": {"num_envs": 8, "learning_starts": 16},
    }
    options = small_batches.get(agent, {})
    return RunConfig(PROBLEM, agent, budget, 5, **({"options": options} | changes))


def stop_after(batches: int) -> Progress:
    """A progress function that stands for Ctrl-C in the given batch."""
    left = [batches]

    def progress(
        evaluation: Evaluation, rewards: NDArray[np.float64], replayed: bool, used: int
    ) -> None:
        if not replayed:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt

    return progress


def equal(a: RunRecord, b: RunRecord) -> bool:
    return (
        np.array_equal(a.evaluation.designs, b.evaluation.designs)
        and np.array_equal(a.evaluation.metrics.values_matrix, b.evaluation.metrics.values_matrix)
        and np.array_equal(a.rewards, b.rewards)
        and a.finished == b.finished
        and a.config == b.config
    )


def stored(directory: Path) -> RunRecord:
    with Store(directory / STORE_NAME) as store:
        [record] = store.records()
    return record


@pytest.mark.parametrize(
    "agent", [name for name in list_agents() if serves(name, make_problem(PROBLEM))]
)
def test_an_interrupted_run_ends_like_an_undisturbed_one(agent: str, tmp_path: Path) -> None:
    missing = missing_packages(agent_class(agent).packages)
    if missing:
        pytest.skip(f"{agent} needs the package {missing[0]}")
    large = {"random": 2000, "large-batch-ppo": 2000, "assisted": 160}  # more than seven batches
    config = config_of(agent, budget=large.get(agent, 120))
    whole = run(config, tmp_path / "whole")
    lengths = []
    for batches in (0, 1, 2, 0):
        with pytest.raises(KeyboardInterrupt):
            run(config, tmp_path / "parts", stop_after(batches))
        lengths.append(len(stored(tmp_path / "parts").evaluation))
        assert not stored(tmp_path / "parts").finished
    assert lengths == sorted(lengths)
    assert lengths[0] > 0  # the batch in which the interruption came was recorded before it
    assert np.array_equal(
        stored(tmp_path / "parts").evaluation.designs, whole.evaluation.designs[: lengths[-1]]
    )
    resumed = run(config, tmp_path / "parts")
    assert resumed.finished
    assert equal(resumed, whole)
    assert equal(stored(tmp_path / "parts"), whole)


def test_a_finished_run_is_only_read(tmp_path: Path) -> None:
    config = config_of("nsga2")
    first = run(config, tmp_path)
    content = (tmp_path / STORE_NAME).read_bytes()
    told: list[tuple[int, bool]] = []
    again = run(
        config, tmp_path, lambda part, _, replayed, used: told.append((len(part), replayed))
    )
    assert equal(first, again)
    assert told == [(120, True)]
    assert (tmp_path / STORE_NAME).read_bytes() == content


def test_progress_tells_of_every_evaluation_once(tmp_path: Path) -> None:
    config = config_of("regularized-evolution", budget=30)
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path, stop_after(12))
    told: list[tuple[int, bool]] = []
    run(config, tmp_path, lambda part, _, replayed, used: told.append((len(part), replayed)))
    assert told == [(13, True)] + [(1, False)] * 17


def test_runs_share_a_directory(tmp_path: Path) -> None:
    configs = [config_of("random", 20), config_of("random", 30), config_of("nsga2", 20)]
    records = [run(config, tmp_path) for config in configs]
    with Store(tmp_path / STORE_NAME) as store:
        found = store.records()
    assert len(found) == 3
    assert all(equal(a, b) for a, b in zip(found, records, strict=True))


def test_one_run_in_several_spellings(tmp_path: Path) -> None:
    """Text from the command line and values from a file are the same options and specs."""
    a = run(config_of("nsga2", options={"population": "16"}, specs=("area_mm2 <= 4.0",)), tmp_path)
    b = run(config_of("nsga2", options={"population": 16}, specs=("area_mm2<=4",)), tmp_path)
    assert equal(a, b)
    assert a.config.options == {"population": 16}
    assert a.config.specs == ("area_mm2<=4",)
    with Store(tmp_path / STORE_NAME) as store:
        assert len(store.run_ids()) == 1


def test_specs_take_the_place_of_the_problems_own(tmp_path: Path) -> None:
    record = run(config_of("random", specs=("latency_ms<=5",)), tmp_path)
    slow = record.evaluation.metrics["latency_ms"] > 5
    assert np.array_equal(record.evaluation.feasible, ~slow)
    none = run(config_of("random", specs=()), tmp_path)
    assert none.evaluation.feasible.all()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"options": {"seed": 3}}, "unknown option of nsga2 'seed'"),
        ({"options": {"problem": "x"}}, "unknown option of nsga2 'problem'"),
        ({"options": {"population": "many"}}, "option 'population' of nsga2 must be int"),
        ({"specs": ("latency<=1",)}, "unknown metric .*'latency'; did you mean 'latency_ms'"),
        ({"specs": ("latency_ms=1",)}, "a spec is written"),
        ({"proxy": "nothing.npz"}, r"no proxy nothing\.npz"),
    ],
)
def test_a_wrong_configuration_leaves_no_store(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        run(config_of("nsga2", **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Moody(RandomAgent):
    """Proposes other designs each time it is made: an agent that forgets to use its seed."""

    batch_size = 5
    made = 0

    def ask(self, n: int) -> Designs:
        Moody.made += 1
        return self.space.sample(n, np.random.default_rng(Moody.made))


@pytest.fixture
def moody(monkeypatch: pytest.MonkeyPatch) -> str:
    items: dict[str, type[Agent]] = {**AGENTS._items, "moody": Moody}
    monkeypatch.setattr(AGENTS, "_items", items)
    return "moody"


class Unfinished(Agent):
    """An agent whose author has not written it yet."""


@pytest.mark.parametrize("kind", [Unfinished, lambda *_: 1 / 0])
def test_an_agent_that_cannot_be_made_is_an_error_in_words(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind.Options, kind.owns_loop = RandomAgent.Options, False
    monkeypatch.setattr("codesign_gym.experiments.runner.agent_class", lambda name: kind)
    told = "agent 'x:Y' cannot be made for problem 'resnet18-asic': (Type|ZeroDivision)Error: "
    with pytest.raises(InputError, match=told):
        build(RunConfig("resnet18-asic", "x:Y"))


def test_an_agent_that_proposes_something_else_cannot_resume(moody: str, tmp_path: Path) -> None:
    config = config_of(moody, 40)
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path, stop_after(3))
    before = stored(tmp_path).evaluation.designs
    with pytest.raises(InputError, match="cannot resume: from evaluation 0 on"):
        run(config, tmp_path)
    assert np.array_equal(stored(tmp_path).evaluation.designs, before)


def test_the_recorded_command_repeats_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = config_of("nsga2", specs=("area_mm2<=4", "latency_ms<=50"))
    record = run(config, Path("first place"))
    program, *words = shlex.split(record.command)
    assert program == "codesign"
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["begun"] == record.info["begun"]  # it was the same run
    words[words.index("first place")] = "second place"
    assert CliRunner().invoke(app, [*words, "--json"]).exit_code == 0
    again = stored(Path("second place"))
    assert equal(again, record)
    assert again.info["begun"] >= record.info["begun"]


def test_the_environment_is_recorded(tmp_path: Path) -> None:
    info = run(config_of("random", 5), tmp_path).info
    assert info["versions"]["numpy"] == np.__version__
    assert info["python"].startswith("3.")
    assert json.loads(json.dumps(environment())) == environment()


def test_the_git_state_is_of_the_package_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed below somebody else's checkout, the package does not report that one's state."""
    calls: list[tuple[str, ...]] = []

    def git(*arguments: str) -> str:
        calls.append(arguments)
        return "" if arguments[0] == "ls-files" else "v1-dirty"

    monkeypatch.setattr(runner, "_git", git)
    monkeypatch.setattr(runner, "_git_state", runner._git_state.__wrapped__)
    assert environment()["git"] == ""
    assert calls == [("ls-files", "runner.py")]


def test_building_checks_names_only_once_needed() -> None:
    problem, agent = build(config_of("nsga2"))
    assert problem.name == PROBLEM
    assert agent.batch_size == 16
    with pytest.raises(InputError, match="did you mean 'nsga2'"):
        build(config_of("nsga3"))
