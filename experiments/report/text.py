"""Numbers, units and tables as text for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from codesign_gym.cost_models.metrics import Metric
from codesign_gym.envs import Spec

_UNITS = {"uJ": "µJ", "us": "µs", "um": "µm", "um2": "µm²", "mm2": "mm²", "uW": "µW"}
_TIMES, _MINUS = "\N{MULTIPLICATION SIGN}", "\N{MINUS SIGN}"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 4) -> str:
    """A value to so many significant digits, thousands grouped.

    >>> [number(x) for x in (0.80049, 12.0, 54771.8, np.inf)]
    ['0.8005', '12', '54,770', 'not measured']
    """
    if not math.isfinite(value):
        return "not measured"
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    exponent = math.floor(math.log10(abs(rounded)))
    if -5 < exponent < 7:
        text = f"{rounded:,.{max(0, digits - 1 - exponent)}f}"
        text = text if value != int(value) or "." not in text else text.rstrip("0").rstrip(".")
    else:
        mantissa = f"{rounded / 10**exponent:.{digits - 1}f}".rstrip("0").rstrip(".")
        text = f"{mantissa}{_TIMES}10{str(exponent).translate(_SUPERSCRIPTS)}"
    return text.replace("-", _MINUS)


def share(part: float, whole: float) -> str:
    """A share as a percentage.

    >>> share(1, 3), share(1, 10_000), share(9999, 10_000), share(2, 2)
    ('33.3 %', '< 0.1 %', '> 99.9 %', '100 %')
    """
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{number(percent, 3)} %"


def plural(n: int, one: str, many: str = "") -> str:
    """A count and its noun.

    >>> plural(1, "run"), plural(1500, "run")
    ('1 run', '1,500 runs')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def unit(text: str) -> str:
    """A unit as it is printed."""
    return _UNITS.get(text, text)


def metric_name(metric: Metric) -> str:
    """A metric's name without its unit.

    >>> metric_name(Metric("energy_uj", "uJ", "min")), metric_name(Metric("acc_pct", "%", "max"))
    ('energy', 'acc')
    """
    suffix = {"%": "_pct"}.get(metric.unit, f"_{metric.unit.lower()}")
    name = metric.name.removesuffix(suffix) if metric.unit else metric.name
    return name.replace("_", " ")


def listing(parts: Sequence[str]) -> str:
    """The parts as an enumeration.

    >>> listing(["a"]), listing(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def with_unit(name: str, of: str) -> str:
    """A name followed by its unit, if it has one."""
    return f"{name} ({unit(of)})" if of else name


def amount(value: float, of: str) -> str:
    """A value with its unit."""
    text = number(value)
    return f"{text} {unit(of)}" if of and math.isfinite(value) else text


def bound(spec: Spec, metric: Metric) -> str:
    """A spec as it is printed, in one line."""
    sign = {"<=": "≤", ">=": "≥"}[spec.sense]
    text = f"{metric_name(metric)} {sign} {_exact(spec.bound, metric)}"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def margin(spec: Spec, metric: Metric, value: float) -> str:
    """A value against the bound of its spec.

    >>> margin(Spec("area_mm2", "<=", 1.0), Metric("area_mm2", "mm2", "min"), 0.8)
    '0.8000 of 1 mm²'
    >>> margin(Spec("acc_pct", ">=", 90.0), Metric("acc_pct", "%", "max"), 93.2)
    '93.20, at least 90 %'
    """
    limit = _exact(spec.bound, metric)
    return f"{number(value)}{' of' if spec.sense == '<=' else ', at least'} {limit}"


def _exact(value: float, metric: Metric) -> str:
    """A value that somebody chose: all its digits, and the unit."""
    text = f"{value:,.10g}".replace("-", _MINUS)
    return f"{text} {unit(metric.unit)}" if metric.unit else text


def kept(spec: Spec, value: float) -> bool:
    """Whether a value keeps a spec."""
    return bool(spec.violation(np.array([value]))[0] == 0)


def tag(name: str, content: str, **attributes: str) -> str:
    """An element around content that is HTML already; attribute values are escaped.

    >>> tag("td", "1", class_="num")
    '<td class="num">1</td>'
    """
    pairs = [
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value
    ]
    return f"<{name}{''.join(pairs)}>{content}</{name}>"


def table(
    caption: str, head: Sequence[str], body: Sequence[Sequence[str]], **attributes: str
) -> str:
    """A table of plain text; the first cell of each row is its header."""
    top = "".join(tag("th", escape(cell), scope="col") for cell in head)
    rows = "".join(
        tag(
            "tr",
            tag("th", escape(row[0]), scope="row")
            + "".join(tag("td", escape(cell)) for cell in row[1:]),
        )
        for row in body
    )
    inner = caption_of(caption) + tag("thead", tag("tr", top)) + tag("tbody", rows)
    return scrolling(tag("table", inner, **attributes), caption)


def caption_of(text: str) -> str:
    """A caption that stays in view where its table is wider than the page."""
    return tag("caption", tag("span", escape(text)))


def cards(items: Iterable[tuple[str, str, str]]) -> str:
    """What a page tells first: name, value and a remark each, in plain text."""
    return "".join(
        tag(
            "div",
            tag("dt", escape(name))
            + tag("dd", escape(value), class_="value")
            + tag("dd", escape(remark)),
            class_="card",
        )
        for name, value, remark in items
    )


def scrolling(content: str, label: str) -> str:
    """Content that scrolls sideways where it is too wide, by keyboard too."""
    return tag("div", content, class_="scroll", tabindex="0", role="region", aria_label=label)
