"""Mobile networks as layers; residuals and activations ride along with the convolutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from codesign_gym.cost_models.workloads.parts import Part
from codesign_gym.search_spaces.networks.fbnet import FBNET, LAYERS
from codesign_gym.search_spaces.networks.mobile import (
    PROXYLESSNAS,
    PROXYLESSNAS_1D,
    Block,
    Mobile,
    Place,
    read_blocks,
)

_NETWORKS = {"fbnet": FBNET, "proxylessnas": PROXYLESSNAS, "proxylessnas-1d": PROXYLESSNAS_1D}


def mobile_of(space: str, network: Mapping[str, object]) -> tuple[Mobile, list[Block | None]]:
    """What is fixed and what is chosen of a decoded design of a space of mobile networks."""
    mobile = _NETWORKS[space]
    names = LAYERS if space == "fbnet" else [f"l{i}" for i in range(1, len(mobile.places) + 1)]
    return mobile, read_blocks(network, names)


def parts(mobile: Mobile, blocks: Sequence[Block | None]) -> list[Part]:
    """The layers of a network in order of execution.

    Args:
        mobile: What is fixed.
        blocks: One for each of its places.
    """
    dims, size = mobile.dims, mobile.size
    found = [_conv(mobile.colours, mobile.stem, 3, size, dims, stride=mobile.stem_stride)]
    size //= mobile.stem_stride
    if mobile.first:
        found += _depthwise(mobile.stem, mobile.first, 3, size, dims)
    for place, block in zip(mobile.places, blocks, strict=True):
        found += _block(place, block, dims)
        c, size = place.k, -(-place.size // place.stride)
    found.append(_conv(c, mobile.features, 1, size, dims))
    classifier = Part(mobile.features, mobile.classes, 1, 1, dims=dims, extra=mobile.classes)
    return [*found, classifier]


def _conv(
    c: int, k: int, kernel: int, size: int, dims: int, stride: int = 1, groups: int = 1
) -> Part:
    return Part(c, k, kernel, size, stride, groups, dims=dims, extra=2 * k)


def _depthwise(
    c: int, k: int, kernel: int, size: int, dims: int, stride: int = 1, groups: int = 1
) -> list[Part]:
    """A depthwise convolution and a pointwise one to ``k`` channels."""
    return [
        _conv(c, c, kernel, size, dims, stride, c),
        _conv(c, k, 1, -(-size // stride), dims, groups=groups),
    ]


def _block(place: Place, block: Block | None, dims: int) -> list[Part]:
    c, k, size, stride = place
    if block is None:
        return [] if place.keeps_shape else [_conv(c, k, 1, size, dims, stride)]
    inner = c * block.expansion
    expand = _conv(c, inner, 1, size, dims, groups=block.groups)
    return [expand, *_depthwise(inner, k, block.kernel, size, dims, stride, block.groups)]


def layer_keys(space: str, network: Mapping[str, object]) -> list[Part]:
    """The layers of a decoded ``fbnet``, ``proxylessnas`` or ``proxylessnas-1d`` design."""
    return parts(*mobile_of(space, network))
