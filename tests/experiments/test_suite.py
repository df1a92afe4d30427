"""The suite: scores that mean what they say, and files that cannot be mistaken for others."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codesign_gym.experiments.runner import run
from codesign_gym.experiments.statistics import iqm
from codesign_gym.experiments.suite.definition import LEVELS, Probe, Suite
from codesign_gym.experiments.suite.freeze import freeze
from codesign_gym.experiments.suite.results import Outcome, Result
from codesign_gym.experiments.suite.run import Extent, rerun, run_suite
from codesign_gym.experiments.suite.scoring import (
    TAUS,
    group_rows,
    improvement,
    middle,
    profile,
    ranked_rows,
    records_set,
    score,
)
from codesign_gym.experiments.truth import known_truth
from codesign_gym.search.agents import RandomAgent
from codesign_gym.search_spaces import InputError

OUTLINE = """
version = "tiny"
seeds = 3
[tasks]
latency = { problem = "mobilenetv2-asic", group = "accelerator", objectives = ["latency_ms"], \
budgets = [10, 20, 40] }
front = { problem = "resnet18-asic", group = "accelerator", budgets = [10, 20, 40] }
network = { problem = "draco-mnist1d", group = "network", objectives = ["accuracy_pct"], \
budgets = [3, 6, 12] }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    (folder / "tiny.toml").write_text(OUTLINE)
    return folder


@pytest.fixture(scope="module")
def suite(folder: Path) -> Suite:
    freeze(folder / "tiny.toml", folder / "frozen").save(folder / "tiny.json")
    return Suite.load(str(folder / "tiny.json"))


@pytest.fixture(scope="module")
def result(suite: Suite, folder: Path) -> Result:
    return run_suite(suite, "genetic", {"population": "8"}, Extent(3), folder / "genetic")


def made_up(suite: Suite, values: dict[str, float], agent: str = "made-up") -> Result:
    """A result in which every run of a task has reached the same value."""
    outcomes = {
        name: {level: [Outcome(values[name], "x")] * 3 for level in LEVELS} for name in suite.tasks
    }
    digests = {name: task.digest for name, task in suite.tasks.items()}
    return Result(suite.version, agent, {}, 3, digests, outcomes, {})


# -- the scale -------------------------------------------------------------------------------------


def test_the_ends_are_random_search_and_the_best_known(suite: Suite) -> None:
    truth = known_truth(suite.tasks["front"].pose())
    assert truth is not None
    task = suite.tasks["latency"]
    assert task.exact
    assert task.one == pytest.approx(3.790372)  # of all 2,250,423 designs: tabulated
    assert suite.tasks["front"].front == truth.front
    assert suite.tasks["front"].one == 1.0
    for task in suite.tasks.values():
        assert task.score(task.zero) == 0.0
        assert task.score(task.one) == 1.0
        assert task.score(None) == 0.0


def test_zero_is_what_half_of_the_random_searches_reach(suite: Suite) -> None:
    for name in ("latency", "front"):
        task = suite.tasks[name]
        problem = task.pose()
        designs = problem.space.sample(300 * 10, 77)
        evaluation = problem.evaluate(designs)
        rewards = problem.reward(evaluation)
        scores = [
            task.score(task.value(evaluation.take(slice(i, i + 10)), rewards[i : i + 10]))
            for i in range(0, 3000, 10)
        ]
        assert 0.4 < np.mean(np.array(scores) > 0) < 0.6


@given(a=st.floats(0, 1), b=st.floats(0, 1))
def test_better_values_never_score_less(suite: Suite, a: float, b: float) -> None:
    for name, task in suite.tasks.items():
        worst = 2 * task.zero if name == "latency" else 0.5 * task.zero
        low, high = (worst + x * (task.one - worst) for x in sorted((a, b)))
        assert 0 <= task.score(low) <= task.score(high) <= 1


