"""Units of metric names: a spec or an objective may be given in another unit than the metric's."""

from __future__ import annotations

from collections.abc import Iterable

from codesign_gym.search_spaces.errors import unknown_name

_DIMENSIONS: tuple[dict[str, int], ...] = (
    {"fj": -15, "pj": -12, "nj": -9, "uj": -6, "mj": -3, "j": 0},
    {"ps": -12, "ns": -9, "us": -6, "ms": -3, "s": 0},
    {"uw": -6, "mw": -3, "w": 0},
    {"um2": -12, "mm2": -6, "cm2": -4},
    {"b": 0, "kb": 3, "mb": 6, "gb": 9},
)
"""Suffixes that measure the same, as powers of ten; milli and mega are both m, as in the names."""

_SPELLED = ("fJ", "pJ", "nJ", "uJ", "mJ", "J", "uW", "mW", "W", "B", "kB", "KB", "MB", "GB")
"""Units as people write them. Others are taken as they stand: MJ and MW are not milli."""


def own_name(name: str, known: Iterable[str]) -> tuple[str, float]:
    """The metric that is meant by a name, and what its unit makes of one unit of the given name.

    Args:
        name: A metric, in its own unit or in another of the same dimension.
        known: The metrics that there are.

    Raises:
        InputError: No metric measures that; the nearest one is told.

    >>> own_name("energy_mj", ["latency_ms", "energy_uj"])
    ('energy_uj', 1000.0)
    """
    names = list(known)
    if name in names:
        return name, 1.0
    base, _, unit = name.rpartition("_")
    unit = unit.lower() if unit in _SPELLED else unit
    for own in names:
        own_base, _, own_unit = own.rpartition("_")
        for scale in _DIMENSIONS:
            if base == own_base and unit in scale and own_unit in scale:
                return own, 10.0 ** (scale[unit] - scale[own_unit])
    raise unknown_name("metric", name, names)
