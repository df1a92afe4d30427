"""The page of a result: its score by class, its profile, and the built-in agents beside it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from codesign_gym.experiments.report import comparison
from codesign_gym.experiments.report.layout import Section, copied, page, place
from codesign_gym.experiments.report.study import FloatArray
from codesign_gym.experiments.report.text import cards, number, table, tag
from codesign_gym.experiments.statistics import win_share
from codesign_gym.experiments.suite.definition import LEVELS, Suite
from codesign_gym.experiments.suite.results import Result
from codesign_gym.experiments.suite.scoring import (
    TAUS,
    profile,
    ranked_rows,
    records_set,
    score,
    task_rows,
)

SHOWN = 5
"""Results that are drawn beside one's own: the best of the others, and random search."""


def write_page(
    result: Result, others: Sequence[Result], suite: Suite, command: str, path: Path
) -> None:
    """Write the page of a result, compared with others, as one file that loads nothing."""
    from codesign_gym.search_spaces.files import write_whole

    write_whole(path, render(result, others, suite, command))


def render(result: Result, others: Sequence[Result], suite: Suite, command: str) -> str:
    """The page as HTML."""
    whole = score(result, suite)
    told = f"Score {_interval(whole)}" if whole else "No score, since runs are missing"
    sentence = (
        f"{told}, on {len(suite.tasks)} tasks with three budgets each and {result.seeds} seeds: 0 "
        "is what random search finds with the smallest budget, 1 the best known."
    )
    notes = [f"Missing runs: {gaps}." for gaps in [result.missing(suite)] if gaps]
    notes += [result.note] if result.note else []
    notes += [f"{len(result.failures)} runs failed and score 0."] if result.failures else []
    warnings = "".join(tag("p", escape(note), class_="warning", role="note") for note in notes)
    return page(
        result.label,
        f"suite {suite.version}",
        escape(sentence),
        _sections(result, others, suite, command),
        warnings,
        _cards(result, suite),
    )


def _interval(found: tuple[float, float, float]) -> str:
    mean, low, high = (number(x, 3) for x in found)
    return f"{mean} [{low}, {high}]"


def _cards(result: Result, suite: Suite) -> str:
    items = []
    for level in LEVELS:
        found = score(result, suite, level=level)
        items.append((f"{level} budgets", number(found[0], 3) if found else "missing", ""))
    return cards(items)


def _sections(
    result: Result, others: Sequence[Result], suite: Suite, command: str
) -> list[Section]:
    everyone = [result, *others]
    drawn = [one for one in _drawn(result, others, suite) if score(one, suite)]
    out: list[Section] = []
    if drawn:
        lead = (
            "Mean score over tasks, budgets and seeds, with 95 % stratified bootstrap intervals: "
            "the best of the shipped results and random search beside this one."
        )
        bars = {
            one.label: [s for g in (*suite.groups, "") if (s := score(one, suite, g))]
            for one in drawn
        }
        figure = comparison.bars([*suite.groups, "all"], bars)
        out.append(("classes", "Classes", lead, place(figure, "Scores by class")))
        curves = {one.label: c for one in drawn if (c := profile(one, suite))}
        lead = (
            "Share of all runs that score above a threshold, with 95 % bootstrap bands: the "
            "higher, the better (Agarwal et al. 2021)."
        )
        figure = comparison.profiles(TAUS, curves, "score")
        out.append(("profiles", "Profiles", lead, place(figure, "Performance profiles")))
    if others:
        out.append(("agents", "Agents", *_agents(everyone, suite)))
    lead = "Mean score over the seeds with each budget."
    out.append(("tasks", "Tasks", lead, _tasks(result, suite)))
    if result.failures:
        head = ["task", "budget", "seed", "error"]
        rows = [[str(row[key]) for key in head] for row in result.failures]
        lead = "The agent ended these runs with an error."
        out.append(("failures", "Failed runs", lead, table("Failed runs", head, rows)))
    out.append(("provenance", "Provenance", "This command repeats the runs.", copied(command)))
    return out


def _drawn(result: Result, others: Sequence[Result], suite: Suite) -> list[Result]:
    """One's own result, the best others, and random search."""
    ranked = sorted(others, key=lambda one: -(score(one, suite) or (-1.0,))[0])
    best = [one for one in ranked if one.label not in (result.label, "random")]
    chance = [one for one in ranked if one.label == "random" != result.label]
    return [result, *best[: SHOWN - len(chance)], *chance]


def _agents(everyone: Sequence[Result], suite: Suite) -> tuple[str, str]:
    rows = ranked_rows(everyone, suite)
    by_label = {one.label: one for one in everyone}
    ordered = [by_label[row["agent"]] for row in rows]
    lead = (
        "Squares: how likely a run of the row's agent scores higher than one of the column's "
        "on the same task with the same budget, in per cent; ties count half. Agents with missing "
        "runs compare over the others."
    )
    figure = comparison.improvements([one.label for one in ordered], _shares(ordered, suite))
    head = ["agent", "score", *LEVELS, "interquartile mean", "failed runs", "missing"]
    body = [
        [
            row["agent"],
            "missing"
            if row["score"] is None
            else _interval((row["score"], row["low"], row["high"])),
            *(_cell(row[level]) for level in LEVELS),
            _cell(row["iqm"]),
            str(row["failed"]),
            row["missing"] or "none",
        ]
        for row in rows
    ]
    drawn = place(figure, "Probability of improvement", 120 + 34 * len(ordered))
    return lead, table("Scores with 95 % bootstrap intervals", head, body) + drawn


def _shares(results: Sequence[Result], suite: Suite) -> FloatArray:
    scores = [one.scores(suite) for one in results]
    shares = np.full((len(scores), len(scores)), np.nan)
    for i, ours in enumerate(scores):
        for j, theirs in enumerate(scores):
            shared = [key for key in ours if key in theirs]
            if i != j and shared:
                mine, others = (np.array([part[key] for key in shared]) for part in (ours, theirs))
                shares[i, j] = win_share(mine, others)
    return shares


def _tasks(result: Result, suite: Suite) -> str:
    head = ["task", "class", *(f"{level} budget" for level in LEVELS)]
    body = [
        [row["task"], row["class"], *(_cell(row[level]) for level in LEVELS)]
        for row in task_rows(result, suite)
    ]
    beaten = records_set(result, suite)
    records = [[row["task"], number(row["best known"]), number(row["found"])] for row in beaten]
    out = table("Scores", head, body)
    if records:
        out += table("Better than the best known", ["task", "best known", "found"], records)
    return out


def _cell(value: float | None) -> str:
    return "missing" if value is None else number(value, 3)
