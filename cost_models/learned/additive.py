"""A Gaussian process for costs that mostly add up: networks of which each layer takes its time.

A linear kernel and a Gaussian one over all features together (Rasmussen and Williams, 2006,
sections 2.7 and 4.2): the first is a ridge regression, the second what it leaves. Where parameters
share their choices, the features count each choice too (`Schema`), so that what an operation costs
is learned from all its places, and what it costs more or less at one of them from that place.
"""

from __future__ import annotations

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
"""Rows that the variances are found on: their likelihood costs the cube of this."""

_LEAST = 1e-3
"""Smallest cost that is predicted, in standard deviations of those seen."""

_BOUNDS = [(1e-4, 1e4), (1e-4, 1e4), (1e-3, 1e2), (1e-8, 1.0)]
"""Of both variances, of the Gaussian part's inverse squared length, and of the noise's variance."""


@dataclass(frozen=True, eq=False)
class Additive:
    """The posterior mean of a process with a linear and a Gaussian kernel, and noise.

    Attributes:
        points: Training features, scaled ``[n, f]``.
        weights: What each adds ``[n]``.
        kernel: Variances of the linear and of the Gaussian part, and its inverse squared length.
        center: Taken from the features first ``[f]``.
        spread: They are divided by this ``[f]``.
        wide: Features taken as logarithms ``[f]``.
        affine: Scale and offset of the predictions.
    """

    points: FloatArray
    weights: FloatArray
    kernel: FloatArray
    center: FloatArray
    spread: FloatArray
    wide: NDArray[np.bool_]
    affine: FloatArray

    kind: ClassVar[str] = "additive"

    @classmethod
    def fit(cls, x: Matrix, y: FloatArray, seed: int = 0) -> Self:
        """The process of the highest likelihood; more than `MOST_ROWS` raise `InputError`."""
        if len(x) > MOST_ROWS:
            raise InputError(f"an additive process takes at most {MOST_ROWS} rows, got {len(x)}")
        wide = wide_columns(x)
        values = with_logarithms(x, wide)
        center = values.mean(axis=0)
        spread: FloatArray = values.std(axis=0)
        marks = ((values == 0) | (values == 1)).all(axis=0)  # a rare choice is no larger a step
        spread[marks] = 1.0
        spread[np.ptp(values, axis=0) == 0] = np.inf  # what never changed tells nothing
        points = (values - center) / spread
        offset, scale = float(y.mean()), float(y.std()) or 1.0
        some = np.random.default_rng(seed).permutation(len(x))[:_SCALED_ON]
        kernel, noise = _likeliest(points[some], (y[some] - offset) / scale)
        covariance = _covariance(points, points, kernel)
        covariance[np.diag_indices(len(x))] += noise
        weights = np.linalg.solve(covariance, (y - offset) / scale)
        return cls(
            points,
            np.asarray(weights, np.float64),
            kernel,
            center,
            spread,
            wide,
            np.array([scale, offset]),
        )

    def predict(self, x: Matrix) -> FloatArray:
        """Posterior means ``[n]``."""
        points = (with_logarithms(x, self.wide) - self.center) / self.spread
        scale, offset = self.affine
        parts = [
            _covariance(points[start : start + 1024], self.points, self.kernel) @ self.weights
            for start in range(0, len(points), 1024)
        ]
        return np.asarray(np.concatenate(parts or [np.empty(0)]) * scale + offset)

    def arrays(self) -> Arrays:
        """All that `predict` needs."""
        names = ("points", "weights", "kernel", "center", "spread", "wide", "affine")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_arrays(cls, arrays: Arrays, features: int) -> Self:
        """What `arrays` described; `ValueError` where the shapes disagree."""
        process = cls(**arrays)
        n = len(process.points)
        shapes = {
            "points": (n, features),
            "weights": (n,),
            "kernel": (3,),
            "center": (features,),
            "spread": (features,),
            "wide": (features,),
            "affine": (2,),
        }
        if any(getattr(process, name).shape != shape for name, shape in shapes.items()):
            raise ValueError("its process has arrays that do not fit each other")
        return process


class AdditiveCosts(Additive):
    """Costs that add up in their own unit, where it is their logarithm that is learned."""

    kind: ClassVar[str] = "additive-costs"

    @classmethod
    def fit(cls, x: Matrix, y: FloatArray, seed: int = 0) -> Self:
        """The process of the exponentials of ``y [n]``."""
        return super().fit(x, np.exp(y), seed)

    def predict(self, x: Matrix) -> FloatArray:
        """Logarithms of the posterior means, which are kept from 0, ``[n]``."""
        scale, _ = self.affine
        return np.asarray(np.log(np.maximum(super().predict(x), _LEAST * scale)))


def _covariance(a: FloatArray, b: FloatArray, kernel: FloatArray) -> FloatArray:
    """Covariances between scaled points, ``[a, b]``."""
    linear, gaussian, narrow = kernel
    product = a @ b.T
    apart = np.maximum((a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * product, 0)
    f = a.shape[1]
    return np.asarray(linear * product / f + gaussian * np.exp(-narrow * apart / f))


def _likeliest(x: FloatArray, y: FloatArray) -> tuple[FloatArray, float]:
    """The kernel and the variance of the noise under which ``y [n]`` is the likeliest."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve
    from scipy.optimize import minimize

    n, f = x.shape
    product = x @ x.T / f
    apart = np.maximum(product.diagonal()[:, None] + product.diagonal() - 2 * product, 0)

    def loss(logs: FloatArray) -> tuple[float, FloatArray]:
        linear, gaussian, narrow, noise = np.exp(logs)
        decay = gaussian * np.exp(-narrow * apart)
        covariance = linear * product + decay
        covariance[np.diag_indices(n)] += noise
        try:
            factor = cho_factor(covariance, lower=True)
        except LinAlgError:
            return 1e10, np.zeros(4)
        weights = cho_solve(factor, y)
        value = 0.5 * y @ weights + np.log(factor[0].diagonal()).sum()
        pull = cho_solve(factor, np.eye(n)) - np.outer(weights, weights)
        slopes = [
            linear * (pull * product).sum(),
            (pull * decay).sum(),
            -narrow * (pull * decay * apart).sum(),
            noise * pull.trace(),
        ]
        return float(value), 0.5 * np.array(slopes)

    start = np.log([1.0, 0.3, 1.0, 1e-2])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=np.log(_BOUNDS))
    *kernel, noise = np.exp(found.x)
    return np.array(kernel), float(noise)
