"""Agents of stable-baselines3 and sb3-contrib that choose a design parameter by parameter.

DQN: Mnih et al., Nature 2015, which takes one discrete action at a time. PPO with action masks:
Huang and Ontañón, "A Closer Look at Invalid Action Masking in Policy Gradient Algorithms", 2022.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search.agents.stable_baselines import MOST_REMEMBERED, StableBaselines
from codesign_gym.search.options import at_least, between

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv


class Sequential(StableBaselines):
    """Plays the game of one choice per step."""

    def game(self, evaluate: Callable[[ArrayLike], Evaluation]) -> VectorEnv[Any, Any, Any]:
        """A parameter per step, a design per episode."""
        from codesign_gym.envs.sequential_env import SequentialVectorEnv

        return SequentialVectorEnv(self.options.num_envs, self.statement, evaluate=evaluate)

    def steps(self, designs: int) -> int:
        """As many per design as there are parameters."""
        return designs * len(self.space)


@dataclass(frozen=True)
class DqnOptions:
    """What can be set.

    Attributes:
        num_envs: Designs evaluated as one batch.
        learning_starts: Random designs to begin with.
        explore: Share of the budget over which random choices become rare.
        gradient_steps: Of the network after each choice of the batch.
        batch_size: Choices that a gradient step learns from.
        learning_rate: Of Adam.
        hidden: Width of the two hidden layers.
    """

    num_envs: int = 16
    learning_starts: int = 64
    explore: float = 0.5
    gradient_steps: int = 1
    batch_size: int = 128
    learning_rate: float = 2e-3
    hidden: int = 64


class Dqn(Sequential):
    """DQN, which learns what each choice is worth, given those before it."""

    Options = DqnOptions
    options: DqnOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        for name in ("num_envs", "gradient_steps", "batch_size", "hidden"):
            at_least("dqn", name, getattr(self.options, name), 1)
        at_least("dqn", "learning_starts", self.options.learning_starts, 0)
        between("dqn", "explore", self.options.explore, 0.001, 1)
        between("dqn", "learning_rate", self.options.learning_rate, 0, 1)

    def game(self, evaluate: Callable[[ArrayLike], Evaluation]) -> VectorEnv[Any, Any, Any]:
        """A parameter per step; rewards in units of their spread."""
        from codesign_gym.search.standardised import StandardisedRewards

        return StandardisedRewards(super().game(evaluate))

    def algorithm(self, env: VecEnv, budget: int) -> BaseAlgorithm:
        """DQN without discount: the reward comes with the last choice."""
        from stable_baselines3 import DQN

        options, most = self.options, max(MOST_REMEMBERED, self.options.num_envs)
        return DQN(
            "MlpPolicy",
            env,
            learning_starts=self.steps(options.learning_starts),
            train_freq=1,
            gradient_steps=options.gradient_steps,
            batch_size=options.batch_size,
            buffer_size=min(self.steps(budget) + options.num_envs, most),
            target_update_interval=self.steps(options.num_envs),
            exploration_fraction=options.explore,
            learning_rate=options.learning_rate,
            gamma=1.0,
            policy_kwargs={"net_arch": [options.hidden, options.hidden]},
            seed=self.seed,
            device="cpu",
        )


@dataclass(frozen=True)
class MaskablePpoOptions:
    """What can be set.

    Attributes:
        num_envs: Designs evaluated as one batch.
        epochs: Passes over the batch's choices in an update.
        batch_size: Choices that a gradient step learns from.
        learning_rate: Of Adam.
        entropy: Weight of the entropy bonus, which keeps the policy exploring.
        hidden: Width of the two hidden layers.
    """

    num_envs: int = 16
    epochs: int = 8
    batch_size: int = 128
    learning_rate: float = 2e-3
    entropy: float = 0.01
    hidden: int = 64


class MaskablePpo(Sequential):
    """PPO that is never offered a choice that does not exist or does not count."""

    Options = MaskablePpoOptions
    options: MaskablePpoOptions
    packages = MappingProxyType({"sb3_contrib": "maskable"})

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        at_least("maskable-ppo", "num_envs", self.options.num_envs, 2)
        at_least("maskable-ppo", "batch_size", self.options.batch_size, 2)
        for name in ("epochs", "hidden"):
            at_least("maskable-ppo", name, getattr(self.options, name), 1)
        for name in ("learning_rate", "entropy"):
            between("maskable-ppo", name, getattr(self.options, name), 0, 1)

    def algorithm(self, env: VecEnv, budget: int) -> BaseAlgorithm:
        """PPO, an update after each batch of designs, without discount."""
        from sb3_contrib import MaskablePPO

        options, choices = self.options, self.steps(self.options.num_envs)
        model: BaseAlgorithm = MaskablePPO(
            "MlpPolicy",
            env,
            n_steps=len(self.space),
            batch_size=min(options.batch_size, choices),
            n_epochs=options.epochs,
            learning_rate=options.learning_rate,
            ent_coef=options.entropy,
            gamma=1.0,
            gae_lambda=1.0,
            policy_kwargs={"net_arch": [options.hidden, options.hidden]},
            seed=self.seed,
            device="cpu",
        )
        return model
