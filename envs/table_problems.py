"""Problems that are somebody's table of tuning results: ``codesign run results.csv``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

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
    """The best configuration of a table of measured ones; see `tuning_table`.

    Args:
        name: A file; behind ``#`` the column of results, which is minimised, or ``#max:column``.

    Raises:
        InputError: The file is no such table, or a result is not above 0.
    """
    path, _, column = name.partition("#")
    direction: Literal["min", "max"] = "max" if column.startswith("max:") else "min"
    model = tuning_table(path, column.removeprefix("max:"), direction=direction)
    metric = model.metrics[0]
    results = model.measured[np.isfinite(model.measured)]
    if not len(results) or results.min() <= 0:
        raise InputError(f"{path}: results in {metric.name!r} must be above 0")
    return DesignProblem(
        name=name,
        space=model.space,
        models=(model,),
        objective_names=(metric.name,),
        specs=(),
        reward=WeightedProduct(
            {metric.name: -metric.sign}, {metric.name: float(np.median(results))}
        ),
        description=f"the best of {len(results):,} measured configurations",
        source=model.source,
    )
