"""Training a small network with torch: what methods of neural networks share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from codesign_gym.cost_models.learned.regressors import Arrays
from codesign_gym.cost_models.threads import one_thread

if TYPE_CHECKING:
    from torch import Tensor

Axes = tuple[int | str, ...]
"""The shape of a weight: numbers, and names of sizes."""


def descend(
    weights: Collection[Tensor],
    predict: Callable[[], tuple[Tensor, Tensor]],
    rate: float,
    decay: float,
    steps: int,
    beta: float = 0.5,
) -> None:
    """Train weights in place on one thread, by AdamW whose rate rises once and falls.

    Args:
        weights: To be trained.
        predict: Draws a batch; what the weights say of it, and what they should.
        rate: Highest learning rate.
        decay: Of the weights.
        steps: Batches.
        beta: Error from which on the loss grows linearly.
    """
    import torch

    for weight in weights:
        weight.requires_grad_(True)
    with one_thread():
        optimiser = torch.optim.AdamW(list(weights), lr=rate, weight_decay=decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps)
        for _ in range(steps):
            found, goals = predict()
            loss = torch.nn.functional.smooth_l1_loss(found, goals, beta=beta)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()


def kept(weights: Mapping[str, Tensor]) -> Arrays:
    """Weights as arrays of their own."""
    return {name: weight.detach().numpy().copy() for name, weight in weights.items()}


def shaped_like(arrays: Arrays, shapes: Mapping[str, Axes], sizes: Mapping[str, int]) -> bool:
    """Whether arrays are weights of these shapes, with the sizes that the names stand for."""
    return all(
        arrays[name].dtype == np.float32
        and arrays[name].shape == tuple(sizes[a] if isinstance(a, str) else a for a in axes)
        for name, axes in shapes.items()
    )
