"""The command that repeats a paper's comparison."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from codesign_gym.experiments import console
from codesign_gym.experiments.cli_app import Json, Out, app
from codesign_gym.experiments.reproduce.finding import Settings, write_finding
from codesign_gym.experiments.reproduce.registry import reproduction


@app.command()
@console.plain_errors
def reproduce(
    name: Annotated[str, typer.Argument(help="Name, or module:attribute of your own.")],
    seeds: Annotated[int | None, typer.Option(help="Repetitions of each search.", min=1)] = None,
    budget: Annotated[int | None, typer.Option(help="Evaluations of each search.", min=1)] = None,
    jobs: Annotated[int, typer.Option(help="Processes, one thread each.", min=1)] = 1,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Repeat a paper's comparison: its claims beside our measurements, a table and a plot."""
    from rich.progress import Progress

    study = reproduction(name)
    directory = out or Path("results") / f"reproduce-{console.slug(name)}"
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
    result, report = write_finding(finding, directory, command)
    if as_json:
        console.print_json(finding.to_dict() | {"command": command, "report": str(report)})
        return
    for caption, rows in finding.tables.items():
        console.print_table(rows, caption)
        console.out.print()
    console.print_table([claim.row() for claim in finding.claims], finding.source)
    console.out.print(f"\n{finding.summary}\nresult: {result}\nreport: {report}", soft_wrap=True)
