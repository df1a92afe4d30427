"""A proxy that is believed where it is sure, and asks the true cost models where it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.learned.model import LearnedCostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.search_spaces import Designs, InputError

BY_TRUE_MODEL = Metric(
    "by_true_model", "share", "max", "1 where the figures are the true model's, 0 where a proxy's"
)
"""Marks the designs whose other metrics are true, in every record of a search with a proxy."""


class TrustedProxy(CostModel):
    """A learned model's metrics and the mark `BY_TRUE_MODEL`; the true ones where it is unsure.

    Args:
        proxy: The learned model.
        measure: The true metrics of designs ``[n, p]``, those of the proxy among them.
        trust: Largest standard deviation, as a share of the prediction, at which the proxy is
            believed; 0 believes it always.
        watched: The metrics that have to be sure; all by default.
        fallbacks: The true models that ``measure`` asks.

    Raises:
        InputError: ``trust`` is negative or not finite, or the proxy lacks a watched metric.
    """

    fidelity = -1

    def __init__(
        self,
        proxy: LearnedCostModel,
        measure: Callable[[Designs], Metrics],
        trust: float = 0.0,
        watched: Sequence[str] | None = None,
        fallbacks: Sequence[CostModel] = (),
    ) -> None:
        if not 0 <= trust < np.inf:
            raise InputError(f"trust must be a share of at least 0, got {trust}")
        names = [metric.name for metric in proxy.metrics]
        missing = [name for name in watched or () if name not in names]
        if missing:
            raise InputError(f"the proxy predicts {', '.join(names)}, not {', '.join(missing)}")
        self.name, self.space, self.source = proxy.name, proxy.space, proxy.source
        self.metrics = (*proxy.metrics, BY_TRUE_MODEL)
        self.proxy, self.trust, self.fallbacks = proxy, trust, tuple(fallbacks)
        self._measure = measure
        self._watched = [names.index(name) for name in (names if watched is None else watched)]

    def compute(self, designs: Designs) -> Metrics:
        """Metrics of designs ``[n, p]``, and which of them are true."""
        predicted = self.proxy.compute(designs)
        values = np.zeros((len(designs), len(self.metrics)))
        values[:, :-1] = predicted.values_matrix
        invalid = {reason: mask.copy() for reason, mask in predicted.invalid.items()}
        rows = np.flatnonzero(self.unsure(designs)) if self.trust else np.empty(0, np.intp)
        if len(rows):
            true = self._measure(designs[rows])
            for column, metric in enumerate(self.proxy.metrics):
                values[rows, column] = true[metric.name]
            values[rows, -1] = 1.0
            for mask in invalid.values():
                mask[rows] = False
            for reason, mask in true.invalid.items():
                invalid.setdefault(reason, np.zeros(len(designs), np.bool_))[rows[mask]] = True
        kept = {reason: mask for reason, mask in invalid.items() if mask.any()}
        return Metrics(self.metrics, values, kept)

    def unsure(self, designs: Designs) -> NDArray[np.bool_]:
        """The designs whose deviation is beyond what is trusted in a watched metric, ``[n]``.

        Those outside the training data are among them, whatever their deviation is said to be.
        """
        mean = self.proxy.compute(designs).values_matrix[:, self._watched]
        deviation = self.proxy.uncertainty(designs)[:, self._watched]
        valid = np.isfinite(mean) & np.isfinite(deviation)
        sure = deviation <= self.trust * np.abs(np.where(valid, mean, 0.0))
        return np.asarray(~(valid & sure).all(axis=1) | self.proxy.extrapolated(designs))
