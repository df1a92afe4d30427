"""Several seeds of one network side by side as one grouped network, and its reduced precision.

Every layer is a convolution with one group per seed, so that small networks fill the vector units:
two seeds cost 1.2 times one. Seed ``s`` starts from the weights that it would have alone, and no
operation crosses groups, so seeds stay independent. Letters: ``b`` sequences, ``s`` seeds, ``c``
channels, ``l`` positions; channels of one seed stand together, ``[b, s*c, l]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn


class Grouped(nn.Module):
    """A network of ``seeds`` independent copies: inputs and scores are ``[b, s, ...]``.

    Attributes:
        seeds: How many copies.
    """

    def __init__(self, seeds: int) -> None:
        super().__init__()
        self.seeds = seeds


G = TypeVar("G", bound=Grouped)


def conv_norm_relu(c: int, k: int, seeds: int) -> nn.Sequential:
    """Convolution of kernel 3 from ``c`` to ``k`` channels per seed, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv1d(seeds * c, seeds * k, 3, padding=1, groups=seeds, bias=False),
        nn.BatchNorm1d(seeds * k),
        nn.ReLU(),
    )


def seeded(build: Callable[[int], G], seeds: Sequence[int]) -> G:
    """A grouped network whose group ``i`` starts from the weights that seed ``seeds[i]`` draws.

    Args:
        build: Makes the network with a given number of copies.
        seeds: Seed of each copy.
    """
    states = []
    with torch.random.fork_rng(devices=[]):
        for seed in seeds:
            torch.manual_seed(seed)
            states.append(build(1).state_dict())
    return assembled(build, states)


def assembled(build: Callable[[int], G], states: Sequence[Mapping[str, Tensor]]) -> G:
    """A grouped network whose group ``i`` has the numbers of ``states[i]``, one copy each."""
    with torch.random.fork_rng(devices=[]):
        grouped = build(len(states))
    grouped.load_state_dict(
        {
            name: torch.cat([state[name] for state in states]) if value.dim() else value
            for name, value in states[0].items()
        }
    )
    return grouped


@torch.no_grad()
def costs(network: nn.Module, x: Tensor) -> tuple[int, int]:
    """Trained numbers of a network, and multiply-accumulates of its convolutions per input.

    Args:
        network: Left in evaluation mode.
        x: One input, ``[1, ...]``.
    """
    macs = 0

    def count(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        nonlocal macs
        assert isinstance(module, (nn.Conv1d, nn.Conv2d))
        macs += output.numel() * module.weight[0].numel()

    convolutions = [m for m in network.modules() if isinstance(m, (nn.Conv1d, nn.Conv2d))]
    hooks = [m.register_forward_hook(count) for m in convolutions]
    network.eval()(x)
    for hook in hooks:
        hook.remove()
    return sum(p.numel() for p in network.parameters()), macs


def to_int8(x: Tensor, largest: Tensor) -> Tensor:
    """``x`` rounded to the 255 symmetric levels of int8 between -largest and largest."""
    scale = largest.clamp_min(1e-12) / 127
    return torch.round(x / scale).clamp(-127, 127) * scale


def to_fp16(x: Tensor, largest: Tensor) -> Tensor:
    """``x`` rounded to half precision (the range needs no calibration)."""
    return x.half().float()


@torch.no_grad()
def reduced_precision(
    network: Grouped,
    calibration: Tensor,
    x: Tensor,
    rounding: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Scores with the operands of every convolution rounded; ``network`` is left as it was.

    Weights are rounded per output channel and layer inputs per seed, their range being the largest
    magnitude seen on ``calibration``; sums stay in full precision, as in the accelerator's 4-byte
    accumulators.

    Args:
        network: A trained network in evaluation mode.
        calibration: Training sequences ``[b, s, 40]``.
        x: Test sequences ``[b, s, 40]``.
        rounding: `to_int8` or `to_fp16`.
    """
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv1d)]
    largest: dict[nn.Module, Tensor] = {}
    weights = [m.weight.detach().clone() for m in convolutions]

    def per_seed(value: Tensor) -> Tensor:
        return value.reshape(len(value), network.seeds, -1)  # a strided slice has no view

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
