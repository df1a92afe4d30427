"""Ant colony optimisation with bounded pheromone (Stützle and Hoos, FGCS 2000)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.constraints import merit
from codesign_gym.search.initial import latin_hypercube
from codesign_gym.search.operators import keys, unseen
from codesign_gym.search.options import at_least, between
from codesign_gym.search_spaces import Designs


@dataclass(frozen=True)
class AntColonyOptions:
    """What can be set.

    Attributes:
        ants: Designs per round.
        elite: Best designs so far that lay pheromone, the better the more.
        evaporation: Share of the pheromone that a round renews.
        least: Chance that every choice of a parameter keeps, relative to an equal share.
    """

    ants: int = 16
    elite: int = 8
    evaporation: float = 0.4
    least: float = 0.1


class AntColony(Agent):
    """Draws each parameter by its choices' pheromone, which the best designs so far renew.

    Pheromone is kept as a probability per choice (the hyper-cube framework, Blum and Dorigo 2004)
    and never falls below a floor, so that no choice is given up.
    """

    Options = AntColonyOptions
    options: AntColonyOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        at_least("ant-colony", "ants", self.options.ants, 1)
        at_least("ant-colony", "elite", self.options.elite, 1)
        between("ant-colony", "evaporation", self.options.evaporation, 0, 1)
        between("ant-colony", "least", self.options.least, 0, 1)
        self.batch_size = self.options.ants
        space = self.space
        self._owner = np.repeat(np.arange(len(space)), space.nvec)  # parameter of each choice, [K]
        self._equal = 1.0 / space.nvec[self._owner]
        self._pheromone = self._equal.copy()
        self._elite = np.empty((0, len(space)), dtype=np.int32)
        self._merit = np.empty(0)
        self._seen: set[bytes] = set()

    def ask(self, n: int) -> Designs:
        """A Latin hypercube at first, then ``n`` ants."""
        if not len(self._elite):
            drawn = latin_hypercube(self.space, n, self.rng)
        else:
            # The largest of log p + Gumbel noise is a draw with probabilities p.
            noise = self.rng.gumbel(size=(n, len(self._pheromone)))
            drawn = self.space.from_one_hot(np.log(self._pheromone) + noise)
        designs = unseen(self.space, drawn, self._seen, self.rng)
        self._seen.update(keys(designs))
        return designs

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Renew the elite, and the pheromone by it."""
        self._seen.update(keys(designs))
        if not len(evaluation):
            return
        everyone = np.concatenate([self._elite, evaluation.designs])
        values = np.concatenate([self._merit, merit(evaluation, self.statement.reward(evaluation))])
        _, first = np.unique(everyone, axis=0, return_index=True)
        first.sort()
        kept = first[np.argsort(-values[first], kind="stable")][: self.options.elite]
        self._elite, self._merit = everyone[kept], values[kept]
        weights = np.arange(len(kept), 0, -1, dtype=np.float64)
        laid = weights @ self.space.one_hot(self._elite) / weights.sum()
        # A batch of another size than a round's renews as much as its share of one.
        renewed = 1 - (1 - self.options.evaporation) ** (len(evaluation) / self.options.ants)
        mixed = (1 - renewed) * self._pheromone + renewed * laid
        self._pheromone = np.maximum(mixed, self.options.least * self._equal)
