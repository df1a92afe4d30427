"""What a learned model can be made of: one face, and numbers alone to keep on disk.

Letters: ``n`` rows, ``f`` features.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from codesign_gym.search_spaces.errors import unknown_name

Matrix = NDArray[np.float32]
FloatArray = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]


class Regressor(Protocol):
    """A fitted function from features to one number.

    Attributes:
        kind: Name of the method.
    """

    kind: ClassVar[str]

    @classmethod
    def fit(cls, x: Matrix, y: FloatArray, seed: int = 0) -> Self:
        """Learn ``y [n]`` from features ``x [n, f]``; the same seed gives the same numbers."""
        ...

    def predict(self, x: Matrix) -> FloatArray:
        """Predictions ``[n]`` for features ``[n, f]``."""
        ...

    def arrays(self) -> Arrays:
        """All that `predict` needs."""
        ...

    @classmethod
    def from_arrays(cls, arrays: Arrays, features: int) -> Self:
        """What `arrays` described; `ValueError` if they cannot be that."""
        ...


def regressor(kind: str) -> type[Regressor]:
    """The method called ``kind``; an unknown name raises `InputError`."""
    from codesign_gym.cost_models.learned.additive import Additive, AdditiveCosts
    from codesign_gym.cost_models.learned.gaussian_process import GaussianProcess
    from codesign_gym.cost_models.learned.group_attention import GroupAttention
    from codesign_gym.cost_models.learned.joint import JointBoosting
    from codesign_gym.cost_models.learned.layer_set import LayerSet
    from codesign_gym.cost_models.learned.mlp import MlpEnsemble
    from codesign_gym.cost_models.learned.trees import (
        Boosting,
        DeepBoosting,
        ExtraTrees,
        RandomForest,
    )

    known: dict[str, type[Regressor]] = {
        method.kind: method
        for method in (
            RandomForest,
            ExtraTrees,
            Boosting,
            DeepBoosting,
            JointBoosting,
            Additive,
            AdditiveCosts,
            GaussianProcess,
            MlpEnsemble,
            GroupAttention,
            LayerSet,
        )
    }
    if kind not in known:
        raise unknown_name("model", kind, [*known, "auto"])
    return known[kind]


def with_logarithms(x: Matrix, wide: NDArray[np.bool_]) -> FloatArray:
    """Features as float64, the ``wide`` ones as logarithms."""
    values = x.astype(np.float64)
    values[:, wide] = np.log(np.maximum(values[:, wide], 1e-12))
    return values


def standard(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What to take from columns and to divide them by; infinite for one that never changed."""
    center, spread = values.mean(axis=0), values.std(axis=0)
    spread[spread == 0] = np.inf  # it tells nothing, whatever it is elsewhere
    return center, spread


def wide_columns(x: Matrix) -> NDArray[np.bool_]:
    """Which features are positive and span more than a factor of 20, ``[f]``."""
    low, high = x.min(axis=0), x.max(axis=0)
    return np.asarray((low > 0) & (high > 20 * np.maximum(low, 1e-12)))
