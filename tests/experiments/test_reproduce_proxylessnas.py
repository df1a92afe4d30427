"""The study of two paths at a time, as small as it can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from codesign_gym.cost_models.analytical.array_model import ArrayModel, scaled_latency_us
from codesign_gym.envs.nas_problems import nas_mnist1d
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.experiments.reproduce import proxylessnas, supernet_costs
from codesign_gym.experiments.reproduce.finding import Settings, write_finding
from codesign_gym.experiments.reproduce.proxylessnas import BLOCK, Point
from codesign_gym.experiments.reproduce.registry import reproduction


def small() -> DesignProblem:
    return nas_mnist1d(epochs=1, seeds=1, supernet_epochs=1, training_size=40)


def test_the_study_says_what_it_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codesign_gym.envs.nas_problems.small", small, raising=False)
    monkeypatch.setattr(proxylessnas, "CANDIDATES", (2, 5))
    monkeypatch.setattr(proxylessnas, "BEST", 1)
    monkeypatch.setattr(supernet_costs, "DRAWS", 1)
    told: list[tuple[int, int]] = []
    settings = Settings(1, 1, 1, tmp_path, lambda *done: told.append(done))
    problem = "codesign_gym.envs.nas_problems:small"
    finding = proxylessnas.study(settings, 1, (7,), problem, size=100)
    assert told[-1] == (20, 20)
    memory, searches, scaled = finding.tables.values()
    assert [row["candidates"] for row in memory] == [2, 5]
    assert all(row["of one path"] < 1.5 < row["all candidates, of one path"] for row in memory)
    assert len(searches) == 6
    assert all(row["furthest from the target, %"] <= 5 for row in searches)
    assert [row["channels"] for row in scaled] == [8, 10, 12, 16]
    assert all(row["cell's latency, us"] <= row["latency, us"] for row in scaled)
    assert len(finding.claims) == 4
    assert all(claim.holds in (True, False) for claim in finding.claims)
    _, page = write_finding(finding, tmp_path, "a command")
    assert "scaled block" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("searched", "beaten"),
    [
        ([(4.0, 95.0), (6.0, 96.0)], 2),  # both scaled ones are slower and less accurate
        ([(4.0, 93.0), (6.0, 96.0)], 1),
        ([(5.5, 99.0), (6.0, 96.0)], 1),  # too slow for the narrow one
    ],
)
def test_what_dominates(searched: list[tuple[float, float]], beaten: int) -> None:
    found = {("gradient", p[0]): [Point(*p), Point(*p)] for p in searched}
    found["reinforce", 1.0] = [Point(0.1, 100.0)]  # does not count, but is told
    claim = proxylessnas._dominance(found, {8: Point(5.0, 94.0), 10: Point(6.0, 95.0)})
    assert claim.measured.startswith(f"{beaten} of 2 widths")
    assert claim.measured.endswith(", 2 by the searches with reinforce")
    assert claim.holds is (beaten == 2)


def test_a_block_as_wide_as_the_networks_of_the_space_is_as_fast() -> None:
    model = ArrayModel()
    assert scaled_latency_us(BLOCK, 8) == pytest.approx(
        float(model.evaluate([BLOCK])["latency_us"][0]), rel=1e-12
    )
    assert scaled_latency_us(BLOCK, 10) > scaled_latency_us(BLOCK, 8)


def test_it_is_registered() -> None:
    study = reproduction("proxylessnas")
    assert (study.seeds, study.budget) == (3, 6)
