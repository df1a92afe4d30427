"""A recurrent controller: a design is written down parameter by parameter.

Importing this module imports torch.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codesign_gym.search.trained import Trained, random_matrix, zeros
from codesign_gym.search_spaces import Designs, SearchSpace


class Controller(Trained):
    """A gated recurrent unit (Cho et al. 2014) with a head for every parameter.

    Args:
        space: What is chosen; ``p`` parameters, at most ``k`` choices.
        hidden: Width of the state, ``h``.
        learning_rate: Of Adam.
        rng: Draws the first weights.
    """

    def __init__(
        self, space: SearchSpace, hidden: int, learning_rate: float, rng: np.random.Generator
    ) -> None:
        p, k = len(space), int(space.nvec.max())
        super().__init__(
            {
                # What was chosen before, for all three gates; the last row stands for nothing.
                "choices": random_matrix(rng, int(space.offsets[-1]) + 1, 3 * hidden),
                "state": random_matrix(rng, hidden, 3 * hidden),
                "state_bias": zeros(3 * hidden),
                # Zero: at first all choices are equally likely.
                "heads": zeros(p, hidden, k),
                "head_bias": zeros(p, k),
            },
            learning_rate,
        )
        self._space, self._hidden = space, hidden
        self._offsets = space.offsets
        self._exists = torch.from_numpy(np.arange(k) < space.nvec[:, None])

    def sample(self, n: int, rng: np.random.Generator) -> Designs:
        """``n`` designs, ``[n, p]``."""
        designs = np.zeros((n, len(self._offsets) - 1), dtype=np.int32)
        with torch.no_grad():
            state = torch.zeros(n, self._hidden)
            before = np.full(n, self._offsets[-1])
            for j in range(designs.shape[1]):
                state = self._advance(state, torch.from_numpy(before.astype(np.int64)))
                table = self._log_probabilities(state, j).exp().double().numpy().cumsum(axis=1)
                point = rng.random(n) * table[:, -1]
                choice = (point[:, None] >= table).sum(axis=1)
                # A point may round up to the very end of its line.
                designs[:, j] = np.minimum(choice, int(self._exists[j].sum()) - 1)
                designs = self._space.canonical(designs)  # conditions only look back
                before = self._offsets[j] + designs[:, j]
        return designs

    def log_likelihood(self, designs: Designs, active: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
        """How likely designs ``[n, p]`` are to be written down, and the entropy on the way.

        Both are sums over the parameters that count, ``active``, ``[n]``.
        """
        chosen, counts = torch.from_numpy(designs.astype(np.int64)), torch.from_numpy(active)
        n, p = chosen.shape
        before = torch.full((n, p), int(self._offsets[-1]))
        before[:, 1:] = chosen[:, :-1] + torch.from_numpy(self._offsets[: p - 1])
        state = torch.zeros(n, self._hidden)
        likelihood, entropy = torch.zeros(n), torch.zeros(n)
        for j in range(p):
            state = self._advance(state, before[:, j])
            table = self._log_probabilities(state, j)
            likelihood = likelihood + counts[:, j] * table[torch.arange(n), chosen[:, j]]
            finite = table.masked_fill(~self._exists[j], 0.0)
            entropy = entropy - counts[:, j] * (table.exp() * finite).sum(dim=1)
        return likelihood, entropy

    def learn(
        self, designs: Designs, active: NDArray[np.bool_], advantage: Tensor, bonus: float
    ) -> None:
        """One step along the policy gradient (Williams 1992).

        Args:
            designs: ``[n, p]``.
            active: Which parameters count in them, ``[n, p]``.
            advantage: What each design is worth beyond the baseline, ``[n]``.
            bonus: Weight of the entropy.
        """
        likelihood, entropy = self.log_likelihood(designs, active)
        self.descend(-(advantage * likelihood + bonus * entropy).mean())

    def _advance(self, state: Tensor, before: Tensor) -> Tensor:
        """The state ``[n, h]`` after the choice ``[n]`` made before."""
        w = self.weights
        seen = w["choices"][before].chunk(3, dim=1)
        kept = torch.addmm(w["state_bias"], state, w["state"]).chunk(3, dim=1)
        update, reset = torch.sigmoid(seen[0] + kept[0]), torch.sigmoid(seen[1] + kept[1])
        return update * state + (1 - update) * torch.tanh(seen[2] + reset * kept[2])

    def _log_probabilities(self, state: Tensor, j: int) -> Tensor:
        """Of the choices of parameter ``j``, ``[n, k]``; -inf where there is none."""
        logits = torch.addmm(self.weights["head_bias"][j], state, self.weights["heads"][j])
        return torch.log_softmax(logits.masked_fill(~self._exists[j], -torch.inf), dim=1)
