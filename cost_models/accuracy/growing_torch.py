"""Plain networks as torch modules, and their training from any weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.tasks import Data
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.networks.growth import Plain


class Convolution(nn.Sequential):
    """Convolution that keeps the length, batch norm, ReLU."""

    def __init__(self, c: int, k: int, kernel: int) -> None:
        super().__init__(
            nn.Conv1d(c, k, kernel, padding=kernel // 2, bias=False), nn.BatchNorm1d(k), nn.ReLU()
        )


class Dense(nn.Sequential):
    """Fully connected layer, ReLU."""

    def __init__(self, c: int, k: int) -> None:
        super().__init__(nn.Linear(c, k), nn.ReLU())


class PlainNetwork(nn.Module):
    """Blocks of convolutions with pooling after each, fully connected layers, classifier.

    Args:
        network: What it is made of; one with a fault raises `InputError`.

    Attributes:
        network: What it is made of.
        parts: The modules of ``network.parts``.
        classifier: The last layer.
    """

    def __init__(self, network: Plain) -> None:
        super().__init__()
        if network.fault:
            raise InputError(f"the network cannot be built: {network.fault}")
        self.network = network
        parts: list[nn.ModuleList] = []
        c = 1
        for block in network.blocks:
            parts.append(nn.ModuleList())
            for layer in block:
                parts[-1].append(Convolution(c, layer.width, layer.kernel))
                c = layer.width
        c *= network.positions
        parts.append(nn.ModuleList())
        for layer in network.dense:
            parts[-1].append(Dense(c, layer.width))
            c = layer.width
        self.parts = nn.ModuleList(parts)
        self.classifier = nn.Linear(c, network.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores ``[b, 10]`` for sequences ``[b, 40]``."""
        out: Tensor = self.classifier(self.after(x))
        return out

    def after(self, x: Tensor, part: int = -1, layer: int = -1) -> Tensor:
        """What a layer gives for sequences ``[b, 40]``; by default the last before the classifier.

        Args:
            x: Sequences.
            part: Index of the block, or of the fully connected layers.
            layer: Index of the layer in it.
        """
        part %= len(self.parts)
        layer %= len(self.network.parts[part])
        x = x[:, None]
        for p, layers in enumerate(self.network.parts[: part + 1]):
            if p == len(self.network.blocks):
                x = x.flatten(1)
            for i in range(layer + 1 if p == part else len(layers)):
                x = self.at(p, i)(x)
            if p < min(part, len(self.network.blocks)):
                x = functional.max_pool1d(x, 2)
        return x

    def at(self, part: int, layer: int) -> nn.Sequential:
        """The module of a layer."""
        layers = self.parts[part]
        assert isinstance(layers, nn.ModuleList)
        module = layers[layer]
        assert isinstance(module, nn.Sequential)
        return module


def fresh(network: Plain, seed: int) -> PlainNetwork:
    """The network with the first weights that a seed draws; torch's own generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PlainNetwork(network)


def blank(network: Plain) -> PlainNetwork:
    """The network with weights that are not set, for those who set them all."""
    with torch.device("meta"):
        module = PlainNetwork(network)
    return module.to_empty(device="cpu")


@dataclass(frozen=True)
class Course:
    """How a training went.

    Attributes:
        accuracy: Share of correct test sequences after each epoch.
        fault: Why it ended early, empty where it did not.
    """

    accuracy: Sequence[float]
    fault: str = ""


def accuracy(module: PlainNetwork, data: Data) -> float:
    """Share of the test sequences whose digit is said."""
    module.eval()
    with torch.no_grad():
        said = module(torch.from_numpy(data.x_test)).argmax(dim=1).numpy()
    return float(np.mean(said == data.y_test))


def fit(module: PlainNetwork, data: Data, recipe: Recipe, seed: int) -> Course:
    """Train a network, in place, from the weights that it has.

    AdamW with a learning rate that falls along a cosine: whoever starts from weights that are
    already good must not begin with steps that undo them, nor wait for a warm-up.

    Args:
        module: The network.
        data: What it is trained on and tested on.
        recipe: Epochs and optimiser.
        seed: Of the order of the training sequences.
    """
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    steps = max(1, len(x) // recipe.batch)
    optimizer = torch.optim.AdamW(
        module.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs * steps)
    shuffle = torch.Generator().manual_seed(seed)
    history: list[float] = []
    for epoch in range(1, recipe.epochs + 1):
        module.train()
        order = torch.randperm(len(x), generator=shuffle)
        for step in range(steps):
            rows = order[step * recipe.batch : (step + 1) * recipe.batch]
            loss = functional.cross_entropy(module(x[rows]), y[rows])
            if not torch.isfinite(loss):
                return Course(history, f"training diverged in epoch {epoch}: loss {loss.item()}")
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
        history.append(accuracy(module, data))
    return Course(history)
