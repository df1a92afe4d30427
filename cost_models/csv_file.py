"""Tables in CSV files, plain or gzipped, as they are written; errors name file and line."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from pathlib import Path
from typing import NamedTuple

from codesign_gym.search_spaces.errors import InputError


class CsvFile(NamedTuple):
    """What stands in a file.

    Attributes:
        header: The names of the columns.
        lines: Number of the line on which each row ends.
        rows: Cells of the rows, as many as there are names.
    """

    header: list[str]
    lines: list[int]
    rows: list[list[str]]


def read_csv(path: str | Path) -> CsvFile:
    """The table of a file; blank lines are skipped.

    Raises:
        InputError: The file is missing, empty or no CSV file, or a line has more or fewer cells
            than there are columns.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        numbered = [
            (reader.line_num, row) for row in reader if len(row) > 1 or "".join(row).strip()
        ]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a CSV file: {error}") from None
    if not numbered:
        raise InputError(f"{path} is empty: a table has a line with the names of its columns")
    (_, header), *below = numbered
    for line, row in below:
        if len(row) != len(header):
            raise InputError(f"{path}, line {line}: {len(row)} cells for {len(header)} columns")
    return CsvFile(header, [line for line, _ in below], [row for _, row in below])
