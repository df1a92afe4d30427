"""ResNet-9-like 1-D classifiers, the classification networks of NASAIC in one dimension.

NASAIC (Yang et al., DAC 2020) searches, for each block of a ResNet-9, its filters FN and its number
of skip layers SK. Here: a convolution of kernel 3 as stem, three stages with a halving of the
sequence between them, a pooled linear classifier. A stage is a convolution to its filters and, or
not, a residual block of two convolutions. All 216 networks are small enough to be trained.
"""

from __future__ import annotations

from codesign_gym.search_spaces.parameters import Ordinal
from codesign_gym.search_spaces.space import SearchSpace

STAGES = (1, 2, 3)
"""Stages of a network; stage ``i`` has the parameters ``filters_i`` and ``blocks_i``."""

STEM_FILTERS = 8
"""Output channels of the stem."""


def resnet9_1d(group: str = "network") -> SearchSpace:
    """The 216 ResNet-9-like networks.

    Args:
        group: Group of the parameters: a problem with several networks names each.

    >>> resnet9_1d().cardinality
    216
    >>> resnet9_1d("task1").groups
    {'task1': (0, 1, 2, 3, 4, 5)}
    """
    parameters = [
        parameter
        for stage in STAGES
        for parameter in (
            Ordinal(f"filters_{stage}", (8, 16, 32), unit="channels", group=group),
            Ordinal(f"blocks_{stage}", (0, 1), unit="blocks", group=group),
        )
    ]
    return SearchSpace("resnet9-1d", tuple(parameters))
