"""The command line, ``codesign``."""

from __future__ import annotations

import json
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from codesign_gym.experiments import cli_tools, console
from codesign_gym.experiments.cli_app import Fresh, Json, Model, Objectives, Out, Proxy, Specs, app
from codesign_gym.experiments.config import make_config, read_config
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.runner import STORE_NAME, problem_of, run
from codesign_gym.experiments.store import Store
from codesign_gym.experiments.summaries import catalogue, compare_rows, design_rows, run_summary
from codesign_gym.search import agent_class
from codesign_gym.search.pareto import ranking
from codesign_gym.search_spaces import Designs, InputError, SearchSpace

__all__ = ["app", "cli_tools", "main"]  # importing cli_tools adds its commands

EXPLAINED = {
    "layer": "layer",
    "times": "x",
    "cycles": "cycles",
    "cycles_pct": "%",
    "util_pct": "util %",
    "bound": "bound",
    "energy_pct": "energy %",
    "macs_per_byte": "MAC/B",
}
"""Columns of `CostModel.explain` with shorter headings than their names."""

VERIFIED = 50
"""Designs of a search by proxy that the true cost models evaluate again, beside its front."""


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Search for networks and the hardware they run on, under specs."""
    if version:
        console.out.print(metadata.version("codesign-gym"))
        raise typer.Exit


def main() -> None:
    """The entry point: modules in the current directory can be named as plug-ins."""
    sys.path.append("")  # last: nothing here may shadow an installed package
    app()


@app.command("list")
@console.plain_errors
def list_(
    kind: Annotated[str, typer.Argument(help="problems, agents, spaces or cost-models.")],
    as_json: Json = False,
) -> None:
    """Show what is registered."""
    rows = catalogue(kind)
    if as_json:
        console.print_json(rows)
        return
    # Long names leave room for one column of goals beside a description.
    console.print_table([_goals_together(row) for row in rows])


@app.command("run")
@console.plain_errors
def run_(
    problem: Annotated[str | None, typer.Argument(help="Name of a problem.")] = None,
    agent: Annotated[
        str | None, typer.Option(help="Name of an agent, or module:Class.  [default: nsga2]")
    ] = None,
    budget: Annotated[int | None, typer.Option(help="Evaluations.  [default: 1000]")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the agent.  [default: 0]")] = None,
    options: Annotated[
        list[str] | None, typer.Option("--set", help="Option of the agent, name=value.")
    ] = None,
    specs: Specs = None,
    objectives: Objectives = None,
    model: Model = "",
    proxy: Proxy = "",
    plugin: Annotated[str | None, typer.Option(help="An agent of your own, module:Class.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file; flags win over it.")] = None,
    fresh: Fresh = False,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Run a search, or continue one that was interrupted; write its report."""
    flags = {
        "problem": problem,
        "agent": plugin or agent,
        "budget": budget,
        "seed": seed,
        "specs": _specs(specs),
        "objectives": tuple(objectives) if objectives else None,
        "model": model or None,
        "proxy": proxy or None,
    }
    if plugin is not None and ":" not in plugin:
        raise InputError(f"--plugin takes module:Class, got {plugin!r}")
    given = {name: value for name, value in flags.items() if value is not None}
    values: dict[str, Any] = {"agent": "nsga2"}
    values |= read_config(config, given.keys()) if config else {}
    values |= given
    values["options"] = values.get("options", {}) | _options(options or [])
    settings = make_config(values)
    directory = (
        out
        or Path("results") / f"{_slug(settings.problem)}-{_slug(settings.agent)}-s{settings.seed}"
    )
    started = time.perf_counter()
    record = _run_with_progress(settings, directory, quiet=as_json, fresh=fresh)
    summary = run_summary(record) | {
        "seconds": time.perf_counter() - started,
        "store": str(directory / STORE_NAME),
        "report": str(_report([record], directory / "report.html")),
    }
    if settings.proxy:
        summary["verified"] = _verify(record)
    if as_json:
        console.print_json(summary)
    else:
        _print_run(record, summary)


