"""Learned latencies of networks, per device, beside boosting on one-hot codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.accuracy.csv_columns import header
from codesign_gym.cost_models.accuracy.tables import metric_of, space_of, table
from codesign_gym.cost_models.learned import train_on_designs
from codesign_gym.cost_models.learned.training import table_of_designs
from codesign_gym.cost_models.measured.table import MeasuredTable
from codesign_gym.experiments.bench_rows import Row, coverage_rows, row
from codesign_gym.experiments.scores import point_scores, scores
from codesign_gym.search_spaces import Designs, SearchSpace

NAS_TABLES = {
    "nas-bench-201": "nas/nb201_latency_help.csv.gz",
    "fbnet": "nas/fbnet_latency_help_5000.csv.gz",
}
"""Space -> table with a column per device."""

SIZES = (100, 500)
"""Networks that are measured."""

_TESTED = 2000

Predict = Callable[[Designs], NDArray[np.float64]]


def latency_columns(path: Path) -> list[str]:
    """The columns of a table that are the latency on some device."""
    return [name for name in header(path) if name.startswith(("help_", "lat_ms_"))]


def nas_rows(folder: Path, devices: int | None = None, model: str = "auto") -> Iterator[Row]:
    """Errors on networks not seen, of our model and of boosting: per device, then the medians.

    Args:
        folder: Where the tables are.
        devices: The first of each table; all by default.
        model: Method, as `train` takes it.
    """
    for name, place in NAS_TABLES.items():
        path = folder / place
        space = space_of(path) if path.is_file() else None
        if space is None:
            continue
        found: dict[str, list[float]] = {}
        for column in latency_columns(path)[:devices]:
            latencies = table(path, space, column, metric_of(column))
            for title, error, unit in _errors(space, latencies, model):
                yield row(f"{name} {column}, {title}", error, unit)
                found.setdefault(f"{title}|{unit}", []).append(error)
        for key, errors in found.items():
            title, unit = key.split("|")
            yield row(
                f"{name}, median of {len(errors)} devices, {title}", float(np.median(errors)), unit
            )


def _errors(
    space: SearchSpace, latencies: MeasuredTable, model: str
) -> Iterator[tuple[str, float, str]]:
    """What is measured, the error, and its unit, for each number of measured networks."""
    designs = latencies.designs
    drawn = designs[np.random.default_rng(0).permutation(len(designs))]
    rest = drawn[max(SIZES) :][:_TESTED]
    asked = latencies.compute(rest)
    truth = asked.values_matrix[:, 0]
    frame = table_of_designs(space, rest, asked)
    for size in SIZES:
        part = drawn[:size]
        metrics = latencies.compute(part)
        learned = train_on_designs(space, part, metrics, model)
        boosted = _boosting(space, part, metrics.values_matrix[:, 0])
        ours = scores(learned, frame, asked.metrics[0].name)
        errors = {"ours": ours, "one-hot boosting": point_scores(truth, boosted(rest))}
        for who, found in errors.items():
            yield f"{size} networks, {who}, MAPE", found["mape_pct"], "%"
            yield f"{size} networks, {who}, tau", found["kendall_tau"], "rank correlation"
        for line in coverage_rows(f"{size} networks, ours", ours):
            yield line["benchmark"], line["median"], line["unit"]


def _boosting(space: SearchSpace, designs: Designs, values: NDArray[np.float64]) -> Predict:
    """scikit-learn's gradient boosting as it comes, on one-hot codes."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        grown = HistGradientBoostingRegressor(random_state=0).fit(space.one_hot(designs), values)
    return lambda rows: np.asarray(grown.predict(space.one_hot(rows)))
