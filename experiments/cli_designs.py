"""Commands on single designs: evaluate, explain, export."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from codesign_gym.experiments import console
from codesign_gym.experiments.cli_app import (
    Family,
    Json,
    Model,
    Proxy,
    Specs,
    Trace,
    app,
    given_specs,
)
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.runner import problem_of
from codesign_gym.experiments.summaries import design_rows
from codesign_gym.search_spaces import Designs, InputError, SearchSpace
from codesign_gym.search_spaces.errors import unknown_name
from codesign_gym.search_spaces.files import write_whole

EXPLAINED = {
    "layers": {
        "task": "task",
        "layer": "layer",
        "on": "on",
        "times": "x",
        "start": "start",
        "cycles": "cycles",
        "cycles_pct": "%",
        "util_pct": "util %",
        "bound": "bound",
        "energy_pct": "energy %",
        "macs_per_byte": "MAC/B",
    },
    "energy of one run of a layer, and per cent of it": {
        "layer": "layer",
        "energy_uj": "uJ",
        "mac_pct": "MAC",
        "registers_pct": "registers",
        "noc_pct": "NoC",
        "buffer_pct": "buffer",
        "dram_pct": "DRAM",
        "static_pct": "static",
    },
    "mappings: PEs in parallel, kept in a PE, buffer's tile/size, innermost tile loop": {
        "layer": "layer",
        "stays": "stays",
        "array": "array",
        "in_pe": "in PE",
        "tile": "tile",
        "inner": "inner",
    },
    "tasks, by start": {
        "task": "task",
        "on": "on",
        "output": "output",
        "start_ms": "start ms",
        "end_ms": "end ms",
        "bound": "bound",
        "bound_pct": "% of time",
        "energy_pct": "energy %",
    },
}
"""Tables that show `CostModel.explain`: title -> columns and their short headings."""


@app.command()
@console.plain_errors
def evaluate(
    problem: Annotated[str, typer.Argument(help="Name of a problem.")],
    design: Annotated[
        list[str] | None, typer.Option(help="JSON: values by parameter, or choice indices.")
    ] = None,
    designs: Annotated[
        Path | None, typer.Option(help="JSON file with a list of designs; - reads stdin.")
    ] = None,
    specs: Specs = None,
    model: Model = "",
    family: Family = "",
    trace: Trace = "",
    proxy: Proxy = "",
    as_json: Json = False,
) -> None:
    """Evaluate designs given by hand."""
    config = RunConfig(
        problem, agent="", specs=given_specs(specs), model=model, family=family, trace=trace
    )
    found = problem_of(config, proxy=proxy)
    given = [_json(text, "--design") for text in design or []]
    if designs is not None:
        try:
            text = sys.stdin.read() if str(designs) == "-" else designs.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {designs}: {error}") from None
        listed = _json(text, str(designs))
        given += listed if isinstance(listed, list) else [listed]
    if not given:
        raise InputError("no design given: use --design or --designs")
    rows = [_choices(found.space, i, item) for i, item in enumerate(given)]
    evaluation = found.evaluate(np.concatenate(rows))
    table = design_rows(found.space, evaluation, found.reward(evaluation))
    if as_json:
        console.print_json(table)
        return
    console.print_designs(table, found.space, found.name)


@app.command()
@console.plain_errors
def explain(
    problem: Annotated[str, typer.Argument(help="Name of a problem.")],
    design: Annotated[str, typer.Option(help="JSON: values by parameter, or choice indices.")],
    model: Model = "",
    family: Family = "",
    trace: Trace = "",
    as_json: Json = False,
) -> None:
    """Show where the cycles and the energy of one design go, layer by layer."""
    found = problem_of(RunConfig(problem, agent="", model=model, family=family, trace=trace))
    choices = _choices(found.space, 0, _json(design, "--design"))
    rows = [
        row for m in found.models for row in m.explain(choices[:, found.space.columns_of(m.space)])
    ]
    if as_json:
        console.print_json(rows)
        return
    evaluation = found.evaluate(choices)
    console.print_designs(
        design_rows(found.space, evaluation, found.reward(evaluation)), found.space, found.name
    )
    if not rows:
        console.out.print("no cost model has parts to show of this design")
        return
    for title, table in _explained(rows).items():
        console.print_table(table, title)


@app.command()
@console.plain_errors
def export(
    problem: Annotated[str, typer.Argument(help="Name of a problem.")],
    design: Annotated[str, typer.Option(help="JSON: values by parameter, or choice indices.")],
    out: Annotated[Path, typer.Option("--out", help="Directory; each format has a folder in it.")],
    forms: Annotated[
        list[str] | None,
        typer.Option("--format", help="scalesim, zigzag, timeloop, dramsys; or all that apply."),
    ] = None,
    model: Model = "",
    family: Family = "",
    trace: Trace = "",
) -> None:
    """Write a design as input files of SCALE-Sim, ZigZag, Timeloop or DRAMSys."""
    found = problem_of(RunConfig(problem, agent="", model=model, family=family, trace=trace))
    choices = _choices(found.space, 0, _json(design, "--design"))
    applying = list(dict.fromkeys(name for m in found.models for name in m.formats))
    if not applying:
        raise InputError(f"no cost model of {problem!r} has a format to export to")
    for name in forms or ():
        if name not in applying:
            raise unknown_name(f"format of {problem!r}", name, applying)
    files: dict[Path, str] = {}  # all of them before the first is written
    for costs in found.models:
        part = choices[:, found.space.columns_of(costs.space)]
        for name in costs.formats:
            if not forms or name in forms:
                texts = costs.export(part, name)
                files |= {out / name / file: text for file, text in texts.items()}
    for path, text in files.items():
        write_whole(path, text)
        console.out.print(str(path), soft_wrap=True)


def _explained(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The tables of `EXPLAINED` that the rows are for, equal rows of a table once."""
    one_task = len({row.get("task") for row in rows}) == 1
    known = {name for headings in EXPLAINED.values() for name in headings}
    if any(row.keys() - known for row in rows):  # of a cost model that is not ours
        return {"parts": rows}
    of_layers = any("layer" in row for row in rows)
    tables = {}
    for title, headings in EXPLAINED.items():
        if ("layer" in headings) != of_layers:
            continue
        columns = [name for name in headings if name in rows[0]]
        if one_task and "task" in columns:
            columns.remove("task")
        if columns != ["layer"]:
            told = dict.fromkeys(tuple(row[name] for name in columns) for row in rows)
            shown = [headings[name] for name in columns]
            tables[title] = [dict(zip(shown, values, strict=True)) for values in told]
    return tables


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{where} is not JSON: {error}") from None


def _choices(space: SearchSpace, position: int, item: Any) -> Designs:
    """A design given as values by parameter or as choice indices, ``[1, p]``."""
    try:
        if isinstance(item, dict):
            return space.encode([item])
        if isinstance(item, list) and not any(isinstance(choice, bool) for choice in item):
            return space.check([item])
    except InputError as error:
        text = str(error).removeprefix("design 0").removeprefix(":").strip()
        raise InputError(f"design {position}: {text}") from None
    raise InputError(
        f"design {position}: must be a JSON object or a list of choice indices, got {item!r}"
    )
