"""The report: whole, self-contained, escaped, and readable for every kind of run."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.envs import DesignProblem, Evaluation, Spec, make_problem
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.report import write_report
from codesign_gym.experiments.report.curves import Steps, hypervolume_steps, reward_steps
from codesign_gym.experiments.report.parameters import eta_squared, importance_rows
from codesign_gym.experiments.report.study import Study
from codesign_gym.search_spaces import (
    Categorical,
    Condition,
    Designs,
    InputError,
    Ordinal,
    SearchSpace,
)

SECTIONS = [
    "convergence",
    "front",
    "hypervolume",
    "parallel",
    "importance",
    "designs",
    "provenance",
]
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Tags with attributes, text outside scripts, and the figures of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.figures: list[dict[str, Any]] = []
        self._data = ""
        self.html = path.read_text(encoding="utf-8")
        self.feed(self.html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        self._data = ""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "script" and self.tags[-1][1].get("class") == "figure":
            self.figures.append(json.loads(self._data))

    def handle_data(self, data: str) -> None:
        self._data += data
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data

    def ids(self) -> list[str | None]:
        return [attributes["id"] for tag, attributes in self.tags if tag == "section"]


def record(
    problem: DesignProblem,
    n: int = 80,
    agent: str = "random",
    seed: int = 0,
    budget: int = 0,
    **options: Any,
) -> RunRecord:
    """A run of random designs."""
    designs = problem.space.sample(n, np.random.default_rng(seed))
    return of_evaluation(problem, problem.evaluate(designs), agent, seed, budget, **options)


def of_evaluation(
    problem: DesignProblem,
    evaluation: Evaluation,
    agent: str = "random",
    seed: int = 0,
    budget: int = 0,
    **options: Any,
) -> RunRecord:
    n = len(evaluation)
    config = RunConfig(problem.name, agent, budget or max(n, 1), seed, options)
    return RunRecord(
        config=config,
        space=problem.space,
        objectives=problem.objectives,
        specs=problem.specs,
        evaluation=evaluation,
        rewards=problem.reward(evaluation),
        finished=n >= config.budget,
        command=f"codesign run --problem {problem.name} --agent {agent} --seed {seed}",
        info={"versions": {"numpy": "2.4.6"}, "started": f"2026-01-0{seed + 1}"},
        spent=np.arange(1, n + 1),
    )


def page(records: Sequence[RunRecord], folder: Path, title: str = "") -> Page:
    write_report(records, folder / "report.html", title)
    assert [file.name for file in folder.iterdir()] == ["report.html"]  # nothing temporary
    return Page(folder / "report.html")


@pytest.fixture(scope="module")
def problem() -> DesignProblem:
    objectives = ["energy_uj", "latency_ms"]
    return make_problem("resnet18-asic", specs=["area_mm2<=6"], objectives=objectives)


def test_a_study_has_every_section_and_loads_nothing(
    problem: DesignProblem, tmp_path: Path
) -> None:
    runs = [record(problem, agent=a, seed=s) for a in ("random", "evolution") for s in range(3)]
    got = page(runs, tmp_path, "Two agents & a chip")
    place = SECTIONS.index("parallel")
    assert got.ids() == [*SECTIONS[:place], "agents", *SECTIONS[place:]]
    assert "Two agents & a chip" in got.text
    for tag, attributes in got.tags:
        assert "src" not in attributes
        assert tag not in ("link", "iframe", "img", "object", "embed", "base")
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\(|@import", got.html.split("</style>")[0])
    assert got.html.count("plotly.js v") == 1
    assert "default-src 'none'" in got.html
    assert "showSendToCloud: false" in got.html  # plotly.js offers to upload the data otherwise
    for run in runs:
        assert run.command in got.text
    assert len(got.html) < 7_000_000


def test_headings_and_tables_are_accessible(problem: DesignProblem, tmp_path: Path) -> None:
    got = page([record(problem)], tmp_path)
    tags = [tag for tag, _ in got.tags]
    assert tags.count("h1") == tags.count("main") == tags.count("header") == 1
    assert tags.count("h2") == len(SECTIONS)
    assert tags.count("caption") == tags.count("table")
    scopes = [a.get("scope") for tag, a in got.tags if tag == "th"]
    assert scopes
    assert all(scopes)
    assert all(a.get("aria-label") for _, a in got.tags if a.get("class") == "plot")


def test_the_summary_and_the_table_tell_the_best_design(
    problem: DesignProblem, tmp_path: Path
) -> None:
    run = record(problem, n=200)
    got = page([run], tmp_path)
    feasible = run.evaluation.feasible
    best = int(np.argmax(np.where(feasible, run.rewards, -np.inf)))
    area = run.evaluation.metrics["area_mm2"][best]
    assert f"{area:.3f} of 6 mm²" in got.text
    assert f"{len(run.pareto):,}" in got.text
    assert "µJ" in got.text
    assert "The run is unfinished" not in got.text


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_three_seeds_make_a_band_and_fewer_make_lines(
    problem: DesignProblem, tmp_path: Path, seeds: int
) -> None:
    got = page([record(problem, seed=s) for s in range(seeds)], tmp_path)
    traces = got.figures[0]["data"]
    assert len(traces) == 3 if seeds >= 3 else seeds
    assert any(t.get("fill") == "tonexty" for t in traces) == (seeds >= 3)
    assert ("bootstrap interval of that mean" in got.text) == (seeds >= 3)


@pytest.mark.parametrize(
    "objectives",
    [("energy_uj",), ("utilization_pct", "energy_uj"), ("energy_uj", "latency_ms", "dram_mb")],
)
def test_one_two_and_three_objectives(
    problem: DesignProblem, tmp_path: Path, objectives: tuple[str, ...]
) -> None:
    changed = replace(problem, objective_names=objectives)
    got = page([record(changed, seed=s) for s in range(3)], tmp_path)
    m = len(objectives)
    assert got.ids() == [s for s in SECTIONS if m > 1 or s != "hypervolume"]
    assert len(got.figures) >= {1: 4, 2: 5, 3: 7}[m]


@pytest.mark.parametrize("n", [1, 2, 40])
def test_no_feasible_design(problem: DesignProblem, tmp_path: Path, n: int) -> None:
    tight = problem.with_specs((Spec("area_mm2", "<=", 1e-3), Spec("latency_ms", "<=", 1.0)))
    got = page([record(tight, n=n, budget=100), record(tight, n=n, seed=1)], tmp_path)
    assert got.ids() == SECTIONS
    assert "No feasible design was found." in got.text
    assert "1 of 2 runs are unfinished" in got.text
    assert f"{n:,} of 100 evaluations" in got.text
    assert "least total violation" in got.text


def test_a_single_evaluation(problem: DesignProblem, tmp_path: Path) -> None:
    got = page([record(problem.with_specs(()), n=1)], tmp_path)
    assert got.ids() == SECTIONS
    assert "none set" in got.text


def test_a_run_without_evaluations_is_told_of(problem: DesignProblem, tmp_path: Path) -> None:
    got = page([record(problem), record(problem, n=0, seed=1, budget=9)], tmp_path)
    assert "1 of 2 runs are unfinished" in got.text


def test_invalid_and_unmeasured_designs(problem: DesignProblem, tmp_path: Path) -> None:
    evaluation = record(problem, n=60).evaluation
    values = evaluation.metrics.values_matrix.copy()
    values[10:20, 0] = np.inf  # not measured
    for share in (0.5, 1.0):
        invalid = {"too <small>": np.arange(60) >= 60 * (1 - share)}
        metrics = Metrics(evaluation.metrics.metrics, values, invalid)
        run = of_evaluation(problem, problem.assess(evaluation.designs, metrics))
        folder = tmp_path / str(share)
        folder.mkdir()
        got = page([run], folder)
        assert got.ids() == SECTIONS
        assert f"{100 * share:g} % are invalid (too <small>)" in got.text
        assert "Infinity" not in json.dumps(got.figures)
        assert "NaN" not in json.dumps(got.figures)


class Toy:
    """A cost model of a space with hostile names and an inactive parameter."""

    expensive = False
    hostile = "</script><script>alert(1)</script>"
    space = SearchSpace(
        "toy",
        (
            Categorical("kind", (hostile, "plain", "%{x}")),
            Ordinal("size", (1, 2, 4), unit="<b>&", active_when=(Condition("kind", ["plain"]),)),
            Categorical("flag", (True, False)),
        ),
    )
    metrics = (Metric("cost_j", "<i>", "min"), Metric("gain", "", "max"))

    def compute(self, designs: Designs) -> Metrics:
        cost = 1.0 + designs @ np.array([3.0, 1.0, 0.5])
        return Metrics(self.metrics, np.stack([cost, -((cost - 3) ** 2)], axis=1))


def test_hostile_names_and_values_are_escaped(tmp_path: Path) -> None:
    problem = DesignProblem(
        name="<script>alert(2)</script>",
        space=Toy.space,
        models=(Toy(),),  # type: ignore[arg-type]
        objective_names=("cost_j", "gain"),
        specs=(Spec("cost_j", "<=", 7.0),),
        reward=lambda evaluation: -evaluation.objectives[:, 0],
    )
    runs = [record(problem, agent="<img src=x>", seed=s, trick="<svg onload=1>") for s in range(2)]
    runs.append(record(problem, agent="<img src=x>", seed=2, trick="'\"><b>"))
    got = page(runs, tmp_path, "<script>alert(3)</script>")
    scripts = [a for tag, a in got.tags if tag == "script"]
    assert len(scripts) == len(got.figures) + 2
    assert not {tag for tag, _ in got.tags} & {"img", "svg", "b", "i"}
    assert Toy.hostile in got.text
    assert "<script>alert(3)</script>" in got.text
    assert "alert(1)</script" not in got.html
    assert "unused" in got.text
    shown = json.dumps([f for f in got.figures if f["data"][0]["type"] == "scatter"])
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_agents_are_told_apart_by_the_options_that_differ(problem: DesignProblem) -> None:
    runs = [record(problem, n=5, agent="ga", rate=r, size=8) for r in (0.1, 0.2)]
    study = Study.of([*runs, record(problem, n=5)])
    assert study.agents == ("ga (rate=0.1)", "ga (rate=0.2)", "random")


def test_different_problems_and_nothing_at_all_are_refused(problem: DesignProblem) -> None:
    one = record(problem, n=3)
    with pytest.raises(InputError, match="at least one run"):
        Study.of([])
    with pytest.raises(InputError, match="at least one evaluation"):
        Study.of([record(problem, n=0)])
    with pytest.raises(InputError, match="problem differs: 'resnet18-asic' and 'mobilenetv2-asic'"):
        Study.of([one, record(make_problem("mobilenetv2-asic"), n=3)])
    with pytest.raises(InputError, match="specs differs: 'area_mm2<=6' and ''"):
        Study.of([one, record(problem.with_specs(()), n=3)])


def test_a_failed_write_leaves_the_old_page(
    problem: DesignProblem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report([record(problem, n=3)], path)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_reward_steps_follow_the_best_feasible_reward(problem: DesignProblem) -> None:
    run = record(problem, n=300)
    (steps,) = reward_steps(Study.of([run]))
    best = np.maximum.accumulate(np.where(run.evaluation.feasible, run.rewards, -np.inf))
    expected = np.where(np.isfinite(best), best, np.nan)
    np.testing.assert_array_equal(steps.at(np.arange(1, 301)), expected)


def test_steps_before_the_first_are_unknown() -> None:
    steps = Steps(np.array([3, 5]), np.array([1.0, 2.0]))
    assert steps.at(np.array([2, 3, 4, 9])).tolist()[1:] == [1.0, 1.0, 2.0]
    assert np.isnan(steps.at(np.array([2])))


def test_long_runs_are_thinned(problem: DesignProblem) -> None:
    evaluation = record(problem, n=5000).evaluation
    run = replace(of_evaluation(problem, evaluation), rewards=np.arange(5000.0))
    (steps,) = reward_steps(Study.of([run]))
    assert len(steps.x) <= 1000
    assert steps.x[-1] == 5000
    assert steps.y[-1] == np.flatnonzero(evaluation.feasible)[-1]


def test_hypervolume_equals_the_area_of_a_grid(problem: DesignProblem) -> None:
    runs = [record(problem, n=60, seed=s) for s in range(2)]
    study = Study.of(runs)
    logs = [np.log(run.evaluation.objectives[run.evaluation.feasible]) for run in runs]
    low, high = np.concatenate(logs).min(axis=0), np.concatenate(logs).max(axis=0)
    assert study.log == (True, True)
    ticks = 1.1 * (np.arange(400) + 0.5) / 400
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 1, 2)
    for steps, points in zip(hypervolume_steps(study), logs, strict=True):
        scaled = (points - low) / (high - low)
        share = (scaled <= grid).all(axis=2).any(axis=1).mean()
        assert steps.y[-1] == pytest.approx(share, abs=0.005)
        assert (np.diff(steps.y) >= 0).all()
        assert steps.x[-1] == 60


def test_importance_equals_the_sums_of_squares_written_out(problem: DesignProblem) -> None:
    designs = problem.space.sample(150, np.random.default_rng(0))
    y = np.random.default_rng(1).normal(size=150) + designs[:, 0]
    got = eta_squared(problem.space, designs, y)
    total = ((y - y.mean()) ** 2).sum()
    for column in range(len(problem.space)):
        between = 0.0
        for choice in set(designs[:, column].tolist()):
            group = y[designs[:, column] == choice]
            between += len(group) * (group.mean() - y.mean()) ** 2
        assert got[column] == pytest.approx(between / total)
    assert got.argmax() == 0


def test_importance_counts_a_parameter_where_it_is_active() -> None:
    designs = Toy.space.enumerate()
    on = designs[:, 0] == 1
    y = np.where(on, designs[:, 1], 5.0)
    share = eta_squared(Toy.space, designs, y)[1]
    total = ((y - y.mean()) ** 2).sum()
    assert share == pytest.approx(((y[on] - y[on].mean()) ** 2).sum() / total)
    assert eta_squared(Toy.space, designs, np.full(len(designs), 3.0)).tolist() == [0, 0, 0]


def test_importance_leaves_out_repeated_and_infeasible_designs(problem: DesignProblem) -> None:
    run = record(problem, n=200)
    twice = Study.of([run, replace(run, config=replace(run.config, seed=9))])
    rows, feasible = importance_rows(twice)
    assert feasible
    assert len(rows) == len(np.unique(run.evaluation.designs[run.evaluation.feasible], axis=0))
