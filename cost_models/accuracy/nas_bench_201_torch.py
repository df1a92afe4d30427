"""NAS-Bench-201 cells as torch modules: the published networks on images, ours on sequences.

Dong and Yang, ICLR 2020: a stem, three stages of five cells with a residual block of stride two
between them, a pooled linear classifier. The networks on sequences have one cell per stage, the
same width throughout and an average pool by two between stages, so that the cell alone decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from codesign_gym.cost_models.accuracy.grouped import Grouped
from codesign_gym.search_spaces.networks.cell import CLASSES
from codesign_gym.search_spaces.networks.nas_bench_201 import (
    CELLS,
    EDGES,
    ENDS,
    KERNELS,
    NODES,
    OPERATIONS,
    SEQUENCE_OPERATIONS,
    SEQUENCE_WIDTH,
    STAGES,
    WIDTH,
)

CONVOLUTIONS: tuple[type[nn.Conv1d], type[nn.Conv2d]] = (nn.Conv1d, nn.Conv2d)
NORMS: tuple[type[nn.BatchNorm1d], type[nn.BatchNorm2d]] = (nn.BatchNorm1d, nn.BatchNorm2d)
POOLS: tuple[type[nn.AvgPool1d], type[nn.AvgPool2d]] = (nn.AvgPool1d, nn.AvgPool2d)


class Zero(nn.Module):
    """Nothing: zeros shaped like the input."""

    def forward(self, x: Tensor) -> Tensor:
        """Zeros."""
        return torch.zeros_like(x)


def conv_norm(
    c: int, k: int, kernel: int, dims: int, *, stride: int = 1, relu: bool = True, seeds: int = 1
) -> nn.Sequential:
    """ReLU unless told otherwise, convolution from ``c`` to ``k`` channels per seed, batch norm."""
    conv = CONVOLUTIONS[dims - 1](
        seeds * c, seeds * k, kernel, stride, kernel // 2, groups=seeds, bias=False
    )
    head = [nn.ReLU()] if relu else []
    return nn.Sequential(*head, conv, NORMS[dims - 1](seeds * k))


def operation(index: int, width: int, dims: int, seeds: int = 1) -> nn.Module:
    """The operation that a design's index stands for, from and to ``width`` channels per seed.

    Args:
        index: 0 none, 1 skip, 2 convolution of kernel 1, 3 of kernel 3, 4 average pool of 3.
        width: Channels per seed.
        dims: 1 for sequences, 2 for images.
        seeds: Independent copies.
    """
    if index == 0:
        return Zero()
    if index == 1:
        return nn.Identity()
    if index == 4:
        return POOLS[dims - 1](3, stride=1, padding=1, count_include_pad=False)
    return conv_norm(width, width, KERNELS[index], dims, seeds=seeds)


class Cell(nn.Module):
    """Four nodes, each the sum of the modules on its incoming edges.

    Args:
        edges: A module per edge, in the order of `ENDS`; any that keep the shape.
    """

    def __init__(self, edges: Sequence[nn.Module]) -> None:
        super().__init__()
        self.edges = nn.ModuleDict(dict(zip(EDGES, edges, strict=True)))

    def forward(self, x: Tensor) -> Tensor:
        """Node 3, shaped like ``x``, which is node 0."""
        nodes = [x]
        for node in range(1, NODES):
            terms = [
                self.edges[name](nodes[start])
                for name, (start, end) in zip(EDGES, ENDS, strict=True)
                if end == node and not isinstance(self.edges[name], Zero)
            ]
            nodes.append(torch.stack(terms).sum(0) if len(terms) > 2 else _sum(terms, x))
        return nodes[-1]


def _sum(terms: Sequence[Tensor], like: Tensor) -> Tensor:
    if not terms:
        return torch.zeros_like(like)
    return terms[0] if len(terms) == 1 else terms[0] + terms[1]


def cell(design: Sequence[int], width: int, dims: int, seeds: int = 1) -> Cell:
    """The cell of a design's six indices."""
    return Cell([operation(int(index), width, dims, seeds) for index in design])


