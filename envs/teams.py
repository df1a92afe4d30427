"""Several agents that make one design: who decides what, and what each of them sees.

Letters beside those of the search space: ``a`` agents, ``q`` parameters of the agent that has most,
``m`` objectives, ``s`` specs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs.evaluation import Evaluation
from codesign_gym.envs.observations import Observation, magnitude, observe, squash
from codesign_gym.envs.problem import ProblemStatement
from codesign_gym.search_spaces import Designs, SearchSpace
from codesign_gym.search_spaces.activity import mask, rules
from codesign_gym.search_spaces.errors import unknown_name


@dataclass(frozen=True, eq=False)
class Team:
    """The agents among whom the parameters of a space are divided.

    Attributes:
        space: The space.
        names: Of the agents.
        owner: Which agent decides each parameter, ``[p]``.

    >>> from codesign_gym.search_spaces import make_space
    >>> space = make_space("cell-network") * make_space("systolic-accelerator")
    >>> Team.of(space, "group").names
    ('network', 'accelerator')
    """

    space: SearchSpace
    names: tuple[str, ...]
    owner: NDArray[np.intp]

    @classmethod
    def of(cls, space: SearchSpace, agents: str) -> Team:
        """An agent for each ``"parameter"`` or ``"group"`` of parameters, or one for the whole."""
        if agents == "parameter":
            return cls(space, space.names, np.arange(len(space), dtype=np.intp))
        if agents == "whole":
            return cls(space, (space.name,), np.zeros(len(space), dtype=np.intp))
        if agents != "group":
            raise unknown_name("form of agents", agents, ("parameter", "group", "whole"))
        names = tuple(space.groups)
        owner = np.array([names.index(p.group) for p in space.parameters], dtype=np.intp)
        return cls(space, names, owner)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def columns(self) -> tuple[NDArray[np.intp], ...]:
        """The parameters of each agent."""
        return tuple(np.flatnonzero(self.owner == agent) for agent in range(len(self)))

    @cached_property
    def slots(self) -> NDArray[np.intp]:
        """The parameters of each agent as a table, ``[a, q]``, filled up with -1."""
        slots = np.full((len(self), max(map(len, self.columns))), -1, dtype=np.intp)
        for agent, columns in enumerate(self.columns):
            slots[agent, : len(columns)] = columns
        return slots

    @cached_property
    def apart(self) -> NDArray[np.bool_]:
        """Which parameters an agent neither decides nor can make count or not, ``[a, p]``."""
        touched: NDArray[np.bool_] = self.owner == np.arange(len(self))[:, None]
        for child, parent, _ in rules(self.space.parameters):  # parents first
            touched[:, child] |= touched[:, parent]
        return np.logical_not(touched)

    def own(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """A value per parameter ``[n, p]`` dealt out to the agents ``[n, a, q]``, 0 elsewhere."""
        dealt: NDArray[np.float32] = np.where(self.slots >= 0, values[:, self.slots], 0)
        return dealt

    def open(self, designs: Designs) -> NDArray[np.bool_]:
        """Which parameters may count next while the other agents stay put, ``[n, p]``.

        One that is closed cannot be opened by any choice of its own agent.
        """
        is_open = self.space.active(designs)
        for agent, relaxed in self._rules_of_others.items():
            own = self.columns[agent]
            is_open[:, own] = mask(relaxed, designs)[:, own]
        return is_open

    @cached_property
    def _rules_of_others(self) -> dict[int, list[tuple[int, int, NDArray[np.bool_]]]]:
        # What an agent's own choice can bring about closes nothing to it, be it through a parameter
        # of another agent. A lone parameter has no such choice: conditions only look back.
        every = rules(self.space.parameters)
        return {
            agent: [
                (child, parent, allowed | (self.owner[parent] == agent))
                for child, parent, allowed in every
            ]
            for agent, own in enumerate(self.columns)
            if len(own) > 1
        }

    @cached_property
    def choice_owner(self) -> NDArray[np.intp]:
        """The parameter that each of the ``K`` choices belongs to, ``[K]``."""
        return np.repeat(np.arange(len(self.space)), self.space.nvec)

    def choice_mask(self, is_open: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The choices that matter where the parameters ``[n, p]`` are open, ``[n, K]``.

        Of a closed parameter it is the first alone: any other would mean the same design.
        """
        first = np.zeros(len(self.choice_owner), dtype=np.bool_)
        first[self.space.offsets[:-1]] = True
        return is_open[:, self.choice_owner] | first

    def instead(self, designs: Designs, reference: Designs) -> Designs:
        """The designs had one agent kept to the reference, for each agent, ``[n, a, p]``."""
        keeps = self.owner == np.arange(len(self))[:, None]
        return np.where(keeps, reference[:, None], designs[:, None])


