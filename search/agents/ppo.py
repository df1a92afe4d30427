"""Policy gradients by stable-baselines3 on the game in which an action is a whole design.

PPO: Schulman et al. 2017. A2C: the synchronous form of Mnih et al., ICML 2016.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search.agents.stable_baselines import StableBaselines
from codesign_gym.search.options import at_least, between

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv


@dataclass(frozen=True)
class PpoOptions:
    """What can be set.

    Attributes:
        num_envs: Designs evaluated as one batch.
        rollout: Batches between two updates of the policy.
        epochs: Passes over a rollout in an update.
        learning_rate: Of Adam.
        entropy: Weight of the entropy bonus, which keeps the policy exploring.
        hidden: Width of the two hidden layers.
    """

    num_envs: int = 32
    rollout: int = 1
    epochs: int = 10
    learning_rate: float = 3e-3
    entropy: float = 0.01
    hidden: int = 64


class Ppo(StableBaselines):
    """PPO with one categorical head per parameter, an episode being one design."""

    Options = PpoOptions
    options: PpoOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        at_least("ppo", "num_envs", self.options.num_envs, 2)
        for name in ("rollout", "epochs", "hidden"):
            at_least("ppo", name, getattr(self.options, name), 1)
        for name in ("learning_rate", "entropy"):
            between("ppo", name, getattr(self.options, name), 0, 1)

    def game(self, evaluate: Callable[[ArrayLike], Evaluation]) -> VectorEnv[Any, Any, Any]:
        """A whole design per step."""
        from codesign_gym.envs.design_env import DesignVectorEnv

        return DesignVectorEnv(self.options.num_envs, self.statement, evaluate=evaluate)

    def algorithm(self, env: VecEnv, budget: int) -> BaseAlgorithm:
        """PPO, an update per rollout."""
        from stable_baselines3 import PPO

        options = self.options
        return PPO(
            "MlpPolicy",
            env,
            n_steps=options.rollout,
            batch_size=options.num_envs * options.rollout,
            n_epochs=options.epochs,
            learning_rate=options.learning_rate,
            ent_coef=options.entropy,
            policy_kwargs={"net_arch": [options.hidden, options.hidden]},
            seed=self.seed,
            device="cpu",
        )


@dataclass(frozen=True)
class A2cOptions:
    """What can be set.

    Attributes:
        num_envs: Designs evaluated as one batch.
        learning_rate: Of Adam.
        entropy: Weight of the entropy bonus, which keeps the policy exploring.
        hidden: Width of the two hidden layers.
    """

    num_envs: int = 16
    learning_rate: float = 1e-2
    entropy: float = 0.01
    hidden: int = 64


class A2c(StableBaselines):
    """A2C with one categorical head per parameter, an episode being one design."""

    Options = A2cOptions
    options: A2cOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        at_least("a2c", "num_envs", self.options.num_envs, 2)
        at_least("a2c", "hidden", self.options.hidden, 1)
        for name in ("learning_rate", "entropy"):
            between("a2c", name, getattr(self.options, name), 0, 1)

    def game(self, evaluate: Callable[[ArrayLike], Evaluation]) -> VectorEnv[Any, Any, Any]:
        """A whole design per step."""
        from codesign_gym.envs.design_env import DesignVectorEnv

        return DesignVectorEnv(self.options.num_envs, self.statement, evaluate=evaluate)

    def algorithm(self, env: VecEnv, budget: int) -> BaseAlgorithm:
        """A2C, an update per batch; advantages are scaled, since rewards have any magnitude."""
        from stable_baselines3 import A2C

        options = self.options
        return A2C(
            "MlpPolicy",
            env,
            n_steps=1,
            learning_rate=options.learning_rate,
            ent_coef=options.entropy,
            normalize_advantage=True,
            use_rms_prop=False,
            policy_kwargs={"net_arch": [options.hidden, options.hidden]},
            seed=self.seed,
            device="cpu",
        )
