"""NAS-Bench-201: one cell of six edges and five operations, 15,625 cells.

Dong and Yang, ICLR 2020 (arXiv 2001.00326). A cell has four nodes; each node is the sum of the
operations on its incoming edges, node 0 is the input and node 3 the output. The published networks
work on images; those of ``nas-bench-201-1d`` have the same cells on sequences and are small enough
to be trained. Letter: ``g`` cells of the grid, 15,625.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from codesign_gym.search_spaces.checks import Designs
from codesign_gym.search_spaces.errors import InputError, unknown_name
from codesign_gym.search_spaces.networks import cell
from codesign_gym.search_spaces.parameters import Categorical
from codesign_gym.search_spaces.space import SearchSpace

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""Edge operations as published: zero, identity, ReLU-convolution-batch norm, average pool."""

SEQUENCE_OPERATIONS = cell.OPERATIONS
"""Their counterparts on sequences, in the same order."""

ENDS = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""The nodes that each edge joins, in the order of the published strings."""

EDGES = tuple(f"e{start}{end}" for start, end in ENDS)
"""Names of the edges."""

NODES = 4
"""Nodes of a cell, input and output among them."""

KERNELS = {2: 1, 3: 3}
"""Kernel of each operation that is a convolution, by its index."""

STAGES = 3
"""Stages of a network; each but the first works on half of the positions of the one before."""

CELLS = 5
"""Cells of each stage of the published networks."""

WIDTH = 16
"""Channels of the first stage of the published networks, doubled in each further one."""

SEQUENCE_WIDTH = 8
"""Channels of the networks on sequences, which have one cell per stage."""


class CellSpace(SearchSpace):
    """Cells of NAS-Bench-201: a `SearchSpace` that knows their strings and which are the same.

    >>> space = nas_bench_201()
    >>> [text] = space.arch_string(space.check([[3, 0, 1, 0, 4, 2]]))
    >>> text[:34], space.from_arch_string([text]).tolist()
    ('|nor_conv_3x3~0|+|none~0|skip_conn', [[3, 0, 1, 0, 4, 2]])
    """

    def arch_string(self, designs: Designs) -> list[str]:
        """The cells as NAS-Bench-201 writes them, ``|nor_conv_3x3~0|+|none~0|...|``."""
        return [_written(row) for row in self.check(designs).tolist()]

    def from_arch_string(self, texts: Sequence[str]) -> Designs:
        """The cells ``[n, 6]`` of such strings; anything else raises `InputError`."""
        if isinstance(texts, str):
            raise InputError(f"architecture strings must be a list, got the text {texts!r}")
        return np.array([_read(text) for text in texts], dtype=np.int32).reshape(-1, len(ENDS))

    def alive(self, designs: Designs) -> NDArray[np.bool_]:
        """Which edges stand on a path without ``none`` from input to output, ``[n, 6]``."""
        present = designs != 0
        reached = np.zeros((len(designs), NODES), dtype=np.bool_)
        leading = reached.copy()
        reached[:, 0] = leading[:, -1] = True
        for edge, (start, end) in enumerate(ENDS):  # edges into a node come before those out of it
            reached[:, end] |= reached[:, start] & present[:, edge]
        for edge, (start, end) in sorted(enumerate(ENDS), key=lambda e: -e[1][0]):
            leading[:, start] |= leading[:, end] & present[:, edge]
        starts, ends = np.array(ENDS).T
        alive: NDArray[np.bool_] = present & reached[:, starts] & leading[:, ends]
        return alive

    def pruned(self, designs: Designs) -> Designs:
        """The cells with ``none`` on every dead edge: what a compiler would run."""
        return np.where(self.alive(designs), designs, 0).astype(np.int32)

    def representatives(self, designs: Designs) -> Designs:
        """The first cell in grid order of each one's class of isomorphic cells, ``[n, 6]``.

        Isomorphic is what the paper counts as the same, 6,466 classes: sums in any order, identity
        edges contracted, and edges out of a node that nothing enters removed. It sees some cells
        apart that compute the same (an identity of a sum is not merged into the next sum, and a sum
        of nothing but ``none`` not into nothing).
        """
        return self.unravel(_representatives()[self.ravel(designs)])

    def distinct(self) -> Designs:
        """The 6,466 cells that represent all others, in grid order."""
        return self.unravel(np.unique(_representatives()))


def _written(row: Sequence[int]) -> str:
    parts = [[f"{OPERATIONS[op]}~{start}" for op, (start, end) in zip(row, ENDS, strict=True)
              if end == node] for node in range(1, NODES)]  # fmt: skip
    return "+".join(f"|{'|'.join(part)}|" for part in parts)


def _read(text: str) -> list[int]:
    edges = re.findall(r"([^|~+]+)~(\d)", text)
    for operation, _ in edges:
        if operation not in OPERATIONS:
            raise unknown_name("operation of an architecture string", operation, OPERATIONS)
    row = [OPERATIONS.index(operation) for operation, _ in edges]
    if len(row) != len(ENDS) or _written(row) != text:
        raise InputError(
            f"an architecture string must be like {_written([1] * len(ENDS))!r}, got {text!r}"
        )
    return row


@cache
def _representatives() -> NDArray[np.int64]:
    """Grid position of the first isomorphic cell of each cell, ``[g]``."""
    first: dict[str, int] = {}
    grid = np.indices((len(OPERATIONS),) * len(ENDS)).reshape(len(ENDS), -1).T
    found = [first.setdefault(_expression(row), i) for i, row in enumerate(grid.tolist())]
    return np.array(found, dtype=np.int64)


def _expression(row: Sequence[int]) -> str:
    """What a cell computes as a text, equal for cells that the paper counts as the same.

    Sums are sorted as texts before they are put into others unmerged, so that the published number
    of classes depends on the names: these are the published ones.
    """
    nodes = ["0"]
    for node in range(1, NODES):
        terms = []
        for op, (start, end) in zip(row, ENDS, strict=True):
            if end == node:
                source = nodes[start]
                nothing = op == 0 or source == "#"
                named = source if op == 1 else f"({source})@{OPERATIONS[op]}"
                terms.append("#" if nothing else named)
        nodes.append("+".join(sorted(terms)))
    return nodes[-1]


def nas_bench_201(group: str = "network") -> CellSpace:
    """The 15,625 cells of the published networks on images.

    Args:
        group: Group of the parameters: a problem with several networks names each.

    >>> len(nas_bench_201().distinct())
    6466
    """
    return CellSpace("nas-bench-201", _edges(OPERATIONS, group))


def nas_bench_201_1d(group: str = "network") -> CellSpace:
    """The same cells with the operations of sequences, networks small enough to be trained.

    Args:
        group: Group of the parameters: a problem with several networks names each.

    >>> nas_bench_201_1d().parameters[0].values
    ('none', 'skip', 'conv1', 'conv3', 'avgpool3')
    """
    return CellSpace("nas-bench-201-1d", _edges(SEQUENCE_OPERATIONS, group))


def _edges(operations: tuple[str, ...], group: str) -> tuple[Categorical, ...]:
    return tuple(Categorical(edge, operations, group=group) for edge in EDGES)
