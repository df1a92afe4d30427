"""NASAIC's comparison: the approaches, kept runs, and what is said of the outcomes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from codesign_gym.envs import DesignProblem, make_problem
from codesign_gym.envs.nasaic import WORKLOADS
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.reproduce import nasaic_runs
from codesign_gym.experiments.reproduce.finding import Settings
from codesign_gym.experiments.reproduce.nasaic import APPROACHES, check_size, measured
from codesign_gym.experiments.reproduce.nasaic_runs import Outcome, all_runs
from codesign_gym.experiments.reproduce.nasaic_study import (
    AGENT,
    Results,
    chip,
    claims_of,
    reductions,
    table_one,
)
from codesign_gym.search_spaces import InputError


@pytest.fixture(scope="module")
def problem() -> DesignProblem:
    return make_problem("nasaic-w3")


@pytest.mark.parametrize("approach", APPROACHES)
def test_approaches_spend_the_budget_and_repeat_themselves(
    problem: DesignProblem, approach: str
) -> None:
    found = APPROACHES[approach](problem, AGENT, 61, 3)
    assert found.explored.shape == (61, len(problem.space))
    assert np.array_equal(problem.space.canonical(found.explored), found.explored)
    assert (found.explored == found.design).all(axis=1).any()
    again = APPROACHES[approach](problem, AGENT, 61, 3)
    assert np.array_equal(found.explored, again.explored)
    assert np.array_equal(found.design, again.design)


def test_nas_then_asic_knows_no_spec(problem: DesignProblem) -> None:
    find = APPROACHES["nas-then-asic"]
    free = find(problem.with_specs(()), AGENT, 100, 0)
    assert np.array_equal(find(problem, AGENT, 100, 0).design, free.design)
    networks = measured(problem, free.explored[:50])
    best = measured(problem, free.design)
    for number in (1, 2):  # each network apart, since their accuracies are independent
        assert best.metrics[f"task{number}_pct"][0] > networks.metrics[f"task{number}_pct"].mean()
    chips = measured(problem, free.explored[50:])
    assert best.metrics["latency_ms"][0] == chips.metrics["latency_ms"].min()


def test_together_beats_one_after_the_other(problem: DesignProblem) -> None:
    last = {
        approach: measured(problem, APPROACHES[approach](problem, AGENT, 300, 0).design)
        for approach in ("nas-then-asic", "nas-then-fitting", "co-exploration")
    }
    feasible = {approach: bool(found.feasible[0]) for approach, found in last.items()}
    assert feasible == {
        "nas-then-asic": False, "nas-then-fitting": False, "co-exploration": True
    }  # fmt: skip
    least = {approach: float(found.violation[0]) for approach, found in last.items()}
    assert least["nas-then-fitting"] < least["nas-then-asic"]


def test_sizes_are_checked() -> None:
    with pytest.raises(InputError, match="budget must be at least 2"):
        check_size(1, 1)
    with pytest.raises(InputError, match="seeds must be at least 1"):
        check_size(2, 0)


def test_kept_runs_are_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(seeds=2, budget=20, directory=tmp_path)
    first = all_runs(settings, ["nasaic-w3"], AGENT)
    assert len(first) == 2 * len(APPROACHES)
    for run, outcome in first.items():
        assert bool(outcome.cloud) == (run.seed == 0)
        assert len(outcome.cloud) in (0, 20)
    made: list[nasaic_runs.Run] = []
    carry_out = nasaic_runs.carry_out

    def counted(run: nasaic_runs.Run) -> Outcome:
        made.append(run)
        return carry_out(run)

    monkeypatch.setattr(nasaic_runs, "carry_out", counted)
    assert all_runs(settings, ["nasaic-w3"], AGENT) == first
    assert made == []
    spoiled, other, *_ = sorted((tmp_path / "runs").iterdir())
    spoiled.write_text("{")
    record = json.loads(other.read_text())
    record["made"]["specs"] = ["latency_ms<=1"]
    other.write_text(json.dumps(record))
    assert all_runs(settings, ["nasaic-w3"], AGENT) == first
    assert len(made) == 2
    assert all_runs(replace(settings, seeds=1), ["nasaic-w3"], AGENT).keys() <= first.keys()
    assert len(made) == 2


def outcome(accuracy: float, scale: float, feasible: bool, front: list[list[float]]) -> Outcome:
    """A design with both accuracies alike, its chip ``scale`` times 1 us, 10 uJ and 1 mm2."""
    metrics = {"latency_ms": 1e-3 * scale, "energy_uj": 10 * scale, "area_mm2": scale}
    both = {f"task{i}_pct": accuracy for i in (1, 2)}
    return Outcome([0] * 18, metrics | both, feasible, front, [])


def results(problem: DesignProblem, together: list[Outcome], after: float = 90.0) -> Results:
    """Results of which co-exploration's are given; NAS then ASIC breaks the specs at 99 %."""
    n = len(together)
    broken = [outcome(99.0, 3.0, False, [])] * n
    kept = [outcome(after, 1.0, True, [])] * n
    return Results(
        problem,
        {
            "nas-then-asic": broken, "nas-then-fitting": broken, "asic-then-hw-nas": kept,
            "monte-carlo": kept, "co-exploration": together,
        },
    )  # fmt: skip


