"""NASAIC's problem on cell networks, held groups, and the comparison of approaches."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from codesign_gym.cost_models import AccuracyTable
from codesign_gym.envs import DesignProblem
from codesign_gym.envs.nasaic import PUBLISHED_SHARES, nasaic_problem, stored_specs
from codesign_gym.envs.partial import completed, partial_problem
from codesign_gym.experiments.reproduce import derive_nasaic
from codesign_gym.experiments.reproduce.nasaic import APPROACHES, compare
from codesign_gym.search_spaces import InputError


@pytest.fixture(scope="module")
def problem() -> DesignProblem:
    task = derive_nasaic.cell_task()
    return nasaic_problem("nasaic-cell", task, task)


def test_stored_specs_are_what_the_command_gives(tmp_path: Path) -> None:
    derive_nasaic.main(tmp_path / "specs.json")
    made = json.loads((tmp_path / "specs.json").read_text())
    assert made["version"] == version("codesign-gym")
    for name, stored in made["problems"].items():
        assert {spec.metric: spec.bound for spec in stored_specs(name)} == stored["specs"]
        for metric, share in PUBLISHED_SHARES.items():
            reached = stored["nas_then_asic"][metric]
            assert stored["specs"][metric] == pytest.approx(share * reached, rel=1e-3)
    with pytest.raises(InputError, match="no specs are stored"):
        stored_specs("nasaic")


def test_accuracies_are_those_of_the_table() -> None:
    table = AccuracyTable()
    designs = table.space.sample(50, 0)
    designs[:, -1] = 0
    expected = table.evaluate(designs)["accuracy_pct"]
    task = derive_nasaic.cell_task(word_bytes=1)
    assert np.array_equal(
        np.asarray(task.accuracy_pct)[task.space.ravel(designs[:, :-1])], expected
    )


def test_designs_that_break_a_spec_are_not_trained(problem: DesignProblem) -> None:
    evaluation = problem.evaluate(problem.space.sample(300, 0))
    trained = np.isfinite(evaluation.metrics["task1_accuracy_pct"])
    assert np.array_equal(trained, evaluation.feasible)
    assert 0 < trained.mean() < 1
    rewards = problem.reward(evaluation)
    mean = (evaluation.metrics["task1_accuracy_pct"] + evaluation.metrics["task2_accuracy_pct"]) / 2
    assert rewards[trained] == pytest.approx(mean[trained])
    assert rewards[~trained] == pytest.approx(
        -1000 * np.minimum(evaluation.violation, 10)[~trained]
    )


def test_held_groups(problem: DesignProblem) -> None:
    start = problem.space.sample(1, 0)
    for free in (("accelerator",), ("task2",), ("task1", "task2"), ("task1", "accelerator")):
        part = partial_problem(problem, free, start)
        assert tuple(part.space.groups) == free
        designs = part.space.sample(30, 1)
        whole = problem.evaluate(completed(problem, free, start, designs))
        found = part.evaluate(designs)
        assert np.array_equal(found.metrics.values_matrix, whole.metrics.values_matrix)
        assert np.array_equal(found.violations, whole.violations)
    with pytest.raises(InputError, match="task3"):
        partial_problem(problem, ("task3",), start)


def test_comparison(problem: DesignProblem) -> None:
    rows = compare(problem, budget=150, seeds=range(2))
    assert [row["approach"] for row in rows] == list(APPROACHES)
    base = rows[0]
    for row in rows:
        for metric in ("latency_ms", "energy_uj", "area_mm2"):
            reduction = 100 * (1 - row[metric] / base[metric])
            assert row[f"{metric}_reduction_pct"] == pytest.approx(reduction)
        for task in ("task1", "task2"):
            loss = base[f"{task}_accuracy_pct"] - row[f"{task}_accuracy_pct"]
            assert row[f"{task}_accuracy_loss_pp"] == pytest.approx(loss)
    assert rows == compare(problem, budget=150, seeds=range(2))
    # Networks chosen for accuracy alone are the most accurate, and keep the specs by chance alone.
    assert base["task1_accuracy_pct"] >= rows[-1]["task1_accuracy_pct"]
    assert base["specs_met_pct"] < rows[-1]["specs_met_pct"] == 100
    with pytest.raises(InputError, match="budget"):
        compare(problem, budget=1)
