"""Named figures with unit and direction, for whole batches of designs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from codesign_gym.search_spaces.errors import InputError, unknown_name


@dataclass(frozen=True)
class Metric:
    """A figure that a cost model gives for a design.

    Attributes:
        name: Name with the unit as suffix (``latency_ms``).
        unit: The unit ("ms").
        direction: Whether less (``min``) or more (``max``) is better.
        description: What it is, in a few words.
    """

    name: str
    unit: str
    direction: Literal["min", "max"]
    description: str = ""

    def __post_init__(self) -> None:
        if self.direction not in ("min", "max"):
            raise InputError(
                f"metric {self.name!r}: direction must be 'min' or 'max', got {self.direction!r}"
            )

    @property
    def sign(self) -> float:
        """Multiplies a value into one to be minimised."""
        return 1.0 if self.direction == "min" else -1.0

    @property
    def worst(self) -> float:
        """What stands where nothing was measured: infinitely bad."""
        return self.sign * np.inf

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description; its items are the constructor's arguments."""
        return asdict(self)


class Metrics(Mapping[str, NDArray[np.float64]]):
    """Values of several metrics for ``n`` designs, a mapping of columns ``[n]``.

    There is never a NaN. A value that was not measured, because the design is invalid or because
    an expensive model was skipped, is infinitely bad in its metric's direction.

    Args:
        metrics: The metrics, one per column.
        values: Their values ``[n, k]``.
        invalid: Reason -> which designs it makes invalid ``[n]``.

    Raises:
        ValueError: A value is NaN, or the shapes do not fit: a defect of the cost model.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        values: NDArray[np.float64],
        invalid: Mapping[str, NDArray[np.bool_]] | None = None,
    ) -> None:
        self.metrics = tuple(metrics)
        self.invalid = dict(invalid or {})
        self.columns = {metric.name: j for j, metric in enumerate(self.metrics)}
        if values.ndim != 2 or values.shape[1] != len(self.metrics):
            raise ValueError(f"values must be [n, {len(self.metrics)}], got {list(values.shape)}")
        self.valid = np.ones(len(values), dtype=np.bool_)
        for mask in self.invalid.values():
            self.valid &= ~mask
        if not self.valid.all():
            worst = np.array([metric.worst for metric in self.metrics])
            values = np.where(self.valid[:, None], values, worst)
        if np.isnan(values).any():
            row, column = map(int, np.argwhere(np.isnan(values))[0])
            raise ValueError(f"metric {self.metrics[column].name!r} of design {row} is NaN")
        self.values_matrix = values

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        if name not in self.columns:
            raise KeyError(str(unknown_name("metric", name, self.columns)))
        return self.values_matrix[:, self.columns[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.metrics)

    def reason(self, row: int) -> str:
        """Why design ``row`` is invalid, empty where it is valid."""
        return "; ".join(text for text, mask in self.invalid.items() if mask[row])

    def take(self, rows: NDArray[Any] | slice) -> Metrics:
        """The metrics of some of the designs."""
        invalid = {text: mask[rows] for text, mask in self.invalid.items()}
        return Metrics(self.metrics, self.values_matrix[rows], invalid)


def concat_metrics(parts: Sequence[Metrics]) -> Metrics:
    """The metrics of several batches of designs, one after another."""
    reasons = dict.fromkeys(text for part in parts for text in part.invalid)
    lengths = [len(part.valid) for part in parts]
    invalid = {
        text: np.concatenate(
            [
                part.invalid.get(text, np.zeros(n, dtype=np.bool_))
                for part, n in zip(parts, lengths, strict=True)
            ]
        )
        for text in reasons
    }
    values = np.concatenate([part.values_matrix for part in parts])
    return Metrics(parts[0].metrics, values, invalid)