class Reduction(nn.Module):
    """Residual block of stride two that doubles the channels, as published."""

    def __init__(self, c: int, seeds: int) -> None:
        super().__init__()
        k = 2 * c
        self.body = nn.Sequential(
            conv_norm(c, k, 3, 2, stride=2, seeds=seeds), conv_norm(k, k, 3, 2, seeds=seeds)
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2), nn.Conv2d(seeds * c, seeds * k, 1, groups=seeds, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``[b, 2*s*c, h/2, w/2]``."""
        out: Tensor = self.shortcut(x) + self.body(x)
        return out


class ImageNetwork(Grouped):
    """The published network of a cell on images.

    Args:
        design: Six indices.
        width: Channels of the first stage, doubled in each further one; 16 as published.
        cells: Cells per stage, 5 as published.
        classes: 10, 100 or 120 as published.
        seeds: Independent copies of the network, one group of channels each.
    """

    def __init__(
        self,
        design: Sequence[int],
        width: int = WIDTH,
        cells: int = CELLS,
        classes: int = CLASSES,
        seeds: int = 1,
    ) -> None:
        super().__init__(seeds)
        self.classes = classes
        body: list[nn.Module] = [conv_norm(3, width, 3, 2, relu=False, seeds=seeds)]
        for stage in range(STAGES):
            body += [Reduction(width // 2, seeds)] if stage else []
            body += [cell(design, width, 2, seeds) for _ in range(cells)]
            width *= 2
        channels = seeds * width // 2
        self.body = nn.Sequential(*body)
        self.head = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.classifier = nn.Conv2d(channels, seeds * classes, 1, groups=seeds)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores ``[b, s, classes]`` for images ``[b, s*3, h, w]``."""
        out: Tensor = self.classifier(self.head(self.body(x)))
        return out.view(len(x), self.seeds, self.classes)

    @classmethod
    def of(cls, network: Mapping[str, object], seeds: int = 1) -> ImageNetwork:
        """The network for CIFAR-10 of a decoded ``nas-bench-201`` design."""
        return cls(_indices(network, OPERATIONS), seeds=seeds)


def heads(width: int, dense: bool, seeds: int = 1) -> nn.ModuleList:
    """What reads the stages: one classifier, or a head on each that says a score per position."""
    channels, answers = seeds * width, seeds * (1 if dense else CLASSES)
    return nn.ModuleList(
        nn.Sequential(
            nn.BatchNorm1d(channels),
            nn.ReLU(),
            nn.Identity() if dense else nn.AdaptiveAvgPool1d(1),
            nn.Conv1d(channels, answers, 1, groups=seeds),
        )
        for _ in range(STAGES if dense else 1)
    )


def answer(heads: nn.ModuleList, levels: Sequence[Tensor], seeds: int = 1) -> Tensor:
    """What `heads` say of the stages' outputs: ``[b, s, 10]``, or ``[b, s, 40]`` if dense."""
    if len(heads) == 1:
        scores: Tensor = heads[0](levels[-1])
        return scores.view(len(scores), seeds, CLASSES)
    return torch.stack(
        [
            head(level).repeat_interleave(2**stage, dim=2)
            for stage, (head, level) in enumerate(zip(heads, levels, strict=True))
        ]
    ).sum(0)


class SequenceNetwork(Grouped):
    """A cell on sequences: stem, three stages of one cell, pooled linear classifier.

    With ``dense``, in place of the classifier every stage says a score per position, and the sum
    over stages is the answer, positions of later stages repeated.

    Args:
        design: Six indices.
        width: Channels, the same throughout.
        dense: Whether the answer is one score per position.
        seeds: Independent copies of the network, one group of channels each.
    """

    def __init__(
        self,
        design: Sequence[int],
        width: int = SEQUENCE_WIDTH,
        dense: bool = False,
        seeds: int = 1,
    ) -> None:
        super().__init__(seeds)
        self.stem = conv_norm(1, width, 3, 1, relu=False, seeds=seeds)
        self.cells = nn.ModuleList(cell(design, width, 1, seeds) for _ in range(STAGES))
        self.heads = heads(width, dense, seeds)

    def forward(self, x: Tensor) -> Tensor:
        """Scores for sequences ``[b, s, 40]``: ``[b, s, 10]``, or ``[b, s, 40]`` if dense."""
        return answer(self.heads, self.levels(x), self.seeds)

    def levels(self, x: Tensor) -> list[Tensor]:
        """What each stage gives, ``[b, s*c, l]``, for sequences ``[b, s, 40]``."""
        found = []
        features = self.stem(x)
        for stage, module in enumerate(self.cells):
            features = module(functional.avg_pool1d(features, 2) if stage else features)
            found.append(features)
        return found

    @classmethod
    def of(cls, network: Mapping[str, object], seeds: int = 1) -> SequenceNetwork:
        """The classifier of a decoded ``nas-bench-201-1d`` design."""
        return cls(_indices(network, SEQUENCE_OPERATIONS), seeds=seeds)

    @classmethod
    def dense_of(cls, network: Mapping[str, object], seeds: int = 1) -> SequenceNetwork:
        """The network of one score per position of a decoded ``nas-bench-201-1d`` design."""
        return cls(_indices(network, SEQUENCE_OPERATIONS), dense=True, seeds=seeds)


def _indices(network: Mapping[str, object], operations: Sequence[str]) -> list[int]:
    return [operations.index(str(network[edge])) for edge in EDGES]
