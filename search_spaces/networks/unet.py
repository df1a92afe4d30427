"""U-Net-like 1-D segmenters, the segmentation networks of NASAIC in one dimension.

NASAIC (Yang et al., DAC 2020) searches the height of a U-Net (Ronneberger et al., MICCAI 2015) and
the filters of each level. Level 1 works on the whole sequence, each further one on half of the
positions of the one above; levels beyond the height do not exist, so that 39 networks differ.
"""

from __future__ import annotations

from codesign_gym.search_spaces.parameters import Condition, Ordinal
from codesign_gym.search_spaces.space import SearchSpace

LEVELS = (1, 2, 3)
"""Levels that a network may have; level ``i`` has the parameter ``filters_i``."""


def unet_1d(group: str = "network") -> SearchSpace:
    """The 39 U-Net-like networks: 3 of one level, 9 of two, 27 of three.

    Args:
        group: Group of the parameters: a problem with several networks names each.

    >>> unet_1d().cardinality
    39
    """
    filters = [
        Ordinal(
            f"filters_{level}",
            (4, 8, 16),
            unit="channels",
            group=group,
            active_when=(Condition("height", LEVELS[level - 1 :]),) if level > 1 else (),
        )
        for level in LEVELS
    ]
    return SearchSpace("unet-1d", (Ordinal("height", LEVELS, unit="levels", group=group), *filters))
