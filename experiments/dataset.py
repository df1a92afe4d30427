"""Recorded evaluations as one table, to learn from or to take elsewhere.

A row is a design that was evaluated, once however often it was: the values of its parameters, its
metrics, whether it is valid and, if not, why. Beside a table ``name.csv`` stands
``name.csv.json``: where the rows come from, units, and what was left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned.frames import Frame, as_frame
from codesign_gym.cost_models.learned.training import joint_groups
from codesign_gym.cost_models.metrics import Metric, concat_metrics
from codesign_gym.envs import Spec
from codesign_gym.experiments.record import RunRecord
from codesign_gym.experiments.runner import environment
from codesign_gym.experiments.store import Store
from codesign_gym.experiments.table_files import ENDINGS, write_table
from codesign_gym.search_spaces import InputError, SearchSpace
from codesign_gym.search_spaces.errors import unknown_name
from codesign_gym.search_spaces.files import write_whole

PROBLEM, VALID, REASON = "problem", "valid", "reason"
SPLITS = ("random", "unseen", "largest")
SHARE = 0.2
"""Share of the rows, or of the groups, that is held out."""


@dataclass(frozen=True)
class Dataset:
    """A table of recorded evaluations.

    Attributes:
        frame: The rows.
        features: Columns of choices: the parameters, and the problem where there are several.
        metrics: What was measured.
        provenance: Problems, their cost models, runs, rows left out, versions.
    """

    frame: Frame
    features: tuple[str, ...]
    metrics: tuple[Metric, ...]
    provenance: dict[str, Any]


def dataset(
    stores: Sequence[Path],
    targets: Sequence[str] = (),
    where: Sequence[str] = (),
    valid_only: bool = False,
) -> Dataset:
    """The evaluations in stores as one table.

    Runs of several problems are joined where spaces and metrics are the same, the same
    accelerators on several workloads for instance; a column ``problem`` tells them apart.

    Args:
        stores: The stores.
        targets: Metrics to keep; all by default.
        where: Bounds on metrics, ``area_mm2<=4``: other rows are left out.
        valid_only: Whether designs are left out that are invalid, or were spared a costly model.

    Raises:
        InputError: There are no evaluations, those of a proxy, of different spaces, or of a
            problem whose cost models changed in between; a metric is unknown.
    """
    records = list(_records(stores))
    first = records[0]
    frames, runs = [], 0
    metrics = first.evaluation.metrics.metrics
    kept = _targets(metrics, targets)
    problems = list(dict.fromkeys(record.config.problem for record in records))
    repeated = 0
    for problem in problems:
        of_it = [record for record in records if record.config.problem == problem]
        designs = np.concatenate([record.evaluation.designs for record in of_it])
        measured = concat_metrics([record.evaluation.metrics for record in of_it])
        once = np.sort(np.unique(designs, axis=0, return_index=True)[1])
        repeated += len(designs) - len(once)
        runs += len(of_it)
        values = measured.take(once)
        columns: dict[str, Any] = {PROBLEM: [problem] * len(once)} if len(problems) > 1 else {}
        columns |= first.space.values(designs[once])
        for metric in metrics:
            column = values[metric.name]
            columns[metric.name] = np.where(np.isfinite(column), column, np.nan)
        columns[VALID] = values.valid.astype(np.float64)
        columns[REASON] = [values.reason(row) for row in range(len(once))]
        frames.append(as_frame(columns).columns)
    joined = {name: np.concatenate([frame[name] for frame in frames]) for name in frames[0]}
    units = {p.name: p.unit for p in first.space.parameters if p.unit}
    units |= {metric.name: metric.unit for metric in metrics if metric.unit}
    frame, left_out = _filtered(Frame(joined, units), where, valid_only, kept)
    dropped = {metric.name for metric in metrics} - {metric.name for metric in kept}
    dropped |= {VALID, REASON} if valid_only else set()
    shown = {name: column for name, column in frame.columns.items() if name not in dropped}
    features = tuple(name for name in shown if name == PROBLEM or name in first.space.names)
    facts = {
        "problems": {
            record.config.problem: {"models": record.info.get("models", [])} for record in records
        },
        "stores": [path.name for path in stores],
        "runs": runs,
        "rows": frame.rows,
        "repeated": repeated,
        "left_out": left_out,
        "where": list(where),
        "features": list(features),
        "metrics": [metric.to_dict() for metric in kept],
        **environment(),
    }
    used = Frame(shown, {name: unit for name, unit in units.items() if name in shown})
    return Dataset(used, features, kept, facts)


def _records(stores: Sequence[Path]) -> Iterator[RunRecord]:
    """The runs with evaluations; `InputError` where they do not fit each other."""
    seen: dict[str, RunRecord] = {}
    for path in stores:
        with Store(path) as store:
            records = [record for record in store.records() if len(record.evaluation)]
        for record in records:
            problem = record.config.problem
            if record.config.proxy:
                raise InputError(
                    f"{path} has a run with the proxy {record.config.proxy}: not a truth"
                )
            same = seen.setdefault(problem, record)
            if same.info.get("models") != record.info.get("models"):
                raise InputError(
                    f"{path}: the cost models of {problem!r} were changed between the runs"
                )
            first = next(iter(seen.values()))
            if not _alike(first, record):
                raise InputError(
                    f"{path}: runs of {first.config.problem!r} and of {problem!r} have different "
                    "spaces or metrics: make a table of each"
                )
            yield record
    if not seen:
        raise InputError(f"no evaluations in {', '.join(map(str, stores))}")


def _alike(one: RunRecord, other: RunRecord) -> bool:
    def choices(space: SearchSpace) -> list[Any]:
        return [(p.name, p.values, p.unit) for p in space.parameters]

    same = one.evaluation.metrics.metrics == other.evaluation.metrics.metrics
    return same and choices(one.space) == choices(other.space)


def _targets(metrics: Sequence[Metric], targets: Sequence[str]) -> tuple[Metric, ...]:
    by_name = {metric.name: metric for metric in metrics}
    for name in targets:
        if name not in by_name:
            raise unknown_name("metric of the runs", name, by_name)
    return tuple(m for m in metrics if not targets or m.name in targets)


def _filtered(
    frame: Frame, where: Sequence[str], valid_only: bool, targets: Sequence[Metric]
) -> tuple[Frame, int]:
    keep = np.ones(frame.rows, dtype=np.bool_)
    for text in where:
        spec = Spec.parse(text)
        if spec.metric not in frame.columns or frame.columns[spec.metric].dtype.kind == "U":
            numbers = [name for name, c in frame.columns.items() if c.dtype.kind == "f"]
            raise unknown_name("column of numbers", spec.metric, numbers)
        values = frame.columns[spec.metric]
        keep &= np.isfinite(values)
        keep[keep] &= spec.violation(values[keep]) == 0
    if valid_only:
        keep &= frame.columns[VALID] == 1
        for metric in targets:
            keep &= np.isfinite(frame.columns[metric.name])
    if not keep.any():
        raise InputError(f"no row of {frame.rows} is left by the conditions")
    return frame.take(np.flatnonzero(keep)), int((~keep).sum())


def split(data: Dataset, how: str, seed: int = 0) -> NDArray[np.bool_]:
    """Which rows are held out, ``[n]``.

    Args:
        data: The table.
        how: ``random``, a fifth of the rows; ``unseen:COLUMN,...``, all rows of a fifth of the
            combinations of these columns; ``largest:COLUMN``, the fifth with the largest values.
        seed: Of what is drawn.

    Raises:
        InputError: There is no such split or column, or nothing would be left on one side.
    """
    kind, _, rest = how.partition(":")
    names = [name for name in rest.split(",") if name]
    n = data.frame.rows
    rng = np.random.default_rng(seed)
    if kind not in SPLITS or bool(names) != (kind != "random"):
        raise InputError(f"a split must be random, unseen:COLUMN or largest:COLUMN, got {how!r}")
    held = np.zeros(n, dtype=np.bool_)
    if kind == "random":
        held[rng.permutation(n)[: round(SHARE * n)]] = True
    elif kind == "unseen":
        groups = joint_groups(data.frame, names)
        assert groups is not None
        several = int(groups.max()) + 1
        drawn = rng.permutation(several)[: max(1, round(SHARE * several))]
        held = np.isin(groups, drawn)
    else:
        column = data.frame.columns.get(names[0])
        if column is None or column.dtype.kind == "U" or len(names) > 1:
            numbers = [name for name, c in data.frame.columns.items() if c.dtype.kind == "f"]
            raise unknown_name("column of numbers", rest, numbers)
        order = np.argsort(np.where(np.isnan(column), -np.inf, column), kind="stable")
        held[order[n - round(SHARE * n) :]] = True
    if not held.any() or held.all():
        raise InputError(f"the split {how!r} of {n} rows leaves nothing on one side")
    return held


def write_dataset(data: Dataset, path: Path, how: str = "", seed: int = 0) -> list[Path]:
    """Write the table, or its two parts ``-train`` and ``-test``, each with its provenance."""
    name = path.name
    ending = next((e for e in reversed(ENDINGS) if name.lower().endswith(e)), "")
    if not ending:
        raise InputError(f"a table must end in {', '.join(ENDINGS)}, got {path}")
    parts: Mapping[Path, Frame] = {path: data.frame}
    if how:
        held, stem = split(data, how, seed), name[: -len(ending)]
        parts = {
            path.with_name(f"{stem}-train{ending}"): data.frame.take(np.flatnonzero(~held)),
            path.with_name(f"{stem}-test{ending}"): data.frame.take(np.flatnonzero(held)),
        }
    for file, frame in parts.items():
        facts = data.provenance | {
            "rows": frame.rows,
            "units": frame.units,
            "split": how,
            "seed": seed,
            "data_sha256": frame.digest(),
        }
        write_table(file, frame)
        write_whole(file.with_name(file.name + ".json"), json.dumps(facts, indent=1) + "\n")
    return list(parts)
