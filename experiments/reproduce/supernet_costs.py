"""What a step of training takes, with a supernet and with one network: memory and CPU time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from codesign_gym.cost_models.accuracy.nas_bench_201_torch import SequenceNetwork
from codesign_gym.cost_models.accuracy.peak_memory import peak_bytes
from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.supernet_rules import (
    Rule,
    SinglePath,
    TwoPaths,
    Weighted,
)
from codesign_gym.cost_models.accuracy.supernet_torch import Mixture, Supernet
from codesign_gym.cost_models.accuracy.supernet_training import Lessons
from codesign_gym.cost_models.accuracy.supernets import supernet
from codesign_gym.cost_models.accuracy.tasks import get_task
from codesign_gym.cost_models.threads import one_thread
from codesign_gym.envs import make_problem
from codesign_gym.search import make_agent
from codesign_gym.search.agents.supernet import SupernetAgent
from codesign_gym.search.differentiable import Architecture
from codesign_gym.search_spaces import make_space

SPACE, TASK = "nas-bench-201-1d", "mnist1d"
WARM, TIMED = 3, 15
"""Steps before the clock runs, and steps that are timed."""


def step_mb(compute: Callable[[], object]) -> float:
    """Peak memory of a step beyond weights and data, in 1e6 bytes; the first one does not count."""
    compute()
    return peak_bytes(compute) / 1e6


def step_s(compute: Callable[[], object]) -> float:
    """CPU seconds of a step, the median of `TIMED`."""
    times = []
    for i in range(WARM + TIMED):
        start = time.process_time()
        compute()
        times.append(time.process_time() - start)
        if i < WARM:
            times.clear()
    return float(np.median(times))


class Mixed:
    """A supernet on its first batch, for measurements.

    Args:
        share: One in so many channels is mixed.
        width: Channels.
        batch: Sequences per step.
    """

    def __init__(self, share: int, width: int, batch: int = Recipe.batch) -> None:
        rng = np.random.default_rng(0)
        net = supernet(SPACE, share=share, width=width)
        # More epochs than steps are taken: the schedule must not end.
        recipe = Recipe(epochs=100, batch=batch)
        self.lessons = Lessons(net, [get_task(TASK)], recipe, rng)
        self.choices = Architecture(net.choices, net.nodes, rng)
        self.own, self.held_out = next(iter(self.lessons.batches()))

    def choice_step(self) -> None:
        """Gradients of the choices."""
        loss = self.lessons.loss(self.held_out, self.choices.weighted(normalised=True))
        torch.autograd.grad(loss, [self.choices.alpha, self.choices.beta])

    def weight_step(self, rule: Rule | None = None) -> None:
        """A step of the weights, of the mixture by default."""
        with torch.no_grad():
            mixture = self.choices.weighted(normalised=True)
        self.lessons.step(self.own, rule or mixture)


def network_epoch_s(networks: int = 9) -> float:
    """CPU seconds in which a random network of the space trains for an epoch in torch, the median.

    In torch, as supernets are trained: what compiled code would save is not what is compared.
    """
    data, recipe = get_task(TASK).data(), Recipe()
    x = torch.from_numpy(data.x[: recipe.batch])[:, None]
    y = torch.from_numpy(data.y[: recipe.batch])
    times = []
    for design in make_space(SPACE).sample(networks, 0).tolist():
        network = SequenceNetwork(design)
        adam = torch.optim.AdamW(network.parameters(), recipe.learning_rate)

        def step(network: SequenceNetwork = network, adam: torch.optim.AdamW = adam) -> None:
            adam.zero_grad()
            torch.autograd.backward(functional.cross_entropy(network(x).flatten(0, 1), y))
            adam.step()

        times.append(step_s(step) * (len(data.x) // recipe.batch))
    return float(np.median(times))


def mixture_costs(share: int, width: int) -> tuple[float, float, float]:
    """Peak memory of a step (1e6 bytes), CPU seconds of a step of weights and of one of choices."""
    with one_thread():
        mixed = Mixed(share, width)
        memory = max(step_mb(mixed.choice_step), step_mb(mixed.weight_step))
        return memory, step_s(mixed.weight_step), step_s(mixed.choice_step)


def search_s(problem: str, agent: str, objectives: Sequence[str], epochs: int = 4) -> float:
    """CPU seconds of a search with a supernet: those of a short one, as long as it would be.

    Args:
        problem: Name of a problem with a supernet.
        agent: Name of an agent that trains it.
        objectives: What it searches for.
        epochs: Of the short search.
    """
    searched = replace(make_problem(problem), objective_names=tuple(objectives))
    made = make_agent(agent, searched, epochs=epochs)
    assert isinstance(made, SupernetAgent)
    start = time.process_time()
    made.learned()
    short = time.process_time() - start
    assert searched.supernet is not None
    return short * searched.supernet.epochs / epochs


MOVES = tuple((kernel, expansion) for expansion in (3, 6) for kernel in (3, 5, 7))
"""Kernel and expansion of ProxylessNAS's six inverted bottlenecks, the small ones first."""

