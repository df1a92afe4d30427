"""Carrying out the suite's runs, all of an agent's or a few again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.runner import build, environment, inputs_of, normal
from codesign_gym.experiments.store import run_id
from codesign_gym.experiments.suite.definition import LEVELS, SEEDS_APART, Suite, Task
from codesign_gym.experiments.suite.results import Outcome, Result
from codesign_gym.experiments.sweep import sweep
from codesign_gym.search import agent_class
from codesign_gym.search.options import make_options
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.errors import unknown_name

Progress = Callable[[int, int], None]
Place = tuple[str, str, int]
"""Task, level and seed of a run."""


@dataclass(frozen=True)
class Extent:
    """Which part of the suite is run.

    Attributes:
        seeds: Runs of every task with every budget.
        levels: Of `LEVELS`.
        tasks: Names; all where none is given.
    """

    seeds: int
    levels: Sequence[str] = LEVELS
    tasks: Sequence[str] = ()

    def __post_init__(self) -> None:
        for level in self.levels:
            if level not in LEVELS:
                raise unknown_name("budget of the suite", level, LEVELS)
        if not 1 <= self.seeds <= SEEDS_APART:
            raise InputError(f"seeds must be in 1..{SEEDS_APART}, got {self.seeds}")


def run_suite(
    suite: Suite,
    agent: str,
    options: Mapping[str, Any],
    extent: Extent,
    directory: Path,
    jobs: int = 1,
    progress: Progress = lambda done, total: None,
    note: str = "",
) -> Result:
    """An agent's result, of the runs that the directory has and of those that are left to do.

    A run that the agent ends with an error counts as failed, with the reason, and ends no other.

    Raises:
        InputError: Agent, options, a level or a task is unknown, the agent cannot be made for any
            task, a problem is not what the suite was made with, or the directory's runs are of
            other code: all before anything runs.
    """
    kind = agent_class(agent)
    set_options: object = make_options(agent, kind.Options, options)
    said = {name: getattr(set_options, name) for name in options}
    tasks = suite.picked(extent.tasks)
    for task in tasks:
        task.pose()
    refused = {task.name: _refusal(task, agent, said) for task in tasks}
    if all(refused.values()):
        raise InputError(f"agent {agent!r} cannot be made: {refused[tasks[0].name]}")
    places = [
        (task.name, level, seed)
        for task in tasks
        if not refused[task.name]
        for level in extent.levels
        for seed in range(extent.seeds)
    ]
    found = _carry_out(suite, agent, said, places, directory, jobs, progress)
    lost = {name: Outcome(None, "", error) for name, error in refused.items() if error}
    outcomes = {
        task.name: {
            level: [
                lost.get(task.name) or found[task.name, level, seed] for seed in range(extent.seeds)
            ]
            for level in LEVELS
            if level in extent.levels
        }
        for task in tasks
    }
    possible = next(task for task in tasks if not refused[task.name])
    config = possible.config(agent, said, LEVELS[0], 0)
    made = build(config)
    parts = {kind: dict(digests) for kind, digests in inputs_of(config, *made).items()}
    info = parts | environment()
    digests = {task.name: task.digest for task in tasks}
    return Result(suite.version, agent, said, extent.seeds, digests, outcomes, info, note)


def rerun(
    suite: Suite,
    result: Result,
    count: int,
    seed: int,
    directory: Path,
    jobs: int = 1,
    progress: Progress = lambda done, total: None,
) -> list[dict[str, Any]]:
    """Runs of a result, drawn at random and done again: a row each, with whether they agree.

    Raises:
        InputError: As `run_suite` does; or the result has no run that did not fail.
    """
    agent_class(result.agent)
    whole: list[Place] = [
        (name, level, i)
        for name, levels in result.outcomes.items()
        for level, runs in levels.items()
        for i, run in enumerate(runs)
        if not run.error
    ]
    if not whole:
        raise InputError("the result has no run that did not fail")
    rng = np.random.default_rng(seed)
    drawn = rng.choice(len(whole), size=min(count, len(whole)), replace=False)
    places = [whole[i] for i in np.sort(drawn)]
    for name in {name for name, _, _ in places}:
        suite.tasks[name].pose()
    found = _carry_out(suite, result.agent, result.options, places, directory, jobs, progress)
    rows = []
    for name, level, i in places:
        said, now = result.outcomes[name][level][i], found[name, level, i]
        rows.append(
            {
                "task": name,
                "budget": level,
                "seed": i,
                "said": said.value,
                "found": now.error or now.value,
                "equal": said == now,
            }
        )
    return rows


def _carry_out(
    suite: Suite,
    agent: str,
    options: Mapping[str, Any],
    places: Sequence[Place],
    directory: Path,
    jobs: int,
    progress: Progress,
) -> dict[Place, Outcome]:
    configs = [suite.tasks[name].config(agent, options, level, i) for name, level, i in places]
    by_id = {run_id(_normal(config)): place for config, place in zip(configs, places, strict=True)}
    done = sweep(configs, directory, jobs, progress)
    found = {by_id[run_id(f.config)]: Outcome(None, "", f.error) for f in done.failures}
    for record in done.records:
        place = by_id[run_id(record.config)]
        found[place] = Outcome.of(suite.tasks[place[0]], record)
    return found


def _normal(config: RunConfig) -> RunConfig:
    return normal(config, *build(config))


def _refusal(task: Task, agent: str, options: Mapping[str, Any]) -> str:
    """Why the agent cannot be made for a task; empty where it can."""
    try:
        build(task.config(agent, options, LEVELS[0], 0))
    except InputError as error:
        return str(error)
    return ""
