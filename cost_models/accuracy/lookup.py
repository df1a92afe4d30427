"""Accuracies of all networks of a space, looked up by their place in the grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.search_spaces import Designs, InputError, SearchSpace


class LookupAccuracy(CostModel):
    """A measured accuracy per network; called expensive where it stands for a training.

    Args:
        space: The networks.
        accuracy_pct: Of each in grid order, ``[space.size]``.
        metric: Name of the metric.
        source: Where the accuracies come from.
        expensive: Whether designs that already break a spec should be spared the model.
    """

    name = "lookup-accuracy"

    def __init__(
        self,
        space: SearchSpace,
        accuracy_pct: ArrayLike,
        metric: str = "accuracy_pct",
        source: str = "",
        expensive: bool = True,
    ) -> None:
        self.accuracy_pct = np.array(accuracy_pct, dtype=np.float64)
        if self.accuracy_pct.shape != (space.size,):
            raise InputError(
                f"accuracy_pct must have shape ({space.size},), one for every network of "
                f"{space.name!r}; got {self.accuracy_pct.shape}"
            )
        if not np.all((self.accuracy_pct >= 0) & (self.accuracy_pct <= 100)):
            raise InputError("accuracy_pct must be in 0..100")
        self.space, self.source, self.expensive = space, source, expensive
        self.metrics = (Metric(metric, "%", "max", "accuracy on unseen data"),)

    def compute(self, designs: Designs) -> Metrics:
        """Accuracies of designs ``[n, p]``."""
        return Metrics(self.metrics, self.accuracy_pct[self.space.ravel(designs)][:, None])
