"""Cell networks as grouped torch modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from codesign_gym.cost_models.accuracy.grouped import Grouped
from codesign_gym.search_spaces.networks.cell import CLASSES, EDGES, OPERATIONS


class Edge(nn.Module):
    """One edge operation on ``[b, s*width, length]``; ``none`` gives zeros."""

    def __init__(self, operation: str, width: int, seeds: int) -> None:
        super().__init__()
        self.operation = operation
        channels = seeds * width
        self.body: nn.Module = nn.Identity()
        if operation in ("conv1", "conv3"):
            kernel = int(operation[-1])
            self.body = nn.Sequential(
                nn.ReLU(),
                nn.Conv1d(
                    channels, channels, kernel, padding=kernel // 2, groups=seeds, bias=False
                ),
                nn.BatchNorm1d(channels),
            )
        elif operation == "avgpool3":
            self.body = nn.AvgPool1d(3, stride=1, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        """The operation's output, shaped like ``x``."""
        if self.operation == "none":
            return torch.zeros_like(x)
        out: Tensor = self.body(x)
        return out


class Cell(nn.Module):
    """``op_02(x) + op_12(op_01(x))``."""

    def __init__(self, operations: Sequence[str], width: int, seeds: int) -> None:
        super().__init__()
        self.op_01, self.op_02, self.op_12 = (Edge(op, width, seeds) for op in operations)

    def forward(self, x: Tensor) -> Tensor:
        """The cell's output, shaped like ``x``."""
        out: Tensor = self.op_02(x) + self.op_12(self.op_01(x))
        return out


class CellNetwork(Grouped):
    """Stem, cells with average pooling by two between them, pooled linear classifier.

    Args:
        operations: The operations of edges 0-1, 0-2 and 1-2.
        width: Channels, the same throughout.
        cells: Number of cells.
        seeds: Independent copies of the network, one group of channels each.
    """

    def __init__(self, operations: Sequence[str], width: int, cells: int, seeds: int = 1) -> None:
        super().__init__(seeds)
        unknown = set(operations) - set(OPERATIONS)
        if unknown or len(operations) != 3:
            raise ValueError(f"a cell has three operations of {OPERATIONS}, got {operations}")
        channels = seeds * width
        self.stem = nn.Sequential(
            nn.Conv1d(seeds, channels, 3, padding=1, groups=seeds, bias=False),
            nn.BatchNorm1d(channels),
        )
        body: list[nn.Module] = []
        for i in range(cells):
            body += ([nn.AvgPool1d(2)] if i else []) + [Cell(operations, width, seeds)]
        self.body = nn.Sequential(*body)
        self.head = nn.Sequential(nn.BatchNorm1d(channels), nn.ReLU(), nn.AdaptiveAvgPool1d(1))
        self.classifier = nn.Conv1d(channels, seeds * CLASSES, 1, groups=seeds)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores ``[b, s, 10]`` for sequences ``[b, s, 40]``, one per seed."""
        out: Tensor = self.classifier(self.head(self.body(self.stem(x))))
        return out.view(len(x), self.seeds, CLASSES)

    @classmethod
    def of(cls, network: Mapping[str, object], seeds: int = 1) -> CellNetwork:
        """The network of a decoded ``cell-network`` design."""
        operations = [str(network[edge]) for edge in EDGES]
        return cls(operations, int(str(network["width"])), int(str(network["cells"])), seeds)
