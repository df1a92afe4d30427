"""NSGA-II with constrained domination (Deb et al., IEEE TEVC 2002), batched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.operators import crossover, keys, mutate, tournament, unseen
from codesign_gym.search.options import at_least, between
from codesign_gym.search.pareto import constrained_ranks, crowding_distance
from codesign_gym.search_spaces import Designs


@dataclass(frozen=True)
class Nsga2Options:
    """What can be set.

    Attributes:
        population: Designs that survive a generation, and designs per generation.
        crossover: Share of children that have two parents.
    """

    population: int = 48
    crossover: float = 0.9


class Nsga2(Agent):
    """Evolves a Pareto front: fronts first, then the less crowded; feasible before infeasible."""

    Options = Nsga2Options
    options: Nsga2Options

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        at_least("nsga2", "population", self.options.population, 2)
        between("nsga2", "crossover", self.options.crossover, 0, 1)
        self.batch_size = self.options.population
        self._designs = np.empty((0, len(self.space)), dtype=np.int32)
        self._objectives = np.empty((0, len(statement.objectives)))
        self._violation = np.empty(0)
        self._fitness = np.empty(0)
        self._seen: set[bytes] = set()

    def ask(self, n: int) -> Designs:
        """Random designs until the population is full, then children of tournament winners."""
        if len(self._designs) < self.options.population:
            designs = self.space.sample(n, self.rng)
        else:
            mothers, fathers = (
                self._designs[tournament(self._fitness, n, 2, self.rng)] for _ in range(2)
            )
            single = self.rng.random(n) >= self.options.crossover
            fathers[single] = mothers[single]
            children = crossover(self.space, mothers, fathers, self.rng)
            designs = mutate(self.space, children, self.rng, rate=1 / len(self.space))
        designs = unseen(self.space, designs, self._seen, self.rng)
        self._seen.update(keys(designs))
        return designs

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Merge with the population and keep the best."""
        everyone = np.concatenate([self._designs, evaluation.designs])
        objectives = np.concatenate([self._objectives, evaluation.objectives])
        violation = np.concatenate([self._violation, evaluation.violation])
        self._seen.update(keys(designs))
        _, first = np.unique(everyone, axis=0, return_index=True)
        first.sort()
        everyone, objectives, violation = everyone[first], objectives[first], violation[first]
        ranks = constrained_ranks(objectives, violation)
        crowding = crowding_distance(objectives, ranks)
        order = np.lexsort((-crowding, ranks))[: self.options.population]
        self._designs, self._objectives = everyone[order], objectives[order]
        self._violation = violation[order]
        self._fitness = -np.arange(len(order), dtype=np.float64)  # best first
