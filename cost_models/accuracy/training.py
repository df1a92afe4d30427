"""Training of networks from scratch: the measurement behind the embedded accuracy tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from codesign_gym.cost_models.accuracy.cell_torch import CellNetwork
from codesign_gym.cost_models.accuracy.darts_torch import DartsNetwork
from codesign_gym.cost_models.accuracy.grouped import (
    Grouped,
    costs,
    reduced_precision,
    seeded,
    to_fp16,
    to_int8,
)
from codesign_gym.cost_models.accuracy.hybrid_torch import HybridNetwork
from codesign_gym.cost_models.accuracy.mobile_torch import MobileNetwork
from codesign_gym.cost_models.accuracy.mobilenet_torch import MobileNet1d
from codesign_gym.cost_models.accuracy.nas_bench_201_torch import ImageNetwork, SequenceNetwork
from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.resnet9_torch import ResNet9
from codesign_gym.cost_models.accuracy.tasks import Task
from codesign_gym.cost_models.accuracy.unet_torch import UNet
from codesign_gym.search_spaces.errors import unknown_name

MODULES: dict[str, dict[str, Callable[[Mapping[str, object], int], Grouped]]] = {
    "cell-network": {"accuracy": CellNetwork.of},
    "darts": {"accuracy": partial(DartsNetwork.of, "darts")},
    "darts-1d": {"accuracy": partial(DartsNetwork.of, "darts-1d")},
    "darts-imagenet": {"accuracy": partial(DartsNetwork.of, "darts-imagenet")},
    "fbnet": {"accuracy": partial(MobileNetwork.of, "fbnet")},
    "hybrid-vision": {"accuracy": HybridNetwork.of},
    "mobilenet-1d": {"accuracy": MobileNet1d.of},
    "nas-bench-201": {"accuracy": ImageNetwork.of},
    "nas-bench-201-1d": {
        "accuracy": SequenceNetwork.of,
        "iou": SequenceNetwork.dense_of,
        "r2": SequenceNetwork.dense_of,
    },
    "proxylessnas": {"accuracy": partial(MobileNetwork.of, "proxylessnas")},
    "proxylessnas-1d": {"accuracy": partial(MobileNetwork.of, "proxylessnas-1d")},
    "resnet9-1d": {"accuracy": ResNet9.of},
    "unet-1d": {"iou": UNet.of},
}
"""Space -> metric -> what makes the module of a decoded design with a number of copies."""


def builder(
    space: str, network: Mapping[str, object], metric: str = ""
) -> Callable[[int], Grouped]:
    """What makes the module of a design, given the number of copies.

    Args:
        space: Name of the space.
        network: A decoded design of it.
        metric: The metric of the task, which decides what the network answers; by default the
            first of those that the networks of the space are made for.
    """
    if space not in MODULES:
        raise unknown_name("space of trainable networks", space, MODULES)
    made_for = MODULES[space]
    metric = metric or next(iter(made_for))
    if metric not in made_for:
        raise unknown_name(f"metric of the networks of {space!r}", metric, made_for)
    return partial(made_for[metric], network)


@dataclass(frozen=True)
class Trained:
    """What one network reached, ``s`` seeds, ``e`` epochs; counts out of `tasks.TEST_SIZE`.

    Attributes:
        correct: Correct test sequences after each epoch, ``[s, e]``; in segmentation each counts
            by its intersection over union, in denoising by its variance explained, and the sum is
            rounded.
        correct_fp16: The same at the end with operands rounded to half precision, ``[s]``.
        correct_int8: The same with operands rounded to int8 after training, ``[s]``.
        cpu_s: CPU seconds for all seeds together.
        parameters: Trained numbers of one copy.
        macs: Multiply-accumulates of the convolutions of one copy for one sequence.
        finite: Whether all weights ended as numbers.
    """

    correct: NDArray[np.uint16]
    correct_fp16: NDArray[np.uint16]
    correct_int8: NDArray[np.uint16]
    cpu_s: float
    parameters: int
    macs: int
    finite: bool


def _cross_entropy(scores: Tensor, digits: Tensor) -> Tensor:
    return functional.cross_entropy(scores.flatten(0, 1), digits.flatten())


def _right(scores: Tensor, digits: Tensor) -> Tensor:
    """Which digits are said, ``[b, s]``."""
    return (scores.argmax(2) == digits[:, None]).float()


def _overlap(scores: Tensor, masks: Tensor) -> Tensor:
    """Intersection over union of each sequence, ``[b, s]``; no mask is empty."""
    said, true = scores > 0, masks[:, None] > 0
    return (said & true).sum(2) / (said | true).sum(2)


def _squared_error(scores: Tensor, clean: Tensor) -> Tensor:
    return functional.mse_loss(scores, clean)


def _explained(scores: Tensor, clean: Tensor) -> Tensor:
    """Share of each sequence's variance that is explained, at least 0, ``[b, s]``."""
    true = clean[:, None]
    around = (true - true.mean(2, keepdim=True)).square().sum(2)
    return (1 - (true - scores).square().sum(2) / around).clamp_min(0)


