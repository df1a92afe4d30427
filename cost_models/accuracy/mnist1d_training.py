"""Training of cell networks on MNIST-1D: the measurement behind the embedded accuracy table.

MNIST-1D (Greydanus and Kobak, ICML 2024) is generated locally by the ``mnist1d`` package: 4,000
training and 1,000 test sequences of 40 values, always the same.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from codesign_gym.cost_models.accuracy.cell_torch import (
    reduced_precision,
    seeded,
    to_fp16,
    to_int8,
)

TEST_SIZE = 1000
"""Test sequences: accuracies are counts out of this many."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: AdamW with a one-cycle learning rate.

    Attributes:
        epochs: Passes over the 4,000 training sequences.
        batch: Sequences per step.
        learning_rate: Peak of the one-cycle schedule.
        weight_decay: Of AdamW.
    """

    epochs: int = 10
    batch: int = 100
    learning_rate: float = 1e-2
    weight_decay: float = 1e-2


RECIPE = Recipe()
"""The recipe of the embedded table."""


@dataclass(frozen=True)
class Trained:
    """What one network reached, ``s`` seeds, ``e`` epochs; counts out of `TEST_SIZE`.

    Attributes:
        correct: Correct test sequences after each epoch, ``[s, e]``.
        correct_fp16: The same at the end with operands rounded to half precision, ``[s]``.
        correct_int8: The same with operands rounded to int8 after training, ``[s]``.
        cpu_s: CPU seconds for all seeds together.
    """

    correct: NDArray[np.uint16]
    correct_fp16: NDArray[np.uint16]
    correct_int8: NDArray[np.uint16]
    cpu_s: float


@cache
def mnist1d() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training and test data: x ``[4000, 40]``, y ``[4000]``, x ``[1000, 40]``, y ``[1000]``."""
    from mnist1d.data import get_dataset_args, make_dataset

    data = make_dataset(get_dataset_args())
    as_x = [torch.tensor(data[key], dtype=torch.float32) for key in ("x", "x_test")]
    as_y = [torch.tensor(data[key], dtype=torch.int64) for key in ("y", "y_test")]
    return as_x[0], as_y[0], as_x[1], as_y[1]


def train(network: Mapping[str, object], seeds: Sequence[int], recipe: Recipe = RECIPE) -> Trained:
    """Train one cell network from scratch, all seeds side by side.

    Args:
        network: A decoded design of ``cell-network``.
        seeds: One independent initialisation and order of the data for each.
        recipe: Epochs and optimiser.
    """
    start = time.process_time()
    x, y, x_test, y_test = mnist1d()
    operations = [str(network[edge]) for edge in ("op_01", "op_02", "op_12")]
    model = seeded(operations, int(str(network["width"])), int(str(network["cells"])), seeds)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps = len(x) // recipe.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.epochs * steps
    )
    shuffles = [torch.Generator().manual_seed(seed) for seed in seeds]
    tests = x_test[:, None].expand(-1, len(seeds), -1)

    def correct(scores: Tensor) -> NDArray[np.uint16]:
        return (scores.argmax(2) == y_test[:, None]).sum(0).numpy().astype(np.uint16)

    history = []
    for _ in range(recipe.epochs):
        model.train()
        orders = torch.stack([torch.randperm(len(x), generator=g) for g in shuffles], dim=1)
        for step in range(steps):
            rows = orders[step * recipe.batch : (step + 1) * recipe.batch]
            # The sum over seeds of each seed's mean loss: gradients as if each trained alone.
            loss = functional.cross_entropy(model(x[rows]).flatten(0, 1), y[rows].flatten())
            optimizer.zero_grad()
            torch.autograd.backward(loss * len(seeds))
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            history.append(correct(model(tests)))
    calibration = x[:1000, None].expand(-1, len(seeds), -1)
    return Trained(
        correct=np.stack(history, axis=1),
        correct_fp16=correct(reduced_precision(model, calibration, tests, to_fp16)),
        correct_int8=correct(reduced_precision(model, calibration, tests, to_int8)),
        cpu_s=time.process_time() - start,
    )
