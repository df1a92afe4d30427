"""Small MobileNets with grouped convolutions as grouped torch modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from codesign_gym.cost_models.accuracy.grouped import Grouped, conv_norm_relu
from codesign_gym.search_spaces.networks.cell import CLASSES
from codesign_gym.search_spaces.networks.mobilenet import CHANNELS_1D, FEATURES_1D, STRIDES_1D


def _block(c: int, k: int, stride: int, per_group: int, seeds: int) -> nn.Sequential:
    """Grouped convolution of kernel 3, then a pointwise one; batch norm and ReLU after each."""
    groups = seeds * c // per_group
    return nn.Sequential(
        nn.Conv1d(
            seeds * c, seeds * c, 3, stride=stride, padding=1, groups=groups, bias=False
        ),
        nn.BatchNorm1d(seeds * c),
        nn.ReLU(),
        nn.Conv1d(seeds * c, seeds * k, 1, groups=seeds, bias=False),
        nn.BatchNorm1d(seeds * k),
        nn.ReLU(),
    )  # fmt: skip


class MobileNet1d(Grouped):
    """Stem, four blocks, pooled linear classifier.

    Args:
        per_group: Channels per group of each block's first convolution.
        seeds: Independent copies of the network, one group of channels each.
    """

    def __init__(self, per_group: Sequence[int], seeds: int = 1) -> None:
        super().__init__(seeds)
        outputs = (*CHANNELS_1D[1:], FEATURES_1D)
        blocks = zip(CHANNELS_1D, outputs, STRIDES_1D, per_group, strict=True)
        self.body = nn.Sequential(
            conv_norm_relu(1, CHANNELS_1D[0], seeds),
            *(_block(*block, seeds) for block in blocks),
        )
        self.classifier = nn.Conv1d(seeds * FEATURES_1D, seeds * CLASSES, 1, groups=seeds)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores ``[b, s, 10]`` for sequences ``[b, s, 40]``, one per seed."""
        pooled = torch.amax(self.body(x), dim=2, keepdim=True)
        out: Tensor = self.classifier(pooled)
        return out.view(len(x), self.seeds, CLASSES)

    @classmethod
    def of(cls, network: Mapping[str, object], seeds: int = 1) -> MobileNet1d:
        """The network of a decoded ``mobilenet-1d`` design."""
        names = (f"dw{index}" for index in range(1, len(CHANNELS_1D) + 1))
        return cls([int(str(network[name])) for name in names], seeds)
