"""Studies that measure agents against the true optimum, small, on a problem tabulated long ago."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from codesign_gym.envs import make_problem
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.reproduce import lottery, marl_dram
from codesign_gym.experiments.reproduce.finding import Settings, write_finding
from codesign_gym.experiments.reproduce.regrets import (
    WORST,
    Case,
    cases_of,
    curves,
    effort,
    regret_curve,
    truth_of,
)
from codesign_gym.experiments.runner import run
from codesign_gym.search_spaces import InputError

NAME = "resnet18-asic"


def test_the_optimum_has_no_regret(tmp_path: Path) -> None:
    truth = truth_of(NAME)
    for objective in ("", "energy_uj", "area_mm2"):
        case = Case(NAME, objective)
        record = run(case.config("random", 0, 60), tmp_path)
        curve = regret_curve(record, truth, case)
        assert curve.shape == (60,)
        assert (np.diff(curve) <= 0).all()
        assert 0 <= curve[-1] <= WORST
        best = make_problem(NAME).evaluate([truth.optima[objective or "reward"]["choices"]])
        rewards = make_problem(NAME).reward(best)
        if objective:
            assert best.metrics[objective][0] == pytest.approx(truth.optima[objective]["value"])
        else:
            assert truth.regret(rewards)[0] == pytest.approx(0)


def test_what_is_infeasible_counts_as_worst(tmp_path: Path) -> None:
    case = Case(NAME, "energy_uj")
    record = run(case.config("random", 3, 40), tmp_path)
    first = int(np.argmax(record.evaluation.feasible))
    curve = regret_curve(record, truth_of(NAME), case)
    assert (curve[:first] == WORST).all()
    values = np.where(record.evaluation.feasible, record.evaluation.metrics["energy_uj"], np.inf)
    truth = truth_of(NAME)
    span = truth.optima["energy_uj"]["median"] - truth.optima["energy_uj"]["value"]
    by_hand = (values.min() - truth.optima["energy_uj"]["value"]) / span
    assert curve[-1] == pytest.approx(min(by_hand, WORST))


def test_effort_is_when_the_optimum_is_met() -> None:
    curves = np.array([[2.0, 0.5, 0.01, 0.0], [0.0, 0.0, 0.0, 0.0], [2.0, 2.0, 1.0, 0.011]])
    assert effort(curves).tolist() == [3, 1, 8]


def test_a_problem_without_truth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run codesign tabulate mnist1d-asic"):
        curves([RunConfig("mnist1d-asic", "random", 5)], [Case("mnist1d-asic")],
               Settings(1, 5, 1, tmp_path))  # fmt: skip


def test_cases_are_all_objectives_and_each() -> None:
    assert [case.objective for case in cases_of([NAME])] == [
        "",
        "energy_uj",
        "latency_ms",
        "area_mm2",
    ]


def test_the_lottery_is_drawn_and_judged_on_other_seeds(tmp_path: Path) -> None:
    grids = {"random": {}, "regularized-evolution": {"population": (4, 32), "tournament": (2,)}}
    settings = Settings(4, 60, 1, tmp_path)
    finding = lottery.study(settings, [NAME], grids)
    (rows,) = finding.tables.values()
    assert [row["agent"] for row in rows] == ["random", "regularized-evolution"]
    assert [row["settings"] for row in rows] == [1, 2]
    for row in rows:
        assert row["best"] <= row["median"] <= row["worst"]
        assert row["low"] <= row["chosen"] <= row["high"]
    assert len(finding.claims) == 2
    case = Case(NAME)
    judged = []
    for seed in (1, 3):
        record = run(case.config("random", seed, 60), tmp_path / "alone")
        judged.append(regret_curve(record, truth_of(NAME), case))
    assert rows[0]["chosen"] == pytest.approx(np.mean([effort(curve) for curve in judged]))
    assert rows[0]["at the end"] == pytest.approx(np.mean([curve[-1] for curve in judged]))
    result, page = write_finding(finding, tmp_path, "a command")
    assert "regularized-evolution" in page.read_text(encoding="utf-8")
    assert result.exists()
    with pytest.raises(InputError, match="seeds must be at least 2"):
        lottery.study(Settings(1, 60, 1, tmp_path), [NAME], grids)


def test_many_agents_against_one(tmp_path: Path) -> None:
    finding = marl_dram.study(Settings(2, 12, 1, tmp_path), [NAME])
    regrets, final, pairs = finding.tables.values()
    assert len(final) == len(regrets)
    assert [row["case"] for row in regrets][-2:] == ["all", "all, 95 % interval"]
    assert len(regrets) == 4 + 2
    assert {(row["multi"], row["single"]) for row in pairs} == set(marl_dram.PAIRS)
    for row, claim in zip(pairs, finding.claims, strict=True):
        assert row["better cases"] + row["worse cases"] <= 4
        assert row["low"] <= row["probability"] <= row["high"]
        assert claim.holds == (row["worse cases"] == 0 and row["low"] > 0.5)
    _, page = write_finding(finding, tmp_path, "a command")
    assert "mappo" in page.read_text(encoding="utf-8")
