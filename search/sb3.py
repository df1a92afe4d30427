"""stable-baselines3 on native vector environments.

Stable-baselines3 refuses a Gymnasium ``VectorEnv``; its own interface differs in the shape of the
infos alone. Importing this module imports torch.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import ArrayLike, NDArray
from stable_baselines3.common.vec_env import VecEnv

from codesign_gym.envs import BudgetExhausted, Evaluation, Evaluator
from codesign_gym.search.threads import one_thread
from codesign_gym.search_spaces import InputError


class Sb3VecEnv(VecEnv):
    """A native vector environment with SAME_STEP autoreset, as stable-baselines3 wants it."""

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        if env.metadata.get("autoreset_mode") is not AutoresetMode.SAME_STEP:
            raise InputError("stable-baselines3 needs a vector environment that resets in the step")
        self.env = env  # first: the constructor asks for attributes of it
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self._actions: NDArray[Any] = np.empty(0)

    def reset(self) -> Any:
        """First observations; the seeds that `seed` left are used once."""
        seeds: Any = self._seeds if self._seeds[0] is not None else None
        self._reset_seeds()
        return self.env.reset(seed=seeds)[0]

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take the actions of the next step."""
        self._actions = actions

    def step_wait(self) -> Any:
        """Observations, rewards, dones and infos of the step."""
        observation, reward, terminated, truncated, info = self.env.step(self._actions)
        done = terminated | truncated
        if not done.any():
            return observation, reward, done, [{} for _ in range(self.num_envs)]
        final = info["final_obs"]
        infos = [
            {"terminal_observation": final[i], "TimeLimit.truncated": bool(truncated[i])}
            if done[i]
            else {}
            for i in range(self.num_envs)
        ]
        return observation, reward, done, infos

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute, once for each index."""
        return [getattr(self.env, attr_name, None) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the environment."""
        setattr(self.env, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        """Call a method, once for each index."""
        method = getattr(self.env, method_name)
        if method_name == "action_masks":  # sb3-contrib asks each environment for its own
            masks = method(*args, **kwargs)
            return [masks[i] for i in self._get_indices(indices)]
        return [method(*args, **kwargs) for _ in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Nothing is wrapped."""
        return [False for _ in self._get_indices(indices)]


def within_budget(evaluator: Evaluator) -> Callable[[ArrayLike], Evaluation]:
    """`Evaluator.evaluate` for environments, whose last batch may be cut short.

    What is left of the budget is still spent on the first designs of that batch; then it raises
    `BudgetExhausted`.
    """

    def evaluate(actions: ArrayLike) -> Evaluation:
        designs = np.asarray(actions)
        evaluation = evaluator.evaluate(designs[: evaluator.remaining])
        if len(evaluation) < len(designs):
            raise BudgetExhausted
        return evaluation

    return evaluate


@contextmanager
def isolated_random_state() -> Iterator[None]:
    """One torch thread, and the global random states put back afterwards.

    Stable-baselines3 seeds Python's, NumPy's and torch's global generators.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with one_thread(), torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
