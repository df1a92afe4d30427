"""Plain networks as sequences of tokens, one per layer: what a policy reads of a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from codesign_gym.search_spaces.errors import InputError
from codesign_gym.search_spaces.networks.growth import (
    BLOCKS,
    FILTERS,
    KERNELS,
    MOST_CONVOLUTIONS,
    MOST_DENSE,
    UNITS,
    Plain,
)

SLOTS: tuple[tuple[int, int], ...] = (
    *((part, layer) for part in range(len(BLOCKS)) for layer in range(MOST_CONVOLUTIONS)),
    *((len(BLOCKS), layer) for layer in range(MOST_DENSE)),
)
"""Where a layer may stand: (index of the part, index of the layer in it)."""

TOKENS = len(SLOTS) + len(BLOCKS)
"""Most tokens of a network: its layers and a pooling after each block."""

POOLING = 1 + len(FILTERS) * len(KERNELS)
"""The token of a pooling. 0 stands for nothing, 1 and on for convolutions by filters and kernel."""

VOCABULARY = POOLING + 1 + len(UNITS)
"""Different tokens; those after `POOLING` are fully connected layers by units."""


def tokens(network: Plain) -> NDArray[np.int64]:
    """The layers in order, and 0 after the last, ``[TOKENS]``.

    Raises:
        InputError: The network is not of the space ``growing-network``.

    >>> from codesign_gym.search_spaces.networks.growth import ROOT
    >>> tokens(ROOT)[:8].tolist()
    [2, 16, 2, 16, 2, 16, 17, 0]
    """
    found, _ = tokens_and_slots(network)
    return found


def tokens_and_slots(network: Plain) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The tokens of a network, and which of `SLOTS` each stands for, -1 for none, ``[TOKENS]``."""
    if len(network.blocks) != len(BLOCKS):
        raise InputError(f"a network needs {len(BLOCKS)} blocks, got {len(network.blocks)}")
    found: list[int] = []
    slots: list[int] = []
    for part, layers in enumerate(network.parts):
        dense = part == len(network.blocks)
        widths = UNITS if dense else FILTERS
        for i, layer in enumerate(layers):
            if layer.width not in widths or (part, i) not in SLOTS:
                raise InputError(f"layer {i + 1} of part {part + 1} is not of the space: {layer}")
            level = widths.index(layer.width)
            token = level if dense else level * len(KERNELS) + KERNELS.index(layer.kernel)
            found.append(token + (POOLING + 1 if dense else 1))
            slots.append(SLOTS.index((part, i)))
        if not dense:
            found.append(POOLING)
            slots.append(-1)
    left = TOKENS - len(found)
    return np.array(found + [0] * left), np.array(slots + [-1] * left)
