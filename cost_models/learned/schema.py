"""What a learned model expects of a table, and what it makes of the rows that are different."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned.frames import Frame
from codesign_gym.cost_models.learned.views import View, views_of
from codesign_gym.search_spaces import Categorical, InputError, Ordinal, SearchSpace
from codesign_gym.search_spaces.errors import unknown_name

_LARGEST = 1e30
"""Most that the size of a feature may be: they are kept as float32."""


@dataclass(frozen=True)
class Feature:
    """A column that a model reads.

    Attributes:
        name: Its name.
        unit: Its unit, empty for none.
        categories: The texts that were seen, in order; none for numbers.
        low: Smallest number seen.
        high: Largest number seen.
    """

    name: str
    unit: str = ""
    categories: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0

    @property
    def width(self) -> int:
        """Columns that it becomes."""
        return len(self.categories) or 1


@dataclass(frozen=True)
class Encoded:
    """Rows as numbers.

    Attributes:
        x: Features, numbers as they are and categories one-hot, ``[n, f]``.
        invalid: Reason -> rows of which nothing can be said ``[n]``.
    """

    x: NDArray[np.float32]
    invalid: dict[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Schema:
    """The columns that a model reads, in order.

    Attributes:
        features: The columns.
    """

    features: tuple[Feature, ...]

    @classmethod
    def learn(
        cls, frame: Frame, names: Sequence[str], categorical: frozenset[str] = frozenset()
    ) -> Self:
        """What the columns ``names`` hold; missing values raise `InputError`.

        Args:
            frame: The training data.
            names: The columns to read.
            categorical: Those of them that are categories though they are numbers.
        """
        features = []
        for name in names:
            if name not in frame.columns:
                raise unknown_name("column", name, frame.columns)
            column, unit = frame.columns[name], frame.units.get(name, "")
            missing = column == "" if column.dtype.kind == "U" else ~np.isfinite(column)
            if missing.any():
                raise InputError(
                    f"column {name!r}: {missing.sum()} of {len(column)} rows have no finite value, "
                    f"the first one is row {int(missing.argmax())}"
                )
            if column.dtype.kind != "U" and np.abs(column).max(initial=0) > _LARGEST:
                raise InputError(
                    f"column {name!r}: values must be at most {_LARGEST:g} in size, got "
                    f"{np.abs(column).max():g}"
                )
            if column.dtype.kind == "U" or name in categorical:
                seen = tuple(_texts(np.unique(column)))
                features.append(Feature(name, unit, seen))
            else:
                features.append(Feature(name, unit, (), float(column.min()), float(column.max())))
        if all(len(f.categories) == 1 or (not f.categories and f.low == f.high) for f in features):
            raise InputError(
                f"the columns {', '.join(names)} are all constant: there is nothing to learn from"
            )
        return cls(tuple(features))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(feature.name for feature in self.features)

    @property
    def constant(self) -> tuple[str, ...]:
        """Columns of one value throughout the training data."""
        return tuple(
            f.name
            for f in self.features
            if len(f.categories) == 1 or (not f.categories and f.low == f.high)
        )

    def encode(self, frame: Frame) -> Encoded:
        """The rows of a table as numbers.

        Raises:
            InputError: A column is missing, is text instead of numbers, or has another unit.
        """
        parts, invalid = [], {}
        for feature in self.features:
            column = self._column(feature, frame)
            if feature.categories:
                codes = {text: code for code, text in enumerate(feature.categories)}
                index = np.array([codes.get(text, -1) for text in _texts(column)], dtype=np.int64)
                if (index < 0).any():
                    invalid[f"{feature.name} is none of those trained on"] = index < 0
                parts.append((index[:, None] == np.arange(feature.width)).astype(np.float32))
                continue
            missing = ~(np.abs(column) <= _LARGEST)
            if missing.any():
                invalid[f"{feature.name} is no number of at most {_LARGEST:g} in size"] = missing
            values = np.where(missing, feature.low, column)
            parts.append(values[:, None].astype(np.float32))
        return Encoded(self.with_views(np.concatenate(parts, axis=1)), invalid)

    @property
    def width(self) -> int:
        """How many features the columns make."""
        own = sum(feature.width for feature in self.features)
        return own + sum(view.width for view in self._views)

    def with_views(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """The codes of the columns, and what else follows from them, ``[n, width]``."""
        if not self._views:
            return x
        return np.concatenate([x, *(view.of(x) for view in self._views)], axis=1)

    @cached_property
    def _views(self) -> tuple[View, ...]:
        return views_of(self.names, [feature.categories for feature in self.features])

    def _column(self, feature: Feature, frame: Frame) -> NDArray[Any]:
        if feature.name not in frame.columns:
            raise InputError(
                f"the table lacks column {feature.name!r} of this model, it has "
                f"{', '.join(frame.columns)}"
            )
        unit = frame.units.get(feature.name, "")
        if unit and unit != feature.unit:
            own = feature.unit or "no unit"
            raise InputError(
                f"column {feature.name!r} is in {unit}, the model was trained on {own}"
            )
        column = frame.columns[feature.name]
        if not feature.categories and column.dtype.kind == "U":
            raise InputError(
                f"column {feature.name!r} must be numbers, got text such as {first_text(column)!r}"
                if len(column)
                else f"column {feature.name!r} must be numbers"
            )
        return column

    def space_of(self, frame: Frame) -> SearchSpace:
        """The space of the values that the columns take in a table."""
        parameters: list[Ordinal | Categorical] = []
        for feature in self.features:
            name = feature.name.replace(".", "_")
            if feature.categories:
                parameters.append(Categorical(name, feature.categories, feature.unit))
            else:
                seen = np.unique(frame.columns[feature.name]).tolist()
                values = tuple(int(v) if v == int(v) else v for v in seen)
                parameters.append(Ordinal(name, values, feature.unit))
        return SearchSpace("table", tuple(parameters))

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description."""
        return {"features": [asdict(feature) for feature in self.features]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """What `to_dict` described."""
        return cls(
            tuple(Feature(**f | {"categories": tuple(f["categories"])}) for f in data["features"])
        )


def first_text(column: NDArray[Any]) -> str:
    """The first value of a column of texts that is no number."""
    for value in column.tolist():
        try:
            float(value)
        except ValueError:
            return str(value)
    return str(column[0])


def _texts(column: NDArray[Any]) -> list[str]:
    """Values as the texts that stand for categories; whole numbers without a decimal point."""
    if column.dtype.kind == "U":
        return [str(value) for value in column.tolist()]
    return [str(int(v)) if np.isfinite(v) and v == int(v) else str(v) for v in column.tolist()]
