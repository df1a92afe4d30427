"""One decision of a design: a named, finite list of choices."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from codesign_gym.search_spaces.errors import InputError, unknown_name

Choice = str | int | float | bool


def _plain(value: object) -> object:
    """The Python scalar that a NumPy scalar stands for; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def _choices(owner: str, values: Sequence[Choice]) -> tuple[Choice, ...]:
    """The values as plain Python scalars; none at all, text or other objects are refused."""
    if isinstance(values, str) or not isinstance(values, (Sequence, np.ndarray)):
        raise InputError(f"{owner} needs a list of values, got {values!r}")
    plain = [_plain(value) for value in values]
    if not plain:
        raise InputError(f"{owner} needs at least one value, got none")
    chosen = tuple(value for value in plain if isinstance(value, (str, int, float)))
    bad = [v for v in plain if v not in chosen or (isinstance(v, float) and not math.isfinite(v))]
    if bad:
        raise InputError(f"{owner}: values must be text, bools or finite numbers, got {bad[0]!r}")
    return chosen


@dataclass(frozen=True)
class Condition:
    """A parameter counts only where another one, declared before it, takes one of these values.

    Attributes:
        parameter: Name of the parent, ``name`` within the group or ``group.name`` across groups.
        values: Values of the parent under which the child is active.
    """

    parameter: str
    values: tuple[Choice, ...]

    def __init__(self, parameter: str, values: Sequence[Choice]) -> None:
        object.__setattr__(self, "parameter", parameter)
        object.__setattr__(self, "values", _choices(f"condition on {parameter!r}", values))


@dataclass(frozen=True, eq=False)
class Parameter:
    """A named, finite list of values; a design stores the index of the chosen one.

    Attributes:
        name: Name within its group.
        values: The values that the indices 0..k-1 stand for.
        unit: Unit of the values ("kB"), empty for none.
        group: What the parameter belongs to ("network", "accelerator"); a space fills it in.
        active_when: Conditions that must all hold for the parameter to matter.
    """

    name: str
    values: tuple[Choice, ...]
    unit: str = ""
    group: str = ""
    active_when: tuple[Condition, ...] = ()

    ordered: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if type(self) is Parameter:
            raise InputError(f"parameter {self.name!r} must be a Categorical or an Ordinal")
        if not self.name or "." in self.name or "." in self.group:
            raise InputError(
                f"a parameter needs a non-empty name, and name and group no '.', got {self.label!r}"
            )
        object.__setattr__(self, "values", _choices(f"parameter {self.name!r}", self.values))
        object.__setattr__(self, "active_when", tuple(self.active_when))
        if len(set(self.values)) < len(self.values):
            raise InputError(f"parameter {self.name!r} lists a value twice: {self.values}")

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parameter) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @cached_property
    def _key(self) -> str:  # text, since True == 1 == 1.0 are three different choices
        return json.dumps(self.to_dict(), sort_keys=True)

    def index(self, value: object) -> int:
        """Index of ``value``; a value that is not offered raises `InputError`."""
        value = _plain(value)
        if isinstance(value, (str, int, float)):
            for i, own in enumerate(self.values):
                if own == value and isinstance(own, bool) == isinstance(value, bool):
                    return i
        raise InputError(
            f"parameter {self.label!r} must be one of {self.describe()}, got {value!r}"
        )

    @property
    def label(self) -> str:
        """``group.name``, or the bare name outside a space."""
        return f"{self.group}.{self.name}" if self.group else self.name

    def describe(self) -> str:
        """The allowed values with their unit, for people."""
        return ", ".join(map(str, self.values)) + (f" {self.unit}" if self.unit else "")

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description, the inverse of `parameter_from_dict`."""
        return {
            "type": "ordinal" if self.ordered else "categorical",
            "name": self.name,
            "values": list(self.values),
            "unit": self.unit,
            "group": self.group,
            "active_when": [
                {"parameter": c.parameter, "values": list(c.values)} for c in self.active_when
            ],
        }


@dataclass(frozen=True, eq=False)
class Categorical(Parameter):
    """Unordered choices: operations, dataflows, policies.

    >>> Categorical("dataflow", ("os", "ws", "is")).index("ws")
    1
    """


@dataclass(frozen=True, eq=False)
class Ordinal(Parameter):
    """Ordered numbers with a unit: sizes, counts, bandwidths.

    >>> Ordinal("sram", (32, 64, 128), unit="kB").describe()
    '32, 64, 128 kB'
    """

    ordered: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        numbers = [
            v for v in self.values if isinstance(v, (int, float)) and not isinstance(v, bool)
        ]
        if len(numbers) < len(self.values) or numbers != sorted(numbers):
            raise InputError(
                f"ordinal parameter {self.name!r} needs increasing numbers, got {self.values}"
            )


def parameter_from_dict(data: dict[str, Any]) -> Parameter:
    """The parameter that `Parameter.to_dict` described."""
    kinds = {"ordinal": Ordinal, "categorical": Categorical}
    if data["type"] not in kinds:
        raise unknown_name("type of parameter", data["type"], kinds)
    return kinds[data["type"]](
        name=data["name"],
        values=tuple(data["values"]),
        unit=data["unit"],
        group=data["group"],
        active_when=tuple(Condition(c["parameter"], c["values"]) for c in data["active_when"]),
    )
