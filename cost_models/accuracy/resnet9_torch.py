"""ResNet-9-like networks as grouped torch modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from codesign_gym.cost_models.accuracy.grouped import Grouped, conv_norm_relu
from codesign_gym.search_spaces.networks.cell import CLASSES
from codesign_gym.search_spaces.networks.resnet9 import STAGES, STEM_FILTERS


class Residual(nn.Module):
    """``x + f(f(x))``, each ``f`` a convolution of kernel 3, batch norm and ReLU."""

    def __init__(self, width: int, seeds: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(conv_norm_relu(width, width, seeds) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        """The sum, shaped like ``x``."""
        out: Tensor = x + self.body(x)
        return out


class ResNet9(Grouped):
    """Stem, three stages with maximum pooling by two between them, pooled linear classifier.

    Args:
        filters: Output channels of each stage.
        blocks: Residual blocks of each stage.
        seeds: Independent copies of the network, one group of channels each.
    """

    def __init__(self, filters: Sequence[int], blocks: Sequence[int], seeds: int = 1) -> None:
        super().__init__(seeds)
        body: list[nn.Module] = [conv_norm_relu(1, STEM_FILTERS, seeds)]
        c = STEM_FILTERS
        for stage, (k, count) in enumerate(zip(filters, blocks, strict=True)):
            body += [nn.MaxPool1d(2)] if stage else []
            body += [conv_norm_relu(c, k, seeds), *(Residual(k, seeds) for _ in range(count))]
            c = k
        self.body = nn.Sequential(*body)
        self.classifier = nn.Conv1d(seeds * c, seeds * CLASSES, 1, groups=seeds)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores ``[b, s, 10]`` for sequences ``[b, s, 40]``, one per seed."""
        pooled = torch.amax(self.body(x), dim=2, keepdim=True)
        out: Tensor = self.classifier(pooled)
        return out.view(len(x), self.seeds, CLASSES)

    @classmethod
    def of(cls, network: Mapping[str, object], seeds: int = 1) -> ResNet9:
        """The network of a decoded ``resnet9-1d`` design."""
        filters = [int(str(network[f"filters_{stage}"])) for stage in STAGES]
        return cls(filters, [int(str(network[f"blocks_{stage}"])) for stage in STAGES], seeds)
