"""The cell network: small 1-D convolutional networks, one cell repeated.

A cell has three nodes and three edges, each with one of the five operations of NAS-Bench-201
(Dong and Yang, ICLR 2020): the output is ``op_02(x) + op_12(op_01(x))``. A network is a stem, one
to three cells with a halving of the sequence between two of them, and a linear classifier: 1,125
networks. They are small enough that training all of them on MNIST-1D (Greydanus and Kobak, ICML
2024) takes an hour on two cores, so that accuracies are measured, never assumed.
"""

from __future__ import annotations

from codesign_gym.search_spaces.parameters import Categorical, Ordinal
from codesign_gym.search_spaces.space import SearchSpace

OPERATIONS = ("none", "skip", "conv1", "conv3", "avgpool3")
"""Edge operations: zero, identity, ReLU-convolution-batch norm of kernel 1 or 3, average pool."""

EDGES = ("op_01", "op_02", "op_12")
"""Edges of the cell by the nodes they join."""

INPUT_LENGTH = 40
"""Positions of one MNIST-1D sequence."""

CLASSES = 10
"""Digits of MNIST-1D."""


def cell_network(group: str = "network") -> SearchSpace:
    """The 1,125 cell networks.

    Args:
        group: Group of the parameters: a problem with several networks names each.

    >>> cell_network().cardinality
    1125
    """
    edges = tuple(Categorical(edge, OPERATIONS, group=group) for edge in EDGES)
    width = Ordinal("width", (8, 16, 32), unit="channels", group=group)
    cells = Ordinal("cells", (1, 2, 3), unit="cells", group=group)
    return SearchSpace("cell-network", (*edges, width, cells))
