"""What a learned model can correct: a formula of its own, one per category, or any cost model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.analytical.gemm_gpu import FEWEST_PRODUCTS, GpuGemm
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.learned.frames import Frame
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.errors import unknown_name

FloatArray = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]


class Baseline(Protocol):
    """A positive prediction of the target that is learned to be corrected.

    Attributes:
        kind: Name, for files.
        groups: Columns whose combinations are measured together, so that what is unseen is
            unseen as a whole; none for rows that stand alone.
    """

    @property
    def kind(self) -> str:
        """Name, for files."""
        ...

    @property
    def groups(self) -> tuple[str, ...]:
        """Columns whose combinations are measured together."""
        ...

    def predict(self, columns: Columns) -> FloatArray:
        """Predictions ``[n]``, all above 0."""
        ...

    def features(self, columns: Columns) -> dict[str, FloatArray]:
        """Further features for the correction, columns ``[n]``."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description."""
        ...


@dataclass(frozen=True)
class PerCategory:
    """A calibrated GPU for every category of a column, such as the device.

    Attributes:
        column: The column.
        parts: Category -> GPU.
    """

    column: str
    parts: Mapping[str, GpuGemm]

    kind: ClassVar[str] = "gpu-gemm-per-category"
    groups: ClassVar[tuple[str, ...]] = GpuGemm.groups

    def predict(self, columns: Columns) -> FloatArray:
        """Latencies ``[n]``; rows of a category never seen get those of the first."""
        out = np.empty(len(columns[self.column]))
        for part, rows in self._rows(columns):
            out[rows] = part.predict({name: columns[name][rows] for name in GpuGemm.inputs})
        return out

    def features(self, columns: Columns) -> dict[str, FloatArray]:
        """Features of `GpuGemm` for the row's GPU."""
        out: dict[str, FloatArray] = {}
        for part, rows in self._rows(columns):
            found = part.features({name: columns[name][rows] for name in GpuGemm.inputs})
            for name, values in found.items():
                out.setdefault(name, np.zeros(len(columns[self.column])))[rows] = values
        return out

    def _rows(self, columns: Columns) -> list[tuple[GpuGemm, NDArray[np.intp]]]:
        first = next(iter(self.parts))
        names = np.array([text if text in self.parts else first for text in columns[self.column]])
        return [
            (part, rows)
            for name, part in self.parts.items()
            if len(rows := np.flatnonzero(names == name)) or name == first
        ]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description."""
        parts = {name: part.to_dict() for name, part in self.parts.items()}
        return {"column": self.column, "parts": parts}


@dataclass(frozen=True)
class FromCostModel:
    """A cost model as a baseline: its space is encoded from the columns of its parameters.

    Attributes:
        model: The cost model.
        metric: Which of its metrics.
    """

    model: CostModel
    metric: str

    kind: ClassVar[str] = "cost-model"
    groups: ClassVar[tuple[str, ...]] = ()

    def predict(self, columns: Columns) -> FloatArray:
        """The metric ``[n]``; designs outside the model's space or invalid raise `InputError`."""
        space = self.model.space
        names = {name: name if name in columns else name.split(".")[-1] for name in space.names}
        for label, name in names.items():
            if name not in columns:
                raise InputError(f"baseline {self.model.name!r} needs a column {label!r}")
        designs = np.empty((len(next(iter(columns.values()))), len(space)), dtype=np.int32)
        for j, (name, parameter) in enumerate(zip(names.values(), space.parameters, strict=True)):
            distinct, index = np.unique(columns[name], return_inverse=True)
            numbers = all(type(value) in (int, float) for value in parameter.values)
            choice = {v if numbers else str(v): i for i, v in enumerate(parameter.values)}
            codes = [choice[v] if v in choice else parameter.index(v) for v in distinct.tolist()]
            designs[:, j] = np.array(codes, dtype=np.int32)[index]
        values = self.model.evaluate(designs)[self.metric]
        bad = ~(np.isfinite(values) & (values > 0))
        if bad.any():
            raise InputError(
                f"baseline {self.model.name!r}: {self.metric} must be above 0, row "
                f"{int(bad.argmax())} has {values[bad][0]}"
            )
        return values

    def features(self, columns: Columns) -> dict[str, FloatArray]:
        """The logarithm of the prediction."""
        return {"log_baseline": np.log(self.predict(columns))}

    def to_dict(self) -> dict[str, Any]:
        """Its name and metric: a file holds no cost model, who loads it gives it again."""
        return {"name": self.model.name, "metric": self.metric}


