"""The study of inherited weights, as small as it can be; and the agent on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from codesign_gym.envs.growth_problems import eas_mnist1d
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.reproduce import eas
from codesign_gym.experiments.reproduce.finding import Settings, write_finding
from codesign_gym.experiments.reproduce.registry import reproduction
from codesign_gym.search_spaces.networks.growth import ROOT
from codesign_gym.search_spaces.networks.transformations import steps_between


def small() -> DesignProblem:
    return eas_mnist1d(epochs=1, training_size=100)


def small_from_scratch() -> DesignProblem:
    return eas_mnist1d(epochs=1, training_size=100, inherit=False)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches that train as little as can be, made by functions that a run finds by name."""
    module = "codesign_gym.envs.growth_problems"
    monkeypatch.setattr(f"{module}.small", small, raising=False)
    monkeypatch.setattr(f"{module}.small_from_scratch", small_from_scratch, raising=False)
    arms = {
        arm: (f"{module}:small{'' if problem == eas.PROBLEM else '_from_scratch'}", agent)
        for arm, (problem, agent) in eas.ARMS.items()
    }
    monkeypatch.setattr(eas, "ARMS", arms)


def test_the_study_says_what_it_measured(tmp_path: Path, tiny: None) -> None:
    told: list[tuple[int, int]] = []
    settings = Settings(2, 2, 1, tmp_path, lambda *done: told.append(done))
    finding = eas.study(settings, networks=2, epochs=1, size=100)
    assert told[-1] == (2 * 2 + 6, 2 * 2 + 6)
    rows, searches = finding.tables.values()
    assert [row["network"] for row in rows] == [0, 1]
    for row in rows:
        assert row["weights"] > row["parent's weights"]
        assert 0 <= row["epochs, inherited"] <= 2
        assert 1 <= row["epochs, from scratch"] <= 2
    assert [row["search"] for row in searches] == list(eas.ARMS)
    assert min(row["networks by then"] for row in searches) >= 0
    assert len(finding.claims) == 4
    assert all(claim.holds in (True, False) for claim in finding.claims)
    _, page = write_finding(finding, tmp_path, "a command")
    assert "EAS, inherited" in page.read_text(encoding="utf-8")


def test_a_pair_is_the_same_network_twice() -> None:
    first, again = (eas.train_pair(1, 0, epochs=1, size=100) for _ in range(2))
    assert first.weights[1] > first.weights[0]
    assert np.array_equal(first.inherited, again.inherited)
    assert len(first.inherited) == len(first.scratch) == 2
    assert first.inherited[0] == pytest.approx(first.parent, abs=0.15)


def test_random_growth_is_growth() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        parent = eas.random_growth(ROOT, *eas.PARENT_STEPS, rng)
        child = eas.random_growth(parent, *eas.CHILD_STEPS, rng)
        assert steps_between(ROOT, parent) is not None
        assert steps_between(parent, child)
        assert not child.fault


def test_it_is_registered() -> None:
    study = reproduction("eas")
    assert (study.seeds, study.budget) == (3, 24)


def test_the_command_line_refuses_other_problems(tmp_path: Path) -> None:
    command = ["run", "resnet18-asic", "--agent", "eas", "--budget", "5", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code != 0
    assert "needs a space of growing networks" in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


def test_the_command_line_runs_it(tmp_path: Path, tiny: None) -> None:
    problem = "codesign_gym.envs.growth_problems:small"
    command = ["run", problem, "--agent", "eas", "--budget", "4", "--set", "stage=2"]
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "accuracy_pct" in result.output
    assert (tmp_path / "report.html").exists()
