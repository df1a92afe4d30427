"""Scores of untrained networks that foretell their accuracy, from one batch and no training.

Abdelfattah et al., ICLR 2021 (arXiv 2101.08134) for grad_norm, snip, grasp, synflow, fisher and
jacob_cov as they are scored for whole networks; Mellor et al., ICML 2021 (arXiv 2006.04647) for
naswot; Lin et al., ICCV 2021 (arXiv 2102.01063) for zen. Letters: ``b`` inputs of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from codesign_gym.cost_models.accuracy.grouped import costs

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)

ZEN_MIXTURE = 1e-2
"""How far the second input of zen is from the first, in standard deviations of the input."""

SMALLEST = 1e-12
"""Below this a logarithm stands for nothing flowing through."""


class Probe(NamedTuple):
    """What a score is computed from.

    Attributes:
        network: Untrained, one copy; every score leaves its weights as they were.
        x: Inputs ``[b, ...]``.
        y: Answers ``[b, ...]``.
        loss: Mean loss of scores and answers.
    """

    network: nn.Module
    x: Tensor
    y: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]


def _weights(network: nn.Module) -> list[Tensor]:
    return [m.weight for m in network.modules() if isinstance(m, CONVOLUTIONS)]


def _gradients(probe: Probe, create_graph: bool = False) -> list[Tensor]:
    """Of the loss to every convolution's weights, zeros where none flows."""
    weights = _weights(probe.network.train())
    loss = probe.loss(probe.network(probe.x), probe.y)
    found = torch.autograd.grad(loss, weights, create_graph=create_graph, allow_unused=True)
    pairs = zip(found, weights, strict=True)
    return [torch.zeros_like(w) if g is None else g for g, w in pairs]


def grad_norm(probe: Probe) -> float:
    """Sum over layers of the norm of the weights' gradient."""
    return sum(float(gradient.norm()) for gradient in _gradients(probe))


def snip(probe: Probe) -> float:
    """Sum of |weight * gradient|: what the loss would change by without each weight."""
    pairs = zip(_weights(probe.network), _gradients(probe), strict=True)
    return sum(float((weight.detach() * gradient).abs().sum()) for weight, gradient in pairs)


def grasp(probe: Probe) -> float:
    """Minus the sum of weight * (Hessian times gradient): how the gradient's norm would change."""
    weights = _weights(probe.network)
    gradients = _gradients(probe, create_graph=True)
    flow = torch.stack([(g.detach() * g).sum() for g in gradients]).sum()
    if not flow.requires_grad:
        return 0.0
    second = torch.autograd.grad(flow, weights, allow_unused=True)
    pairs = zip(weights, second, strict=True)
    return -sum(float((weight.detach() * h).sum()) for weight, h in pairs if h is not None)


def synflow(probe: Probe) -> float:
    """Log of the sum of |weight| * gradient, all weights positive, no batch norm, ones as input.

    Data play no part; double precision, since products of many layers leave the range of floats.
    """
    network = probe.network.eval().double()
    try:
        with _changed(network, torch.abs), _without_norms(network):
            total = network(torch.ones_like(probe.x[:1], dtype=torch.float64)).sum()
            weights = _weights(network)
            gradients = torch.autograd.grad(total, weights, allow_unused=True)
            pairs = zip(weights, gradients, strict=True)
            score = sum(float((w.detach() * g).sum()) for w, g in pairs if g is not None)
    finally:
        network.float()
    return _log(score)


