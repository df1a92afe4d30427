"""Runs that spend a part of their budget on cheaper fidelities: recorded, resumed, compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr
from typer.testing import CliRunner

from codesign_gym.cost_models.accuracy import AccuracyTable
from codesign_gym.envs import Evaluation, list_problems, make_problem
from codesign_gym.experiments.anytime import anytime_rows, anytime_table
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.report.curves import reward_steps
from codesign_gym.experiments.report.study import Study
from codesign_gym.experiments.runner import STORE_NAME, run
from codesign_gym.experiments.store import Store
from codesign_gym.search_spaces import InputError

PROBLEM = "mnist1d-asic-epochs"
STAGED = [name for name in list_problems() if make_problem(name).fidelities]
CONFIG = RunConfig(
    PROBLEM,
    "successive-halving",
    60,
    4,
    {"inner": "regularized-evolution", "told": "all"},
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return run(CONFIG, tmp_path_factory.mktemp("whole"))


def equal(one: RunRecord, other: RunRecord) -> bool:
    return (
        np.array_equal(one.evaluation.designs, other.evaluation.designs)
        and np.array_equal(one.rewards, other.rewards)
        and np.array_equal(one.spent, other.spent)
        and one.finished == other.finished
    )


def test_the_budget_used_stands_beside_each_full_evaluation(whole: RunRecord) -> None:
    """Brackets of 2.8, 2.5 and 3 evaluations: 2.8, 5.3, 6.3, 7.3, 8.3, 11.1, ..., rounded up."""
    assert whole.spent[:6].tolist() == [3, 6, 7, 8, 9, 12]
    assert whole.used == 60
    assert len(whole.evaluation) < 60
    assert whole.info["fidelities"] == ["1/10", "3/10"]


def test_other_runs_count_their_evaluations(tmp_path: Path) -> None:
    record = run(replace(CONFIG, agent="random", options={}, budget=20), tmp_path)
    assert record.spent.tolist() == list(range(1, 21))


def test_a_run_stopped_again_and_again_ends_like_an_undisturbed_one(
    whole: RunRecord, tmp_path: Path
) -> None:
    told: list[int] = []

    def stop(
        evaluation: Evaluation, rewards: NDArray[np.float64], replayed: bool, used: int
    ) -> None:
        told.append(used)
        if not replayed and len(told) % 3 == 0:
            raise KeyboardInterrupt

    for _ in range(100):
        try:
            record = run(CONFIG, tmp_path, stop)
            break
        except KeyboardInterrupt:
            with Store(tmp_path / STORE_NAME) as store:
                [part] = store.records()
            assert part.used == told[-1]
            assert np.array_equal(part.spent, whole.spent[: len(part.spent)])
    assert len(told) > 20
    assert told == sorted(told)
    assert equal(record, whole)
    run(CONFIG, tmp_path, stop)  # finished: all of the budget is used
    assert told[-1] == 60


def test_runs_are_compared_at_equal_cost(whole: RunRecord, tmp_path: Path) -> None:
    head = whole.head(8)
    assert (len(head.evaluation), head.used, head.config.budget) == (4, 8, 8)
    assert len(whole.head(2).evaluation) == 0
    other = run(replace(CONFIG, agent="random", options={}), tmp_path)
    rows = anytime_rows([whole, other], [2, 8, 60, 61], None)
    assert [(row["agent"].split()[0], row["budget"]) for row in rows] == [
        ("successive-halving", 8), ("successive-halving", 60),
        ("random", 2), ("random", 8), ("random", 60),
    ]  # fmt: skip
    assert rows[0]["reward"] == whole.rewards[:4].max()
    lines = {line["agent"].split()[0]: line for line in anytime_table(rows, "reward")}
    assert lines["successive-halving"]["@2"] == "-"
    assert lines["random"]["@2"] != "-"
    assert all(line.keys() == {"agent", "@2", "@8", "@60"} for line in lines.values())


def test_curves_are_drawn_by_the_budget_used(whole: RunRecord) -> None:
    [curve] = reward_steps(Study.of([whole]))
    assert curve.x[-1] == 60
    feasible = np.where(whole.evaluation.feasible, whole.rewards, -np.inf)
    assert curve.at(np.array([30])) == feasible[whole.spent <= 30].max()


def test_a_missing_step_of_a_run_without_fidelities_is_damage(tmp_path: Path) -> None:
    problem = make_problem(PROBLEM)
    evaluation = problem.evaluate(problem.space.sample(3, 0))
    for name, info in (("gaps", {"fidelities": ["1/10"]}), ("none", {})):
        with Store(tmp_path / name, write=True) as store:
            key = store.begin(CONFIG, problem, "codesign run", info)
            store.append(key, evaluation, np.zeros(3), skip=2)
            if info:
                found = store.read(key)
                assert found is not None
                assert found.spent.tolist() == [3, 4, 5]
            else:
                with pytest.raises(InputError, match="a checksum or a step is wrong"):
                    store.read(key)


def test_a_finished_run_is_called_finished(tmp_path: Path) -> None:
    words = ["run", PROBLEM, "--agent", "successive-halving", "--budget", "9"]
    for text in ("9/9", "already finished"):
        done = CliRunner().invoke(app, [*words, "--out", str(tmp_path)])
        assert done.exit_code == 0
        assert text in done.output


@pytest.mark.parametrize("name", STAGED)
def test_fidelities_resemble_the_full_figures_the_dearer_the_better(name: str) -> None:
    """By the rank correlation of the rewards of designs that both find feasible."""
    problem = make_problem(name)
    designs = problem.space.sample(2000, 0)
    full = problem.evaluate(designs)
    likeness = [0.0]
    for cheaper in problem.cheaper:
        found = cheaper.evaluate(designs)
        both = full.feasible & found.feasible
        pair = [problem.reward(e)[both] for e in (full, found)]
        likeness.append(float(spearmanr(*pair).statistic))
    assert likeness == sorted(likeness)
    assert likeness[1] > 0.4
    assert likeness[-1] < 0.999


def test_epochs_cost_what_they_train() -> None:
    problem = make_problem(PROBLEM)
    epochs = AccuracyTable().fidelity
    for fidelity in problem.fidelities:
        assert fidelity.cost * epochs == fidelity.models[1].fidelity
