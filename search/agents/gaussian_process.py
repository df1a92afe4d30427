"""Bayesian optimisation by Gaussian processes on choices, for small budgets.

The covariance of two designs falls by a factor for every parameter in which they differ, and with
the square of the distance between their choices (in the manner of CoCaBO, Ru et al., ICML 2020,
and Casmopolitan, Wan et al., ICML 2021). How much each of both counts is learned, so that
categories of which the order means something are found out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import ProblemStatement
from codesign_gym.search.bayesian import BayesianAgent, Posterior, known
from codesign_gym.search.options import at_least
from codesign_gym.search_spaces import Designs, SearchSpace

FloatArray = NDArray[np.float64]

_NOISE = (1e-5, 0.3)
"""Lowest and highest share of noise in the variance."""


@dataclass(frozen=True)
class GaussianProcessOptions:
    """What can be set.

    Attributes:
        start: Designs of the Latin hypercube to begin with.
        batch: Designs per round.
        most: Designs that the processes are conditioned on, the best and the latest ones.
        multi_objective: Whether half of its proposals go for the front of the objectives.
    """

    start: int = 20
    batch: int = 8
    most: int = 200
    multi_objective: bool = False


class GaussianProcess(BayesianAgent):
    """Models the reward and every spec by a Gaussian process on the choices."""

    name: ClassVar[str] = "gp"
    ranked: ClassVar[bool] = True
    Options = GaussianProcessOptions
    options: GaussianProcessOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        at_least("gp", "most", self.options.most, 10)
        self._fitted_at = 0
        self._weights: list[FloatArray] = []  # of each process, goals first: see `_Kernel`

    def _fit(self, rows: NDArray[np.intp], goals: FloatArray, limits: FloatArray) -> Posterior:
        n, most = len(rows), self.options.most
        if n > most:
            latest = np.arange(n - most // 3, n)
            best = rows[~np.isin(rows, latest)][: most - len(latest)]
            rows = np.concatenate([best, latest])
        kernel = _Kernel(self.space)
        groups = []
        for group in (goals, *limits.T[:, :, None]):
            measured, targets = known(group[rows])
            groups.append((self._designs[rows[measured]], targets))
        stale = len(self._weights) != len(groups) or n >= self._fitted_at * 1.1 + 4
        if len(self._weights) != len(groups):
            self._weights = [kernel.first() for _ in groups]
        if stale:
            self._fitted_at = n
            self._weights = [
                kernel.learn(designs, targets, weights)
                for (designs, targets), weights in zip(groups, self._weights, strict=True)
            ]
        return _Processes(kernel, groups, self._weights)


class _Kernel:
    """Covariance of designs. Weights are logarithms: ``p`` overlap, ``p`` distance, noise."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        p = len(space)
        ordered = np.array([parameter.ordered for parameter in space.parameters])
        # By expectation a parameter's overlap, or distance, explains its share of the variance.
        self._prior = np.log(
            np.concatenate([np.where(ordered, 0.3, 1.0), np.where(ordered, 4.0, 1.0)]) / np.sqrt(p)
        )

    def first(self) -> FloatArray:
        """Weights before anything is known."""
        return np.append(self._prior, np.log(1e-3))

    def distances(self, designs: Designs) -> FloatArray:
        """Overlap and squared distance in every parameter between designs, ``[2 p, n, n]``."""
        scaled = designs / np.maximum(self._space.nvec - 1, 1)
        gap = (scaled.T[:, :, None] - scaled.T[:, None, :]) ** 2
        return np.concatenate([(gap > 0).astype(np.float64), gap])

    def between(self, a: Designs, b: Designs, weights: FloatArray) -> FloatArray:
        """Covariances of unit variance between designs, ``[n, m]``."""
        p, offsets = len(self._space), self._space.offsets
        table = np.zeros((int(offsets[-1]), int(offsets[-1])), dtype=np.float32)
        overlap, distance = np.exp(weights[:p]), np.exp(weights[p : 2 * p])
        for j in range(p):
            k = int(self._space.nvec[j])
            gap = ((np.arange(k)[:, None] - np.arange(k)) / max(k - 1, 1)) ** 2
            block = slice(int(offsets[j]), int(offsets[j + 1]))
            table[block, block] = overlap[j] * (gap > 0) + distance[j] * gap
        far = self._space.one_hot(a) @ table @ self._space.one_hot(b).T
        return np.asarray(np.exp(-far), dtype=np.float64)

    def learn(self, designs: Designs, targets: FloatArray, weights: FloatArray) -> FloatArray:
        """The weights of the largest posterior density, from ``weights`` on."""
        from scipy.linalg import cho_factor, cho_solve
        from scipy.optimize import minimize

        n, columns = targets.shape
        flat = self.distances(designs).reshape(2 * len(self._space), -1)
        centred = targets - targets.mean(axis=0)
        eye = np.eye(n)

        def loss(theta: FloatArray) -> tuple[float, FloatArray]:
            kernel = np.exp(-(np.exp(theta[:-1]) @ flat)).reshape(n, n)
            noise = np.exp(theta[-1])
            factor = cho_factor(kernel + noise * eye, lower=True)
            solved = cho_solve(factor, centred)
            scale = np.maximum((centred * solved).sum(axis=0) / n, 1e-12)
            away = theta[:-1] - self._prior
            value = 0.5 * n * np.log(scale).mean() + np.log(np.diag(factor[0])).sum()
            value += 0.5 * (away**2).sum() / 1.5**2 + 0.5 * (theta[-1] - np.log(1e-3)) ** 2 / 4.0
            pull = cho_solve(factor, eye) - (solved / scale) @ solved.T / columns
            slope = np.empty_like(theta)
            slope[:-1] = -0.5 * (flat @ (pull * kernel).ravel()) * np.exp(theta[:-1])
            slope[:-1] += away / 1.5**2
            slope[-1] = 0.5 * np.trace(pull) * noise + (theta[-1] - np.log(1e-3)) / 4.0
            return float(value), slope

        bounds = [(-7.0, 4.0)] * len(self._prior) + [(np.log(_NOISE[0]), np.log(_NOISE[1]))]
        found = minimize(
            loss, weights, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 25}
        )
        return np.asarray(found.x)


