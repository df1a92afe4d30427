"""A Gaussian process (Rasmussen and Williams, 2006) for what few measurements there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned.regressors import (
    Arrays,
    FloatArray,
    Matrix,
    standard,
    wide_columns,
    with_logarithms,
)
from codesign_gym.search_spaces.errors import InputError

MOST_ROWS = 3000
_SCALED_ON = 250
"""Rows that the length scales are found on: their likelihood costs the cube of this."""

_STEPS, _MORE_STEPS = 500, 8
"""Of the search for the scales, from nothing and from those of nearly the same rows."""


class _Scales(NamedTuple):
    """Variances of process and noise, length scales ``[f]``."""

    signal: float
    noise: float
    lengths: FloatArray


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """A Matern-5/2 process with a length scale per feature, and noise.

    Attributes:
        points: Training features, scaled by their lengths ``[n, f]``.
        weights: What each adds ``[n]``.
        center: Taken from the features first ``[f]``.
        lengths: Length scales ``[f]``.
        wide: Features taken as logarithms ``[f]``.
        affine: Scale and offset of the predictions.
    """

    points: FloatArray
    weights: FloatArray
    center: FloatArray
    lengths: FloatArray
    wide: NDArray[np.bool_]
    affine: FloatArray

    kind: ClassVar[str] = "gp"

    @classmethod
    def fit(cls, x: Matrix, y: FloatArray, seed: int = 0) -> Self:
        """The process of the highest likelihood; more than `MOST_ROWS` raise `InputError`."""
        return cls._fitted(x, y, seed)[0]

    @classmethod
    def _fitted(
        cls, x: Matrix, y: FloatArray, seed: int, start: _Scales | None = None
    ) -> tuple[Self, _Scales]:
        """The process, and its scales; found in a few steps from those of nearly the same rows."""
        if len(x) > MOST_ROWS:
            raise InputError(f"a gp takes at most {MOST_ROWS} rows, got {len(x)}")
        wide = wide_columns(x)
        values = with_logarithms(x, wide)
        center, spread = standard(values)
        values = (values - center) / spread
        offset, scale = float(y.mean()), float(y.std()) or 1.0
        some = np.random.default_rng(seed).permutation(len(x))[:_SCALED_ON]
        scales = _likeliest(values[some], (y[some] - offset) / scale, start)
        points = values / scales.lengths
        covariance = scales.signal * _matern(points, points)
        covariance[np.diag_indices(len(x))] += scales.noise
        solved = np.linalg.solve(covariance, (y - offset) / scale)
        weights = np.asarray(scales.signal * solved, dtype=np.float64)
        affine = np.array([scale, offset])
        return cls(points, weights, center, scales.lengths * spread, wide, affine), scales

    @classmethod
    def unseen(cls, x: Matrix, y: FloatArray, fold: NDArray[np.intp], seed: int = 0) -> FloatArray:
        """Errors on the training rows, each predicted by a process without those of its fold."""
        errors = np.empty(len(y))
        scales = cls._fitted(x, y, seed)[1]
        for held in np.unique(fold):
            test = fold == held
            part, _ = cls._fitted(x[~test], y[~test], seed, scales)
            errors[test] = part.predict(x[test]) - y[test]
        return errors

    def predict(self, x: Matrix) -> FloatArray:
        """Posterior means ``[n]``."""
        points = (with_logarithms(x, self.wide) - self.center) / self.lengths
        scale, offset = self.affine
        parts = [
            _matern(points[start : start + 1024], self.points) @ self.weights
            for start in range(0, len(points), 1024)
        ]
        return np.asarray(np.concatenate(parts or [np.empty(0)]) * scale + offset)

    def arrays(self) -> Arrays:
        """All that `predict` needs."""
        names = ("points", "weights", "center", "lengths", "wide", "affine")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_arrays(cls, arrays: Arrays, features: int) -> Self:
        """What `arrays` described; `ValueError` where the shapes disagree."""
        process = cls(**arrays)
        n = len(process.points)
        shapes = {
            "points": (n, features),
            "weights": (n,),
            "center": (features,),
            "lengths": (features,),
            "wide": (features,),
            "affine": (2,),
        }
        if any(getattr(process, name).shape != shape for name, shape in shapes.items()):
            raise ValueError("its process has arrays that do not fit each other")
        return process


def _likeliest(x: FloatArray, y: FloatArray, start: _Scales | None) -> _Scales:
    """The scales of the highest likelihood.

    The gradient to all lengths takes two products of matrices (Rasmussen and Williams, equation
    5.9), where scikit-learn's holds an array ``[n, n, f]``: 8 times as fast with 21 features.
    """
    from scipy.linalg import cho_factor, cho_solve
    from scipy.optimize import minimize
    from scipy.spatial.distance import cdist

    n, f = x.shape

    def loss(logs: FloatArray) -> tuple[float, FloatArray]:
        signal, noise = np.exp(logs[:2])
        points = x / np.exp(logs[2:])
        root = np.sqrt(5.0) * cdist(points, points)
        decay = np.exp(-root)
        process = signal * (1 + root + root**2 / 3) * decay
        covariance = process.copy()
        covariance[np.diag_indices(n)] += noise
        try:
            factor = cho_factor(covariance, lower=True)
        except np.linalg.LinAlgError:
            return np.inf, np.zeros_like(logs)
        weights = cho_solve(factor, y)
        value = 0.5 * y @ weights + np.log(factor[0].diagonal()).sum()
        inner = cho_solve(factor, np.eye(n)) - np.outer(weights, weights)
        pull = inner * (5 / 3 * signal) * (1 + root) * decay
        lengths = 2 * (pull.sum(axis=1) @ points**2 - ((pull @ points) * points).sum(axis=0))
        gradient = [(inner * process).sum(), noise * inner.trace(), *lengths]
        return float(value), 0.5 * np.array(gradient)

    bounds = [(1e-2, 1e3), (1e-8, 1.0), *[(0.05, 1e3)] * f]
    first = start or _Scales(1.0, 1e-3, np.full(f, 2.0))
    logs = np.log([first.signal, first.noise, *first.lengths])
    found = minimize(
        loss, logs, jac=True, method="L-BFGS-B", bounds=np.log(bounds),
        options={"maxiter": _MORE_STEPS if start else _STEPS},
    )  # fmt: skip
    signal, noise, *lengths = np.exp(found.x)
    return _Scales(float(signal), float(noise), np.array(lengths))


def _matern(a: FloatArray, b: FloatArray) -> FloatArray:
    """Matern-5/2 correlation between scaled points, ``[a, b]``."""
    from scipy.spatial.distance import cdist

    distance = np.sqrt(5.0) * cdist(a, b)
    return np.asarray((1 + distance + distance**2 / 3) * np.exp(-distance))
