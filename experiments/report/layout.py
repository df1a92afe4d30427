"""How every page is put together: head, sections, figures as data, one copy of plotly.js."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from codesign_gym.experiments.report.text import scrolling, tag

Section = tuple[str, str, str, str]
"""Anchor, heading, lead and content of a section; lead and content are HTML."""


def page(
    title: str,
    topic: str,
    sentence: str,
    sections: Sequence[Section],
    warnings: str = "",
    cards: str = "",
) -> str:
    """A page as HTML that loads nothing from anywhere; ``title`` and ``topic`` are plain text."""
    here = files("codesign_gym.experiments.report")
    return Template((here / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(title),
        problem=escape(topic),
        sentence=sentence,
        links="".join(tag("a", escape(s[1]), href=f"#{s[0]}") for s in sections),
        warnings=warnings,
        cards=cards,
        sections="\n".join(_section(*section) for section in sections),
        css=(here / "page.css").read_text(encoding="utf-8"),
        plotly=get_plotlyjs().replace("</script", "<\\/script"),
    )


def place(figure: go.Figure, label: str, width: int = 0) -> str:
    """A figure's place and its data; the page's script draws it."""
    height = int(figure.layout.height)
    style = f"height:{height}px" + (f";min-width:{width}px" if width else "")
    plot = tag("div", "", class_="plot", role="img", aria_label=label, style=style)
    data = figure.to_json().replace("<", "\\u003c")
    script = f'<script type="application/json" class="figure">{data}</script>'
    return tag("figure", (scrolling(plot, label) if width else plot) + script)


def copied(text: str) -> str:
    """A command to copy."""
    button = tag("button", "Copy", type="button", class_="copy")
    return tag("div", button + tag("pre", tag("code", escape(text))), class_="command")


def _section(anchor: str, heading: str, lead: str, content: str) -> str:
    head = tag("h2", escape(heading), id=f"{anchor}-title") + tag("p", lead, class_="lead")
    return tag("section", f"\n{head}\n{content}\n", id=anchor, aria_labelledby=f"{anchor}-title")
