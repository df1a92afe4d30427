"""The benchmarks of the cost models run and report; nothing is asserted of the times."""

from __future__ import annotations

from codesign_gym.experiments import bench_cost_models


def test_benchmark_reports() -> None:
    for bench in bench_cost_models.BENCHES.values():
        rows = list(bench(2))
        assert len(rows) == len({row["benchmark"] for row in rows}) >= 1
        for row in rows:
            assert row["median"] > 0 or row["unit"] == "%"
            assert row["unit"]
