"""The benchmarks of the cost models run and report; nothing is asserted of the times."""

from __future__ import annotations

from codesign_gym.experiments import bench_cost_models


def test_benchmark_reports() -> None:
    rows = list(bench_cost_models.dataflow_rows(count=2))
    assert len(rows) == len({row["benchmark"] for row in rows}) > 10
    for row in rows:
        assert row["median"] > 0
        assert row["unit"]
