"""TransNAS-Bench-101, micro level: the cells of NAS-Bench-201 without pooling, for seven tasks.

Duan et al., CVPR 2021 (arXiv 2105.11871): 4,096 cells. Indices are those of the benchmark.
"""

from __future__ import annotations

from codesign_gym.search_spaces.parameters import Categorical
from codesign_gym.search_spaces.space import SearchSpace

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
"""Edge operations."""

EDGES = tuple(f"e{index}" for index in range(6))
"""Names of the edges: 0-1, 0-2, 1-2, 0-3, 1-3, 2-3."""


def transnas_101_micro(group: str = "network") -> SearchSpace:
    """The 4,096 cells.

    Args:
        group: Group of the parameters: a problem with several networks names each.

    >>> transnas_101_micro().cardinality
    4096
    """
    edges = tuple(Categorical(edge, OPERATIONS, group=group) for edge in EDGES)
    return SearchSpace("transnas-101-micro", edges)
