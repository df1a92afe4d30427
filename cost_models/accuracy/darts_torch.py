"""DARTS networks as grouped torch modules, on images or sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from codesign_gym.cost_models.accuracy.grouped import Grouped
from codesign_gym.cost_models.accuracy.nas_bench_201_torch import (
    CONVOLUTIONS,
    NORMS,
    POOLS,
    conv_norm,
)
from codesign_gym.search_spaces.networks.darts import (
    INPUTS,
    NODES,
    OPERATIONS,
    SEQUENCE_OPERATIONS,
    Cell,
    Macro,
    read_cells,
    read_macro,
)

MAX_POOLS: tuple[type[nn.MaxPool1d], type[nn.MaxPool2d]] = (nn.MaxPool1d, nn.MaxPool2d)
MEANS = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)


def joined(parts: Sequence[Tensor], seeds: int) -> Tensor:
    """Channels of several tensors, those of one seed together, ``[b, s * (c + c' + ...), ...]``."""
    apart = [x.reshape(len(x), seeds, -1, *x.shape[2:]) for x in parts]
    return torch.cat(apart, dim=2).flatten(1, 2)


class FactorizedReduction(nn.Module):
    """Half of the resolution: two pointwise convolutions, the second on input shifted by one.

    Args:
        c: Input channels per seed.
        k: Output channels per seed, even.
        dims: 1 for sequences, 2 for images.
        seeds: Independent copies.
    """

    def __init__(self, c: int, k: int, dims: int, seeds: int) -> None:
        super().__init__()
        self.seeds, self.dims = seeds, dims
        self.halves = nn.ModuleList(
            CONVOLUTIONS[dims - 1](
                seeds * c, seeds * k // 2, 1, stride=2, groups=seeds, bias=False
            )
            for _ in range(2)
        )  # fmt: skip
        self.norm = NORMS[dims - 1](seeds * k)

    def forward(self, x: Tensor) -> Tensor:
        """``[b, s * k, size / 2, ...]``."""
        x = torch.relu(x)
        shifted = x[..., 1:] if self.dims == 1 else x[..., 1:, 1:]
        first, second = self.halves
        out: Tensor = self.norm(joined([first(x), second(shifted)], self.seeds))
        return out


def _separable(
    c: int, kernel: int, stride: int, dilation: int, dims: int, seeds: int
) -> list[nn.Module]:
    """ReLU, depthwise and pointwise convolution, batch norm."""
    conv, channels = CONVOLUTIONS[dims - 1], seeds * c
    return [
        nn.ReLU(),
        conv(
            channels, channels, kernel, stride, dilation * (kernel // 2), dilation,
            groups=channels, bias=False,
        ),
        conv(channels, channels, 1, groups=seeds, bias=False),
        NORMS[dims - 1](channels),
    ]  # fmt: skip


def operation(index: int, c: int, stride: int, dims: int, seeds: int = 1) -> nn.Module:
    """The operation that an index into `OPERATIONS` stands for, from and to ``c`` channels.

    Args:
        index: The operation.
        c: Channels per seed.
        stride: 1, or 2 for edges out of the inputs of a reduction cell.
        dims: 1 for sequences, 2 for images.
        seeds: Independent copies.
    """
    name = OPERATIONS[index]
    if name == "max_pool_3x3":
        return MAX_POOLS[dims - 1](3, stride=stride, padding=1)
    if name == "avg_pool_3x3":
        return POOLS[dims - 1](3, stride=stride, padding=1, count_include_pad=False)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduction(c, c, dims, seeds)
    kernel = int(name[-1])
    if name.startswith("dil"):
        return nn.Sequential(*_separable(c, kernel, stride, 2, dims, seeds))
    return nn.Sequential(
        *_separable(c, kernel, stride, 1, dims, seeds), *_separable(c, kernel, 1, 1, dims, seeds)
    )


class DartsCell(nn.Module):
    """A cell with its two preprocessing convolutions.

    Args:
        edges: (operation's index, node it reads), two for each node.
        inputs: Channels per seed of the two cells before.
        c: Channels of each node.
        reduce: Whether it is a reduction cell.
        reduced: Whether the cell before was one.
        dims: 1 for sequences, 2 for images.
        seeds: Independent copies.
    """

    def __init__(
        self, edges: Sequence[tuple[int, int]], inputs: tuple[int, int], c: int, *,
        reduce: bool, reduced: bool, dims: int, seeds: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.seeds = seeds
        self.sources = [source for _, source in edges]
        self.before = (
            FactorizedReduction(inputs[0], c, dims, seeds)
            if reduced
            else conv_norm(inputs[0], c, 1, dims, seeds=seeds)
        )
        self.previous = conv_norm(inputs[1], c, 1, dims, seeds=seeds)
        self.edges = nn.ModuleList(
            operation(index, c, 2 if reduce and source < INPUTS else 1, dims, seeds)
            for index, source in edges
        )

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        """The nodes' concatenation, ``[b, s * 4 * c, ...]``."""
        nodes = [self.before(before), self.previous(previous)]
        for i in range(0, 2 * NODES, 2):
            first, second = (self.edges[j](nodes[self.sources[j]]) for j in (i, i + 1))
            nodes.append(first + second)
        return joined(nodes[INPUTS:], self.seeds)


class DartsNetwork(Grouped):
    """Stem, cells, pooled linear classifier; no auxiliary head.

    Args:
        macro: What surrounds the cells.
        cells: Their genotypes.
        seeds: Independent copies of the network, one group of channels each.
    """

    def __init__(self, macro: Macro, cells: Mapping[str, Cell], seeds: int = 1) -> None:
        super().__init__(seeds)
        self.classes = macro.classes
        names = OPERATIONS if macro.dims == 2 else SEQUENCE_OPERATIONS
        c, dims = macro.channels, macro.dims
        if macro.stem:
            before = previous = macro.stem * c
            self.stem: nn.Module = conv_norm(
                macro.colours, previous, 3, dims, relu=False, seeds=seeds
            )
            self.second_stem: nn.Module = nn.Identity()
        else:
            before = previous = c
            self.stem = nn.Sequential(
                conv_norm(macro.colours, c // 2, 3, dims, stride=2, relu=False, seeds=seeds),
                conv_norm(c // 2, c, 3, dims, stride=2, seeds=seeds),
            )
            self.second_stem = conv_norm(c, c, 3, dims, stride=2, seeds=seeds)
        reduced, body = not macro.stem, []
        for number in range(macro.cells):
            reduce = number in macro.reductions
            c *= 2 if reduce else 1
            genotype = cells["reduce" if reduce else "normal"]
            edges = [(names.index(name), source) for name, source in genotype]
            body.append(
                DartsCell(
                    edges, (before, previous), c, reduce=reduce, reduced=reduced, dims=dims,
                    seeds=seeds,
                )
            )  # fmt: skip
            before, previous, reduced = previous, NODES * c, reduce
        self.cells = nn.ModuleList(body)
        self.pool = MEANS[dims - 1](1)
        self.classifier = CONVOLUTIONS[dims - 1](
            seeds * previous, seeds * macro.classes, 1, groups=seeds
        )

    def forward(self, x: Tensor) -> Tensor:
        """Class scores ``[b, s, classes]`` for inputs ``[b, s * colours, size, ...]``."""
        before = self.stem(x)
        previous = self.second_stem(before)
        for cell in self.cells:
            before, previous = previous, cell(before, previous)
        out: Tensor = self.classifier(self.pool(previous))
        return out.view(len(x), self.seeds, self.classes)

    @classmethod
    def of(cls, space: str, network: Mapping[str, object], seeds: int = 1) -> DartsNetwork:
        """The network of a decoded design of ``darts``, ``darts-1d`` or ``darts-imagenet``."""
        return cls(read_macro(space, network), read_cells(network), seeds)
