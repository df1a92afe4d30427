"""An agent that remembers all that it was told: what model-based agents share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.constraints import excess, merit, unconstrained_rewards
from codesign_gym.search.operators import keys, unseen
from codesign_gym.search.pareto import constrained_ranks, crowding_distance
from codesign_gym.search_spaces import Designs


class ArchiveAgent(Agent):
    """Keeps each design that it was told of once, and proposes none twice where it can.

    A subclass writes `ask`, and there passes its proposals through `_propose`. What it was told:

    - ``_designs`` ``[n, p]``, in order;
    - ``_merit`` ``[n]``: reward by the feasibility rule, see `merit`;
    - ``_values`` ``[n]``: rewards as if there were no specs, NaN where invalid;
    - ``_excess`` ``[n, k]``: how far beyond its bound each of the ``k`` specs is, see `excess`;
    - ``_objectives`` ``[n, m]`` and ``_violation`` ``[n]``, as evaluated.
    """

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        self._designs = np.empty((0, len(self.space)), dtype=np.int32)
        self._merit = np.empty(0)
        self._values = np.empty(0)
        self._excess = np.empty((0, len(statement.specs)))
        self._objectives = np.empty((0, len(statement.objectives)))
        self._violation = np.empty(0)
        self._told: set[bytes] = set()
        self._pending: dict[bytes, None] = {}  # asked for and not yet told of, in order

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Remember the designs that are new."""
        rows = []
        for i, key in enumerate(keys(evaluation.designs)):
            self._pending.pop(key, None)
            if key not in self._told:
                self._told.add(key)
                rows.append(i)
        if not rows:
            return
        some = len(rows) < len(evaluation)
        self._remember(evaluation.take(np.array(rows)) if some else evaluation)

    def _remember(self, new: Evaluation) -> None:
        """Keep what is known of designs never told of before."""
        self._designs = np.concatenate([self._designs, new.designs])
        self._merit = np.concatenate([self._merit, merit(new, self.statement.reward(new))])
        values = unconstrained_rewards(self.statement, new)
        self._values = np.concatenate([self._values, values])
        self._excess = np.concatenate([self._excess, excess(self.statement, new)])
        self._objectives = np.concatenate([self._objectives, new.objectives])
        self._violation = np.concatenate([self._violation, new.violation])

    def _propose(self, designs: Designs) -> Designs:
        """The proposals, those already told of, pending or repeated mutated until they are new."""
        seen = self._told | self._pending.keys() if self._pending else self._told
        fresh = unseen(self.space, designs, seen, self.rng)
        self._pending.update(dict.fromkeys(keys(fresh)))
        return fresh

    def _best_first(self, front: bool) -> NDArray[np.intp]:
        """Rows from best to worst: by merit; or by fronts, the less crowded first."""
        if not front:
            return np.argsort(-self._merit, kind="stable")
        ranks = constrained_ranks(self._objectives, self._violation)
        return np.lexsort((-crowding_distance(self._objectives, ranks), ranks))
