"""Columns of measured tables in CSV files; errors name file, line and column."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.csv_file import read_csv
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
    return read_csv(path).header


def text_columns(path: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """Some columns of a table as they are written.

    Raises:
        InputError: A column is missing or there twice, or `read_csv` refuses the file.
    """
    known, _, rows = read_csv(path)
    for name in names:
        if name not in known:
            raise InputError(f"{path} lacks the column {name!r}; it has {', '.join(known)}")
        if known.count(name) > 1:
            raise InputError(f"{path} has the column {name!r} {known.count(name)} times")
    columns = list(zip(*rows, strict=True)) or [()] * len(known)
    return {name: list(columns[known.index(name)]) for name in names}


def number_columns(path: Path, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Some columns of a table as numbers; what is left empty is NaN.

    Raises:
        InputError: As `text_columns`, or a value is no number, or infinite.
    """
    columns = text_columns(path, names)
    return {name: _numbers(path, name, column) for name, column in columns.items()}


def line_of(path: Path, row: int) -> int:
    """The line of a table on which a row stands, from 0 as the columns have them."""
    return read_csv(path).lines[row]


def _numbers(path: Path, name: str, column: Sequence[str]) -> NDArray[np.float64]:
    numbers = []
    for row, value in enumerate(column):
        try:
            numbers.append(float(value) if value.strip() else np.nan)
        except ValueError:
            numbers.append(np.inf)
        if math.isinf(numbers[-1]):
            raise InputError(
                f"{path}, line {line_of(path, row)}: column {name!r} must be a finite number, "
                f"got {value!r}"
            )
    return np.array(numbers, dtype=np.float64)
