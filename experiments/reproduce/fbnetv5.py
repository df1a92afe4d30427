"""FBNetV5 on tables of several tasks: one run for all of them against a run for each.

Wu et al., "FBNetV5: Neural Architecture Search for Multiple Tasks in One Run" (arXiv 2111.10007),
find networks for classification, segmentation and detection in one search whose cost does not grow
with the number of tasks, each as good as, or better than, what was known for its task. Here every
network of a benchmark has been trained on every task, so that what a search finds has a place among
all of them: TransNAS-Bench-101 (Duan et al., CVPR 2021), and our own three tasks. The last part
trains: one supernet with the heads of all three against one for each, see `fbnetv5_supernet`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.accuracy.csv_columns import data_file
from codesign_gym.cost_models.measured.table import MeasuredTable
from codesign_gym.envs import DesignProblem, Evaluator, make_problem
from codesign_gym.envs.rewards import MeanQuantile
from codesign_gym.experiments.reproduce.fbnetv5_supernet import (
    MOST_SEEDS,
    shares_drawing,
    trained_claims,
    trained_drawing,
    trained_rows,
    trained_searches,
    trained_steps,
)
from codesign_gym.experiments.reproduce.finding import Claim, Drawing, Finding, Row, Settings
from codesign_gym.experiments.statistics import FloatArray, share_better
from codesign_gym.search import Agent, make_agent
from codesign_gym.search.agents.fbnetv5 import FbNetV5
from codesign_gym.search_spaces import Designs, InputError

SOURCE = "FBNetV5, Wu et al., arXiv 2111.10007"
OWN = "nas201-mnist1d-tasks"
TRANSNAS = "transnas101_micro_4096.csv.gz"
COLUMNS = (
    "class_scene", "class_object", "room_layout", "jigsaw", "segmentsemantic", "normal",
    "autoencoder",
)  # fmt: skip

MULTI, SINGLE, EVOLUTION = "one run", "a run each", "evolution each"
SINGLE_SHARE, EVOLUTION_SHARE = "a run each, equal cost", "evolution each, equal cost"
RANDOM = "random, one run"
ARMS = (MULTI, SINGLE, EVOLUTION, SINGLE_SHARE, EVOLUTION_SHARE, RANDOM)
"""Ways to search: for all tasks at once, or for each alone with as many evaluations each, or
altogether."""


@dataclass(frozen=True, eq=False)
class Bench:
    """A benchmark of several tasks.

    Attributes:
        title: What it is called here.
        problem: All tasks as objectives.
        values: Scores of its measured designs, more is better, ``[w, t]``.
        share: Share of the space's designs that is measured.
        budget: Evaluations of a search, in which as many measured designs are met, if drawn by
            chance, as on a benchmark that is measured entirely.
    """

    title: str
    problem: DesignProblem
    values: FloatArray
    share: float
    budget: int

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, by what is measured."""
        return self.problem.objective_names

    @property
    def options(self) -> dict[str, Any]:
        """Of the agent: where measurements are missing, their lack says nothing of a design."""
        return {} if self.share == 1 else {"penalty": 0.0}

    def alone(self, task: int) -> DesignProblem:
        """The problem of one task."""
        name = self.tasks[task]
        steps = np.quantile(self.values[:, task], np.linspace(0, 1, 101))
        own = np.sort(-self._sign[task] * steps)
        reward = MeanQuantile({name: tuple(own.tolist())})
        return replace(self.problem, objective_names=(name,), reward=reward)

    @property
    def _sign(self) -> FloatArray:
        return np.array([metric.sign for metric in self.problem.objectives], dtype=np.float64)

    def scores(self, designs: Designs) -> FloatArray:
        """Scores of designs, more is better, ``[n, t]``; NaN where they are not measured."""
        evaluation = self.problem.evaluate(designs)
        return np.where(evaluation.metrics.valid[:, None], -evaluation.objectives, np.nan)

    def better(self, scores: FloatArray) -> FloatArray:
        """The share of the measured designs that is better, ``[..., t]``, in percent."""
        return np.stack(
            [
                share_better(self.values[:, task], scores[..., task])
                for task in range(len(self.tasks))
            ],
            axis=-1,
        )


