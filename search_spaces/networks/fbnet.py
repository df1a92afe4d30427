"""The FBNet space: 22 layers of nine inverted-residual blocks.

Wu et al., CVPR 2019 (arXiv 1812.03443), with the numbering of the blocks of HW-NAS-Bench (Li et
al., ICLR 2021), which latency tables use. Some layers cannot be skipped (they change the shape):
there ``skip`` stands for what the tables measured, a projection.
"""

from __future__ import annotations

from codesign_gym.search_spaces.networks.mobile import Mobile
from codesign_gym.search_spaces.parameters import Categorical
from codesign_gym.search_spaces.space import SearchSpace

BLOCKS = (
    "k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6", "skip",
)  # fmt: skip
"""Blocks by kernel, expansion and groups of the pointwise convolutions."""

LAYERS = tuple(f"l{index}" for index in range(22))
"""Names of the searchable layers."""

FBNET = Mobile(
    stem=16,
    stages=(
        (16, 1, 1), (24, 4, 2), (32, 4, 2), (64, 4, 2), (112, 4, 1), (184, 4, 2), (352, 1, 1),
    ),
    features=1984,
)  # fmt: skip
"""What is fixed of the networks, for ImageNet (the paper's table 1, features as of FBNet-C)."""


def fbnet(group: str = "network") -> SearchSpace:
    """The 9^22 networks.

    Args:
        group: Group of the parameters: a problem with several networks names each.

    >>> f"{fbnet().size:.1e}"
    '9.8e+20'
    """
    layers = tuple(Categorical(layer, BLOCKS, group=group) for layer in LAYERS)
    return SearchSpace("fbnet", layers)
