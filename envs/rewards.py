"""Rewards: one number per design out of its metrics and violations, to be maximised.

All of them are finite for every design and none punishes a design for beating a spec.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs.evaluation import Evaluation
from codesign_gym.search_spaces import InputError

FloatArray = NDArray[np.float64]


class Reward(Protocol):
    """Any callable from an evaluation to one finite number per design.

    One that has ``metric_names`` has them checked when it becomes part of a problem.
    """

    def __call__(self, evaluation: Evaluation) -> FloatArray:
        """The rewards ``[n]``."""
        ...


def infeasible_reward(evaluation: Evaluation) -> FloatArray:
    """A reward in [-1, 0) that grows as the total violation shrinks, ``[n]``; 0 if feasible."""
    v = evaluation.violation
    return -np.divide(v, 1 + v, out=np.ones_like(v), where=np.isfinite(v))


@dataclass(frozen=True)
class WeightedProduct:
    """``prod (value / reference) ** weight`` where feasible, otherwise `infeasible_reward`.

    MnasNet's reward (Tan et al., CVPR 2019, eq. 2) for any number of metrics, with the feasibility
    rule (Deb 2000): any feasible design is worth more than any infeasible one.

    Attributes:
        weights: Metric -> exponent: positive where more is better, negative where less is.
        references: Metric -> value that counts as 1.
        feasible_first: Any feasible design is worth more than any infeasible one.
    """

    feasible_first: ClassVar[bool] = True
    weights: Mapping[str, float]
    references: Mapping[str, float]

    def __post_init__(self) -> None:
        for name in self.weights:
            reference = self.references.get(name, 0.0)
            if not 0 < reference < np.inf:
                raise InputError(f"reference of {name!r} must be above 0, got {reference}")

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics that the reward reads."""
        return tuple(self.weights)

    def __call__(self, evaluation: Evaluation) -> FloatArray:
        """The rewards ``[n]``; where one factor is 0 and another infinite, 0."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            logs = sum(
                weight * np.log(np.maximum(evaluation.metrics[name], 0) / self.references[name])
                for name, weight in self.weights.items()
                if weight != 0
            )
            product = np.nan_to_num(np.exp(logs), nan=0.0, posinf=np.finfo(np.float64).max)
        return np.where(evaluation.feasible, product, infeasible_reward(evaluation))


@dataclass(frozen=True)
class HingePenalty:
    """``sum weight * value - rho * violation``: NASAIC's reward (Yang et al., DAC 2020, eq. 4).

    Attributes:
        weights: Metric -> weight in the sum, above 0: for metrics of which more is better and
            whose lowest value is 0, such as accuracies.
        rho: Weight of the total relative violation, which counts at most as 10.
    """

    weights: Mapping[str, float]
    rho: float = 10.0

    def __post_init__(self) -> None:
        for name, weight in self.weights.items():
            if not weight > 0:
                raise InputError(f"HingePenalty: weight of {name!r} must be above 0, got {weight}")

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics that the reward reads."""
        return tuple(self.weights)

    def __call__(self, evaluation: Evaluation) -> FloatArray:
        """The rewards ``[n]``; what was not measured adds nothing."""
        total = sum(
            weight * np.where(np.isfinite(column), column, 0.0)
            for name, weight in self.weights.items()
            for column in [evaluation.metrics[name]]
        )
        return total - self.rho * np.minimum(evaluation.violation, 10.0)


@dataclass(frozen=True)
class MeanQuantile:
    """The mean over metrics of the share of known designs that are worse; else `infeasible_reward`.

    For metrics of any unit and sign, such as the scores of several tasks.

    Attributes:
        quantiles: Metric -> its values over the known designs, rising, at equal steps of share.
    """

    feasible_first: ClassVar[bool] = True
    quantiles: Mapping[str, tuple[float, ...]]

    def __post_init__(self) -> None:
        for name, values in self.quantiles.items():
            if len(values) < 2 or not np.isfinite(values).all() or (np.diff(values) < 0).any():
                raise InputError(
                    f"quantiles of {name!r} must be two or more rising numbers, got {values}"
                )

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics that the reward reads."""
        return tuple(self.quantiles)

    def __call__(self, evaluation: Evaluation) -> FloatArray:
        """The rewards ``[n]``, of feasible designs in 0..1."""
        shares = np.zeros((len(self.quantiles), len(evaluation)))
        for row, (name, values) in zip(shares, self.quantiles.items(), strict=True):
            found = evaluation.metrics[name]
            row[:] = np.interp(found, values, np.linspace(0, 1, len(values)))
            if evaluation.metrics.metrics[evaluation.metrics.columns[name]].sign > 0:
                row[:] = 1 - row
        return np.where(evaluation.feasible, shares.mean(axis=0), infeasible_reward(evaluation))


@dataclass(frozen=True)
class TargetRatio:
    """``target / |value - target|``: ArchGym's reward (Krishnan et al., ISCA 2023, section 4).

    Unlike ArchGym's, a design that beats the target is worth as much as one that meets it.

    Attributes:
        metric: The metric; a design beats the target in its direction.
        target: The value to reach, above 0.
        cap: Largest reward, given to designs that reach the target.
    """

    metric: str
    target: float
    cap: float = 1e3

    def __post_init__(self) -> None:
        if not (0 < self.target < np.inf and 0 < self.cap < np.inf):
            raise InputError(f"target and cap must be above 0, got {self.target} and {self.cap}")

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics that the reward reads."""
        return (self.metric,)

    def __call__(self, evaluation: Evaluation) -> FloatArray:
        """The rewards ``[n]``."""
        column = evaluation.metrics.columns[self.metric]
        sign = evaluation.metrics.metrics[column].sign
        excess = sign * (evaluation.metrics[self.metric] - self.target)
        return self.target / np.maximum(excess, self.target / self.cap)
