"""The one face of everything that costs a design: formulas, simulators, tables, learned models."""

from __future__ import annotations

from abc import ABC, abstractmethod

from numpy.typing import ArrayLike

from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.search_spaces import Designs, InputError, SearchSpace


class CostModel(ABC):
    """A batched function from designs to metrics with units.

    A model covers the parameters that it needs and no others: a problem hands it the columns of
    its ``space``, whatever else the problem's designs hold.

    Attributes:
        name: Name for people and records.
        space: The parameters that the model reads.
        metrics: The metrics that it gives, with unit and direction.
        source: Where the model comes from: paper, equation, data sheet, measurement.
        fidelity: Orders models of the same metrics from cheap (0) to costly.
        expensive: Whether designs that already break a spec should be spared the model.
        formats: What a design can be exported as, names for `export`.
        offers: What agents may need besides figures: ``"relaxation"``, gradients to the choices.
    """

    name: str
    space: SearchSpace
    metrics: tuple[Metric, ...]
    source: str
    fidelity: int = 0
    expensive: bool = False
    formats: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()

    def evaluate(self, designs: ArrayLike) -> Metrics:
        """The metrics of designs ``[n, p]``; malformed designs raise `InputError`."""
        return self.compute(self.space.canonical(self.space.check(designs)))

    def explain(self, designs: Designs) -> list[dict[str, str | float]]:
        """Where the cost of one design ``[1, p]`` goes, a row per part; empty if it has none."""
        return []

    def export(self, designs: Designs, form: str) -> dict[str, str]:
        """One design ``[1, p]`` in one of `formats`, the input files of a tool that can check it.

        Returns:
            Path of each file within its directory -> its text.
        """
        raise InputError(f"{self.name} has no format {form!r}")

    @abstractmethod
    def compute(self, designs: Designs) -> Metrics:
        """The metrics of designs already checked and canonical, ``[n, p]``."""
