"""A genetic algorithm with truncation selection (Mühlenbein, Schlierkamp-Voosen 1993), batched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.constraints import merit
from codesign_gym.search.initial import latin_hypercube
from codesign_gym.search.operators import crossover, keys, mutate, tournament, unseen
from codesign_gym.search.options import at_least, between
from codesign_gym.search_spaces import Designs


@dataclass(frozen=True)
class GeneticOptions:
    """What can be set.

    Attributes:
        population: Designs that survive, the best ever told of.
        batch: Children per generation.
        tournament: Entrants of the tournaments that pick the parents.
        crossover: Share of children that have two parents.
        mutation: Parameters that a child changes beside the one that always does, on average.
    """

    population: int = 16
    batch: int = 16
    tournament: int = 3
    crossover: float = 0.8
    mutation: float = 0.5


class Genetic(Agent):
    """Crosses and mutates the best designs so far; feasible before infeasible, then by reward."""

    Options = GeneticOptions
    options: GeneticOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        for name in ("population", "batch", "tournament"):
            at_least("genetic", name, getattr(self.options, name), 1)
        between("genetic", "crossover", self.options.crossover, 0, 1)
        at_least("genetic", "mutation", self.options.mutation, 0)
        self.batch_size = self.options.batch
        self._designs = np.empty((0, len(self.space)), dtype=np.int32)
        self._merit = np.empty(0)
        self._asked = 0
        self._seen: set[bytes] = set()

    def ask(self, n: int) -> Designs:
        """A Latin hypercube until the population is full, then children of tournament winners."""
        begun = max(self._asked, len(self._designs))  # what others found counts too
        fresh = min(n, max(0, self.options.population - begun))
        if not len(self._designs):  # told nothing yet: there are no parents
            fresh = n
        parts = [latin_hypercube(self.space, fresh, self.rng)]
        if fresh < n:
            parts.append(self._children(n - fresh))
        designs = unseen(self.space, np.concatenate(parts), self._seen, self.rng)
        self._seen.update(keys(designs))
        self._asked += n
        return designs

    def _children(self, n: int) -> Designs:
        size = self.options.tournament
        mothers, fathers = (
            self._designs[tournament(self._merit, n, size, self.rng)] for _ in range(2)
        )
        single = self.rng.random(n) >= self.options.crossover
        fathers[single] = mothers[single]
        children = crossover(self.space, mothers, fathers, self.rng)
        rate = min(1.0, self.options.mutation / len(self.space))
        return mutate(self.space, children, self.rng, rate)

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Merge with the population and keep the best, each design once."""
        everyone = np.concatenate([self._designs, evaluation.designs])
        values = np.concatenate([self._merit, merit(evaluation, self.statement.reward(evaluation))])
        self._seen.update(keys(designs))
        _, first = np.unique(everyone, axis=0, return_index=True)
        first.sort()
        kept = first[np.argsort(-values[first], kind="stable")][: self.options.population]
        self._designs, self._merit = everyone[kept], values[kept]
