"""NASAIC's problems: specs, accuracies, whole chips, and held groups."""

from __future__ import annotations

import json
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from codesign_gym.cost_models import AccuracyTable
from codesign_gym.envs import DesignProblem, make_problem, nasaic
from codesign_gym.envs.nasaic import (
    PUBLISHED_SHARES,
    WORKLOADS,
    stored_specs,
    trained_task,
    whole_chips,
    workload,
)
from codesign_gym.envs.partial import completed, partial_problem
from codesign_gym.experiments.reproduce import derive_nasaic
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.hardware.heterogeneous import LANES, TILES, sub_accelerators


@pytest.fixture(scope="module")
def problem() -> DesignProblem:
    return make_problem("nasaic-w3")


def test_stored_specs_are_what_the_command_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One workload stands for all: going through its 4,095 chips takes seconds.
    monkeypatch.setattr(nasaic, "WORKLOADS", {"nasaic-w3": WORKLOADS["nasaic-w3"]})
    derive_nasaic.main(tmp_path / "specs.json")
    made = json.loads((tmp_path / "specs.json").read_text())
    assert made["version"] == version("codesign-gym")
    [(name, found)] = made["problems"].items()
    assert {spec.metric: spec.bound for spec in stored_specs(name)} == found["specs"]


@pytest.mark.parametrize("name", WORKLOADS)
def test_specs_are_as_tight_as_published(name: str) -> None:
    stored = json.loads((files("codesign_gym.envs") / "nasaic_specs.json").read_text())
    reached = stored["problems"][name]["nas_then_asic"]
    bounds = {spec.metric: spec.bound for spec in stored_specs(name)}
    assert list(bounds) == list(PUBLISHED_SHARES)
    for metric, share in PUBLISHED_SHARES.items():
        assert bounds[metric] == pytest.approx(share * reached[metric], rel=5e-3)


def test_unknown_workloads_are_told() -> None:
    with pytest.raises(InputError, match="no specs are stored"):
        stored_specs("nasaic")
    with pytest.raises(InputError, match="nasaic-w4"):
        workload("nasaic-w4")


@pytest.mark.parametrize(
    ("space", "data"), sorted({pair for w in WORKLOADS.values() for pair in w})
)
def test_accuracies_are_those_of_the_table_in_int8(space: str, data: str) -> None:
    table = AccuracyTable(space, data)
    designs = table.space.sample(50, 0)
    designs[:, -1] = 0
    assert table.space.decode(designs[:1])[0]["accelerator.word"] == 1
    task = trained_task(space, data)
    [expected] = table.evaluate(designs).values()
    found = np.asarray(task.accuracy_pct)[task.space.ravel(designs[:, :-1])]
    assert np.array_equal(found, expected)


def test_whole_chips_use_everything() -> None:
    chips = whole_chips()
    subs = sub_accelerators(chips)
    assert np.all(subs.tiles.sum(axis=1) == TILES)
    assert np.all(subs.lanes.sum(axis=1) == LANES)
    # 63 splits of the tiles, 7 of the lanes, 9 pairs of dataflows; 3 chips each of one alone, as
    # either sub-accelerator.
    assert len(np.unique(chips, axis=0)) == len(chips) == 63 * 7 * 9 + 6


def test_designs_that_break_a_spec_are_not_trained(problem: DesignProblem) -> None:
    evaluation = problem.evaluate(problem.space.sample(300, 0))
    trained = np.isfinite(evaluation.metrics["task1_pct"])
    assert np.array_equal(trained, evaluation.feasible)
    assert 0 < trained.mean() < 1
    rewards = problem.reward(evaluation)
    mean = (evaluation.metrics["task1_pct"] + evaluation.metrics["task2_pct"]) / 2
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
    split = ("accelerator.sub1_pe_share", "accelerator.sub1_dataflow", "accelerator.sub2_dataflow")
    part = partial_problem(problem, split, start)
    designs = part.space.sample(30, 1)
    rows = completed(problem, split, start, designs)
    assert len(np.unique(rows[:, problem.space.names.index("accelerator.pes")])) == 1
    found = part.evaluate(designs)
    assert np.array_equal(found.metrics.values_matrix, problem.evaluate(rows).metrics.values_matrix)
    with pytest.raises(InputError, match="task3"):
        partial_problem(problem, ("task3",), start)
