"""Training a proxy cost model from tables or stores, and saying how good it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned.frames import Frame, as_frame, read_table
from codesign_gym.cost_models.learned.model import LearnedCostModel
from codesign_gym.cost_models.learned.training import (
    FEWEST_ROWS,
    Methods,
    check_table,
    joint_groups,
    table_of_designs,
    train,
    train_on_designs,
)
from codesign_gym.cost_models.metrics import Metrics, concat_metrics
from codesign_gym.experiments.bench_rows import cpu_seconds
from codesign_gym.experiments.record import RunRecord
from codesign_gym.experiments.runner import problem_of
from codesign_gym.experiments.scores import scores
from codesign_gym.experiments.store import Store
from codesign_gym.search_spaces import Designs, InputError

_CURVE = (100, 300, 1000, 3000)
_TIMED = 4096
_TIMED_TRULY = 64

Fit = Callable[[NDArray[np.intp], Methods], LearnedCostModel]
"""Trains on some of the rows, by these methods."""


@dataclass(frozen=True)
class ModelCard:
    """How well a proxy predicts what it has not seen; all errors are of models without the rows.

    Attributes:
        metrics: Metric -> `scores` on a random fifth of the rows.
        rows: Rows trained on, the tested ones included in the saved model.
        test_rows: Rows tested on while they were left out.
        us_per_design: CPU microseconds to predict one row in a batch of up to 4,096.
        us_single: CPU microseconds to predict one row alone.
        methods: What was chosen, and what it corrects.
        unseen: Metric -> `scores` on a fifth of the groups; empty where rows have none.
        unseen_groups: The columns that make a group.
        extrapolation: Metric -> `scores` on the largest fifth, by ``ordered_by``.
        ordered_by: What that is the largest of.
        learning_curve: Metric -> errors by number of rows.
        true_us: CPU microseconds of the true cost models for one design; 0 where unknown.
        speedup: How many times faster the proxy is, in batches; 0 where unknown.
        left_out: Rows without a measured value, where they were to be dropped.
        constant: Columns that never change, and so tell nothing.
    """

    metrics: dict[str, dict[str, float]]
    rows: int
    test_rows: int
    us_per_design: float
    us_single: float
    methods: str = ""
    unseen: dict[str, dict[str, float]] = field(default_factory=dict)
    unseen_groups: list[str] = field(default_factory=list)
    extrapolation: dict[str, dict[str, float]] = field(default_factory=dict)
    ordered_by: str = ""
    learning_curve: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    true_us: float = 0.0
    speedup: float = 0.0
    left_out: int = 0
    constant: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Task:
    """What is learned: a table, its targets, and how a model is made of some of its rows."""

    frame: Frame
    targets: tuple[str, ...]
    fit: Fit
    model: str
    order: tuple[str, NDArray[np.float64]]
    groups: tuple[str, ...] = ()


def train_proxy(
    sources: Sequence[Path],
    out: Path,
    seed: int = 0,
    target: str = "",
    features: Sequence[str] = (),
    model: str = "auto",
    baseline: str | None = None,
    drop_missing: bool = False,
) -> ModelCard:
    """Train a proxy on tables, or on all evaluations in stores, and save it.

    A fifth of the rows is held out to measure the errors; the saved proxy is then trained on all
    of them.

    Args:
        sources: Stores, or tables of one schema (``.csv``, ``.csv.gz``, ``.parquet``).
        out: File to write.
        seed: Of splits and methods.
        target: The column of a table to predict; stores take all metrics.
        features: Columns of a table to predict it from; by default what `dataset` wrote beside it,
            or else all others.
        model: A method, or ``auto``.
        baseline: What to correct, as in `codesign_gym.cost_models.learned.train`.
        drop_missing: Whether rows of a table without a value are left out, and counted.

    Raises:
        InputError: The stores mix problems, hold a proxy's own predictions, or too few
            designs; the table lacks the column, or has missing, constant or too few values.
    """
    tables = [path for path in sources if not _is_store(path)]
    left_out, true_us = 0, 0.0
    if tables:
        if len(tables) < len(sources):
            raise InputError("give either tables or stores, not both")
        task, left_out = _table_task(
            tables, target, tuple(features), model, baseline, seed, drop_missing
        )
    else:
        task, true_us = _store_task(list(sources), model, seed)
    trial, parts = _evaluated(task, seed)
    proxy = task.fit(np.arange(task.frame.rows), trial.methods)
    proxy.provenance["scores"] = parts["metrics"]
    out.parent.mkdir(parents=True, exist_ok=True)
    proxy.save(out)
    batch = task.frame.take(np.resize(np.arange(task.frame.rows), _TIMED))
    us_per_design = _microseconds(proxy, batch) / _TIMED
    return ModelCard(
        rows=task.frame.rows,
        us_per_design=us_per_design,
        us_single=_microseconds(proxy, batch.take(np.arange(1))),
        methods=proxy.source,
        true_us=true_us,
        speedup=true_us / us_per_design,
        left_out=left_out,
        constant=list(proxy.schema.constant),
        **parts,
    )


def _is_store(path: Path) -> bool:
    return not path.name.lower().endswith((".csv", ".csv.gz", ".parquet"))


def _evaluated(task: _Task, seed: int) -> tuple[LearnedCostModel, dict[str, Any]]:
    """A model of four fifths, and what models without some rows say of those."""
    n = task.frame.rows
    order = np.random.default_rng(seed).permutation(n)
    test, rest = order[: n // 5], order[n // 5 :]
    held = task.frame.take(test)
    trial = task.fit(rest, task.model)
    methods = trial.methods

    def scored(model: LearnedCostModel, frame: Frame) -> dict[str, dict[str, float]]:
        return {name: scores(model, frame, name) for name in task.targets}

    def split(mask: NDArray[np.bool_]) -> dict[str, dict[str, float]]:
        train_rows = np.flatnonzero(~mask)
        if len(train_rows) < FEWEST_ROWS or not mask.any():
            return {}
        fitted = task.fit(train_rows, methods)
        return scored(fitted, task.frame.take(np.flatnonzero(mask)))

    metrics = scored(trial, held)
    curve: dict[str, list[dict[str, float]]] = {name: [] for name in task.targets}
    for size in (*(s for s in _CURVE if s < len(rest)), len(rest)):
        fitted = trial if size == len(rest) else task.fit(rest[:size], methods)
        for name, found in (metrics if fitted is trial else scored(fitted, held)).items():
            short = {key: found[key] for key in ("rmse_pct", "mape_pct", "kendall_tau")}
            curve[name].append({"rows": float(size), **short})
    ordered_by, values = task.order
    largest = np.zeros(n, dtype=np.bool_)
    largest[np.argsort(values, kind="stable")[n - n // 5 :]] = True
    unseen: dict[str, dict[str, float]] = {}
    groups = joint_groups(task.frame, task.groups)
    if groups is not None:
        several = int(groups.max()) + 1
        drawn = np.random.default_rng(seed).permutation(several)[: several // 5]
        unseen = split(np.isin(groups, drawn))
    return trial, {
        "metrics": metrics,
        "test_rows": len(test),
        "learning_curve": curve,
        "extrapolation": split(largest),
        "ordered_by": ordered_by,
        "unseen": unseen,
        "unseen_groups": list(task.groups),
    }


# -- tables --------------------------------------------------------------------------------------


def _table_task(
    paths: list[Path],
    target: str,
    features: tuple[str, ...],
    model: str,
    baseline: str | None,
    seed: int,
    drop_missing: bool,
) -> tuple[_Task, int]:
    frame = _joined(paths)
    features = features or _features_beside(paths)
    if not target:
        raise InputError(f"a table needs --target, one of its columns: {', '.join(frame.columns)}")
    left_out = 0
    if drop_missing:
        used = [name for name in (*features, target) if name in frame.columns]
        keep = np.ones(frame.rows, dtype=np.bool_)
        for name in used if features else frame.columns:
            column = frame.columns[name]
            keep &= column != "" if column.dtype.kind == "U" else np.isfinite(column)
        left_out = int((~keep).sum())
        frame = frame.take(np.flatnonzero(keep))
    if frame.rows < FEWEST_ROWS * 5 // 4:
        raise InputError(
            f"training needs at least {FEWEST_ROWS * 5 // 4} rows, the table has {frame.rows}"
        )
    chosen = list(features) or None
    check_table(frame, target, chosen)

    def fit(rows: NDArray[np.intp], how: Methods) -> LearnedCostModel:
        facts = {"table": ", ".join(path.name for path in paths)}
        return train(frame.take(rows), target, chosen, how, baseline, seed, provenance=facts)

    product = {"m", "n", "k"} <= set(frame.columns if chosen is None else chosen)
    values = frame.columns.get(target, np.zeros(frame.rows))
    ordered = target, values
    if product and all(frame.columns[name].dtype.kind == "f" for name in "mnk"):
        ordered = "m * n * k", np.prod([frame.columns[name] for name in "mnk"], axis=0)
    return _Task(frame, (target,), fit, model, ordered, ("n", "k") if product else ()), left_out


def _features_beside(paths: list[Path]) -> tuple[str, ...]:
    """The columns of choices that files beside the tables name, as `codesign dataset` writes them.

    Empty where a table has no such file.
    """
    named = []
    for path in paths:
        beside = path.with_name(path.name + ".json")
        if not beside.is_file():
            return ()
        try:
            named.append(tuple(str(name) for name in json.loads(beside.read_text())["features"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{beside} does not say what the features are: {error}") from None
    if len(set(named)) > 1:
        raise InputError(f"tables of different features: {named}")
    return named[0]


def _joined(paths: list[Path]) -> Frame:
    """The rows of several tables, which must have the same columns in the same units."""
    frames = [read_table(path) for path in paths]
    first = frames[0]
    for path, frame in zip(paths[1:], frames[1:], strict=True):
        if set(frame.columns) != set(first.columns):
            raise InputError(
                f"{path} has the columns {', '.join(frame.columns)}, {paths[0]} has "
                f"{', '.join(first.columns)}"
            )
        for name in frame.columns:
            ours, theirs = (units.get(name, "none") for units in (first.units, frame.units))
            if ours != theirs:
                raise InputError(
                    f"column {name!r} has the unit {theirs} in {path}, {ours} in {paths[0]}"
                )
    columns = {
        name: np.concatenate([frame.columns[name] for frame in frames]) for name in first.columns
    }
    return Frame(as_frame(columns).columns, first.units)


# -- stores --------------------------------------------------------------------------------------


def _store_task(stores: list[Path], model: str, seed: int) -> tuple[_Task, float]:
    """What is to be learned of stores, and CPU microseconds of the true models per design."""
    first, designs, metrics = _load(stores)
    rows = np.flatnonzero(np.isfinite(metrics.values_matrix).all(axis=1))
    designs, metrics = designs[rows], metrics.take(rows)
    if len(designs) < FEWEST_ROWS * 5 // 4:
        raise InputError(
            f"training needs at least {FEWEST_ROWS * 5 // 4} distinct designs, the stores hold "
            f"{len(designs)}"
        )
    space = first.space
    facts = {"problem": first.config.problem, "models": first.info.get("models", [])}
    frame = table_of_designs(space, designs, metrics)

    def fit(some: NDArray[np.intp], how: Methods) -> LearnedCostModel:
        return train_on_designs(space, designs[some], metrics.take(some), how, seed, facts)

    goal = metrics.metrics[0].name
    task = _Task(frame, tuple(metrics), fit, model, (goal, metrics[goal]))
    return task, _true_us(first, designs)


def _true_us(record: RunRecord, designs: Designs) -> float:
    """CPU microseconds of the true cost models for one design; 0 where they are costly or gone."""
    try:
        problem = problem_of(replace(record.config, proxy=""))
    except InputError:
        return 0.0
    if any(model.expensive for model in problem.models):
        return 0.0
    few = designs[:_TIMED_TRULY]
    return 1e6 * cpu_seconds(partial(problem.measure, few), 3) / len(few)


def _load(stores: list[Path]) -> tuple[RunRecord, Designs, Metrics]:
    """The first run in stores, their distinct designs and the metrics of these."""
    records = []
    for path in stores:
        with Store(path) as store:
            records += store.records()
    if not records:
        raise InputError(f"no evaluations in {', '.join(map(str, stores))}")
    first = records[0]
    for record in records:
        if record.config.proxy:
            raise InputError(f"a run was made with the proxy {record.config.proxy}: not a truth")
        if record.config.problem != first.config.problem:  # equal spaces may cost differently
            raise InputError(
                f"runs of {first.config.problem!r} and of {record.config.problem!r}: "
                "train a proxy for each problem"
            )
        if record.info.get("models") != first.info.get("models"):
            raise InputError(
                f"runs with the cost models {first.info.get('models')} and "
                f"{record.info.get('models')}: train a proxy for each"
            )
        same_metrics = record.evaluation.metrics.metrics == first.evaluation.metrics.metrics
        if record.space != first.space or not same_metrics:
            raise InputError(
                f"problem {first.config.problem!r} was changed between the runs: its space or "
                "metrics differ"
            )
    designs = np.concatenate([record.evaluation.designs for record in records])
    metrics = concat_metrics([record.evaluation.metrics for record in records])
    _, once = np.unique(designs, axis=0, return_index=True)
    return first, designs[once], metrics.take(once)


def _microseconds(proxy: LearnedCostModel, frame: Frame) -> float:
    return 1e6 * cpu_seconds(partial(proxy.assess, frame))
