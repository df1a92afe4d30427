"""Proximal policy optimisation (Schulman et al. 2017) by stable-baselines3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from codesign_gym.envs import BudgetExhausted, Evaluation, Evaluator, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.options import at_least, between
from codesign_gym.search_spaces import Designs


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


class Ppo(Agent):
    """PPO with one categorical head per parameter, an episode being one design."""

    Options = PpoOptions
    options: PpoOptions
    owns_loop = True

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        at_least("ppo", "num_envs", self.options.num_envs, 2)
        for name in ("rollout", "epochs", "hidden"):
            at_least("ppo", name, getattr(self.options, name), 1)
        for name in ("learning_rate", "entropy"):
            between("ppo", name, getattr(self.options, name), 0, 1)

    def ask(self, n: int) -> Designs:
        """Not available: the policy needs the rewards of its own actions, in order."""
        raise NotImplementedError("ppo drives the evaluator itself: use search()")

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Not available, see `ask`."""
        raise NotImplementedError("ppo drives the evaluator itself: use search()")

    def search(self, evaluator: Evaluator) -> None:
        """Train the policy until the budget is used up."""
        from stable_baselines3 import PPO

        from codesign_gym.envs.design_env import DesignVectorEnv
        from codesign_gym.search.sb3 import Sb3VecEnv, isolated_random_state, within_budget

        options = self.options
        env = DesignVectorEnv(options.num_envs, self.statement, evaluate=within_budget(evaluator))
        with isolated_random_state():
            model = PPO(
                "MlpPolicy",
                Sb3VecEnv(env),
                n_steps=options.rollout,
                batch_size=options.num_envs * options.rollout,
                n_epochs=options.epochs,
                learning_rate=options.learning_rate,
                ent_coef=options.entropy,
                policy_kwargs={"net_arch": [options.hidden, options.hidden]},
                seed=self.seed,
                device="cpu",
            )
            try:
                while evaluator.remaining:
                    model.learn(evaluator.remaining, reset_num_timesteps=False)
            except BudgetExhausted:
                pass  # in the middle of a rollout: nothing more to learn from
