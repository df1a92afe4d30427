"""Regularised evolution: a queue in which the oldest die (Real et al., AAAI 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.operators import keys, mutate, tournament, unseen
from codesign_gym.search.options import at_least
from codesign_gym.search_spaces import Designs


@dataclass(frozen=True)
class RegularizedEvolutionOptions:
    """What can be set.

    Attributes:
        population: Length of the queue, and number of random designs to begin with.
        tournament: Entrants of the tournament that picks a parent.
    """

    population: int = 32
    tournament: int = 8


class RegularizedEvolution(Agent):
    """Mutates the winner of a small tournament; the oldest of the population dies, not the worst.

    Designs are ranked by the problem's reward.
    """

    Options = RegularizedEvolutionOptions
    options: RegularizedEvolutionOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        at_least("regularized-evolution", "population", self.options.population, 1)
        at_least("regularized-evolution", "tournament", self.options.tournament, 1)
        self._designs: list[Designs] = []
        self._rewards: list[float] = []
        self._asked = 0
        self._seen: set[bytes] = set()

    def ask(self, n: int) -> Designs:
        """Random designs until the population is full, then mutants of tournament winners."""
        begun = max(self._asked, len(self._designs))  # what others found counts too
        fresh = min(n, max(0, self.options.population - begun))
        if not self._designs:  # told nothing yet: there is nobody to mutate
            fresh = n
        parts = [self.space.sample(fresh, self.rng)]
        if fresh < n:
            winners = tournament(
                np.array(self._rewards), n - fresh, self.options.tournament, self.rng
            )
            parents = np.array([self._designs[i] for i in winners])
            parts.append(mutate(self.space, parents, self.rng))
        designs = unseen(self.space, np.concatenate(parts), self._seen, self.rng)
        self._seen.update(keys(designs))
        self._asked += n
        return designs

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Join the queue; whoever is older than the last ``population`` designs leaves it."""
        self._designs += list(evaluation.designs)
        self._rewards += self.statement.reward(evaluation).tolist()
        del self._designs[: -self.options.population]
        del self._rewards[: -self.options.population]
        self._seen.update(keys(designs))
