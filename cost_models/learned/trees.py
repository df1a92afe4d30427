"""Forests and boosted trees: grown by scikit-learn, kept as plain arrays, walked by compiled code.

Random forests: Breiman 2001. Extremely randomised trees: Geurts, Ernst and Wehenkel 2006. Boosting
on histograms: Ke et al., "LightGBM", NIPS 2017. One design costs microseconds where scikit-learn's
own prediction takes milliseconds, and a file of trees holds numbers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned.regressors import Arrays, FloatArray, Matrix

_FOREST = 40
_MANY = 2000
"""Rows from which on trees get larger."""


class Trees(NamedTuple):
    """All trees of an ensemble, their nodes one after another; ``t`` trees, ``v`` nodes.

    Attributes:
        roots: First node of each tree, ``[t]``.
        feature: Column that a node splits on, -1 at a leaf, ``[v]``.
        threshold: Go left where the column is at most this, ``[v]``.
        left: Left child, ``[v]``.
        right: Right child, ``[v]``.
        value: Prediction of a leaf, ``[v]``.
    """

    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Ensemble:
    """Trees of which the predictions are added, times ``scale``, plus ``offset``."""

    trees: Trees
    scale: float
    offset: float

    def predict(self, x: Matrix) -> FloatArray:
        """Predictions ``[n]`` for features ``[n, f]``."""
        from codesign_gym.cost_models.learned.trees_kernel import total

        return np.asarray(total(np.ascontiguousarray(x), *self.trees) * self.scale + self.offset)

    def arrays(self) -> Arrays:
        """The trees, and what to do with their sum."""
        return {**self.trees._asdict(), "affine": np.array([self.scale, self.offset])}

    @classmethod
    def from_arrays(cls, arrays: Arrays, features: int) -> Self:
        """The trees in ``arrays``; `ValueError` where they are no trees over these features."""
        trees = Trees(**{name: arrays[name] for name in Trees._fields})
        check_trees(trees, features)
        scale, offset = arrays["affine"].tolist()
        return cls(trees, scale, offset)


class RandomForest(_Ensemble):
    """The mean of trees grown on resampled rows."""

    kind: ClassVar[str] = "random-forest"

    @classmethod
    def fit(cls, x: Matrix, y: FloatArray, seed: int = 0) -> Self:
        """Grow a forest."""
        from sklearn.ensemble import RandomForestRegressor

        forest = RandomForestRegressor(_FOREST, max_features=0.7, random_state=seed)
        return cls(*_of_forest(forest, x, y))


class ExtraTrees(_Ensemble):
    """The mean of trees whose thresholds are drawn at random."""

    kind: ClassVar[str] = "extra-trees"

    @classmethod
    def fit(cls, x: Matrix, y: FloatArray, seed: int = 0) -> Self:
        """Grow a forest."""
        return cls.grow(x, y, seed, _FOREST, 1 if len(x) < _MANY else 2)

    @classmethod
    def grow(cls, x: Matrix, y: FloatArray, seed: int, trees: int, leaf: int) -> Self:
        """A forest of so many trees, with at least so many rows in a leaf."""
        from sklearn.ensemble import ExtraTreesRegressor

        forest = ExtraTreesRegressor(
            trees, min_samples_leaf=leaf, max_features=0.6, random_state=seed
        )
        return cls(*_of_forest(forest, x, y))


class Boosting(_Ensemble):
    """Trees each of which corrects the ones before it."""

    kind: ClassVar[str] = "boosting"
    leaves: ClassVar[int] = 63
    leaf: ClassVar[int] = 8

    @classmethod
    def fit(cls, x: Matrix, y: FloatArray, seed: int = 0) -> Self:
        """Grow trees one after another."""
        from sklearn.ensemble import HistGradientBoostingRegressor
        from threadpoolctl import threadpool_limits

        many = len(x) >= _MANY
        steps = 500 if len(x) >= 3 * _MANY else 250
        grown = HistGradientBoostingRegressor(
            max_iter=steps,
            learning_rate=0.08,
            max_leaf_nodes=min(cls.leaves, len(x) // 80) if many else 15,
            min_samples_leaf=cls.leaf if many else 3,
            early_stopping=False,
            random_state=seed,
        )
        with threadpool_limits(1):  # threads that wait for a busy core cost a hundredfold
            grown.fit(x, y)
        nodes = [stage[0].nodes for stage in grown._predictors]
        starts = _starts([len(part) for part in nodes])
        joined = np.concatenate(nodes)
        leaf = joined["is_leaf"].astype(np.bool_)
        shift = np.repeat(starts, [len(part) for part in nodes])
        trees = Trees(
            roots=starts,
            feature=np.where(leaf, -1, joined["feature_idx"]).astype(np.int32),
            threshold=_rounded_down(np.where(leaf, 0.0, joined["num_threshold"])),
            left=np.where(leaf, -1, joined["left"] + shift).astype(np.int32),
            right=np.where(leaf, -1, joined["right"] + shift).astype(np.int32),
            value=joined["value"].astype(np.float32),
        )
        return cls(trees, 1.0, float(np.ravel(grown._baseline_prediction)[0]))


class DeepBoosting(Boosting):
    """Boosting with trees deep enough for many interactions, for data without noise."""

    kind: ClassVar[str] = "deep-boosting"
    leaves: ClassVar[int] = 255
    leaf: ClassVar[int] = 3


def _of_forest(forest: Any, x: Matrix, y: FloatArray) -> tuple[Trees, float, float]:
    """A forest of scikit-learn, grown; its trees, the scale and the offset of their sum."""
    offset = float(y.mean())
    forest.fit(x, y - offset)
    parts = [tree.tree_ for tree in forest.estimators_]
    return joined(parts), 1 / len(parts), offset


def joined(parts: Sequence[Any]) -> Trees:
    """Trees that scikit-learn has grown, with their values for the first target."""
    starts = _starts([part.node_count for part in parts])
    return Trees(
        roots=starts,
        feature=np.maximum(np.concatenate([p.feature for p in parts]), -1).astype(np.int32),
        threshold=_rounded_down(np.concatenate([p.threshold for p in parts])),
        left=_shifted([p.children_left for p in parts], starts),
        right=_shifted([p.children_right for p in parts], starts),
        value=np.concatenate([p.value[:, 0, 0] for p in parts]).astype(np.float32),
    )


def _starts(counts: list[int]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(counts[:-1])]).astype(np.int32)


def _rounded_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """As float32, never above: then ``x <= threshold`` says the same of every float32 ``x``."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _shifted(children: list[NDArray[Any]], starts: NDArray[np.int32]) -> NDArray[np.int32]:
    """Child numbers within each tree as numbers within the ensemble; leaves stay at -1."""
    pairs = zip(children, starts, strict=True)
    return np.concatenate([np.where(c < 0, -1, c + start) for c, start in pairs]).astype(np.int32)


def check_trees(trees: Trees, features: int) -> None:
    """Raise `ValueError` for node numbers that compiled code would follow astray."""
    kinds = [part.dtype for part in Trees._make(np.empty(0, t) for t in "iifiif")]
    v = len(trees.feature)
    ahead = np.flatnonzero(trees.feature >= 0)
    sound = (
        all(part.dtype == kind for part, kind in zip(trees, kinds, strict=True))
        and len(trees.roots) > 0
        and all(part.shape == (v,) for part in trees[1:])
        and bool(((trees.roots >= 0) & (trees.roots < v)).all())
        and bool((trees.feature[ahead] < features).all())
        and all(
            bool(((child[ahead] > ahead) & (child[ahead] < v)).all())
            for child in (trees.left, trees.right)
        )
    )
    if not sound:
        raise ValueError("its trees are not trees")
