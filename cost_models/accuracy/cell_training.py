"""Training of ``nas-bench-201-1d`` networks by compiled code, several times as fast as torch.

Initial weights, the order of the data, the schedule and the optimiser are those of
`training.train`; sums run in another order, so that accuracies differ as those of two seeds do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from codesign_gym.cost_models.accuracy import cell_dense, cell_steps
from codesign_gym.cost_models.accuracy.cell_dense import DenseWork
from codesign_gym.cost_models.accuracy.cell_kernels import F32, WIDTH
from codesign_gym.cost_models.accuracy.cell_steps import EDGES, STEM_TAPS, Layout, Work
from codesign_gym.cost_models.accuracy.grouped import assembled, seeded
from codesign_gym.cost_models.accuracy.nas_bench_201_torch import SequenceNetwork
from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.tasks import Task
from codesign_gym.cost_models.accuracy.training import MARKING, Trained, count, measured, one_cycle
from codesign_gym.search_spaces import Designs, make_space
from codesign_gym.search_spaces.networks.nas_bench_201 import ENDS, KERNELS, NODES, STAGES

SPACE = "nas-bench-201-1d"


class Copy:
    """One copy of a network in training.

    Args:
        network: A decoded ``nas-bench-201-1d`` design.
        seed: Of its initial weights.
        dense: Whether it answers with a score per position, in place of scores of digits.

    Attributes:
        theta: Trained numbers ``[t]``.
        moments: AdamW's running means ``[2, t]``.
        running: Mean and variance of each batch norm ``[norms, 2, 8]``.
    """

    def __init__(self, network: Mapping[str, object], seed: int, dense: bool = False) -> None:
        self.module = seeded(_builder(network, dense), (seed,))
        self.layout = layout(network, STAGES if dense else 1)
        theta = nn.utils.parameters_to_vector(self.module.parameters()).detach().numpy()
        self.theta: F32 = theta.astype(np.float32)
        self.moments: F32 = np.zeros((2, len(theta)), dtype=np.float32)
        norms = [m for m in self.module.modules() if isinstance(m, nn.BatchNorm1d)]
        self.running: F32 = np.zeros((len(norms), 2, WIDTH), dtype=np.float32)
        self.running[:, 1] = 1

    def scores(self, x: F32, work: Work | DenseWork) -> F32:
        """What the copy says of sequences ``[n, 40]``; ``n`` a multiple of a batch.

        Args:
            x: The sequences.
            work: Room for a batch, `DenseWork` for a dense copy.

        Returns:
            ``[n, 10]``, or ``[n, 40]`` if dense.
        """
        said = []
        b = len(work.scores) // x.shape[1] if isinstance(work, DenseWork) else work.scores.shape[1]
        for start in range(0, len(x), b):
            flat = x[start : start + b].T.ravel()
            known = self.layout, self.theta, flat, b, False, self.running
            if isinstance(work, DenseWork):
                cell_dense.forward(*known, work)
            else:
                cell_steps.forward(*known, work)
            said.append(work.scores.reshape(-1, b).T.copy())
        return np.concatenate(said)

    def state(self) -> dict[str, torch.Tensor]:
        """The state of the torch module that computes the same."""
        nn.utils.vector_to_parameters(torch.from_numpy(self.theta), self.module.parameters())
        norms = [m for m in self.module.modules() if isinstance(m, nn.BatchNorm1d)]
        for norm, (mean, variance) in zip(norms, self.running, strict=True):
            norm.running_mean, norm.running_var = map(torch.from_numpy, (mean, variance))
        return self.module.state_dict()


def _builder(network: Mapping[str, object], dense: bool) -> Callable[[int], SequenceNetwork]:
    return partial(SequenceNetwork.dense_of if dense else SequenceNetwork.of, network)


def layout(network: Mapping[str, object], heads: int = 1) -> Layout:
    """Where the trained numbers of a decoded design are in its torch module's order.

    Args:
        network: The design.
        heads: What is read after the cells: 1 classifier, or a dense head on each stage.
    """
    [design] = make_space(SPACE).encode([network])
    at = WIDTH * STEM_TAPS + 2 * WIDTH
    places = np.zeros((2, STAGES, EDGES), dtype=np.int64)
    norms = 1
    for stage in range(STAGES):
        for edge, operation in enumerate(design.tolist()):
            if operation in KERNELS:
                places[:, stage, edge] = at, norms
                at += WIDTH * WIDTH * KERNELS[operation] + 2 * WIDTH
                norms += 1
    return Layout(
        operations=_leading(design), at=places[0], norm=places[1], head=at, norms=norms + heads
    )


def _leading(design: Designs) -> NDArray[np.int64]:
    """The operations of a cell, 0 on edges that do not lead to its output."""
    leads = np.zeros(NODES, dtype=np.bool_)
    leads[-1] = True
    for operation, (start, end) in sorted(zip(design, ENDS, strict=True), key=lambda e: -e[1][0]):
        leads[start] |= bool(operation) and leads[end]
    return np.where(leads[cell_steps.STOPS], design, 0).astype(np.int64)


@cache
def _rates(recipe: Recipe, steps: int) -> F32:
    """Learning rate and first decay of AdamW at every step, ``[epochs * steps, 2]``."""
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=recipe.learning_rate)
    schedule = one_cycle(optimizer, recipe, steps)
    rates = np.empty((recipe.epochs * steps, 2), dtype=np.float32)
    for row in rates:
        [group] = optimizer.param_groups
        row[:] = group["lr"], group["betas"][0]
        optimizer.step()
        schedule.step()
    return rates


def train_cells(
    network: Mapping[str, object], task: Task, seeds: Sequence[int], recipe: Recipe
) -> Trained:
    """Train the network of a cell from scratch; as `training.train`, in less time.

    Args:
        network: A decoded ``nas-bench-201-1d`` design.
        task: Data and metric: ``accuracy`` of a classifier, ``iou`` or ``r2`` of a dense network.
        seeds: One independent initialisation and order of the data for each.
        recipe: Epochs and optimiser.
    """
    start = time.process_time()
    data, dense = task.data(), task.metric != "accuracy"
    steps = len(data.x) // recipe.batch
    x, rates = np.ascontiguousarray(data.x.T), _rates(recipe, steps)
    y = np.ascontiguousarray(data.y.T)
    y_test, credit = torch.from_numpy(data.y_test), MARKING[task.metric][1]
    room: Work | DenseWork
    room = (cell_dense if dense else cell_steps).work(recipe.batch, len(x))
    copies = [Copy(network, seed, dense) for seed in seeds]
    correct = np.zeros((len(seeds), recipe.epochs), dtype=np.uint16)
    for copy, seed, row in zip(copies, seeds, correct, strict=True):
        generator = torch.Generator().manual_seed(seed)
        for epoch in range(recipe.epochs):
            order = torch.randperm(len(data.x), generator=generator).numpy()
            done = epoch * steps
            if isinstance(room, DenseWork):
                cell_dense.epoch(
                    copy.layout, x, y, task.metric == "iou", order, recipe.batch,
                    rates[done : done + steps], recipe.weight_decay, done, copy.theta,
                    copy.moments, copy.running, room,
                )  # fmt: skip
            else:
                cell_steps.epoch(
                    copy.layout, x, y, order, recipe.batch, rates[done : done + steps],
                    recipe.weight_decay, done, copy.theta, copy.moments, copy.running, room,
                )  # fmt: skip
            said = torch.from_numpy(copy.scores(data.x_test, room))
            [row[epoch]] = count(credit(said[:, None], y_test))
    build = _builder(network, dense)
    model = assembled(build, [copy.state() for copy in copies]).eval()
    return measured(model, build, task, correct, start)