MARKING: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]]
MARKING = {
    "accuracy": (_cross_entropy, _right),
    "iou": (functional.binary_cross_entropy_with_logits, _overlap),
    "r2": (_squared_error, _explained),
}
"""Metric -> mean loss of scores ``[b, s, ...]``, and the credit of each sequence ``[b, s]``."""


def train(
    build: Callable[[int], Grouped],
    task: Task,
    seeds: Sequence[int],
    recipe: Recipe,
    device: str = "cpu",
) -> Trained:
    """Train one network from scratch, all seeds side by side.

    Args:
        build: Makes the network with a number of copies; see `builder`.
        task: Data and metric.
        seeds: One independent initialisation and order of the data for each.
        recipe: Epochs and optimiser.
        device: Where; first weights and orders are drawn on the CPU, the same for all.
    """
    start = time.process_time()
    x, y, x_test, y_test = (torch.from_numpy(part).to(device) for part in task.data())
    mean_loss, credit = MARKING[task.metric]
    model = seeded(build, seeds).to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps = len(x) // recipe.batch
    schedule = one_cycle(optimizer, recipe, steps)
    shuffles = [torch.Generator().manual_seed(seed) for seed in seeds]
    tests = x_test[:, None].expand(-1, len(seeds), -1)
    history = []
    for _ in range(recipe.epochs):
        model.train()
        drawn = [torch.randperm(len(x), generator=g) for g in shuffles]
        orders = torch.stack(drawn, dim=1).to(device)
        for step in range(steps):
            rows = orders[step * recipe.batch : (step + 1) * recipe.batch]
            # The sum over seeds of each seed's mean loss: gradients as if each trained alone.
            loss = mean_loss(model(x[rows]), y[rows])
            optimizer.zero_grad()
            torch.autograd.backward(loss * len(seeds))
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            history.append(count(credit(model(tests), y_test)))
    return measured(model, build, task, np.stack(history, axis=1), start)


def one_cycle(
    optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int
) -> torch.optim.lr_scheduler.OneCycleLR:
    """The schedule of a recipe with a number of steps per epoch."""
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.epochs * steps
    )


def measured(
    model: Grouped,
    build: Callable[[int], Grouped],
    task: Task,
    correct: NDArray[np.uint16],
    start: float,
) -> Trained:
    """What a trained network reached, with what it reaches in reduced precision.

    Args:
        model: In evaluation mode.
        build: What made it.
        task: What it was trained on.
        correct: After each epoch, ``[s, e]``.
        start: Process time when the training began.
    """
    device = next(model.parameters()).device
    x, _, x_test, y_test = (torch.from_numpy(part).to(device) for part in task.data())
    _, credit = MARKING[task.metric]
    copies = correct.shape[0]
    calibration, tests = (t[:1000, None].expand(-1, copies, -1) for t in (x, x_test))
    half, eighth = (
        count(credit(reduced_precision(model, calibration, tests, rounding), y_test))
        for rounding in (to_fp16, to_int8)
    )
    parameters, macs = costs(build(1), torch.from_numpy(task.data().x[:1])[:, None])
    spent = time.process_time() - start
    finite = all(bool(torch.isfinite(p).all()) for p in model.parameters())
    return Trained(correct, half, eighth, spent, parameters, macs, finite)


def count(credit: Tensor) -> NDArray[np.uint16]:
    """Correct sequences of each copy, ``[s]``."""
    return credit.sum(0).round().cpu().numpy().astype(np.uint16)
