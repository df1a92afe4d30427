"""A Gaussian process (Rasmussen and Williams, 2006) for what few measurements there are."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned.regressors import (
    Arrays,
    FloatArray,
    Matrix,
    wide_columns,
    with_logarithms,
)
from codesign_gym.search_spaces.errors import InputError

MOST_ROWS = 3000
_SCALED_ON = 250
"""Rows that the length scales are found on: their likelihood costs the cube of this."""


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
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        if len(x) > MOST_ROWS:
            raise InputError(f"a gp takes at most {MOST_ROWS} rows, got {len(x)}")
        wide = wide_columns(x)
        values = with_logarithms(x, wide)
        center, spread = values.mean(axis=0), values.std(axis=0)
        spread[spread == 0] = 1.0
        values = (values - center) / spread
        offset, scale = float(y.mean()), float(y.std()) or 1.0
        kernel = ConstantKernel(1.0, (1e-2, 1e3)) * Matern(
            np.full(x.shape[1], 2.0), (0.05, 1e3), nu=2.5
        ) + WhiteKernel(1e-3, (1e-8, 1.0))
        some = np.random.default_rng(seed).permutation(len(x))[:_SCALED_ON]
        process = GaussianProcessRegressor(kernel, random_state=seed)
        with warnings.catch_warnings():  # a feature without effect goes to the largest length
            warnings.simplefilter("ignore", ConvergenceWarning)
            process.fit(values[some], (y[some] - offset) / scale)
        product, noise = process.kernel_.k1, process.kernel_.k2
        lengths = np.broadcast_to(np.asarray(product.k2.length_scale), x.shape[1:])
        points = values / lengths
        covariance = product.k1.constant_value * _matern(points, points)
        covariance[np.diag_indices(len(x))] += max(noise.noise_level, 1e-8)
        weights = np.linalg.solve(covariance, (y - offset) / scale) * product.k1.constant_value
        return cls(points, weights, center, lengths * spread, wide, np.array([scale, offset]))

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


def _matern(a: FloatArray, b: FloatArray) -> FloatArray:
    """Matern-5/2 correlation between scaled points, ``[a, b]``."""
    from scipy.spatial.distance import cdist

    distance = np.sqrt(5.0) * cdist(a, b)
    return np.asarray((1 + distance + distance**2 / 3) * np.exp(-distance))
