"""CatCMA with margin (Hamano et al., GECCO 2025) by the package cmaes.

A Gaussian over the ordered parameters and a distribution over each category, adapted together;
margins keep every choice within reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.constraints import merit
from codesign_gym.search.operators import keys
from codesign_gym.search.options import at_least
from codesign_gym.search.state import pack, unpack
from codesign_gym.search_spaces import Designs

if TYPE_CHECKING:
    from cmaes import CatCMAwM

_DRAWS = 10
"""Draws of a design until one that was proposed before is accepted."""

_EVEN = 0.3
"""Share of the even distribution in one that begins from designs told of."""


@dataclass(frozen=True)
class CatCmaOptions:
    """What can be set.

    Attributes:
        population: Designs per generation; none takes 4 + 3 log(parameters), as CMA-ES does.
    """

    population: int | None = None


class CatCma(Agent):
    """Evolution of a Gaussian and of categorical distributions; specs by the feasibility rule.

    It begins anew, somewhere else, where it has converged. Designs told of before the first ones
    are asked for say where it begins; of later ones it learns from its own alone.
    """

    Options = CatCmaOptions
    options: CatCmaOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        if self.options.population is not None:
            at_least("catcma", "population", self.options.population, 4)
        several = self.space.nvec > 1
        # Two values have no order to exploit: the package's authors take them for categories.
        ordered = np.array([p.ordered and len(p) > 2 for p in self.space.parameters])
        self._ordered = np.flatnonzero(ordered)
        self._categories = np.flatnonzero(several & ~ordered)
        moved = len(self._ordered) + len(self._categories)
        default = 4 + int(3 * np.log(max(moved, 1)))
        self.batch_size = self.options.population or default
        self._forget()

    def _forget(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self._log: list[tuple[str, Any, Any]] = []
        self._optimizer: CatCMAwM | None = None
        self._pending: dict[bytes, list[Any]] = {}
        self._generation: list[tuple[Any, float]] = []
        self._before: list[tuple[Designs, NDArray[np.float64]]] = []

    def ask(self, n: int) -> Designs:
        """``n`` draws, those proposed before drawn again for a while."""
        self._log.append(("ask", n, None))
        if not len(self._ordered) + len(self._categories):
            return np.zeros((n, len(self.space)), dtype=np.int32)
        rows = [self._draw() for _ in range(n)]
        return np.concatenate(rows) if rows else np.empty((0, len(self.space)), dtype=np.int32)

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Learn from each whole generation of its own designs."""
        if len(evaluation):
            values = merit(evaluation, self.statement.reward(evaluation))
            self._tell(evaluation.designs, values)

    def _tell(self, designs: Designs, values: NDArray[np.float64]) -> None:
        self._log.append(("tell", designs, values))
        if self._optimizer is None:
            self._before.append((designs, values))
            return
        for key, value in zip(keys(designs), values.tolist(), strict=True):
            waiting = self._pending.get(key)
            if waiting:
                self._generation.append((waiting.pop(0), value))
        while len(self._generation) >= self.batch_size:
            told, self._generation = (
                self._generation[: self.batch_size],
                self._generation[self.batch_size :],
            )
            self._learn(told)

    def _learn(self, told: list[tuple[Any, float]]) -> None:
        assert self._optimizer is not None
        places = np.argsort(np.argsort([-value for _, value in told], kind="stable"))
        ranked = [(one, float(place)) for (one, _), place in zip(told, places, strict=True)]
        try:
            with np.errstate(all="ignore"):
                self._optimizer.tell(ranked)
                ended = len(self._ordered) > 0 and self._optimizer.should_stop()
        except (AssertionError, ValueError, np.linalg.LinAlgError):  # it has become degenerate
            ended = True
        if ended:
            self._restart(self.space.sample(1, self.rng))

    def _draw(self) -> Designs:
        if self._optimizer is None:
            self._begin()
        for _ in range(_DRAWS):
            assert self._optimizer is not None
            one = self._optimizer.ask()
            design = self._design(one)
            if design is None:
                self._restart(self.space.sample(1, self.rng))
                continue
            if design.tobytes() not in self._pending:
                break
        if design is None:
            return self.space.sample(1, self.rng)
        self._pending.setdefault(design.tobytes(), []).append(one)
        return design

    def _design(self, one: Any) -> Designs | None:
        """What a draw stands for, ``[1, p]``; None where the distribution is no longer one."""
        design = np.zeros((1, len(self.space)), dtype=np.int32)
        if len(self._ordered):
            if not np.isfinite(one._v_raw).all():
                return None
            design[0, self._ordered] = one.z
        if len(self._categories):
            if not (one.c.sum(axis=1) == 1).all():
                return None
            design[0, self._categories] = one.c.argmax(axis=1)
        return self.space.canonical(design)

    def _begin(self) -> None:
        """Where the best quarter of what was told lies, or in the middle."""
        if not self._before:
            self._restart(None)
            return
        designs = np.concatenate([designs for designs, _ in self._before])
        values = np.concatenate([values for _, values in self._before])
        best = np.argsort(-values, kind="stable")[: max(len(values) // 4, 1)]
        self._restart(designs[best])

    def _restart(self, near: Designs | None) -> None:
        from cmaes import CatCMAwM

        nvec, mean, share = self.space.nvec, None, None
        k = nvec[self._categories]
        if near is not None and len(self._ordered):
            mean = np.clip(near[:, self._ordered].mean(axis=0), 0.5, nvec[self._ordered] - 1.5)
        if near is not None and len(k):
            exists = np.arange(k.max()) < k[:, None]
            counts = near[:, self._categories, None] == np.arange(k.max())
            share = (1 - _EVEN) * counts.mean(axis=0) + _EVEN * exists / k[:, None]
        self._generation = []
        self._pending = {key: [] for key in self._pending}
        self._optimizer = CatCMAwM(
            z_space=[list(range(k)) for k in nvec[self._ordered].tolist()] or None,
            c_space=k.tolist() or None,
            population_size=self.batch_size,
            mean=mean,
            cat_param=share,
            seed=int(self.rng.integers(2**32)),
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything asked and told, from which the distributions can be made again."""
        return {"seed": self.seed, "log": pack(self._log)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Ask and tell again: the random state follows."""
        self.seed = state["seed"]
        self._forget()
        for kind, first, second in unpack(state["log"]):
            if kind == "ask":
                self.ask(first)
            else:
                self._tell(first, second)
