"""Random search: the baseline that every agent must beat."""

from __future__ import annotations

from typing import Any

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.operators import keys, unseen
from codesign_gym.search_spaces import Designs


class RandomAgent(Agent):
    """Uniform designs, none proposed twice while that can be avoided."""

    batch_size = 256

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        self._seen: set[bytes] = set()

    def ask(self, n: int) -> Designs:
        """``n`` uniform designs."""
        designs = unseen(self.space, self.space.sample(n, self.rng), self._seen, self.rng)
        self._seen.update(keys(designs))
        return designs

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Nothing is learned."""
