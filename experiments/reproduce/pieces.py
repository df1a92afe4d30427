"""Pieces of a study, each kept in a file: one that was interrupted makes none of them twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from codesign_gym.search_spaces.files import write_whole


def read_piece(path: Path, made: Mapping[str, Any]) -> Any | None:
    """What was kept in a file; None where nothing was, or where it was made of anything else.

    Args:
        path: The file.
        made: All that it depends on, as plain data.
    """
    try:
        record = json.loads(path.read_text())
        return record["outcome"] if record["made"] == _plain(made) else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None  # not there, or not ours: made anew


def write_piece(path: Path, made: Mapping[str, Any], outcome: Any) -> None:
    """Keep plain data in a file, with all that they depend on."""
    write_whole(path, json.dumps({"made": made, "outcome": outcome}))


def piece(path: Path, made: Mapping[str, Any], make: Callable[[], Any]) -> Any:
    """The plain data in a file, or those that are made now and kept there."""
    kept = read_piece(path, made)
    if kept is None:
        write_piece(path, made, make())
        kept = read_piece(path, made)
    return kept


def code_of(*modules: ModuleType) -> str:
    """SHA-256 of the sources of modules; a package stands for all modules right in it."""
    digest = hashlib.sha256()
    for module in modules:
        own = Path(str(module.__file__))
        for path in sorted(own.parent.glob("*.py")) if own.name == "__init__.py" else [own]:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _plain(made: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(made))
