"""Layer tables of well-known networks, generated from their architectures.

ResNet (He et al., CVPR 2016, in torchvision's variant: the 3x3 convolution of a bottleneck carries
the stride), MobileNetV1 (Howard et al., 2017), MobileNetV2 (Sandler et al., CVPR 2018), AlexNet
(Krizhevsky et al., NIPS 2012, two groups, 227x227 input), VGG-16 (Simonyan and Zisserman, ICLR
2015) and the matrix products of BERT-base (Devlin et al., NAACL 2019). Only layers with
multiply-accumulates are listed: pooling changes the shapes and costs nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from codesign_gym.cost_models.workloads.constructors import conv, gemm, linear, matmul
from codesign_gym.cost_models.workloads.layers import IntArray, Layers
from codesign_gym.search_spaces.errors import InputError, unknown_name


class _Cnn:
    """A stack of layers that remembers the feature map, `c` channels of `h` x `h`."""

    def __init__(self, h: int, batch: int) -> None:
        self.c, self.h, self.batch = 3, h, batch
        self.tables: list[Layers] = []

    def conv(
        self, name: str, k: int, r: int, stride: int = 1, pad: int | None = None, groups: int = 1
    ) -> None:
        """Append a convolution, padded to keep the size unless `pad` says otherwise."""
        pad = r // 2 if pad is None else pad
        layer = conv(
            name, n=self.batch, c=self.c, k=k, h=self.h, r=r, stride=stride, pad=pad, groups=groups
        )
        self.tables.append(layer)
        self.c, self.h = k, layer.p.item()

    def depthwise(self, name: str, stride: int) -> None:
        """Append a 3x3 depthwise convolution."""
        self.conv(name, self.c, 3, stride, groups=self.c)

    def pool(self, r: int, stride: int, pad: int = 0) -> None:
        """Shrink the feature map."""
        self.h = (self.h + 2 * pad - r) // stride + 1

    def classifier(self, *features: tuple[str, int], pooled: bool = True) -> Layers:
        """End with fully connected layers, on the global average if `pooled`."""
        inputs = self.c if pooled else self.c * self.h * self.h
        for name, outputs in features:
            self.tables.append(linear(name, inputs, outputs, n=self.batch))
            inputs = outputs
        return Layers.concat(*self.tables)


def _resnet(batch: int, blocks: Sequence[int], expansion: int) -> Layers:
    """ResNet of basic (`expansion` 1) or bottleneck (4) blocks, `blocks` per stage."""
    net = _Cnn(224, batch)
    net.conv("conv1", 64, 7, stride=2)
    net.pool(3, 2, pad=1)
    for stage, count in enumerate(blocks):
        width = 64 * 2**stage
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            prefix, c, h = f"layer{stage + 1}.{block}", net.c, net.h
            if expansion == 1:
                net.conv(f"{prefix}.conv1", width, 3, stride)
                net.conv(f"{prefix}.conv2", width, 3)
            else:
                net.conv(f"{prefix}.conv1", width, 1)
                net.conv(f"{prefix}.conv2", width, 3, stride)
                net.conv(f"{prefix}.conv3", width * expansion, 1)
            if stride != 1 or c != net.c:
                # The shortcut starts from the block's input.
                net.c, net.h = c, h
                net.conv(f"{prefix}.downsample", width * expansion, 1, stride)
    return net.classifier(("fc", 1000))


def _mobilenetv1(batch: int) -> Layers:
    net = _Cnn(224, batch)
    net.conv("conv1", 32, 3, stride=2)
    widths = (64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)
    for index, width in enumerate(widths, start=1):
        net.depthwise(f"dw{index}", stride=2 if index in (2, 4, 6, 12) else 1)
        net.conv(f"pw{index}", width, 1)
    return net.classifier(("fc", 1000))


def _mobilenetv2(batch: int) -> Layers:
    net = _Cnn(224, batch)
    net.conv("conv0", 32, 3, stride=2)
    # Expansion, output channels, blocks, stride of the first block.
    stages = (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
        (6, 320, 1, 1),
    )  # fmt: skip
    index = 0
    for expansion, width, blocks, first_stride in stages:
        for block in range(blocks):
            index += 1
            if expansion > 1:
                net.conv(f"b{index}.expand", net.c * expansion, 1)
            net.depthwise(f"b{index}.dw", stride=first_stride if block == 0 else 1)
            net.conv(f"b{index}.project", width, 1)
    net.conv("conv_last", 1280, 1)
    return net.classifier(("fc", 1000))


def _alexnet(batch: int) -> Layers:
    net = _Cnn(227, batch)
    net.conv("conv1", 96, 11, stride=4, pad=0)
    net.pool(3, 2)
    net.conv("conv2", 256, 5, groups=2)
    net.pool(3, 2)
    net.conv("conv3", 384, 3)
    net.conv("conv4", 384, 3, groups=2)
    net.conv("conv5", 256, 3, groups=2)
    net.pool(3, 2)
    return net.classifier(("fc6", 4096), ("fc7", 4096), ("fc8", 1000), pooled=False)


def _vgg16(batch: int) -> Layers:
    net = _Cnn(224, batch)
    for stage, (width, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for index in range(1, count + 1):
            net.conv(f"conv{stage}_{index}", width, 3)
        net.pool(2, 2)
    return net.classifier(("fc6", 4096), ("fc7", 4096), ("fc8", 1000), pooled=False)


def _bert_base(batch: int, tokens: int) -> Layers:
    """The products of 12 encoder blocks, equal ones once with their `repeat`."""
    blocks, heads, width, hidden = 12, 12, 768, 3072
    head = width // heads
    # Weights are shared by the batch; in attention both operands belong to one sample.
    each_head = blocks * heads * batch
    return Layers.concat(
        gemm("qkv_proj_each", tokens, width, width, batch=batch, repeat=3 * blocks),
        matmul("attn_qk_head", tokens, head, tokens, repeat=each_head),
        matmul("attn_v_head", tokens, tokens, head, repeat=each_head),
        gemm("out_proj", tokens, width, width, batch=batch, repeat=blocks),
        gemm("ffn1", tokens, width, hidden, batch=batch, repeat=blocks),
        gemm("ffn2", tokens, hidden, width, batch=batch, repeat=blocks),
    )


_BUILDERS: dict[str, Callable[[int], Layers]] = {
    "resnet18": lambda batch: _resnet(batch, (2, 2, 2, 2), expansion=1),
    "resnet50": lambda batch: _resnet(batch, (3, 4, 6, 3), expansion=4),
    "mobilenetv1": _mobilenetv1,
    "mobilenetv2": _mobilenetv2,
    "alexnet": _alexnet,
    "vgg16": _vgg16,
    "bert_base_s128": lambda batch: _bert_base(batch, tokens=128),
    "bert_base_s512": lambda batch: _bert_base(batch, tokens=512),
}

NETWORKS: tuple[str, ...] = tuple(_BUILDERS)


@lru_cache(maxsize=64)
def network(name: str, batch: int = 1) -> Layers:
    """The layers of a network in order of execution, for a batch of inputs.

    Example:
        >>> resnet = network("resnet50")
        >>> len(resnet), f"{resnet.macs.sum() / 1e9:.2f} GMAC"
        (54, '4.09 GMAC')

    Raises:
        InputError: If there is no network of that name.
    """
    if name not in _BUILDERS:
        raise unknown_name("network", name, NETWORKS)
    return _BUILDERS[name](batch)


@dataclass(frozen=True, eq=False)
class Workloads:
    """Networks over one table of distinct layers, in compressed sparse rows.

    Network `i` has layer `indices[j]` `counts[j]` times, for `j` in `indptr[i]:indptr[i + 1]`.

    Attributes:
        layers: The distinct layers `[l]`; their own `repeat` plays no part.
        indptr: Where each network begins and the last one ends, int64 `[w + 1]`.
        indices: Rows of `layers`, int64 `[z]`.
        counts: Occurrences of each, int64 `[z]`.
    """

    layers: Layers
    indptr: IntArray
    indices: IntArray
    counts: IntArray

    def __post_init__(self) -> None:
        for field in ("indptr", "indices", "counts"):
            object.__setattr__(self, field, np.array(getattr(self, field), dtype=np.int64))
        ends = self.indptr
        entries = len(self.indices)
        if len(ends) < 1 or ends[0] != 0 or ends[-1] != entries or np.any(np.diff(ends) < 1):
            raise InputError(
                f"Workloads.indptr must rise from 0 to {entries}, each network having a layer; "
                f"got {ends.tolist()}"
            )
        if self.counts.shape != (entries,) or np.any(self.counts < 1):
            raise InputError(f"Workloads.counts must be {entries} positive integers")
        bad = self.indices[(self.indices < 0) | (self.indices >= len(self.layers))]
        if bad.size:
            raise InputError(
                f"Workloads.indices must lie in [0, {len(self.layers) - 1}]; got {bad[0]}"
            )

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @classmethod
    def of(cls, *networks: Layers) -> Workloads:
        """The networks with every distinct layer stored once and its repetitions counted.

        Example:
            >>> both = Workloads.of(network("resnet18"), network("resnet50"))
            >>> len(both), len(both.layers), both.counts[: both.indptr[1]].sum().item()
            (2, 31, 21)
        """
        layers, inverse = Layers.concat(*networks).unique()
        indptr, indices, counts, start = [0], [_NONE], [_NONE], 0
        for table in networks:
            rows = inverse[start : start + len(table)]
            start += len(table)
            occurrences = np.zeros(len(layers), dtype=np.int64)
            np.add.at(occurrences, rows, table.repeat)
            present = np.flatnonzero(occurrences)
            indices.append(present)
            counts.append(occurrences[present])
            indptr.append(indptr[-1] + len(present))
        return cls(layers, np.array(indptr), np.concatenate(indices), np.concatenate(counts))


_NONE = np.zeros(0, dtype=np.int64)
