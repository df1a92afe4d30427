"""Growing networks that keep what they have learned: Net2Wider and Net2Deeper on real weights.

Chen et al., "Net2Net", ICLR 2016 (arXiv 1511.05641); Cai et al., AAAI 2018 (arXiv 1707.04873). In
evaluation mode the grown network computes what the small one did, up to rounding:

- Wider: each new channel copies a random old one, its batch norm included, and the inputs of the
  next layer that read a channel with ``m`` copies are divided by ``m``.
- Deeper: the new layer's convolution passes each channel on (1 at its centre tap). Its batch norm
  scales by the deviation and shifts by the mean of one batch, which it takes as its statistics;
  the ReLU after it changes nothing of what another ReLU gave.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from codesign_gym.cost_models.accuracy.growing_torch import PlainNetwork, blank
from codesign_gym.search_spaces.networks.transformations import Deeper, Step, Wider, grown


def grow(
    module: PlainNetwork,
    *steps: Step,
    batch: Tensor,
    rng: np.random.Generator,
    noise: float = 0.0,
) -> PlainNetwork:
    """A larger network that computes what ``module`` does; ``module`` is left as it was.

    Args:
        module: The network.
        steps: How it grows.
        batch: Sequences ``[b, 40]`` on which new batch norms are made identities.
        rng: Draws which channels are copied.
        noise: Deviation of the weights of copied channels, relative to that of their layer: copies
            that stay equal would learn alike. 0 keeps the function.

    Raises:
        InputError: A step is impossible, or leads to a network with a fault.
    """
    if not steps:
        return copy.deepcopy(module)  # whoever trains it must not train the parent
    for step in steps:
        larger = blank(grown(module.network, step))
        if isinstance(step, Wider):
            _widen(module, larger, step, rng, noise)
        else:
            _deepen(module, larger, step, batch)
        module = larger
    return module


def _copy(small: PlainNetwork, large: PlainNetwork, step: Step, leave: set[nn.Module]) -> None:
    """All layers of the small network, but for those in the large one that are to be left."""
    for p, layers in enumerate(small.network.parts):
        for i in range(len(layers)):
            behind = isinstance(step, Deeper) and p == step.part and i > step.layer
            target = large.at(p, i + behind)
            if target not in leave:
                target.load_state_dict(small.at(p, i).state_dict())
    if large.classifier not in leave:
        large.classifier.load_state_dict(small.classifier.state_dict())


def _reader(module: PlainNetwork, part: int, layer: int) -> nn.Module:
    """The layer that reads what a layer gives."""
    if layer + 1 < len(module.network.parts[part]):
        return module.at(part, layer + 1)
    if part + 1 < len(module.network.parts):
        return module.at(part + 1, 0)
    return module.classifier


def _weighing(module: nn.Module) -> nn.Conv1d | nn.Linear:
    """The convolution or matrix of a layer."""
    found = module[0] if isinstance(module, nn.Sequential) else module
    assert isinstance(found, (nn.Conv1d, nn.Linear))
    return found


@torch.no_grad()
def _widen(
    small: PlainNetwork,
    large: PlainNetwork,
    step: Wider,
    rng: np.random.Generator,
    noise: float,
) -> None:
    old = small.network.parts[step.part][step.layer].width
    copied = rng.integers(0, old, step.width - old)
    origin = torch.from_numpy(np.concatenate([np.arange(old), copied]))
    copies = torch.bincount(origin, minlength=old)[origin]
    source, target = small.at(step.part, step.layer), large.at(step.part, step.layer)
    source_reader = _reader(small, step.part, step.layer)
    target_reader = _reader(large, step.part, step.layer)
    _copy(small, large, step, {target, target_reader})

    target.load_state_dict(
        {name: v[origin] if v.dim() else v for name, v in source.state_dict().items()}
    )
    weight = _weighing(target).weight
    if noise and step.width > old:
        draw = torch.from_numpy(rng.standard_normal(weight[old:].shape, dtype=np.float32))
        weight[old:] += noise * weight.std() * draw

    # Behind the last pooling a channel is one input per position; elsewhere it is one input.
    read = _weighing(source_reader).weight
    per_channel = read.reshape(len(read), old, -1)
    divided = per_channel[:, origin] / copies[None, :, None]
    state = source_reader.state_dict()
    name = "0.weight" if isinstance(source_reader, nn.Sequential) else "weight"
    target_reader.load_state_dict(state | {name: divided.reshape(len(read), -1, *read.shape[2:])})


@torch.no_grad()
def _deepen(small: PlainNetwork, large: PlainNetwork, step: Deeper, batch: Tensor) -> None:
    added = large.at(step.part, step.layer + 1)
    _copy(small, large, step, {added})
    weighing = _weighing(added)
    identity = torch.zeros_like(weighing.weight)
    each = torch.arange(len(identity))
    if isinstance(weighing, nn.Linear):
        identity[each, each] = 1
        weighing.bias.zero_()
    else:
        identity[each, each, step.kernel // 2] = 1
        norm = added[1]
        assert isinstance(norm, nn.BatchNorm1d)
        norm.reset_running_stats()
        assert norm.running_mean is not None
        assert norm.running_var is not None
        seen = small.eval().after(batch, step.part, step.layer)
        mean, variance = seen.mean(dim=(0, 2)), seen.var(dim=(0, 2))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.bias.copy_(mean)
        norm.weight.copy_((variance + norm.eps).sqrt())
    weighing.weight.copy_(identity)
