"""The DARTS space: a normal and a reduction cell of four nodes, each with two incoming edges.

Liu et al., ICLR 2019 (arXiv 1806.09055), also that of PC-DARTS (Xu et al., ICLR 2020, arXiv
1907.05737). Nodes 0 and 1 of a cell are the outputs of the two cells before it; nodes 2 to 5 are
each the sum of two operations on different earlier nodes, and their concatenation is the output.
A reduction cell, at a third and at two thirds of the depth, halves the resolution and doubles the
channels. The edges of a cell always join its inputs to its output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from codesign_gym.search_spaces.errors import InputError, unknown_name
from codesign_gym.search_spaces.networks.cell import CLASSES, INPUT_LENGTH
from codesign_gym.search_spaces.parameters import Categorical, Ordinal
from codesign_gym.search_spaces.space import SearchSpace

OPERATIONS = (
    "max_pool_3x3", "avg_pool_3x3", "skip_connect",
    "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5",
)  # fmt: skip
"""Operations of derived cells by their published names; ``none`` is never derived."""

SEQUENCE_OPERATIONS = ("maxpool3", "avgpool3", "skip", "sep3", "sep5", "dil3", "dil5")
"""Their counterparts on sequences, in the same order."""

CELLS = ("normal", "reduce")
"""The two cells by the published names."""

INPUTS = 2
"""Nodes of a cell that are outputs of cells before."""

NODES = 4
"""Further nodes, whose concatenation is the output."""

Cell = tuple[tuple[str, int], ...]
"""A cell as a published genotype lists it: (operation, node it reads), two for each node."""


@dataclass(frozen=True)
class Macro:
    """What surrounds the cells.

    Attributes:
        channels: Of each node in the first cells; doubled by each reduction.
        cells: How many.
        size: Height and width of the images, or the length of the sequences.
        classes: Outputs of the classifier.
        dims: 1 for sequences, 2 for images.
        colours: Channels of the input.
        stem: Channels of the stem as a multiple of ``channels``; 0 for ImageNet's stem of three
            convolutions of stride two.
    """

    channels: int
    cells: int
    size: int
    classes: int
    dims: int = 2
    colours: int = 3
    stem: int = 3

    @property
    def reductions(self) -> tuple[int, int]:
        """Which cells are reduction cells."""
        return self.cells // 3, 2 * self.cells // 3


MACROS = {
    "darts": Macro(channels=36, cells=20, size=32, classes=10),
    "darts-1d": Macro(
        channels=8, cells=3, size=INPUT_LENGTH, classes=CLASSES, dims=1, colours=1, stem=1
    ),
    "darts-imagenet": Macro(channels=48, cells=14, size=224, classes=1000, stem=0),
}
"""What the cells of each space stand in, for CIFAR-10 and ImageNet as evaluated in the paper."""

SCALES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "darts": ((16, 24, 36), (8, 14, 20)),
    "darts-imagenet": ((32, 40, 48), (8, 11, 14)),
}
"""Channels, and numbers of cells, that may be chosen; the last are the paper's."""


def darts(group: str = "network") -> SearchSpace:
    """Networks for CIFAR-10: two cells, how many of them, and how wide.

    Args:
        group: Group of the parameters: a problem with several networks names each.

    >>> f"{darts().size:.1e}"
    '9.7e+18'
    """
    return _space("darts", OPERATIONS, group)


def darts_imagenet(group: str = "network") -> SearchSpace:
    """Networks for ImageNet: two cells, how many of them, and how wide.

    Args:
        group: Group of the parameters: a problem with several networks names each.

    >>> darts_imagenet().parameters[-1].values
    (8, 11, 14)
    """
    return _space("darts-imagenet", OPERATIONS, group)


def darts_1d(group: str = "network") -> SearchSpace:
    """Networks on sequences that are small enough to be trained: 3 cells of 8 channels.

    Args:
        group: Group of the parameters: a problem with several networks names each.

    >>> darts_1d().parameters[1].values[:4]
    ('maxpool3', 'avgpool3', 'skip', 'sep3')
    """
    return _space("darts-1d", SEQUENCE_OPERATIONS, group)


def _space(name: str, operations: tuple[str, ...], group: str) -> SearchSpace:
    parameters: list[Categorical] = []
    for cell in CELLS:
        for node in range(INPUTS, INPUTS + NODES):
            if node > INPUTS:  # the first has no choice
                pairs = tuple(f"{a}+{b}" for a, b in combinations(range(node), 2))
                parameters.append(Categorical(f"{cell}_{node}_inputs", pairs, group=group))
            parameters += [
                Categorical(f"{cell}_{node}_{which}", operations, group=group)
                for which in ("first", "second")
            ]
    scale = [
        Ordinal(what, values, what, group)
        for what, values in zip(("channels", "cells"), SCALES.get(name, ()), strict=False)
    ]
    return SearchSpace(name, (*parameters, *scale))


def read_macro(space: str, network: Mapping[str, object]) -> Macro:
    """What surrounds the cells of a decoded design of a space."""
    chosen = {what: int(str(network[what])) for what in ("channels", "cells") if what in network}
    return replace(MACROS[space], **chosen)


def read_cells(network: Mapping[str, object]) -> dict[str, Cell]:
    """The cells of a decoded design as genotypes, by `CELLS`."""
    found = {}
    for cell in CELLS:
        edges: list[tuple[str, int]] = []
        for node in range(INPUTS, INPUTS + NODES):
            inputs = str(network.get(f"{cell}_{node}_inputs", "0+1")).split("+")
            names = (str(network[f"{cell}_{node}_{which}"]) for which in ("first", "second"))
            edges += zip(names, map(int, inputs), strict=True)
        found[cell] = tuple(edges)
    return found


def write_cells(
    normal: Sequence[tuple[str, int]], reduce: Sequence[tuple[str, int]]
) -> dict[str, str]:
    """The decoded cells of a genotype, a design of ``darts-1d``: the inverse of `read_cells`.

    Designs of the other spaces have ``channels`` and ``cells`` beside them.

    Args:
        normal: (operation, node it reads), two for each node, in any order within a node.
        reduce: The same of the reduction cell.

    >>> pool = [("max_pool_3x3", 0), ("max_pool_3x3", 1)] * 4
    >>> write_cells(pool, pool)["normal_5_inputs"]
    '0+1'

    Raises:
        InputError: There are not two edges for each of four nodes, an operation is unknown, or the
            two edges of a node do not read different earlier nodes.
    """
    design = {}
    for cell, edges in zip(CELLS, (normal, reduce), strict=True):
        if len(edges) != 2 * NODES:
            raise InputError(f"the {cell} cell needs {2 * NODES} edges, got {len(edges)}")
        for i in range(NODES):
            node, pair = INPUTS + i, sorted(edges[2 * i : 2 * i + 2], key=lambda edge: edge[1])
            sources = [source for _, source in pair]
            if not 0 <= sources[0] < sources[1] < node:
                raise InputError(
                    f"node {node} of the {cell} cell must read two different nodes in "
                    f"0..{node - 1}, got {sources}"
                )
            if i:
                design[f"{cell}_{node}_inputs"] = "{}+{}".format(*sources)
            for which, (operation, _) in zip(("first", "second"), pair, strict=True):
                if operation not in OPERATIONS + SEQUENCE_OPERATIONS:
                    raise unknown_name("operation of a cell", operation, OPERATIONS)
                design[f"{cell}_{node}_{which}"] = operation
    return design