def test_what_is_to_be_minimised_counts_by_its_logarithm(suite: Suite) -> None:
    task = suite.tasks["latency"]
    assert task.score(float(np.sqrt(task.zero * task.one))) == pytest.approx(0.5)
    accuracy = suite.tasks["network"]
    assert accuracy.score((accuracy.zero + accuracy.one) / 2) == pytest.approx(0.5)


def test_a_run_without_a_feasible_design_scores_0(suite: Suite) -> None:
    task = suite.tasks["latency"]
    evaluation = task.pose().evaluate(task.pose().space.sample(50, 0))
    infeasible = evaluation.take(np.flatnonzero(~evaluation.feasible))
    assert len(infeasible)
    assert task.value(infeasible, np.zeros(len(infeasible))) is None


def test_values_are_those_of_the_runs(suite: Suite, result: Result, tmp_path: Path) -> None:
    for name, level, seed in (("latency", "small", 2), ("front", "medium", 0)):
        task = suite.tasks[name]
        record = run(task.config("genetic", {"population": 8}, level, seed), tmp_path)
        assert record.config.budget == task.budgets[LEVELS.index(level)]
        assert result.outcomes[name][level][seed] == Outcome.of(task, record)
    task, problem = suite.tasks["latency"], suite.tasks["latency"].pose()
    record = run(task.config("random", {}, "large", 0), tmp_path)
    feasible = record.evaluation.feasible
    assert (
        task.value(record.evaluation, record.rewards)
        == record.evaluation.metrics["latency_ms"][feasible].min()
    )
    assert problem.name == "mobilenetv2-asic"


def test_the_reward_counts_where_a_task_says_so(suite: Suite, tmp_path: Path) -> None:
    task = replace(suite.tasks["front"], counts="reward", zero=1.0, one=20.0, front=None)
    record = run(task.config("random", {}, "large", 3), tmp_path)
    assert task.value(record.evaluation, record.rewards) == record.reached
    assert task.score(10.5) == 0.5
    assert task.rising


def test_no_two_runs_of_a_task_share_a_seed(suite: Suite) -> None:
    task = suite.tasks["latency"]
    seeds = {task.config("random", {}, level, i).seed for level in LEVELS for i in range(10)}
    assert len(seeds) == 30


# -- what the suite is made of ---------------------------------------------------------------------


def test_a_changed_problem_is_refused_by_name(suite: Suite) -> None:
    task = suite.tasks["latency"]
    other = replace(task, specs=["area_mm2<=3"])
    with pytest.raises(InputError, match=r"task 'latency': problem 'mobilenetv2-asic'.*its specs"):
        other.pose()
    column = task.probe.metrics["latency_ms"]
    first = column[0]
    assert first is not None
    moved = replace(
        task,
        probe=Probe(task.probe.designs, {"latency_ms": [first * (1 + 1e-6), *column[1:]]}),
    )
    with pytest.raises(InputError, match=r"latency_ms of design \[.*was .* is "):
        moved.pose()


def test_a_suite_is_what_was_saved(suite: Suite, folder: Path) -> None:
    suite.save(folder / "again.json")
    again = Suite.load(str(folder / "again.json"))
    assert {n: t.digest for n, t in again.tasks.items()} == {
        n: t.digest for n, t in suite.tasks.items()
    }
    assert len({task.digest for task in suite.tasks.values()}) == 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"seeds": 3', '"seeds": 0'),
        ('"seeds": 3', '"seeds": "3"'),
        ('"budgets": [10, 20, 40]', '"budgets": [10, 20, -40]'),
        ('"budgets": [10, 20, 40]', '"budgets": 10'),
        ('"counts": "best"', '"counts": "worst"'),
    ],
)
def test_damaged_suites_are_refused(suite: Suite, tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "s.json"
    suite.save(path)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=r"s\.json is not a suite"):
        Suite.load(str(path))


@pytest.mark.parametrize("zero", [math.nan, math.inf, 1.0])
def test_a_task_without_a_scale_is_refused(suite: Suite, tmp_path: Path, zero: float) -> None:
    task = replace(suite.tasks["front"], zero=zero)
    Suite("s", 3, {"front": task}).save(tmp_path / "s.json")
    with pytest.raises(InputError, match=r"task 'front' has no scale"):
        Suite.load(str(tmp_path / "s.json"))


