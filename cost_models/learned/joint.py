"""Boosted trees that predict several targets at once: one walk through a tree serves them all.

Friedman, "Greedy function approximation", Annals of Statistics 2001, with trees that hold a value
per target (De'ath, "Multivariate regression trees", Ecology 2002): a split is good where it is good
for the standardised targets together. Metrics of one simulation depend on the same choices, so that
eight of them cost little more than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned.regressors import Arrays, FloatArray, Matrix, Regressor
from codesign_gym.cost_models.learned.trees import Trees, check_trees, joined

_STAGES = 100
_MANY = 2000
"""Rows from which on larger steps are taken, on leaves of more rows."""

_LEAVES = (15, 255)
_ROWS_PER_LEAF = 40


@dataclass(frozen=True, eq=False)
class JointBoosting:
    """One of ``k`` targets that trees predict together; ``v`` nodes.

    Attributes:
        trees: All trees, without their values.
        values: What each node adds to the standardised targets, ``[v, k]``.
        affine: Scale and offset of each target, ``[2, k]``.
        column: Which target this one is.
    """

    trees: Trees
    values: NDArray[np.float32]
    affine: FloatArray
    column: int = 0

    kind: ClassVar[str] = "joint-boosting"

    @classmethod
    def fit(cls, x: Matrix, y: FloatArray, seed: int = 0) -> Self:
        """Grow trees for a single target ``[n]``."""
        return cls.fit_all(x, y[:, None], seed)[0]

    @classmethod
    def fit_all(cls, x: Matrix, y: FloatArray, seed: int = 0) -> tuple[Self, ...]:
        """Grow trees for the targets ``[n, k]``: one regressor for each, over the same trees."""
        from sklearn.tree import DecisionTreeRegressor

        many = len(x) >= _MANY
        rate, least = (0.15, 3) if many else (0.1, 2)
        leaves = int(np.clip(len(x) // _ROWS_PER_LEAF, *_LEAVES))
        offset, scale = y.mean(axis=0), y.std(axis=0)
        scale[scale == 0] = 1.0
        rest = (y - offset) / scale
        rng = np.random.default_rng(seed)
        grown, values = [], []
        for _ in range(_STAGES):
            tree = DecisionTreeRegressor(
                max_leaf_nodes=leaves,
                min_samples_leaf=least,
                random_state=int(rng.integers(2**31)),
            ).fit(x, rest)
            steps = rate * tree.tree_.value[:, :, 0]
            rest = rest - steps[tree.apply(x)]
            grown.append(tree.tree_)
            values.append(steps)
        whole = cls(
            joined(grown), np.concatenate(values).astype(np.float32), np.stack([scale, offset])
        )
        return tuple(replace(whole, column=column) for column in range(y.shape[1]))

    def predict_all(self, x: Matrix) -> FloatArray:
        """All targets ``[n, k]`` for features ``[n, f]``."""
        from codesign_gym.cost_models.learned.trees_kernel import totals

        own = self.trees
        sums = totals(
            np.ascontiguousarray(x), own.roots, own.feature, own.threshold, own.left, own.right,
            self.values,
        )  # fmt: skip
        return np.asarray(sums * self.affine[0] + self.affine[1])

    def predict(self, x: Matrix) -> FloatArray:
        """This target ``[n]`` for features ``[n, f]``."""
        return np.ascontiguousarray(self.predict_all(x)[:, self.column])

    def arrays(self) -> Arrays:
        """The trees, of which the targets share all, and which of the targets this is."""
        parts = self.trees._asdict()
        own = {"values": self.values, "affine": self.affine, "column": np.array(self.column)}
        return {name: part for name, part in parts.items() if name != "value"} | own

    @classmethod
    def from_arrays(cls, arrays: Arrays, features: int) -> Self:
        """The target in ``arrays``; `ValueError` where they are no trees over these features."""
        values, affine, column = (arrays[name] for name in ("values", "affine", "column"))
        empty = np.zeros(len(values), dtype=np.float32)
        trees = Trees(**{n: arrays[n] for n in Trees._fields if n != "value"}, value=empty)
        check_trees(trees, features)
        if (
            values.ndim != 2
            or values.dtype != np.float32
            or affine.shape != (2, values.shape[1])
            or column.shape != ()
            or not 0 <= int(column) < values.shape[1]
        ):
            raise ValueError("its trees do not fit their targets")
        return cls(trees, values, affine, int(column))


def all_joint(parts: Sequence[Sequence[Regressor]]) -> tuple[JointBoosting, ...]:
    """The methods of targets where each has one and all are of the same trees; none elsewhere."""
    found = [own[0] for own in parts if len(own) == 1]
    joint = [method for method in found if isinstance(method, JointBoosting)]
    if not joint or len(joint) < len(parts):
        return ()
    return tuple(joint) if all(j.values is joint[0].values for j in joint) else ()
