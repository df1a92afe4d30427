"""Rules of supernets: how the candidates at each place are mixed, given with each batch.

`Weighted` takes all of them, weighted, as DARTS does (Liu et al., ICLR 2019, arXiv 1806.09055),
`SinglePath` the operations of one design, `TwoPaths` computes one operation and weighs one more
against it, as ProxylessNAS does (Cai et al., ICLR 2019, arXiv 1812.00332).

Letters: ``b`` sequences, ``c`` channels, ``l`` positions, ``p`` places that a design decides on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from codesign_gym.cost_models.accuracy.nas_bench_201_torch import Zero


class Rule(Protocol):
    """How the candidates at a place become one output."""

    def mix(self, place: int, candidates: Sequence[nn.Module], x: Tensor) -> Tensor:
        """The output of a place, shaped like ``x``."""

    def edge(self, place: int) -> Tensor | None:
        """What the output of the whole edge is multiplied by; None where it stays as it is."""


@dataclass(frozen=True)
class Weighted:
    """Every candidate, weighted.

    Attributes:
        weights: Of the candidates of each place, ``p`` tensors.
        edges: Of each place ``[p]``, or None.
    """

    weights: Sequence[Tensor]
    edges: Tensor | None = None

    def mix(self, place: int, candidates: Sequence[nn.Module], x: Tensor) -> Tensor:
        """The weighted sum."""
        total = torch.zeros_like(x)
        for weight, candidate in zip(self.weights[place], candidates, strict=True):
            if not isinstance(candidate, Zero):
                total = total + weight * candidate(x)
        return total

    def edge(self, place: int) -> Tensor | None:
        """The weight of the edge."""
        return None if self.edges is None else self.edges[place]


@dataclass(frozen=True)
class SinglePath:
    """One candidate at each place.

    Attributes:
        design: Its index at each place, ``[p]``.
    """

    design: Sequence[int]

    def mix(self, place: int, candidates: Sequence[nn.Module], x: Tensor) -> Tensor:
        """What the chosen candidate gives."""
        out: Tensor = candidates[self.design[place]](x)
        return out

    def edge(self, place: int) -> Tensor | None:
        """Edges have no weights."""
        return None


@dataclass(frozen=True)
class TwoPaths:
    """One of two sampled candidates at each place; its gate and the other's get gradients.

    The other candidate is computed in the backward pass, for its gate's gradient alone, and nothing
    of it is kept: the memory is that of one path.

    Attributes:
        active: Index of the candidate that is computed, ``[p]``.
        other: Index of the one that is weighed against it, ``[p]``.
        gates: Of both ``[p, 2]``; their values play no part, their gradients are those of binary
            gates (1, 0).
    """

    active: Sequence[int]
    other: Sequence[int]
    gates: Tensor

    def mix(self, place: int, candidates: Sequence[nn.Module], x: Tensor) -> Tensor:
        """What the active candidate gives."""
        active, other = candidates[self.active[place]], candidates[self.other[place]]
        out: Tensor = _Gated.apply(  # type: ignore[no-untyped-call]  # torch does not type it
            active(x), self.gates[place], x, active, other
        )
        return out

    def edge(self, place: int) -> Tensor | None:
        """Edges have no weights."""
        return None


class _Gated(torch.autograd.Function):
    """Passes the active output on; the gradient of a gate is <gradient, output behind it>."""

    @staticmethod
    def forward(
        ctx: Any, y: Tensor, gates: Tensor, x: Tensor, active: nn.Module, other: nn.Module
    ) -> Tensor:
        ctx.save_for_backward(x)
        ctx.paths = active, other
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,) = gradients
        (x,) = ctx.saved_tensors
        with torch.no_grad():
            found = [(gradient * path(x)).sum() for path in ctx.paths]
        return gradient, torch.stack(found), None, None, None
