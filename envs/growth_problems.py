"""The problem of growing networks: an accurate one, after as little training as possible.

Cai et al., "Efficient Architecture Search by Network Transformation", AAAI 2018 (arXiv 1707.04873).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.cost_models import GrowthModel
from codesign_gym.cost_models.accuracy.tasks import TRAINING_SIZE
from codesign_gym.envs.evaluation import Evaluation
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.envs.rewards import infeasible_reward

MOST_ACCURATE = 0.9995
"""Accuracies count as at most this, half a test sequence wrong: there the tangent is 1,273."""


def stretched(accuracy: ArrayLike) -> NDArray[np.float64]:
    """``tan(accuracy * pi / 2)``, EAS's reward: a percent is worth more the higher it is.

    >>> stretched([0.5, 0.9, 0.95]).round(2).tolist()
    [1.0, 6.31, 12.71]
    """
    shares = np.minimum(np.asarray(accuracy, dtype=np.float64), MOST_ACCURATE)
    found: NDArray[np.float64] = np.tan(shares * np.pi / 2)
    return found


@dataclass(frozen=True)
class StretchedAccuracy:
    """`stretched` accuracy where feasible, otherwise `infeasible_reward`.

    Attributes:
        metric: The accuracy, in percent.
    """

    feasible_first: ClassVar[bool] = True
    metric: str = "accuracy_pct"

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metric that the reward reads."""
        return (self.metric,)

    def __call__(self, evaluation: Evaluation) -> NDArray[np.float64]:
        """The rewards ``[n]``."""
        percent = np.where(evaluation.feasible, evaluation.metrics[self.metric], 0.0)
        return np.where(
            evaluation.feasible, stretched(percent / 100), infeasible_reward(evaluation)
        )


def eas_mnist1d(
    epochs: int = 3, inherit: bool = True, seed: int = 0, training_size: int = TRAINING_SIZE
) -> DesignProblem:
    """The most accurate plain network on MNIST-1D, each one trained when it is evaluated.

    Args:
        epochs: Epochs that each network trains.
        inherit: Whether it starts from the trained root's weights; else from scratch.
        seed: Of the training.
        training_size: The first so many of the 4,000 training sequences are used.
    """
    model = GrowthModel(epochs, inherit, seed, training_size)
    return DesignProblem(
        name="eas-mnist1d" if inherit else "eas-mnist1d-from-scratch",
        space=model.space,
        models=(model,),
        objective_names=("accuracy_pct",),
        specs=(),
        reward=StretchedAccuracy(),
        description=f"plain networks trained for {epochs} epochs: accuracy on MNIST-1D",
        source="EAS (arXiv 1707.04873), in one dimension",
    )


def from_scratch() -> DesignProblem:
    """The same where no network inherits anything, for comparison."""
    return eas_mnist1d(inherit=False)


GROWTH_PROBLEMS: dict[str, Callable[..., DesignProblem]] = {"eas-mnist1d": eas_mnist1d}
"""Name -> function that makes the problem."""