@dataclass(frozen=True, eq=False)
class TeamView:
    """What the agents of a team see of their game, in [-1, 1].

    An agent's observation is ``[2 + 2s + m + 2q]``, filled up with zeros where the agent has fewer
    than ``q`` parameters:

    - the share of the steps that are left, and the best reward of the episode (squashed);
    - the ``s`` bounds of the specs (squashed);
    - the ``m`` objectives and ``s`` violations of the current design, as `observe` gives them;
    - the agent's own ``q`` choices in the current design, choice i of k as (i + 1/2) / k;
    - 1 where the own parameter counts in the current design, else 0.

    Before the first design of an episode all but the first and the bounds are 0. The state of the
    game has the choices of all agents in place of the own ones: ``[2 + 2s + m + 2p]``.
    """

    statement: ProblemStatement
    team: Team

    @property
    def size(self) -> int:
        """Length of an observation."""
        return self._shared_size + 2 * max(map(len, self.team.columns))

    @property
    def state_size(self) -> int:
        """Length of a state."""
        return self._shared_size + 2 * len(self.team.space)

    @property
    def _shared_size(self) -> int:
        return 2 + 2 * len(self.statement.specs) + len(self.statement.objectives)

    def first(self, n: int) -> tuple[Observation, Observation]:
        """Observations ``[n, a, o]`` and states ``[n, c]`` before the first designs."""
        shared = self._shared(n, 1.0)
        nothing = np.zeros((n, len(self.team.space)), dtype=np.float32)
        return self._both(shared, nothing, nothing)

    def after(
        self, evaluation: Evaluation, best: NDArray[np.float64], left: float
    ) -> tuple[Observation, Observation]:
        """Observations ``[n, a, o]`` and states ``[n, c]`` once designs were evaluated.

        Args:
            evaluation: Of the current designs.
            best: Highest reward of each episode, ``[n]``.
            left: Share of the steps that are left.
        """
        shared = self._shared(len(evaluation), left)
        shared[:, 1] = squash(magnitude(best))
        shared[:, 2 + len(self.statement.specs) :] = observe(evaluation)
        space, designs = self.team.space, evaluation.designs
        active = space.active(designs)
        units = np.where(active, space.unit(designs), 0).astype(np.float32)
        return self._both(shared, units, active.astype(np.float32))

    def _shared(self, n: int, left: float) -> Observation:
        bounds = squash(magnitude(np.array([spec.bound for spec in self.statement.specs])))
        shared = np.zeros((n, self._shared_size), dtype=np.float32)
        shared[:, 0] = left
        shared[:, 2 : 2 + len(bounds)] = bounds
        return shared

    def _both(
        self, shared: Observation, units: Observation, active: Observation
    ) -> tuple[Observation, Observation]:
        team = self.team
        everyone = np.repeat(shared[:, None], len(team), axis=1)
        observation = np.concatenate([everyone, team.own(units), team.own(active)], axis=2)
        return observation, np.concatenate([shared, units, active], axis=1)