@app.command()
@console.plain_errors
def compare(
    problem: Annotated[str, typer.Argument(help="Name of a problem.")],
    agents: Annotated[str, typer.Option(help="Names, separated by commas.")],
    seeds: Annotated[int, typer.Option(help="Runs of each agent.", min=1)] = 5,
    budget: Annotated[int, typer.Option(help="Evaluations of each run.")] = 500,
    specs: Specs = None,
    objectives: Objectives = None,
    model: Model = "",
    fresh: Fresh = False,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Run several agents with several seeds at the same budget; continue if interrupted."""
    directory = out or Path("results") / f"{_slug(problem)}-compare"
    names = list(dict.fromkeys(name.strip() for name in agents.split(",")))
    for name in names:
        agent_class(name)  # a mistake in the last one is told before the first one runs
    configs = [
        make_config(
            {
                "problem": problem,
                "agent": agent,
                "budget": budget,
                "seed": seed,
                "specs": _specs(specs),
                "objectives": tuple(objectives) if objectives else None,
                "model": model,
            }
        )
        for agent in names
        for seed in range(seeds)
    ]
    records = [_run_with_progress(each, directory, as_json, fresh) for each in configs]
    rows = compare_rows(records)
    report_path = str(_report(records, directory / "report.html"))
    if as_json:
        console.print_json({"problem": problem, "agents": rows, "report": report_path})
    else:
        shown = [
            {key: value for key, value in row.items() if key not in ("seeds", "budget")}
            for row in rows
        ]
        console.print_table(shown, f"{problem}: best reward, {budget} evaluations, {seeds} seeds")
        console.out.print(f"report: {report_path}", soft_wrap=True)


@app.command()
@console.plain_errors
def report(
    directory: Annotated[Path, typer.Argument(help="Output directory of runs, or a store.")],
    out: Annotated[Path | None, typer.Option("--out", help="HTML file to write.")] = None,
) -> None:
    """Write the HTML report of the runs in a store."""
    path = directory / STORE_NAME if directory.is_dir() else directory
    with Store(path) as store:
        records = store.records()
    target = out or path.parent / "report.html"
    console.out.print(f"report: {_report(records, target)}", soft_wrap=True)


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
    proxy: Proxy = "",
    as_json: Json = False,
) -> None:
    """Evaluate designs given by hand."""
    config = RunConfig(problem, agent="", specs=_specs(specs), model=model)
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
    as_json: Json = False,
) -> None:
    """Show where the cycles and the energy of one design go, layer by layer."""
    found = problem_of(RunConfig(problem, agent="", model=model))
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
    console.print_table([{EXPLAINED.get(k, k): v for k, v in row.items()} for row in rows], "parts")


@app.command()
@console.plain_errors
def export(
    problem: Annotated[str, typer.Argument(help="Name of a problem.")],
    design: Annotated[str, typer.Option(help="JSON: values by parameter, or choice indices.")],
    out: Annotated[Path, typer.Option("--out", help="Directory for the files.")],
    model: Model = "",
) -> None:
    """Write a design as input files of the tool that its cost model agrees with (SCALE-Sim)."""
    found = problem_of(RunConfig(problem, agent="", model=model))
    choices = _choices(found.space, 0, _json(design, "--design"))
    parts = [choices[:, found.space.columns_of(m.space)] for m in found.models]
    files = [path for m, p in zip(found.models, parts, strict=True) for path in m.export(p, out)]
    if not files:
        raise InputError(f"no cost model of {problem!r} has a format to export to")
    for path in files:
        console.out.print(str(path), soft_wrap=True)


def _goals_together(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the catalogue with the objectives and specs of a problem in one column."""
    if "specs" not in row:
        return row
    goals = {"goals": [*row["objectives"], *row["specs"]]}
    first = {key: row[key] for key in ("name", "designs")}
    rest = {key: row[key] for key in row if key not in {"objectives", "specs", *first}}
    return first | goals | rest


def _run_with_progress(
    config: RunConfig, directory: Path, quiet: bool, fresh: bool = False
) -> RunRecord:
    title = f"{config.agent} s{config.seed}"
    with console.search_progress(title, config.budget, quiet) as progress:
        return run(config, directory, progress, fresh)


def _report(records: list[RunRecord], path: Path) -> Path:
    from codesign_gym.experiments.report import write_report

    write_report(records, path)
    return path


def _verify(record: RunRecord) -> list[dict[str, Any]]:
    """The best designs of a proxy's search by the true cost models, the truly best first."""
    problem = problem_of(record.config)
    rows = np.unique(np.concatenate([record.ranking[:VERIFIED], record.pareto]))
    evaluation = problem.evaluate(record.evaluation.designs[rows])
    evaluation = evaluation.take(ranking(evaluation, problem.reward(evaluation)))
    return design_rows(problem.space, evaluation, problem.reward(evaluation))


def _print_run(record: RunRecord, summary: dict[str, Any]) -> None:
    top = record.ranking[:5]
    rows = design_rows(record.space, record.evaluation.take(top), record.rewards[top])
    console.print_designs(rows, record.space, "best designs")
    if "verified" in summary:
        console.print_designs(
            summary["verified"][:1], record.space, "the best, by the true cost models"
        )
    console.out.print(
        f"{summary['evaluations']} evaluations, {summary['feasible_share']:.0%} feasible, "
        f"{len(summary['pareto'])} Pareto designs, {summary['seconds']:.1f} s\n"
        f"report: {summary['report']}",
        soft_wrap=True,
    )


def _specs(texts: list[str] | None) -> tuple[str, ...] | None:
    """Specs in place of the problem's own: None keeps those, "none" alone drops them."""
    if not texts:
        return None
    return () if texts == ["none"] else tuple(texts)


def _options(texts: list[str]) -> dict[str, str]:
    options = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"--set takes name=value, got {text!r}")
        options[name.strip().replace("-", "_")] = value.strip()
    return options


def _slug(name: str) -> str:
    return name.replace(":", "-").replace(".", "-")


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
