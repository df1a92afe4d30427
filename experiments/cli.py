"""The command line, ``codesign``."""

from __future__ import annotations

import io
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from codesign_gym.cost_models.learned.trusted import BY_TRUE_MODEL
from codesign_gym.experiments import cli_designs, cli_reproduce, cli_suite, cli_tools, console
from codesign_gym.experiments.cli_app import (
    Family,
    Fresh,
    Json,
    Model,
    Objectives,
    Out,
    Proxy,
    Specs,
    Trace,
    Trust,
    WarmStart,
    app,
    given_agent,
    given_options,
    given_specs,
    print_comparison,
    write_page,
)
from codesign_gym.experiments.comparisons import PAIRED, finals, improvement_rows, profile_rows
from codesign_gym.experiments.config import MOST_SEEDS, make_config, read_config
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.runner import STORE_NAME, problem_of, run
from codesign_gym.experiments.store import Store
from codesign_gym.experiments.summaries import catalogue, compare_rows, design_rows, run_summary
from codesign_gym.experiments.truth import known_truth
from codesign_gym.search import agent_class
from codesign_gym.search.pareto import ranking

__all__ = [
    "app",
    "cli_designs",
    "cli_reproduce",
    "cli_suite",
    "cli_tools",
    "main",
]  # importing them adds their commands

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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a path may have what the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    app()


@app.command("list")
@console.plain_errors
def list_(
    kind: Annotated[
        str, typer.Argument(help="problems, agents, spaces, cost-models, families, reproductions.")
    ],
    as_json: Json = False,
) -> None:
    """Show what is registered."""
    rows = catalogue(kind)
    console.print_json(rows) if as_json else console.print_catalogue(rows)


