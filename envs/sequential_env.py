"""The game in which a design is chosen parameter by parameter, many at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from codesign_gym.envs.design_env import Info, Specs, at_least_one, posed
from codesign_gym.envs.evaluation import Evaluation
from codesign_gym.envs.observations import Observation
from codesign_gym.envs.problem import DesignProblem, ProblemStatement
from codesign_gym.search_spaces import InputError


class SequentialVectorEnv(VectorEnv[Observation, NDArray[np.int64], NDArray[Any]]):
    """One choice per step, in the order of the parameters; the last one evaluates the design.

    The actions are one `Discrete` set, for agents that know no other: as many as the parameter with
    most choices has. They are shared out evenly among the choices of the parameter whose turn it
    is: with A actions, action a takes choice ``floor(a k / A)`` of k. `action_masks` opens one
    action per choice, and the first alone where the parameter is inactive.

    All environments are in step; autoreset happens in the same step (``AutoresetMode.SAME_STEP``).

    Observation: float32 ``[K + p]`` of 0 and 1, the choices made so far as one-hot columns, and
        whose turn it is.
    Action: int64, one per environment.
    Reward: the problem's reward of the design after the last choice, 0 before.
    Termination: after ``p`` steps. There is no truncation.
    Info: ``final_obs`` where episodes end.

    Args:
        num_envs: How many.
        problem: A registered name, a problem, or the statement of one.
        specs: Specs in place of those of a problem given by name.
        evaluate: Evaluates the designs in the problem's place, an evaluator that counts for
            instance; needed with a statement.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]  # of the instance in Gymnasium
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }
    render_mode = None

    def __init__(
        self,
        num_envs: int,
        problem: str | DesignProblem | ProblemStatement,
        specs: Specs = None,
        evaluate: Callable[[ArrayLike], Evaluation] | None = None,
    ) -> None:
        self.statement, self._evaluate = posed(problem, specs, evaluate)
        self.space = self.statement.space
        self.num_envs = at_least_one("num_envs", num_envs)
        self.actions = int(self.space.nvec.max())
        self._one_hot = int(self.space.offsets[-1])
        self.single_observation_space = Box(
            0.0, 1.0, (self._one_hot + len(self.space),), np.float32
        )
        self.single_action_space = Discrete(self.actions)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._begin()

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Begin all episodes: nothing is chosen."""
        self._begin()
        return self._observe(), {}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[Observation, NDArray[Any], NDArray[Any], NDArray[Any], Info]:
        """Take the next choice in each environment, ``[num_envs]``."""
        taken = np.asarray(actions)
        if taken.shape != (self.num_envs,) or taken.dtype.kind not in "iu":
            raise InputError(
                f"actions must be {self.num_envs} integers, "
                f"got shape {list(taken.shape)}, dtype {taken.dtype}"
            )
        outside = (taken < 0) | (taken >= self.actions)
        if outside.any():
            raise InputError(f"actions must be in 0..{self.actions - 1}, got {taken[outside][0]}")
        k = int(self.space.nvec[self._turn])
        self._designs[:, self._turn] = taken * k // self.actions
        self._designs[:, self._turn] *= self._active()
        self._turn += 1
        ended = self._turn == len(self.space)
        reward, info = np.zeros(self.num_envs), {}
        if ended:
            reward = self.statement.reward(self._evaluate(self._designs))
            final = self._observe()
            info = {"final_obs": final, "_final_obs": np.ones(self.num_envs, dtype=np.bool_)}
            self._begin()
        done = np.full(self.num_envs, ended)
        return self._observe(), reward, done, np.zeros_like(done), info

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions to consider in the next step, ``[num_envs, A]``."""
        k = int(self.space.nvec[self._turn])
        chosen = np.arange(self.actions) * k // self.actions
        first = np.concatenate([[True], chosen[1:] != chosen[:-1]])
        rest = first & (np.arange(self.actions) > 0)
        masks: NDArray[np.bool_] = self._active()[:, None] & rest
        masks[:, 0] = True
        return masks

    def _begin(self) -> None:
        self._turn = 0
        self._designs = np.zeros((self.num_envs, len(self.space)), dtype=np.int32)

    def _active(self) -> NDArray[np.bool_]:
        """Where the parameter whose turn it is counts: its conditions name earlier ones alone."""
        return self.space.active(self._designs)[:, self._turn]

    def _observe(self) -> Observation:
        seen = np.zeros(self.observation_space.shape or (), dtype=np.float32)
        done = np.arange(self._turn)
        rows = np.arange(self.num_envs)[:, None]
        seen[rows, self.space.offsets[:-1][done] + self._designs[:, done]] = 1.0
        if self._turn < len(self.space):
            seen[:, self._one_hot + self._turn] = 1.0
        return seen
