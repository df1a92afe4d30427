"""Columns of measured tables in CSV files, plain or gzipped; errors name file, line and column."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codesign_gym.search_spaces.errors import InputError

DATA_VARIABLE = "CODESIGN_DATA"
"""Environment variable with the folder of tables that are looked for by name."""


def data_file(path: Path | str) -> Path:
    """The file, or the one of that name in the folder that ``CODESIGN_DATA`` names.

    Raises:
        InputError: There is neither.
    """
    path = Path(path).expanduser()
    folder = os.environ.get(DATA_VARIABLE)
    places = [path, *([Path(folder).expanduser() / path] if folder else [])]
    for place in places:
        if place.is_file():
            return place
    hint = "" if folder else f"; {DATA_VARIABLE} may name the folder it is in"
    raise InputError(f"there is no table {' or '.join(map(str, places))}{hint}")


def header(path: Path) -> list[str]:
    """Names of the columns of a table."""
    return _rows(path)[0]


def text_columns(path: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """Some columns of a table as they are written.

    Raises:
        InputError: A column is missing, a line has more or fewer values than there are columns, or
            the file is no table.
    """
    known, *rows = _rows(path)
    for name in names:
        if name not in known:
            raise InputError(f"{path} lacks the column {name!r}; it has {', '.join(known)}")
    for line, row in enumerate(rows, start=2):
        if len(row) != len(known):
            raise InputError(f"{path}, line {line}: must have {len(known)} values, got {len(row)}")
    columns = list(zip(*rows, strict=True)) or [()] * len(known)
    return {name: list(columns[known.index(name)]) for name in names}


def number_columns(path: Path, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Some columns of a table as numbers; what is left empty is NaN.

    Raises:
        InputError: As `text_columns`, or a value is no number.
    """
    columns = text_columns(path, names)
    return {name: _numbers(path, name, column) for name, column in columns.items()}


def _numbers(path: Path, name: str, column: Sequence[str]) -> NDArray[np.float64]:
    numbers = []
    for line, value in enumerate(column, start=2):
        try:
            numbers.append(float(value) if value.strip() else np.nan)
        except ValueError:
            raise InputError(
                f"{path}, line {line}: column {name!r} must be a number, got {value!r}"
            ) from None
    return np.array(numbers, dtype=np.float64)


def _rows(path: Path) -> list[list[str]]:
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a table: {error}") from error
    rows = [row for row in csv.reader(text.splitlines()) if row]
    if not rows:
        raise InputError(f"{path} is empty: a table has a line with the names of its columns")
    return rows
