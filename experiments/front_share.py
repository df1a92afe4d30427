"""How much of a known Pareto front a set of designs covers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FrontShare:
    """A front that counts as the whole; `f` designs, `k` objectives.

    Objectives (their logarithms, where the whole front is positive) are scaled from 0, the best on
    the front, to 1, the worst on it; the reference point is 1.1 in each. What is to be minimised
    and not positive, where the front is, counts as the best on it.

    Attributes:
        front: Objectives of its designs, to be minimised, ``[f, k]``.
    """

    front: FloatArray

    @classmethod
    def of_values(cls, values: Sequence[Sequence[float]], directions: Iterable[str]) -> Self:
        """The front of objective values in their own directions, ``min`` or ``max`` each."""
        return cls(np.array(values) * [-1.0 if way == "max" else 1.0 for way in directions])

    def of(self, objectives: FloatArray) -> float:
        """The share of the front's hypervolume that feasible designs ``[n, k]`` dominate, 0 to 1.

        More than 1 where they dominate designs of the front.
        """
        return self._volume(objectives) / self._whole

    @cached_property
    def _whole(self) -> float:
        return self._volume(self.front)

    def _volume(self, objectives: FloatArray) -> float:
        from moocore import hypervolume

        scaled = np.empty_like(objectives)
        for j, best in enumerate(self.front.T):
            column, sign = objectives[:, j], np.sign(best[0])
            if (best * sign > 0).all():  # what is to be maximised is negative here
                if sign > 0:  # nothing has a logarithm there, yet it is better than the front
                    column = np.where(column > 0, column, best.min())
                with np.errstate(divide="ignore", invalid="ignore"):
                    column, best = sign * np.log(column * sign), sign * np.log(best * sign)
            scaled[:, j] = (column - best.min()) / (np.ptp(best) or 1.0)
        scaled = scaled[np.isfinite(scaled).all(axis=1)]
        corner = np.full(scaled.shape[1], 1.1)
        return float(hypervolume(scaled, ref=corner)) if len(scaled) else 0.0
