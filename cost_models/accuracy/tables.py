"""Published tables of networks as cost models: accuracies and latencies read from CSV files.

A table has a line per network. Which network it is say columns called as the parameters of the
space are, with indices of their choices (``e01`` .. ``e23`` of ``nas-bench-201``, ``e0`` .. ``e5``
of ``transnas-101-micro``, ``l0`` .. ``l21`` of ``fbnet``), or ``arch_str``, the string of a cell,
or ``arch_idx``, a number that the table `CELL_INDEX` beside it explains. Any other column can be
the target; `TARGETS` says what those of the known tables are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from codesign_gym.cost_models.accuracy.csv_columns import (
    data_file,
    header,
    line_of,
    number_columns,
    text_columns,
)
from codesign_gym.cost_models.measured.table import MeasuredTable
from codesign_gym.cost_models.metrics import Metric
from codesign_gym.search_spaces import CellSpace, Designs, InputError, SearchSpace, make_space

CELL_INDEX = "nb201_accuracy.csv.gz"
"""The table that has both ``arch_idx`` and the cell, in the folder of a table that has no cells."""


class Target(NamedTuple):
    """What a column holds: name of the metric (groups of the pattern put in), unit, direction."""

    name: str
    unit: str
    direction: Literal["min", "max"]
    about: str


TARGETS: dict[str, Target] = {
    r"acc_(c10|c100|in16)_e(\d+)": Target(
        r"acc_\1_e\2_pct", "%", "max", r"test accuracy on \1 after \2 epochs"
    ),
    r"val_(c10|c100|in16)_e(\d+)": Target(
        r"val_\1_e\2_pct", "%", "max", r"validation accuracy on \1 after \2 epochs"
    ),
    r"acc_ninapro": Target("acc_ninapro_pct", "%", "max", "test accuracy on NinaPro DB5"),
    r"acc_darcy": Target("acc_darcy", "ratio", "max", "1 - relative l2 error on Darcy flow"),
    r"params_(c10|c100|in16)": Target(r"params_\1", "parameters", "min", "trained numbers"),
    r"macs_(c10|c100|in16)": Target(r"macs_\1", "MACs", "min", "multiply-accumulates"),
    r"(?:help|lat_ms)_(\w+)": Target(r"latency_\1_ms", "ms", "min", r"measured on \1"),
    r"(class_object|class_scene|jigsaw)": Target(r"\1_pct", "%", "max", "validation accuracy"),
    r"segmentsemantic": Target("segmentsemantic_pct", "%", "max", "validation pixel accuracy"),
    r"(autoencoder|normal)": Target(r"\1_ssim", "ratio", "max", "validation structural similarity"),
    r"room_layout": Target("room_layout_neg_loss", "nats", "max", "negative validation loss"),
}
"""Pattern of a column's name -> what it holds, for the known tables."""


def table(
    path: Path | str,
    space: SearchSpace,
    target: str | Sequence[str],
    metric: Metric | None = None,
    floor: float | None = None,
) -> MeasuredTable:
    """A measured table as a cost model.

    Args:
        path: A ``.csv`` or ``.csv.gz`` file, or its name in the folder ``CODESIGN_DATA``.
        space: The networks that it is about.
        target: The column of the metric, or several.
        metric: What the column holds, where `TARGETS` does not say.
        floor: Least value that counts, in place of smaller ones: cells through which nothing flows
            take almost no time, and a reward that divides by it would explode.

    Raises:
        InputError: There is no such file, a column is missing or holds something else; file and
            column are named.
    """
    file = data_file(path)
    targets = [target] if isinstance(target, str) else list(target)
    if not targets or (metric and len(targets) > 1):
        raise InputError(f"{file}: one target or, without a metric, several; got {targets}")
    columns = number_columns(file, targets)
    metrics = [metric or metric_of(name) for name in targets]
    values = np.stack([columns[name] for name in targets], axis=1)
    for column, one in enumerate(metrics):
        if one.unit == "ms":  # tables of latencies mark what failed to compile by -1
            values[values[:, column] < 0, column] = np.nan
    if floor is not None:
        values = np.maximum(values, floor)
    epochs = [int(found[1]) for name in targets if (found := re.search(r"_e(\d+)$", name))]
    return MeasuredTable(
        space,
        _designs(file, space),
        metrics,
        values,
        source=f"{file.name}, {', '.join(targets)}",
        name=f"{space.name}-{'-'.join(targets)}".replace("_", "-"),
        fidelity=max(epochs, default=0),
    )


def space_of(path: Path | str) -> SearchSpace | None:
    """The space of the networks that a table lists; None where its columns name none.

    Raises:
        InputError: There is no such file, or it is no table.
    """
    known = set(header(data_file(path)))
    for name in ("nas-bench-201", "transnas-101-micro", "fbnet"):
        space = make_space(name)
        if {p.name for p in space.parameters} <= known:
            return space
    cells = {"arch_str", "arch_idx"} & known
    return make_space("nas-bench-201") if cells else None


def metric_of(target: str) -> Metric:
    """What a column of a known table holds.

    Raises:
        InputError: `TARGETS` does not say.
    """
    for pattern, known in TARGETS.items():
        if found := re.fullmatch(pattern, target):
            name, about = found.expand(known.name), found.expand(known.about)
            return Metric(name, known.unit, known.direction, about)
    raise InputError(f"column {target!r} is of no known table: give the metric that it holds")


def _designs(file: Path, space: SearchSpace) -> Designs:
    names, known = [p.name for p in space.parameters], header(file)
    if "arch_str" in known and isinstance(space, CellSpace):
        return space.from_arch_string(text_columns(file, ["arch_str"])["arch_str"])
    if "arch_idx" in known and not set(names) & set(known) and file.name != CELL_INDEX:
        return _designs_by_index(file, space)
    columns = number_columns(file, names)
    for name, parameter in zip(names, space.parameters, strict=True):
        bad = ~np.isin(columns[name], np.arange(len(parameter)))
        if bad.any():
            line = int(bad.argmax())
            raise InputError(
                f"{file}, line {line_of(file, line)}: column {name!r} must be an index in "
                f"0..{len(parameter) - 1}, got {columns[name][line]:g}"
            )
    return np.stack([columns[name] for name in names], axis=1).astype(np.int32)


def _designs_by_index(file: Path, space: SearchSpace) -> Designs:
    index = file.parent / CELL_INDEX
    if not index.is_file():
        raise InputError(f"{file} numbers its networks: {index}, which explains them, is missing")
    known = number_columns(index, ["arch_idx"])["arch_idx"]
    wanted = number_columns(file, ["arch_idx"])["arch_idx"]
    if not len(known):
        raise InputError(f"{index} has no network: a table has a line for each")
    order = np.argsort(known)
    at = order[np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)]
    bad = known[at] != wanted
    if bad.any():
        line = int(bad.argmax())
        raise InputError(
            f"{file}, line {line_of(file, line)}: column 'arch_idx' must be one of {index.name}, "
            f"got {wanted[line]:g}"
        )
    return _designs(index, space)[at]
