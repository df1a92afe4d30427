"""One run for several tasks against a run for each, as small as it can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from codesign_gym.cost_models.accuracy.csv_columns import DATA_VARIABLE
from codesign_gym.envs import DesignProblem
from codesign_gym.envs.nas_problems import TASKS, nas_mnist1d_tasks
from codesign_gym.experiments.reproduce import fbnetv5, supernet_costs
from codesign_gym.experiments.reproduce.fbnetv5_supernet import TrainedSearches, trained_claims
from codesign_gym.experiments.reproduce.finding import Settings, write_finding
from codesign_gym.experiments.reproduce.registry import reproduction
from codesign_gym.search_spaces import InputError
from tests.reference import reference


def small() -> DesignProblem:
    return nas_mnist1d_tasks(epochs=1, seeds=1, supernet_epochs=1, training_size=40)


def test_without_published_tables_it_says_what_it_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(supernet_costs, "WARM", 1)
    monkeypatch.setattr(supernet_costs, "TIMED", 2)
    monkeypatch.setattr("codesign_gym.envs.nas_problems.small", small, raising=False)
    told: list[tuple[int, int]] = []
    finding = fbnetv5.study(
        Settings(2, 3, 1, tmp_path, lambda *done: told.append(done)),
        problem="codesign_gym.envs.nas_problems:small",
        judges=(7,),
        size=40,
    )
    assert told[-1] == (28 + 28, 28 + 28)
    assert finding.settings["benchmarks"] == ["own tasks"]
    assert "TransNAS-Bench-101 was skipped: there is no table" in finding.summary
    undecided = [claim.holds is None for claim in finding.claims]
    assert undecided == [False, True, False, False, False, False, False]
    assert "too few to compare" in finding.claims[1].measured
    best, shares, modes, taus, trained = finding.tables.values()
    assert [(row["search"], row["task"]) for row in trained] == [
        (arm, task)
        for arm in ("one supernet", "a supernet each", "random search, equal cost")
        for task in TASKS
    ]
    for row in trained:
        assert 0 <= row["worst"] <= row["trained afresh, %"] <= row["best"] <= 100
        assert 0 <= row["known networks that are better, %"] <= 100
        assert row["CPU s of the search"] > 0
    assert [row["task"] for row in best] == ["accuracy_pct", "r2_pct", "iou_pct"]
    for row, share in zip(best, shares, strict=False):
        for arm in fbnetv5.ARMS:
            assert 0 <= row[arm] <= row["optimum"]
            assert 0 <= share[arm] <= 100
    assert all(0 <= row["measured, %: one run"] <= 100 for row in modes)
    tau = np.array([[row[other["task"]] for other in taus] for row in taus])
    np.testing.assert_allclose(tau, tau.T)
    assert np.diag(tau) == pytest.approx(1)
    _, page = write_finding(finding, tmp_path, "a command")
    text = page.read_text(encoding="utf-8")
    assert "own tasks" in text
    assert "a supernet each" in text


def test_claims_are_judged_by_the_spread_of_a_supernet_each() -> None:
    def found(one: float, together_s: float) -> TrainedSearches:
        each = np.array([[80.0, 80.0, 80.0], [82.0, 82.0, 82.0]])  # deviation 1.41
        scores = {"one supernet": each + one, "a supernet each": each}
        scores["random search, equal cost"] = each
        return TrainedSearches(scores, scores, together_s, np.array([10.0, 20.0, 30.0]), 7)

    for one, cost, held in (
        (-1.4, 25.0, [True, True, False]),
        (-1.5, 25.1, [False, False, False]),
        (0.1, 60.0, [True, False, True]),
    ):
        assert [claim.holds for claim in trained_claims(found(one, cost))] == held
    assert "1.25 times a search for one task, 0.42 times 3 searches" in (
        trained_claims(found(0.0, 25.0))[1].measured
    )


def test_on_published_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = reference(f"nas/{fbnetv5.TRANSNAS}")
    monkeypatch.setenv(DATA_VARIABLE, str(file.parent))
    (bench, _), skipped = fbnetv5.benches(20)
    assert not skipped
    assert bench.share == 1
    assert bench.values.shape == (4096, 7)
    room = bench.tasks.index("room_layout_neg_loss")
    assert bench.values[:, room].max() < 0
    best = bench.values.max(axis=0)
    assert bench.better(best).tolist() == [0] * 7
    assert bench.better(np.sort(bench.values, axis=0)[2048])[0] == pytest.approx(50, abs=0.2)
    alone = bench.alone(room)
    evaluation = alone.evaluate(alone.space.sample(50, 0))
    rewards = alone.reward(evaluation)
    order = np.argsort(evaluation.objectives[:, 0])
    assert (np.diff(rewards[order]) <= 0).all()


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="seeds must be at least 2"):
        fbnetv5.study(Settings(1, 3, 1, tmp_path))


def test_it_is_registered() -> None:
    study = reproduction("fbnetv5")
    assert (study.seeds, study.budget) == (20, 100)
