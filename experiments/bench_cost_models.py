"""Speed of the cost models alone: one process, one thread. Reports, asserts nothing.

Rows are those of `experiments.bench`: each figure is the median of several repetitions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import numpy as np

from codesign_gym.cost_models.analytical.dataflow import (
    TEMPLATES,
    SpatialAccelerators,
    evaluate,
    find_mapping,
    network_totals,
)
from codesign_gym.cost_models.workloads.networks import Workloads, network

Row = dict[str, Any]
_NETWORK = "resnet50"


def seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """Median time of one call, after one that compiles and fills caches."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def dataflow_rows(count: int = 256) -> Iterator[Row]:
    """The dataflow model on ResNet-50: layers per second, and one design.

    Args:
        count: Accelerators in a batch.
    """
    layers = network(_NETWORK)
    workloads = Workloads.of(layers)
    distinct = len(workloads.layers)
    hows: tuple[tuple[Literal["template", "searched"], int], ...] = (
        ("template", count),
        ("searched", max(1, count // 64)),
    )
    for how, size in hows:
        for template in TEMPLATES:
            rows = 8 + np.arange(size) % 57
            chips = SpatialAccelerators(template, rows, 16, l2_kb=256, word_bytes=2)
            taken = seconds(partial(network_totals, workloads, chips, 0, how))
            name = f"dataflow {template}, {how}"
            yield _row(name, size * len(layers) / taken / 1e6, "M layers/s")
            yield _row(f"{name}, distinct only", size * distinct / taken / 1e6, "M layers/s")
    chips = SpatialAccelerators("nvdla", 8 + np.arange(count) % 57, 16, l2_kb=256, word_bytes=2)
    given, _ = find_mapping(workloads.layers, chips, "template")
    taken = seconds(partial(evaluate, workloads.layers, chips, given))
    yield _row("dataflow, given mappings, table", count * distinct / taken / 1e6, "M layers/s")
    one = SpatialAccelerators("nvdla", 16, 16)
    for how, _ in hows:
        taken = seconds(partial(network_totals, workloads, one, 0, how), 25)
        yield _row(f"dataflow {_NETWORK}, one design, {how}", 1e3 * taken, "ms")


BENCHES: dict[str, Callable[[], Iterator[Row]]] = {"dataflow": dataflow_rows}
"""Benchmarks by name."""


def _row(name: str, value: float, unit: str) -> Row:
    return {"benchmark": name, "median": value, "unit": unit}
