"""What the benchmarks share: their rows, and the time of a call."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

Row = dict[str, Any]

DRAMSYS_MS = 34.5
"""CPU time of DRAMSys 4 for a trace of 10,000 requests, measured on another machine."""


def row(name: str, value: float, unit: str) -> Row:
    """A benchmark's figure."""
    return {"benchmark": name, "median": float(value), "unit": unit}


def coverage_rows(name: str, found: Mapping[str, float]) -> Iterator[Row]:
    """The share of true values that intervals hold, of what `scores` gives."""
    for level in (50, 90):
        covered = found[f"coverage_{level}_pct"]
        yield row(f"{name}, coverage of {level} % intervals", covered, "%")


def cpu_seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """Median CPU time of one call, after one that compiles and fills caches."""
    function()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return float(np.median(times))
