"""What an evaluation of a batch of designs says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.metrics import Metric, Metrics, concat_metrics
from codesign_gym.envs.specs import Spec
from codesign_gym.search_spaces import Designs


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A batch of ``n`` designs with all that is known of them; ``m`` objectives, ``k`` specs.

    Attributes:
        designs: The designs ``[n, p]``, canonical.
        metrics: Every metric, ``metrics["latency_ms"]`` is ``[n]``.
        objectives: The objectives, all to be minimised, ``[n, m]``.
        violations: How far each spec is missed, relative to its bound, 0 where kept, ``[n, k]``.
    """

    designs: Designs
    metrics: Metrics
    objectives: NDArray[np.float64]
    violations: NDArray[np.float64]

    @cached_property
    def violation(self) -> NDArray[np.float64]:
        """Sum of the violations, infinite for invalid designs, ``[n]``."""
        return np.where(self.metrics.valid, self.violations.sum(axis=1), np.inf)

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Which designs are valid and keep every spec, ``[n]``."""
        feasible: NDArray[np.bool_] = self.violation == 0
        return feasible

    def __len__(self) -> int:
        return len(self.designs)

    def take(self, rows: NDArray[Any] | slice) -> Evaluation:
        """The evaluation of some of the designs."""
        return Evaluation(
            self.designs[rows],
            self.metrics.take(rows),
            self.objectives[rows],
            self.violations[rows],
        )


def concat(parts: Sequence[Evaluation]) -> Evaluation:
    """Several batches as one."""
    if len(parts) == 1:
        return parts[0]
    return Evaluation(
        np.concatenate([part.designs for part in parts]),
        concat_metrics([part.metrics for part in parts]),
        np.concatenate([part.objectives for part in parts]),
        np.concatenate([part.violations for part in parts]),
    )


def assess(
    designs: Designs, metrics: Metrics, objectives: Sequence[Metric], specs: Sequence[Spec]
) -> Evaluation:
    """The evaluation that follows from the metrics of designs, measured or recorded.

    Args:
        designs: Canonical designs ``[n, p]``.
        metrics: Their metrics.
        objectives: The ``m`` metrics to optimise.
        specs: The ``k`` bounds to keep.
    """
    n = len(designs)
    values = np.empty((n, len(objectives)))
    for j, metric in enumerate(objectives):
        values[:, j] = metric.sign * metrics[metric.name]
    violations = np.empty((n, len(specs)))
    for j, spec in enumerate(specs):
        violations[:, j] = spec.violation(metrics[spec.metric])
    # An expensive model is spared the designs that miss another spec, and its infinitely bad
    # figures then tell nothing: not counted. Where no other spec is missed, they stand.
    finite = np.isfinite(violations)
    missed = (np.where(finite, violations, 0.0) > 0).any(axis=1, keepdims=True)
    violations[~finite & missed] = 0.0
    return Evaluation(designs, metrics, values, violations)
