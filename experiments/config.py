"""Run configurations out of TOML files."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Mapping, Set
from functools import partial
from pathlib import Path
from typing import Any

from codesign_gym.envs import make_problem, problem_factory
from codesign_gym.experiments.record import RunConfig
from codesign_gym.search import agent_class
from codesign_gym.search.options import make_options
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.errors import unknown_name

_KEYS: dict[str, type] = {
    "problem": str,
    "agent": str,
    "budget": int,
    "seed": int,
    "options": dict,
    "specs": list,
    "objectives": list,
    "model": str,
    "trace": str,
    "proxy": str,
    "family": str,
    "warm_start": str,
    "trust": float,
}

_OF_PROBLEM = ("family", "model", "trace")
"""Keys that say what a problem's designs are, and work on."""

_KINDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    dict: "a table",
    list: "a list of texts",
}


MOST_EVALUATIONS = 10**9
"""Largest budget of a run."""

MOST_SEEDS = 10_000
"""Most runs of the same agent on the same problem in one command."""

_RANGES = {"budget": (1, MOST_EVALUATIONS), "seed": (0, 2**32 - 1)}


def read_config(path: Path, replaced: Set[str] = frozenset()) -> dict[str, Any]:
    """The keys of `RunConfig` that a TOML file sets.

    Args:
        path: The file.
        replaced: Keys that flags win over: what the file says of them is not checked.

    Raises:
        InputError: The file is missing or malformed; the text names file, line and key.
    """
    data = read_toml(
        path, {key: (kind, int) if kind is float else (kind,) for key, kind in _KEYS.items()}
    )
    text = path.read_text(encoding="utf-8")
    kept = {key: value for key, value in data.items() if key not in replaced}
    if replaced & {"problem", *_OF_PROBLEM}:  # the others may be meant for another problem
        kept = {k: v for k, v in kept.items() if k not in ("problem", "specs", "objectives")}
    _check_values(kept, lambda key: f"{path}, line {_line(text, key)}, key {key!r}")
    return data


def read_toml(path: Path, keys: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    """The content of a TOML file whose keys are known, with lists of texts as tuples.

    Args:
        path: The file.
        keys: Key -> types of its value.

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
        if key not in keys:
            raise InputError(f"{where}: {unknown_name('key', key, keys)}")
        if not isinstance(value, keys[key]) or isinstance(value, bool):
            said = [kind for kind in keys[key] if kind is not int or float not in keys[key]]
            kinds = " or ".join(_KINDS[kind] for kind in said)
            raise InputError(f"{where} must be {kinds}, got {value!r}")
        if isinstance(value, list) and list in keys[key] and int not in keys[key]:
            if not all(isinstance(item, str) for item in value):
                raise InputError(f"{where} must be a list of texts, got {value!r}")
            data[key] = tuple(value)
    return data


def _check_values(data: Mapping[str, Any], where: Callable[[str], str]) -> None:
    """Check what the keys of a file say, so that an error can name the line."""

    def located(key: str, check: Callable[[], object]) -> None:
        try:
            check()
        except InputError as error:
            raise InputError(f"{where(key)}: {error}") from None

    for key in data.keys() & {"budget", "seed"}:
        located(key, partial(_check_number, key, data[key]))
    if "problem" in data:
        problem, own = data["problem"], {}
        located("problem", partial(problem_factory, problem))
        for key in _OF_PROBLEM:
            if key in data:
                own[key] = data[key]
                located(key, partial(make_problem, problem, **own))
        for key in data.keys() & {"specs", "objectives"}:
            located(key, partial(make_problem, problem, **{key: data[key]}, **own))
    if "agent" in data:
        located("agent", partial(agent_class, data["agent"]))
        options = agent_class(data["agent"]).Options
        for name, value in data.get("options", {}).items():
            located(name, partial(make_options, data["agent"], options, {name: value}))


def _check_number(name: str, value: int) -> None:
    lowest, highest = _RANGES[name]
    if not lowest <= value <= highest:
        raise InputError(f"{name} must be in {lowest}..{highest}, got {value}")


def make_config(values: Mapping[str, Any]) -> RunConfig:
    """A run configuration out of merged flags and file; the range of every number is checked."""
    for name in ("problem", "agent"):
        if not values.get(name):
            raise InputError(f"no {name} given: name one, 'codesign list {name}s' shows them")
    config = RunConfig(**values)
    for name in _RANGES:
        _check_number(name, getattr(config, name))
    if not 0 <= config.trust < math.inf:
        raise InputError(f"trust must be a share of at least 0, got {config.trust}")
    if config.trust and not config.proxy:
        raise InputError("trust is for searches with a proxy, none is given")
    return config


def _line(text: str, key: str) -> int:
    """The line on which a top-level key or table is set."""
    pattern = re.compile(rf'\s*(\[\s*)?["\']?{re.escape(key)}["\']?\s*[=\].]')
    lines = text.splitlines()
    return next((i for i, line in enumerate(lines, start=1) if pattern.match(line)), 1)
