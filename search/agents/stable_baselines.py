"""Algorithms of stable-baselines3 and sb3-contrib: one adapter, an agent for each algorithm."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from numpy.typing import ArrayLike

from codesign_gym.envs import BudgetExhausted, Evaluation, Evaluator
from codesign_gym.search.agent import Agent
from codesign_gym.search_spaces import Designs

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

MOST_REMEMBERED = 100_000
"""Steps that a replay buffer holds at most."""


class StableBaselines(Agent):
    """Trains a policy on a game until the budget is used up.

    A subclass says which game and which algorithm, and checks its options.
    """

    owns_loop = True

    @abstractmethod
    def game(self, evaluate: Callable[[ArrayLike], Evaluation]) -> VectorEnv[Any, Any, Any]:
        """The game in whose steps designs are evaluated."""

    @abstractmethod
    def algorithm(self, env: VecEnv, budget: int) -> BaseAlgorithm:
        """The algorithm, untrained."""

    def steps(self, designs: int) -> int:
        """Steps of the game in which so many designs are evaluated."""
        return designs

    def ask(self, n: int) -> Designs:
        """Not available: the policy needs the rewards of its own actions, in order."""
        self._refuse()

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Not available, see `ask`."""
        self._refuse()

    def search(self, evaluator: Evaluator) -> None:
        """Train the policy until the budget is used up."""
        from codesign_gym.search.sb3 import Sb3VecEnv, isolated_random_state, within_budget

        env = Sb3VecEnv(self.game(within_budget(evaluator)))
        with isolated_random_state():
            model = self.algorithm(env, evaluator.budget)
            try:
                while evaluator.remaining:
                    model.learn(self.steps(evaluator.remaining), reset_num_timesteps=False)
            except BudgetExhausted:
                pass  # in the middle of a rollout: nothing more to learn from

    def _refuse(self) -> NoReturn:
        raise NotImplementedError(
            f"{type(self).__name__} drives the evaluator itself: use search()"
        )
