"""Expected gain of hypervolume: what designs are worth to a front, by a model of the objectives."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class FrontGain:
    """Hypervolume that designs are expected to add to a front of ``m`` objectives to be low.

    The hypervolume between a front and a reference point is, up to a factor, the mean over
    directions from that point of how far one gets before leaving what is dominated, to the power
    of ``m`` (Deng and Zhang, IEEE TEVC 2019; Golovin and Zhang, ICML 2020). So any number of
    objectives costs a minimum over them, and to believe in a design takes no new front.

    Each objective counts in units of its range on the front, or of `SMALLEST` where that is
    smaller; the reference point is `MARGIN` such units beyond the front's worst values.
    """

    DIRECTIONS: ClassVar[int] = 64
    DRAWS: ClassVar[int] = 8
    MARGIN: ClassVar[float] = 0.2
    SMALLEST: ClassVar[float] = 0.3

    def __init__(self, front: FloatArray, rng: Generator) -> None:
        """Of a front ``[f, m]``, about standardised; ``rng`` draws directions and outcomes."""
        m = front.shape[1]
        low, high = front.min(axis=0), front.max(axis=0)
        self._unit = np.maximum(high - low, self.SMALLEST)
        self._reference = high / self._unit + self.MARGIN
        sphere = np.abs(rng.standard_normal((self.DIRECTIONS, m)))
        self._slopes = np.linalg.norm(sphere, axis=1, keepdims=True) / np.maximum(sphere, 1e-9)
        half = rng.standard_normal((self.DRAWS // 2, m))
        self._draws = np.concatenate([half, -half])
        self._reached = np.zeros(self.DIRECTIONS)
        self.believe(front)

    def _volumes(self, points: FloatArray) -> FloatArray:
        """What points ``[n, m]``, in units, dominate in each direction ``[n, d]``."""
        gaps = np.maximum(self._reference - points, 0.0)
        length = gaps[:, :1] * self._slopes[:, 0]
        for k in range(1, gaps.shape[1]):
            np.minimum(length, gaps[:, k : k + 1] * self._slopes[:, k], out=length)
        return np.asarray(length ** gaps.shape[1])

    def of(self, mean: FloatArray, deviation: FloatArray) -> FloatArray:
        """Gain expected of each design by itself ``[n]``, of means and deviations ``[n, m]``."""
        mean, deviation = mean / self._unit, deviation / self._unit
        total = np.zeros(len(mean))
        for draw in self._draws:
            gain = self._volumes(mean + deviation * draw) - self._reached
            total += np.maximum(gain, 0.0).sum(axis=1)
        return total / (self.DRAWS * self.DIRECTIONS)

    def log_of(self, mean: FloatArray, deviation: FloatArray) -> FloatArray:
        """Its logarithm; where no outcome gains anything, the lower objectives are the better."""
        behind = (mean / self._unit).sum(axis=1)
        return np.asarray(np.log(self.of(mean, deviation) + 1e-9) - 0.01 * behind)

    def believe(self, points: FloatArray) -> None:
        """Take designs with these objectives ``[n, m]`` for evaluated."""
        reached = self._volumes(points / self._unit).max(axis=0, initial=0.0)
        self._reached = np.maximum(self._reached, reached)
