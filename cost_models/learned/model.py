"""A cost model learned from any table of measurements, which knows when it does not know."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.learned.baselines import Baseline, load_baseline
from codesign_gym.cost_models.learned.estimator import Estimator
from codesign_gym.cost_models.learned.frames import Frame, as_frame
from codesign_gym.cost_models.learned.joint import all_joint
from codesign_gym.cost_models.learned.schema import Encoded, Schema
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.search_spaces import Designs, InputError, SearchSpace
from codesign_gym.search_spaces.files import write_arrays

FORMAT = 3
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a learned model says of ``n`` rows, for one target.

    Attributes:
        mean: Predictions in the target's unit; NaN where nothing can be said ``[n]``.
        std: Their standard deviations, infinite there ``[n]``.
        low: Lower end of the interval that was asked for ``[n]``.
        high: Its upper end ``[n]``.
        valid: Rows of which something can be said ``[n]``.
        extrapolated: Rows outside the training data: their interval is a guess ``[n]``.
        invalid: Reason -> rows of which nothing can be said ``[n]``.
    """

    mean: FloatArray
    std: FloatArray
    low: FloatArray
    high: FloatArray
    valid: NDArray[np.bool_]
    extrapolated: NDArray[np.bool_]
    invalid: dict[str, NDArray[np.bool_]]


