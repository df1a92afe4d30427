"""The runs of NASAIC's comparison, each kept in a file so that none is made twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.workers import each
from codesign_gym.envs import DesignProblem, Evaluation
from codesign_gym.experiments import runner
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.reproduce import nasaic
from codesign_gym.experiments.reproduce.finding import Settings
from codesign_gym.experiments.reproduce.nasaic import APPROACHES, check_size, measured
from codesign_gym.experiments.reproduce.pieces import code_of, read_piece, write_piece

CHIP_METRICS = ("latency_ms", "energy_uj", "area_mm2")
CLOUD = 300
"""Explored designs of a run that are kept to be drawn."""


@dataclass(frozen=True)
class Run:
    """What to do.

    Attributes:
        problem: Name of the problem.
        approach: One of `APPROACHES`.
        agent: Agent of the guided searches.
        budget: Evaluations.
        seed: Seed of the searches.
        cloud: Whether explored designs are to be kept.
    """

    problem: str
    approach: str
    agent: str
    budget: int
    seed: int
    cloud: bool


@dataclass(frozen=True)
class Outcome:
    """What came out, as plain data.

    Attributes:
        design: Choices of the design that the approach ends with.
        metrics: Its metrics, accuracies included.
        feasible: Whether it keeps all specs.
        front: Explored designs that keep the specs and of which none beats another in everything:
            mean accuracy, then `CHIP_METRICS`; of co-exploration alone.
        cloud: Explored designs: the same and whether they keep the specs, 1 or 0.
    """

    design: list[int]
    metrics: dict[str, float]
    feasible: bool
    front: list[list[float]]
    cloud: list[list[float]]


def problem_of(name: str) -> DesignProblem:
    """A problem of the study; a process makes it once."""
    return runner.problem_of(RunConfig(name, agent=""))


def accuracy_names(problem: DesignProblem) -> list[str]:
    """The accuracies of both tasks."""
    return [metric.name for metric in problem.objectives]


def mean_accuracy(problem: DesignProblem, evaluation: Evaluation) -> NDArray[np.float64]:
    """The mean of both accuracies, ``[n]``."""
    columns = [evaluation.metrics[name] for name in accuracy_names(problem)]
    return np.asarray(np.mean(columns, axis=0))


def carry_out(run: Run) -> Outcome:
    """Do a run."""
    problem = problem_of(run.problem)
    found = APPROACHES[run.approach](problem, run.agent, run.budget, run.seed)
    last = measured(problem, found.design)
    front, cloud = [], []
    together = run.approach == "co-exploration"
    if run.cloud or together:
        explored = found.explored
        if not together:
            drawn = np.random.default_rng(run.seed).permutation(len(explored))
            explored = explored[np.sort(drawn[:CLOUD])]
        evaluation = measured(problem, explored)
        points = np.stack(
            [mean_accuracy(problem, evaluation), *[evaluation.metrics[m] for m in CHIP_METRICS]],
            axis=1,
        )
        feasible = evaluation.feasible
        if together:
            front = _front(points[feasible])
        if run.cloud:
            step = -(-len(points) // CLOUD)
            cloud = np.column_stack([points, feasible])[::step].tolist()
    return Outcome(
        design=found.design[0].tolist(),
        metrics={name: float(column[0]) for name, column in last.metrics.items()},
        feasible=bool(last.feasible[0]),
        front=front,
        cloud=cloud,
    )


def _front(points: NDArray[np.float64]) -> list[list[float]]:
    """The points that none other beats in everything; the first column is to be large."""
    if not len(points):
        return []
    from moocore import is_nondominated

    kept = is_nondominated(points * [-1, 1, 1, 1], keep_weakly=False)
    front: list[list[float]] = points[np.asarray(kept, dtype=np.bool_)].tolist()
    return front


def all_runs(settings: Settings, problems: Sequence[str], agent: str) -> dict[Run, Outcome]:
    """The outcomes of every approach on every problem with seeds 0, 1, ...; seed 0 has a cloud.

    Those in the directory's ``runs`` are read; each further one is written as soon as it is done.
    """
    check_size(settings.budget, settings.seeds)
    runs = [
        Run(problem, approach, agent, settings.budget, seed, cloud=seed == 0)
        for problem in problems
        for approach in APPROACHES
        for seed in range(settings.seeds)
    ]
    outcomes = {run: kept for run in runs if (kept := _read(settings.directory, run)) is not None}
    missing = [run for run in runs if run not in outcomes]
    settings.progress(len(outcomes), len(runs))
    for i, outcome in each(carry_out, [(run,) for run in missing], settings.jobs):
        run = missing[i]
        outcomes[run] = outcome
        write_piece(_path(settings.directory, run), _made_with(run), asdict(outcome))
        settings.progress(len(outcomes), len(runs))
    return {run: outcomes[run] for run in runs}


def _made_with(run: Run) -> dict[str, Any]:
    """All that an outcome depends on, as it is written."""
    problem = problem_of(run.problem)
    return asdict(run) | {
        "approaches": code_of(nasaic),
        "inputs": runner.inputs_of(RunConfig(run.problem, run.agent), problem),
        "space": problem.space.digest,
        "specs": [str(spec) for spec in problem.specs],
    }


def _path(directory: Path, run: Run) -> Path:
    return directory / "runs" / f"{run.problem}_{run.approach}_{run.budget}_{run.seed}.json"


def _read(directory: Path, run: Run) -> Outcome | None:
    """The outcome that was written for exactly this run, if any."""
    kept = read_piece(_path(directory, run), _made_with(run))
    names = {field.name for field in fields(Outcome)}
    return Outcome(**kept) if isinstance(kept, dict) and kept.keys() == names else None
