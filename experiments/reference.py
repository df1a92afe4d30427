"""What is known of a problem too large to evaluate every design: by local search from many starts.

The optimum and the front are then the best that is known, not proven.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import DesignProblem, Evaluation
from codesign_gym.envs.evaluation import concat
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.runner import environment, problem_of
from codesign_gym.experiments.truth import Truth
from codesign_gym.search.constraints import merit
from codesign_gym.search.pareto import nondominated, ranking
from codesign_gym.search_spaces import Designs

FloatArray = NDArray[np.float64]

Goal = Callable[[Evaluation, NDArray[np.intp]], FloatArray]
"""What the designs ``[n, p]`` are worth to the starts ``[n]`` that they belong to."""

SAMPLE = 20_000
"""Random designs, from which the median and the quantiles are taken."""

_MIXED = 4


def reference(
    config: RunConfig,
    directory: Path,
    starts: int = 200,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
    command: str = "",
) -> Truth:
    """The best known of a problem: climbs from random designs to where no neighbour is better.

    Every start climbs by the reward; where there are several objectives, once by each of them, and
    four times by weightings of its own. Leaves ``truth.json`` in the directory.

    Args:
        config: The problem; the agent's part is not read.
        directory: Where the truth is written.
        starts: Random designs that are climbed from.
        seed: Of the random designs.
        progress: Told of the climbs done and of how many there are.
        command: What made it, for the record.

    Raises:
        InputError: No random design is feasible.
    """
    problem = problem_of(config)
    rng = np.random.default_rng(seed)
    sample = problem.evaluate(np.unique(problem.space.sample(SAMPLE, rng), axis=0))
    chance = Truth.of(problem, sample, {})
    begin = problem.space.sample(starts, rng)
    m = len(problem.objectives)
    alone = [np.tile(row, (starts, 1)) for row in np.eye(m)] if m > 1 else []
    mixed = [rng.dirichlet(np.ones(m), starts) for _ in range(_MIXED)] if m > 1 else []
    kept, evaluated = [sample.take(_worth_keeping(problem, sample))], len(sample)
    for i, weights in enumerate([None, *alone, *mixed]):
        front = concat(kept).objectives
        goal = _by_reward(problem) if weights is None else _weighted(weights, front)
        found, count = _climb(problem, begin.copy(), goal)
        kept.append(found)
        evaluated += count
        progress((i + 1) * starts, (1 + len(alone) + len(mixed)) * starts)
    how = {"reference": f"local search from {starts} starts", "evaluated": evaluated}
    known = Truth.of(problem, concat(kept), {"command": command, **how, **environment()})
    truth = replace(
        known,
        designs=len(sample),
        valid=chance.valid,
        feasible=chance.feasible,
        optima={
            name: {**best, "median": chance.optima[name]["median"]}
            for name, best in known.optima.items()
        },
        quantiles=chance.quantiles,
    )
    truth.save(directory / "truth.json")
    return truth


def _by_reward(problem: DesignProblem) -> Goal:
    return lambda evaluation, start: problem.reward(evaluation)


def _weighted(weights: FloatArray, front: FloatArray) -> Goal:
    """Chebyshev's weighting of the objectives, with the weights ``[s, m]`` of each start.

    Objectives count from the least to the largest of ``front`` ``[f, m]``, in logarithms where all
    of them are positive.
    """
    positive = (front > 0).all(axis=0)

    def level(objectives: FloatArray) -> FloatArray:
        return np.where(
            positive, np.log(np.where(positive & (objectives > 0), objectives, 1)), objectives
        )

    low, span = level(front).min(axis=0), np.ptp(level(front), axis=0)

    def goal(evaluation: Evaluation, start: NDArray[np.intp]) -> FloatArray:
        scaled = (level(evaluation.objectives) - low) / np.where(span > 0, span, 1.0)
        with np.errstate(invalid="ignore"):  # what was not measured is infinitely bad
            scaled *= weights[start]
        worth = -(scaled.max(axis=1) + 0.01 * scaled.sum(axis=1))
        return np.asarray(np.nan_to_num(worth, nan=-np.inf))

    return goal


def _climb(problem: DesignProblem, at: Designs, goal: Goal) -> tuple[Evaluation, int]:
    """Steepest ascent from each design until none has a better neighbour.

    Returns:
        Of all that was evaluated on the way, what is worth keeping; and how many that were.
    """
    here = problem.evaluate(at)
    height = merit(here, goal(here, np.arange(len(at))))
    kept, count = [here.take(_worth_keeping(problem, here))], len(here)
    climbing = np.arange(len(at))
    while len(climbing):
        designs, origin = problem.space.neighbours(at[climbing])
        around = problem.evaluate(designs)
        start = climbing[origin]
        values = merit(around, goal(around, start))
        kept = [concat([*kept, around.take(_worth_keeping(problem, around))])]
        kept = [kept[0].take(_worth_keeping(problem, kept[0]))]
        count += len(around)
        order = np.lexsort((-values, start))
        moved = []
        for row in order[np.unique(start[order], return_index=True)[1]]:
            if values[row] > height[start[row]]:
                at[start[row]], height[start[row]] = designs[row], values[row]
                moved.append(int(start[row]))
        climbing = np.array(moved, dtype=np.intp)
    return kept[0], count


def _worth_keeping(problem: DesignProblem, evaluation: Evaluation) -> NDArray[np.intp]:
    """Rows of the front and of the best reward."""
    best = ranking(evaluation, problem.reward(evaluation))[:1]
    return np.unique(np.concatenate([nondominated(evaluation), best]))
