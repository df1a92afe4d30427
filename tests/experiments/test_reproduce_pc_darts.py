"""The study of partial channels, as small as it can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from codesign_gym.envs.nas_problems import nas_mnist1d
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.experiments.reproduce import pc_darts, supernet_costs
from codesign_gym.experiments.reproduce.finding import Settings, write_finding
from codesign_gym.experiments.reproduce.registry import reproduction


def small() -> DesignProblem:
    return nas_mnist1d(epochs=1, seeds=1, supernet_epochs=1, training_size=40)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> str:
    """Short measurements, and a problem that trains little, made by a function found by name."""
    monkeypatch.setattr(supernet_costs, "WARM", 1)
    monkeypatch.setattr(supernet_costs, "TIMED", 2)
    monkeypatch.setattr("codesign_gym.envs.nas_problems.small", small, raising=False)
    return "codesign_gym.envs.nas_problems:small"


def test_the_study_says_what_it_measured(tmp_path: Path, quick: str) -> None:
    told: list[tuple[int, int]] = []
    settings = Settings(2, 1, 1, tmp_path, lambda *done: told.append(done))
    finding = pc_darts.study(settings, epochs=1, judges=(7,), problem=quick, size=40)
    assert told[-1] == (12, 12)
    costs, final = finding.tables.values()
    assert [row["K"] for row in costs] == [1, 2, 4]
    memory = [row["memory of a step, MB"] for row in costs]
    assert memory == sorted(memory, reverse=True)
    assert memory[2] < memory[0] / 2
    assert [row["search"] for row in final] == [
        "PC-DARTS, K = 4",
        "PC-DARTS, K = 1",
        "random search, equal cost",
    ]
    assert all(0 <= row["worst"] <= row["accuracy %"] <= 100 for row in final)
    assert len(finding.claims) == 3
    assert all(claim.holds in (True, False) for claim in finding.claims)
    _, page = write_finding(finding, tmp_path, "a command")
    assert "PC-DARTS, K = 4" in page.read_text(encoding="utf-8")


def test_memory_of_a_step_is_that_of_its_tensors() -> None:
    import torch

    from codesign_gym.cost_models.accuracy.peak_memory import peak_bytes

    def compute() -> torch.Tensor:
        first, second = torch.zeros(1000), torch.zeros(500)
        del first
        third = torch.zeros(1000)
        view = third[:10]
        return second + view.sum()

    # What is released is not counted, a view takes nothing: 500 + 1000 numbers, a sum, 500 more.
    assert peak_bytes(compute) == 4 * (500 + 1000 + 1 + 500)
    weight = torch.ones(100, requires_grad=True)
    # exp keeps its output; its gradient and that of the sum come in the backward pass.
    assert peak_bytes(lambda: torch.autograd.backward(weight.exp().sum())) >= 2 * 400


def test_it_is_registered() -> None:
    study = reproduction("pc-darts")
    assert (study.seeds, study.budget) == (10, 1)
