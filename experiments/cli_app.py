"""The application that all commands belong to, and the options that several of them take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from codesign_gym.experiments import console
from codesign_gym.experiments.record import RunRecord
from codesign_gym.search_spaces import InputError

app = typer.Typer(
    name="codesign",
    help="Search for networks and the hardware they run on, under specs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Out = Annotated[Path | None, typer.Option("--out", help="Directory of store and report.")]
Specs = Annotated[
    list[str] | None,
    typer.Option(
        "--spec", help="Spec such as latency_ms<=0.5, in place of the problem's own; or none."
    ),
]
Objectives = Annotated[
    list[str] | None,
    typer.Option("--objective", help="Metric to optimise, in place of the problem's own."),
]
Model = Annotated[
    str, typer.Option("--model", help="Workload: a name, an .onnx or .csv file, module:function.")
]
Family = Annotated[
    str,
    typer.Option("--family", help="Accelerators to search, see 'codesign list families'."),
]
Trace = Annotated[
    str, typer.Option("--trace", help="Memory trace: an .stl or .stl.gz file, or a name.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Forget what is recorded of the run.")]
WarmStart = Annotated[
    str, typer.Option("--warm-start", help="Store whose designs the agent is told of first.")
]
Trust = Annotated[
    float | None,
    typer.Option(
        help="Largest deviation, as a share, at which the proxy is believed in place of the true "
        "cost models.  [default: always]",
    ),
]
Proxy = Annotated[str, typer.Option("--proxy", help="Learned cost model to search with.")]


def given_specs(texts: list[str] | None) -> tuple[str, ...] | None:
    """Specs in place of the problem's own: None keeps those, "none" alone drops them."""
    if not texts:
        return None
    return () if texts == ["none"] else tuple(texts)


def write_page(records: Sequence[RunRecord], path: Path) -> Path:
    """Write the report of runs; its path."""
    from codesign_gym.experiments.report import write_report

    write_report(records, path)
    return path


def print_comparison(
    improvement: Sequence[dict[str, Any]], profiles: Sequence[dict[str, Any]], title: str
) -> None:
    """Print who is how likely to be better, and the shares of runs above rewards."""
    from codesign_gym.experiments.comparisons import improvement_table, profile_table

    if improvement:
        console.print_table(
            improvement_table(improvement),
            f"{title}: how likely a run of the row beats one of the column",
        )
    if improvement and profiles:
        console.out.print()
    if profiles:
        console.print_table(profile_table(profiles), f"{title}: share of runs above a reward")


def given_options(texts: list[str] | None) -> dict[str, str]:
    """Options of an agent out of ``name=value`` texts; anything else raises `InputError`."""
    options = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"--set takes name=value, got {text!r}")
        options[name.strip().replace("-", "_")] = value.strip()
    return options


def given_agent(agent: str | None, plugin: str | None) -> str | None:
    """The agent that --agent or --plugin names."""
    if plugin is not None and ":" not in plugin:
        raise InputError(f"--plugin takes module:Class, got {plugin!r}")
    return plugin or agent
