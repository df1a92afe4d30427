"""FBNetV5 on one supernet: its weights learn all tasks at once, each task's choices their own.

Wu et al., "FBNetV5: Neural Architecture Search for Multiple Tasks in One Run" (arXiv 2111.10007).
The heads of all tasks stand on one trunk. Architectures are drawn from one proposal, the mean of
the tasks' distributions; they train the weights by the losses of all tasks, and move each task's
distribution by REINFORCE, weighted by how much likelier the task is to draw them than the proposal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import ProblemStatement
from codesign_gym.search import factored
from codesign_gym.search.agents.supernet import SupernetAgent, SupernetOptions
from codesign_gym.search.best_first import best_first
from codesign_gym.search.options import at_least, between
from codesign_gym.search_spaces import Designs

if TYPE_CHECKING:
    from codesign_gym.cost_models.accuracy.supernet_training import Batch, Lessons

FloatArray = NDArray[np.float64]

BETAS = (0.9, 0.999)
"""Of Adam for the choices."""

MOST_DEVIATIONS = 3.0
"""How far a loss counts from its average at most."""

DECAY = 0.95
"""How much of the spread of a task's losses stays at a step."""


@dataclass(frozen=True)
class FbNetV5SupernetOptions(SupernetOptions):
    """What can be set, beside what `SupernetOptions` has.

    Attributes:
        draws: Architectures of a step, drawn from the proposal; their mean loss is each other's
            baseline, so that it takes two.
        entropy: Weight of each distribution's entropy, which keeps it from settling early.
        clip: Most that an architecture counts for a task, relative to one that the task alone drew.
    """

    width: int = 8
    choice_rate: float = 6e-2
    draws: int = 5
    entropy: float = 3e-3
    clip: float = 5.0


class FbNetV5Supernet(SupernetAgent):
    """One supernet with the heads of all tasks, one distribution over designs for each task.

    The first proposals are the likeliest design of each task, in the tasks' order; the next ones
    each task's second likeliest, and so on. Letters: ``n`` architectures, ``t`` tasks, ``K``
    choices.
    """

    name: ClassVar[str] = "fbnetv5-supernet"
    Options = FbNetV5SupernetOptions
    options: FbNetV5SupernetOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        at_least(self.name, "draws", self.options.draws, 2)
        at_least(self.name, "clip", self.options.clip, 1)
        between(self.name, "entropy", self.options.entropy, 0, 1e3)

    def modes(self) -> Designs:
        """The likeliest design of each task, ``[t, p]``."""
        rows = [[int(place.argmax()) for place in own] for own in self._by_task()]
        return np.array(rows, dtype=np.int32)

    def ranked(self) -> Iterator[tuple[int, ...]]:
        """All designs: the likeliest of each task, then the next of each, each design once."""
        orders = [best_first(own) for own in self._by_task()]
        known: set[tuple[int, ...]] = set()
        for designs in zip(*orders, strict=True):
            for design in designs:
                if design not in known:
                    known.add(design)
                    yield design

    def _by_task(self) -> list[list[FloatArray]]:
        """Log probabilities of the choices of each parameter, for each task."""
        scores, p = list(self.learned()), len(self.space)
        return [scores[start : start + p] for start in range(0, len(scores), p)]

    def _learn(self) -> list[FloatArray]:
        import torch

        from codesign_gym.cost_models.accuracy.supernet_rules import SinglePath
        from codesign_gym.cost_models.accuracy.supernet_training import fair_paths

        lessons = self._lessons(scaled=True)
        logits = np.zeros((len(self.tasks), int(self.space.nvec.sum())))
        shared = torch.from_numpy(logits)  # a step of Adam changes both
        adam = torch.optim.Adam([shared], self.options.choice_rate, BETAS)
        self._variance = np.ones(len(logits))
        for epoch in range(self.epochs):
            for own, held_out in lessons.batches():
                if epoch >= self.warm_epochs:
                    designs = self._drawn(logits, self.options.draws)
                    gradient = self._gradient(lessons, held_out, logits, designs)
                    shared.grad = torch.from_numpy(-gradient)
                    adam.step()
                    paths = designs.tolist()
                else:
                    paths = fair_paths(lessons.supernet.choices, self.rng)
                lessons.step(own, *map(SinglePath, paths))
        chances = np.log(np.maximum(factored.probabilities(self.space, logits), 1e-300))
        return [place for own in chances for place in np.split(own, self.space.offsets[1:-1])]

    def _drawn(self, logits: FloatArray, n: int) -> Designs:
        """``n`` architectures from the mean of the tasks' distributions."""
        return self.space.canonical(factored.draw(self.space, logits, n, self.rng))

    def _gradient(
        self, lessons: Lessons, batch: Batch, logits: FloatArray, designs: Designs
    ) -> FloatArray:
        """Along which every task's losses fall and its entropy rises, ``[t, K]``."""
        import torch

        from codesign_gym.cost_models.accuracy.supernet_rules import SinglePath

        with torch.no_grad():
            losses = [lessons.losses(batch, SinglePath(design)) for design in designs.tolist()]
        scores = -torch.stack(losses).double().numpy()
        weights = factored.importance(self.space, logits, designs, self.options.clip)
        pulls = weights * self._advantages(scores, weights) / len(designs)
        gradient = factored.policy_gradient(self.space, logits, designs, pulls)
        gradient += self.options.entropy * factored.entropy_slopes(self.space, logits)
        return gradient

    def _advantages(self, scores: FloatArray, weights: FloatArray) -> FloatArray:
        """How far architectures exceed what each task would draw, in deviations, ``[n, t]``."""
        shares = weights / weights.sum(axis=0)
        apart = scores - (shares * scores).sum(axis=0)
        self._variance = DECAY * self._variance + (1 - DECAY) * (shares * apart**2).sum(axis=0)
        found: FloatArray = np.clip(
            apart / np.sqrt(self._variance + 1e-12), -MOST_DEVIATIONS, MOST_DEVIATIONS
        )
        return found
