"""Vision transformers with mixtures of experts for two tasks.

After M3ViT (Liang et al., NeurIPS 2022, arXiv 2210.14793): in some blocks the feed-forward layer is
replaced by experts, of which a router picks a few for every token. Each task has routers of its
own, and runs in an inference of its own, which touches the experts of that task alone. Here every
task also has its own number of experts per token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from codesign_gym.search_spaces.parameters import Condition, Ordinal
from codesign_gym.search_spaces.space import SearchSpace

TASKS = {"segmentation": 40, "depth": 1}
"""Tasks, and what each says of every patch: the classes of NYU Depth v2, a distance."""

SIZE = 224
PATCH = 16
"""Height and width of the images, and of their patches, in pixels."""

COLOURS = 3
RATIO = 4
"""Hidden features of an ordinary feed-forward layer as a multiple of the width."""

TOKENS = (SIZE // PATCH) ** 2


class MoeVit(NamedTuple):
    """A network.

    Attributes:
        depth: Blocks.
        width: Features of a token.
        heads: Heads of every attention.
        every: Every how many blocks there are experts; 0 for none.
        experts: How many in such a block.
        ratio: Their hidden features as a multiple of the width.
        top: Experts per token of each task.
    """

    depth: int
    width: int
    heads: int
    every: int
    experts: int
    ratio: int
    top: tuple[int, ...]

    @property
    def fault(self) -> str:
        """Why the network cannot be built, empty where it can."""
        if self.width % self.heads:
            return f"{self.heads} heads do not divide {self.width} features"
        if self.every and max(self.top) > self.experts:
            return f"{max(self.top)} experts per token of {self.experts}"
        return ""

    def has_experts(self, block: int) -> bool:
        """Whether a block, from 0, has experts: the last of every `every` blocks."""
        return bool(self.every) and (block + 1) % self.every == 0


def moe_vit(group: str = "network") -> SearchSpace:
    """Transformers for both tasks; heads or experts that do not fit make a network invalid.

    Args:
        group: Group of the parameters: a problem with several networks names each.

    >>> moe_vit().cardinality
    19500
    """
    mixed = (Condition("every", (1, 2, 3)),)
    return SearchSpace(
        "moe-vit",
        (
            Ordinal("depth", (6, 9, 12), "blocks", group),
            Ordinal("width", (192, 256, 320, 384), "features", group),
            Ordinal("heads", (3, 4, 5, 6, 8), "heads", group),
            Ordinal("every", (0, 1, 2, 3), "blocks", group),
            Ordinal("experts", (2, 4, 8, 16), "experts", group, active_when=mixed),
            Ordinal("ratio", (1, 2, 4), "x", group, active_when=mixed),
            *(Ordinal(f"top_{task}", (1, 2, 4), "experts", group, mixed) for task in TASKS),
        ),
    )


def read_moe_vit(network: Mapping[str, object]) -> MoeVit:
    """The network of a decoded ``moe-vit`` design."""

    def value(name: str) -> int:
        return int(str(network.get(name, 0)))

    return MoeVit(
        depth=value("depth"),
        width=value("width"),
        heads=value("heads"),
        every=value("every"),
        experts=value("experts"),
        ratio=value("ratio"),
        top=tuple(value(f"top_{task}") for task in TASKS),
    )