class LearnedCostModel(CostModel):
    """One or several targets, learned; `codesign_gym.cost_models.learned.train` makes one.

    It takes tables (`predict`, `assess`) and, like any cost model, designs of its space
    (`evaluate`): the values that were trained on.

    Attributes:
        schema: The columns that it reads.
        provenance: What it was trained on.
    """

    fidelity = -1  # below every true model

    def __init__(
        self,
        space: SearchSpace,
        metrics: Sequence[Metric],
        schema: Schema,
        estimators: Sequence[Estimator],
        baseline: Baseline | None,
        provenance: dict[str, Any],
    ) -> None:
        kinds = sorted({part.kind for estimator in estimators for part in estimator.parts})
        self.name = "learned-" + "+".join(kinds)
        self.space = space
        self.metrics = tuple(metrics)
        self.schema = schema
        self.provenance = provenance
        on = f" on the residual of {baseline.kind}" if baseline else ""
        self.source = f"{'+'.join(kinds)}{on}, trained on {provenance.get('rows', '?')} rows"
        self._estimators = tuple(estimators)
        self._baseline = baseline
        self._joint = all_joint([estimator.parts for estimator in self._estimators])
        self._logs = np.array([estimator.log for estimator in self._estimators])
        self._choices: list[Encoded] | None = None

    @property
    def methods(self) -> dict[str, str]:
        """Target -> what predicts it, as `train` takes it."""
        pairs = zip(self.metrics, self._estimators, strict=True)
        return {m.name: "+".join(part.kind for part in e.parts) for m, e in pairs}

    def only(self, target: str) -> LearnedCostModel:
        """The same model for one of its targets."""
        index = self._index(target)
        return LearnedCostModel(
            self.space, self.metrics[index : index + 1], self.schema,
            self._estimators[index : index + 1], self._baseline, self.provenance,
        )  # fmt: skip

    # -- tables ----------------------------------------------------------------------------------

    def predict(self, frame: Any, target: str | None = None) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation ``[n]`` for the rows of a table, in the target's unit.

        Rows of which nothing can be said have a NaN and an infinite deviation; `assess` says why.

        Args:
            frame: Columns by name, a DataFrame or a structured array; other columns are ignored.
            target: Which one, where there are several; the first by default.

        Raises:
            InputError: A column is missing, is text instead of numbers, or has another unit.
        """
        found = self.assess(frame, target)
        return found.mean, found.std

    def assess(self, frame: Any, target: str | None = None, level: float = 0.9) -> Prediction:
        """Predictions with intervals, and which of them are to be believed.

        Args:
            frame: As in `predict`.
            target: As in `predict`.
            level: Share of true values that the intervals are to hold, 0.05 to 0.95.
        """
        if not 0.05 <= level <= 0.95:
            raise InputError(f"level of an interval must be in 0.05..0.95, got {level}")
        index = self._index(target)
        table, estimator = as_frame(frame), self._estimators[index]
        encoded = self.schema.encode(table)
        n = table.rows
        valid = np.ones(n, dtype=np.bool_)
        for mask in encoded.invalid.values():
            valid &= ~mask
        mean, std = np.full(n, np.nan), np.full(n, np.inf)
        extrapolated = np.zeros(n, dtype=np.bool_)
        low, high = np.full(n, -np.inf), np.full(n, np.inf)
        rows = np.flatnonzero(valid)
        if len(rows):
            part = table.take(rows) if len(rows) < n else table
            x, offset = self._features(part, encoded.x[rows])
            center = estimator.center(x, offset)
            spread = estimator.spread(x)
            extrapolated[rows] = estimator.outside(x) > 0
            half = spread * estimator.half(level)
            mean[rows] = estimator.value(center)
            std[rows] = estimator.deviation(center, spread)
            low[rows], high[rows] = estimator.value(center - half), estimator.value(center + half)
        return Prediction(mean, std, low, high, valid, extrapolated, encoded.invalid)

    def _index(self, target: str | None) -> int:
        names = [metric.name for metric in self.metrics]
        if target is not None and target not in names:
            raise InputError(f"this model predicts {', '.join(names)}, not {target!r}")
        return names.index(target) if target is not None else 0

    def _features(
        self, frame: Frame, x: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], FloatArray | float]:
        """All features ``[n, f]``, and what the estimators correct ``[n]``."""
        if self._baseline is None:
            return x, 0.0
        return with_baseline(self._baseline, frame, x)

    # -- designs ---------------------------------------------------------------------------------

    def compute(self, designs: Designs) -> Metrics:
        """Predicted metrics of designs ``[n, p]``; with a category never seen, they are invalid."""
        values = self._centers(*self._of_designs(designs))
        if self._joint:  # one call for all targets: with single designs, calls are what costs
            np.exp(values, out=values, where=self._logs)
        else:
            for column, estimator in enumerate(self._estimators):
                values[:, column] = estimator.value(values[:, column])
        return Metrics(self.metrics, values, self._invalid(designs))

    def uncertainty(self, designs: Designs) -> FloatArray:
        """Standard deviation of each metric in its unit, infinite if it is invalid, ``[n, k]``."""
        x, offset = self._of_designs(designs)
        pairs = zip(self._estimators, self._centers(x, offset).T, strict=True)
        deviations = np.stack([e.deviation(center, e.spread(x)) for e, center in pairs], axis=1)
        for mask in self._invalid(designs).values():
            deviations[mask] = np.inf
        return deviations

    def extrapolated(self, designs: Designs) -> NDArray[np.bool_]:
        """Designs with a value outside of those trained on: a guess, as in `assess`, ``[n]``."""
        x, _ = self._of_designs(designs)
        return np.asarray(np.any([e.outside(x) > 0 for e in self._estimators], axis=0))

    def _centers(self, x: NDArray[np.float32], offset: FloatArray | float) -> NDArray[np.float64]:
        """Predictions of all targets in the spaces that they are learned in, ``[n, k]``."""
        if self._joint:
            together = self._joint[0].predict_all(x)
            return together[:, [method.column for method in self._joint]]
        return np.stack([e.center(x, offset) for e in self._estimators], axis=1)

    def _of_designs(self, designs: Designs) -> tuple[NDArray[np.float32], FloatArray | float]:
        """Features of designs, each looked up by its choice."""
        parts = [one.x[designs[:, j]] for j, one in enumerate(self._lookup())]
        x = self.schema.with_views(np.concatenate(parts, axis=1))
        if self._baseline is None:
            return x, 0.0
        return with_baseline(self._baseline, self.frame_of(designs), x)

    def _invalid(self, designs: Designs) -> dict[str, NDArray[np.bool_]]:
        """Reason -> designs with a choice of which nothing can be said, ``[n]``."""
        found: dict[str, NDArray[np.bool_]] = {}
        for j, one in enumerate(self._lookup()):
            for reason, choices in one.invalid.items():
                mask = choices[designs[:, j]]
                if mask.any():
                    found[reason] = mask
        return found

    def _lookup(self) -> list[Encoded]:
        """Features of every choice of every parameter, ``[k, features of the parameter]``."""
        if self._choices is None:
            pairs = zip(self.schema.features, self.space.parameters, strict=True)
            self._choices = [
                Schema((feature,)).encode(as_frame({feature.name: list(parameter.values)}))
                for feature, parameter in pairs
            ]
        return self._choices

    def frame_of(self, designs: Designs) -> Frame:
        """The table of values that designs ``[n, p]`` stand for."""
        values = self.space.values(designs).values()
        named = dict(zip(self.schema.names, values, strict=True))
        return Frame(as_frame(named).columns, {})

    # -- files -----------------------------------------------------------------------------------

    def save(self, path: Path | str) -> None:
        """Write the model to ``path``, whole or not at all: arrays and JSON."""
        baseline = self._baseline
        about = {
            "format": FORMAT,
            "space": self.space.to_dict(),
            "metrics": [metric.to_dict() for metric in self.metrics],
            "schema": self.schema.to_dict(),
            "estimators": [estimator.to_dict() for estimator in self._estimators],
            "baseline": baseline and {"kind": baseline.kind, "facts": baseline.to_dict()},
            "provenance": self.provenance,
        }
        arrays: dict[str, NDArray[Any]] = {}
        for index, estimator in enumerate(self._estimators):
            arrays |= estimator.arrays(f"target{index}")
        first: dict[int, str] = {}
        same = {n: first[id(a)] for n, a in arrays.items() if first.setdefault(id(a), n) != n}
        about["same"] = same  # what targets share is written once
        arrays["about"] = np.array(json.dumps(about))
        write_arrays(Path(path), {n: a for n, a in arrays.items() if n not in same})

    @classmethod
    def load(
        cls,
        path: Path | str,
        baseline: CostModel | None = None,
        features: Sequence[str] | None = None,
    ) -> Self:
        """The model in ``path``.

        Args:
            path: The file.
            baseline: The cost model that it corrects, where it corrects one.
            features: Columns that it has to read, if it matters.

        Raises:
            InputError: The file is missing, damaged, of another version, or of other columns.
        """
        path = Path(path)
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            about = json.loads(str(arrays.pop("about")))
            version = int(about["format"])
            arrays |= {name: arrays[first] for name, first in about.get("same", {}).items()}
        except FileNotFoundError:
            raise InputError(f"there is no proxy {path}") from None
        except Exception as error:  # zipfile, zlib, json and NumPy each have their own
            raise InputError(f"{path} is not a proxy or is damaged: {error}") from None
        if version != FORMAT:
            how = "a newer" if version > FORMAT else "an older"
            raise InputError(f"{path} was written by {how} codesign-gym: train it again")
        try:
            schema = Schema.from_dict(about["schema"])
            base = load_baseline(about["baseline"], baseline)
            width = schema.width + int(about["provenance"]["baseline_features"])
            estimators = [
                Estimator.load(facts, arrays, f"target{index}", width)
                for index, facts in enumerate(about["estimators"])
            ]
            space = SearchSpace.from_dict(about["space"])
            metrics = [Metric(**metric) for metric in about["metrics"]]
            if len(metrics) != len(estimators) or len(space) != len(schema.features):
                raise ValueError("its parts do not fit each other")
        except InputError:
            raise
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is damaged: {error}") from None
        if features is not None and set(features) != set(schema.names):
            raise InputError(
                f"{path} reads the columns {', '.join(schema.names)}, not {', '.join(features)}"
            )
        return cls(space, metrics, schema, estimators, base, about["provenance"])


def with_baseline(
    baseline: Baseline, frame: Frame, x: NDArray[np.float32]
) -> tuple[NDArray[np.float32], FloatArray]:
    """Features with those of the baseline ``[n, f]``, and the logarithm of its prediction."""
    further = baseline.features(frame.columns)
    columns = [x, *(values[:, None].astype(np.float32) for values in further.values())]
    return np.concatenate(columns, axis=1), np.log(baseline.predict(frame.columns))
