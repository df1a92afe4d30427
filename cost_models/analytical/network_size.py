"""How large the network of a design is: multiply-accumulates and trained numbers."""

from __future__ import annotations

import numpy as np

from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.cost_models.workloads.spaces import faults, sizes
from codesign_gym.search_spaces import Designs, make_space


class NetworkSize(CostModel):
    """Multiply-accumulates and trained numbers, counted from the layers.

    More multiply-accumulates are taken to be better: where accuracies are not known, they stand for
    what a network can compute, as the zero-cost baseline that a better foreteller must beat. Fewer
    parameters are taken to be better. Designs that are no network are invalid.

    Args:
        space: A network space whose `sizes` are known.

    Example:
        >>> model = NetworkSize("proxylessnas")
        >>> model.evaluate(np.zeros((1, 21), dtype=int)).values_matrix.round(3).tolist()
        [[0.257, 3.192]]
    """

    source = "layer tables of the space"
    metrics = (
        Metric("gmacs", "GMACs", "max", "multiply-accumulates of one inference, 1e9"),
        Metric("params_m", "M", "min", "trained numbers, 1e6"),
    )

    def __init__(self, space: str = "proxylessnas") -> None:
        self.name = f"size-{space}"
        self.space = make_space(space)
        sizes(self.space, self.space.sample(1, 0)[:0])  # refuses spaces that do not say

    def compute(self, designs: Designs) -> Metrics:
        """The metrics of designs ``[n, p]``."""
        reasons = np.array(faults(self.space, designs), dtype=object)
        sound = np.flatnonzero(reasons == "")
        values = np.zeros((len(designs), len(self.metrics)))
        found = sizes(self.space, designs[sound])
        values[sound, 0], values[sound, 1] = found.macs / 1e9, found.parameters / 1e6
        invalid = {str(reason): reasons == reason for reason in set(reasons) - {""}}
        return Metrics(self.metrics, values, invalid)
