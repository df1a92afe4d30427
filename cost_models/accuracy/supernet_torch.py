"""Supernets: every candidate operation at every place, in one network whose weights designs share.

A `Mixture` stands where a network of the space has one operation. How the candidates are mixed is a
rule, given with each batch; see `supernet_rules`. Batch norms always use the statistics of the
batch, as in the searches of NAS-Bench-201: those of one design are not those of another.

Letters: ``b`` sequences, ``s`` seeds (always 1 here), ``c`` channels, ``l`` positions, ``p`` places
that a design decides on, its parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from codesign_gym.cost_models.accuracy.supernet_rules import Rule
from codesign_gym.search_spaces import InputError


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
        network: Has a `Mixture` at each place; gives scores, or those of each of several tasks.
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
        """Scores as the networks of the space give them, for sequences ``[b, s, l]``.

        Where there are several tasks, those of the first.
        """
        return self.answers(x, rule)[0]

    def answers(self, x: Tensor, rule: Rule) -> tuple[Tensor, ...]:
        """The scores of each task."""
        self.rules[:] = [rule]
        out: Tensor | tuple[Tensor, ...] = self.network(x)
        return out if isinstance(out, tuple) else (out,)