@contextmanager
def _changed(network: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Every trained number replaced by what ``change`` makes of it, and put back afterwards."""
    kept = [p.detach().clone() for p in network.parameters()]
    try:
        with torch.no_grad():
            for p in network.parameters():
                p.copy_(change(p))
        yield
    finally:
        with torch.no_grad():
            for p, value in zip(network.parameters(), kept, strict=True):
                p.copy_(value)


@contextmanager
def _without_norms(network: nn.Module) -> Iterator[None]:
    """Batch norms pass on what they are given."""
    hooks = [
        m.register_forward_hook(lambda module, inputs, output: inputs[0])
        for m in network.modules()
        if isinstance(m, NORMS)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def fisher(probe: Probe) -> float:
    """Sum over channels of convolutions of half the mean squared (activation * gradient)."""
    outputs: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        outputs.append(output)

    modules = [m for m in probe.network.train().modules() if isinstance(m, CONVOLUTIONS)]
    hooks = [m.register_forward_hook(keep) for m in modules]
    try:
        loss = probe.loss(probe.network(probe.x), probe.y)
    finally:
        for hook in hooks:
            hook.remove()
    gradients = torch.autograd.grad(loss, outputs, allow_unused=True)
    score = 0.0
    for output, gradient in zip(outputs, gradients, strict=True):
        if gradient is not None:
            per_channel = (output.detach() * gradient).flatten(2).sum(2)
            score += float(per_channel.square().mean(0).sum() / 2)
    return score


def jacob_cov(probe: Probe) -> float:
    """How little the inputs' Jacobians correlate: minus the sum of log(v) + 1/v, v eigenvalues."""
    network = probe.network.train()
    x = probe.x.clone().requires_grad_()
    [jacobian] = torch.autograd.grad(network(x).sum(), x, allow_unused=True)
    if jacobian is None:  # the input does not reach the output
        jacobian = torch.zeros_like(x)
    rows = jacobian.flatten(1).double()
    rows = rows - rows.mean(1, keepdim=True)
    norms = rows.norm(dim=1, keepdim=True)
    # Inputs without a gradient are all alike: the matrix of ones.
    unit = torch.where(norms > SMALLEST, rows / norms.clamp_min(SMALLEST), _constant(rows))
    values = torch.linalg.eigvalsh(unit @ unit.T).clamp_min(0) + 1e-5
    return -float((values.log() + 1 / values).sum())


def _constant(rows: Tensor) -> Tensor:
    return torch.full_like(rows, rows.shape[1] ** -0.5)


@torch.no_grad()
def naswot(probe: Probe) -> float:
    """Log determinant of how many ReLUs agree on each pair of inputs."""
    b = len(probe.x)
    kernel = torch.zeros(b, b, dtype=torch.float64)

    def agree(module: nn.Module, inputs: tuple[Tensor]) -> None:
        on = (inputs[0].flatten(1) > 0).double()
        kernel.add_(on @ on.T + (1 - on) @ (1 - on).T)

    modules = [m for m in probe.network.train().modules() if isinstance(m, nn.ReLU)]
    hooks = [m.register_forward_pre_hook(agree) for m in modules]
    try:
        probe.network(probe.x)
    finally:
        for hook in hooks:
            hook.remove()
    # A little on the diagonal: networks that see no difference keep a finite, low score.
    values = torch.linalg.eigvalsh(kernel).clamp_min(0) + 1e-3
    return float(values.log().sum())


@torch.no_grad()
def zen(probe: Probe) -> float:
    """Log change of the last features for a small change of Gaussian inputs, batch norms undone.

    Weights are Gaussian with variance 1 and the scale that each batch norm divides by is added
    back, as in the paper; the features are those that the last convolution, the classifier, reads.
    """
    network = probe.network.train()
    features: list[Tensor] = []
    scales: list[float] = []

    def keep(module: nn.Module, inputs: tuple[Tensor]) -> None:
        features.append(inputs[0])

    def scale(module: nn.Module, inputs: tuple[Tensor]) -> None:
        variance = inputs[0].transpose(0, 1).flatten(1).var(1, correction=0).mean()
        scales.append(0.5 * _log(float(variance)))

    generator = torch.Generator().manual_seed(0)
    x, change = (torch.randn(probe.x.shape, generator=generator) for _ in range(2))

    def gaussian(p: Tensor) -> Tensor:
        return torch.randn(p.shape, generator=generator) if p.dim() > 1 else p

    last = [m for m in network.modules() if isinstance(m, CONVOLUTIONS)][-1]
    hooks = [last.register_forward_pre_hook(keep)]
    hooks += [m.register_forward_pre_hook(scale) for m in network.modules() if isinstance(m, NORMS)]
    try:
        with _changed(network, gaussian):
            network(x)
            counted = len(scales)
            network(x + ZEN_MIXTURE * change)
    finally:
        for hook in hooks:
            hook.remove()
    difference = float((features[0] - features[1]).abs().mean())
    return _log(difference) + sum(scales[:counted])


def _log(value: float) -> float:
    return float(torch.log(torch.tensor(max(value, SMALLEST), dtype=torch.float64)))


def parameters(probe: Probe) -> float:
    """Trained numbers."""
    return float(costs(probe.network, probe.x[:1])[0])


def macs(probe: Probe) -> float:
    """Multiply-accumulates of the convolutions for one input."""
    return float(costs(probe.network, probe.x[:1])[1])


SCORES: dict[str, Callable[[Probe], float]] = {
    "grad_norm": grad_norm,
    "snip": snip,
    "synflow": synflow,
    "grasp": grasp,
    "fisher": fisher,
    "jacob_cov": jacob_cov,
    "naswot": naswot,
    "zen": zen,
    "parameters": parameters,
    "macs": macs,
}
"""Scores by name."""
