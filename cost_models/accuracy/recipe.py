"""How networks are trained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: AdamW with a one-cycle learning rate.

    Attributes:
        epochs: Passes over the 4,000 training sequences.
        batch: Sequences per step.
        learning_rate: Peak of the one-cycle schedule.
        weight_decay: Of AdamW.
    """

    epochs: int = 10
    batch: int = 100
    learning_rate: float = 1e-2
    weight_decay: float = 1e-2


RECIPES = {
    "cell-network": Recipe(),
    "darts-1d": Recipe(epochs=4),
    "mobilenet-1d": Recipe(epochs=8),
    "nas-bench-201-1d": Recipe(),
    "proxylessnas-1d": Recipe(epochs=6),
    "resnet9-1d": Recipe(epochs=8),
    "unet-1d": Recipe(epochs=8),
}
"""The recipe of the embedded tables of each space."""
