"""How good learned cost models are: ``codesign bench proxies``. Reports, asserts nothing.

Measured tables are not part of the package; their rows are printed where a folder with them is
named by ``CODESIGN_REFERENCE`` or lies at ``../shared/reference``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned import read_table, train, train_on_designs
from codesign_gym.cost_models.learned.frames import Frame
from codesign_gym.cost_models.learned.training import joint_groups, table_of_designs
from codesign_gym.cost_models.measured.table import MeasuredTable
from codesign_gym.envs import make_problem
from codesign_gym.experiments.bench_assisted import assisted_rows
from codesign_gym.experiments.bench_nas_proxies import nas_rows
from codesign_gym.experiments.bench_rows import (
    DRAMSYS_MS,
    Row,
    coverage_rows,
    cpu_seconds,
    row,
)
from codesign_gym.experiments.scores import scores
from codesign_gym.search import make_agent, search

GEMM = "gemm/gemm_bf16_measured.csv.gz"
_TUNING = "gemm/xgemm4096_fp32_RTX_3090.csv.gz"


def reference_folder() -> Path:
    """Where measured tables are looked for."""
    return Path(os.environ.get("CODESIGN_REFERENCE", "../shared/reference"))


def gemm_splits(frame: Frame, seed: int = 0) -> dict[str, NDArray[np.bool_]]:
    """Which rows are tested: a fifth of the (n, k), of the rows, and the largest by operations."""
    rng = np.random.default_rng(seed)
    n, groups = frame.rows, joint_groups(frame, ("n", "k"))
    assert groups is not None
    several = int(groups.max()) + 1
    size = np.argsort(np.prod([frame.columns[name] for name in "mnk"], axis=0), kind="stable")
    return {
        "unseen (n, k)": np.isin(groups, rng.permutation(several)[: several // 5]),
        "random": np.isin(np.arange(n), rng.permutation(n)[: n // 5]),
        "largest fifth": np.isin(np.arange(n), size[n - n // 5 :]),
    }


def gemm_rows() -> Iterator[Row]:
    """Errors and coverage of matrix products on GPUs, per device and split."""
    path = reference_folder() / GEMM
    if not path.is_file():
        return
    table = read_table(path)
    systems = table.columns["system"]
    for system in np.unique(systems).tolist():
        frame = table.take(np.flatnonzero(systems == system))
        for split, test in gemm_splits(frame).items():
            model = train(frame.take(np.flatnonzero(~test)), "latency")
            found = scores(model, frame.take(np.flatnonzero(test)), "latency")
            name = f"gemm {system}, {split}"
            yield row(f"{name}, MAPE", found["mape_pct"], "%")
            yield from coverage_rows(name, found)
            yield row(f"{name}, flagged", found["extrapolated_pct"], "% of the rows")


def dram_rows(most: int = 20_000, model: str = "auto") -> Iterator[Row]:
    """A proxy of the DRAM simulator, all metrics: learning curve and speed.

    Args:
        most: Most training rows.
        model: Method, as `train` takes it.
    """
    problem = make_problem("dram-cloud-1")
    drawn = np.unique(problem.space.sample(3 * most + 4000, 0), axis=0)
    drawn = np.random.default_rng(0).permutation(drawn)[: most + 2000]
    metrics = problem.measure(drawn)
    tested = np.arange(len(drawn) - 2000, len(drawn))
    asked = table_of_designs(problem.space, drawn[tested], metrics.take(tested))
    sizes = [size for size in (100, 300, 1000, 3000, 10_000) if size < most] + [most]
    for size in sizes:
        proxy = train_on_designs(problem.space, drawn[:size], metrics.take(slice(size)), model)
        for name in (metric.name for metric in problem.metrics):
            found = scores(proxy, asked, name)
            label = f"dram-cloud-1 {name}, {size} rows"
            yield row(f"{label}, RMSE", found["rmse_pct"], "% of the mean")
            yield from coverage_rows(label, found)
    single = proxy.only(problem.objectives[0].name)
    batch = drawn[:4096]
    ours = cpu_seconds(partial(problem.measure, batch[:256]), 3) / 256
    for what, timed in (("all metrics", proxy), ("one metric", single)):
        taken = cpu_seconds(partial(timed.compute, batch)) / len(batch)
        alone = cpu_seconds(partial(_many_times, partial(timed.compute, batch[:1]), 200)) / 200
        yield row(f"dram-cloud-1 proxy, {what}", 1e6 * taken, "us per design")
        yield row(f"dram-cloud-1 proxy, {what}, one design", 1e3 * alone, "ms")
        yield row(f"dram-cloud-1 proxy, {what}, over the simulator", ours / taken, "x")
        yield row(f"dram-cloud-1 proxy, {what}, over DRAMSys", DRAMSYS_MS / 1e3 / taken, "x")


def _many_times(function: Callable[[], object], times: int) -> None:
    for _ in range(times):
        function()


def tuning_rows(seeds: int = 15, budget: int = 200, model: str = "auto") -> Iterator[Row]:
    """Best of 200 measurements over the optimum, per agent; and what is learned of four fifths.

    Args:
        seeds: Searches per agent.
        budget: Measurements of each.
        model: Method that learns the table, as `train` takes it.
    """
    path = reference_folder() / _TUNING
    if not path.is_file():
        return
    problem = make_problem(str(path))
    table = problem.models[0]
    assert isinstance(table, MeasuredTable)
    metric, best = table.metrics[0].name, float(np.nanmin(table.measured))
    for name in ("random", "forest", "gp", "auto"):
        found = []
        for seed in range(seeds):
            history = search(problem, make_agent(name, problem, seed), budget).history
            found.append(float(history.metrics[metric].min()) / best)
        label = f"xgemm, {name}, {budget} measurements over the optimum"
        yield row(f"{label}, median", float(np.median(found)), "x")
        yield row(f"{label}, mean", float(np.mean(found)), "x")
        yield row(f"{label}, worst", float(np.max(found)), "x")
    yield from _whole_table_rows(table, model)


def _whole_table_rows(table: MeasuredTable, model: str) -> Iterator[Row]:
    """Errors and coverage on a fifth of a tuning table, learned from the rest."""
    designs = np.random.default_rng(0).permutation(table.designs)
    metrics = table.compute(designs)
    measured = np.flatnonzero(np.isfinite(metrics.values_matrix).all(axis=1))
    test, rest = np.split(measured, [len(measured) // 5])
    learned = train_on_designs(table.space, designs[rest], metrics.take(rest), model)
    asked = table_of_designs(table.space, designs[test], metrics.take(test))
    found = scores(learned, asked, table.metrics[0].name)
    yield row("xgemm, a random fifth, MAPE", found["mape_pct"], "%")
    yield from coverage_rows("xgemm, a random fifth", found)


PARTS: dict[str, Callable[[], Iterator[Row]]] = {
    "dram": dram_rows,
    "gemm": gemm_rows,
    "tuning": tuning_rows,
    "nas": lambda: nas_rows(reference_folder()),
    "assisted": assisted_rows,
}
"""What is measured, by name."""


def proxy_rows() -> Iterator[Row]:
    """All of `PARTS`."""
    for rows in PARTS.values():
        yield from rows()
