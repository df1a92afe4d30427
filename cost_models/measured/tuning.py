"""Any table of measured configurations as a cost model: a user's tuning results, searched again.

Columns of choices and one of results, as kernel tuners write them (Petrovic et al., "A benchmark
set of highly-efficient CUDA and OpenCL kernels and its dynamic autotuning with Kernel Tuning
Toolkit", FGCS 2020). Combinations that were not measured, or failed, are invalid.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from codesign_gym.cost_models.learned.frames import Frame, read_table
from codesign_gym.cost_models.measured.table import MeasuredTable
from codesign_gym.cost_models.metrics import Metric
from codesign_gym.search_spaces import (
    Categorical,
    Designs,
    InputError,
    Ordinal,
    Parameter,
    SearchSpace,
)
from codesign_gym.search_spaces.errors import unknown_name

_MOST_VALUES = 256
_RESULTS = ("time_mean_ms", "time_ms", "latency_ms", "latency", "runtime", "time")


def tuning_table(
    path: str | Path,
    target: str = "",
    choices: tuple[str, ...] = (),
    direction: Literal["min", "max"] = "min",
) -> MeasuredTable:
    """Results of measured configurations, looked up.

    Args:
        path: The table, ``.csv``, ``.csv.gz`` or ``.parquet``.
        target: The column of results; by default the first known name of a time in it.
        choices: The columns of choices; by default those before the target.
        direction: Whether less or more of the target is better.

    Raises:
        InputError: The file is no table, lacks a column, has two results for one configuration,
            or a column of choices has a missing value or more than 256 different ones.
    """
    file = read_table(path)
    target = target or next((name for name in _RESULTS if name in file.columns), "")
    if target not in file.columns:
        raise unknown_name(f"target column of {path}", target, file.columns)
    names = choices or tuple(file.columns)[: list(file.columns).index(target)]
    results = file.columns[target]
    if not names or results.dtype.kind == "U":
        raise InputError(f"{path} needs columns of choices before {target!r}, and numbers in that")
    space, designs = _space(path, file, names)
    return MeasuredTable(
        space,
        designs,
        (Metric(target, file.units.get(target, ""), direction),),
        np.where(np.isfinite(results), results, np.nan)[:, None],
        source=f"measurements in {Path(path).name}",
        name=f"table-{Path(path).name}",
    )


def _space(path: str | Path, table: Frame, names: tuple[str, ...]) -> tuple[SearchSpace, Designs]:
    """The space of the values in columns, and the rows as designs of it."""
    parameters: list[Parameter] = []
    designs = []
    for name in names:
        if name not in table.columns:
            raise unknown_name(f"column of {path}", name, table.columns)
        column, unit = table.columns[name], table.units.get(name, "")
        missing = column == "" if column.dtype.kind == "U" else ~np.isfinite(column)
        if missing.any():
            raise InputError(f"{path}: column {name!r} has no value in row {int(missing.argmax())}")
        seen, index = np.unique(column, return_inverse=True)
        if len(seen) > _MOST_VALUES:
            raise InputError(
                f"{path}: a column of choices may have at most {_MOST_VALUES} values, {name!r} has "
                f"{len(seen)}"
            )
        label, values = name.replace(".", "_"), seen.tolist()
        if column.dtype.kind == "U":
            parameters.append(Categorical(label, tuple(values), unit))
        else:
            whole = tuple(int(v) if v == int(v) else v for v in values)
            parameters.append(Ordinal(label, whole, unit))
        designs.append(index.ravel().astype(np.int32))
    return SearchSpace("table", tuple(parameters)), np.stack(designs, axis=1)
