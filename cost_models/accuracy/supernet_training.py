"""Training of supernets: their weights on some of the sequences, the rest held out for choices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.supernet_torch import Rule, SinglePath, Supernet
from codesign_gym.cost_models.accuracy.tasks import Data
from codesign_gym.cost_models.accuracy.training import MARKING
from codesign_gym.search_spaces import Designs

FloatArray = NDArray[np.float64]

LARGEST_GRADIENT = 5.0
"""Norm to which longer gradients of the weights are cut, as in DARTS."""


class Batch(NamedTuple):
    """Sequences ``[b, 1, l]`` and their answers ``[b, ...]``."""

    x: Tensor
    y: Tensor


class Diverged(Exception):  # noqa: N818 - a fact, not a mistake
    """A loss was not finite."""


class Lessons:
    """A supernet that learns the weights of all designs.

    Args:
        supernet: Changed in place.
        data: What it learns.
        metric: Of the task, which decides on the loss.
        recipe: Epochs and optimiser, as for networks that are trained alone.
        rng: Draws the split and the order of the sequences.
        held_out: Share of the sequences that the weights are not trained on.

    Attributes:
        epoch: How many have begun.
    """

    def __init__(
        self,
        supernet: Supernet,
        data: Data,
        metric: str,
        recipe: Recipe,
        rng: np.random.Generator,
        held_out: float = 0.5,
    ) -> None:
        self.supernet, self.recipe, self._rng = supernet.train(), recipe, rng
        self._x, self._y = torch.from_numpy(data.x)[:, None], torch.from_numpy(data.y)
        self._loss, self._credit = MARKING[metric]
        order = rng.permutation(len(data.x))
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
        return Batch(self._x[rows], self._y[rows])

    def loss(self, batch: Batch, rule: Rule) -> Tensor:
        """The mean loss under a rule.

        Raises:
            Diverged: It is not finite.
        """
        loss = self._loss(self.supernet(batch.x, rule), batch.y)
        if not torch.isfinite(loss):
            raise Diverged(
                f"training of the supernet diverged in epoch {self.epoch}: loss {loss.item()}"
            )
        return loss

    @torch.no_grad()
    def credit(self, batch: Batch, rule: Rule) -> float:
        """Mean credit, such as the share of right answers, under a rule."""
        return float(self._credit(self.supernet(batch.x, rule), batch.y).mean())

    def step(self, batch: Batch, *rules: Rule) -> None:
        """One step of the weights by the mean loss of rules; what all leave out stays as it is."""
        self._adam.zero_grad()
        for rule in rules:
            torch.autograd.backward(self.loss(batch, rule) / len(rules))
        torch.nn.utils.clip_grad_norm_(self.supernet.parameters(), LARGEST_GRADIENT)
        self._adam.step()
        self._schedule.step()


@torch.no_grad()
def inherited_credit(supernet: Supernet, data: Data, metric: str, designs: Designs) -> FloatArray:
    """Mean credit of designs ``[n, p]`` on the test sequences, with inherited weights, ``[n]``."""
    _, credit = MARKING[metric]
    x, y = torch.from_numpy(data.x_test)[:, None], torch.from_numpy(data.y_test)
    shares = [float(credit(supernet(x, SinglePath(row)), y).mean()) for row in designs.tolist()]
    return np.array(shares, dtype=np.float64)
