"""Transformers with mixtures of experts as layers: one inference of each task, one after another.

Routers spread the tokens evenly over the experts, as they are trained to: each expert gets the same
number of rows, some one more. The work does not depend on that, what an accelerator makes of it
does.
"""

from __future__ import annotations

from collections.abc import Mapping

from codesign_gym.cost_models.workloads.hybrid import Key, attention, feed_forward
from codesign_gym.cost_models.workloads.parts import Product
from codesign_gym.search_spaces.networks.moe_vit import (
    COLOURS,
    PATCH,
    RATIO,
    TASKS,
    TOKENS,
    MoeVit,
    read_moe_vit,
)


def layer_keys(network: Mapping[str, object]) -> list[Key]:
    """The layers of a decoded ``moe-vit`` design, in order of execution."""
    chosen = read_moe_vit(network)
    keys: list[Key] = []
    for number, (outputs, top) in enumerate(zip(TASKS.values(), chosen.top, strict=True)):
        keys += _inference(chosen, top, outputs, shared=number > 0)
    return keys


def _inference(network: MoeVit, top: int, outputs: int, shared: bool) -> list[Key]:
    """The layers of one task; ``shared`` where the other task's have the same weights."""
    width = network.width
    # Bias of the embedding and a trained position for every token.
    beside = width + TOKENS * width
    keys: list[Key] = [Product(TOKENS, COLOURS * PATCH**2, width, extra=beside, shared=shared)]
    for block in range(network.depth):
        keys += attention(TOKENS, width, network.heads, shared)
        if not network.has_experts(block):
            keys += feed_forward(TOKENS, width, RATIO * width, shared=shared)
            continue
        # The router is the task's own, the norm before it both tasks'.
        keys.append(Product(TOKENS, width, network.experts, extra=0 if shared else 2 * width))
        hidden, most = network.ratio * width, -(-TOKENS * top // network.experts)
        fewer = most * network.experts - TOKENS * top
        for expert in range(network.experts):
            rows = most - 1 if expert < fewer else most
            keys += [
                Product(rows, width, hidden, extra=hidden, shared=shared),
                Product(rows, hidden, width, extra=width, shared=shared),
            ]
    # Each task has its own norm and answer at the end.
    return [*keys, Product(TOKENS, width, outputs, extra=2 * width + outputs)]


def fault(network: Mapping[str, object]) -> str:
    """Why a decoded design cannot be built, empty where it can."""
    return read_moe_vit(network).fault
