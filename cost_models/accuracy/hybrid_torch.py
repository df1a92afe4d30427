"""Hybrid vision networks as grouped torch modules."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from codesign_gym.cost_models.accuracy.grouped import Grouped
from codesign_gym.search_spaces.networks.hybrid import (
    CLASSES,
    COLOURS,
    SQUEEZE,
    STEM,
    Hybrid,
    read_hybrid,
)


def pointwise(c: int, k: int, seeds: int) -> nn.Conv2d:
    """A product with weights at every position, ``c`` to ``k`` channels per seed, and a bias."""
    return nn.Conv2d(seeds * c, seeds * k, 1, groups=seeds)


def conv_norm(
    c: int, k: int, kernel: int, seeds: int, *, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Convolution from ``c`` to ``k`` channels per seed and batch norm."""
    conv = nn.Conv2d(
        seeds * c, seeds * k, kernel, stride, kernel // 2, groups=seeds * groups, bias=False
    )
    return [conv, nn.BatchNorm2d(seeds * k)]


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each seed at each position."""

    def __init__(self, c: int, seeds: int) -> None:
        super().__init__()
        self.seeds = seeds
        self.weight = nn.Parameter(torch.ones(seeds * c))
        self.bias = nn.Parameter(torch.zeros(seeds * c))

    def forward(self, x: Tensor) -> Tensor:
        """Shaped like ``x``, ``[b, s * c, h, w]``."""
        apart = x.reshape(len(x), self.seeds, -1, *x.shape[2:])
        variance, mean = torch.var_mean(apart, dim=2, correction=0, keepdim=True)
        unit = ((apart - mean) * torch.rsqrt(variance + 1e-6)).reshape(x.shape)
        return unit * self.weight[:, None, None] + self.bias[:, None, None]


class Convolutional(nn.Module):
    """MBConv, fused or not, with squeeze and excitation; a residual where the shape stays."""

    def __init__(self, c: int, k: int, stride: int, network: Hybrid, seeds: int) -> None:
        super().__init__()
        inner, squeezed = c * network.expansion, max(c // SQUEEZE, 1)
        if network.fused:
            expand = [*conv_norm(c, inner, 3, seeds, stride=stride), nn.GELU()]
        else:
            expand = [
                *conv_norm(c, inner, 1, seeds), nn.GELU(),
                *conv_norm(inner, inner, 3, seeds, stride=stride, groups=inner), nn.GELU(),
            ]  # fmt: skip
        self.expand = nn.Sequential(*expand)
        self.excite = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), pointwise(inner, squeezed, seeds), nn.GELU(),
            pointwise(squeezed, inner, seeds), nn.Sigmoid(),
        )  # fmt: skip
        self.project = nn.Sequential(*conv_norm(inner, k, 1, seeds))
        self.residual = stride == 1 and c == k

    def forward(self, x: Tensor) -> Tensor:
        """``[b, s * k, h / stride, w / stride]``."""
        expanded = self.expand(x)
        out: Tensor = self.project(expanded * self.excite(expanded))
        return x + out if self.residual else out


class Transformer(nn.Module):
    """Attention among all positions and a feed-forward layer, behind norms, with residuals."""

    def __init__(self, c: int, network: Hybrid, seeds: int) -> None:
        super().__init__()
        hidden = network.ratio * c
        self.seeds, self.heads, self.gated = seeds, network.heads, network.gated
        self.before = ChannelNorm(c, seeds)
        self.mixed = pointwise(c, 3 * c, seeds)
        self.projection = pointwise(c, c, seeds)
        self.between = ChannelNorm(c, seeds)
        self.first = pointwise(c, 2 * hidden if self.gated else hidden, seeds)
        self.second = pointwise(hidden, c, seeds)

    def attend(self, x: Tensor) -> Tensor:
        """What the heads gather, shaped like ``x``."""
        b, _, h, w = x.shape
        mixed = self.mixed(x).view(b, self.seeds, 3, self.heads, -1, h * w)
        query, key, value = mixed.unbind(2)  # [b, s, heads, d, tokens]
        scores = query.transpose(-1, -2) @ key / query.shape[-2] ** 0.5
        gathered = value @ scores.softmax(-1).transpose(-1, -2)
        out: Tensor = self.projection(gathered.reshape(x.shape))
        return out

    def feed(self, x: Tensor) -> Tensor:
        """The feed-forward layer, shaped like ``x``."""
        hidden = self.first(x)
        if self.gated:
            apart = hidden.view(len(x), self.seeds, 2, -1, *x.shape[2:])
            gate, value = apart.unbind(2)
            hidden = (torch.sigmoid(gate) * value).flatten(1, 2)
        else:
            hidden = nn.functional.gelu(hidden)
        out: Tensor = self.second(hidden)
        return out

    def forward(self, x: Tensor) -> Tensor:
        """Shaped like ``x``."""
        x = x + self.attend(self.before(x))
        return x + self.feed(self.between(x))


class HybridNetwork(Grouped):
    """Stem, four stages, norm, pooled linear classifier.

    Args:
        network: What it is; one with a `fault` fails to be built.
        seeds: Independent copies of the network, one group of channels each.
    """

    def __init__(self, network: Hybrid, seeds: int = 1) -> None:
        super().__init__(seeds)
        body = [*conv_norm(COLOURS, STEM, 3, seeds, stride=2), nn.GELU()]
        c = STEM
        for k, convolutions, transformers in network.stages:
            body += [
                Convolutional(k if block else c, k, 1 if block else 2, network, seeds)
                for block in range(convolutions)
            ]
            if not convolutions:
                merge = nn.Conv2d(seeds * c, seeds * k, 2, 2, groups=seeds)
                body += [merge, ChannelNorm(k, seeds)]
            body += [Transformer(k, network, seeds) for _ in range(transformers)]
            c = k
        self.body = nn.Sequential(*body)
        self.norm = ChannelNorm(c, seeds)
        self.classifier = pointwise(c, CLASSES, seeds)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores ``[b, s, 1000]`` for images ``[b, s * 3, size, size]``."""
        pooled = self.body(x).mean((2, 3), keepdim=True)
        out: Tensor = self.classifier(self.norm(pooled))
        return out.view(len(x), self.seeds, CLASSES)

    @classmethod
    def of(cls, network: Mapping[str, object], seeds: int = 1) -> HybridNetwork:
        """The network of a decoded ``hybrid-vision`` design."""
        return cls(read_hybrid(network), seeds)
