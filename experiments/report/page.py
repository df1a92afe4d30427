"""The report's sections, in order."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from codesign_gym.experiments.record import RunRecord
from codesign_gym.experiments.report import comparison, curves, summary, tables
from codesign_gym.experiments.report.front import front_figures
from codesign_gym.experiments.report.layout import Section, copied, page, place
from codesign_gym.experiments.report.parameters import (
    BEST,
    importance,
    importance_rows,
    parallel_coordinates,
)
from codesign_gym.experiments.report.study import Study
from codesign_gym.experiments.report.text import metric_name, plural, tag
from codesign_gym.search_spaces.files import write_whole


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
    write_whole(path, render(Study.of(records), title))


def render(study: Study, title: str = "") -> str:
    """The page as HTML."""
    return page(
        title or study.problem,
        study.problem,
        summary.sentence(study),
        _sections(study),
        summary.warnings(study),
        summary.study_cards(study),
    )


def _sections(study: Study) -> list[Section]:
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
        drawn = place(curves.draw(study, volumes, "hypervolume"), "Hypervolume by evaluations")
        empty = tag("p", "No feasible design, so the front is empty.", class_="empty")
        drawn = drawn if found else empty
        out.append(("hypervolume", "Hypervolume", _volume_lead(study) + band, drawn))
    if comparison.comparable(study):
        out.append(("agents", "Agents", *_agents(study)))
    shown = min(len(study.ranked), BEST)
    wide = 80 * (len(study.space) + len(study.objectives) + 1) + 60
    parallel = place(parallel_coordinates(study), "Choices of the best designs", wide)
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
    drawn = place(curves.draw(study, steps, title), f"{title} by evaluations")
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
    drawn = "".join(place(f, f"Designs: {what}") for what, f in figures)
    pair = tag("div", drawn, class_="pairs" if len(figures) > 1 else "")
    return text + summary.failures(study), pair


def _agents(study: Study) -> tuple[str, str]:
    """Profiles of the agents, and who is how likely to be better."""
    finals = comparison.final_rewards(study)
    profiles = comparison.reward_profiles(finals)
    lead = (
        "Curves: the share of an agent's runs whose best reward is above a threshold, with 95 % "
        "bootstrap bands; the higher, the better. Squares: h"
        if profiles
        else "H"
    )
    shares = comparison.pairwise([values[None] for values in finals.values()])
    lead += (
        "ow likely a run of the row's agent ends with a higher reward than one of the column's, "
        "in per cent; ties count half."
    )
    pairs = place(comparison.improvements(list(finals), shares), "Probability of improvement")
    drawn = place(profiles, "Share of runs above a reward") if profiles else ""
    return lead, drawn + pairs


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
    return lead, place(importance(study), "Share of the variance explained by each parameter")


def _provenance(study: Study) -> tuple[str, str]:
    many = len(study.runs) + len(study.empty) > 1
    command = copied(tables.commands(study))
    inner = tag("summary", "Configuration, seeds, versions and dates") + tables.provenance(study)
    return (
        f"{'These commands repeat the runs' if many else 'This command repeats the run'}, "
        "evaluation for evaluation.",
        command + tag("details", inner),
    )
