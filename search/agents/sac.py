"""Soft actor-critic (Haarnoja et al., ICML 2018) by stable-baselines3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search.agents.stable_baselines import MOST_REMEMBERED, StableBaselines
from codesign_gym.search.options import at_least, between
from codesign_gym.search_spaces import Designs, SearchSpace

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv


@dataclass(frozen=True)
class SacOptions:
    """What can be set.

    Attributes:
        num_envs: Designs evaluated as one batch.
        learning_starts: Uniformly random designs to begin with.
        gradient_steps: Of actor and critics after each batch.
        batch_size: Designs that a gradient step learns from.
        learning_rate: Of Adam.
        entropy: Weight of the entropy bonus; none tunes it, as the paper's successor does.
        hidden: Width of the two hidden layers.
    """

    num_envs: int = 16
    learning_starts: int = 128
    gradient_steps: int = 8
    batch_size: int = 128
    learning_rate: float = 3e-3
    entropy: float | None = None
    hidden: int = 64


def choices_of(space: SearchSpace, points: NDArray[np.floating[Any]]) -> Designs:
    """The designs at points of the cube [-1, 1]^p, ``[n, p]``: every choice has an equal share.

    A parameter of k choices cuts its side into k parts of length 2/k, so that uniform points give
    uniform choices. (ArchGym rounds to three of them, and so reaches 6 % of its memory space.)
    """
    return space.from_unit((np.clip(points, -1.0, 1.0).astype(np.float64) + 1) / 2)


class Sac(StableBaselines):
    """SAC, whose actions are points of a cube cut evenly into designs, an episode being one."""

    Options = SacOptions
    options: SacOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        for name in ("num_envs", "gradient_steps", "batch_size", "hidden"):
            at_least("sac", name, getattr(self.options, name), 1)
        at_least("sac", "learning_starts", self.options.learning_starts, 0)
        for name in ("learning_rate", "entropy"):
            value = getattr(self.options, name)
            if value is not None:
                between("sac", name, value, 0, 1)

    def game(self, evaluate: Callable[[ArrayLike], Evaluation]) -> VectorEnv[Any, Any, Any]:
        """A point of the cube per step."""
        from gymnasium.spaces import Box
        from gymnasium.wrappers.vector import TransformAction

        from codesign_gym.envs.design_env import DesignVectorEnv

        space = self.space
        return TransformAction(
            DesignVectorEnv(self.options.num_envs, self.statement, evaluate=evaluate),
            lambda points: choices_of(space, points).astype(np.int64),
            single_action_space=Box(-1.0, 1.0, (len(space),), np.float32),
        )

    def algorithm(self, env: VecEnv, budget: int) -> BaseAlgorithm:
        """SAC, learning from every batch."""
        from stable_baselines3 import SAC

        options, most = self.options, max(MOST_REMEMBERED, self.options.num_envs)
        return SAC(
            "MlpPolicy",
            env,
            learning_starts=options.learning_starts,
            gradient_steps=options.gradient_steps,
            batch_size=options.batch_size,
            buffer_size=min(budget + options.num_envs, most),
            learning_rate=options.learning_rate,
            ent_coef="auto" if options.entropy is None else options.entropy,
            policy_kwargs={"net_arch": [options.hidden, options.hidden]},
            seed=self.seed,
            device="cpu",
        )
