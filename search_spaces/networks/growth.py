"""Plain convolutional networks that grow out of one small network, on sequences.

The networks of Cai et al., "Efficient Architecture Search by Network Transformation", AAAI 2018
(arXiv 1707.04873): convolutions with batch norm and ReLU in blocks, maximum pooling by two after
each block, fully connected layers, no skip connections. Its widths are scaled to one dimension.
Everything that may be chosen only grows, so that the first design, all indices 0, is an ancestor of
every other one: each can be made of it by making layers wider and putting in new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from codesign_gym.search_spaces.networks.cell import CLASSES, INPUT_LENGTH
from codesign_gym.search_spaces.parameters import Condition, Ordinal
from codesign_gym.search_spaces.space import SearchSpace

FILTERS = (8, 12, 16, 24, 32)
"""Filters that a convolution may have."""

UNITS = (16, 32, 64)
"""Outputs that a fully connected layer may have."""

KERNELS = (1, 3, 5)
"""Taps that a convolution may have; the first of each block has `FIRST_KERNEL`."""

FIRST_KERNEL = 3
BLOCKS = (1, 2, 3)
MOST_CONVOLUTIONS = 4
"""Convolutions of a block."""

MOST_DENSE = 2
"""Fully connected layers before the classifier."""

MOST_WEIGHTS = 24_000
"""Weights of the largest network that is trained."""


class Layer(NamedTuple):
    """A convolution of ``width`` filters with ``kernel`` taps, or ``width`` fully connected units.

    The kernel of a fully connected layer is 1.
    """

    width: int
    kernel: int = 1


@dataclass(frozen=True)
class Plain:
    """A network: its layers, without the classifier at the end.

    Attributes:
        parts: Blocks of convolutions, each followed by pooling by two, and last the fully connected
            layers.
        length: Positions of the input.
        classes: Outputs of the classifier.
    """

    parts: tuple[tuple[Layer, ...], ...]
    length: int = INPUT_LENGTH
    classes: int = CLASSES

    @property
    def blocks(self) -> tuple[tuple[Layer, ...], ...]:
        """The convolutions of each block."""
        return self.parts[:-1]

    @property
    def dense(self) -> tuple[Layer, ...]:
        """The fully connected layers."""
        return self.parts[-1]

    @property
    def positions(self) -> int:
        """Positions that are left after the last pooling; none where the input is too short."""
        return self.length >> len(self.blocks)

    @property
    def weights(self) -> int:
        """Weights of all convolutions and fully connected layers, without biases and norms."""
        total, c = 0, 1
        for layer in (layer for block in self.blocks for layer in block):
            total, c = total + c * layer.width * layer.kernel, layer.width
        c *= self.positions
        for width in (*(layer.width for layer in self.dense), self.classes):
            total, c = total + c * width, width
        return total

    @property
    def fault(self) -> str:
        """Why the network cannot be trained, empty where it can."""
        if not all(self.parts):
            return "a block has no layers"
        if self.positions < 1:
            return f"resolution falls below 1: {len(self.blocks)} poolings of {self.length}"
        if self.weights > MOST_WEIGHTS:
            return f"more than {MOST_WEIGHTS} weights"
        return ""


def growing_network(group: str = "network") -> SearchSpace:
    """All networks that grow out of the smallest: three blocks, one or two fully connected layers.

    Args:
        group: Group of the parameters: a problem with several networks names each.

    >>> space = growing_network()
    >>> len(space), f"{space.cardinality:.1e}"
    (27, '7.1e+13')
    >>> read_network(space.decode(space.sample(1, 0) * 0)[0]).weights
    1208
    """
    parameters: list[Ordinal] = []
    for block in BLOCKS:
        counts = tuple(range(1, MOST_CONVOLUTIONS + 1))
        parameters.append(Ordinal(f"layers_{block}", counts, unit="layers", group=group))
        for i in counts:
            there = (Condition(f"layers_{block}", counts[i - 1 :]),) if i > 1 else ()
            parameters.append(
                Ordinal(f"filters_{block}_{i}", FILTERS, "channels", group, active_when=there)
            )
            if i > 1:
                parameters.append(
                    Ordinal(f"kernel_{block}_{i}", KERNELS, "taps", group, active_when=there)
                )
    parameters += [
        Ordinal("dense", tuple(range(1, MOST_DENSE + 1)), unit="layers", group=group),
        Ordinal("units_1", UNITS, "units", group),
        Ordinal("units_2", UNITS, "units", group, active_when=(Condition("dense", (2,)),)),
    ]
    return SearchSpace("growing-network", tuple(parameters))


def is_growing(space: SearchSpace) -> bool:
    """Whether a space is `growing_network`, whatever its group is called."""
    return len(space.groups) == 1 and space == growing_network(*space.groups)


def read_network(design: Mapping[str, object]) -> Plain:
    """The network of a decoded ``growing-network`` design."""

    def value(name: str) -> int:
        return int(str(design[name]))

    blocks = tuple(
        tuple(
            Layer(
                value(f"filters_{block}_{i}"),
                value(f"kernel_{block}_{i}") if i > 1 else FIRST_KERNEL,
            )
            for i in range(1, value(f"layers_{block}") + 1)
        )
        for block in BLOCKS
    )
    dense = tuple(Layer(value(f"units_{i}")) for i in range(1, value("dense") + 1))
    return Plain((*blocks, dense))


def write_network(network: Plain) -> dict[str, int]:
    """The decoded design of a network of the space: the inverse of `read_network`."""
    design: dict[str, int] = {"dense": len(network.dense)}
    for block, layers in zip(BLOCKS, network.blocks, strict=True):
        design[f"layers_{block}"] = len(layers)
        for i, layer in enumerate(layers, start=1):
            design[f"filters_{block}_{i}"] = layer.width
            if i > 1:
                design[f"kernel_{block}_{i}"] = layer.kernel
    return design | {f"units_{i}": layer.width for i, layer in enumerate(network.dense, start=1)}


ROOT = Plain((*(((Layer(FILTERS[0], FIRST_KERNEL),),) * len(BLOCKS)), (Layer(UNITS[0]),)))
"""The smallest network of the space, from which all others grow."""
