"""One target learned: the mean of one or two methods, what it corrects, and how sure it is.

Uncertainty is split conformal prediction, scaled row by row (Lei et al., "Distribution-
free predictive inference for regression", JASA 2018): a forest learns how large the errors of
cross-validation are where, and a factor per level makes that many of them fall within.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned.regressors import FloatArray, Matrix, Regressor, regressor

LEVELS = np.linspace(0.05, 0.95, 19)
"""Shares of the intervals that factors are kept for; others are interpolated."""

_NORMAL_90 = 1.6448536269514722
"""Half the width of a normal variable's 90 % interval, in standard deviations."""

_LARGEST = 600.0
"""Logarithm up to which predictions and their deviations are numbers: rows far outside have it."""


@dataclass(frozen=True, eq=False)
class Estimator:
    """A learned target; ``n`` rows.

    Attributes:
        parts: Fitted methods, of which the mean counts.
        log: Whether the logarithm was learned.
        doubt: Logarithm of the expected error, learned.
        factors: Half-widths of the intervals of `LEVELS` in expected errors.
        floor: Smallest expected error.
        ranges: Smallest and largest value of every feature that was seen, ``[2, f]``.
        slope: How much wider an interval becomes per `outside`.
    """

    parts: tuple[Regressor, ...]
    log: bool
    doubt: Regressor
    factors: FloatArray
    floor: float
    ranges: FloatArray
    slope: float

    def center(self, x: Matrix, offset: FloatArray | float = 0.0) -> FloatArray:
        """Predictions in the space learned in, ``[n]``."""
        each = [part.predict(x) for part in self.parts]
        return np.asarray(offset + (each[0] if len(each) == 1 else np.mean(each, axis=0)))

    def value(self, center: FloatArray) -> FloatArray:
        """Predictions in the unit of the target, ``[n]``."""
        return np.exp(np.minimum(center, _LARGEST)) if self.log else center

    def outside(self, x: Matrix) -> FloatArray:
        """How far rows are outside the training data, 0 within it; see `distance`, ``[n]``."""
        return distance(x, self.ranges)

    def spread(self, x: Matrix) -> FloatArray:
        """Expected errors in the space learned in, wider the further outside, ``[n]``."""
        expected = np.maximum(np.exp(self.doubt.predict(x)), self.floor)
        return np.asarray(expected * (1 + self.slope * self.outside(x)))

    def half(self, level: float) -> float:
        """Half-width of the interval of a level, in expected errors."""
        return float(np.interp(level, LEVELS, self.factors))

    def deviation(self, center: FloatArray, spread: FloatArray) -> FloatArray:
        """Standard deviation in the unit of the target: that whose 90 % interval is calibrated."""
        half = spread * self.half(0.9)
        if self.log:
            half = self.value(center) * np.sinh(np.minimum(half, 50.0))
        return np.asarray(half / _NORMAL_90)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Everything but what `to_dict` says, by name."""
        methods = {f"part{i}": part for i, part in enumerate(self.parts)} | {"doubt": self.doubt}
        found = {
            f"{prefix}.{owner}.{name}": array
            for owner, method in methods.items()
            for name, array in method.arrays().items()
        }
        return found | {f"{prefix}.factors": self.factors, f"{prefix}.ranges": self.ranges}

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description."""
        return {
            "parts": [part.kind for part in self.parts],
            "log": self.log,
            "doubt": self.doubt.kind,
            "floor": self.floor,
            "slope": self.slope,
        }

    @classmethod
    def load(
        cls, about: dict[str, Any], arrays: dict[str, NDArray[Any]], prefix: str, features: int
    ) -> Self:
        """What `to_dict` and `arrays` described; `ValueError` or `KeyError` if they cannot be."""

        def method(kind: str, owner: str) -> Regressor:
            start = f"{prefix}.{owner}."
            own = {n.removeprefix(start): a for n, a in arrays.items() if n.startswith(start)}
            return regressor(kind).from_arrays(own, features)

        factors = arrays[f"{prefix}.factors"]
        ranges = arrays[f"{prefix}.ranges"]
        if factors.shape != LEVELS.shape or ranges.shape != (2, features) or not about["parts"]:
            raise ValueError("its intervals are damaged")
        parts = tuple(method(kind, f"part{i}") for i, kind in enumerate(about["parts"]))
        doubt = method(about["doubt"], "doubt")
        floor, slope = float(about["floor"]), float(about["slope"])
        return cls(parts, bool(about["log"]), doubt, factors, floor, ranges, slope)


def distance(x: Matrix, ranges: FloatArray) -> FloatArray:
    """Largest distance of a feature from its range, in widths of that, ``[n]``.

    Features that are positive and span a factor of more than 20 are compared as logarithms.
    """
    low, high = ranges
    values = x.astype(np.float64)
    wide = (low > 0) & (high > 20 * low)
    low, high = (np.where(wide, np.log(np.where(wide, end, 1.0)), end) for end in (low, high))
    values[:, wide] = np.log(np.maximum(values[:, wide], 1e-300))
    width = np.where(high > low, high - low, np.maximum(np.abs(low), 1.0))
    excess = np.maximum(low - values, values - high) / width
    return np.asarray(np.maximum(excess, 0.0).max(axis=1))
