"""REINFORCE with a recurrent controller, as NASAIC searches networks and chips.

Zoph and Le, "Neural Architecture Search with Reinforcement Learning", ICLR 2017 (arXiv 1611.01578);
Yang et al., "Co-Exploration of Neural Architectures and Heterogeneous ASIC Accelerator Designs",
DAC 2020 (arXiv 2002.04116), section 4: a recurrent network writes a design down parameter by
parameter, and is moved by how far its reward exceeds a moving average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.options import at_least, between
from codesign_gym.search.state import pack, unpack
from codesign_gym.search.threads import one_thread
from codesign_gym.search_spaces import Designs

if TYPE_CHECKING:
    from codesign_gym.search.controller import Controller


@dataclass(frozen=True)
class ReinforceOptions:
    """What can be set.

    Attributes:
        batch_size: Designs between two steps of the controller.
        learning_rate: Of Adam.
        decay: How much of the baseline, and of the spread of the rewards, stays at a step.
        entropy: Weight of the entropy bonus, which keeps the controller exploring.
        hidden: Width of the controller's state.
    """

    batch_size: int = 16
    learning_rate: float = 2e-2
    decay: float = 0.9
    entropy: float = 0.1
    hidden: int = 48


class Reinforce(Agent):
    """A recurrent controller trained by REINFORCE; rewards count relative to a moving average."""

    name: ClassVar[str] = "reinforce"
    Options = ReinforceOptions
    options: ReinforceOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        for option in ("batch_size", "hidden"):
            at_least(self.name, option, getattr(self.options, option), 1)
        for option in ("learning_rate", "decay", "entropy"):
            between(self.name, option, getattr(self.options, option), 0, 1)
        self.batch_size = self.options.batch_size
        self._controller: Controller | None = None
        self._mean, self._square, self._weight = 0.0, 0.0, 0.0

    def ask(self, n: int) -> Designs:
        """``n`` designs that the controller writes down."""
        with one_thread():
            return self.space.canonical(self._ready().sample(n, self.rng))

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """One step of the controller; others' designs count like its own."""
        import torch

        if not len(designs):
            return
        advantage = self._advantages(self.statement.reward(evaluation))
        chosen = evaluation.designs
        with one_thread():
            self._ready().learn(
                chosen,
                self.space.active(chosen),
                torch.from_numpy(advantage),
                self.options.entropy,
            )

    def _advantages(self, rewards: NDArray[np.float64]) -> NDArray[np.float32]:
        """How far rewards ``[n]`` exceed their moving average, which they join, in deviations."""
        decay = self.options.decay
        self._weight = decay * self._weight + 1 - decay
        self._mean = decay * self._mean + (1 - decay) * float(rewards.mean())
        self._square = decay * self._square + (1 - decay) * float(np.square(rewards).mean())
        mean, square = self._mean / self._weight, self._square / self._weight
        spread = np.sqrt(max(square - mean**2, 0.0)) + 1e-8
        found: NDArray[np.float32] = np.clip((rewards - mean) / spread, -5, 5).astype(np.float32)
        return found

    def _ready(self) -> Controller:
        """The controller, made at the first use: that imports torch."""
        if self._controller is None:
            from codesign_gym.search.controller import Controller

            self._controller = Controller(
                self.space, self.options.hidden, self.options.learning_rate, self.rng
            )
        return self._controller

    def state_dict(self) -> dict[str, Any]:
        """Weights, moments, the baseline and the random generator."""
        kept = {name: getattr(self, name) for name in ("_mean", "_square", "_weight")}
        controller = self._ready().state_dict()
        packed = {name: pack(value) for name, value in (kept | {"rng": self.rng}).items()}
        return packed | {"controller": pack(controller)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._ready().load_state_dict(unpack(state["controller"]))
        super().load_state_dict({k: v for k, v in state.items() if k != "controller"})
