"""Mobile networks of inverted residual blocks as grouped torch modules, on images or sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from codesign_gym.cost_models.accuracy.grouped import Grouped
from codesign_gym.cost_models.accuracy.nas_bench_201_torch import CONVOLUTIONS, NORMS
from codesign_gym.cost_models.workloads.mobile import mobile_of
from codesign_gym.search_spaces.networks.mobile import Block, Mobile, Place


class Shuffle(nn.Module):
    """Channels of several groups interleaved, as ShuffleNet does between group convolutions."""

    def __init__(self, groups: int, seeds: int) -> None:
        super().__init__()
        self.groups, self.seeds = groups, seeds

    def forward(self, x: Tensor) -> Tensor:
        """Shaped like ``x``."""
        apart = x.reshape(len(x), self.seeds, self.groups, -1, *x.shape[2:])
        return apart.transpose(2, 3).reshape(x.shape)


def conv_norm(
    c: int, k: int, kernel: int, dims: int, seeds: int, *, stride: int = 1, groups: int = 1,
    relu: bool = True,
) -> list[nn.Module]:  # fmt: skip
    """Convolution from ``c`` to ``k`` channels per seed, batch norm and, unless not, ReLU6."""
    conv = CONVOLUTIONS[dims - 1](
        seeds * c, seeds * k, kernel, stride, kernel // 2, groups=seeds * groups, bias=False
    )
    tail = [nn.ReLU6()] if relu else []
    return [conv, NORMS[dims - 1](seeds * k), *tail]


class InvertedResidual(nn.Module):
    """A block at its place; the input is added where the shape stays.

    Args:
        place: Channels and stride.
        block: What it is; without one, the input, or a projection where the shape changes.
        dims: 1 for sequences, 2 for images.
        seeds: Independent copies.
    """

    def __init__(self, place: Place, block: Block | None, dims: int, seeds: int = 1) -> None:
        super().__init__()
        c, k = place.c, place.k
        self.residual = place.keeps_shape and block is not None
        body: list[nn.Module] = []
        if block is not None:
            inner, groups = c * block.expansion, block.groups
            body += conv_norm(c, inner, 1, dims, seeds, groups=groups)
            body += [Shuffle(groups, seeds)] if groups > 1 else []
            body += conv_norm(
                inner, inner, block.kernel, dims, seeds, stride=place.stride, groups=inner
            )
            body += conv_norm(inner, k, 1, dims, seeds, groups=groups, relu=False)
        elif not place.keeps_shape:
            body += conv_norm(c, k, 1, dims, seeds, stride=place.stride)
        self.body = nn.Sequential(*body)

    def forward(self, x: Tensor) -> Tensor:
        """``[b, s * k, size / stride, ...]``."""
        out: Tensor = self.body(x)
        return x + out if self.residual else out


class MobileNetwork(Grouped):
    """Stem, blocks, last pointwise convolution, pooled linear classifier.

    Args:
        mobile: What is fixed.
        blocks: One for each of its places.
        seeds: Independent copies of the network, one group of channels each.
    """

    def __init__(self, mobile: Mobile, blocks: Sequence[Block | None], seeds: int = 1) -> None:
        super().__init__(seeds)
        self.classes, dims = mobile.classes, mobile.dims
        body = conv_norm(mobile.colours, mobile.stem, 3, dims, seeds, stride=mobile.stem_stride)
        if mobile.first:
            body += conv_norm(mobile.stem, mobile.stem, 3, dims, seeds, groups=mobile.stem)
            body += conv_norm(mobile.stem, mobile.first, 1, dims, seeds, relu=False)
        body += [
            InvertedResidual(place, block, dims, seeds)
            for place, block in zip(mobile.places, blocks, strict=True)
        ]
        body += conv_norm(mobile.places[-1].k, mobile.features, 1, dims, seeds)
        self.body = nn.Sequential(*body)
        self.classifier = CONVOLUTIONS[dims - 1](
            seeds * mobile.features, seeds * mobile.classes, 1, groups=seeds
        )

    def forward(self, x: Tensor) -> Tensor:
        """Class scores ``[b, s, classes]`` for inputs ``[b, s * colours, size, ...]``."""
        features: Tensor = self.body(x)
        pooled = features.flatten(2).mean(2)
        out: Tensor = self.classifier(pooled[(..., *(None,) * (features.dim() - 2))])
        return out.view(len(x), self.seeds, self.classes)

    @classmethod
    def of(cls, space: str, network: Mapping[str, object], seeds: int = 1) -> MobileNetwork:
        """The network of a decoded ``fbnet``, ``proxylessnas`` or ``proxylessnas-1d`` design."""
        return cls(*mobile_of(space, network), seeds)
