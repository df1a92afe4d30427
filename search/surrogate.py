"""An ensemble of small networks over relaxed designs, and designs that climb it by its gradient.

A design is relaxed to a distribution over the choices of each parameter; a network takes it where a
one-hot row would be. Letters: ``e`` networks, ``t`` targets, ``s`` starts, ``m`` points. Importing
this module imports torch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codesign_gym.search.trained import Trained, random_matrix, zeros
from codesign_gym.search_spaces import Designs, SearchSpace

FloatArray = NDArray[np.float64]

NOISE = 1e-3
"""Variance that stays where all networks agree; targets have a variance of 1."""

DECAY = 3e-4
"""Weight of the squared weights in the loss."""


class Ensemble(Trained):
    """Networks of one hidden layer, with a straight path for the main effects.

    Args:
        space: Whose designs; ``K`` choices.
        targets: How many figures of a design are predicted, ``t``.
        members: Networks, ``e``; each starts from weights and learns from batches of its own.
        hidden: Width of the hidden layer.
        learning_rate: Of Adam.
        rng: Draws the first weights.
    """

    def __init__(
        self,
        space: SearchSpace,
        targets: int,
        members: int,
        hidden: int,
        learning_rate: float,
        rng: np.random.Generator,
    ) -> None:
        choices = int(space.offsets[-1])
        # One choice of a parameter is on: the variance of a sum is that of p weights, not of K.
        wide = float(np.sqrt(choices / len(space)))
        super().__init__(
            {
                "in": (
                    random_matrix(rng, members, choices, hidden).detach() * wide
                ).requires_grad_(),
                "in_bias": zeros(members, 1, hidden),
                "out": random_matrix(rng, members, hidden, targets),
                "straight": zeros(members, choices, targets),
                "out_bias": zeros(members, 1, targets),
            },
            learning_rate,
        )
        self.space, self.targets, self.members = space, targets, members

    def outputs(self, x: Tensor) -> Tensor:
        """Predictions ``[e, m, t]`` of relaxed designs, ``[m, K]`` or ``[e, m, K]``."""
        w = self.weights
        x = x.expand(self.members, -1, -1)
        hidden = torch.nn.functional.silu(torch.baddbmm(w["in_bias"], x, w["in"]))
        return torch.baddbmm(w["out_bias"], hidden, w["out"]) + torch.bmm(x, w["straight"])

    def learn(
        self, designs: Designs, values: FloatArray, steps: int, rng: np.random.Generator
    ) -> None:
        """Steps of Adam on the squared error of ``values`` ``[n, t]``, 128 designs per network."""
        x = torch.from_numpy(self.space.one_hot(designs))
        y = torch.from_numpy(values.astype(np.float32))
        size = min(128, len(x))
        for _ in range(steps):
            rows = torch.from_numpy(rng.integers(0, len(x), (self.members, size)))
            missed = (self.outputs(x[rows]) - y[rows]).square().mean(dim=(1, 2)).sum()
            weight = sum(self.weights[name].square().sum() for name in ("in", "out", "straight"))
            self.descend(missed + DECAY * weight)

    def predict(self, points: Designs) -> tuple[FloatArray, FloatArray]:
        """Mean and spread of the networks, ``[m, t]``."""
        each = self._each(points)
        return each.mean(axis=0), np.sqrt(each.var(axis=0) + NOISE)

    def covariance(self, points: Designs) -> FloatArray:
        """How the networks differ together in the first target, ``[m, m]``."""
        each = self._each(points)[:, :, 0]
        residual = each - each.mean(axis=0)
        return np.asarray(residual.T @ residual / len(each) + NOISE * np.eye(len(points)))

    def _each(self, points: Designs) -> FloatArray:
        with torch.no_grad():
            found = self.outputs(torch.from_numpy(self.space.one_hot(points)))
        return found.double().numpy()


def ascend(
    space: SearchSpace,
    starts: Designs,
    value: Callable[[Tensor], Tensor],
    steps: int,
    rng: np.random.Generator,
    rate: float = 0.3,
    hot: float = 1.0,
    cold: float = 0.3,
) -> Designs:
    """Designs reached by gradient ascent on a relaxation, all starts at once.

    The choices of each parameter have logits, of which a relaxed design is drawn anew in each step
    (Gumbel softmax, Jang et al., ICLR 2017; Maddison et al., ICLR 2017), sharper from step to step.

    Args:
        space: The space.
        starts: Where to start, ``[s, p]``.
        value: What relaxed designs ``[s, K]`` are worth, ``[s]``.
        steps: Steps of Adam.
        rng: Draws the noise.
        rate: Of Adam.
        hot: First temperature.
        cold: Last temperature.

    Returns:
        The likeliest designs after half and after all of the steps, ``[2 s, p]``, repeated ones
        among them.
    """
    p, k = len(space), int(space.nvec.max())
    exists = torch.from_numpy(np.arange(k) < space.nvec[:, None])
    logits = torch.zeros(len(starts), p, k)
    logits.scatter_(2, torch.from_numpy(starts.astype(np.int64))[:, :, None], 2.0)
    logits.requires_grad_()
    adam = torch.optim.Adam([logits], lr=rate, fused=True)
    found = []
    for step in range(steps):
        heat = hot * (cold / hot) ** (step / max(steps - 1, 1))
        noise = torch.from_numpy(rng.gumbel(size=logits.shape).astype(np.float32))
        drawn = (logits + noise).masked_fill(~exists, -torch.inf) / heat
        relaxed = torch.softmax(drawn, dim=2)[:, exists]
        adam.zero_grad()
        loss = -value(relaxed).sum()
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not type it
        adam.step()
        if step + 1 in (max(1, steps // 2), steps):
            likely = logits.detach().masked_fill(~exists, -torch.inf).argmax(dim=2)
            found.append(space.canonical(likely.numpy().astype(np.int32)))
    return np.concatenate(found)