DRAWS = 5
"""Paths, and pairs, of which the mean memory is taken."""


def inverted(kernel: int, expansion: int, width: int) -> nn.Module:
    """An inverted bottleneck on sequences: pointwise, depthwise, pointwise convolution."""
    inside = expansion * width
    return nn.Sequential(
        nn.Conv1d(width, inside, 1, bias=False),
        nn.BatchNorm1d(inside),
        nn.ReLU(),
        nn.Conv1d(inside, inside, kernel, padding=kernel // 2, groups=inside, bias=False),
        nn.BatchNorm1d(inside),
        nn.ReLU(),
        nn.Conv1d(inside, width, 1, bias=False),
        nn.BatchNorm1d(width),
    )


def path_costs(candidates: int, width: int = 8, layers: int = 6) -> tuple[float, float, float]:
    """Memory of a step in a chain of layers, with one path, with two, with all candidates, MB.

    The one path trains its weights; two paths and all candidates give the gradients of choices.

    Args:
        candidates: At each place: inverted bottlenecks, and the identity as the last of seven.
        width: Channels.
        layers: Places.
    """
    rules: list[Rule] = []

    def make(index: int, width: int) -> nn.Module:
        return inverted(*MOVES[index], width) if index < len(MOVES) else nn.Identity()

    body = [Mixture(make, candidates, place, width, 1, rules) for place in range(layers)]
    head = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(width, 10))
    chain = nn.Sequential(nn.Conv1d(1, width, 3, padding=1), *body, head)
    net = Supernet(chain, rules, [candidates] * layers, [[i] for i in range(layers)], 0)
    data = get_task(TASK).data()
    x = torch.from_numpy(data.x[: Recipe.batch])[:, None]
    y = torch.from_numpy(data.y[: Recipe.batch])
    rng = np.random.default_rng(candidates)

    def loss(rule: Rule) -> Tensor:
        return functional.cross_entropy(net(x, rule), y)

    def train(path: list[int]) -> None:
        net.zero_grad()
        torch.autograd.backward(loss(SinglePath(path)))

    def weigh(active: list[int], other: list[int]) -> None:
        gates = torch.ones(layers, 2, requires_grad=True)
        torch.autograd.grad(loss(TwoPaths(active, other, gates)), gates)

    def mix() -> None:
        weights = torch.full((layers, candidates), 1 / candidates, requires_grad=True)
        torch.autograd.grad(loss(Weighted(list(weights))), weights)

    one, two = [], []
    with one_thread():
        for _ in range(DRAWS):
            active = rng.integers(candidates, size=layers)
            other = (active + rng.integers(1, candidates, size=layers)) % candidates
            one.append(step_mb(partial(train, active.tolist())))
            net.zero_grad()
            two.append(step_mb(partial(weigh, active.tolist(), other.tolist())))
        return float(np.mean(one)), float(np.mean(two)), step_mb(mix)
