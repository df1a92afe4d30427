"""The game in which an action is a whole design: one environment, and many at once."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, SupportsIndex

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from codesign_gym.envs.evaluation import Evaluation
from codesign_gym.envs.observations import Observation, observe
from codesign_gym.envs.problem import DesignProblem, ProblemStatement
from codesign_gym.envs.problems import make_problem
from codesign_gym.envs.specs import Spec
from codesign_gym.search_spaces import InputError

Info = dict[str, Any]
Specs = Sequence[Spec | str] | None


def _observation_space(statement: ProblemStatement) -> Box:
    size = len(statement.objectives) + len(statement.specs)
    return Box(-1.0, 1.0, shape=(size,), dtype=np.float32)


def posed(
    problem: str | DesignProblem | ProblemStatement,
    specs: Specs,
    evaluate: Callable[[ArrayLike], Evaluation] | None,
) -> tuple[ProblemStatement, Callable[[ArrayLike], Evaluation]]:
    """What a game shows of its problem, and what evaluates its designs.

    Raises:
        InputError: A statement alone is given, with nothing to evaluate designs.
    """
    if isinstance(problem, ProblemStatement):
        if evaluate is None:
            raise InputError("a problem statement cannot evaluate designs: give evaluate=")
        return problem, evaluate
    whole = as_problem(problem, specs)
    return whole.statement, evaluate or whole.evaluate


def as_problem(problem: str | DesignProblem, specs: Specs) -> DesignProblem:
    """The problem, made if it is given by name; specs with a problem raise `InputError`."""
    if isinstance(problem, str):
        return make_problem(problem, specs=specs)
    if not isinstance(problem, DesignProblem):
        raise InputError(f"problem must be a registered name or a DesignProblem, got {problem!r}")
    if specs is not None:
        raise InputError("specs go with the name of a problem; a problem has with_specs()")
    return problem


def at_least_one(name: str, value: SupportsIndex) -> int:
    """The value as an int; anything but a whole number of at least 1 raises `InputError`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise InputError(f"{name} must be a whole number of at least 1, got {value!r}")
    return number


class DesignEnv(gymnasium.Env[Observation, NDArray[np.int64]]):
    """Choose a whole design in each step; id ``codesign/Design-v0``.

    Observation: float32 ``[o]`` in [-1, 1], the objectives and violations of the last design as
        `observe` gives them, zeros before the first.
    Action: int64 ``[p]``, one choice index per parameter (MultiDiscrete).
    Reward: the problem's reward of the design.
    Termination: after ``episode_length`` designs. There is no truncation.
    Info: ``metrics`` (name -> value), ``feasible``, ``violation``, ``design`` (decoded).

    Args:
        problem: A registered name or a problem.
        episode_length: Designs per episode.
        render_mode: Not supported; None.
        specs: Specs in place of those of a problem given by name.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}  # type: ignore[misc]
    observation_space: Box  # type: ignore[assignment]

    def __init__(
        self,
        problem: str | DesignProblem,
        episode_length: int = 1,
        render_mode: str | None = None,
        specs: Specs = None,
    ) -> None:
        self.problem = as_problem(problem, specs)
        self.episode_length = at_least_one("episode_length", episode_length)
        self.render_mode = render_mode
        self.observation_space = _observation_space(self.problem.statement)
        self.action_space = self.problem.space.to_gymnasium()
        self._step = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Begin an episode; the observation is zeros."""
        super().reset(seed=seed)
        self._step = 0
        return np.zeros(self.observation_space.shape or (), dtype=np.float32), {}

    def step(self, action: NDArray[np.int64]) -> tuple[Observation, float, bool, bool, Info]:
        """Evaluate one design; an action outside the space raises `InputError`."""
        evaluation = self.problem.evaluate(np.asarray(action)[None])
        self._step += 1
        info = {
            "metrics": {name: float(column[0]) for name, column in evaluation.metrics.items()},
            "feasible": bool(evaluation.feasible[0]),
            "violation": float(evaluation.violation[0]),
            "design": self.problem.space.decode(evaluation.designs)[0],
        }
        reward = float(self.problem.reward(evaluation)[0])
        return observe(evaluation)[0], reward, self._step >= self.episode_length, False, info


class DesignVectorEnv(VectorEnv[Observation, NDArray[np.int64], NDArray[Any]]):
    """`DesignEnv` many times, evaluated as one batch; ``gymnasium.make_vec`` gives this one.

    All environments are in step, so episodes end together; autoreset happens in the same step
    (``AutoresetMode.SAME_STEP``), with the last observations in ``info["final_obs"]``. The infos
    are those of `DesignEnv` but for ``design``, each an array ``[num_envs]``.

    Args:
        num_envs: How many.
        problem: A registered name, a problem, or the statement of one.
        episode_length: Designs per episode.
        render_mode: Not supported; None.
        specs: Specs in place of those of a problem given by name.
        evaluate: Evaluates the designs in the problem's place, an evaluator that counts for
            instance; needed with a statement.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        num_envs: int,
        problem: str | DesignProblem | ProblemStatement,
        episode_length: int = 1,
        render_mode: str | None = None,
        specs: Specs = None,
        evaluate: Callable[[ArrayLike], Evaluation] | None = None,
    ) -> None:
        self.statement, evaluate = posed(problem, specs, evaluate)
        self.num_envs = at_least_one("num_envs", num_envs)
        self.episode_length = at_least_one("episode_length", episode_length)
        self.render_mode = render_mode
        self.single_observation_space = _observation_space(self.statement)
        self.single_action_space = self.statement.space.to_gymnasium()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._evaluate = evaluate
        self._step = 0

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Begin all episodes; the observations are zeros."""
        self._step = 0
        return self._first_observation(), {}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[Observation, NDArray[Any], NDArray[Any], NDArray[Any], Info]:
        """Evaluate a design in each environment, ``[num_envs, p]``."""
        if np.shape(actions)[:1] != (self.num_envs,):
            raise InputError(
                f"actions must be {self.num_envs} designs, got shape {list(np.shape(actions))}"
            )
        evaluation = self._evaluate(actions)
        self._step += 1
        done = self._step >= self.episode_length
        observation = observe(evaluation)
        info = self._per_env(
            metrics=self._per_env(**evaluation.metrics),
            feasible=evaluation.feasible,
            violation=evaluation.violation,
        )
        if done:
            self._step = 0
            info |= self._per_env(final_obs=observation, final_info=dict(info))
            observation = self._first_observation()
        ended = np.full(self.num_envs, done)
        return observation, self.statement.reward(evaluation), ended, np.zeros_like(ended), info

    def _per_env(self, **values: Any) -> Info:
        """Gymnasium's form of infos: each with a mask of the environments that gave it."""
        return values | {f"_{key}": np.ones(self.num_envs, dtype=np.bool_) for key in values}

    def _first_observation(self) -> Observation:
        return np.zeros(self.observation_space.shape or (), dtype=np.float32)
