"""Well-known networks in PyTorch, from their papers, to be imported and compared with the tables.

Built on the `meta` device: no weight is allocated or drawn.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def conv_norm(c: int, k: int, r: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution that keeps the size, normalised."""
    conv = nn.Conv2d(c, k, r, stride, padding=r // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(k))


class BasicBlock(nn.Module):
    """ResNet-18's block: two 3x3 convolutions around which the input goes."""

    expansion = 1

    def __init__(self, c: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_norm(c, width, 3, stride), nn.ReLU(), conv_norm(width, width, 3)
        )
        project = stride != 1 or c != width
        self.downsample = conv_norm(c, width, 1, stride) if project else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.downsample(x))


class Bottleneck(BasicBlock):
    """ResNet-50's block, the 3x3 convolution carrying the stride (torchvision's variant)."""

    expansion = 4

    def __init__(self, c: int, width: int, stride: int) -> None:
        super().__init__(c, 4 * width, stride)
        self.body = nn.Sequential(
            conv_norm(c, width, 1), nn.ReLU(), conv_norm(width, width, 3, stride), nn.ReLU(),
            conv_norm(width, 4 * width, 1),
        )  # fmt: skip


def resnet(block: type[BasicBlock], blocks: tuple[int, ...]) -> nn.Module:
    """He et al. 2016, table 1."""
    layers = [conv_norm(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)]
    c = 64
    for stage, count in enumerate(blocks):
        width = 64 * 2**stage
        for index in range(count):
            layers.append(block(c, width, stride=2 if stage and not index else 1))
            c = width * block.expansion
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 1000))


def mobilenetv1() -> nn.Module:
    """Howard et al. 2017, table 1."""
    layers, c = [conv_norm(3, 32, 3, 2), nn.ReLU()], 32
    widths = (64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)
    for index, width in enumerate(widths):
        stride = 2 if index in (1, 3, 5, 11) else 1
        layers += [conv_norm(c, c, 3, stride, c), nn.ReLU(), conv_norm(c, width, 1), nn.ReLU()]
        c = width
    return nn.Sequential(*layers, nn.AvgPool2d(7), nn.Flatten(), nn.Linear(c, 1000))


class InvertedResidual(nn.Module):
    """MobileNetV2's block: expand, filter each channel, project, add where the shape stays."""

    def __init__(self, c: int, k: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = c * expansion
        expand = [conv_norm(c, wide, 1), nn.ReLU6()] if expansion > 1 else []
        self.body = nn.Sequential(
            *expand, conv_norm(wide, wide, 3, stride, wide), nn.ReLU6(), conv_norm(wide, k, 1)
        )
        self.residual = stride == 1 and c == k

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.body(x)
        return x + result if self.residual else result


def mobilenetv2() -> nn.Module:
    """Sandler et al. 2018, table 2."""
    stages = (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
        (6, 320, 1, 1),
    )  # fmt: skip
    layers: list[nn.Module] = [conv_norm(3, 32, 3, 2), nn.ReLU6()]
    c = 32
    for expansion, k, count, stride in stages:
        for index in range(count):
            layers.append(InvertedResidual(c, k, stride if index == 0 else 1, expansion))
            c = k
    layers += [conv_norm(c, 1280, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Dropout(0.2), nn.Linear(1280, 1000))


def alexnet() -> nn.Module:
    """Krizhevsky et al. 2012, section 3.5, with response normalisation and two groups."""
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, 4), nn.ReLU(), nn.LocalResponseNorm(5, k=2), nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding="same", groups=2), nn.ReLU(), nn.LocalResponseNorm(5, k=2),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Flatten(), nn.Dropout(), nn.Linear(9216, 4096), nn.ReLU(),
        nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000),
    )  # fmt: skip


def vgg16() -> nn.Module:
    """Simonyan and Zisserman 2015, configuration D."""
    layers: list[nn.Module] = []
    c = 3
    for k, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(c, k, 3, padding=1), nn.ReLU()]
            c = k
        layers.append(nn.MaxPool2d(2))
    sizes = ((7 * 7 * 512, 4096), (4096, 4096), (4096, 1000))
    classifier = [part for c, k in sizes for part in (nn.Linear(c, k), nn.ReLU(), nn.Dropout())]
    return nn.Sequential(*layers, nn.Flatten(), *classifier)


class EncoderBlock(nn.Module):
    """A block of BERT (Vaswani et al. 2017, section 3; Devlin et al. 2019)."""

    def __init__(self, width: int = 768, heads: int = 12, hidden: int = 3072) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ffn1, self.ffn2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """The products as they are written in the paper, `[b, heads, tokens, depth]`."""
        scores = torch.matmul(q, k.transpose(-1, -2)) / q.shape[-1] ** 0.5
        return torch.matmul(torch.softmax(scores, -1), v)

    def forward(self, x: Tensor) -> Tensor:
        split = (*x.shape[:2], self.heads, -1)
        q, k, v = (f(x).view(split).transpose(1, 2) for f in (self.query, self.key, self.value))
        context = self.attend(q, k, v).transpose(1, 2).flatten(2)
        x = self.norm1(x + self.out(context))
        result: Tensor = self.norm2(x + self.ffn2(nn.functional.gelu(self.ffn1(x))))
        return result


class FusedBlock(EncoderBlock):
    """The same block with PyTorch's fused attention."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return nn.functional.scaled_dot_product_attention(q, k, v)


class EinsumBlock(EncoderBlock):
    """The same block with attention as sums over indices."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * 0.125
        return torch.einsum("...qk,...kd->...qd", scores.softmax(-1), v)


class Encoder(nn.Module):
    """BERT-base: token, position and segment embeddings, twelve blocks."""

    def __init__(self, block: Callable[[], nn.Module] = EncoderBlock) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(30522, 768), nn.Embedding(512, 768)
        self.norm = nn.LayerNorm(768)
        self.blocks = nn.Sequential(*(block() for _ in range(12)))

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        result: Tensor = self.blocks(self.norm(self.tokens(tokens) + self.positions(places)))
        return result


MODELS: dict[str, Callable[[], nn.Module]] = {
    "resnet18": lambda: resnet(BasicBlock, (2, 2, 2, 2)),
    "resnet50": lambda: resnet(Bottleneck, (3, 4, 6, 3)),
    "mobilenetv1": mobilenetv1,
    "mobilenetv2": mobilenetv2,
    "alexnet": alexnet,
    "vgg16": vgg16,
    "bert_base_s128": Encoder,
    "bert_base_s512": lambda: Encoder(FusedBlock),
}
"""A constructor for each network of `NETWORKS`."""


def build(name: str, batch: int = 1) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """A network and example inputs, on the meta device."""
    with torch.device("meta"):
        if name.startswith("bert"):
            tokens = int(name.removeprefix("bert_base_s"))
            return MODELS[name](), (torch.zeros(batch, tokens, dtype=torch.int64),)
        side = 227 if name == "alexnet" else 224
        return MODELS[name](), (torch.zeros(batch, 3, side, side),)
