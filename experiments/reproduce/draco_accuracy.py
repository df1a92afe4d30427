"""What more channels per group do to accuracy, measured on the small networks for MNIST-1D."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codesign_gym.cost_models.accuracy.trained import embedded_table
from codesign_gym.cost_models.analytical.technology import FloatArray
from codesign_gym.experiments.reproduce.finding import Claim, Row
from codesign_gym.search_spaces import mobilenet_1d

RESAMPLES = 2000


@dataclass(frozen=True)
class Accuracy:
    """Accuracies of all small networks, ``w`` of them, and what the groups do to them.

    Attributes:
        doublings: log2 of the channels per group, mean over a network's layers ``[w]``.
        accuracy_pct: Mean over the seeds ``[w]``.
        slope: Points of accuracy per doubling in all layers at once.
        interval: Of the slope, 95 %.
        seeds: Trainings of each network.
        rows: Accuracy by layer and channels per group.
    """

    doublings: FloatArray
    accuracy_pct: FloatArray
    slope: float
    interval: tuple[float, float]
    seeds: int
    rows: Sequence[Row]

    @property
    def caption(self) -> str:
        """What the rows show."""
        return (
            f"Measured accuracy in % on MNIST-1D, {len(self.accuracy_pct)} networks x "
            f"{self.seeds} seeds: mean of the networks with so many channels per group in a layer"
        )

    def measured(self) -> str:
        """The slope with its interval."""
        low, high = self.interval
        return f"{self.slope:+.2f} ({low:+.2f} to {high:+.2f}) points per doubling"

    def claim(self) -> Claim:
        """The paper's word on accuracy beside ours, which is of another network and task."""
        return Claim(
            "negligible accuracy loss (ours: MNIST-1D)",
            "negligible loss",
            self.measured(),
            None,
        )

    def sentence(self) -> str:
        """What it comes to."""
        low, high = self.interval
        effect = "gains" if low > 0 else "loses" if high < 0 else "neither gains nor loses"
        return (
            f"Accuracy on ImageNet is not measured here. On MNIST-1D a small network {effect} "
            f"accuracy with more channels per group: {self.measured()} in all "
            "layers, with the 95 % interval."
        )


def _slopes(doublings: FloatArray, accuracy: FloatArray) -> FloatArray:
    """Least squares: points of accuracy per doubling in each layer ``[p]``."""
    design = np.column_stack([np.ones(len(doublings)), doublings])
    return np.asarray(np.linalg.lstsq(design, accuracy, rcond=None)[0][1:])


def accuracy_of_groups() -> Accuracy:
    """The measured table, and a linear fit of accuracy over log2 of each layer's group."""
    space = mobilenet_1d()
    records = embedded_table("mobilenet-1d", "mnist1d")
    designs = space.enumerate()
    counts = records.correct[space.ravel(designs), :, -1].mean(axis=1)
    accuracy = 100 * counts / float(records.provenance["test_size"])
    values = [np.array(parameter.values, dtype=np.float64) for parameter in space.parameters]
    per_group = np.stack([v[column] for v, column in zip(values, designs.T, strict=True)], axis=1)
    doublings = np.log2(per_group)
    slopes = _slopes(doublings, accuracy)
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(designs), (RESAMPLES, len(designs)))
    drawn = [_slopes(doublings[pick], accuracy[pick]).sum() for pick in picks]
    low, high = np.quantile(drawn, [0.025, 0.975])
    rows: list[Row] = []
    for j, parameter in enumerate(space.parameters):
        line: dict[str, object] = {"layer": parameter.name}
        for i, value in enumerate(parameter.values):
            line[f"g = {value}"] = float(accuracy[designs[:, j] == i].mean())
        rows.append(line | {"points per doubling": float(slopes[j])})
    everywhere: dict[str, object] = {"layer": "all layers"}
    for i, value in enumerate(space.parameters[0].values):
        everywhere[f"g = {value}"] = float(accuracy[(designs == i).all(axis=1)][0])
    rows.append(everywhere | {"points per doubling": float(slopes.sum())})
    return Accuracy(
        doublings.mean(axis=1),
        accuracy,
        float(slopes.sum()),
        (float(low), float(high)),
        records.correct.shape[1],
        rows,
    )