@app.command("run")
@console.plain_errors
def run_(
    problem: Annotated[str | None, typer.Argument(help="Name of a problem.")] = None,
    agent: Annotated[
        str | None,
        typer.Option(help="Name, module:Class or exec:COMMAND.  [default: auto]"),
    ] = None,
    budget: Annotated[int | None, typer.Option(help="Evaluations.  [default: 1000]")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the agent.  [default: 0]")] = None,
    options: Annotated[
        list[str] | None, typer.Option("--set", help="Option of the agent, name=value.")
    ] = None,
    specs: Specs = None,
    objectives: Objectives = None,
    model: Model = "",
    family: Family = "",
    trace: Trace = "",
    proxy: Proxy = "",
    trust: Trust = None,
    warm_start: WarmStart = "",
    plugin: Annotated[str | None, typer.Option(help="An agent of your own, module:Class.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file; flags win over it.")] = None,
    fresh: Fresh = False,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Run a search, or continue one that was interrupted; write its report."""
    flags = {
        "problem": problem,
        "agent": given_agent(agent, plugin),
        "budget": budget,
        "seed": seed,
        "specs": given_specs(specs),
        "objectives": tuple(objectives) if objectives else None,
        "model": model or None,
        "family": family or None,
        "trace": trace or None,
        "proxy": proxy or None,
        "trust": trust,
        "warm_start": warm_start or None,
    }
    given = {name: value for name, value in flags.items() if value is not None}
    values: dict[str, Any] = {"agent": "auto"}
    values |= read_config(config, given.keys()) if config else {}
    values |= given
    values["options"] = values.get("options", {}) | given_options(options)
    settings = make_config(values)
    directory = (
        out
        or Path("results")
        / f"{console.slug(settings.problem)}-{console.slug(settings.agent)}-s{settings.seed}"
    )
    started = time.perf_counter()
    record = _run_with_progress(settings, directory, quiet=as_json, fresh=fresh)
    summary = run_summary(record) | {
        "seconds": time.perf_counter() - started,
        "store": str(directory / STORE_NAME),
        "report": str(write_page([record], directory / "report.html")),
    }
    if settings.proxy:
        verified = _verify(record)
        asked = record.evaluation.metrics[BY_TRUE_MODEL.name] > 0
        asked_of = len(np.unique(record.evaluation.designs[asked], axis=0))
        summary |= {
            "best": verified[0],
            "best_in_search": summary["best"],
            "verified": verified,
            "true_evaluations": asked_of + len(verified),
        }
    if as_json:
        console.print_json(summary)
    else:
        _print_run(record, summary)


@app.command()
@console.plain_errors
def compare(
    problem: Annotated[str, typer.Argument(help="Name of a problem.")],
    agents: Annotated[str, typer.Option(help="Names, separated by commas.")],
    seeds: Annotated[int, typer.Option(help="Runs of each agent.", min=1, max=MOST_SEEDS)] = 5,
    budget: Annotated[int, typer.Option(help="Evaluations of each run.")] = 500,
    specs: Specs = None,
    objectives: Objectives = None,
    model: Model = "",
    family: Family = "",
    trace: Trace = "",
    fresh: Fresh = False,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Run several agents with several seeds at the same budget; continue if interrupted."""
    directory = out or Path("results") / f"{console.slug(problem)}-compare"
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
                "specs": given_specs(specs),
                "objectives": tuple(objectives) if objectives else None,
                "model": model,
                "family": family,
                "trace": trace,
            }
        )
        for agent in names
        for seed in range(seeds)
    ]
    records = [_run_with_progress(each, directory, as_json, fresh) for each in configs]
    rows = compare_rows(records, truth=known_truth(problem_of(configs[0])))
    found = finals(records)
    improvement = improvement_rows([found], [row["agent"] for row in rows[:PAIRED]])
    profiles = profile_rows(found)
    report_path = str(write_page(records, directory / "report.html"))
    if as_json:
        compared = {"agents": rows, "improvement": improvement, "profiles": profiles}
        console.print_json({"problem": problem, **compared, "report": report_path})
    else:
        hidden = {"seeds", "budget"} | ({"Pareto"} if "front %" in rows[0] else set())
        shown = [{key: value for key, value in row.items() if key not in hidden} for row in rows]
        console.print_table(
            shown,
            f"{problem}: best reward and its 95 % interval, {budget} evaluations, {seeds} seeds",
        )
        if len(rows) > 1:
            console.out.print()
            print_comparison(improvement, profiles, problem)
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
    console.out.print(f"report: {write_page(records, target)}", soft_wrap=True)


def _run_with_progress(
    config: RunConfig, directory: Path, quiet: bool, fresh: bool = False
) -> RunRecord:
    title = f"{config.agent} s{config.seed}"
    with console.search_progress(title, config.budget, quiet) as progress:
        return run(config, directory, progress, fresh)


def _verify(record: RunRecord) -> list[dict[str, Any]]:
    """The best designs of a proxy's search by the true cost models, the truly best first."""
    problem = problem_of(record.config)
    rows = np.unique(np.concatenate([record.ranking[:VERIFIED], record.pareto]))
    evaluation = problem.evaluate(record.evaluation.designs[rows])
    evaluation = evaluation.take(ranking(evaluation, problem.reward(evaluation)))
    return design_rows(problem.space, evaluation, problem.reward(evaluation))


def _print_run(record: RunRecord, summary: dict[str, Any]) -> None:
    if "verified" in summary:
        asked = f"{summary['true_evaluations']} evaluations by them"
        title = f"best designs, by the true cost models, {asked}"
        console.print_designs(summary["verified"][:5], record.space, title)
    else:
        top = record.ranking[:5]
        rows = design_rows(record.space, record.evaluation.take(top), record.rewards[top])
        console.print_designs(rows, record.space, "best designs")
    console.out.print(
        f"{summary['evaluations']} evaluations, {summary['feasible_share']:.0%} feasible, "
        f"{len(summary['pareto'])} Pareto designs, {summary['seconds']:.1f} s\n"
        f"report: {summary['report']}",
        soft_wrap=True,
    )