def benches(budget: int, columns: Sequence[str] = COLUMNS) -> tuple[list[Bench], list[str]]:
    """The benchmarks that are there, and what is missing of the others."""
    found, skipped = [_bench("own tasks", make_problem(OWN), budget)], []
    try:
        data_file(TRANSNAS)
    except InputError as missing:
        skipped.append(f"TransNAS-Bench-101 was skipped: {missing}")
    else:
        problem = make_problem(f"{TRANSNAS}#{','.join(columns)}")
        found.insert(0, _bench("TransNAS-Bench-101", problem, budget))
    return found, skipped


def _bench(title: str, problem: DesignProblem, budget: int) -> Bench:
    everything = problem.evaluate(problem.space.enumerate())
    valid = everything.metrics.valid
    share = float(valid.mean())
    # Looked up at once in place of task by task: the same figures, in less time.
    known = MeasuredTable(
        problem.space,
        everything.designs[valid],
        everything.metrics.metrics,
        everything.metrics.values_matrix[valid],
        problem.source,
    )
    problem = replace(problem, models=(known,))
    return Bench(title, problem, -everything.objectives[valid], share, ceil(budget / share))


def study(settings: Settings, columns: Sequence[str] = COLUMNS, **trained: Any) -> Finding:
    """Search all benchmarks in all ways; what is found for each task, and what it costs.

    Args:
        settings: How large it is to be.
        columns: Tasks of TransNAS-Bench-101.
        **trained: Arguments of `trained_searches`, the part with weights that train.
    """
    if settings.seeds < 2:
        raise InputError(f"seeds must be at least 2, to have a spread, got {settings.seeds}")
    there, skipped = benches(settings.budget, columns)
    tabled = settings.seeds * sum(2 + 4 * len(bench.tasks) for bench in there)
    total = tabled + trained_steps(settings.seeds)
    claims: list[Claim] = []
    tables: dict[str, Sequence[Row]] = {}
    drawings = []
    done = 0
    for bench in there:
        found: dict[str, list[FloatArray]] = {arm: [] for arm in ARMS}
        modes: dict[str, list[FloatArray]] = {arm: [] for arm in (MULTI, SINGLE)}
        for seed in range(settings.seeds):
            for arm, best, mode, runs in _searches(bench, seed):
                # A search that met no measured design is as bad as can be.
                found[arm].append(np.maximum(best, bench.values.min(axis=0)))
                if mode is not None:
                    modes[arm].append(mode)
                done += runs
                settings.progress(done, total)
        best_of = {arm: np.array(values) for arm, values in found.items()}
        mode_of = {arm: np.array(values) for arm, values in modes.items()}
        claims += _claims(bench, best_of, mode_of)
        of = f"{bench.title}, {bench.budget} evaluations a run"
        tables[f"{of}: best score found"] = _score_rows(bench, best_of)
        tables[f"{of}: designs that are better, %"] = _share_rows(bench, best_of)
        tables[f"{of}: the likeliest design of each task"] = _mode_rows(bench, mode_of)
        tables[f"{of}: rank correlation of the tasks (Kendall's tau)"] = _tau_rows(bench)
        drawings.append(_drawing(bench, best_of))
    summary = [claim.measured for claim in claims[::4]]
    found_trained = trained_searches(
        settings, lambda more: settings.progress(tabled + more, total), **trained
    )
    claims += trained_claims(found_trained)
    tables["own tasks, weights that train: what was found, trained afresh"] = trained_rows(
        found_trained
    )
    drawings.append(trained_drawing(found_trained))
    summary.append(f"With weights that train: {claims[-3].measured}")
    return Finding(
        title="Several tasks searched in one run",
        source=SOURCE,
        summary=" ".join([*(f"{text}." for text in summary), *skipped]),
        claims=claims,
        tables=tables,
        drawings=drawings,
        settings={
            "seeds": settings.seeds,
            "seeds of searches that train": min(settings.seeds, MOST_SEEDS),
            "measured designs of a run": settings.budget,
            "benchmarks": [bench.title for bench in there],
            "share of the designs that is measured": {b.title: b.share for b in there},
            "skipped": skipped,
        },
    )


