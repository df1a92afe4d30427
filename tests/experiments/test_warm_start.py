"""A run that begins with what a store knows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from codesign_gym.envs import make_problem
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.runner import STORE_NAME, known_before, problem_of, run
from codesign_gym.experiments.store import Store, run_id
from codesign_gym.experiments.sweep import read_sweep, sweep
from codesign_gym.experiments.warm_start import MOST
from codesign_gym.search import list_agents, serves
from codesign_gym.search.registry import agent_class
from codesign_gym.search_spaces import InputError

PROBLEM = "resnet18-asic"


WARM = sorted(
    {a for a in list_agents() if not agent_class(a).owns_loop and serves(a, make_problem(PROBLEM))}
    - {"random", "reinforce"}
)
"""Agents that make use of what they are told: random search does not, and policies need theirs."""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what random search found."""
    directory = tmp_path_factory.mktemp("known")
    run(RunConfig(PROBLEM, "random", 500), directory)
    run(RunConfig("mobilenetv2-asic", "random", 20), directory)
    return directory


def config(known: Path, agent: str = "regularized-evolution", **changes: Any) -> RunConfig:
    return replace(RunConfig(PROBLEM, agent, 30, warm_start=str(known)), **changes)


def test_a_sweep_does_not_begin_with_what_it_writes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is the store that the run is written to"):
        sweep([config(tmp_path)], tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_best_and_the_most_different_are_told(known: Path) -> None:
    problem = problem_of(config(known))
    chosen = known_before(config(known), problem)
    assert len(chosen) == MOST
    assert len(np.unique(chosen.designs, axis=0)) == MOST
    with Store(known / STORE_NAME) as store:
        record = store.records()[0]
    best = record.ranking[: MOST // 2]
    assert np.array_equal(chosen.designs[: MOST // 2 - 1 : -1], record.evaluation.designs[best])
    np.testing.assert_array_equal(
        problem.evaluate(chosen.designs).metrics.values_matrix, chosen.metrics.values_matrix
    )

    def least_apart(designs: Any) -> int:
        distance = (designs[:, None] != designs[None]).sum(axis=2)
        return int(distance[~np.eye(len(designs), dtype=bool)].min())

    assert least_apart(chosen.designs[: MOST // 2]) > least_apart(record.evaluation.designs[:32])


@pytest.mark.parametrize("agent", WARM)
def test_it_helps_and_costs_nothing(known: Path, tmp_path: Path, agent: str) -> None:
    warm = run(config(known, agent), tmp_path / "a")
    cold = run(config(known, agent, warm_start=""), tmp_path / "b")
    assert len(warm.evaluation) == len(cold.evaluation) == 30
    assert np.median(warm.rewards[:20]) > np.median(cold.rewards[:20])


def test_it_is_part_of_the_run(known: Path, tmp_path: Path) -> None:
    asked = config(known)
    assert run_id(asked) != run_id(replace(asked, warm_start=""))
    record = run(asked, tmp_path)
    assert record.config.warm_start == str(known)
    assert str(known) in record.info["files"]
    assert f"--warm-start {known}" in record.command


def test_it_is_told_again_when_resumed(known: Path, tmp_path: Path) -> None:
    left = [5]

    def progress(evaluation: Any, rewards: Any, replayed: bool, used: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config(known), tmp_path / "a", progress)
    again, alone = run(config(known), tmp_path / "a"), run(config(known), tmp_path / "b")
    assert np.array_equal(again.evaluation.designs, alone.evaluation.designs)


def test_a_store_that_has_changed_is_not_taken(tmp_path: Path) -> None:
    run(RunConfig(PROBLEM, "random", 20), tmp_path / "known")
    asked = config(tmp_path / "known")
    run(asked, tmp_path / "a")
    run(RunConfig(PROBLEM, "random", 20, seed=1), tmp_path / "known")
    with pytest.raises(InputError, match=r"another content of .*known"):
        run(asked, tmp_path / "a")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"warm_start": "no-such-place"}, "warm start: there is no store no-such-place"),
        ({"problem": "mnist1d-asic"}, "has nothing of problem 'mnist1d-asic'.*it has mobilenetv2"),
        ({"specs": ("area_mm2<=9",)}, "with the same space, specs, objectives"),
        ({"objectives": ("energy_uj",)}, "with the same space, specs, objectives"),
        ({"agent": "ppo"}, "agent 'ppo' drives the evaluator itself .* takes no warm start"),
    ],
)
def test_mistakes(known: Path, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        run(config(known, **changes), tmp_path)
    assert not (tmp_path / STORE_NAME).exists()


def test_the_store_that_is_written_to_is_refused(known: Path) -> None:
    with pytest.raises(InputError, match="is the store that the run is written to"):
        run(config(known), known)


def test_the_commands(known: Path, tmp_path: Path) -> None:
    words = ["run", PROBLEM, "--agent", "genetic", "--budget", "20", "--warm-start", str(known)]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "r"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["evaluations"] == 20
    file = tmp_path / "sweep.toml"
    file.write_text(
        f'problems = ["{PROBLEM}"]\nseeds = 2\nbudget = 10\nwarm_start = "{known}"\n'
        "[agents.genetic]\n"
    )
    result = sweep(read_sweep(file), tmp_path / "s")
    assert [record.config.warm_start for record in result.records] == [str(known)] * 2


@pytest.mark.parametrize("agent", ["random", "reinforce"])
def test_the_others_take_one_too(known: Path, tmp_path: Path, agent: str) -> None:
    assert len(run(config(known, agent, budget=5), tmp_path).evaluation) == 5
