"""Soft actor-critic (Haarnoja et al., ICML 2018) by stable-baselines3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import BudgetExhausted, Evaluation, Evaluator, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.options import at_least, between
from codesign_gym.search_spaces import Designs, SearchSpace


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


class Sac(Agent):
    """SAC, whose actions are points of a cube cut evenly into designs, an episode being one."""

    Options = SacOptions
    options: SacOptions
    owns_loop = True

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

    def ask(self, n: int) -> Designs:
        """Not available: the actor needs the rewards of its own actions."""
        raise NotImplementedError("sac drives the evaluator itself: use search()")

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Not available, see `ask`."""
        raise NotImplementedError("sac drives the evaluator itself: use search()")

    def search(self, evaluator: Evaluator) -> None:
        """Train the actor until the budget is used up."""
        from gymnasium.spaces import Box
        from gymnasium.wrappers.vector import TransformAction
        from stable_baselines3 import SAC

        from codesign_gym.envs.design_env import DesignVectorEnv
        from codesign_gym.search.sb3 import Sb3VecEnv, isolated_random_state, within_budget

        options, space = self.options, self.space
        env = TransformAction(
            DesignVectorEnv(options.num_envs, self.statement, evaluate=within_budget(evaluator)),
            lambda points: choices_of(space, points).astype(np.int64),
            single_action_space=Box(-1.0, 1.0, (len(space),), np.float32),
        )
        with isolated_random_state():
            model = SAC(
                "MlpPolicy",
                Sb3VecEnv(env),
                learning_starts=options.learning_starts,
                gradient_steps=options.gradient_steps,
                batch_size=options.batch_size,
                buffer_size=evaluator.budget + options.num_envs,
                learning_rate=options.learning_rate,
                ent_coef="auto" if options.entropy is None else options.entropy,
                policy_kwargs={"net_arch": [options.hidden, options.hidden]},
                seed=self.seed,
                device="cpu",
            )
            try:
                while evaluator.remaining:
                    model.learn(evaluator.remaining, reset_num_timesteps=False)
            except BudgetExhausted:
                pass  # nothing more to learn from
