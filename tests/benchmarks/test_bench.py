"""The benchmarks run and report; nothing is asserted of the times.

``codesign bench`` shows them.
"""

from __future__ import annotations

from functools import partial

import pytest

from codesign_gym.experiments import bench
from codesign_gym.experiments.bench_dram import dram_rows


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """One repetition of everything."""
    thorough = bench.seconds
    monkeypatch.setitem(bench.BENCHES, "dram", partial(dram_rows, 3, 1))
    monkeypatch.setattr(bench, "seconds", lambda f, *_, **__: thorough(f, 1, 0.0))
    monkeypatch.setattr(bench, "overhead_rows", partial(bench.overhead_rows, 1))


@pytest.mark.parametrize("name", bench.BENCHES)
def test_benchmark_reports(name: str) -> None:
    rows = list(bench.BENCHES[name]())
    assert rows
    for row in rows:
        assert row["median"] > 0 or row["unit"] == "%"  # a gap may be none
        assert row["unit"]
