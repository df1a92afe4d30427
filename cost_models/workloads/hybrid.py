"""Hybrid vision networks as layers; sums, norms and activations ride along with the products."""

from __future__ import annotations

from collections.abc import Mapping

from codesign_gym.cost_models.workloads.parts import Part, Product
from codesign_gym.search_spaces.networks.hybrid import (
    CLASSES,
    COLOURS,
    SQUEEZE,
    STEM,
    Hybrid,
    read_hybrid,
)

Key = Part | Product


def attention(tokens: int, width: int, heads: int, shared: bool = False) -> list[Key]:
    """Norm, queries with keys and values, the two products of every head, projection.

    Args:
        tokens: Tokens that attend to each other.
        width: Features of each.
        heads: Divide them.
        shared: Whether the weights are counted elsewhere.
    """
    each = width // heads
    scores = Product(tokens, each, tokens, of_weights=False)
    values = Product(tokens, tokens, each, of_weights=False)
    return [
        Product(tokens, width, 3 * width, extra=2 * width + 3 * width, shared=shared),
        *[scores] * heads,
        *[values] * heads,
        Product(tokens, width, width, extra=width, shared=shared),
    ]


def feed_forward(
    tokens: int, width: int, hidden: int, *, gated: bool = False, shared: bool = False
) -> list[Key]:
    """Norm and two products, the first twice as wide where its half gates the other."""
    inner = 2 * hidden if gated else hidden
    return [
        Product(tokens, width, inner, extra=2 * width + inner, shared=shared),
        Product(tokens, hidden, width, extra=width, shared=shared),
    ]


def _convolutional(c: int, k: int, size: int, stride: int, network: Hybrid) -> list[Key]:
    inner, squeezed = c * network.expansion, max(c // SQUEEZE, 1)
    if network.fused:
        expand = [Part(c, inner, 3, size, stride, extra=2 * inner)]
    else:
        expand = [
            Part(c, inner, 1, size, extra=2 * inner),
            Part(inner, inner, 3, size, stride, inner, extra=2 * inner),
        ]
    return [
        *expand,
        Part(inner, squeezed, 1, 1, extra=squeezed),
        Part(squeezed, inner, 1, 1, extra=inner),
        Part(inner, k, 1, size // stride, extra=2 * k),
    ]


def layer_keys(network: Mapping[str, object]) -> list[Key]:
    """The layers of a decoded ``hybrid-vision`` design, in order of execution."""
    chosen = read_hybrid(network)
    keys: list[Key] = [Part(COLOURS, STEM, 3, chosen.size, 2, extra=2 * STEM)]
    c, size = STEM, chosen.size // 2
    for k, convolutions, transformers in chosen.stages:
        for block in range(convolutions):
            stride = 1 if block else 2
            keys += _convolutional(k if block else c, k, size, stride, chosen)
            size //= stride
        if not convolutions:  # patches of two by two pixels are merged
            keys.append(Part(c, k, 2, size, 2, extra=3 * k))
            size //= 2
        for _ in range(transformers):
            keys += attention(size**2, k, chosen.heads)
            keys += feed_forward(size**2, k, chosen.ratio * k, gated=chosen.gated)
        c = k
    return [*keys, Part(c, CLASSES, 1, 1, extra=2 * c + CLASSES)]


def fault(network: Mapping[str, object]) -> str:
    """Why a decoded design cannot be built, empty where it can."""
    return read_hybrid(network).fault
