"""Options of an agent: a frozen dataclass, filled from flags, TOML or keyword arguments."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from codesign_gym.search_spaces.errors import InputError, unknown_name


@dataclass(frozen=True)
class NoOptions:
    """For agents that have nothing to set."""


O = TypeVar("O")  # noqa: E741


def make_options(owner: str, kind: type[O], given: Mapping[str, Any]) -> O:
    """``kind(**given)`` with every name and type checked; text is converted to the field's type.

    Args:
        owner: Whose options they are, for error texts.
        kind: The dataclass.
        given: Name -> value, or the value as text.

    >>> @dataclass(frozen=True)
    ... class Options:
    ...     population: int = 50
    >>> make_options("nsga2", Options, {"population": "100"})
    Options(population=100)
    """
    hints = typing.get_type_hints(kind)
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    values = {}
    for name, value in given.items():
        if name not in known:
            raise unknown_name(f"option of {owner}", name, known)
        values[name] = _convert(f"option {name!r} of {owner}", hints[name], value)
    return kind(**values)


def _convert(what: str, hint: Any, value: Any) -> Any:
    union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    choices = typing.get_args(hint) if union else (hint,)
    nothing = value is None or (isinstance(value, str) and value.lower() == "none")
    if nothing and type(None) in choices:
        return None
    for kind in choices:
        if kind is not type(None):
            try:
                return _as(kind, value)
            except (TypeError, ValueError, OverflowError):
                continue
    names = " or ".join("none" if kind is type(None) else kind.__name__ for kind in choices)
    raise InputError(f"{what} must be {names}, got {value!r}")


def _as(kind: type, value: Any) -> Any:
    """``value`` as an int, finite float, bool or str; an exception where it is not one."""
    if kind is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if isinstance(value, bool):
            return value
        if str(value).lower() in words:
            return words[str(value).lower()]
        raise ValueError
    if isinstance(value, bool) or (kind is int and isinstance(value, float) and value % 1):
        raise ValueError
    converted = kind(value)
    if kind is float and not math.isfinite(converted):
        raise ValueError
    return converted


def at_least(owner: str, name: str, value: float, lowest: float) -> None:
    """Raise `InputError` unless an option is at least ``lowest``."""
    if not value >= lowest:
        raise InputError(f"option {name!r} of {owner} must be at least {lowest}, got {value}")


def between(owner: str, name: str, value: float, lowest: float, highest: float) -> None:
    """Raise `InputError` unless an option is in ``lowest``..``highest``."""
    if not lowest <= value <= highest:
        raise InputError(f"option {name!r} of {owner} must be in {lowest}..{highest}, got {value}")


def one_of(owner: str, name: str, value: str, allowed: Collection[str]) -> None:
    """Raise `InputError` unless an option is one of ``allowed``."""
    if value not in allowed:
        raise InputError(
            f"option {name!r} of {owner} must be one of {', '.join(allowed)}, got {value!r}"
        )
