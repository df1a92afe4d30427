"""Networks: ``codesign bench networks``. Reports, asserts nothing.

Speed of layer tables and zero-cost scores; and, of the tables that are found in the folder that
``CODESIGN_DATA`` names, how latencies add up over operations and how scores rank networks. Tables:
``nb201_latency_help.csv.gz`` and ``nb201_accuracy.csv.gz`` (see `cost_models.accuracy.tables`),
``nb201_naslib_zc_sample.csv.gz`` (a line per data set and network: ``dataset``, ``arch_idx``,
``val_accuracy`` and a column per score) and ``nb201-mnist1d.npz``, what ``codesign train-table``
has made so far, where the package carries none.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import spearmanr

from codesign_gym.cost_models.accuracy.csv_columns import (
    data_file,
    header,
    number_columns,
    text_columns,
)
from codesign_gym.cost_models.accuracy.separation import separation
from codesign_gym.cost_models.accuracy.tables import table
from codesign_gym.cost_models.accuracy.trained import (
    EMBEDDED,
    AccuracyRecords,
    embedded_table,
    load_table,
)
from codesign_gym.cost_models.accuracy.zero_cost import PROXIES, ZeroCostProxies
from codesign_gym.cost_models.learned.operation_lut import lut_of_model
from codesign_gym.cost_models.workloads import from_space
from codesign_gym.experiments import console
from codesign_gym.experiments.bench_rows import Row, row
from codesign_gym.search_spaces import InputError, make_space

OWN = ("nas-bench-201-1d", "mnist1d")

NASLIB_COLUMNS = {"naswot": "nwot", "jacob_cov": "jacov", "parameters": "params", "macs": "flops"}
"""What NASLib calls a score, where it differs."""


def network_rows(count: int = 400, images: int = 24) -> Iterator[Row]:
    """Speed, then what the tables at hand show.

    Args:
        count: Networks on sequences to score.
        images: Networks on images to score.
    """
    space = make_space("nas-bench-201")
    designs = space.sample(max(count, 2), 0)
    start = time.process_time()
    from_space(space, designs)
    taken = time.process_time() - start
    yield row("layer table of a NAS-Bench-201 network, CPU", 1e3 * taken / len(designs), "ms")
    few = make_space(OWN[0]).sample(max(2, count // 20), 0)
    for proxy in PROXIES:
        model = ZeroCostProxies(*OWN, proxies=(proxy,))
        model.evaluate(few[:1])
        start = time.process_time()
        model.evaluate(few)
        taken = time.process_time() - start
        yield row(f"{proxy} of a network on sequences, CPU", 1e3 * taken / len(few), "ms")
    if records := own_table():
        yield from _own_rows(records, count)
    if latencies := _found("nb201_latency_help.csv.gz"):
        yield from _lut_rows(latencies)
    if sample := _found("nb201_naslib_zc_sample.csv.gz"):
        yield from _naslib_rows(sample, images)


def _found(name: str) -> Path | None:
    try:
        return data_file(name)
    except InputError as error:
        console.err.print(f"skipped: {error}", soft_wrap=True)
        return None


def own_table() -> AccuracyRecords | None:
    """Our own table, carried or found; None where there is none."""
    if OWN in EMBEDDED:
        return embedded_table(*OWN)
    path = _found("nb201-mnist1d.npz")
    return load_table(path, *OWN) if path else None


def _rank(scores: ArrayLike, accuracy: ArrayLike) -> float:
    """Rank correlation; networks whose score is no number are left out."""
    return float(spearmanr(scores, accuracy, nan_policy="omit").statistic)


def _own_rows(records: AccuracyRecords, count: int) -> Iterator[Row]:
    """Of our own table: is it able to tell networks apart, and do scores rank them?"""
    apart = separation(records)
    yield row("own table: networks", apart.networks, "networks")
    for name, value in (
        ("sd of networks that learn", apart.all_networks),
        ("noise of a network's mean", apart.noise),
        ("sd within the best tenth, noise taken off", apart.top),
        ("noise of a mean within the best tenth", apart.top_noise),
    ):
        yield row(f"own table: {name}", value, "points")
    yield row("own table: the best tenth begins at", apart.top_from, "%")
    yield row("own table: the best network", apart.best, "%")
    accuracy = records.correct[:, :, -1].mean(axis=1)
    # Networks are stored by their place in the grid: an even sample is one of all kinds.
    rows = np.unique(np.linspace(0, len(accuracy) - 1, min(count, len(accuracy))).astype(int))
    model = ZeroCostProxies(*OWN)
    scores = model.evaluate(model.space.unravel(records.network[rows]))
    for proxy in model.proxies:
        value = _rank(scores[proxy], accuracy[rows])
        yield row(f"{proxy}, own table, {len(rows)} networks", value, "rank correlation")


def _lut_rows(path: Path) -> Iterator[Row]:
    """How far latencies of NAS-Bench-201 are sums over operations, per device."""
    targets = [name for name in header(path) if name.startswith("help_")]
    latencies = table(path, make_space("nas-bench-201"), targets)
    for metric in latencies.metrics:
        fit = lut_of_model(latencies, metric.name).report
        assert fit is not None
        yield row(f"operations added up, {metric.name}, R2 held out", fit.r2, "R2")
        yield row(f"operations added up, {metric.name}, rmse", fit.rmse, "ms")


def _naslib_rows(path: Path, images: int) -> Iterator[Row]:
    """NASLib's own scores on CIFAR-10, and ours of the same networks on Gaussian images."""
    names = {proxy: NASLIB_COLUMNS.get(proxy, proxy) for proxy in PROXIES if proxy != "zen"}
    rows = np.array(text_columns(path, ["dataset"])["dataset"]) == "cifar10"
    columns = number_columns(path, ["val_accuracy", "arch_idx"])
    # Scores may be infinite: the logarithm of a determinant of nothing.
    columns |= {
        name: np.array([float(score or "nan") for score in column])
        for name, column in text_columns(path, list(names.values())).items()
    }
    accuracy = columns["val_accuracy"][rows]
    for proxy, name in names.items():
        value = _rank(columns[name][rows], accuracy)
        yield row(f"{proxy}, NASLib on CIFAR-10, {rows.sum()} networks", value, "rank correlation")
    index = _found("nb201_accuracy.csv.gz")
    if index is None:
        return
    cells = table(index, make_space("nas-bench-201"), "acc_c10_e200")
    place = {n: i for i, n in enumerate(number_columns(index, ["arch_idx"])["arch_idx"].tolist())}
    some = np.random.default_rng(0).permutation(np.flatnonzero(rows))[:images]
    at = [place[n] for n in columns["arch_idx"][some].tolist()]
    model = ZeroCostProxies("nas-bench-201", batch=16)
    scores = model.evaluate(cells.designs[at])
    for proxy in model.proxies:
        value = _rank(scores[proxy], columns["val_accuracy"][some])
        yield row(
            f"{proxy}, ours on Gaussian images, {len(at)} networks", value, "rank correlation"
        )
