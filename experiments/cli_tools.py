"""Commands beside the search: train a proxy or the accuracy table, check a plug-in, benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from codesign_gym.experiments import console
from codesign_gym.experiments.cli_app import (
    Family,
    Json,
    Model,
    Objectives,
    Out,
    Specs,
    Trace,
    app,
    given_specs,
)
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.runner import STORE_NAME
from codesign_gym.search_spaces import InputError, make_space
from codesign_gym.search_spaces.errors import unknown_name


@app.command("train-proxy")
@console.plain_errors
def train_proxy_(
    sources: Annotated[
        list[Path],
        typer.Argument(help="Output directories or stores; or tables, .csv, .csv.gz, .parquet."),
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write.")] = Path("proxy.npz"),
    target: Annotated[str, typer.Option(help="Column of a table to predict.")] = "",
    feature: Annotated[
        list[str] | None, typer.Option(help="Column to predict it from; all others by default.")
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help="auto, random-forest, extra-trees, boosting, gp, additive, mlp; some with +."
        ),
    ] = "auto",
    baseline: Annotated[
        str, typer.Option(help="What to correct: gemm, none; empty for what fits the columns.")
    ] = "",
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Leave rows without a value out, and count them.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of splits and methods.")] = 0,
    as_json: Json = False,
) -> None:
    """Train a proxy cost model on recorded evaluations or tables; --proxy then uses it."""
    from codesign_gym.experiments.train_proxy import train_proxy

    paths = [path / STORE_NAME if path.is_dir() else path for path in sources]
    card = train_proxy(
        paths, out, seed, target, feature or (), method, baseline or None, drop_missing
    )
    if as_json:
        console.print_json(asdict(card) | {"proxy": str(out)})
        return
    splits = {
        f"a random fifth, {card.test_rows} of {card.rows} rows": card.metrics,
        f"unseen {', '.join(card.unseen_groups)}": card.unseen,
        f"the largest fifth by {card.ordered_by}, from the rest": card.extrapolation,
    }
    for title, found in splits.items():
        if found:
            rows = [{"metric": name, **scores} for name, scores in found.items()]
            console.print_table(rows, f"errors on {title}")
    curve = [
        {"metric": name, **point} for name, line in card.learning_curve.items() for point in line
    ]
    console.print_table(curve, "learning curve, errors on the random fifth")
    faster = f", {card.speedup:.0f} times faster than the true model" if card.speedup else ""
    console.out.print(
        f"{card.methods}\n{card.us_per_design:.2f} us per design in batches{faster}, "
        f"{card.us_single:.0f} us alone\nproxy: {out}",
        soft_wrap=True,
    )


@app.command("dataset")
@console.plain_errors
def dataset_(
    stores: Annotated[list[Path], typer.Argument(help="Output directories or stores.")],
    out: Annotated[Path, typer.Option("--out", help="Table: .csv, .csv.gz or .parquet.")],
    target: Annotated[
        list[str] | None, typer.Option(help="Metric to keep; may be repeated; all by default.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Only rows that keep this, such as area_mm2<=4.")
    ] = None,
    valid: Annotated[
        bool, typer.Option("--valid", help="Leave out what is invalid or not measured.")
    ] = False,
    split: Annotated[
        str,
        typer.Option(help="random, unseen:COLUMN or largest:COLUMN: two tables, a fifth held out."),
    ] = "",
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
    as_json: Json = False,
) -> None:
    """Write the evaluations in stores as one table, each design once, with its provenance."""
    from codesign_gym.experiments.dataset import dataset, write_dataset

    paths = [path / STORE_NAME if path.is_dir() else path for path in stores]
    data = dataset(paths, target or (), where or (), valid)
    files = [str(path) for path in write_dataset(data, out, split, seed)]
    facts = data.provenance
    if as_json:
        console.print_json(facts | {"files": files})
        return
    console.out.print(
        f"{facts['rows']:,} rows of {facts['runs']} runs; {facts['repeated']:,} repeated, "
        f"{facts['left_out']:,} left out\n{len(data.features)} parameters, "
        f"{len(data.metrics)} metrics: {', '.join(m.name for m in data.metrics)}",
        soft_wrap=True,
    )
    for file in files:
        console.out.print(f"table: {file}", soft_wrap=True)


@app.command("train-table")
@console.plain_errors
def train_table_(
    out: Annotated[Path, typer.Option("--out", help="Table to write (.npz).")],
    space: Annotated[str, typer.Option(help="Space of the networks.")] = "cell-network",
    task: Annotated[str, typer.Option(help="What they are trained on.")] = "mnist1d",
    seeds: Annotated[int, typer.Option(help="Seeds of each network.", min=1)] = 2,
    networks: Annotated[
        int | None,
        typer.Option(help="Train a random sample of this many; 0 trains no more.", min=0),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes, one thread each.", min=1)] = 1,
) -> None:
    """Train every network of a space; continue if interrupted (2 CPU-minutes to 10 CPU-hours).

    With --networks the table is of a sample, the same whenever it is asked for; --networks 0 makes
    a table of what an interrupted or running training has done.
    """
    from rich.progress import Progress

    from codesign_gym.cost_models.accuracy.train_table import (
        check_trainable,
        compile_table,
        train_table,
        training_order,
    )

    journal = out.with_suffix(".jsonl")
    check_trainable(space, task)
    sample = None if networks is None else training_order(make_space(space), networks)
    if networks != 0:
        with Progress(console=console.err) as bar:
            shown = bar.add_task("training", total=None)
            train_table(
                journal,
                sample,
                seeds=range(seeds),
                jobs=jobs,
                progress=lambda done, total: bar.update(shown, completed=done, total=total),
                space=space,
                task=task,
            )
    elif not journal.is_file():
        raise InputError(f"there is no training to make a table of: {journal} does not exist")
    command = f"codesign train-table --space {space} --task {task} --seeds {seeds} --out {out.name}"
    command += "" if networks is None else f" --networks {networks}"
    compile_table(journal, out, command, space=space, task=task, subset=networks is not None)
    console.out.print(f"table: {out}", soft_wrap=True)


@app.command("time-kernels")
@console.plain_errors
def time_kernels_(
    out: Annotated[Path, typer.Option("--out", help="Table to write (.npz).")],
    passes: Annotated[int, typer.Option(help="Runs of each kernel.", min=1)] = 5,
) -> None:
    """Time every kernel of gemm-kernel here; continue if interrupted (6 minutes a pass)."""
    from rich.progress import Progress

    from codesign_gym.cost_models.measured.timing import load_times, time_kernels

    command = f"codesign time-kernels --passes {passes} --out {out.name}"
    with Progress(console=console.err) as bar:
        shown = bar.add_task("timing", total=None)
        time_kernels(
            out,
            passes,
            command,
            lambda done, total: bar.update(shown, completed=done, total=total),
        )
    best = load_times(out)[0].min(axis=0)
    console.out.print(
        f"fastest {best.min():.2f} ms, median {np.median(best):.2f} ms\ntable: {out}",
        soft_wrap=True,
    )


@app.command("tabulate")
@console.plain_errors
def tabulate_(
    problem: Annotated[str, typer.Argument(help="Name of a problem.")],
    specs: Specs = None,
    objectives: Objectives = None,
    family: Family = "",
    model: Model = "",
    trace: Trace = "",
    jobs: Annotated[int, typer.Option(help="Processes, one thread each.", min=1)] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what is there.")] = False,
    starts: Annotated[
        int, typer.Option(help="Local searches in place of all designs, if they are too many.")
    ] = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Evaluate every design of a problem, or climb from many; continue if interrupted."""
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from codesign_gym.experiments.reference import reference
    from codesign_gym.experiments.tabulate import tabulate

    config = RunConfig(
        problem,
        agent="",
        specs=given_specs(specs),
        objectives=tuple(objectives) if objectives else None,
        family=family,
        model=model,
        trace=trace,
    )
    directory = out or Path("results") / f"{console.slug(problem)}-all"
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console.err, disable=as_json) as bar:
        shown = bar.add_task(problem, total=None)

        def progress(done: int, total: int) -> None:
            bar.update(shown, completed=done, total=total)

        command = f"codesign tabulate {problem}" + (f" --starts {starts}" if starts else "")
        if starts:
            truth = reference(config, directory, starts, progress=progress, command=command)
        else:
            truth = tabulate(config, directory, jobs, progress, fresh, command)
    if as_json:
        console.print_json(asdict(truth) | {"truth": str(directory / "truth.json")})
        return
    rows = [
        {"optimum of": name, "value": best["value"], "design": ", ".join(_pairs(best["design"]))}
        for name, best in truth.optima.items()
    ]
    console.print_table(rows, f"{truth.designs:,} designs, {truth.feasible:,} of them feasible")
    console.out.print(
        f"{len(truth.front):,} designs on the Pareto front\ntruth: {directory / 'truth.json'}",
        soft_wrap=True,
    )


def _pairs(design: Mapping[str, object]) -> list[str]:
    return [f"{name}={value}" for name, value in design.items()]


@app.command()
@console.plain_errors
def check(
    kind: Annotated[str, typer.Argument(help="agent, space, cost-model or problem.")],
    name: Annotated[str, typer.Argument(help="Registered name; or module:attribute.")],
) -> None:
    """Run the conformance suite on something registered or of your own."""
    from codesign_gym.experiments.testing import conformance

    failed = 0
    for test, problem in conformance(kind, name):
        console.out.print(f"{'failed' if problem else 'passed'}  {test}", soft_wrap=True)
        if problem:
            console.err.print(problem, soft_wrap=True, markup=False)
            failed += 1
    if failed:
        raise typer.Exit(1)


@app.command()
@console.plain_errors
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Benchmarks; all by default.")] = None,
    as_json: Json = False,
) -> None:
    """Measure the speed of this installation on this machine."""
    from codesign_gym.experiments.bench import BENCHES, PARTS

    known = BENCHES | PARTS
    for name in names or ():
        if name not in known:
            raise unknown_name("benchmark", name, known)
    rows = [row for name in names or BENCHES for row in known[name]()]
    console.print_json(rows) if as_json else console.print_table(rows)
