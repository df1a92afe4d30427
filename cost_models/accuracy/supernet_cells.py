"""The supernet of the cells of ``nas-bench-201-1d``, with the heads of one task or of several."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from codesign_gym.cost_models.accuracy.nas_bench_201_torch import (
    Cell,
    SequenceNetwork,
    answer,
    heads,
    operation,
)
from codesign_gym.cost_models.accuracy.supernet_rules import Rule
from codesign_gym.cost_models.accuracy.supernet_torch import Mixture, Supernet
from codesign_gym.search_spaces.networks.nas_bench_201 import (
    ENDS,
    NODES,
    SEQUENCE_OPERATIONS,
    STAGES,
)


class SharedTrunk(nn.Module):
    """Stem and cells of one network, behind them the heads of several tasks.

    Args:
        trunk: The network of the first task.
        dense: Which of the further tasks want a score per position.
        width: Channels.
    """

    def __init__(self, trunk: SequenceNetwork, dense: Sequence[bool], width: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.more = nn.ModuleList(heads(width, each) for each in dense)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The answer to each task, as `SequenceNetwork` gives it."""
        levels = self.trunk.levels(x)
        return tuple(answer(own, levels) for own in (self.trunk.heads, *self.more))


def cells_1d(share: int, metrics: Sequence[str], width: int) -> Supernet:
    """The supernet of ``nas-bench-201-1d``: one cell, the same choices on all three stages.

    Args:
        share: One in so many channels is mixed.
        metrics: Of the tasks; a head for each stands on the same cells.
        width: Channels.
    """
    rules: list[Rule] = []

    def make(index: int, width: int) -> nn.Module:
        return operation(index, width, 1)

    choices = (len(SEQUENCE_OPERATIONS),) * len(ENDS)
    dense = [metric != "accuracy" for metric in metrics]
    network = SequenceNetwork((1,) * len(ENDS), width, dense[0])
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
    whole = SharedTrunk(network, dense[1:], width) if dense[1:] else network
    return Supernet(whole, rules, choices, nodes, SEQUENCE_OPERATIONS.index("none"))