def test_what_is_claimed_follows_from_the_outcomes(problem: DesignProblem) -> None:
    w1 = replace(problem, name="nasaic-w1")
    front = [[98.2, 1e-3, 5.0, 0.5], [97.9, 1e-4, 0.1, 0.1], [98.9, 2e-3, 9.0, 1.0]]
    good = results(w1, [outcome(98.5, 1.0, True, front)] * 10)
    assert [claim.holds for claim in claims_of(good)] == [True] * 6
    # Of what was explored within a point of 99 %, the least product: 3 us, 30 uJ, 3 mm2 before.
    times, loss = good.frugal()
    assert times[:, 0] == pytest.approx([3.0, 6.0, 6.0])
    assert loss == pytest.approx([0.8] * 10)
    chosen, frugal = reductions(good)
    assert chosen["energy, times"] == "3 (3 to 3)"
    assert frugal["energy, times"] == "6 (6 to 6)"
    far = [outcome(97.9, 2.0, True, [])] * 2 + [outcome(98.5, 2.0, True, [])] * 8
    holds = [claim.holds for claim in claims_of(results(w1, far, after=99.0))]
    assert holds == [True, False, True, False, False, False]
    assert len(reductions(results(w1, far))) == 1
    lost = [outcome(98.5, 1.0, False, [])] * 2 + [outcome(98.5, 1.0, True, [])] * 8
    assert claims_of(results(w1, lost))[1].holds is False
    others = [claim.holds for claim in claims_of(results(problem, far))]
    assert others[2:5] == [None] * 3  # the figures are of W1


def test_chips_are_written_as_in_the_paper(problem: DesignProblem) -> None:
    space = problem.space
    design = np.zeros((1, len(space)), dtype=np.int32)
    hardware = space.select("accelerator")
    chosen = {"pes": 148, "sub1_pe_share": 16, "sub1_dataflow": "nvdla"}
    chosen |= {"sub2_dataflow": "eyeriss", "noc_bandwidth": 64, "sub1_bandwidth_share": 7}
    names = [name.split(".")[-1] for name in hardware.names]
    row = hardware.encode(
        [{full: chosen[n] for full, n in zip(hardware.names, names, strict=True)}]
    )
    design[:, space.columns_of(hardware)] = row
    assert chip(problem, design[0].tolist()) == ["(dla, 36, 56)", "(rs, 112, 8)"]
    alone = results(problem, [outcome(98.0, 1.0, True, [])])
    assert [row["approach"] for row in table_one(alone)] == list(APPROACHES)


def test_command(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app,
        ["reproduce", "nasaic", "--seeds", "1", "--budget", "8", "--json", "--out", str(tmp_path)],
    )
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert len(data["claims"]) == 6 * len(WORKLOADS)
    assert len(data["tables"]) == len(WORKLOADS) + 2
    page = (tmp_path / "report.html").read_text()
    assert page.count('class="figure"') >= len(WORKLOADS)
    assert "The paper beside us" in page
