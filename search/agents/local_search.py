"""Local search: a move at a time while that helps, then from elsewhere (Hoos, Stützle 2004)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.constraints import merit
from codesign_gym.search.initial import latin_hypercube
from codesign_gym.search.operators import keys, mutate, unseen
from codesign_gym.search.options import at_least, one_of
from codesign_gym.search_spaces import Designs


@dataclass(frozen=True)
class LocalSearchOptions:
    """What can be set.

    Attributes:
        start: Designs of the Latin hypercube of which the best is climbed from first.
        batch: Neighbours evaluated at once.
        improvement: ``first`` moves to a better neighbour as soon as one is known, ``best`` looks
            at all of them first.
        restart: Where to go on from a local optimum: ``kick`` moves ``kicks`` parameters of the
            best design so far, ``random`` begins at a random one.
        kicks: Parameters that a kick moves.
    """

    start: int = 16
    batch: int = 4
    improvement: str = "first"
    restart: str = "kick"
    kicks: int = 3


class LocalSearch(Agent):
    """Climbs to a design better than all its neighbours, kicks it, and climbs again.

    A neighbour differs in one parameter, an ordinal one by a step. Designs known already are not
    evaluated again, nor moved to.
    """

    Options = LocalSearchOptions
    options: LocalSearchOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        for name in ("start", "batch", "kicks"):
            at_least("local-search", name, getattr(self.options, name), 1)
        one_of("local-search", "improvement", self.options.improvement, ("first", "best"))
        one_of("local-search", "restart", self.options.restart, ("kick", "random"))
        self.batch_size = self.options.batch
        self._asked = 0
        self._seen: set[bytes] = set()
        empty = np.empty((0, len(self.space)), dtype=np.int32)
        self._best, self._best_merit = empty, -np.inf
        self._at, self._at_merit = empty, -np.inf  # where the climb stands, [1, p] or [0, p]
        self._better, self._better_merit = empty, -np.inf  # the best neighbour so far
        self._queue = empty  # neighbours still to be asked for
        self._waiting: set[bytes] = set()  # neighbours asked for and not told of

    def ask(self, n: int) -> Designs:
        """The start, then neighbours of where the climb stands; kicks where there are too few."""
        fresh = min(n, max(0, self.options.start - self._asked))
        parts = [latin_hypercube(self.space, fresh, self.rng)]
        if fresh < n:
            if not len(self._queue) and not self._waiting and len(self._at):
                self._next_climb()
            ready, self._queue = self._queue[: n - fresh], self._queue[n - fresh :]
            self._waiting.update(keys(ready))
            parts.append(ready)
            fresh += len(ready)
        if fresh < n:
            parts.append(self._elsewhere(n - fresh))
        designs = unseen(self.space, np.concatenate(parts), self._seen, self.rng)
        self._seen.update(keys(designs))
        self._asked += n
        return designs

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Move, where a neighbour, or anything else told of, is better than where we stand."""
        if not len(evaluation):
            return
        values = merit(evaluation, self.statement.reward(evaluation))
        told = keys(evaluation.designs)
        self._seen.update(told)
        self._waiting.difference_update(told)
        top = int(values.argmax())
        if values[top] > self._best_merit:
            self._best, self._best_merit = evaluation.designs[[top]], float(values[top])
        if values[top] > self._better_merit:
            self._better, self._better_merit = evaluation.designs[[top]], float(values[top])
        done = not len(self._queue) and not self._waiting
        starting = self._asked < self.options.start and not len(self._at)
        ready = (done or self.options.improvement == "first") and not starting
        if ready and self._better_merit > self._at_merit:
            self._stand(self._better, self._better_merit)

    def _stand(self, design: Designs, value: float) -> None:
        self._at, self._at_merit = design, value
        self._better, self._better_merit = design, value
        neighbours = self.space.neighbours(design)[0]
        fresh = [i for i, key in enumerate(keys(neighbours)) if key not in self._seen]
        self._queue = neighbours[self.rng.permutation(np.array(fresh, dtype=np.intp))]
        self._waiting = set()

    def _next_climb(self) -> None:
        """From a local optimum: the next climb begins wherever the next design is."""
        begin = unseen(self.space, self._elsewhere(1), self._seen, self.rng)
        self._queue = begin
        self._at_merit = self._better_merit = -np.inf

    def _elsewhere(self, n: int) -> Designs:
        if self.options.restart == "random" or not len(self._best):
            return self.space.sample(n, self.rng)
        designs = np.repeat(self._best, n, axis=0)
        for _ in range(self.options.kicks):
            designs = mutate(self.space, designs, self.rng)
        return designs
