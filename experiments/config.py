"""Run configurations out of TOML files."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codesign_gym.experiments.record import RunConfig
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.errors import unknown_name

_KEYS: dict[str, type] = {
    "problem": str,
    "agent": str,
    "budget": int,
    "seed": int,
    "options": dict,
    "specs": list,
    "proxy": str,
}

_KINDS = {str: "text", int: "a whole number", dict: "a table", list: "a list of texts"}


def read_config(path: Path) -> dict[str, Any]:
    """The keys of `RunConfig` that a TOML file sets.

    Raises:
        InputError: The file is missing or malformed; the text names file, line and key.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        end = f"at line {len(text.splitlines())}, the end of the file"
        says = str(error).replace("at end of document", end)  # elsewhere it says line and column
        raise InputError(f"{path}: {says}") from None
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"cannot read {path}: {error}") from None
    for key, value in data.items():
        where = f"{path}, line {_line(text, key)}, key {key!r}"
        if key not in _KEYS:
            raise InputError(f"{where}: {unknown_name('key', key, _KEYS)}")
        expected = _KEYS[key]
        if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
            raise InputError(f"{where} must be {_KINDS[expected]}, got {value!r}")
        if isinstance(value, list):
            if not all(isinstance(spec, str) for spec in value):
                raise InputError(f"{where} must be a list of texts, got {value!r}")
            data[key] = tuple(value)
    return data


def make_config(values: Mapping[str, Any]) -> RunConfig:
    """A run configuration out of merged flags and file; the range of every number is checked."""
    for name in ("problem", "agent"):
        if not values.get(name):
            raise InputError(f"no {name} given: name one, 'codesign list {name}s' shows them")
    config = RunConfig(**values)
    if config.budget < 1:
        raise InputError(f"budget must be at least 1 evaluation, got {config.budget}")
    if not 0 <= config.seed < 2**32:
        raise InputError(f"seed must be in 0..{2**32 - 1}, got {config.seed}")
    return config


def _line(text: str, key: str) -> int:
    """The line on which a top-level key or table is set."""
    pattern = re.compile(rf'\s*(\[\s*)?["\']?{re.escape(key)}["\']?\s*[=\].]')
    lines = text.splitlines()
    return next((i for i, line in enumerate(lines, start=1) if pattern.match(line)), 1)
