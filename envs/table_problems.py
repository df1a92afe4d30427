"""Problems that are somebody's table of results: ``codesign run results.csv``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from codesign_gym.cost_models.accuracy.csv_columns import data_file
from codesign_gym.cost_models.accuracy.tables import metric_of, space_of, table
from codesign_gym.cost_models.measured.table import MeasuredTable
from codesign_gym.cost_models.measured.tuning import tuning_table
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.envs.rewards import WeightedProduct
from codesign_gym.search_spaces import InputError

_ENDINGS = (".csv", ".csv.gz", ".parquet")


def table_of(name: str) -> Path | None:
    """The file that a problem's name names, ``file``, ``file#column``; None if it names none."""
    path, _, _ = name.partition("#")
    return Path(path) if path.lower().endswith(_ENDINGS) else None


def table_problem(name: str) -> DesignProblem:
    """The best of a table: of measured configurations (`tuning_table`) or of networks (`table`).

    A table of networks has columns called as the parameters of ``nas-bench-201``,
    ``transnas-101-micro`` or ``fbnet``, or ``arch_str`` or ``arch_idx``; its own columns say
    whether less or more is better.

    Args:
        name: A file, or one in the folder that ``CODESIGN_DATA`` names; behind ``#`` the column of
            results, which is minimised, or ``#max:column``.

    Raises:
        InputError: The file is no such table, or a result is not above 0.
    """
    path, _, column = name.partition("#")
    file = data_file(path)
    target, upwards = column.removeprefix("max:"), column.startswith("max:")
    space = None if file.suffix == ".parquet" else space_of(file)
    if space is None:
        model = tuning_table(file, target, direction="max" if upwards else "min")
    elif not target:
        raise InputError(f"{path} is a table of networks: name a column, {path}#COLUMN")
    else:
        metric = metric_of(target)
        model = table(file, space, target, replace(metric, direction="max") if upwards else metric)
    return _best_of(model, name)


def _best_of(model: MeasuredTable, name: str) -> DesignProblem:
    metric = model.metrics[0]
    results = model.measured[np.isfinite(model.measured)]
    if not len(results) or results.min() <= 0:
        raise InputError(f"{name}: results in {metric.name!r} must be above 0")
    return DesignProblem(
        name=name,
        space=model.space,
        models=(model,),
        objective_names=(metric.name,),
        specs=(),
        reward=WeightedProduct(
            {metric.name: -metric.sign}, {metric.name: float(np.median(results))}
        ),
        description=f"the best of {len(results):,} measured designs",
        source=model.source,
    )