def _searches(bench: Bench, seed: int) -> Iterator[tuple[str, FloatArray, FloatArray | None, int]]:
    """Arm, the best score for each task ``[t]``, that of the likeliest design, number of runs."""
    tasks = range(len(bench.tasks))
    share = max(1, bench.budget // len(bench.tasks))
    multi, best = _run(bench.problem, "fbnetv5", bench.budget, seed, bench.options)
    assert isinstance(multi, FbNetV5)
    yield MULTI, best, np.diag(bench.scores(multi.modes())).copy(), 1
    _, best = _run(bench.problem, "random", bench.budget, seed)
    yield RANDOM, best, None, 1
    for arm, name, budget in (
        (SINGLE, "fbnetv5", bench.budget),
        (EVOLUTION, "regularized-evolution", bench.budget),
        (SINGLE_SHARE, "fbnetv5", share),
        (EVOLUTION_SHARE, "regularized-evolution", share),
    ):
        options = bench.options if name == "fbnetv5" else {}
        agents, scores = zip(
            *(_run(bench.alone(task), name, budget, seed, options) for task in tasks), strict=True
        )
        likeliest = None
        if arm == SINGLE:
            modes = np.concatenate([agent.modes() for agent in agents])
            likeliest = np.diag(bench.scores(modes)).copy()
        yield arm, np.concatenate(scores), likeliest, len(tasks)


def _run(
    problem: DesignProblem, name: str, budget: int, seed: int, options: Mapping[str, Any] = {}
) -> tuple[Agent, FloatArray]:
    """An agent after its search, and the best score that it saw of each objective, ``[t]``."""
    agent, evaluator = make_agent(name, problem, seed, **options), Evaluator(problem, budget)
    agent.search(evaluator)
    history = evaluator.history
    assert history is not None
    scores = np.where(history.metrics.valid[:, None], -history.objectives, -np.inf)
    return agent, scores.max(axis=0)


def _spread(values: FloatArray) -> FloatArray:
    """Standard deviation over the seeds, ``[s, t] -> [t]``."""
    deviation: FloatArray = values.std(axis=0, ddof=1)
    return deviation


def _as_good(ours: FloatArray, theirs: FloatArray) -> NDArray[np.bool_]:
    """For which tasks the mean of ours is no more than a spread of theirs below it, ``[t]``."""
    kept: NDArray[np.bool_] = ours.mean(axis=0) >= theirs.mean(axis=0) - _spread(theirs) - 1e-12
    return kept


def _claims(bench: Bench, best: dict[str, FloatArray], modes: dict[str, FloatArray]) -> list[Claim]:
    t = len(bench.tasks)
    good = _as_good(best[MULTI], best[SINGLE])
    shares = {arm: bench.better(values).mean(axis=0) for arm, values in best.items()}
    mean = {arm: f"{float(values.mean()):.2f} %" for arm, values in shares.items()}
    likely = {arm: bench.better(np.nan_to_num(v, nan=-np.inf)) for arm, v in modes.items()}
    near = likely[MULTI].mean(0) <= likely[SINGLE].mean(0) + _spread(likely[SINGLE])
    as_evolution = _as_good(best[MULTI], best[EVOLUTION])
    return [
        Claim(
            f"{bench.title}: one run finds for each task what a run for it alone finds, within the "
            f"seeds' spread, at 1/{t} of the evaluations",
            "one search for three tasks, its cost independent of their number",
            f"{bench.title}: as good for {good.sum()} of {t} tasks with {bench.budget} evaluations "
            f"against {t} x {bench.budget}; {mean[MULTI]} of the networks are better than what is "
            f"found, {mean[SINGLE]} for a run each",
            bool(good.all()),
        ),
        Claim(
            f"{bench.title}: and the likeliest design of each task's distribution is as good",
            "networks are drawn from the distributions at the end",
            _likely_text(bench, modes, likely, int(near.sum())),
            bool(near.all()) if bench.share == 1 else None,
        ),
        Claim(
            f"{bench.title}: as good as evolution for each task, at 1/{t} of the evaluations",
            "not stated",
            f"for {as_evolution.sum()} of {t} tasks; better than its finds are {mean[EVOLUTION]}",
            bool(as_evolution.all()),
        ),
        Claim(
            f"{bench.title}: better than other searches of the same total cost",
            "not stated",
            f"{mean[MULTI]} of the networks are better than what is found; {mean[SINGLE_SHARE]} "
            f"for a run each of {max(1, bench.budget // t)} evaluations, {mean[EVOLUTION_SHARE]} "
            f"for evolution, {mean[RANDOM]} for random search",
            all(
                shares[MULTI].mean() < shares[arm].mean()
                for arm in (SINGLE_SHARE, EVOLUTION_SHARE, RANDOM)
            ),
        ),
    ]


def _likely_text(
    bench: Bench, modes: dict[str, FloatArray], likely: dict[str, FloatArray], near: int
) -> str:
    if bench.share < 1:
        known = {arm: float(np.isfinite(values).mean() * 100) for arm, values in modes.items()}
        return (
            f"measured in {known[MULTI]:.0f} % of the cases, {known[SINGLE]:.0f} % for a run each: "
            "too few to compare"
        )
    return (
        f"as good for {near} of {len(bench.tasks)} tasks; better than it are "
        f"{likely[MULTI].mean():.1f} % of the networks, {likely[SINGLE].mean():.1f} % for a run "
        "each"
    )


def _score_rows(bench: Bench, best: dict[str, FloatArray]) -> list[Row]:
    good = _as_good(best[MULTI], best[SINGLE])
    return [
        {
            "task": metric.name,
            "optimum": float(bench.values[:, task].max()),
            **{arm: float(values[:, task].mean()) for arm, values in best.items()},
            "deviation of one run": float(_spread(best[MULTI])[task]),
            "of a run each": float(_spread(best[SINGLE])[task]),
            "as good": "yes" if good[task] else "no",
        }
        for task, metric in enumerate(bench.problem.objectives)
    ]


def _share_rows(bench: Bench, best: dict[str, FloatArray]) -> list[Row]:
    shares = {arm: bench.better(values).mean(axis=0) for arm, values in best.items()}
    rows: list[Row] = [
        {"task": name, **{arm: float(values[task]) for arm, values in shares.items()}}
        for task, name in enumerate(bench.tasks)
    ]
    return [*rows, {"task": "mean", **{arm: float(v.mean()) for arm, v in shares.items()}}]


def _mode_rows(bench: Bench, modes: dict[str, FloatArray]) -> list[Row]:
    likely = {arm: bench.better(np.nan_to_num(v, nan=-np.inf)) for arm, v in modes.items()}
    return [
        {
            "task": name,
            **{f"better, %: {arm}": float(v[:, task].mean()) for arm, v in likely.items()},
            "deviation of a run each": float(_spread(likely[SINGLE])[task]),
            **{
                f"measured, %: {arm}": float(np.isfinite(v[:, task]).mean() * 100)
                for arm, v in modes.items()
            },
        }
        for task, name in enumerate(bench.tasks)
    ]


def _tau_rows(bench: Bench) -> list[Row]:
    from scipy.stats import kendalltau

    columns = bench.values.T
    return [
        {
            "task": name,
            **{
                other: float(kendalltau(columns[a], columns[b]).statistic)
                for b, other in enumerate(bench.tasks)
            },
        }
        for a, name in enumerate(bench.tasks)
    ]


def _drawing(bench: Bench, best: dict[str, FloatArray]) -> Drawing:
    return shares_drawing(
        bench.title,
        "How many of the measured networks are better than what each search found for a task, over "
        "the seeds; 0 is the best of all.",
        bench.tasks,
        {arm: bench.better(values) for arm, values in best.items()},
    )
