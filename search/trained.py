"""Weights that Adam trains, and how they are kept.

Importing this module imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def random_matrix(rng: np.random.Generator, *shape: int) -> Tensor:
    """Weights ``[..., in, out]``, normal with a variance of 1 / in."""
    weights = rng.standard_normal(shape, dtype=np.float32) / np.sqrt(shape[-2])
    return torch.from_numpy(weights.astype(np.float32)).requires_grad_()


def zeros(*shape: int) -> Tensor:
    """Weights that begin as 0."""
    return torch.zeros(shape, requires_grad=True)


class Trained:
    """Named weights and their optimiser.

    Args:
        weights: Name -> tensor.
        learning_rate: Of Adam.
    """

    def __init__(self, weights: Mapping[str, Tensor], learning_rate: float) -> None:
        self.weights = dict(weights)
        self.adam = torch.optim.Adam(self.weights.values(), lr=learning_rate, fused=True)

    def descend(self, loss: Tensor) -> None:
        """One step of Adam."""
        self.adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not type it
        self.adam.step()

    def state_dict(self) -> dict[str, Any]:
        """Weights and moments as arrays."""
        moments = {
            name: {key: value.numpy() for key, value in self.adam.state[weight].items()}
            for name, weight in self.weights.items()
            if weight in self.adam.state
        }
        return {
            "weights": {name: w.detach().numpy() for name, w in self.weights.items()},
            "moments": moments,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(torch.from_numpy(state["weights"][name]))
        self.adam.state.clear()
        for name, moments in state["moments"].items():
            arrays = {key: torch.from_numpy(np.asarray(value)) for key, value in moments.items()}
            self.adam.state[self.weights[name]] = arrays
