"""U-Net-like networks as grouped torch modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from codesign_gym.cost_models.accuracy.grouped import Grouped, conv_norm_relu


class UNet(Grouped):
    """Two convolutions per level on the way down and on the way up, then a score per position.

    On the way down, maximum pooling by two leads to the next level. On the way up, positions are
    doubled by repetition and join the level's own features of the way down.

    Args:
        filters: Channels of each level, the whole sequence first; their number is the height.
        seeds: Independent copies of the network, one group of channels each.
    """

    def __init__(self, filters: Sequence[int], seeds: int = 1) -> None:
        super().__init__(seeds)

        def double(c: int, k: int) -> nn.Sequential:
            return nn.Sequential(conv_norm_relu(c, k, seeds), conv_norm_relu(k, k, seeds))

        inputs = (1, *filters[:-1])
        self.down = nn.ModuleList(double(c, k) for c, k in zip(inputs, filters, strict=True))
        self.up = nn.ModuleList(double(k + below, k) for k, below in pairwise(filters))
        self.head = nn.Conv1d(seeds * filters[0], seeds, 1, groups=seeds)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (log odds) ``[b, s, 40]`` for sequences ``[b, s, 40]``."""
        levels: list[Tensor] = []
        for level, down in enumerate(self.down):
            x = down(functional.max_pool1d(x, 2) if level else x)
            levels.append(x)
        for own, up in zip(levels[-2::-1], reversed(self.up), strict=True):
            x = up(self._join(own, functional.interpolate(x, scale_factor=2.0, mode="nearest")))
        out: Tensor = self.head(x)
        return out

    def _join(self, own: Tensor, below: Tensor) -> Tensor:
        """The channels of both, those of one seed together, ``[b, s*(c + c'), l]``."""
        parts = [x.view(len(x), self.seeds, -1, x.shape[2]) for x in (own, below)]
        return torch.cat(parts, dim=2).flatten(1, 2)

    @classmethod
    def of(cls, network: Mapping[str, object], seeds: int = 1) -> UNet:
        """The network of a decoded ``unet-1d`` design."""
        height = int(str(network["height"]))
        return cls([int(str(network[f"filters_{level + 1}"])) for level in range(height)], seeds)
