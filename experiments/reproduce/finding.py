"""What a reproduction is given and what it finds: claims of a paper beside our measurements."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codesign_gym.search_spaces.files import write_whole

if TYPE_CHECKING:
    import plotly.graph_objects as go

Row = Mapping[str, Any]
VERDICTS = {True: "holds", False: "does not hold", None: "not comparable"}


@dataclass(frozen=True)
class Settings:
    """How large a reproduction is to be.

    Attributes:
        seeds: Repetitions of every search.
        budget: Evaluations of each.
        jobs: Processes at once, one thread each.
        directory: Where runs may be kept, so that an interrupted reproduction continues.
        progress: Told of what is done and of how much there is.
    """

    seeds: int
    budget: int
    jobs: int = 1
    directory: Path = Path("results")
    progress: Callable[[int, int], None] = field(default=lambda done, total: None)


@dataclass(frozen=True)
class Claim:
    """A statement of a paper, and what we measure in its place.

    Attributes:
        text: What is claimed, in our words.
        published: The paper's figure.
        measured: Ours.
        holds: Whether the claim survives; None where the two cannot be compared.
    """

    text: str
    published: str
    measured: str
    holds: bool | None

    def row(self) -> dict[str, str]:
        """The claim as a row of a table."""
        return {
            "claim": self.text,
            "verdict": VERDICTS[self.holds],
            "published": self.published,
            "measured": self.measured,
        }


@dataclass(frozen=True)
class Drawing:
    """A figure, under a heading and a sentence that says what it shows (both plain text)."""

    heading: str
    lead: str
    figure: go.Figure


@dataclass(frozen=True)
class Finding:
    """The result of a reproduction.

    Attributes:
        title: What was reproduced.
        source: The paper.
        summary: What came out, in a few sentences.
        claims: The paper's statements.
        tables: Rows by caption; the rows of a table have the same keys.
        drawings: Figures.
        settings: What it was made with, for the record.
    """

    title: str
    source: str
    summary: str
    claims: Sequence[Claim]
    tables: Mapping[str, Sequence[Row]]
    drawings: Sequence[Drawing] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the figures, as plain data."""
        return {
            "title": self.title,
            "source": self.source,
            "summary": self.summary,
            "settings": dict(self.settings),
            "claims": [claim.row() for claim in self.claims],
            "tables": {name: [dict(row) for row in rows] for name, rows in self.tables.items()},
        }


def write_finding(finding: Finding, directory: Path, command: str) -> tuple[Path, Path]:
    """Write ``result.json`` and ``report.html`` into a directory; their paths."""
    from codesign_gym.experiments import console
    from codesign_gym.experiments.report.layout import copied, page, place
    from codesign_gym.experiments.report.text import table

    def tabulated(caption: str, rows: Sequence[Row], **attributes: str) -> str:
        body = [[console.number(value) for value in row.values()] for row in rows]
        return table(caption, list(rows[0]), body, **attributes) if rows else ""

    said = [claim.row() for claim in finding.claims]
    claims = tabulated("The paper beside us", said, class_="prose")
    tables = "".join(tabulated(name, rows) for name, rows in finding.tables.items())
    sections = [("claims", "Claims", escape(finding.summary), claims)]
    sections += [
        (f"figure-{i}", d.heading, escape(d.lead), place(d.figure, d.heading))
        for i, d in enumerate(finding.drawings)
    ]
    sections += [
        ("measurements", "Measurements", "Everything that was measured.", tables),
        ("provenance", "Provenance", "This command repeats the study.", copied(command)),
    ]
    result, report = directory / "result.json", directory / "report.html"
    data = console.finite(finding.to_dict() | {"command": command})
    write_whole(result, json.dumps(data, indent=2) + "\n")
    write_whole(report, page(finding.title, "reproduction", escape(finding.source), sections))
    return result, report
