"""Supernets: every candidate operation at every place, in one network whose weights designs share.

A `Mixture` stands where a network of the space has one operation. How the candidates are mixed is a
*rule*, given with each batch: `Weighted` (all of them, weighted, as DARTS does; Liu et al., ICLR
2019, arXiv 1806.09055), `SinglePath` (the operations of one design) or `TwoPaths` (one operation
computed and one more weighed against it, as ProxylessNAS does; Cai et al., ICLR 2019, arXiv
1812.00332). Batch norms always use the statistics of the batch, as in the searches of
NAS-Bench-201: those of one design are not those of another.

Letters: ``b`` sequences, ``s`` seeds (always 1 here), ``c`` channels, ``l`` positions, ``p`` places
that a design decides on, its parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from codesign_gym.cost_models.accuracy.nas_bench_201_torch import (
    Cell,
    SequenceNetwork,
    Zero,
    operation,
)
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.errors import unknown_name
from codesign_gym.search_spaces.networks.nas_bench_201 import (
    ENDS,
    NODES,
    SEQUENCE_OPERATIONS,
    SEQUENCE_WIDTH,
    STAGES,
)


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


class Mixture(nn.Module):
    """All candidate operations of one place, on all channels or on the first of them.

    Partial channels are those of PC-DARTS (Xu et al., ICLR 2020, arXiv 1907.05737): the first
    ``1 / share`` of the channels go through the candidates, the others past them, and channels
    are shuffled so that each has its turn in the next place.

    Args:
        make: Makes a candidate of an index and a number of channels.
        candidates: How many.
        place: Which parameter of a design decides here.
        width: Channels.
        share: One in so many channels is mixed.
        rules: A list whose only item is the rule in force, shared by all places.
    """

    def __init__(
        self,
        make: Callable[[int, int], nn.Module],
        candidates: int,
        place: int,
        width: int,
        share: int,
        rules: list[Rule],
    ) -> None:
        super().__init__()
        if width % share:
            raise InputError(f"one in {share} channels cannot be mixed of {width}")
        self.place, self.share, self.rules = place, share, rules
        self.mixed = width // share
        self.candidates = nn.ModuleList(make(index, self.mixed) for index in range(candidates))

    def forward(self, x: Tensor) -> Tensor:
        """Shaped like ``x``, ``[b, c, l]``."""
        [rule] = self.rules
        out = rule.mix(self.place, list(self.candidates), x[:, : self.mixed])
        if self.share > 1:
            out = torch.cat([out, x[:, self.mixed :]], dim=1)
            out = out.view(len(x), self.share, self.mixed, -1).transpose(1, 2).flatten(1, 2)
        weight = rule.edge(self.place)
        return out if weight is None else weight * out


class Supernet(nn.Module):
    """A network whose places are mixtures.

    Args:
        network: Has a `Mixture` at each place.
        rules: The list that they share.
        choices: Candidates of each parameter of the space, ``p``.
        nodes: Places whose outputs are summed at each node.
        nothing: Index of the candidate that is no operation.

    Attributes:
        weightless: Indices of the candidates that need no training.
    """

    def __init__(
        self,
        network: nn.Module,
        rules: list[Rule],
        choices: Sequence[int],
        nodes: Sequence[Sequence[int]],
        nothing: int,
    ) -> None:
        super().__init__()
        self.network, self.rules, self.choices = network, rules, tuple(choices)
        self.nodes, self.nothing = tuple(map(tuple, nodes)), nothing
        first = next(m for m in network.modules() if isinstance(m, Mixture))
        self.weightless = tuple(
            i for i, candidate in enumerate(first.candidates) if not [*candidate.parameters()]
        )

    def forward(self, x: Tensor, rule: Rule) -> Tensor:
        """Scores as the networks of the space give them, for sequences ``[b, s, l]``."""
        self.rules[:] = [rule]
        out: Tensor = self.network(x)
        return out


def _nas_bench_201_1d(share: int, dense: bool, width: int) -> Supernet:
    rules: list[Rule] = []

    def make(index: int, width: int) -> nn.Module:
        return operation(index, width, 1)

    choices = (len(SEQUENCE_OPERATIONS),) * len(ENDS)
    network = SequenceNetwork((1,) * len(ENDS), width, dense)
    network.cells = nn.ModuleList(
        Cell(
            [
                Mixture(make, candidates, place, width, share, rules)
                for place, candidates in enumerate(choices)
            ]
        )
        for _ in range(STAGES)
    )
    nodes = [
        [place for place, (_, end) in enumerate(ENDS) if end == node] for node in range(1, NODES)
    ]
    return Supernet(network, rules, choices, nodes, SEQUENCE_OPERATIONS.index("none"))


SUPERNETS: dict[str, Callable[[int, bool, int], Supernet]] = {"nas-bench-201-1d": _nas_bench_201_1d}
"""Space -> what makes its supernet, given one in how many channels is mixed, whether the answer is
one score per position, and the channels."""


def supernet(
    space: str,
    metric: str = "accuracy",
    share: int = 1,
    seed: int = 0,
    width: int = SEQUENCE_WIDTH,
    scaled: bool = False,
) -> Supernet:
    """The untrained supernet of a space.

    Args:
        space: Name of the space.
        metric: Of the task, which decides what it answers.
        share: One in so many channels is mixed.
        seed: Of the first weights.
        width: Channels.
        scaled: Whether batch norms of candidates have a scale and a shift. Where candidates are
            weighed against each other, a scale would take part in the weighing; and so that none
            weighs more by its size alone, pools get such a batch norm too, as in the code of DARTS
            and PC-DARTS.

    Raises:
        InputError: The space has no supernet, or the channels cannot be shared like that.
    """
    if space not in SUPERNETS:
        raise unknown_name("space with a supernet", space, SUPERNETS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = SUPERNETS[space](share, metric != "accuracy", width)
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    places = [m for m in made.modules() if isinstance(m, Mixture) and not scaled]
    for place in places:
        for i, candidate in enumerate(place.candidates):
            if isinstance(candidate, nn.AvgPool1d):
                place.candidates[i] = nn.Sequential(candidate, nn.BatchNorm1d(place.mixed))
    for norm in (m for m in made.modules() if isinstance(m, norms)):
        norm.track_running_stats = False
        norm.running_mean, norm.running_var, norm.num_batches_tracked = None, None, None
    for place in places:
        for norm in (m for m in place.modules() if isinstance(m, norms)):
            norm.affine = False
            norm.weight, norm.bias = None, None  # type: ignore[assignment]  # torch: never None
    return made
