"""A problem small enough to work out by hand, whose cost models count what they are asked."""

from __future__ import annotations

from typing import Any

import numpy as np

from codesign_gym.cost_models import CostModel, Metric, Metrics
from codesign_gym.envs import DesignProblem, Spec
from codesign_gym.envs.rewards import WeightedProduct
from codesign_gym.search_spaces import Designs, Ordinal, SearchSpace

NET = SearchSpace("net", (Ordinal("depth", (1, 2, 3, 4)),))
CHIP = SearchSpace("chip", (Ordinal("rows", (1, 2, 4, 8)), Ordinal("cols", (1, 2, 4, 8))))


class Cost(CostModel):
    """Area rows x cols; latency depth / area. One row with eight columns cannot be built."""

    name = "cost"
    space = NET * CHIP
    metrics = (Metric("latency_ms", "ms", "min"), Metric("area_mm2", "mm2", "min"))
    source = "made up"

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def compute(self, designs: Designs) -> Metrics:
        """The metrics of ``(depth, rows, cols)``, ``[n, 3]``."""
        self.seen += [tuple(row) for row in designs.tolist()]
        depth = designs[:, 0] + 1
        area = 2.0 ** (designs[:, 1] + designs[:, 2])
        unbuildable = (designs[:, 1] == 0) & (designs[:, 2] == 3)
        values = np.stack([depth / area, area], axis=1)
        return Metrics(self.metrics, values, {"one row of eight": unbuildable})


class Accuracy(CostModel):
    """Expensive: 90 + depth, but training diverges at depth 4."""

    name = "accuracy"
    space = NET
    metrics = (Metric("accuracy_pct", "%", "max"),)
    source = "made up"
    expensive = True

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def compute(self, designs: Designs) -> Metrics:
        """The metric of ``(depth,)``, ``[n, 1]``."""
        self.seen += [tuple(row) for row in designs.tolist()]
        values = 91.0 + designs[:, [0]].astype(np.float64)
        return Metrics(self.metrics, values, {"diverged": designs[:, 0] == 3})


def toy_problem(
    cost: Cost | None = None, accuracy: Accuracy | None = None, **changes: Any
) -> DesignProblem:
    """Accurate and fast, at most 4 mm2 and at least 92 %."""
    options: dict[str, Any] = {
        "name": "toy",
        "space": CHIP * NET,  # not in the order of the models' columns
        "models": (accuracy or Accuracy(), cost or Cost()),
        "objective_names": ("accuracy_pct", "latency_ms"),
        "specs": (Spec("accuracy_pct", ">=", 92.0), Spec("area_mm2", "<=", 4.0)),
        "reward": WeightedProduct(
            {"accuracy_pct": 1.0, "latency_ms": -0.5}, {"accuracy_pct": 100.0, "latency_ms": 1.0}
        ),
    }
    return DesignProblem(**(options | changes))
