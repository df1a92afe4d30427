"""What every layer costs on every accelerator, as named columns with units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.metrics import Metric
from codesign_gym.search_spaces.errors import unknown_name

REASONS = (
    "valid",
    "no processing elements",
    "the array of the template cannot be used so",
    "tiles do not nest",
    "registers smaller than a tile",
    "shared buffer smaller than a tile",
    "tile larger than its dimension",
    "groups do not divide the channels",
    "kernel larger than the padded input",
    "fewer processing elements than a cluster of the template",
    "MAESTRO has no such template",
    "MAESTRO takes undilated convolutions and matrix products alone",
)
"""Why there is no result, in the order of the codes."""

_LAYER_FAULTS = np.array(
    [
        0,
        REASONS.index("groups do not divide the channels"),
        REASONS.index("kernel larger than the padded input"),
    ]
)

_UNITS = {
    "mac_units": "energies of a MAC",
    "pj": "pJ",
    "ms": "ms",
    "um2": "um2",
    "cycles": "cycles",
    "words": "words",
    "accesses": "words",
    "bytes": "bytes",
    "macs": "MACs",
    "pes": "PEs",
    "utilization": "MACs per PE and cycle",
}
_MORE_IS_BETTER = ("pes", "utilization")


class LayerCosts(Mapping[str, NDArray[Any]]):
    """Costs of layers on accelerators, a mapping of columns `[a, l]`.

    The columns of `metrics` are float64 and NaN where there is no result. `valid` (bool) says where
    there is one, `reason` (int8, an index into `REASONS`) why not; the latter two, and any `codes`,
    are columns as well.

    Attributes:
        metrics: Name, unit and better direction of each figure.
        valid: Where there is a result, bool `[a, l]`.

    Args:
        columns: The figures by name, numbers `[a, l]`; the name ends in the unit.
        reason: Indices into `REASONS` `[a, l]`.
        codes: Further columns of integers, -1 where there is no result.
    """

    def __init__(
        self,
        columns: Mapping[str, NDArray[Any]],
        reason: NDArray[Any],
        codes: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        self.valid: NDArray[np.bool_] = reason == 0
        self._columns: dict[str, NDArray[Any]] = {}
        complete = bool(self.valid.all())
        for name, values in columns.items():
            column = values.astype(np.float64, copy=False)
            self._columns[name] = column if complete else np.where(self.valid, column, np.nan)
        self.metrics = tuple(_metric(name) for name in columns)
        for name, values in (codes or {}).items():
            self._columns[name] = np.where(self.valid, values, -1).astype(np.int8)
        self._columns["valid"] = self.valid
        self._columns["reason"] = reason.astype(np.int8)

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._columns:
            raise KeyError(str(unknown_name("column", name, tuple(self._columns))))
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Accelerators and layers."""
        accelerators, layers = self.valid.shape
        return accelerators, layers

    def reason(self, accelerator: int, layer: int) -> str:
        """Why there is no result for a layer on an accelerator, empty where there is one."""
        code = int(self._columns["reason"][accelerator, layer])
        return REASONS[code] if code else ""

    def unit(self, name: str) -> str:
        """The unit of a figure."""
        for metric in self.metrics:
            if metric.name == name:
                return metric.unit
        raise unknown_name("figure", name, [metric.name for metric in self.metrics])


def with_faults(reason: NDArray[Any], faults: NDArray[np.int64]) -> NDArray[np.int64]:
    """Reasons `[a, l]`, those of impossible layers first (`possible_layers`, `[l]`)."""
    codes: NDArray[np.int64] = np.where(faults > 0, _LAYER_FAULTS[faults], reason)
    return codes


def _metric(name: str) -> Metric:
    """A figure with the unit that its name ends in."""
    suffix = _suffix(name, tuple(_UNITS))
    direction: Literal["min", "max"] = "max" if suffix in _MORE_IS_BETTER else "min"
    return Metric(name, _UNITS[suffix], direction)


def _suffix(name: str, suffixes: Sequence[str]) -> str:
    for suffix in suffixes:
        if name == suffix or name.endswith(f"_{suffix}"):
            return suffix
    raise ValueError(f"column {name!r} does not end in a unit")
