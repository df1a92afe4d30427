"""Reference data beside the repository: measured and published numbers that are not part of it."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "shared" / "reference"


def reference(path: str) -> Path:
    """The file at `path` in the reference folder; skips the test where there is none."""
    file = ROOT / path
    if not file.is_file():
        pytest.skip(f"reference data {path} is not at {ROOT}")
    return file


def reference_rows(path: str) -> list[dict[str, str]]:
    """The rows of a reference table, `.csv` or `.csv.gz`."""
    data = reference(path).read_bytes()
    text = (gzip.decompress(data) if path.endswith(".gz") else data).decode()
    return list(csv.DictReader(io.StringIO(text)))
