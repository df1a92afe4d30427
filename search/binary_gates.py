"""Choices learned from two paths at a time: ProxylessNAS's binary gates.

Cai, Zhu and Han, "ProxylessNAS", ICLR 2019 (arXiv 1812.00332), section 3.2 and appendix B.
Importing this module imports torch. Letter: ``p`` places.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codesign_gym.search.differentiable import Architecture


class Pairs(NamedTuple):
    """Two different candidates at each place.

    Attributes:
        active: Index of the one that is computed, ``[p]``.
        other: Index of the one that it is weighed against, ``[p]``.
    """

    active: NDArray[np.int64]
    other: NDArray[np.int64]


def sample_path(choices: Architecture, rng: np.random.Generator) -> list[int]:
    """A design by the probabilities of the choices, ``p`` indices."""
    return [int(rng.choice(len(p), p=p)) for p in _plain(choices)]


def sample_pairs(choices: Architecture, rng: np.random.Generator) -> Pairs:
    """Two candidates of each place, by their probabilities without replacement.

    Which of the two is computed is drawn by their probabilities relative to each other.
    """
    active, other = [], []
    for p in _plain(choices):
        both = rng.choice(len(p), 2, replace=False, p=p) if len(p) > 1 else np.zeros(2, np.int64)
        first = p[both[0]] / p[both].sum()
        one, two = both if rng.random() < first else both[::-1]
        active.append(one)
        other.append(two)
    return Pairs(np.array(active), np.array(other))


def _plain(choices: Architecture) -> list[NDArray[np.float64]]:
    found = [p.detach().double().numpy() for p in choices.probabilities()]
    return [p / p.sum() for p in found]


def places_of(choices: Sequence[int], pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Where the two candidates of each place stand among all candidates, each ``[p]``."""
    starts = np.concatenate([[0], np.cumsum(choices)[:-1]])
    return torch.from_numpy(starts + pairs.active), torch.from_numpy(starts + pairs.other)


def logit_gradient(choices: Architecture, pairs: Pairs, gates: Tensor) -> Tensor:
    """Gradient of all logits ``[K]`` that follows from those of two gates at each place.

    With the probabilities of the two alone, ``dL/dalpha_i = sum_j dL/dg_j p_j (delta_ij - p_i)``;
    the logits of all others have none.

    Args:
        choices: The choices.
        pairs: Which two.
        gates: Gradients of their gates ``[p, 2]``, the active one first.
    """
    first, second = places_of(choices.choices, pairs)
    two = torch.stack([choices.alpha.detach()[first], choices.alpha.detach()[second]], dim=1)
    p = two.softmax(dim=1)
    own = p * (gates - (gates * p).sum(dim=1, keepdim=True))
    gradient = torch.zeros_like(choices.alpha)
    gradient[first] += own[:, 0]
    gradient[second] += own[:, 1]
    return gradient


@torch.no_grad()
def step_two(
    choices: Architecture, pairs: Pairs, gradient: Tensor, optimizer: torch.optim.Optimizer
) -> None:
    """A step of the two logits of each place that leaves the probabilities of all others alone.

    Args:
        choices: The choices, changed.
        pairs: Which two.
        gradient: Of all logits ``[K]``; that of others than the two plays no part.
        optimizer: Of the logits; it must not move those whose gradient is 0.
    """
    first, second = places_of(choices.choices, pairs)
    alpha = choices.alpha
    before = torch.logaddexp(alpha[first], alpha[second])
    # What both gradients have in common the shift below undoes: Adam would take it for a direction.
    apart = (gradient[first] - gradient[second]) / 2
    masked = torch.zeros_like(gradient)
    masked[first] += apart
    masked[second] -= apart
    alpha.grad = masked
    optimizer.step()
    shift = before - torch.logaddexp(alpha[first], alpha[second])
    alpha[first] += shift
    alpha[second] += shift
