"""Simulated annealing of several chains (Kirkpatrick et al., Science 1983)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from codesign_gym.envs import Evaluation, Evaluator, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.constraints import penalised
from codesign_gym.search.initial import latin_hypercube
from codesign_gym.search.operators import keys, mutate, unseen
from codesign_gym.search.options import at_least, between
from codesign_gym.search_spaces import Designs


@dataclass(frozen=True)
class AnnealingOptions:
    """What can be set.

    Attributes:
        chains: Designs that walk at the same time.
        start: Designs of the Latin hypercube of which the best are walked from.
        hot: Temperature at the start, in standard deviations of the rewards of the start.
        cold: Temperature at the end, in the same unit.
        horizon: Evaluations from start to end; by default the budget of the search, or 1,000.
    """

    chains: int = 2
    start: int = 24
    hot: float = 0.2
    cold: float = 0.02
    horizon: int | None = None


class Annealing(Agent):
    """Chains of small moves: better ones are taken, worse ones more rarely as it grows colder.

    Designs that miss a spec pay a penalty in proportion.
    """

    Options = AnnealingOptions
    options: AnnealingOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        for name in ("chains", "start"):
            at_least("annealing", name, getattr(self.options, name), 1)
        for name in ("hot", "cold"):
            between("annealing", name, getattr(self.options, name), 1e-9, 1e9)
        if self.options.horizon is not None:
            at_least("annealing", "horizon", self.options.horizon, 1)
        self.batch_size = self.options.chains
        self._horizon = self.options.horizon or 1000
        self._told = 0
        self._asked = 0
        self._spread, self._floor = 1.0, 0.0
        self._first: list[tuple[Designs, Any, Any]] = []  # what was told of before the walk began
        self._at = np.empty((0, len(self.space)), dtype=np.int32)
        self._reward = np.empty(0)
        self._chain_of: dict[bytes, int] = {}
        self._seen: set[bytes] = set()

    def search(self, evaluator: Evaluator) -> None:
        """Spend the evaluator's budget, growing cold towards its end."""
        self._horizon = self.options.horizon or evaluator.budget
        super().search(evaluator)

    def ask(self, n: int) -> Designs:
        """The start, then moves from where the chains stand, in turn."""
        fresh = n if not len(self._at) else 0
        if fresh:
            designs = unseen(
                self.space, latin_hypercube(self.space, n, self.rng), self._seen, self.rng
            )
        else:
            chains = np.arange(self._asked, self._asked + n) % len(self._at)
            moved = mutate(self.space, self._at[chains], self.rng)
            designs = unseen(self.space, moved, self._seen, self.rng)
            self._chain_of.update(zip(keys(designs), chains.tolist(), strict=True))
        self._seen.update(keys(designs))
        self._asked += n
        return designs

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Each chain moves or stays; a design it did not ask for moves the worst one, if better."""
        self._seen.update(keys(designs))
        self._told += len(evaluation)
        rewards = self.statement.reward(evaluation)
        if not len(self._at):
            self._first.append((evaluation.designs, rewards, evaluation.violation))
            if self._told >= min(self.options.start, self._horizon):
                self._begin()
            return
        values = penalised(rewards, evaluation.violation, self._spread, self._floor)
        progress = min(1.0, self._told / self._horizon)
        warmth = self.options.hot * (self.options.cold / self.options.hot) ** progress
        luck = self._spread * warmth * np.log(self.rng.random(len(values)))
        for i, key in enumerate(keys(evaluation.designs)):
            chain = self._chain_of.pop(key, None)
            if chain is None:
                chain = int(self._reward.argmin())
                accepted = values[i] > self._reward[chain]
            else:
                accepted = values[i] - self._reward[chain] >= luck[i]
            if accepted:
                self._at[chain], self._reward[chain] = evaluation.designs[i], values[i]

    def _begin(self) -> None:
        """Set the scale of the rewards, and the chains on the best designs of the start."""
        designs, rewards, violation = (
            np.concatenate(part) for part in zip(*self._first, strict=True)
        )
        feasible = rewards[violation == 0]
        if len(feasible):
            self._floor = float(feasible.min())
            self._spread = float(feasible.std()) or 1.0
        values = penalised(rewards, violation, self._spread, self._floor)
        best = np.argsort(-values, kind="stable")[: self.options.chains]
        self._at, self._reward, self._first = designs[best].copy(), values[best], []
