"""Problems that are somebody's table of results: ``codesign run results.csv``.

A table of networks on several tasks is a problem of several objectives, ``file#column,column``:
each evaluation gives all of them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from codesign_gym.cost_models.accuracy.csv_columns import data_file
from codesign_gym.cost_models.accuracy.tables import metric_of, space_of, table
from codesign_gym.cost_models.measured.table import MeasuredTable
from codesign_gym.cost_models.measured.tuning import tuning_table
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.envs.rewards import MeanQuantile, Reward, WeightedProduct
from codesign_gym.search_spaces import InputError

QUANTILES = 101
"""Steps of the distribution that a reward knows of each of several objectives."""

_ENDINGS = (".csv", ".csv.gz", ".parquet")


def table_of(name: str) -> Path | None:
    """The file that a problem's name names, ``file`` or ``file#column``; None if it names none."""
    path, _, _ = name.partition("#")
    return Path(path) if path.lower().endswith(_ENDINGS) else None


def table_problem(name: str) -> DesignProblem:
    """The best of a table: of measured configurations (`tuning_table`) or of networks (`table`).

    A table of networks has columns called as the parameters of ``nas-bench-201``,
    ``transnas-101-micro`` or ``fbnet``, or ``arch_str`` or ``arch_idx``; its own columns say
    whether less or more is better.

    Args:
        name: A file, or one in the folder that ``CODESIGN_DATA`` names; behind ``#`` the column of
            results, which is minimised, or ``#max:column``; of a table of networks also several
            columns, ``#column,column``, an objective each.

    Raises:
        InputError: The file is no such table, or a result of a configuration is not above 0.
    """
    path, _, column = name.partition("#")
    file = data_file(path)
    target, upwards = column.removeprefix("max:"), column.startswith("max:")
    space = None if file.suffix == ".parquet" else space_of(file)
    if space is None:
        model = tuning_table(file, target, direction="max" if upwards else "min")
        if model.measured[np.isfinite(model.measured)].min(initial=1) <= 0:
            raise InputError(f"{name}: results in {model.metrics[0].name!r} must be above 0")
    elif not target:
        raise InputError(f"{path} is a table of networks: name a column, {path}#COLUMN")
    elif "," in column:
        model = table(file, space, _several(name, column))
    else:
        metric = metric_of(target)
        model = table(file, space, target, replace(metric, direction="max") if upwards else metric)
    return _best_of(model, name)


def _several(name: str, columns: str) -> list[str]:
    targets = columns.split(",")
    repeated = len(set(targets)) < len(targets)
    if repeated or any(not target or target.startswith("max:") for target in targets):
        raise InputError(
            f"{name}: several columns must be different names with a comma between them, each "
            f"optimised as its table says, got {columns!r}"
        )
    return targets


def _best_of(model: MeasuredTable, name: str) -> DesignProblem:
    measured = model.measured[np.isfinite(model.measured).all(axis=1)]
    if not len(measured):
        names = ", ".join(metric.name for metric in model.metrics)
        raise InputError(f"{name}: no design has results in {names}")
    reward: Reward
    if measured.shape[1] == 1 and measured.min() > 0:
        [metric] = model.metrics
        reward = WeightedProduct(
            {metric.name: -metric.sign}, {metric.name: float(np.median(measured))}
        )
    else:
        steps = np.quantile(measured, np.linspace(0, 1, QUANTILES), axis=0).T.tolist()
        reward = MeanQuantile(
            {m.name: tuple(own) for m, own in zip(model.metrics, steps, strict=True)}
        )
    return DesignProblem(
        name=name,
        space=model.space,
        models=(model,),
        objective_names=tuple(metric.name for metric in model.metrics),
        specs=(),
        reward=reward,
        description=f"the best of {len(measured):,} measured designs",
        source=model.source,
    )
