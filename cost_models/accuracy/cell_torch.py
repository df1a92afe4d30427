"""Cell networks as torch modules, several seeds trained side by side as one grouped network.

Every layer of a cell network is a grouped convolution with one group per seed, so that small
networks fill the vector units: two seeds cost 1.2 times one. Seed ``s`` starts from the weights
that it would have alone, and no operation crosses groups, so seeds stay independent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from codesign_gym.search_spaces.networks.cell import CLASSES, OPERATIONS


class Edge(nn.Module):
    """One edge operation on ``[b, s*width, length]``; ``none`` gives zeros."""

    def __init__(self, operation: str, width: int, seeds: int) -> None:
        super().__init__()
        self.operation = operation
        channels = seeds * width
        self.body: nn.Module = nn.Identity()
        if operation in ("conv1", "conv3"):
            kernel = int(operation[-1])
            self.body = nn.Sequential(
                nn.ReLU(),
                nn.Conv1d(
                    channels, channels, kernel, padding=kernel // 2, groups=seeds, bias=False
                ),
                nn.BatchNorm1d(channels),
            )
        elif operation == "avgpool3":
            self.body = nn.AvgPool1d(3, stride=1, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        """The operation's output, shaped like ``x``."""
        if self.operation == "none":
            return torch.zeros_like(x)
        out: Tensor = self.body(x)
        return out


class Cell(nn.Module):
    """``op_02(x) + op_12(op_01(x))``."""

    def __init__(self, operations: Sequence[str], width: int, seeds: int) -> None:
        super().__init__()
        self.op_01, self.op_02, self.op_12 = (Edge(op, width, seeds) for op in operations)

    def forward(self, x: Tensor) -> Tensor:
        """The cell's output, shaped like ``x``."""
        out: Tensor = self.op_02(x) + self.op_12(self.op_01(x))
        return out


class CellNetwork(nn.Module):
    """Stem, cells with average pooling by two between them, pooled linear classifier.

    Args:
        operations: The operations of edges 0-1, 0-2 and 1-2.
        width: Channels, the same throughout.
        cells: Number of cells.
        seeds: Independent copies of the network, one group of channels each.
    """

    def __init__(self, operations: Sequence[str], width: int, cells: int, seeds: int = 1) -> None:
        super().__init__()
        unknown = set(operations) - set(OPERATIONS)
        if unknown or len(operations) != 3:
            raise ValueError(f"a cell has three operations of {OPERATIONS}, got {operations}")
        self.seeds = seeds
        channels = seeds * width
        self.stem = nn.Sequential(
            nn.Conv1d(seeds, channels, 3, padding=1, groups=seeds, bias=False),
            nn.BatchNorm1d(channels),
        )
        body: list[nn.Module] = []
        for i in range(cells):
            body += ([nn.AvgPool1d(2)] if i else []) + [Cell(operations, width, seeds)]
        self.body = nn.Sequential(*body)
        self.head = nn.Sequential(nn.BatchNorm1d(channels), nn.ReLU(), nn.AdaptiveAvgPool1d(1))
        self.classifier = nn.Conv1d(channels, seeds * CLASSES, 1, groups=seeds)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores ``[b, s, 10]`` for sequences ``[b, s, 40]``, one per seed."""
        out: Tensor = self.classifier(self.head(self.body(self.stem(x))))
        return out.view(len(x), self.seeds, CLASSES)


def seeded(operations: Sequence[str], width: int, cells: int, seeds: Sequence[int]) -> CellNetwork:
    """A grouped network whose group ``i`` starts from the weights that seed ``seeds[i]`` draws."""
    states = []
    with torch.random.fork_rng(devices=[]):
        for seed in seeds:
            torch.manual_seed(seed)
            states.append(CellNetwork(operations, width, cells).state_dict())
        grouped = CellNetwork(operations, width, cells, len(seeds))
    grouped.load_state_dict(
        {
            name: torch.cat([state[name] for state in states]) if value.dim() else value
            for name, value in states[0].items()
        }
    )
    return grouped


def to_int8(x: Tensor, largest: Tensor) -> Tensor:
    """``x`` rounded to the 255 symmetric levels of int8 between -largest and largest."""
    scale = largest.clamp_min(1e-12) / 127
    return torch.round(x / scale).clamp(-127, 127) * scale


def to_fp16(x: Tensor, largest: Tensor) -> Tensor:
    """``x`` rounded to half precision (the range needs no calibration)."""
    return x.half().float()


@torch.no_grad()
def reduced_precision(
    network: CellNetwork,
    calibration: Tensor,
    x: Tensor,
    rounding: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Class scores with the operands of every convolution rounded; ``network`` is left as it was.

    Weights are rounded per output channel and layer inputs per seed, their range being the largest
    magnitude seen on ``calibration``; sums stay in full precision, as in the accelerator's 4-byte
    accumulators.

    Args:
        network: A trained network in evaluation mode.
        calibration: Training sequences ``[b, s, 40]``.
        x: Sequences to classify ``[b, s, 40]``.
        rounding: `to_int8` or `to_fp16`.
    """
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv1d)]
    largest: dict[nn.Module, Tensor] = {}
    weights = [m.weight.detach().clone() for m in convolutions]

    def per_seed(value: Tensor) -> Tensor:
        return value.view(len(value), network.seeds, -1)

    def observe(module: nn.Module, inputs: tuple[Tensor]) -> None:
        largest[module] = per_seed(inputs[0]).abs().amax(dim=(0, 2), keepdim=True)

    def rounded(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        value = inputs[0]
        return (rounding(per_seed(value), largest[module]).view_as(value),)

    hooks = [m.register_forward_pre_hook(observe) for m in convolutions]
    network(calibration)
    for hook in hooks:
        hook.remove()
    hooks = [m.register_forward_pre_hook(rounded) for m in convolutions]
    try:
        for m in convolutions:
            m.weight.copy_(rounding(m.weight, m.weight.abs().amax(dim=(1, 2), keepdim=True)))
        scores: Tensor = network(x)
    finally:
        for hook in hooks:
            hook.remove()
        for m, weight in zip(convolutions, weights, strict=True):
            m.weight.copy_(weight)
    return scores