def test_a_digest_covers_all_that_a_score_depends_on(suite: Suite) -> None:
    task = suite.tasks["front"]
    front = [*(task.front or [])][1:]
    others = [replace(task, zero=0.1), replace(task, front=front), replace(task, budgets=[1, 2, 3])]
    assert len({each.digest for each in (task, *others)}) == 4
    assert replace(task, provenance={}).digest == task.digest


def test_a_frozen_task_is_not_worked_out_again(
    suite: Suite, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("codesign_gym.experiments.suite.freeze._truth", never)
    again = freeze(folder / "tiny.toml", folder / "frozen")
    assert [task.digest for task in again.tasks.values()] == [
        task.digest for task in suite.tasks.values()
    ]


def test_a_best_known_by_search_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codesign_gym.experiments.suite.freeze.LONG_BUDGET", 200)
    outline = tmp_path / "s.toml"
    outline.write_text(
        'version = "s"\nseeds = 2\n[tasks]\nmine = { problem = "mnist1d-asic", group = "network", '
        "budgets = [20, 30, 40], starts = 2 }\n"
    )
    (task,) = freeze(outline, tmp_path / "f").tasks.values()
    assert not task.exact
    assert "local search from 2 starts" in str(task.provenance)
    assert "nsga2: 2 seeds of 200 evaluations" in str(task.provenance)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("seeds = 3", "", "seeds must be given"),
        ("budgets = [3, 6, 12]", "budgets = [3, 6]", "budgets must be 3 rising numbers"),
        ("budgets = [3, 6, 12]", "budgets = 3", "budgets must be 3 rising .* got 3"),
        ("budgets = [3, 6, 12]", "budgets = [3, 12, 6]", "budgets must be 3 rising numbers"),
        ("budgets = [3, 6, 12]", "budgets = [0, 6, 12]", "budgets must be 3 rising numbers"),
        ("budgets = [3, 6, 12]", 'budgets = [3, 6, "x"]', "budgets must be 3 rising numbers"),
        ("group =", "starts = 0, group =", "tasks.network.starts must be at least 1, got 0"),
        ("seeds = 3", "seeds = -3", r"seeds must be in 1\.\.100, got -3"),
        ('group = "network"', 'kind = "network"', "tasks.network must have the keys"),
        ("budgets = [3, 6, 12]", "budgets = [1, 6, 12]", "find no feasible design"),
        ("budgets = [3, 6, 12]", "budgets = [60, 66, 70]", "give it a smaller budget"),
        ("accuracy_pct", "accuracy", "accuracy_pct"),
        (
            "group =",
            'counts = "area", group =',
            "unknown value that counts of task 'network' 'area'",
        ),
    ],
)
def test_outlines_that_cannot_be_scored(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in OUTLINE
    only = OUTLINE.replace(OUTLINE[OUTLINE.index("latency =") : OUTLINE.index("network =")], "")
    (tmp_path / "s.toml").write_text(only.replace(old, new))
    with pytest.raises(InputError, match=words):
        freeze(tmp_path / "s.toml", tmp_path / "f")


# -- scores ----------------------------------------------------------------------------------------


def test_the_score_is_the_mean_over_tasks_and_budgets(suite: Suite, result: Result) -> None:
    scores = result.scores(suite)
    assert len(scores) == 9
    every = np.array(list(scores.values()))
    whole = score(result, suite)
    assert whole is not None
    assert whole.mean == pytest.approx(every.mean())
    assert whole.low < whole.mean < whole.high
    assert middle(result, suite) == pytest.approx(float(iqm(every)))
    *groups, every_class = group_rows(result, suite)
    assert [row["class"] for row in groups] == ["accelerator", "network"]
    assert every_class["score"] == whole.mean
    network = np.array([v for (task, _), v in scores.items() if task == "network"])
    assert groups[1]["score"] == pytest.approx(network.mean())


def test_missing_runs_are_never_filled_in(suite: Suite, folder: Path) -> None:
    extent = Extent(3, ["small"], ["latency", "front"])
    part = run_suite(suite, "random", {}, extent, folder / "part")
    assert score(part, suite) is None
    assert score(part, suite, "accelerator", "small") is not None
    assert score(part, suite, level="small") is None
    assert profile(part, suite) is None
    assert part.missing(suite) == "small: network; medium: all; large: all"
    whole = made_up(suite, {name: task.zero for name, task in suite.tasks.items()})
    rows = ranked_rows([part, whole], suite, part)
    assert [row["agent"] for row in rows] == ["made-up", "random"]
    assert rows[1]["score"] is None
    found = improvement(part, whole, suite)
    assert found is not None  # over the runs that both have
    assert found[0] >= 0.5


def test_one_seed_has_no_interval(suite: Suite, folder: Path) -> None:
    alone = run_suite(suite, "genetic", {"population": 8}, Extent(1), folder / "genetic")
    found = score(alone, suite)
    assert found is not None
    assert 0 < found.mean < 1
    assert np.isnan([found.low, found.high]).all()


def test_profiles_and_improvement(suite: Suite) -> None:
    best = made_up(suite, {name: task.one for name, task in suite.tasks.items()})
    none = made_up(suite, {name: task.zero for name, task in suite.tasks.items()}, "none")
    curve = profile(best, suite)
    assert curve is not None
    assert all((part == 1).all() for part in curve)
    flat = profile(none, suite)
    assert flat is not None
    assert not flat[0].any()
    assert len(flat[0]) == len(TAUS)
    assert improvement(best, none, suite) == (1.0, 1.0, 1.0)
    assert [row["agent"] for row in ranked_rows([none, best], suite)] == ["made-up", "none"]


def test_more_than_the_best_known_scores_1_and_is_told(suite: Suite) -> None:
    values = {name: task.one for name, task in suite.tasks.items()}
    assert records_set(made_up(suite, values), suite) == []
    values["latency"] /= 2
    found = made_up(suite, values)
    assert score(found, suite) == (1.0, 1.0, 1.0)
    (row,) = records_set(found, suite)
    assert row["task"] == "latency"
    assert row["found"] == values["latency"]


# -- runs and files --------------------------------------------------------------------------------


def test_what_is_finished_is_not_run_again(
    suite: Suite, result: Result, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def spy(config: object, directory: Path) -> None:
        made.append(1)
        raise AssertionError

    monkeypatch.setattr("codesign_gym.experiments.sweep.run", spy)
    again = run_suite(suite, "genetic", {"population": 8}, Extent(3), folder / "genetic")
    assert again.outcomes == result.outcomes
    assert not made


def test_a_result_is_what_was_saved(suite: Suite, result: Result, tmp_path: Path) -> None:
    result.save(tmp_path / "r.json")
    again = Result.load(tmp_path / "r.json", suite)
    assert again.outcomes == result.outcomes
    assert again.label == "genetic (population=8)"
    assert score(again, suite) == score(result, suite)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"tiny"', '"v0"', "is a result of suite 'v0'"),
        ('"digest": "', '"digest": "0', "task 'latency' is not the one of suite 'tiny'"),
        ('"latency": {', '"delay": {', "task 'delay' is not the one"),
        ('"seeds": 3', '"seeds": 4', "damaged.*must have 4 runs"),
        ('"seeds": 3', '"seeds": 101', r"seeds must be in 1\.\.100, got 101"),
        ('"seeds": 3', '"seeds": 3.0', r"seeds must be in 1\.\.100, got 3\.0"),
        ('"note": ""', '"note": ' + "[" * 100_000, "damaged"),
        ('"small"', '"tiny"', "damaged"),
        ('"runs"', '"rums"', "damaged"),
        ("[[", "[[Infinity, ", "damaged"),
        ('"format": 1', '"format": 2', "newer"),
        ("}\n", "", "damaged"),
    ],
)
def test_damaged_results_are_refused(
    suite: Suite, result: Result, tmp_path: Path, old: str, new: str, words: str
) -> None:
    path = tmp_path / "r.json"
    result.save(path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1) if old != "}\n" else text.removesuffix("}\n"))
    with pytest.raises(InputError, match=words):
        Result.load(path, suite)


