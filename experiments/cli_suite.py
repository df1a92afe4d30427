"""The commands of the suite: run an agent, show and verify results, make references."""

from __future__ import annotations

import math
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import randbelow
from typing import Annotated, Any

import typer

from codesign_gym.experiments import console
from codesign_gym.experiments.cli_app import Json, Out, app, given_agent, given_options
from codesign_gym.experiments.suite.definition import CURRENT, LEVELS, Suite
from codesign_gym.experiments.suite.results import Result, labelled, references
from codesign_gym.experiments.suite.run import Extent, rerun, run_suite
from codesign_gym.experiments.suite.scoring import ranked_rows, summary
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.errors import unknown_name

suite_app = typer.Typer(
    help="A fixed set of problems on which any agent is given one score.", no_args_is_help=True
)
app.add_typer(suite_app, name="suite")

Jobs = Annotated[int, typer.Option(help="Processes, one thread each.", min=1)]
Version = Annotated[str, typer.Option("--suite", help="Version, or a .json file of one.")]
Progress = Callable[[int, int], None]
RESULT = "result.json"


@suite_app.command("run")
@console.plain_errors
def run_(
    agent: Annotated[str | None, typer.Option(help="Name of an agent, or module:Class.")] = None,
    options: Annotated[
        list[str] | None, typer.Option("--set", help="Option of the agent, name=value.")
    ] = None,
    plugin: Annotated[str | None, typer.Option(help="An agent of your own, module:Class.")] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Runs of each task and budget.  [default: the suite's]")
    ] = None,
    budget: Annotated[
        list[str] | None, typer.Option(help="Only small, medium or large; may be repeated.")
    ] = None,
    task: Annotated[list[str] | None, typer.Option(help="Only this task; may be repeated.")] = None,
    jobs: Jobs = 1,
    note: Annotated[str, typer.Option(help="What a reader of the result must know.")] = "",
    version: Version = CURRENT,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Score an agent on the whole suite; continue if interrupted."""
    name = given_agent(agent, plugin)
    if not name:
        raise InputError("no agent given: name one, 'codesign list agents' shows them")
    suite = Suite.load(version)
    extent = Extent(suite.seeds if seeds is None else seeds, budget or LEVELS, task or ())
    given = given_options(options)
    directory = out or Path("results") / f"suite-{_file(labelled(name, given))}"
    result, page = _score(suite, name, given, extent, directory, jobs, note, as_json, version)
    others = {one.label: one for one in references(suite) if one.label != result.label}
    found = summary(result, suite, others)
    found |= {"result": str(directory / RESULT), "report": str(page)}
    console.print_json(found) if as_json else _print_result(found)
    if result.failures:
        raise typer.Exit(1)


def _score(
    suite: Suite,
    agent: str,
    options: Mapping[str, Any],
    extent: Extent,
    directory: Path,
    jobs: int,
    note: str,
    quiet: bool,
    version: str,
) -> tuple[Result, Path]:
    """Run, and write the result and its page."""
    from codesign_gym.experiments.suite.page import write_page

    with _progress(labelled(agent, options), quiet) as progress:
        result = run_suite(suite, agent, options, extent, directory, jobs, progress, note)
    result.save(directory / RESULT)
    path = directory / "report.html"
    others = [one for one in references(suite) if one.label != result.label]
    write_page(result, others, suite, _command(suite, result, extent, version), path)
    return result, path


def _command(suite: Suite, result: Result, extent: Extent, version: str) -> str:
    words = ["codesign", "suite", "run", "--agent", result.agent]
    for name, value in result.options.items():
        words += ["--set", f"{name}={value}"]
    for level in extent.levels if set(extent.levels) != set(LEVELS) else ():
        words += ["--budget", level]
    for task in extent.tasks:
        words += ["--task", task]
    words += ["--seeds", str(extent.seeds)] if extent.seeds != suite.seeds else []
    words += ["--suite", version] if version != CURRENT else []
    return shlex.join(words)


def _print_result(found: Mapping[str, Any]) -> None:
    classes = [
        {key: _two(value) for key, value in row.items() if key not in ("low", "high")}
        | {"95 % interval": _interval(row)}
        for row in found["classes"]
    ]
    console.print_table(classes, f"suite {found['suite']}: {found['agent']}, score by class")
    console.out.print()
    _print_ranking(found["compared"])
    for title in ("records", "failures"):
        if found[title]:
            console.out.print()
            told = {"records": "better than the best known", "failures": "failed runs, score 0"}
            console.print_table(found[title][:20], told[title])
    if found["missing"]:
        console.out.print(f"missing runs: {found['missing']}")
    console.out.print(f"\nresult: {found['result']}\nreport: {found['report']}", soft_wrap=True)


def _print_ranking(rows: Sequence[Mapping[str, Any]]) -> None:
    shown = []
    for row in rows:
        cells: dict[str, Any] = {"agent": row["agent"], "score": _two(row["score"])}
        cells["95 % interval"] = _interval(row)
        cells |= {level: _two(row[level]) for level in LEVELS}
        if "ours better" in row:
            cells["ours better"] = _two(row["ours better"])
        shown.append(cells)
    console.print_table(shown, "beside the shipped results")
    notes = [f"{row['agent']}: missing {row['missing']}" for row in rows if row["missing"]]
    for text in notes:
        console.out.print(text)


def _two(value: object) -> object:
    """A score for people; a dash where it is missing."""
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else value


def _interval(row: Mapping[str, Any]) -> str:
    none = row["low"] is None or math.isnan(row["low"])
    return "-" if none else f"{row['low']:.3f}-{row['high']:.3f}"


@suite_app.command("show")
@console.plain_errors
def show(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Result files to rank beside the shipped ones.")
    ] = None,
    version: Version = CURRENT,
    as_json: Json = False,
) -> None:
    """Show the suite's tasks, and the results of the built-in agents."""
    suite = Suite.load(version)
    results = [*references(suite), *(Result.load(path, suite) for path in files or ())]
    ranking = ranked_rows(results, suite)
    tasks: list[dict[str, Any]] = [
        {
            "task": task.name,
            "class": task.group,
            "designs": task.designs,
            "counts": next(iter(task.key["objectives"])) if task.counts == "best" else task.counts,
            "specs": task.key["specs"],
            "budgets": task.budgets,
            "exact": task.exact,
        }
        for task in suite.tasks.values()
    ]
    if as_json:
        told = {"suite": suite.version, "seeds": suite.seeds, "tasks": tasks, "results": ranking}
        console.print_json(told)
        return
    shown = [
        {
            "task": row["task"],
            "class": row["class"],
            "size": f"{row['designs']:.0e}".replace("+0", "").replace("+", ""),
            "counts": row["counts"],
            "budgets": "/".join(map(str, row["budgets"])),
            "exact": "yes" if row["exact"] else "no",
        }
        for row in tasks
    ]
    title = f"suite {suite.version}: {suite.seeds} seeds with each budget; exact: best is proven"
    console.print_table(shown, title)
    console.out.print()
    _print_ranking(ranking)


@suite_app.command("verify")
@console.plain_errors
def verify(
    file: Annotated[Path, typer.Argument(help="Result file, as 'codesign suite run' writes it.")],
    runs: Annotated[int, typer.Option(help="Runs to repeat.", min=1)] = 5,
    seed: Annotated[int | None, typer.Option(help="Picks the runs.  [default: by chance]")] = None,
    jobs: Jobs = 1,
    version: Version = CURRENT,
    trust: Annotated[
        bool, typer.Option("--trust", help="Run the program or module that the file names.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Repeat some runs of a result: all must come out bit for bit."""
    suite = Suite.load(version)
    result = Result.load(file, suite)
    if ":" in result.agent and not trust:
        raise InputError(
            f"{file} would have {result.agent!r} carried out on this machine: "
            "read that code first, then add --trust"
        )
    picked = randbelow(10**6) if seed is None else seed
    with tempfile.TemporaryDirectory() as kept, _progress("verifying", as_json) as progress:
        rows = rerun(suite, result, runs, picked, Path(kept), jobs, progress)
    equal = sum(row["equal"] for row in rows)
    if as_json:
        console.print_json({"agent": result.label, "seed": picked, "runs": rows})
    else:
        shown = [{**row, "equal": "yes" if row["equal"] else "no"} for row in rows]
        console.print_table(shown, f"{result.label}: runs picked with --seed {picked}")
        console.out.print(f"{equal} of {len(rows)} runs repeated bit for bit")
    if equal < len(rows):
        raise typer.Exit(1)


@suite_app.command("reference")
@console.plain_errors
def reference(
    agent: Annotated[
        list[str] | None, typer.Option(help="Only this entry, or this agent's; may be repeated.")
    ] = None,
    jobs: Jobs = 1,
    version: Version = CURRENT,
    out: Out = None,
) -> None:
    """Compute the results of all built-in agents that are to be shipped; continue if interrupted.

    Each result is written as AGENT.json to the output directory; an agent whose result is there,
    whole and of the suite's present tasks, is not run again.
    """
    from codesign_gym.experiments.suite.reference import entries

    suite = Suite.load(version)
    listed = entries(suite.version)
    known = {name for entry in listed for name in (entry.name, entry.agent)}
    for name in agent or ():
        if name not in known:
            raise unknown_name("reference agent", name, known)
    directory = out or Path("results") / f"suite-{suite.version}-reference"
    for entry in listed:
        if agent and not {entry.name, entry.agent} & set(agent):
            continue
        extent = Extent(suite.seeds, entry.levels)
        label = _file(labelled(entry.agent, entry.options))
        path = directory / f"{label}.json"
        if path.is_file() and entry.done(path, suite):
            console.out.print(f"{label}: there", soft_wrap=True)
            continue
        parts = directory / "runs" / label
        result, _ = _score(
            suite, entry.agent, entry.options, extent, parts, jobs, entry.note, False, version
        )
        result.save(path)
        console.out.print(f"{label}: {path}", soft_wrap=True)


@suite_app.command("freeze")
@console.plain_errors
def freeze_(
    outline: Annotated[Path, typer.Argument(help="TOML file: version, seeds, tasks.")],
    file: Annotated[Path, typer.Argument(help="Suite to write (.json).")],
    out: Out = None,
) -> None:
    """Make a suite of your own: work out what counts as 0 and as 1; continue if interrupted."""
    from codesign_gym.experiments.suite.freeze import freeze

    directory = out or Path("results") / f"freeze-{console.slug(outline.stem)}"
    with _progress(outline.name, False) as progress:
        suite = freeze(outline, directory, progress)
    suite.save(file)
    console.out.print(f"suite: {file}", soft_wrap=True)


@contextmanager
def _progress(title: str, quiet: bool) -> Iterator[Progress]:
    """A bar on stderr; yields what is told of the runs done and of how many there are."""
    from rich.progress import MofNCompleteColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (*Bar.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Bar(*columns, console=console.err, disable=quiet)
    shown = bar.add_task(title, total=None)

    def update(done: int, total: int) -> None:
        bar.start()  # only now: a mistake is told without a bar above it
        bar.update(shown, completed=done, total=total)

    try:
        yield update
    finally:
        if bar.live.is_started:
            bar.stop()


def _file(label: str) -> str:
    """An agent and its options as part of a file's name."""
    kept = "".join(c if c.isalnum() or c in "-_" else " " for c in label)
    return "-".join(kept.split())
