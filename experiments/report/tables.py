"""The tables of the report: the best designs, and how to repeat the runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from codesign_gym.experiments.report.curves import BAND_SEEDS, Steps
from codesign_gym.experiments.report.study import FloatArray, Study
from codesign_gym.experiments.report.text import (
    caption_of,
    kept,
    margin,
    metric_name,
    number,
    plural,
    scrolling,
    share,
    table,
    tag,
    with_unit,
)
from codesign_gym.experiments.statistics import bootstrap_interval, iqm

TOP = 10


def agents(study: Study, volumes: Sequence[Steps]) -> str:
    """The agents against each other at the end of their runs, a table."""
    m = len(study.objectives) > 1
    head = ["agent", "seeds", "evaluations", "feasible", "first feasible", "best reward"]
    body = []
    for agent, name in enumerate(study.agents):
        runs = [study.runs[r] for r in study.runs_of(agent)]
        n = sum(len(run.evaluation) for run in runs)
        firsts = [
            int(np.argmax(f)) + 1 if (f := run.evaluation.feasible).any() else 0 for run in runs
        ]
        failed = firsts.count(0)
        median = (
            number(float(np.median([f for f in firsts if f]))) if failed < len(runs) else "none"
        )
        row = [
            name,
            f"{len(runs)}",
            f"{n:,}",
            share(sum(int(r.evaluation.feasible.sum()) for r in runs), n),
        ]
        row.append(
            f"{median} (no: {plural(failed, 'seed')})" if failed and failed < len(runs) else median
        )
        row.append(_summary(np.array([run.reached for run in runs])))
        if m:
            row.append(_summary(np.array([volumes[r].y[-1] for r in study.runs_of(agent)])))
        body.append(row)
    caption = (
        "Interquartile mean over the seeds, with a 95 % bootstrap interval from three seeds on; "
        "first feasible: median number of evaluations."
    )
    return table(caption, head + ["hypervolume"] * m, body)


def _summary(values: FloatArray) -> str:
    if not np.isfinite(values).all():
        return "a seed found none" if len(values) > 1 else "none found"
    mean = number(float(iqm(values)))
    if len(values) < BAND_SEEDS:
        return mean
    low, high = bootstrap_interval(values[:, None], np.random.default_rng(0))
    return f"{mean} [{number(low[0])}, {number(high[0])}]"


def best_designs(study: Study) -> str:
    """The ten best different designs, one a column; choices equal to the first's are dimmed."""
    rows = study.ranked[:TOP]
    evaluation = study.evaluation.take(rows)
    designs, active = evaluation.designs, study.space.active(evaluation.designs)
    found = [study.runs[r] for r in study.run_of[rows]]
    names = [study.agents[a] for a in study.agent_of[study.run_of[rows]]]
    metrics = {m.name: m for m in study.metrics}
    goals = [m.name for m in study.objectives]
    parts = [_group("result", len(rows))]
    parts.append(_row("reward", [number(x) for x in study.rewards[rows]], "strong"))
    if len(study.runs) > 1:
        parts.append(
            _row(
                "found by",
                [f"{a}, seed {run.config.seed}" for a, run in zip(names, found, strict=True)],
            )
        )
    parts.append(_row("evaluation", [f"{x:,}" for x in study.position[rows]]))
    for metric in (*study.objectives, *(m for m in study.metrics if m.name not in goals)):
        values = [number(x) for x in evaluation.metrics[metric.name]]
        parts.append(
            _row(
                with_unit(metric_name(metric), metric.unit),
                values,
                "strong" if metric.name in goals else "",
            )
        )
    if study.specs:
        parts.append(_group("specs", len(rows)))
    for spec in study.specs:
        metric = metrics[spec.metric]
        column = evaluation.metrics[spec.metric]
        cells = [
            ("✓ " if kept(spec, x) else "✗ ") + margin(spec, metric, x) for x in column.tolist()
        ]
        parts.append(_row(metric_name(metric), cells))
    parts.append(_group("design", len(rows)))
    for c, (name, p) in enumerate(zip(study.space.names, study.space.parameters, strict=True)):
        cells = [
            str(p.values[i]) if on else "unused"
            for i, on in zip(designs[:, c], active[:, c], strict=True)
        ]
        parts.append(_row(with_unit(name, p.unit), cells, "diff"))
    head = tag(
        "tr",
        tag("td", "") + "".join(tag("th", f"#{i}", scope="col") for i in range(1, len(rows) + 1)),
    )
    caption = "Choices that equal those of design #1 are dimmed."
    inner = caption_of(caption) + tag("thead", head) + tag("tbody", "".join(parts))
    return scrolling(tag("table", inner, class_="designs"), "best designs")


def _group(name: str, columns: int) -> str:
    return tag("tr", tag("th", name, scope="rowgroup", colspan=str(columns + 1)), class_="group")


def _row(name: str, cells: Sequence[str], kind: str = "") -> str:
    same = [kind == "diff" and i > 0 and cell == cells[0] for i, cell in enumerate(cells)]
    data = "".join(
        tag("td", escape(c), class_="same" if s else "") for c, s in zip(cells, same, strict=True)
    )
    return tag("tr", tag("th", escape(name), scope="row") + data, class_=kind)


def flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested mappings as one, with dotted keys and text for values.

    >>> flatten({"a": {"b": 1, "c": [1, 2]}, "d": None})
    {'a.b': '1', 'a.c': '[1, 2]', 'd': 'none'}
    """
    flat: dict[str, str] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            flat[f"{prefix}{key}"] = "none" if text in ("", "null", "[]") else text
    return flat


def commands(study: Study) -> str:
    """The commands that repeat the runs, one a line."""
    return "\n".join(run.command for run in (*study.runs, *study.empty))


def provenance(study: Study) -> str:
    """Configuration, versions and dates: once where the runs agree, a column where they differ."""
    runs = (*study.runs, *study.empty)
    flat = [flatten(run.config.to_dict()) | flatten(run.info) for run in runs]
    keys = list(dict.fromkeys(key for record in flat for key in record))
    common = [key for key in keys if len({record.get(key) for record in flat}) == 1]
    varying = [key for key in keys if key not in common]
    head = ["run", *varying, "evaluations made", "finished"]
    body = [
        [
            f"{i}",
            *(record.get(key, "unset") for key in varying),
            f"{len(run.evaluation):,}",
            "yes" if run.finished else "no",
        ]
        for i, (run, record) in enumerate(zip(runs, flat, strict=True), 1)
    ]
    setting = "Settings and versions" if len(runs) == 1 else "Settings and versions of every run"
    return table(
        setting, ["what", "value"], [[k, flat[0][k]] for k in common], class_="keys"
    ) + table("Runs", head, body)
