"""Layer tables of CSV files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from codesign_gym.cost_models.csv_file import read_csv
from codesign_gym.cost_models.workloads.layers import BOTH, COLUMNS, Kind, LayerError, Layers
from codesign_gym.search_spaces.errors import InputError, unknown_name


def from_csv(path: str | Path) -> Layers:
    r"""The layers of a CSV file with the columns of `Layers.from_table`, one layer per line.

    The first line names the columns, in upper or lower case. Empty lines are skipped.

    Raises:
        InputError: The file is missing or is not a layer table; the text names file, line and
            column.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "net.csv")
        ...     _ = path.write_text("name,H,W,R,S,C,K,pad\nconv1,8,8,3,3,3,16,1\n")
        ...     from_csv(path).macs.tolist()
        [27648]
    """
    header, lines, rows = _read(Path(path))
    columns: dict[str, list[str] | list[int]] = {}
    for index, column in enumerate(header):
        cells = [row[index].strip() for row in rows]
        if column == "name":
            columns[column] = cells
            continue
        numbers = []
        for line, cell in zip(lines, cells, strict=True):
            try:
                numbers.append(int(Kind.of(cell)) if column == "kind" else _integer(cell))
            except InputError as error:
                raise InputError(f"{_where(path, line, column)}: {error}") from None
        columns[column] = numbers
    try:
        return Layers.from_table({column: np.array(cells) for column, cells in columns.items()})
    except LayerError as error:
        axes = dict.fromkeys((f"{both}_{axis}" for both in BOTH for axis in "hw"), "")
        column = error.column
        if column in axes and column not in header:
            column = column[:-2]
        raise InputError(f"{_where(path, lines[error.row], column)} {error.reason}") from None
    except InputError as error:
        raise InputError(f"{path}, line 1: {error}") from None


def _read(path: Path) -> tuple[list[str], list[int], list[list[str]]]:
    """The column names in lower case, and each row with the number of its line."""
    names, every, cells = read_csv(path)
    # Spreadsheets end with rows of nothing but commas.
    kept = [i for i, row in enumerate(cells) if any(cell.strip() for cell in row)]
    lines, rows = [every[i] for i in kept], [cells[i] for i in kept]
    header = [name.strip().lower() for name in names]
    for column in header:
        if column not in COLUMNS:
            raise InputError(f"{path}, line 1: {unknown_name('layer column', column, COLUMNS)}")
        if header.count(column) > 1:
            raise InputError(f"{path}, line 1: column {column!r} occurs twice")
    if not rows:
        raise InputError(f"{path} has no layers")
    return header, lines, rows


def _integer(cell: str) -> int:
    """The number in a cell, small enough for the checks of `Layers`."""
    digits = cell.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 18):
        raise InputError(f"must be an integer; got {cell!r}")
    return int(cell)


def _where(path: str | Path, line: int, column: str) -> str:
    return f"{path}, line {line}, column {column!r}"
