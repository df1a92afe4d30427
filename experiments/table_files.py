"""Writing tables that `codesign_gym.cost_models.learned.frames.read_table` reads back."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from pathlib import Path

from codesign_gym.cost_models.learned.frames import Frame
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.files import write_whole

ENDINGS = (".csv", ".csv.gz", ".parquet")


def write_table(path: Path, frame: Frame) -> None:
    """Write a table whole or not at all; the unit of a column stands behind its name.

    A number that is missing is an empty cell.

    Raises:
        InputError: The file has another ending than those of `ENDINGS`, or it is Parquet and
            duckdb is not installed.
    """
    name = path.name.lower()
    if not name.endswith(ENDINGS):
        raise InputError(f"a table must end in {', '.join(ENDINGS)}, got {path}")
    if name.endswith(".parquet"):
        write_whole(path, _parquet(frame, path))
    else:
        text = _csv(frame).encode()
        write_whole(path, gzip.compress(text, mtime=0) if name.endswith(".gz") else text)


def _labels(frame: Frame) -> list[str]:
    return [f"{c} [{frame.units[c]}]" if c in frame.units else c for c in frame.columns]


def _csv(frame: Frame) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_labels(frame))
    cells = [
        column.tolist() if column.dtype.kind == "U" else [_number(v) for v in column.tolist()]
        for column in frame.columns.values()
    ]
    writer.writerows(zip(*cells, strict=True))
    return out.getvalue()


def _number(value: float) -> str:
    """The shortest text that reads as the same number."""
    return "" if value != value else repr(value).removesuffix(".0")


def _parquet(frame: Frame, path: Path) -> bytes:
    try:
        import duckdb
    except ModuleNotFoundError:
        raise InputError(f"writing {path} needs duckdb: pip install duckdb") from None
    kinds = {
        label: "VARCHAR" if column.dtype.kind == "U" else "DOUBLE"
        for label, column in zip(_labels(frame), frame.columns.values(), strict=True)
    }
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        plain, packed = Path(folder, "table.csv"), Path(folder, "table.parquet")
        plain.write_text(_csv(frame), encoding="utf-8")
        connection.execute(
            "CREATE TABLE t AS SELECT * FROM read_csv(?, header = true, columns = ?)",
            [str(plain), kinds],
        )
        connection.execute(f"COPY t TO '{packed}' (FORMAT parquet)")
        return packed.read_bytes()
