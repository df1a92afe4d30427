"""Tree-structured Parzen estimators on whole batches (Bergstra et al., NeurIPS 2011)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import ProblemStatement
from codesign_gym.search.archive import ArchiveAgent
from codesign_gym.search.initial import latin_hypercube
from codesign_gym.search.options import at_least, between, one_of
from codesign_gym.search_spaces import Designs

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class TpeOptions:
    """What can be set.

    Attributes:
        start: Designs of the Latin hypercube to begin with.
        batch: Designs per round.
        good: Share of the designs told of that count as good.
        most: Good designs at most.
        candidates: Draws of which each proposal is the most promising.
        together: Parameters whose densities are joint: ``each`` alone, by ``group``, or ``all``.
        spread: Weight of a design's kernel that is not on its own choice.
        multi_objective: Whether designs are ranked by fronts of the objectives (MOTPE, Ozaki et
            al., GECCO 2020) in place of the reward.
    """

    start: int = 24
    batch: int = 8
    good: float = 0.15
    most: int = 24
    candidates: int = 32
    together: str = "each"
    spread: float = 0.3
    multi_objective: bool = False


class Tpe(ArchiveAgent):
    """Draws near good designs, and keeps the draws that good designs explain better than others.

    Feasible designs rank before infeasible ones, which rank by their violation. Densities are
    mixtures of a kernel per design: of categories a constant part on all other ones, of ordinals
    one that falls with distance.
    """

    Options = TpeOptions
    options: TpeOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        for name in ("start", "batch", "most", "candidates"):
            at_least("tpe", name, getattr(self.options, name), 1)
        between("tpe", "good", self.options.good, 0, 1)
        between("tpe", "spread", self.options.spread, 0.001, 0.999)
        one_of("tpe", "together", self.options.together, ("each", "group", "all"))
        self.batch_size = self.options.batch

    def ask(self, n: int) -> Designs:
        """A Latin hypercube at first, then the most promising of many draws."""
        told = len(self._designs)
        if told + len(self._pending) < self.options.start or told < 2:
            return self._propose(latin_hypercube(self.space, n, self.rng))
        order = self._best_first(self.options.multi_objective)
        split = min(self.options.most, max(1, round(self.options.good * told)), told - 1)
        good, bad = self._designs[order[:split]], self._designs[order[split:]]
        kernel = self._kernel()
        drawn = self._draw(good, kernel, n * self.options.candidates)
        score = np.zeros(len(drawn), dtype=np.float32)
        for columns in self._blocks():
            score += self._density(drawn, good, kernel, columns)
            score -= self._density(drawn, bad, kernel, columns)
        # Each proposal has its own draws: the best of all of them would be near copies.
        best = score.reshape(n, -1).argmax(axis=1) + np.arange(n) * self.options.candidates
        return self._propose(drawn[best])

    def _blocks(self) -> list[NDArray[np.intp]]:
        p = len(self.space)
        if self.options.together == "each":
            return [np.array([j]) for j in range(p)]
        if self.options.together == "group":
            return [np.array(columns) for columns in self.space.groups.values()]
        return [np.arange(p)]

    def _kernel(self) -> list[FloatArray]:
        """Per parameter the chance of each choice near each choice, ``[k, k]``, rows sum to 1."""
        kernels = []
        for parameter in self.space.parameters:
            k = len(parameter)
            away = np.abs(np.arange(k)[:, None] - np.arange(k)).astype(np.float64)
            others = np.exp(-(away - 1)) + 0.1 if parameter.ordered else np.ones((k, k))
            np.fill_diagonal(others, 0.0)
            others /= np.maximum(others.sum(axis=1, keepdims=True), 1e-12)
            own = 1.0 if k == 1 else 1 - self.options.spread * (k - 1) / k
            kernels.append(own * np.eye(k) + (1 - own) * others)
        return kernels

    def _draw(self, good: Designs, kernel: list[FloatArray], n: int) -> Designs:
        """``n`` draws from the density of the good designs, a source for each block."""
        drawn = np.empty((n, len(self.space)), dtype=np.int32)
        for columns in self._blocks():
            source = good[self.rng.integers(0, len(good), n)]
            for j in columns:
                cumulative = kernel[j].cumsum(axis=1)[source[:, j]]
                drawn[:, j] = (self.rng.random((n, 1)) > cumulative[:, :-1]).sum(axis=1)
        return self.space.canonical(drawn)

    def _density(
        self,
        drawn: Designs,
        centres: Designs,
        kernel: list[FloatArray],
        columns: NDArray[np.intp],
    ) -> NDArray[np.float32]:
        """Log density of the draws' block of columns under the mixture of the centres, ``[d]``.

        A uniform kernel joins the mixture, so that no draw is impossible.
        """
        if len(columns) == 1:  # the density of a choice is a sum over centres: one per choice
            j = int(columns[0])
            mixture = kernel[j][centres[:, j]].sum(axis=0) + 1 / self.space.nvec[j]
            single: NDArray[np.float32] = np.log(mixture / (len(centres) + 1)).astype(np.float32)
            return single[drawn[:, j]]
        offsets, size = self.space.offsets, len(centres)
        logs = [np.log(kernel[j])[centres[:, j]] for j in columns]
        uniform = [np.full(self.space.nvec[j], -np.log(self.space.nvec[j])) for j in columns]
        table = np.concatenate(
            [np.concatenate(logs, axis=1), np.concatenate(uniform)[None]]
        ).astype(np.float32)
        chosen = np.concatenate([np.arange(offsets[j], offsets[j + 1]) for j in columns])
        likelihood = self.space.one_hot(drawn)[:, chosen] @ table.T
        top = likelihood.max(axis=1, keepdims=True)
        mixed = np.exp(likelihood - top).sum(axis=1) / (size + 1)
        result: NDArray[np.float32] = np.log(mixed) + top[:, 0]
        return result
