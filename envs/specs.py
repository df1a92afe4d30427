"""Specs: bounds that a design has to keep."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from codesign_gym.search_spaces import InputError

_PATTERN = re.compile(
    r"\s*(?P<metric>[A-Za-z_]\w*)\s*(?P<sense><=|>=)"
    r"\s*(?P<bound>nan|[-+]?inf|[-+.\d]+(e[-+]?\d+)?)\s*(?P<unit>%|[A-Za-z]\w*)?\s*"
)


@dataclass(frozen=True)
class Spec:
    """An upper (``<=``) or lower (``>=``) bound of a metric, in the metric's unit.

    Attributes:
        metric: Name of the metric.
        sense: ``"<="`` or ``">="``.
        bound: The bound; not zero, since violations are stated relative to it.

    >>> spec = Spec.parse("latency_ms <= 0.8")
    >>> spec.violation(np.array([0.4, 0.8, 1.2])).round(3).tolist()
    [0.0, 0.0, 0.5]
    """

    metric: str
    sense: Literal["<=", ">="]
    bound: float

    def __post_init__(self) -> None:
        if self.sense not in ("<=", ">="):
            raise InputError(f"spec of {self.metric!r}: must be '<=' or '>=', got {self.sense!r}")
        number = isinstance(self.bound, (int, float)) and not isinstance(self.bound, bool)
        if not number or not math.isfinite(self.bound) or self.bound == 0:
            raise InputError(
                f"spec of {self.metric!r}: the bound must be finite and not 0, got {self.bound!r}"
            )
        object.__setattr__(self, "bound", float(self.bound))

    @classmethod
    def parse(cls, text: str) -> Spec:
        """The spec written as ``metric<=bound`` or ``metric>=bound``.

        A unit may follow: ``latency <= 0.8 ms`` is ``latency_ms<=0.8``.
        """
        match = _PATTERN.fullmatch(text)
        try:
            if match is None:
                raise ValueError
            unit = f"_{match['unit'].replace('%', 'pct')}" if match["unit"] else ""
            metric = match["metric"].removesuffix(unit) + unit
            return cls(metric, match["sense"], float(match["bound"]))  # type: ignore[arg-type]
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"a spec is written 'metric<=number' or 'metric>=number', got {text!r} "
                "(a unit may follow: 'latency <= 5 ms')"
            ) from None

    def violation(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far values miss the bound, as a share of it, ``[n]``; 0 where they keep it."""
        excess = values - self.bound if self.sense == "<=" else self.bound - values
        return np.maximum(excess, 0.0) / abs(self.bound)

    def __str__(self) -> str:
        return f"{self.metric}{self.sense}{self.bound!r}".removesuffix(".0")
