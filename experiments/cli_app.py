"""The application that all commands belong to, and the options that several of them take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from codesign_gym.experiments.record import RunRecord

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
