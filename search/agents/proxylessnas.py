"""ProxylessNAS: paths of a supernet that are switched on and off, under an expected latency.

Cai, Zhu and Han, "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware",
ICLR 2019 (arXiv 1812.00332).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned.operation_lut import OperationLut
from codesign_gym.envs import ProblemStatement
from codesign_gym.search.agents.supernet import SupernetAgent, SupernetOptions
from codesign_gym.search.best_first import best_first
from codesign_gym.search.options import at_least, between, one_of
from codesign_gym.search_spaces import CellSpace

if TYPE_CHECKING:
    from codesign_gym.cost_models.accuracy.supernet_training import Batch, Lessons
    from codesign_gym.search.differentiable import Architecture

BETAS = (0.0, 0.999)
"""Of Adam for the choices: without momentum, what was not sampled does not move."""

EXPONENT = 0.1
"""Of the latency in the reward of REINFORCE."""

DECAY = 0.95
"""How much of the baseline of REINFORCE stays at a step."""

ROUNDING = 1e-9
"""How far a sum of costs may be off."""

ESTIMATORS = ("gradient", "reinforce")


@dataclass(frozen=True)
class ProxylessNasOptions(SupernetOptions):
    """What can be set, beside what `SupernetOptions` has.

    Attributes:
        estimator: How the choices learn: ``gradient`` of two paths, or ``reinforce``.
        cost: Metric whose expectation is held to the target; the problem's first by default.
        target: What it may be; 0 for the problem's spec, and for no target where there is none.
        price: Weight of the relative excess over the target in the loss at the start.
        price_rate: How fast the weight follows the excess; at 0 it stays, as in the paper.
        tolerance: Designs whose cost is less than so much below the target are proposed first.
    """

    width: int = 8
    choice_rate: float = 5e-2
    estimator: str = "gradient"
    cost: str = ""
    target: float = 0.0
    price: float = 0.1
    price_rate: float = 0.05
    tolerance: float = 0.05


class ProxylessNas(SupernetAgent):
    """One path is trained at a time, two are weighed against each other, latency is expected.

    The weights learn with paths drawn by the probabilities of the choices. The choices learn on
    held-out data; with a target, an additive latency model has its part in their loss.
    """

    name: ClassVar[str] = "proxylessnas"
    Options = ProxylessNasOptions
    options: ProxylessNasOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        o = self.options
        one_of(self.name, "estimator", o.estimator, ESTIMATORS)
        one_of(self.name, "cost", o.cost, ("", *self.task.costs))
        for option in ("target", "price", "price_rate"):
            at_least(self.name, option, getattr(o, option), 0)
        between(self.name, "tolerance", o.tolerance, 0, 1)

    @property
    def lut(self) -> OperationLut | None:
        """The additive costs that are held to the target; None where the problem has none."""
        name = self.options.cost or next(iter(self.task.costs), "")
        return self.task.costs.get(name)

    @property
    def target(self) -> float:
        """What the cost may be, infinite where nothing bounds it."""
        if self.options.target or self.lut is None:
            return self.options.target or np.inf
        name = self.lut.metrics[0].name
        bounds = [s.bound for s in self.statement.specs if s.metric == name and s.sense == "<="]
        return min(bounds, default=np.inf)

    def _learn(self) -> list[NDArray[np.float64]]:
        import torch

        from codesign_gym.cost_models.accuracy.supernet_rules import SinglePath
        from codesign_gym.search.binary_gates import sample_path
        from codesign_gym.search.differentiable import Architecture

        lessons = self._lessons(scaled=True)
        net = lessons.supernet
        choices = Architecture(net.choices, net.nodes, self.rng)
        adam = torch.optim.Adam([choices.alpha], self.options.choice_rate, BETAS)
        step = self._by_gradient if self.options.estimator == "gradient" else self._by_reward
        self._price, self._baseline = self.options.price, 0.0
        for epoch in range(self.epochs):
            for own, held_out in lessons.batches():
                if epoch >= self.warm_epochs:
                    step(lessons, held_out, choices, adam)
                    path = sample_path(choices, self.rng)
                else:
                    path = self.rng.integers(net.choices).tolist()
                lessons.step(own, SinglePath(path))
        return choices.scores()

    def _by_gradient(
        self, lessons: Lessons, batch: Batch, choices: Architecture, adam: Any
    ) -> None:
        """One step of two choices at each place."""
        import torch

        from codesign_gym.cost_models.accuracy.supernet_rules import TwoPaths
        from codesign_gym.search.binary_gates import logit_gradient, sample_pairs, step_two

        pairs = sample_pairs(choices, self.rng)
        gates = torch.tensor([[1.0, 0.0]] * len(choices.choices), requires_grad=True)
        loss = lessons.loss(batch, TwoPaths(pairs.active.tolist(), pairs.other.tolist(), gates))
        (found,) = torch.autograd.grad(loss, gates)
        gradient = logit_gradient(choices, pairs, found)
        if np.isfinite(self.target) and self.lut is not None:
            cost = self.lut.expected(torch.cat(choices.probabilities()))
            (slope,) = torch.autograd.grad(cost, choices.alpha)
            gradient += self._price * slope / self.target
            excess = float(cost.detach()) / self.target - 1
            self._price = max(0.0, self._price + self.options.price_rate * excess)
        step_two(choices, pairs, gradient, adam)

    def _by_reward(self, lessons: Lessons, batch: Batch, choices: Architecture, adam: Any) -> None:
        """One step along the policy gradient (Williams 1992), by one path's reward."""
        import torch

        from codesign_gym.cost_models.accuracy.supernet_rules import SinglePath
        from codesign_gym.search.binary_gates import sample_path

        path = sample_path(choices, self.rng)
        reward = lessons.credit(batch, SinglePath(path))
        if np.isfinite(self.target) and self.lut is not None:
            cost = self.lut.evaluate([path]).values_matrix[0, 0]
            # Only what exceeds the target costs something, the more the longer it is exceeded.
            excess = float(cost) / self.target - 1
            self._price = max(0.0, self._price + self.options.price_rate * excess)
            reward *= min(1.0, self.target / cost) ** (EXPONENT + self._price)
        advantage = reward - self._baseline
        self._baseline = DECAY * self._baseline + (1 - DECAY) * reward
        likelihood = torch.stack(
            [p[i].log() for p, i in zip(choices.probabilities(), path, strict=True)]
        ).sum()
        (choices.alpha.grad,) = torch.autograd.grad(-advantage * likelihood, choices.alpha)
        adam.step()

    def ranked(self) -> Iterator[tuple[int, ...]]:
        """Designs by their probability; those that just keep the target come first.

        Cells that pay for edges which lead nowhere come after all others that keep it.
        """
        order = best_first(self.learned())
        if not np.isfinite(self.target) or self.lut is None:
            return order
        designs = list(order)
        cost = self.lut.evaluate(designs).values_matrix[:, 0]
        kept = cost <= self.target * (1 + ROUNDING)
        near = kept & (cost >= (1 - self.options.tolerance) * self.target)
        rank = np.where(near, 0, np.where(kept, 1, 3))
        if isinstance(self.space, CellSpace):
            used = self.space.pruned(np.array(designs, dtype=np.int32))
            wasted = self.lut.evaluate(used).values_matrix[:, 0] < cost * (1 - ROUNDING)
            rank = np.where(kept & wasted, 2, rank)
        return iter([designs[i] for i in np.argsort(rank, kind="stable")])
