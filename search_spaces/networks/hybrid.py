"""Hybrid vision networks: convolutions first, attention later, in four stages.

After AsCAN (Kag et al., NeurIPS 2024, arXiv 2411.04967): every stage is a row of convolutional
blocks followed by a row of transformer blocks, and where attention starts differs from stage to
stage. The paper fixes the rows by hand; here their lengths, the widths, the kind of convolution
(MBConv or fused MBConv, both with squeeze and excitation) and the feed-forward layer (two products,
or a gated linear unit: Shazeer, arXiv 2002.05202) are chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from codesign_gym.search_spaces.parameters import Categorical, Ordinal
from codesign_gym.search_spaces.space import SearchSpace

STAGES = (1, 2, 3, 4)
"""Stages; each halves the resolution."""

WIDTHS = {1: (32, 48, 64), 2: (64, 96, 128), 3: (128, 192, 256), 4: (256, 384, 512)}
"""Channels that each stage may have."""

BLOCKS = (0, 1, 2, 3, 4)
"""Convolutional, and transformer, blocks that a stage may have."""

STEM = 32
"""Channels of the first convolution, which halves the resolution too."""

COLOURS = 3
CLASSES = 1000

SQUEEZE = 4
"""What the channels of a block are divided by in its squeeze and excitation."""


class Stage(NamedTuple):
    """One stage of a network.

    Attributes:
        width: Channels.
        convolutions: Convolutional blocks, which come first.
        transformers: Transformer blocks.
    """

    width: int
    convolutions: int
    transformers: int


class Hybrid(NamedTuple):
    """A network.

    Attributes:
        stages: The four stages.
        fused: Whether expansion and depthwise convolution are fused into one full convolution.
        expansion: Inner channels of a convolutional block as a multiple of its input's.
        heads: Heads of every attention.
        gated: Whether feed-forward layers are gated linear units.
        ratio: Their hidden features as a multiple of the width.
        size: Height and width of the images.
    """

    stages: tuple[Stage, ...]
    fused: bool
    expansion: int
    heads: int
    gated: bool
    ratio: int
    size: int

    @property
    def fault(self) -> str:
        """Why the network cannot be built, empty where it can."""
        for number, stage in zip(STAGES, self.stages, strict=True):
            if not stage.convolutions + stage.transformers:
                return f"stage {number} has no block"
            if stage.transformers and stage.width % self.heads:
                return f"stage {number}: {self.heads} heads do not divide {stage.width} channels"
        return ""


def hybrid_vision(group: str = "network") -> SearchSpace:
    """Hybrid networks for ImageNet; those with an empty stage or heads that do not fit are invalid.

    Args:
        group: Group of the parameters: a problem with several networks names each.

    >>> f"{hybrid_vision().size:.1e}"
    '6.1e+09'
    """
    stages = []
    for stage in STAGES:
        stages += [
            Ordinal(f"width_{stage}", WIDTHS[stage], "channels", group),
            Ordinal(f"convolutions_{stage}", BLOCKS, "blocks", group),
            Ordinal(f"transformers_{stage}", BLOCKS, "blocks", group),
        ]
    return SearchSpace(
        "hybrid-vision",
        (
            *stages,
            Categorical("convolution", ("mbconv", "fused"), group=group),
            Ordinal("expansion", (2, 4), "x", group),
            Ordinal("heads", (4, 6, 8), "heads", group),
            Categorical("feed_forward", ("mlp", "glu"), group=group),
            Ordinal("ratio", (2, 4), "x", group),
            Ordinal("size", (128, 160, 192, 224), "pixels", group),
        ),
    )


def read_hybrid(network: Mapping[str, object]) -> Hybrid:
    """The network of a decoded ``hybrid-vision`` design."""

    def value(name: str) -> int:
        return int(str(network[name]))

    return Hybrid(
        stages=tuple(
            Stage(*(value(f"{what}_{stage}") for what in ("width", "convolutions", "transformers")))
            for stage in STAGES
        ),
        fused=network["convolution"] == "fused",
        expansion=value("expansion"),
        heads=value("heads"),
        gated=network["feed_forward"] == "glu",
        ratio=value("ratio"),
        size=value("size"),
    )
