"""Training of supernets: their weights on some of the sequences, the rest held out for choices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.supernet_rules import Rule, SinglePath
from codesign_gym.cost_models.accuracy.supernet_torch import Supernet
from codesign_gym.cost_models.accuracy.tasks import Task
from codesign_gym.cost_models.accuracy.training import MARKING
from codesign_gym.search_spaces import Designs

FloatArray = NDArray[np.float64]

LARGEST_GRADIENT = 5.0
"""Norm to which longer gradients of the weights are cut, as in DARTS."""


class Batch(NamedTuple):
    """Sequences ``[b, 1, l]`` and the answers to each task, ``[b, ...]`` each."""

    x: Tensor
    y: tuple[Tensor, ...]


class Diverged(Exception):  # noqa: N818 - a fact, not a mistake
    """A loss was not finite."""


class Lessons:
    """A supernet that learns the weights of all designs, for one task or for several.

    The loss of several tasks is the mean of theirs, each as a share of what the best answer that is
    always the same would lose: none weighs more by its units.

    Args:
        supernet: Changed in place.
        tasks: What it learns: of the same sequences, in the order of its answers.
        recipe: Epochs and optimiser, as for networks that are trained alone.
        rng: Draws the split and the order of the sequences.
        held_out: Share of the sequences that the weights are not trained on.

    Attributes:
        epoch: How many have begun.
    """

    def __init__(
        self,
        supernet: Supernet,
        tasks: Sequence[Task],
        recipe: Recipe,
        rng: np.random.Generator,
        held_out: float = 0.5,
    ) -> None:
        self.supernet, self.recipe, self._rng = supernet.train(), recipe, rng
        data = [task.data() for task in tasks]
        self._x = torch.from_numpy(data[0].x)[:, None]
        self._y = [torch.from_numpy(own.y) for own in data]
        self._marks = [MARKING[task.metric] for task in tasks]
        self._units = [1.0]
        if len(tasks) > 1:
            self._units = [
                constant_loss(task.metric, y) for task, y in zip(tasks, self._y, strict=True)
            ]
        order = rng.permutation(len(self._x))
        cut = len(order) - int(held_out * len(order))
        self._own, self._held_out = order[:cut], order[cut:]
        self.epoch = 0
        self._adam = torch.optim.AdamW(
            supernet.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._adam, recipe.learning_rate, total_steps=recipe.epochs * self.steps
        )

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return max(1, len(self._own) // self.recipe.batch)

    def batches(self) -> Iterator[tuple[Batch, Batch]]:
        """An epoch: batches for the weights, and as many of what is held out."""
        self.epoch += 1
        own, other = (
            np.resize(self._rng.permutation(rows), self.steps * min(self.recipe.batch, len(rows)))
            for rows in (self._own, self._held_out if len(self._held_out) else self._own)
        )
        for rows, held in zip(np.split(own, self.steps), np.split(other, self.steps), strict=True):
            yield self._batch(rows), self._batch(held)

    def _batch(self, rows: NDArray[np.int64]) -> Batch:
        return Batch(self._x[rows], tuple(y[rows] for y in self._y))

    def losses(self, batch: Batch, rule: Rule) -> Tensor:
        """The mean loss of each task under a rule, ``[t]``.

        Raises:
            Diverged: One is not finite.
        """
        said = self.supernet.answers(batch.x, rule)
        losses = torch.stack(
            [
                mean_loss(scores, y[:, None]) / unit
                for (mean_loss, _), scores, y, unit in zip(
                    self._marks, said, batch.y, self._units, strict=True
                )
            ]
        )
        if not torch.isfinite(losses).all():
            worst = losses[~torch.isfinite(losses)][0].item()
            raise Diverged(f"training of the supernet diverged in epoch {self.epoch}: loss {worst}")
        return losses

    def loss(self, batch: Batch, rule: Rule) -> Tensor:
        """The mean of `losses`."""
        return self.losses(batch, rule).mean()

    @torch.no_grad()
    def credit(self, batch: Batch, rule: Rule) -> float:
        """Mean credit, such as the share of right answers, under a rule; the mean of the tasks."""
        said = self.supernet.answers(batch.x, rule)
        found = [
            float(credit(scores, y).mean())
            for (_, credit), scores, y in zip(self._marks, said, batch.y, strict=True)
        ]
        return sum(found) / len(found)

    def step(self, batch: Batch, *rules: Rule) -> None:
        """One step of the weights by the mean loss of rules; what all leave out stays as it is."""
        self._adam.zero_grad()
        for rule in rules:
            torch.autograd.backward(self.loss(batch, rule) / len(rules))
        torch.nn.utils.clip_grad_norm_(self.supernet.parameters(), LARGEST_GRADIENT)
        self._adam.step()
        self._schedule.step()


def constant_loss(metric: str, y: Tensor) -> float:
    """The least mean loss of an answer that is the same for all sequences and positions."""
    if metric == "accuracy":
        share = torch.bincount(y).double() / len(y)
        return float(torch.special.entr(share).sum())
    if metric == "iou":
        inside = y.double().mean()
        return float(torch.special.entr(torch.stack([inside, 1 - inside])).sum())
    return float(y.double().var(correction=0))


def fair_paths(choices: Sequence[int], rng: np.random.Generator) -> list[list[int]]:
    """Random paths in which every candidate of the places with most of them occurs once."""
    most = max(choices)
    places = [np.resize(rng.permutation(n), most) for n in choices]
    paths: list[list[int]] = np.stack(places, axis=1).tolist()
    return paths


@torch.no_grad()
def inherited_credit(supernet: Supernet, task: Task, designs: Designs) -> FloatArray:
    """Mean credit of designs ``[n, p]`` on the test sequences, with inherited weights, ``[n]``."""
    data, (_, credit) = task.data(), MARKING[task.metric]
    x, y = torch.from_numpy(data.x_test)[:, None], torch.from_numpy(data.y_test)
    shares = [float(credit(supernet(x, SinglePath(row)), y).mean()) for row in designs.tolist()]
    return np.array(shares, dtype=np.float64)