def test_repeated_runs_are_equal_and_false_ones_are_found(
    suite: Suite, result: Result, tmp_path: Path
) -> None:
    rows = rerun(suite, result, 4, 0, tmp_path / "a")
    assert len(rows) == 4
    assert all(row["equal"] for row in rows)
    value, designs = result.outcomes["network"]["small"][1].value, "0" * 12
    true = result.outcomes["network"]["small"][1]
    for false in (replace(true, designs=designs), replace(true, value=(value or 0) + 1e-9)):
        runs = [result.outcomes["network"]["small"][0], false]
        claimed = replace(result, outcomes={"network": {"small": runs}})
        rows = rerun(suite, claimed, 2, 0, tmp_path / "b")
        assert [row["equal"] for row in rows] == [True, False]


class Half(RandomAgent):
    """Cannot be made for several objectives, and raises where its seed is odd."""

    def __init__(self, statement: object, seed: int = 0, options: object = None) -> None:
        super().__init__(statement, seed, options)  # type: ignore[arg-type]  # as they came
        if len(self.statement.objectives) > 1:
            raise RuntimeError("one objective only")

    def ask(self, n: int) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
        if self.seed % 2:
            raise ZeroDivisionError("by nothing")
        return super().ask(n)


def test_the_program_of_an_agent_is_part_of_its_result(suite: Suite, tmp_path: Path) -> None:
    program = tmp_path / "agent.sh"
    program.write_text("exit 1\n")
    extent = Extent(1, ["small"], ["latency"])
    found = run_suite(suite, f"exec:sh {program}", {}, extent, tmp_path / "s")
    assert len(found.info["files"][str(program)]) == 64
    assert "ended with exit code 1" in found.failures[0]["error"]


