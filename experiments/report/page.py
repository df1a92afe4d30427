"""The page: sections in order, figures as data, one copy of plotly.js, no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from codesign_gym.experiments.files import write_text
from codesign_gym.experiments.record import RunRecord
from codesign_gym.experiments.report import curves, summary, tables
from codesign_gym.experiments.report.front import front_figures
from codesign_gym.experiments.report.parameters import (
    BEST,
    importance,
    importance_rows,
    parallel_coordinates,
)
from codesign_gym.experiments.report.study import Study
from codesign_gym.experiments.report.text import metric_name, plural, scrolling, tag


def write_report(records: Sequence[RunRecord], path: Path, title: str = "") -> None:
    """Write the report of one run, or of several on one problem, as one HTML file.

    The file appears whole or not at all, and loads nothing from anywhere.

    Args:
        records: The runs: any agents and seeds, finished or not.
        path: The file; its folder is made where it does not exist.
        title: Title of the page; the problem's name where it is empty.

    Raises:
        InputError: There are no runs, none has evaluated anything, or their problems differ.
    """
    write_text(path, render(Study.of(records), title))


def render(study: Study, title: str = "") -> str:
    """The page as HTML."""
    here = files("codesign_gym.experiments.report")
    sections = _sections(study)
    links = "".join(tag("a", escape(s[1]), href=f"#{s[0]}") for s in sections)
    return Template((here / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(title or study.problem),
        problem=escape(study.problem),
        sentence=summary.sentence(study),
        links=links,
        warnings=summary.warnings(study),
        cards=summary.cards(study),
        sections="\n".join(_section(*section) for section in sections),
        css=(here / "page.css").read_text(encoding="utf-8"),
        plotly=get_plotlyjs().replace("</script", "<\\/script"),
    )


def _sections(study: Study) -> list[tuple[str, str, str, str]]:
    """Anchor, heading, lead and content (both HTML) of each section."""
    several = len(study.objectives) > 1
    volumes = curves.hypervolume_steps(study) if several else []
    banded = max(len(study.runs_of(agent)) for agent in range(len(study.agents)))
    band = (
        " Line: interquartile mean over the seeds; band: 95 % bootstrap interval of that mean."
        if banded >= curves.BAND_SEEDS
        else ""
    )
    found = bool(study.feasible.any())
    out = [
        ("convergence", "Convergence", *_convergence(study, band, volumes)),
        ("front", "Pareto front" if several else "Objective", *_fronts(study)),
    ]
    if several:
        drawn = _figure(curves.draw(study, volumes, "hypervolume"), "Hypervolume by evaluations")
        empty = tag("p", "No feasible design, so the front is empty.", class_="empty")
        drawn = drawn if found else empty
        out.append(("hypervolume", "Hypervolume", _volume_lead(study) + band, drawn))
    shown = min(len(study.ranked), BEST)
    wide = 80 * (len(study.space) + len(study.objectives) + 1) + 60
    parallel = _figure(parallel_coordinates(study), "Choices of the best designs", wide)
    which = "The" if shown < BEST else "The best"
    out += [
        (
            "parallel",
            "Parallel coordinates",
            f"{which} {plural(shown, 'different design')}, coloured by reward. Drag along an axis "
            "to keep only the lines that pass there; click the axis to let go.",
            parallel,
        ),
        ("importance", "Parameter importance", *_importance(study)),
        (
            "designs",
            "Best designs",
            "The different designs with the highest reward, feasible ones first.",
            tables.best_designs(study),
        ),
        ("provenance", "Provenance", *_provenance(study)),
    ]
    return out


def _convergence(study: Study, band: str, volumes: list[curves.Steps]) -> tuple[str, str]:
    """The best reward; where no design is feasible, how near the specs the search came."""
    if study.feasible.any():
        lead, title, steps = (
            "Best reward of a feasible design so far.",
            "best reward",
            curves.reward_steps(study),
        )
    else:
        lead = (
            "No design is feasible, so this shows the least total violation so far: how far the "
            "specs are missed, each relative to its bound."
        )
        title, steps = "least total violation", curves.violation_steps(study)
    drawn = _figure(curves.draw(study, steps, title), f"{title} by evaluations")
    if not any(len(curve.x) for curve in steps):
        drawn = tag("p", "No design is valid, so there is nothing to draw.", class_="empty")
    table = tables.agents(study, volumes) if len(study.runs) > 1 else ""
    return lead + band, drawn + table


def _fronts(study: Study) -> tuple[str, str]:
    """The figures of the front, led by what they show and leave out."""
    figures = front_figures(study)
    text = "Every different design evaluated, thinned where there are thousands. "
    if len(study.objectives) > 1 and len(study.front):
        marks = "The line joins" if len(study.objectives) == 2 else "The large marks are"
        text += f"{marks} the designs that no feasible one dominates. "
    if len(study.objectives) == 2 and len(figures) == 2:
        text += "The second figure is the part of the first around the front. "
    names = [metric_name(m) for m, log in zip(study.objectives, study.log, strict=True) if log]
    if names:
        text += escape(f"Logarithmic: {' and '.join(names)}. ")
    drawn = "".join(_figure(f, f"Designs: {what}") for what, f in figures)
    place = tag("div", drawn, class_="pairs" if len(figures) > 1 else "")
    return text + summary.failures(study), place


def _volume_lead(study: Study) -> str:
    scale = "objectives, on the scale of the figure above," if any(study.log) else "objectives"
    return (
        f"Share of the objective space that the front dominates. The {scale} run from 0, the best "
        "feasible value of all runs, to 1, the worst; the reference point is 1.1."
    )


def _importance(study: Study) -> tuple[str, str]:
    rows, feasible = importance_rows(study)
    what = "feasible designs" if feasible else "designs, infeasible ones among them,"
    lead = (
        f"Share of each objective's variance (of its logarithm where it is positive) that the "
        f"choice of one parameter explains by itself (η²), over {len(rows):,} different {what} "
        "that the agents chose. Searching favours some regions, so this is biased by the search: "
        "read it as a hint, not as a sensitivity analysis. Grey marks: what chance alone gives."
    )
    if len(rows) < 3:
        return lead, tag("p", "Too few measured designs to say anything.", class_="empty")
    return lead, _figure(importance(study), "Share of the variance explained by each parameter")


def _provenance(study: Study) -> tuple[str, str]:
    many = len(study.runs) + len(study.empty) > 1
    button = tag("button", "Copy", type="button", class_="copy")
    command = tag("div", button + tag("pre", tag("code", tables.commands(study))), class_="command")
    inner = tag("summary", "Configuration, seeds, versions and dates") + tables.provenance(study)
    return (
        f"{'These commands repeat the runs' if many else 'This command repeats the run'}, "
        "evaluation for evaluation.",
        command + tag("details", inner),
    )


def _section(anchor: str, heading: str, lead: str, content: str) -> str:
    head = tag("h2", escape(heading), id=f"{anchor}-title") + tag("p", lead, class_="lead")
    return tag("section", f"\n{head}\n{content}\n", id=anchor, aria_labelledby=f"{anchor}-title")


def _figure(figure: go.Figure, label: str, width: int = 0) -> str:
    """A figure's place and its data; the page's script draws it."""
    height = int(figure.layout.height)
    style = f"height:{height}px" + (f";min-width:{width}px" if width else "")
    place = tag("div", "", class_="plot", role="img", aria_label=label, style=style)
    data = figure.to_json().replace("<", "\\u003c")
    script = f'<script type="application/json" class="figure">{data}</script>'
    return tag("figure", (scrolling(place, label) if width else place) + script)