def baseline_for(
    given: CostModel | Baseline | str | None, frame: Frame, names: tuple[str, ...], target: str,
    seed: int,
) -> Baseline | None:  # fmt: skip
    """The baseline to learn a correction of.

    Args:
        given: A cost model with a metric called like the target, or its only one; ``"none"``;
            ``"gemm"``, or None for that where the columns are those of matrix products.
        frame: The training data.
        names: The columns that may be read.
        target: The column to predict.
        seed: Of the calibration.
    """
    if given is None:
        few = frame.rows < FEWEST_PRODUCTS
        given = "none" if few or not _products(frame, names, target) else "gemm"
    if isinstance(given, str):
        if given not in ("none", "gemm"):
            raise unknown_name("baseline", given, ("none", "gemm"))
        return None if given == "none" else _gemm(frame, names, target, seed)
    if isinstance(given, CostModel):
        metrics = [metric.name for metric in given.metrics]
        if target not in metrics and len(metrics) > 1:
            raise unknown_name(f"metric of baseline {given.name!r}", target, metrics)
        return FromCostModel(given, target if target in metrics else metrics[0])
    return given


def _products(frame: Frame, names: tuple[str, ...], target: str) -> bool:
    """Whether the rows are matrix products with positive times."""
    whole = all(
        name in names
        and frame.columns[name].dtype.kind == "f"
        and bool((np.isfinite(frame.columns[name]) & (frame.columns[name] >= 1)).all())
        for name in GpuGemm.inputs
    )
    return whole and bool((frame.columns[target] > 0).all())


def _gemm(frame: Frame, names: tuple[str, ...], target: str, seed: int) -> Baseline:
    """A GPU, or one per device where exactly one column of texts says which."""
    latency = frame.columns[target]
    texts = [
        name
        for name in names
        if frame.columns[name].dtype.kind == "U" and len(np.unique(frame.columns[name])) > 1
    ]
    if len(texts) == 1:
        values = frame.columns[texts[0]]
        groups = {str(text): np.flatnonzero(values == text) for text in np.unique(values)}
        if all(len(rows) >= FEWEST_PRODUCTS for rows in groups.values()):
            parts = {
                text: GpuGemm.fit(frame.take(rows).columns, latency[rows], seed)
                for text, rows in groups.items()
            }
            return PerCategory(texts[0], parts)
    return GpuGemm.fit(frame.columns, latency, seed)


def load_baseline(about: Mapping[str, Any] | None, given: CostModel | None) -> Baseline | None:
    """The baseline that `to_dict` described, ``given`` again where it is a cost model."""
    if about is None:
        return None
    kind, facts = about["kind"], about["facts"]
    if kind == GpuGemm.kind:
        return GpuGemm.from_dict(facts)
    if kind == PerCategory.kind:
        parts = {name: GpuGemm.from_dict(part) for name, part in facts["parts"].items()}
        return PerCategory(facts["column"], parts)
    if kind != FromCostModel.kind:
        raise unknown_name("baseline", kind, (GpuGemm.kind, PerCategory.kind, FromCostModel.kind))
    if given is None or given.name != facts["name"]:
        got = "none" if given is None else repr(given.name)
        raise InputError(
            f"this model corrects the cost model {facts['name']!r}: give it to load, got {got}"
        )
    return FromCostModel(given, facts["metric"])
