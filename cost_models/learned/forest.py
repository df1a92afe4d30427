"""A random forest (Breiman 2001) as a cost model: any recorded metrics, learned.

scikit-learn grows the forest; what is kept are its trees as plain arrays, walked by compiled code.
So a file of a proxy holds numbers and JSON only, loading one runs nothing, and one design costs
microseconds where scikit-learn's own prediction takes milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.search_spaces import Designs, InputError, SearchSpace
from codesign_gym.search_spaces.files import write_arrays

FORMAT = 1
FEWEST_ROWS = 20


class Trees(NamedTuple):
    """All trees of a forest, their nodes one after another; ``v`` nodes, ``k`` metrics.

    Attributes:
        roots: First node of each tree.
        feature: Column that a node splits on, -1 at a leaf, ``[v]``.
        threshold: Go left where the column is at most this, ``[v]``.
        left: Left child, ``[v]``.
        right: Right child, ``[v]``.
        value: Prediction of a leaf, ``[v, k]``.
    """

    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float32]


@dataclass(frozen=True)
class ForestOptions:
    """What can be set.

    Attributes:
        trees: Number of trees.
        min_leaf: Fewest rows in a leaf.
    """

    trees: int = 100
    min_leaf: int = 1


class ForestProxy(CostModel):
    """A random forest over the features of a space, one for all metrics together.

    Metrics that are positive throughout the training data are learned as logarithms. Trees average
    training data, so a proxy never predicts beyond them: ask for designs of the same space only.

    Attributes:
        provenance: What the proxy was trained on.
    """

    fidelity = -1  # below every true model

    def __init__(
        self,
        space: SearchSpace,
        metrics: Sequence[Metric],
        trees: Trees,
        logs: NDArray[np.bool_],
        provenance: dict[str, Any],
    ) -> None:
        self.name = "forest"
        self.space = space
        self.metrics = tuple(metrics)
        self.provenance = provenance
        self.source = f"random forest trained on {provenance.get('rows', '?')} evaluations"
        self._trees = trees
        self._logs = logs

    @classmethod
    def fit(
        cls,
        space: SearchSpace,
        designs: Designs,
        metrics: Metrics,
        seed: int = 0,
        options: ForestOptions = ForestOptions(),
        provenance: dict[str, Any] | None = None,
    ) -> Self:
        """Learn the metrics of designs ``[n, p]``; invalid and unmeasured rows are left out.

        Raises:
            InputError: Fewer than `FEWEST_ROWS` rows are left.
        """
        from sklearn.ensemble import RandomForestRegressor

        usable = np.isfinite(metrics.values_matrix).all(axis=1)
        if usable.sum() < FEWEST_ROWS:
            raise InputError(
                f"a proxy needs at least {FEWEST_ROWS} fully measured designs, got {usable.sum()}"
            )
        values = metrics.values_matrix[usable]
        logs = np.asarray((values > 0).all(axis=0))
        targets = np.where(logs, np.log(np.where(logs, values, 1.0)), values)
        # One split serves all metrics, so they are brought to one scale first.
        center, spread = targets.mean(axis=0), targets.std(axis=0)
        spread[spread == 0] = 1.0
        forest = RandomForestRegressor(
            n_estimators=options.trees,
            min_samples_leaf=options.min_leaf,
            max_features=0.7,
            random_state=seed,
        )
        forest.fit(space.features(designs[usable]), (targets - center) / spread)
        parts = [tree.tree_ for tree in forest.estimators_]
        counts = [part.node_count for part in parts]
        starts = np.concatenate([[0], np.cumsum(counts[:-1])]).astype(np.int32)
        value = np.concatenate([part.value[:, :, 0].reshape(-1, len(center)) for part in parts])
        trees = Trees(
            roots=starts,
            feature=np.concatenate([p.feature for p in parts]).astype(np.int32),
            threshold=_rounded_down(np.concatenate([p.threshold for p in parts])),
            left=_shifted([p.children_left for p in parts], starts),
            right=_shifted([p.children_right for p in parts], starts),
            value=(value * spread + center).astype(np.float32),
        )
        facts = {"rows": int(usable.sum()), "seed": seed, "trees": options.trees}
        return cls(space, metrics.metrics, trees, logs, facts | (provenance or {}))

    def compute(self, designs: Designs) -> Metrics:
        """Predicted metrics of designs ``[n, p]``: means over the trees."""
        mean, _ = self._predict(designs)
        positive = np.exp(np.where(self._logs, mean, 0.0))
        return Metrics(self.metrics, np.where(self._logs, positive, mean))

    def uncertainty(self, designs: Designs) -> NDArray[np.float64]:
        """Standard deviation over the trees, ``[n, k]``; relative for logarithmic metrics."""
        return self._predict(designs)[1]

    def _predict(self, designs: Designs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        from codesign_gym.cost_models.learned.forest_kernel import predict

        mean, square = predict(self.space.features(designs), *self._trees)
        return mean, np.sqrt(np.maximum(square - mean**2, 0))

    def save(self, path: Path) -> None:
        """Write the proxy to ``path``, whole or not at all."""
        about = {
            "format": FORMAT,
            "space": self.space.to_dict(),
            "metrics": [metric.to_dict() for metric in self.metrics],
            "provenance": self.provenance,
        }
        arrays = {"about": np.array(json.dumps(about)), "logs": self._logs}
        write_arrays(path, arrays | self._trees._asdict())

    @classmethod
    def load(cls, path: Path) -> Self:
        """The proxy in ``path``; a missing, damaged or newer file raises `InputError`."""
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                about = json.loads(str(file["about"]))
                arrays = {name: file[name] for name in (*Trees._fields, "logs")}
        except FileNotFoundError:
            raise InputError(f"there is no proxy {path}") from None
        except Exception as error:  # zipfile, zlib, json and NumPy each have their own
            raise InputError(f"{path} is not a proxy or is damaged: {error}") from None
        if about["format"] > FORMAT:
            raise InputError(f"{path} was written by a newer codesign-gym: train it again")
        logs = arrays.pop("logs")
        trees = Trees(**arrays)
        space = SearchSpace.from_dict(about["space"])
        _check_trees(path, trees, len(space.feature_names), len(about["metrics"]))
        return cls(
            space,
            [Metric(**metric) for metric in about["metrics"]],
            trees,
            logs,
            about["provenance"],
        )


def _rounded_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """As float32, never above: then ``x <= threshold`` says the same of every float32 ``x``."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _shifted(children: list[NDArray[Any]], starts: NDArray[np.int32]) -> NDArray[np.int32]:
    """Child numbers within each tree as numbers within the forest; leaves stay at -1."""
    pairs = zip(children, starts, strict=True)
    return np.concatenate([np.where(c < 0, -1, c + start) for c, start in pairs]).astype(np.int32)


def _check_trees(path: Path, trees: Trees, features: int, metrics: int) -> None:
    """Refuse node numbers that compiled code, which checks nothing, would follow astray."""
    v = len(trees.feature)
    inner = trees.feature >= 0
    ahead = np.flatnonzero(inner)
    sound = (
        trees.value.shape == (v, metrics)
        and all(len(part) == v for part in (trees.threshold, trees.left, trees.right))
        and bool(((trees.roots >= 0) & (trees.roots < v)).all())
        and bool((trees.feature[ahead] < features).all())
        and all(
            bool(((child[ahead] > ahead) & (child[ahead] < v)).all())
            for child in (trees.left, trees.right)
        )
    )
    if not sound:
        raise InputError(f"{path} is damaged: its trees are not trees")
