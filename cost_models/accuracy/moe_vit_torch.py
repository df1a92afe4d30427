"""Transformers with mixtures of experts as torch modules."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from codesign_gym.search_spaces.networks.moe_vit import (
    COLOURS,
    PATCH,
    RATIO,
    TASKS,
    TOKENS,
    MoeVit,
    read_moe_vit,
)


def feed_forward(width: int, hidden: int) -> nn.Sequential:
    """Two products with a GELU between them."""
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class Mixture(nn.Module):
    """Experts, and for each task the router that picks them.

    Args:
        network: What the network is.
    """

    def __init__(self, network: MoeVit) -> None:
        super().__init__()
        width = network.width
        self.top = network.top
        self.routers = nn.ModuleList(nn.Linear(width, network.experts, bias=False) for _ in TASKS)
        self.experts = nn.ModuleList(
            feed_forward(width, network.ratio * width) for _ in range(network.experts)
        )

    def forward(self, x: Tensor, task: int) -> Tensor:
        """Each token's experts, weighted by its router; shaped like ``x``, ``[b, t, width]``."""
        tokens = x.flatten(0, 1)
        shares, picked = self.routers[task](tokens).softmax(-1).topk(self.top[task], dim=-1)
        out = torch.zeros_like(tokens)
        for number, expert in enumerate(self.experts):
            rows, place = (picked == number).nonzero(as_tuple=True)
            out = out.index_add(0, rows, expert(tokens[rows]) * shares[rows, place, None])
        return out.view_as(x)


class Block(nn.Module):
    """Attention, and a feed-forward layer or experts, each behind a norm, with residuals."""

    def __init__(self, network: MoeVit, has_experts: bool) -> None:
        super().__init__()
        width = network.width
        self.heads = network.heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mixed = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.experts = Mixture(network) if has_experts else None
        self.feed = None if has_experts else feed_forward(width, RATIO * width)

    def attend(self, x: Tensor) -> Tensor:
        """What the heads gather, shaped like ``x``."""
        mixed = self.mixed(x).view(*x.shape[:2], 3, self.heads, -1)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        gathered = (scores.softmax(-1) @ value).transpose(1, 2).reshape(x.shape)
        out: Tensor = self.projection(gathered)
        return out

    def forward(self, x: Tensor, task: int) -> Tensor:
        """Shaped like ``x``."""
        x = x + self.attend(self.before(x))
        inner = self.between(x)
        if self.experts is not None:
            mixed: Tensor = self.experts(inner, task)
            return x + mixed
        assert self.feed is not None
        fed: Tensor = self.feed(inner)
        return x + fed


class MoeVitNetwork(nn.Module):
    """Patches, blocks, and a linear answer per patch for each task.

    Args:
        network: What it is; one with a `fault` fails to be built or to run.
    """

    def __init__(self, network: MoeVit) -> None:
        super().__init__()
        width = network.width
        self.patches = nn.Conv2d(COLOURS, width, PATCH, PATCH)
        self.positions = nn.Parameter(torch.zeros(1, TOKENS, width))
        self.blocks = nn.ModuleList(
            Block(network, network.has_experts(number)) for number in range(network.depth)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in TASKS)
        self.answers = nn.ModuleList(nn.Linear(width, outputs) for outputs in TASKS.values())

    def forward(self, x: Tensor, task: int) -> Tensor:
        """What a task, by its number in `TASKS`, says of every patch.

        Args:
            x: Images ``[b, 3, 224, 224]``.
            task: The task.

        Returns:
            ``[b, 196, outputs]``.
        """
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        for block in self.blocks:
            tokens = block(tokens, task)
        out: Tensor = self.answers[task](self.norms[task](tokens))
        return out

    @classmethod
    def of(cls, network: Mapping[str, object]) -> MoeVitNetwork:
        """The network of a decoded ``moe-vit`` design."""
        return cls(read_moe_vit(network))
