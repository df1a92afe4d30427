"""Mobile networks: inverted residual blocks in stages, each layer one of several, or skipped.

ProxylessNAS (Cai et al., ICLR 2019, arXiv 1812.00332) searches 21 layers between a fixed first
block and a last convolution. A layer may be skipped where its block would keep resolution and
channels, so that every network of the space can be built. The blocks are those of MobileNetV2
(Sandler et al., CVPR 2018): a pointwise expansion, a depthwise and a pointwise convolution, and a
residual where the shape stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from codesign_gym.search_spaces.errors import unknown_name
from codesign_gym.search_spaces.networks.cell import CLASSES, INPUT_LENGTH
from codesign_gym.search_spaces.parameters import Categorical
from codesign_gym.search_spaces.space import SearchSpace

SKIP = "skip"
"""The block that is none."""

OPERATIONS = ("k3_e3", "k3_e6", "k5_e3", "k5_e6", "k7_e3", "k7_e6", SKIP)
"""Candidates of ProxylessNAS by kernel and expansion."""


class Block(NamedTuple):
    """An inverted residual block.

    Attributes:
        kernel: Of the depthwise convolution.
        expansion: Its channels as a multiple of the input's.
        groups: Of the pointwise convolutions; channels are shuffled where there are several.
    """

    kernel: int
    expansion: int
    groups: int = 1


class Place(NamedTuple):
    """Where a block is put: it goes from ``c`` channels to ``k`` and divides the resolution.

    Attributes:
        c: Input channels.
        k: Output channels.
        size: Height and width, or length, of the input.
        stride: What the resolution is divided by.
    """

    c: int
    k: int
    size: int
    stride: int

    @property
    def keeps_shape(self) -> bool:
        """Whether input and output are alike, so that the input can be added or passed on."""
        return self.stride == 1 and self.c == self.k


@dataclass(frozen=True)
class Mobile:
    """What is fixed of a space's networks.

    Attributes:
        stem: Channels of the first convolution of kernel 3.
        stem_stride: Its stride.
        first: Channels of a depthwise separable block behind it; 0 for none.
        stages: (channels, layers, stride of the first layer) of the layers that are searched.
        features: Channels of the last pointwise convolution.
        classes: Outputs of the classifier.
        size: Height and width of the images, or the length of the sequences.
        dims: 1 for sequences, 2 for images.
        colours: Channels of the input.
    """

    stem: int
    stages: tuple[tuple[int, int, int], ...]
    features: int
    first: int = 0
    stem_stride: int = 2
    classes: int = 1000
    size: int = 224
    dims: int = 2
    colours: int = 3

    @property
    def places(self) -> tuple[Place, ...]:
        """The layers that are searched, in order."""
        c, size, found = self.first or self.stem, self.size // self.stem_stride, []
        for k, layers, first_stride in self.stages:
            for layer in range(layers):
                stride = 1 if layer else first_stride
                found.append(Place(c, k, size, stride))
                c, size = k, -(-size // stride)
        return tuple(found)


PROXYLESSNAS = Mobile(
    stem=32,
    first=16,
    stages=((24, 4, 2), (40, 4, 2), (80, 4, 2), (96, 4, 1), (192, 4, 2), (320, 1, 1)),
    features=1280,
)
"""The searched networks of ProxylessNAS for ImageNet."""

PROXYLESSNAS_1D = Mobile(
    stem=8, stem_stride=1, stages=((8, 2, 1), (16, 3, 2), (24, 3, 2)), features=48,
    classes=CLASSES, size=INPUT_LENGTH, dims=1, colours=1,
)  # fmt: skip
"""Networks of the same make on sequences, small enough to be trained."""


def proxylessnas(group: str = "network") -> SearchSpace:
    """The networks of ProxylessNAS for ImageNet: 21 layers of six blocks, 15 may be skipped.

    Args:
        group: Group of the parameters: a problem with several networks names each.

    >>> f"{proxylessnas().size:.1e}"
    '2.2e+17'
    """
    return _space("proxylessnas", PROXYLESSNAS, group)


def proxylessnas_1d(group: str = "network") -> SearchSpace:
    """Networks of eight such layers on sequences, small enough to be trained.

    Args:
        group: Group of the parameters: a problem with several networks names each.

    >>> proxylessnas_1d().size
    4235364
    """
    return _space("proxylessnas-1d", PROXYLESSNAS_1D, group)


def _space(name: str, mobile: Mobile, group: str) -> SearchSpace:
    choices = (OPERATIONS if p.keeps_shape else OPERATIONS[:-1] for p in mobile.places)
    layers = (Categorical(f"l{i}", ops, group=group) for i, ops in enumerate(choices, start=1))
    return SearchSpace(name, tuple(layers))


def read_blocks(network: Mapping[str, object], names: Sequence[str]) -> list[Block | None]:
    """The block of each layer of a decoded design; None where it is skipped.

    Args:
        network: The design.
        names: Its parameters in the order of the layers.
    """
    return [read_block(str(network[name])) for name in names]


def read_block(text: str) -> Block | None:
    """The block that a text like ``k5_e6`` or ``k3_e1_g2`` names; None for ``skip``.

    >>> read_block("k3_e1_g2")
    Block(kernel=3, expansion=1, groups=2)

    Raises:
        InputError: It names none.
    """
    if text == SKIP:
        return None
    fields = {part[:1]: part[1:] for part in text.split("_")}
    if not {"k", "e"} <= fields.keys() <= {"k", "e", "g"} or not all(
        value.isdecimal() for value in fields.values()
    ):
        raise unknown_name("block of a mobile network", text, OPERATIONS)
    return Block(int(fields["k"]), int(fields["e"]), int(fields.get("g", 1)))
