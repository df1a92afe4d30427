"""FBNetV5: several tasks searched in one run, one distribution over designs for each.

Wu et al., "FBNetV5: Neural Architecture Search for Multiple Tasks in One Run" (arXiv 2111.10007):
designs are drawn from one proposal that all tasks share, and each of them moves every task's own
distribution by REINFORCE, weighted by how much likelier the task is to draw it than the proposal.
What a search costs does not grow with the number of tasks, here the objectives of a problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search import factored
from codesign_gym.search.agent import Agent
from codesign_gym.search.operators import keys, unseen
from codesign_gym.search.options import at_least, between, one_of
from codesign_gym.search_spaces import Designs, InputError

FloatArray = NDArray[np.float64]

MOST_DEVIATIONS = 5.0
"""How far a score counts from its average at most."""

REDRAWN = 10
"""Draws of a design that was proposed before, until it is mutated instead."""


@dataclass(frozen=True)
class FbNetV5Options:
    """What can be set.

    Attributes:
        batch_size: Designs between two steps.
        learning_rate: Of a step along the gradient, for scores in standard deviations.
        decay: How much of a task's average score, and of its spread, stays at a step.
        entropy: Weight of each distribution's entropy, which keeps it from settling early.
        clip: Most that a design counts for a task, relative to one that the task alone proposed.
        penalty: Deviations below the average that an infeasible design counts as; 0 learns nothing
            of such designs, for tables in which measurements are missing.
        cost: An objective that is no task: each task pays for it; empty for none.
        cost_weight: Deviations of a task's score that a deviation of the cost is worth.
    """

    batch_size: int = 4
    learning_rate: float = 3.0
    decay: float = 0.9
    entropy: float = 0.05
    clip: float = 5.0
    penalty: float = 2.0
    cost: str = ""
    cost_weight: float = 0.5


class FbNetV5(Agent):
    """A distribution over designs per objective; every design moves all of them.

    Distributions are independent per parameter. Letters: ``t`` tasks, ``K`` choices of all
    parameters.
    """

    name: ClassVar[str] = "fbnetv5"
    Options = FbNetV5Options
    options: FbNetV5Options

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        o, space = self.options, self.space
        at_least(self.name, "batch_size", o.batch_size, 1)
        at_least(self.name, "clip", o.clip, 1)
        for option in ("learning_rate", "penalty", "entropy", "cost_weight"):
            between(self.name, option, getattr(o, option), 0, 1e3)
        between(self.name, "decay", o.decay, 0, 1)
        objectives = [metric.name for metric in statement.objectives]
        if o.cost:
            one_of(self.name, "cost", o.cost, objectives)
        if objectives == [o.cost]:
            raise InputError(f"agent {self.name} needs an objective beside the cost {o.cost!r}")
        self.batch_size = o.batch_size
        self._logits = np.zeros((len(objectives) - bool(o.cost), int(space.nvec.sum())))
        # Decayed sums of what was told: of the weights of designs, of their scores and the squares
        # of these, by objective; of their weights and of the values that they had, by task.
        self._score = np.zeros((3, len(objectives)))
        self._value = np.zeros((2, len(self._logits)))
        self._seen: set[bytes] = set()

    @property
    def tasks(self) -> tuple[str, ...]:
        """The objectives that have a distribution, in its order."""
        names = (metric.name for metric in self.statement.objectives)
        return tuple(name for name in names if name != self.options.cost)

    def probabilities(self) -> FloatArray:
        """Chance of each choice for each task, ``[t, K]``."""
        return factored.probabilities(self.space, self._logits)

    def modes(self) -> Designs:
        """The design of each task's likeliest choices, ``[t, p]``, in the order of `tasks`."""
        return self.space.from_one_hot(self._logits)

    def ask(self, n: int) -> Designs:
        """``n`` draws from the mean of the tasks' distributions, again where they were seen."""
        designs = factored.draw(self.space, self._logits, n, self.rng)
        taken: set[bytes] = set()
        for _ in range(REDRAWN):
            again = []
            for i, key in enumerate(keys(designs)):
                if key in self._seen or key in taken:
                    again.append(i)
                taken.add(key)
            if not again:
                break
            designs[again] = factored.draw(self.space, self._logits, len(again), self.rng)
            taken.clear()
        designs = unseen(self.space, designs, self._seen, self.rng)
        self._seen.update(keys(designs))
        return designs

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """A step of every task's distribution; others' designs count like its own."""
        self._seen.update(keys(designs))
        if not len(evaluation):
            return
        o, canonical = self.options, evaluation.designs
        weights = factored.importance(self.space, self._logits, canonical, o.clip)
        advantages, counted = self._advantages(evaluation, weights)
        pulls = np.where(counted[:, None], weights * advantages, 0.0)  # [n, t]
        gradient = factored.policy_gradient(self.space, self._logits, canonical, pulls)
        # A batch of another size than its own moves as far as its share of one.
        share = len(evaluation) / o.batch_size
        self._logits += o.learning_rate * gradient / o.batch_size
        slopes = factored.entropy_slopes(self.space, self._logits)
        self._logits += o.learning_rate * o.entropy * share * slopes

    def _advantages(
        self, evaluation: Evaluation, weights: FloatArray
    ) -> tuple[FloatArray, NDArray[np.bool_]]:
        """How far designs exceed each task's average, ``[n, t]``; and which of them count, ``[n]``.

        The average, which the designs join, is of what the task itself would have drawn lately.
        """
        o, feasible = self.options, evaluation.feasible
        known = feasible & np.isfinite(evaluation.objectives).all(axis=1)
        counted = known if o.penalty == 0 else np.ones_like(known)
        is_cost = np.array([m.name == o.cost for m in self.statement.objectives])
        values = np.full(weights.shape, -o.penalty)
        if known.any():
            scores, own = -evaluation.objectives[known], np.ones((int(known.sum()), len(is_cost)))
            own[:, ~is_cost] = weights[known]
            self._score = self._decayed(self._score, own, own * scores, own * scores**2)
            mean, square = self._score[1:] / np.maximum(self._score[0], 1e-12)
            spread = np.sqrt(np.maximum(square - mean**2, 0.0)) + 1e-9 * (1 + np.abs(mean))
            z = np.clip((scores - mean) / spread, -MOST_DEVIATIONS, MOST_DEVIATIONS)
            values[known] = z[:, ~is_cost] + o.cost_weight * z[:, is_cost].sum(axis=1)[:, None]
        violation = evaluation.violation[~known]
        missed = np.divide(
            violation, 1 + violation, out=np.ones_like(violation), where=np.isfinite(violation)
        )
        values[~known] *= (1 + missed[:, None]) / 2
        if counted.any():
            own = weights[counted]
            self._value = self._decayed(self._value, own, own * values[counted])
        return values - self._value[1] / np.maximum(self._value[0], 1e-12), counted

    def _decayed(self, sums: FloatArray, *columns: FloatArray) -> FloatArray:
        """Decayed sums that rows ``[n, ...]`` of each column have joined."""
        keep = self.options.decay ** (len(columns[0]) / self.options.batch_size)
        joined = np.stack([column.mean(axis=0) for column in columns])
        decayed: FloatArray = keep * sums + (1 - keep) * joined
        return decayed
