"""Making a version of the suite out of an outline: the two ends of every task's scale.

The outline, a TOML file, has ``version``, ``seeds`` and a table ``tasks``: name -> ``problem``,
``group``, ``budgets``; in place of the problem's own, ``objectives`` and ``specs``; ``counts``,
where the reward is to count in place of the front; and ``starts``, the local searches for what is
too large to evaluate every design, where 200 take too long.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from codesign_gym.envs import DesignProblem, make_problem
from codesign_gym.experiments.config import read_toml
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.reference import reference
from codesign_gym.experiments.runner import environment
from codesign_gym.experiments.suite.definition import (
    COUNTED,
    LEVELS,
    SEEDS_APART,
    Probe,
    Suite,
    Task,
    are_budgets,
)
from codesign_gym.experiments.tabulate import tabulate
from codesign_gym.experiments.truth import Truth, key_of, known_truth
from codesign_gym.search import make_agent, search
from codesign_gym.search.pareto import nondominated
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.errors import unknown_name
from codesign_gym.search_spaces.files import write_whole

STARTS = 200
"""Local searches for the best known of a task, unless its outline says otherwise."""

LONG = ("regularized-evolution", "annealing", "nsga2")
LONG_SEEDS, LONG_BUDGET = 2, 20_000
"""Searches that add to what the local ones found."""

RANDOM_RUNS = 200
"""Runs of random search whose median counts as 0."""

_TABULATED = 3_000_000
_OUTLINE = {"version": (str,), "seeds": (int,), "tasks": (dict,)}
_TASK = {"problem", "group", "budgets", "objectives", "specs", "starts", "counts"}


def freeze(
    outline: Path,
    directory: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Suite:
    """The suite of an outline; what the directory has of its tasks is not worked out again.

    Args:
        outline: The TOML file.
        directory: Where truths and finished tasks are kept.
        progress: Told of the tasks done and of how many there are.

    Raises:
        InputError: The outline is malformed, or a task cannot be scored: the text names it.
    """
    data = read_toml(outline, _OUTLINE)
    lacking = [key for key in _OUTLINE if key not in data]
    if lacking:
        raise InputError(f"{outline}: {' and '.join(lacking)} must be given")
    if not 1 <= data["seeds"] <= SEEDS_APART:
        raise InputError(f"{outline}: seeds must be in 1..{SEEDS_APART}, got {data['seeds']}")
    tasks: dict[str, Task] = {}
    for i, (name, row) in enumerate(data["tasks"].items()):
        if not isinstance(row, dict) or not {"problem", "group", "budgets"} <= row.keys() <= _TASK:
            raise InputError(f"{outline}: tasks.{name} must have the keys {sorted(_TASK)}")
        if not are_budgets(row["budgets"]):
            raise InputError(
                f"{outline}: tasks.{name}.budgets must be {len(LEVELS)} rising numbers of "
                f"evaluations, got {row['budgets']}"
            )
        starts = row.get("starts", STARTS)
        if type(starts) is not int or starts < 1:
            raise InputError(f"{outline}: tasks.{name}.starts must be at least 1, got {starts!r}")
        progress(i, len(data["tasks"]))
        tasks[name] = _task(name, row, directory / name)
    progress(len(tasks), len(tasks))
    return Suite(data["version"], data["seeds"], tasks)


def _task(name: str, row: Mapping[str, Any], directory: Path) -> Task:
    objectives, specs = row.get("objectives"), row.get("specs")
    problem = make_problem(row["problem"], objectives=objectives, specs=specs)
    config = RunConfig(
        row["problem"],
        agent="",
        objectives=None if objectives is None else tuple(objectives),
        specs=None if specs is None else tuple(specs),
    )
    kept = directory / "task.json"
    if kept.is_file() and (task := _kept(kept, row, problem)) is not None:
        return task
    truth = _truth(problem, config, directory, row.get("starts", STARTS))
    counts = row.get("counts", "front" if len(problem.objectives) > 1 else "best")
    if counts not in COUNTED:
        raise unknown_name(f"value that counts of task {name!r}", counts, COUNTED)
    aim = "reward" if counts == "reward" else problem.objective_names[0]
    task = Task(
        name=name,
        problem=row["problem"],
        group=row["group"],
        objectives=objectives,
        specs=specs,
        counts=counts,
        budgets=row["budgets"],
        designs=problem.space.cardinality,
        key=key_of(problem),
        probe=Probe.of(problem),
        zero=0.0,
        one=1.0 if counts == "front" else truth.optima[aim]["value"],
        exact="reference" not in truth.provenance,
        front=truth.front if counts == "front" else None,
        provenance={"one": truth.provenance, "zero": f"{RANDOM_RUNS} runs of random search"},
    )
    task = replace(task, zero=_chance(task, problem))
    if task.zero == task.one or task.beats_the_best_known(task.zero):
        raise InputError(
            f"task {name!r}: random search reaches the best known, {task.one}, with "
            f"{task.budgets[0]} evaluations: give it a smaller budget"
        )
    write_whole(kept, json.dumps({"row": row, "task": asdict(task)}) + "\n")
    return task


def _kept(path: Path, row: Mapping[str, Any], problem: DesignProblem) -> Task | None:
    """The task as it was frozen before, if its outline and its problem are the same."""
    data = json.loads(path.read_text(encoding="utf-8"))
    task = Task(**data["task"] | {"probe": Probe(**data["task"]["probe"])})
    same = data["row"] == row and task.key == key_of(problem)
    return task if same and not task.probe.difference(problem) else None


def _truth(problem: DesignProblem, config: RunConfig, directory: Path, starts: int) -> Truth:
    """What is known of the problem: shipped, kept from before, or worked out now."""
    known = known_truth(make_problem(config.problem))
    key = key_of(problem)
    if known is not None and "reference" not in known.provenance:
        same = all(known.key[part] == key[part] for part in ("space", "models", "specs"))
        single = len(problem.objectives) == 1 and problem.objective_names[0] in known.optima
        if same and (single or known.key["objectives"] == key["objectives"]):
            return known
    path = directory / "truth.json"
    if path.is_file() and (kept := Truth.load(path)).key == key and "long" in kept.provenance:
        return kept
    if problem.space.size <= _TABULATED:
        truth = tabulate(config, directory)
    else:
        truth = _with_long_searches(problem, reference(config, directory, starts))
    truth = replace(truth, provenance={**truth.provenance, "long": truth.provenance.get("long", 0)})
    truth.save(path)
    return truth


def _with_long_searches(problem: DesignProblem, truth: Truth) -> Truth:
    """The truth with what long searches found beyond it."""
    designs = [np.array(truth.front_choices, dtype=np.int32)]
    designs += [np.array([best["choices"]], dtype=np.int32) for best in truth.optima.values()]
    for name in LONG:
        for seed in range(LONG_SEEDS):
            found = search(problem, make_agent(name, problem, seed=seed), LONG_BUDGET).history
            best = np.argsort(np.where(found.feasible, found.objectives[:, 0], np.inf))[:1]
            designs += [found.designs[nondominated(found)], found.designs[best]]
    joined = problem.evaluate(np.concatenate(designs))
    about = f"{', '.join(LONG)}: {LONG_SEEDS} seeds of {LONG_BUDGET:,} evaluations each"
    return Truth.of(problem, joined, {**truth.provenance, "long": about, **environment()})


def _chance(task: Task, problem: DesignProblem) -> float:
    """The median value of random search with the smallest budget."""
    rng = np.random.default_rng(0)
    budget = task.budgets[0]
    # Many runs at a time, for models that are fast in large batches.
    evaluation = problem.evaluate(problem.space.sample(RANDOM_RUNS * budget, rng))
    rewards = problem.reward(evaluation)
    parts = [slice(i * budget, (i + 1) * budget) for i in range(RANDOM_RUNS)]
    values = [task.value(evaluation.take(part), rewards[part]) for part in parts]
    found = sorted((v for v in values if v is not None), reverse=task.rising)
    if len(found) <= RANDOM_RUNS // 2:
        raise InputError(
            f"task {task.name!r}: {RANDOM_RUNS - len(found)} of {RANDOM_RUNS} random searches find "
            f"no feasible design with {budget} evaluations: give it a larger budget"
        )
    return found[RANDOM_RUNS // 2]