class _Processes:
    """Gaussian processes of groups of targets that share a kernel each, as a posterior."""

    def __init__(
        self,
        kernel: _Kernel,
        groups: list[tuple[Designs, FloatArray]],
        weights: list[FloatArray],
    ) -> None:
        from scipy.linalg import cho_solve, cholesky

        self._kernel, self._weights = kernel, weights
        self._parts = []
        for (designs, targets), w in zip(groups, weights, strict=True):
            covariance = kernel.between(designs, designs, w)
            covariance[np.diag_indices(len(designs))] += np.exp(w[-1])
            lower = cholesky(covariance, lower=True)
            mean = targets.mean(axis=0)
            solved = cho_solve((lower, True), targets - mean)
            scale = ((targets - mean) * solved).sum(axis=0) / len(designs)
            self._parts.append((designs, lower, mean, solved, np.maximum(scale, 1e-10)))

    def predict(self, points: Designs) -> tuple[FloatArray, FloatArray]:
        """Means and standard deviations."""
        from scipy.linalg import solve_triangular

        means, deviations = [], []
        for (designs, lower, mean, solved, scale), w in zip(
            self._parts, self._weights, strict=True
        ):
            cross = self._kernel.between(designs, points, w)
            half = solve_triangular(lower, cross, lower=True)
            left = np.maximum(1.0 - (half**2).sum(axis=0), 1e-9)
            means.append(mean + cross.T @ solved)
            deviations.append(np.sqrt(left[:, None] * scale))
        return np.concatenate(means, axis=1), np.concatenate(deviations, axis=1)

    def covariance(self, points: Designs) -> FloatArray:
        """Covariance of the first goal."""
        from scipy.linalg import solve_triangular

        designs, lower, _, _, scale = self._parts[0]
        w = self._weights[0]
        half = solve_triangular(lower, self._kernel.between(designs, points, w), lower=True)
        prior = self._kernel.between(points, points, w) + 1e-6 * np.eye(len(points))
        return np.asarray(scale[0] * (prior - half.T @ half))
