"""Tables as mappings of columns: from Python objects, and from files.

A unit may stand behind a column's name, ``latency [ms]``; it is kept and compared. Letters: ``n``
rows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.csv_file import read_csv
from codesign_gym.search_spaces.errors import InputError

_WITH_UNIT = re.compile(r"(.+?)\s*[\[(]([^\])]*)[\])]\s*")


class Frame(NamedTuple):
    """A table.

    Attributes:
        columns: Name -> values ``[n]``: float64, or text.
        units: Unit of the columns that have one.
    """

    columns: dict[str, NDArray[Any]]
    units: dict[str, str]

    @property
    def rows(self) -> int:
        """How many."""
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def take(self, rows: NDArray[Any]) -> Frame:
        """Some of the rows."""
        return Frame({name: column[rows] for name, column in self.columns.items()}, self.units)

    def digest(self) -> str:
        """SHA-256 of names, units and values."""
        digest = hashlib.sha256(repr(sorted(self.units.items())).encode())
        for name in sorted(self.columns):
            digest.update(f"\n{name}\n".encode())
            column = self.columns[name]
            text = "\n".join(column.tolist()).encode() if column.dtype.kind == "U" else b""
            digest.update(text or np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()


def as_frame(frame: Any) -> Frame:
    """A mapping of columns, a pandas DataFrame or a structured array as a `Frame`.

    Numbers and bools become float64, everything else text; None is NaN, or empty text.

    Raises:
        InputError: It is none of these, columns have no name or differ in length, or there are
            none.

    >>> as_frame({"size [kB]": [1, 2], "flow": ["os", "ws"]}).units
    {'size': 'kB'}
    """
    if isinstance(frame, Frame):
        return frame
    if isinstance(frame, np.ndarray) and frame.dtype.names:
        named: dict[Any, Any] = {name: frame[name] for name in frame.dtype.names}
    elif isinstance(frame, Mapping):
        named = dict(frame)
    elif hasattr(frame, "columns") and hasattr(frame, "to_numpy"):
        named = {name: frame[name] for name in frame.columns}
    else:
        raise InputError(
            "a table must be a mapping of columns, a DataFrame or a structured array, "
            f"got {type(frame).__name__}"
        )
    columns: dict[str, NDArray[Any]] = {}
    units = {}
    for label, values in named.items():
        name, unit = _name_and_unit(str(label))
        if not name or name in columns:
            raise InputError(f"column {label!r}: a table needs names that differ")
        columns[name] = _column(name, values)
        if unit:
            units[name] = unit
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"columns of a table must be equally long, got {lengths}")
    if not columns:
        raise InputError("a table needs at least one column, got none")
    return Frame(columns, units)


def _name_and_unit(label: str) -> tuple[str, str]:
    found = _WITH_UNIT.fullmatch(label.strip())
    return (found[1], found[2].strip()) if found else (label.strip(), "")


def _column(name: str, values: Any) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise InputError(f"column {name!r} must be a list of values, got {array.ndim} dimensions")
    if array.dtype.kind in "biuf":
        return array.astype(np.float64)
    plain = array.tolist()
    if all(value is None or isinstance(value, (bool, int, float)) for value in plain):
        return np.array([np.nan if value is None else value for value in plain], dtype=np.float64)
    return np.array(
        ["" if value is None or value != value else str(value) for value in plain], dtype=np.str_
    )


def read_table(path: str | Path) -> Frame:
    """The table in a file: ``.csv``, ``.csv.gz`` or ``.parquet``.

    A column of a CSV file is of numbers where every cell that is not empty is one; empty cells of
    numbers are NaN. Parquet needs duckdb.

    Raises:
        InputError: The file is missing or no table; the text names file and line.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        return _parquet(path)
    header, _, rows = read_csv(path)
    if len(set(header)) < len(header) or not rows:
        raise InputError(f"{path} needs a line of different names, and rows below it")
    cells = zip(*rows, strict=True)
    return as_frame({name: _numbers(part) for name, part in zip(header, cells, strict=True)})


def _numbers(cells: tuple[str, ...]) -> list[float] | list[str]:
    try:
        return [float(cell) if cell.strip() else np.nan for cell in cells]
    except ValueError:
        return [cell.strip() for cell in cells]


def _parquet(path: Path) -> Frame:
    try:
        import duckdb
    except ModuleNotFoundError:
        raise InputError(f"reading {path} needs duckdb: pip install duckdb") from None
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        with duckdb.connect() as connection:
            found = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
            names = [about[0] for about in found.description or ()]
            rows = found.fetchall()
    except duckdb.Error as error:
        raise InputError(f"{path} is not a Parquet file: {str(error).splitlines()[0]}") from None
    cells = [[row[i] for row in rows] for i in range(len(names))]
    return as_frame(dict(zip(names, cells, strict=True)))