def test_runs_that_fail_score_0_and_end_no_other(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codesign_gym.experiments.suite.run.agent_class", lambda name: Half)
    monkeypatch.setattr("codesign_gym.experiments.runner.agent_class", lambda name: Half)
    found = run_suite(suite, "half", {}, Extent(3), tmp_path / "s")
    front, cause = suite.tasks["front"].problem, "RuntimeError: one objective only"
    errors = [(row["task"], row["seed"], row["error"]) for row in found.failures]
    assert len(errors) == 9 + 2 * 3
    told = {error for task, _, error in errors if task == "front"}
    assert told == {f"agent 'half' cannot be made for problem {front!r}: {cause}"}
    assert ("latency", 1, "ZeroDivisionError: by nothing") in errors
    assert found.scores(suite)["latency", "large"][1] == 0
    assert found.scores(suite)["latency", "large"].max() > 0
    found.save(tmp_path / "r.json")
    assert Result.load(tmp_path / "r.json", suite).failures == found.failures


def test_the_shipped_version_is_its_outline() -> None:
    shipped = Suite.load()
    assert len(shipped.tasks) >= 12
    assert shipped.seeds >= 10
    for task in shipped.tasks.values():
        task.pose()
        assert list(task.budgets) == sorted(set(task.budgets))
        assert task.score(task.zero) == 0 < task.score(task.one) == 1
    sizes = [task.designs for task in shipped.tasks.values()]
    assert max(sizes) > 1e20
    several = [task for task in shipped.tasks.values() if task.counts == "front"]
    assert 4 <= len(several) <= len(shipped.tasks) - 4


def test_an_unknown_task_is_told(suite: Suite) -> None:
    with pytest.raises(InputError, match="unknown task 'fron'; did you mean 'front'"):
        suite.picked(["fron"])
