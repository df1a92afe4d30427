"""The commands that carry out many runs: a sweep, and the repetition of a paper's comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from codesign_gym.experiments import console
from codesign_gym.experiments.cli_app import Json, Out, app, print_comparison, write_page
from codesign_gym.experiments.comparisons import PAIRED, finals, improvement_rows, profile_rows
from codesign_gym.experiments.config import MOST_EVALUATIONS, MOST_SEEDS
from codesign_gym.experiments.record import RunRecord
from codesign_gym.experiments.reproduce.finding import Finding, Settings, write_finding
from codesign_gym.experiments.reproduce.registry import reproduction
from codesign_gym.experiments.runner import STORE_NAME, problem_of
from codesign_gym.experiments.summaries import compare_rows, lottery_rows
from codesign_gym.experiments.truth import known_truth
from codesign_gym.search_spaces import InputError

SHOWN = 20
"""Agents and settings that a sweep's table shows; JSON and the report have all."""


@app.command("sweep")
@console.plain_errors
def sweep_(
    file: Annotated[Path, typer.Argument(help="TOML file: problems, agents, seeds, budget.")],
    jobs: Annotated[int, typer.Option(help="Processes, one thread each.", min=1)] = 1,
    at: Annotated[
        list[int] | None, typer.Option(help="Compare after so many evaluations too.", min=1)
    ] = None,
    executor: Annotated[
        str, typer.Option(help="Cluster that carries the runs out: dask://HOST:PORT.")
    ] = "",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Run agents x options x problems x seeds; continue if interrupted."""
    from rich.progress import Progress

    from codesign_gym.experiments.anytime import anytime_rows
    from codesign_gym.experiments.sweep import read_sweep, sweep

    configs = read_sweep(file)
    directory = out or Path("results") / f"sweep-{console.slug(file.stem)}"
    with Progress(console=console.err, disable=as_json) as bar:
        shown = bar.add_task(file.name, total=None)
        result = sweep(
            configs,
            directory,
            jobs,
            lambda done, total: bar.update(shown, completed=done, total=total),
            executor,
        )
    problems: dict[str, list[RunRecord]] = {}
    for record in result.records:
        problems.setdefault(record.config.problem, []).append(record)
    answer: dict[str, Any] = {"store": str(directory / STORE_NAME), "problems": {}}
    failed = [failure.config for failure in result.failures]
    all_finals = {
        name: finals(records, [config for config in failed if config.problem == name])
        for name, records in problems.items()
    }
    for name, records in problems.items():
        path = write_page(records, directory / f"{console.slug(name)}.html")
        truth = known_truth(problem_of(records[0].config))
        answer["problems"][name] = {
            "agents": compare_rows(records, truth=truth),
            "anytime": anytime_rows(records, at or (), truth),
            "lottery": lottery_rows(records),
            "report": str(path),
        }
        listed = [row["agent"] for row in answer["problems"][name]["agents"]]
        found = all_finals[name]
        answer["problems"][name] |= {
            "improvement": improvement_rows([found], listed[:PAIRED]),
            "profiles": profile_rows(found),
        }
    if len(problems) > 1:
        every = list(all_finals.values())
        common = [name for name in every[0] if all(name in found for found in every)]
        answer["improvement"] = improvement_rows(every, common[:PAIRED])
    answer["failures"] = [
        {"agent": f.config.agent, "problem": f.config.problem, "seed": f.config.seed,
         "error": f.error} for f in result.failures
    ]  # fmt: skip
    if as_json:
        console.print_json(answer)
    else:
        _print_sweep(answer)
    if result.failures:
        raise typer.Exit(1)


def _print_sweep(answer: Mapping[str, Any]) -> None:
    from codesign_gym.experiments.anytime import anytime_table

    for name, found in answer["problems"].items():
        lottery = [
            {k: v for k, v in row.items() if k != "best setting"} for row in found["lottery"]
        ]
        hidden = ("seeds", "budget", "Pareto")
        rows = [{k: v for k, v in row.items() if k not in hidden} for row in found["agents"]]
        console.print_table(rows[:SHOWN], f"{name}: best reward with 95 % interval")
        if len(rows) > SHOWN:
            console.out.print(f"and {len(rows) - SHOWN} more settings")
        if found["anytime"]:
            console.out.print()
            for key in ("regret", "front %", "reward"):
                table = anytime_table(found["anytime"], key)
                if table:
                    console.print_table(table, f"{name}: {key} with 95 % interval")
        if any(row["settings"] > 1 for row in lottery):
            console.out.print()
            console.print_table(lottery, f"{name}: what the options do")
        if len(found["agents"]) > 1:
            console.out.print()
            print_comparison(found["improvement"], found["profiles"], name)
        console.out.print(f"report: {found['report']}\n", soft_wrap=True)
    if answer.get("improvement"):
        print_comparison(answer["improvement"], [], "all problems")
    if answer["failures"]:
        console.print_table(answer["failures"], "failed runs")


@app.command()
@console.plain_errors
def reproduce(
    name: Annotated[str, typer.Argument(help="Name, or module:attribute of your own.")],
    seeds: Annotated[
        int | None, typer.Option(help="Repetitions of each search.", min=1, max=MOST_SEEDS)
    ] = None,
    budget: Annotated[
        int | None, typer.Option(help="Evaluations of each search.", min=1, max=MOST_EVALUATIONS)
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes, one thread each.", min=1)] = 1,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Repeat a paper's comparison: its claims beside our measurements, a table and a plot."""
    from rich.progress import Progress

    study = reproduction(name)
    directory = out or Path("results") / f"reproduce-{console.slug(name)}"
    directory.mkdir(parents=True, exist_ok=True)  # where that cannot be is told before the work
    settings = Settings(seeds or study.seeds, budget or study.budget, jobs, directory)
    command = (
        f"codesign reproduce {name} --seeds {settings.seeds} --budget {settings.budget} "
        f"--jobs {jobs}"
    )
    with Progress(console=console.err, disable=as_json) as bar:
        shown = bar.add_task(name, total=None)
        finding = study.run(
            replace(
                settings,
                progress=lambda done, total: bar.update(shown, completed=done, total=total),
            )
        )
    if not isinstance(finding, Finding):
        raise InputError(f"reproduction {name!r} must give a Finding, gave {finding!r:.60}")
    result, report = write_finding(finding, directory, command)
    if as_json:
        console.print_json(finding.to_dict() | {"command": command, "report": str(report)})
        return
    for caption, rows in finding.tables.items():
        console.print_table(rows, caption)
        console.out.print()
    console.print_table([claim.row() for claim in finding.claims], finding.source)
    console.out.print(f"\n{finding.summary}\nresult: {result}\nreport: {report}", soft_wrap=True)
