"""Bayesian optimisation by a forest of extremely randomised trees (Geurts et al. 2006; SMAC)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import ProblemStatement
from codesign_gym.search.bayesian import BayesianAgent, Posterior, known
from codesign_gym.search.options import at_least
from codesign_gym.search_spaces import Designs

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ForestOptions:
    """What can be set.

    Attributes:
        start: Designs of the Latin hypercube to begin with.
        batch: Designs per round.
        trees: Trees of the forest.
        multi_objective: Whether half of its proposals go for the front of the objectives.
    """

    start: int = 24
    batch: int = 8
    trees: int = 48
    multi_objective: bool = False


class Forest(BayesianAgent):
    """Models the reward and every spec by a forest; the spread of its trees is the doubt."""

    name: ClassVar[str] = "forest"
    Options = ForestOptions
    options: ForestOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        at_least("forest", "trees", self.options.trees, 2)

    def _fit(self, rows: NDArray[np.intp], goals: FloatArray, limits: FloatArray) -> Posterior:
        from sklearn.ensemble import ExtraTreesRegressor

        targets = np.concatenate([goals, limits], axis=1)
        if not np.isfinite(targets).all():
            # One forest for all: what was not measured is taken for middling. Forests that each
            # leave such designs out did worse on nasaic-w1 (95.3 against 95.6, 12 seeds).
            middle = [np.median(known(column[:, None])[1]) for column in targets.T]
            targets = np.where(np.isfinite(targets), targets, middle)
        forest = ExtraTreesRegressor(
            self.options.trees,
            max_features=0.7,
            random_state=int(self.rng.integers(2**31)),
        )
        column = targets[:, 0] if targets.shape[1] == 1 else targets  # it warns of a lone column
        forest.fit(self._designs.astype(np.float32), column)
        return _Trees(forest, targets.shape[1])


class _Trees:
    """A fitted forest as a posterior."""

    def __init__(self, forest: ExtraTreesRegressor, targets: int) -> None:
        self._forest, self._targets = forest, targets

    def _each(self, points: Designs) -> FloatArray:
        """Prediction of every tree, ``[t, m, g + k]``."""
        x = points.astype(np.float32)
        trees = [tree.tree_.predict(x) for tree in self._forest.estimators_]
        return np.array(trees).reshape(len(trees), len(points), self._targets)

    def predict(self, points: Designs) -> tuple[FloatArray, FloatArray]:
        """Mean and spread of the trees."""
        each = self._each(points)
        return each.mean(axis=0), np.sqrt(each.var(axis=0) + 1e-4)

    def covariance(self, points: Designs) -> FloatArray:
        """How the trees differ together."""
        each = self._each(points)[:, :, 0]
        residual = each - each.mean(axis=0)
        return np.asarray(residual.T @ residual / len(each) + 1e-4 * np.eye(len(points)))
