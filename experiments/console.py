"""What the command line shows: progress, tables, errors."""

from __future__ import annotations

import functools
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from codesign_gym.envs import Evaluation
from codesign_gym.search_spaces import InputError, SearchSpace

F = TypeVar("F", bound=Callable[..., Any])

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def plain_errors(command: F) -> F:
    """Decorator of a command: a mistake of the user is one sentence and status 2, Ctrl-C 130."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except InputError as error:
            err.print(Text("error: ", style="bold red") + Text(str(error)), soft_wrap=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            err.print("interrupted; the same command continues where this one stopped")
            raise typer.Exit(130) from None
        except BrokenPipeError:
            sys.stderr.close()  # whoever read our output has left: nothing to say
            raise typer.Exit(1) from None
        except OSError as error:
            name = f" {error.filename}" if error.filename else ""
            text = f"cannot read or write{name}: {error.strerror or error}"
            err.print(Text("error: ", style="bold red") + Text(text), soft_wrap=True)
            raise typer.Exit(2) from None

    return cast(F, wrapped)


@contextmanager
def search_progress(
    title: str, budget: int, quiet: bool = False
) -> Iterator[Callable[[Evaluation, NDArray[np.float64], bool, int], None]]:
    """A progress bar on stderr; yields the function that is told of new evaluations."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TextColumn("best {task.fields[best]}  feasible {task.fields[feasible]}"),
        TextColumn("{task.fields[rate]}/s"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=err,
        disable=quiet,
    )
    best, feasible, done = -math.inf, 0, 0
    try:
        task = bar.add_task(title, total=budget, best="-", feasible="-", rate="-")

        def update(
            evaluation: Evaluation, rewards: NDArray[np.float64], replayed: bool, used: int
        ) -> None:
            nonlocal best, feasible, done
            bar.start()  # only now: a mistake is told without a bar above it
            best = max(best, float(np.max(rewards)))
            feasible += int(evaluation.feasible.sum())
            done += len(evaluation)
            if replayed and used < budget:
                err.print(f"continuing after {done} recorded evaluations")
            elif replayed:
                err.print("already finished: shown from the store; --fresh runs it again")
            speed = bar.tasks[task].speed
            bar.update(
                task,
                completed=used,
                best=f"{best:.4g}",
                feasible=f"{feasible / done:.0%}",
                rate="-" if speed is None else f"{speed:,.0f}",
            )

        yield update
    finally:
        if bar.live.is_started:
            bar.stop()


def slug(name: str) -> str:
    """A name as part of a file's name."""
    return re.sub(r"[^\w+=-]+", "-", name).strip("-")[:80]


def number(value: object) -> str:
    """A value for people: numbers to four digits."""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e5 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) >= 10**9:
            return f"{value:.4g}"
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def print_designs(rows: Sequence[Mapping[str, Any]], space: SearchSpace, title: str) -> None:
    """Designs side by side: what each is worth, its metrics, its choices."""
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for i in range(len(rows)):
        table.add_column(f"#{i + 1}", justify="right", overflow="fold")

    def line(name: str, values: Sequence[object], style: str = "") -> None:
        table.add_row(Text(name), *[Text(number(value)) for value in values], style=style)

    line("reward", [row["reward"] for row in rows], "bold")
    line("feasible", ["yes" if row["feasible"] else "no" for row in rows])
    if any(row["invalid"] for row in rows):
        line("invalid", [row["invalid"] or "" for row in rows])
    for name in rows[0]["metrics"]:
        line(name, [row["metrics"][name] for row in rows])
    for name, parameter in zip(space.names, space.parameters, strict=True):
        label = f"{name} [{parameter.unit}]" if parameter.unit else name
        line(label, [row["design"][name] for row in rows], "dim")
    out.print(Text(title, style="italic"), soft_wrap=True)  # a table's own title is as narrow as it
    out.print(table)


def print_table(rows: Sequence[Mapping[str, object]], title: str = "") -> None:
    """Rows with the same keys as a table that fits the terminal."""
    if not rows:
        out.print("(none)")
        return
    cells = {key: [_lines(row[key]) for row in rows] for key in rows[0]}
    table = Table(box=None, pad_edge=False)
    for key, value in rows[0].items():
        numeric = isinstance(value, (int, float))
        longest = max(len(line) for cell in cells[key] for line in cell.split("\n"))
        table.add_column(
            key,
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=not numeric and longest <= 24,  # names and bounds stay whole
        )
    for row in zip(*cells.values(), strict=True):
        table.add_row(*map(Text, row))
    if title:
        out.print(Text(title, style="italic"), soft_wrap=True)
    out.print(table)


def print_catalogue(rows: Sequence[Mapping[str, object]]) -> None:
    """What is registered, a paragraph each: the name, what it is, and then the rest."""
    for row in rows:
        rest = {key: value for key, value in row.items() if key not in ("name", "description")}
        about = [str(row["description"])] if row.get("description") else []
        about += [f"{key}: {number(value)}" for key, value in rest.items() if value not in ([], "")]
        out.print(Text(str(row["name"]), style="bold"), soft_wrap=True)
        for text in about:
            out.print(Padding(Text(text), (0, 0, 0, 4)))


def _lines(value: object) -> str:
    """A value for a table: the items of a list below one another."""
    return ",\n".join(map(str, value)) if isinstance(value, (list, tuple)) else number(value)


def print_json(data: object) -> None:
    """``data`` as JSON on stdout; what is infinite or not a number becomes null."""
    sys.stdout.write(json.dumps(finite(data), indent=2) + "\n")


def finite(data: object) -> object:
    """Plain data in which None stands for what is infinite or not a number."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {str(key): finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(item) for item in data]
    if isinstance(data, np.generic):
        return finite(data.item())
    return data
