"""The game in which several agents make one design together: alone, and many at once.

All agents choose at once, each its own parameter or group of parameters, and the design that comes
of it is evaluated. With a horizon of more than one step the agents see the current design and what
it cost, and choose anew: any design may follow any other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from numpy.typing import ArrayLike, NDArray
from pettingzoo import ParallelEnv

from codesign_gym.envs.design_env import Info, Specs, at_least_one, posed
from codesign_gym.envs.evaluation import Evaluation
from codesign_gym.envs.observations import Observation
from codesign_gym.envs.problem import DesignProblem, ProblemStatement
from codesign_gym.envs.teams import Team, TeamView
from codesign_gym.search_spaces import Designs, InputError
from codesign_gym.search_spaces.errors import unknown_name

REWARDS = ("shared", "difference")


class MultiAgentVectorEnv:
    """The multi-agent game many times, evaluated as one batch; ``n`` games of ``a`` agents.

    Observation: float32 ``[n, a, o]`` in [-1, 1], see `TeamView`; the state of each game, for a
        centralised critic, is float32 ``[n, c]``, the property `state`.
    Action: integers ``[n, p]``, the choices of all agents; those of agent i are the columns
        ``team.columns[i]``, which is column i where every parameter is an agent.
    Reward: float64 ``[n, a]``. Shared: the problem's reward of the design, for all agents.
        Difference (Wolpert and Tumer, "Optimal Payoff Functions for Members of Collectives", 2001):
        agent i gets ``r(design) - r(design with i's choices as in the reference)``: what its
        choices are worth where the others' stand. The reference is the design of the step before;
        in the first step ``default``. That evaluates 1 + a designs per game and step, all counted
        by an evaluator.
    Termination: bool ``[n]``, after ``horizon`` steps, for all agents and games together. There is
        no truncation. The games begin anew in the same step; ``info["final_obs"]`` and
        ``info["final_state"]`` hold the last observations and states.
    Info: ``metrics`` (name -> ``[n]``), ``feasible`` ``[n]``, ``violation`` ``[n]``, ``designs``
        ``[n, p]``, and ``action_mask``, bool ``[n, K]``: which of all choices matter in the next
        step. A parameter that does not count in the current design, and that its agent cannot make
        count while the others stay put, has its first choice alone. Other choices are no error:
        the others may well move. In the first step every choice is open.

    Args:
        num_envs: How many games.
        problem: A registered name, a problem, or the statement of one.
        agents: An agent for each ``"parameter"``, for each ``"group"`` of parameters, or one for
            the ``"whole"`` design.
        horizon: Steps per episode, a design each.
        reward: ``"shared"`` or ``"difference"``.
        default: Reference of the first step, a design ``[p]``; by default the middle choices.
        specs: Specs in place of those of a problem given by name.
        evaluate: Evaluates the designs in the problem's place, an evaluator that counts for
            instance; needed with a statement.

    Attributes:
        team: The agents.
        evaluations_per_step: Designs that a step evaluates.
    """

    def __init__(
        self,
        num_envs: int,
        problem: str | DesignProblem | ProblemStatement,
        agents: str = "parameter",
        horizon: int = 1,
        reward: str = "shared",
        default: ArrayLike | None = None,
        specs: Specs = None,
        evaluate: Callable[[ArrayLike], Evaluation] | None = None,
    ) -> None:
        self.statement, evaluate = posed(problem, specs, evaluate)
        if reward not in REWARDS:
            raise unknown_name("reward of the agents", reward, REWARDS)
        space = self.statement.space
        self.num_envs = at_least_one("num_envs", num_envs)
        self.horizon = at_least_one("horizon", horizon)
        self.team = Team.of(space, agents)
        self.view = TeamView(self.statement, self.team)
        middle = space.nvec // 2 if default is None else default
        self.default: Designs = space.canonical(space.check(np.asarray(middle)[None]))
        self._difference = reward == "difference"
        self._evaluate = evaluate
        self.reset()

    @property
    def evaluations_per_step(self) -> int:
        """Designs that a step evaluates: one per game, and one per agent for its difference."""
        return self.num_envs * (1 + len(self.team) * self._difference)

    def reset(self) -> tuple[Observation, Info]:
        """Begin all games; there is nothing random in them."""
        self._step = 0
        self._reference = np.repeat(self.default, self.num_envs, axis=0)
        self._best = np.full(self.num_envs, -np.inf)
        observation, self.state = self.view.first(self.num_envs)
        choices = len(self.team.choice_owner)
        return observation, {"action_mask": np.ones((self.num_envs, choices), dtype=np.bool_)}

    def step(
        self, actions: ArrayLike
    ) -> tuple[Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Info]:
        """Evaluate the design of each game; choices outside the space raise `InputError`."""
        space = self.statement.space
        if np.shape(actions)[:1] != (self.num_envs,):
            raise InputError(
                f"actions must be {self.num_envs} designs, got shape {list(np.shape(actions))}"
            )
        designs = space.canonical(space.check(actions))
        evaluation, reward, rewards = self._rewards(designs)
        self._step += 1
        self._best = np.maximum(self._best, reward)
        self._reference = designs
        done = self._step >= self.horizon
        left = 1 - self._step / self.horizon
        observation, self.state = self.view.after(evaluation, self._best, left)
        info: Info = {
            "metrics": dict(evaluation.metrics),
            "feasible": evaluation.feasible,
            "violation": evaluation.violation,
            "designs": designs,
            "action_mask": self.team.choice_mask(self.team.open(designs)),
        }
        if done:
            info |= {"final_obs": observation, "final_state": self.state}
            observation, first = self.reset()
            info |= first
        ended = np.full(self.num_envs, done)
        return observation, rewards, ended, np.zeros_like(ended), info

    def _rewards(
        self, designs: Designs
    ) -> tuple[Evaluation, NDArray[np.float64], NDArray[np.float64]]:
        """The evaluation of the designs, their reward ``[n]``, and that of each agent."""
        n, a = self.num_envs, len(self.team)
        if not self._difference:
            evaluation = self._evaluate(designs)
            reward = self.statement.reward(evaluation)
            return evaluation, reward, np.repeat(reward[:, None], a, axis=1)
        without = self.team.instead(designs, self._reference).reshape(n * a, -1)
        everything = self._evaluate(np.concatenate([designs, without]))
        reward = self.statement.reward(everything)
        difference = reward[:n, None] - reward[n:].reshape(n, a)
        return everything.take(slice(n)), reward[:n], difference


class MultiAgentDesignEnv(ParallelEnv[str, Observation, Any]):  # type: ignore[misc]  # untyped
    """`MultiAgentVectorEnv` with one game, as a PettingZoo ``ParallelEnv``.

    The agents are named after their parameters or groups; one for the whole, after the space.

    Observation: float32 ``[o]`` per agent, see `TeamView`; `state` is float32 ``[c]``.
    Action: ``Discrete(k)``, the index of a choice, where every parameter is an agent;
        ``MultiDiscrete`` of the group's parameters otherwise.
    Reward, termination: as in `MultiAgentVectorEnv`; ``agents`` is empty once an episode is over.
    Info: for each agent ``metrics`` (name -> value), ``feasible``, ``violation``, ``design``
        (decoded), and ``action_mask`` as PettingZoo's spaces take it: int8 ``[k]``, for a group a
        tuple of them. After `reset` the mask alone.

    Args:
        problem: A registered name, a problem, or the statement of one.
        agents: An agent for each ``"parameter"``, for each ``"group"`` of parameters, or one for
            the ``"whole"`` design.
        horizon: Steps per episode, a design each.
        reward: ``"shared"`` or ``"difference"``.
        default: Reference of the first step, a design ``[p]``; by default the middle choices.
        specs: Specs in place of those of a problem given by name.
        evaluate: Evaluates the designs in the problem's place; needed with a statement.
        render_mode: Not supported; None.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "name": "codesign_multi_agent_v0",
        "render_modes": [],
    }

    def __init__(
        self,
        problem: str | DesignProblem | ProblemStatement,
        agents: str = "parameter",
        horizon: int = 1,
        reward: str = "shared",
        default: ArrayLike | None = None,
        specs: Specs = None,
        evaluate: Callable[[ArrayLike], Evaluation] | None = None,
        render_mode: str | None = None,
    ) -> None:
        self._game = MultiAgentVectorEnv(
            1, problem, agents, horizon, reward, default, specs, evaluate
        )
        team, view = self._game.team, self._game.view
        self.team = team
        self._state: Observation = self._game.state[0]
        self.render_mode = render_mode
        self.possible_agents = list(team.names)
        self.agents: list[str] = []
        nvec = team.space.nvec.astype(np.int64)
        self.observation_spaces = {
            name: Box(-1.0, 1.0, (view.size,), np.float32) for name in team.names
        }
        self.action_spaces = {
            name: Discrete(int(nvec[own[0]])) if agents == "parameter" else MultiDiscrete(nvec[own])
            for name, own in zip(team.names, team.columns, strict=True)
        }
        self.state_space = Box(-1.0, 1.0, (view.state_size,), np.float32)

    def observation_space(self, agent: str) -> Box:
        """The space of the agent's observations, always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Discrete | MultiDiscrete:
        """The space of the agent's actions, always the same object."""
        return self.action_spaces[agent]

    def state(self) -> Observation:
        """What all agents see together, ``[c]``; of the last design once an episode is over."""
        return self._state

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, Info]]:
        """Begin an episode; there is nothing random in it, so the seed plays no part."""
        observation, info = self._game.reset()
        self.agents = self.possible_agents[:]
        self._state = self._game.state[0]
        return self._by_agent(observation[0]), self._infos({}, info["action_mask"][0])

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[
        dict[str, Observation],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, Info],
    ]:
        """Evaluate the design that the actions of all agents make.

        Raises:
            InputError: An agent has no action or one outside its space, or the episode is over.
        """
        if not self.agents:
            raise InputError("the episode is over, or has not begun: call reset()")
        observations, rewards, terminated, truncated, found = self._game.step(self._design(actions))
        over = bool(terminated[0])
        if over:
            observations = found["final_obs"]
        self._state = (found["final_state"] if over else self._game.state)[0]
        info: Info = {
            "metrics": {name: float(column[0]) for name, column in found["metrics"].items()},
            "feasible": bool(found["feasible"][0]),
            "violation": float(found["violation"][0]),
            "design": self.team.space.decode(found["designs"])[0],
        }
        result = (
            self._by_agent(observations[0]),
            dict(zip(self.agents, rewards[0].tolist(), strict=True)),
            dict.fromkeys(self.agents, over),
            dict.fromkeys(self.agents, bool(truncated[0])),
            self._infos(info, found["action_mask"][0]),
        )
        if over:
            self.agents = []
        return result

    def _design(self, actions: Mapping[str, Any]) -> NDArray[np.int64]:
        missing = [name for name in self.agents if name not in actions]
        if missing:
            raise InputError(f"actions lack that of agent {missing[0]!r}")
        unknown = [name for name in actions if name not in self.agents]
        if unknown:
            raise unknown_name("agent", unknown[0], self.agents)
        design = np.empty((1, len(self.team.space)), dtype=np.int64)
        for name, own in zip(self.team.names, self.team.columns, strict=True):
            action = np.asarray(actions[name])
            if not self.action_spaces[name].contains(
                action.astype(np.int64) if action.dtype.kind in "iu" else action
            ):
                raise InputError(
                    f"action of agent {name!r} must be in {self.action_spaces[name]}, "
                    f"got {actions[name]!r}"
                )
            design[0, own] = action
        return design

    def _by_agent(self, observation: Observation) -> dict[str, Observation]:
        return dict(zip(self.possible_agents, observation, strict=True))

    def _infos(self, info: Info, choice_mask: NDArray[np.bool_]) -> dict[str, Info]:
        offsets = self.team.space.offsets
        parts = [
            choice_mask[start:stop].astype(np.int8) for start, stop in itertools.pairwise(offsets)
        ]
        infos = {}
        for name, own in zip(self.team.names, self.team.columns, strict=True):
            single = isinstance(self.action_spaces[name], Discrete)
            mask = parts[own[0]] if single else tuple(parts[j] for j in own)
            infos[name] = info | {"action_mask": mask}
        return infos
