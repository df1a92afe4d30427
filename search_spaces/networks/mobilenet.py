"""MobileNetV1 with grouped in place of depthwise convolutions: how many channels share a group.

DRACO (Jha et al., ISVLSI 2020, arXiv 2006.15103) fills a systolic array by giving the groups of a
depthwise convolution more than one channel. A layer of ``c`` channels with ``g`` channels per group
has ``c / g`` groups, each a full convolution from ``g`` to ``g`` channels: 1 is depthwise, ``c`` an
ordinary convolution. Multiply-accumulates and weights of the layer are ``g`` times the depthwise
ones; the pointwise convolutions stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from codesign_gym.search_spaces.parameters import Ordinal
from codesign_gym.search_spaces.space import SearchSpace

CHANNELS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024)
"""Channels of MobileNetV1's depthwise convolutions (Howard et al., 2017, table 1)."""

CHANNELS_1D = (16, 32, 32, 64)
"""Channels of the depthwise convolutions of the small networks on sequences."""

STRIDES_1D = (1, 2, 1, 2)
"""Their strides."""

FEATURES_1D = 64
"""Output channels of the last pointwise convolution of the small networks."""

PER_GROUP_1D = (1, 4, 16)
"""Channels per group in the small networks: few enough for every network to be trained."""


def _space(name: str, group: str, choices: Sequence[tuple[int, ...]]) -> SearchSpace:
    parameters = (
        Ordinal(f"dw{index}", values, unit="channels", group=group)
        for index, values in enumerate(choices, start=1)
    )
    return SearchSpace(name, tuple(parameters))


def _powers_of_two(largest: int) -> tuple[int, ...]:
    return tuple(2**i for i in range(largest.bit_length()))


def draco_mobilenet(group: str = "network") -> SearchSpace:
    """MobileNetV1 for ImageNet: channels per group of each of its 13 depthwise convolutions.

    The choices are the powers of two up to a layer's channels, all of which divide them.

    Args:
        group: Group of the parameters: a problem with several networks names each.

    >>> space = draco_mobilenet()
    >>> space.parameters[0].values, f"{space.cardinality:.1e}"
    ((1, 2, 4, 8, 16, 32), '2.4e+12')
    """
    return _space("draco-mobilenet", group, [_powers_of_two(c) for c in CHANNELS])


def mobilenet_1d(group: str = "network") -> SearchSpace:
    """The 81 small networks of the same make on sequences, every one of which can be trained.

    A convolution of kernel 3 as stem, four blocks of a grouped and a pointwise convolution, two of
    which halve the sequence, and a pooled linear classifier.

    Args:
        group: Group of the parameters: a problem with several networks names each.

    >>> mobilenet_1d().cardinality
    81
    """
    return _space("mobilenet-1d", group, [PER_GROUP_1D] * len(CHANNELS_1D))
