"""Rewards in units of their spread, for agents that learn how much a choice is worth."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper
from numpy.typing import NDArray


class StandardisedRewards(VectorWrapper[Any, Any, NDArray[Any]]):
    """Rewards less their mean, in units of their standard deviation, over all so far; 3 at most.

    Only the end of an episode has a reward: those of other steps stay 0.
    """

    def __init__(self, env: VectorEnv[Any, Any, NDArray[Any]]) -> None:
        super().__init__(env)
        self._count, self._sum, self._squares = 0, 0.0, 0.0

    def step(self, actions: Any) -> tuple[Any, Any, NDArray[Any], NDArray[Any], dict[str, Any]]:
        """As the environment has it, apart from the rewards."""
        seen, rewards, terminated, truncated, info = self.env.step(actions)
        ended = np.asarray(rewards, dtype=np.float64)[terminated]
        out = np.zeros(len(terminated))
        if len(ended):
            self._count += len(ended)
            self._sum += float(ended.sum())
            self._squares += float((ended**2).sum())
            mean = self._sum / self._count
            spread = np.sqrt(max(self._squares / self._count - mean**2, 0.0)) or 1.0
            out[terminated] = np.clip((ended - mean) / spread, -3.0, 3.0)
        return seen, out, terminated, truncated, info
