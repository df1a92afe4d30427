"""Choices that are learned with the weights: probabilities of operations and of edges.

Importing this module imports torch. Letters: ``p`` places, each with its candidates; ``K`` of all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codesign_gym.cost_models.accuracy.supernet_rules import Weighted

FloatArray = NDArray[np.float64]

FIRST_SPREAD = 1e-3
"""Deviation of the first logits."""


class Architecture:
    """Logits of the candidates at each place, and of the edges.

    Args:
        choices: Candidates of each place, ``p``.
        nodes: Places whose outputs are summed at each node.
        rng: Draws the first logits.

    Attributes:
        alpha: Logits of all candidates, place after place, ``[K]``.
        beta: Logits of the edges ``[p]``.
    """

    def __init__(
        self,
        choices: Sequence[int],
        nodes: Sequence[Sequence[int]],
        rng: np.random.Generator,
    ) -> None:
        self.choices, self.nodes = tuple(choices), nodes

        def first(n: int) -> Tensor:
            values = rng.normal(scale=FIRST_SPREAD, size=n)
            return torch.from_numpy(values.astype(np.float32)).requires_grad_()

        self.alpha, self.beta = first(sum(choices)), first(len(choices))

    def probabilities(self) -> list[Tensor]:
        """Of the candidates of each place, ``p`` tensors with gradients."""
        return [part.softmax(0) for part in torch.split(self.alpha, list(self.choices))]

    def edges(self) -> Tensor:
        """Weights of the edges ``[p]``: they sum to 1 at every node."""
        weights = torch.ones(len(self.choices))
        for places in self.nodes:
            own = list(places)
            weights = weights.index_put((torch.tensor(own),), self.beta[own].softmax(0))
        return weights

    def weighted(self, normalised: bool, taking_part: NDArray[np.bool_] | None = None) -> Weighted:
        """The mixture of all candidates, with normalised edges or plain ones.

        Args:
            normalised: Whether edges have weights.
            taking_part: Which candidates play a part, place after place, ``[K]``; all by default.
        """
        probabilities = self.probabilities()
        if taking_part is not None:
            part = torch.from_numpy(taking_part.astype(np.float32))
            masks = torch.split(part, list(self.choices))
            probabilities = [p * mask for p, mask in zip(probabilities, masks, strict=True)]
        return Weighted(probabilities, self.edges() if normalised else None)

    def scores(self) -> list[FloatArray]:
        """Log probabilities of the candidates of each place, ``p`` arrays."""
        return [p.detach().double().log().numpy() for p in self.probabilities()]
