"""Runs of agents on tabulated problems, as regrets against the true optimum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import make_problem
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.reproduce.finding import Settings
from codesign_gym.experiments.sweep import sweep
from codesign_gym.experiments.truth import Truth, known_truth
from codesign_gym.search.pareto import best_so_far
from codesign_gym.search_spaces import InputError

FloatArray = NDArray[np.float64]
WORST = 2.0
"""The most that a regret is counted as, and what it is before a design is feasible."""

NEAR = 0.01
"""A regret that counts as having met the optimum."""


@dataclass(frozen=True)
class Case:
    """A problem with one of its objectives, or (empty) with all of them in its own reward."""

    problem: str
    objective: str = ""

    def config(self, agent: str, seed: int, budget: int, **options: Any) -> RunConfig:
        """A run of an agent."""
        objectives = (self.objective,) if self.objective else None
        return RunConfig(self.problem, agent, budget, seed, options, objectives=objectives)

    @property
    def name(self) -> str:
        """What is worked on, and what is optimised."""
        return f"{self.problem.removeprefix('dram-')}: {self.objective or 'all objectives'}"


def cases_of(problems: Sequence[str]) -> list[Case]:
    """Every problem with all its objectives, and with each alone."""
    return [
        Case(name, objective)
        for name in problems
        for objective in ("", *(metric.name for metric in make_problem(name).objectives))
    ]


def truth_of(problem: str) -> Truth:
    """What is known of a problem; one that was not tabulated raises `InputError`."""
    truth = known_truth(make_problem(problem))
    if truth is None:
        raise InputError(
            f"the optimum of {problem!r} is not known: run codesign tabulate {problem}"
        )
    return truth


def regret_curve(record: RunRecord, truth: Truth, case: Case) -> FloatArray:
    """The regret of the best feasible design after each evaluation, ``[n]``.

    0 is the optimum over all feasible designs, 1 a median one of them.
    """
    feasible, of = record.evaluation.feasible, case.objective
    values = record.evaluation.metrics[of] if of else record.rewards
    regret = truth.regret(values, of or "reward")
    return -best_so_far(np.where(feasible, -np.minimum(regret, WORST), -WORST))


def checkpoints(n: int) -> NDArray[np.int64]:
    """Evaluations from 1 to ``n``, evenly spaced in their logarithm."""
    return np.unique(np.geomspace(1, n, 60).round().astype(np.int64))


def effort(regrets: FloatArray) -> FloatArray:
    """Evaluations until the regret is at most `NEAR`, ``[..., n] -> [...]``; 2n where it never is.

    It tells agents apart where all of them end at the optimum.
    """
    n = regrets.shape[-1]
    near = regrets <= NEAR
    found: FloatArray = np.where(near.any(axis=-1), near.argmax(axis=-1) + 1.0, 2.0 * n)
    return found


def curves(configs: Sequence[RunConfig], cases: Iterable[Case], settings: Settings) -> FloatArray:
    """Carry out runs of the same budget ``n``, and measure them: regrets ``[r, n]``.

    Args:
        configs: The runs, ``r`` of them.
        cases: What each is a run of.
        settings: Where and how.

    Raises:
        InputError: A run failed, or a problem's optimum is not known.
    """
    cases = list(cases)
    truths = {name: truth_of(name) for name in {case.problem for case in cases}}
    result = sweep(configs, settings.directory, settings.jobs, settings.progress)
    if result.failures:
        first = result.failures[0]
        raise InputError(
            f"{len(result.failures)} runs failed, the first by {first.config.agent} on "
            f"{first.config.problem}: {first.error}"
        )
    return np.array(
        [
            regret_curve(record, truths[case.problem], case)
            for record, case in zip(result.records, cases, strict=True)
        ]
    )
