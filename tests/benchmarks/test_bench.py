"""The benchmarks run and report; nothing is asserted of the times.

``codesign bench`` shows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from codesign_gym.cost_models.accuracy.zero_cost import PROXIES
from codesign_gym.experiments import (
    bench,
    bench_assisted,
    bench_cost_models,
    bench_proxies,
    bench_rows,
)
from codesign_gym.experiments.bench_dram import dram_rows
from codesign_gym.experiments.bench_nas_proxies import nas_rows
from codesign_gym.experiments.bench_networks import NASLIB_COLUMNS, _naslib_rows, network_rows
from codesign_gym.experiments.bench_rows import Row
from codesign_gym.experiments.bench_supernet import supernet_rows


def proxies() -> Iterator[Row]:
    """The parts of the benchmark of proxies that need no long training."""
    yield from bench_proxies.dram_rows(60, "random-forest")
    yield from bench_proxies.tuning_rows(1, 40)  # none without the reference data
    yield from nas_rows(bench_proxies.reference_folder(), 1, "additive-costs")
    yield from bench_assisted.assisted_rows(1, 300)


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """One repetition of everything, of few designs."""
    thorough, of_models = bench.seconds, bench_rows.cpu_seconds
    monkeypatch.setattr(bench, "seconds", lambda f, *_, **__: thorough(f, 1, 0.0))
    monkeypatch.setattr(bench_cost_models, "cpu_seconds", lambda f, *_: of_models(f, 1))
    for name, rows in bench_cost_models.BENCHES.items():
        monkeypatch.setitem(bench_cost_models.BENCHES, name, partial(rows, 2))
    monkeypatch.setitem(bench.BENCHES, "soc", bench_cost_models.BENCHES["soc"])
    monkeypatch.setitem(bench.BENCHES, "networks", partial(network_rows, 10, 4))
    monkeypatch.delenv("CODESIGN_DATA", raising=False)
    monkeypatch.setitem(bench.BENCHES, "dram", partial(dram_rows, 3, 1))
    monkeypatch.setitem(bench.BENCHES, "proxies", proxies)
    monkeypatch.setitem(bench.BENCHES, "supernet", partial(supernet_rows, 0, 1))
    monkeypatch.setattr(bench, "overhead_rows", partial(bench.overhead_rows, 1))
    monkeypatch.setattr(bench, "ppo_rows", partial(bench.ppo_rows, 1, 1024))


@pytest.mark.parametrize("name", bench.BENCHES)
def test_benchmark_reports(name: str) -> None:
    rows = list(bench.BENCHES[name]())
    assert len(rows) == len({row["benchmark"] for row in rows}) >= 1
    for row in rows:
        may_be_zero = row["unit"].startswith("%") or row["unit"] == "rank correlation"
        assert row["median"] > 0 or may_be_zero
        assert row["unit"]


def test_infinite_scores_are_ranked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NASLib writes -inf for the log determinant of networks that tell no inputs apart."""
    monkeypatch.delenv("CODESIGN_DATA", raising=False)
    names = [NASLIB_COLUMNS.get(proxy, proxy) for proxy in PROXIES if proxy != "zen"]
    lines = [",".join(["dataset", "arch_idx", "val_accuracy", *names])]
    for i, score in enumerate(("-inf", "1", "2", "3")):
        lines.append(",".join(["cifar10", str(i), str(10.0 * i), *[score] * len(names)]))
    path = tmp_path / "scores.csv"
    path.write_text("\n".join(lines) + "\n")
    rows = list(_naslib_rows(path, 2))
    assert len(rows) == len(names)
    assert {row["median"] for row in rows} == {1.0}
