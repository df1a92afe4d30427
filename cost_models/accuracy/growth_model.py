"""Training as a cost model: the accuracy of networks that grow out of one another.

A network inherits: the smallest of the space, the root, is trained once; another one is made of it
by wider and new layers (`grow`), and trained for a few epochs more. What a design is worth thus
follows from the design alone. It does not depend on which designs came before it, so that a killed
run continues as if nothing had happened, and a batch costs what its designs cost alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.accuracy.memory_faults import OUT_OF_MEMORY, ran_out_of_memory
from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.tasks import TRAINING_SIZE, Data, get_task
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.cost_models.threads import one_thread
from codesign_gym.cost_models.workloads.spaces import from_space
from codesign_gym.search_spaces import Designs, InputError
from codesign_gym.search_spaces.networks.growth import (
    ROOT,
    Plain,
    growing_network,
    read_network,
)
from codesign_gym.search_spaces.networks.transformations import steps_between

if TYPE_CHECKING:
    from codesign_gym.cost_models.accuracy.growing_torch import Course, PlainNetwork

ROOT_EPOCHS = 10
"""Epochs of the root, from scratch."""

NOISE = 0.2
"""Deviation of copied weights, relative to their layer's."""

BATCH = 100
"""Sequences on which new batch norms are made identities."""

BACKWARD = 2
"""Multiply-accumulates of a backward pass for each of the forward pass: by inputs and weights."""


class GrowthModel(CostModel):
    """A network of ``growing-network``, really trained on MNIST-1D.

    Args:
        epochs: Epochs that each network trains.
        inherit: Whether it starts from the trained root's weights; else from scratch.
        seed: Of first weights, order of the data, and the channels that are copied.
        training_size: The first so many of the 4,000 training sequences are used.
        learning_rate: At the start; it falls along a cosine.
    """

    name = "growth-mnist1d"
    source = (
        "trained when evaluated: MNIST-1D, AdamW, cosine; weights inherited by Net2Net "
        "(arXiv 1511.05641) as in EAS (arXiv 1707.04873)"
    )
    expensive = True
    metrics = (
        Metric("accuracy_pct", "%", "max", get_task("mnist1d").about),
        Metric("train_epochs", "epochs", "min", "epochs trained, the root's not counted"),
        Metric("train_gmacs", "GMAC", "min", "multiply-accumulates of that training"),
        Metric("params", "parameters", "min", "trainable parameters"),
        Metric("macs", "MAC", "min", "multiply-accumulates of one sequence"),
    )

    def __init__(
        self,
        epochs: int = 3,
        inherit: bool = True,
        seed: int = 0,
        training_size: int = TRAINING_SIZE,
        learning_rate: float = Recipe.learning_rate,
    ) -> None:
        for option, value, highest in (
            ("epochs", epochs, 1000),
            ("training_size", training_size, TRAINING_SIZE),
        ):
            if not 1 <= value <= highest:
                raise InputError(f"{option} must be in 1..{highest}, got {value}")
        if not 0 <= seed < 2**32:
            raise InputError(f"seed must be in 0..{2**32 - 1}, got {seed}")
        if not learning_rate > 0:
            raise InputError(f"learning_rate must be above 0, got {learning_rate}")
        self.space = growing_network()
        self.fidelity = epochs
        self.recipe = Recipe(epochs=epochs, learning_rate=learning_rate)
        self.inherit, self.seed, self.training_size = inherit, seed, training_size
        self._known: dict[bytes, tuple[tuple[float, ...], str]] = {}

    def compute(self, designs: Designs) -> Metrics:
        """The metrics of designs ``[n, p]``, each trained once."""
        values = np.empty((len(designs), len(self.metrics)))
        reasons: dict[str, NDArray[np.bool_]] = {}
        decoded = self.space.decode(designs)
        for i, (row, design) in enumerate(zip(designs, decoded, strict=True)):
            key = row.tobytes()
            if key not in self._known:
                self._known[key] = self._measure(designs[[i]], read_network(design))
            values[i], reason = self._known[key]
            if reason:
                reasons.setdefault(reason, np.zeros(len(designs), np.bool_))[i] = True
        return Metrics(self.metrics, values, reasons)

    def _measure(self, design: Designs, network: Plain) -> tuple[tuple[float, ...], str]:
        """The values of one design, and why it is invalid."""
        worst = tuple(metric.worst for metric in self.metrics)
        if network.fault:
            return worst, network.fault
        try:
            course, params = self._train(network)
        except (MemoryError, RuntimeError) as error:
            if ran_out_of_memory(error):
                return worst, OUT_OF_MEMORY
            raise
        if course.fault:
            return worst, course.fault
        [layers] = from_space(self.space, design)
        macs = int(layers.macs.sum())
        epochs = len(course.accuracy)
        work = macs * (1 + BACKWARD) * self.training_size * epochs / 1e9
        return (100 * course.accuracy[-1], float(epochs), work, float(params), float(macs)), ""

    def _train(self, network: Plain) -> tuple[Course, int]:
        """How the network's training went, and its parameters."""
        from codesign_gym.cost_models.accuracy.growing_torch import fresh

        if self.inherit:
            module = inherited(network, self.seed, self.training_size)
        else:
            module = fresh(network, self.seed)
        course = train_grown(module, training_data(self.training_size), self.recipe, self.seed)
        return course, sum(p.numel() for p in module.parameters())


def training_data(size: int) -> Data:
    """MNIST-1D with the first ``size`` of its training sequences."""
    return get_task("mnist1d").data().first(size)


@lru_cache(maxsize=16)
def trained_root(seed: int, size: int, network: Plain = ROOT) -> PlainNetwork:
    """A network trained from scratch for `ROOT_EPOCHS`, whose weights others inherit.

    It is kept, so that it is trained once; whoever takes it must not change it.

    Args:
        seed: Of its weights and the order of the data.
        size: Training sequences.
        network: The root unless another one is to be grown.
    """
    from codesign_gym.cost_models.accuracy.growing_torch import fresh

    module = fresh(network, seed)
    train_grown(module, training_data(size), Recipe(epochs=ROOT_EPOCHS), seed)
    return module


def train_grown(module: PlainNetwork, data: Data, recipe: Recipe, seed: int) -> Course:
    """`fit` on one thread, so that the sums stay in one order."""
    from codesign_gym.cost_models.accuracy.growing_torch import fit

    with one_thread():
        return fit(module, data, recipe, seed)


def inherited(
    network: Plain, seed: int, size: int, parent: PlainNetwork | None = None
) -> PlainNetwork:
    """The network with the weights of a trained ancestor, not trained any further.

    Args:
        network: What is wanted.
        seed: Of the channels that are copied and of the noise; of the root's training.
        size: Training sequences.
        parent: The ancestor; the trained root by default.

    Raises:
        InputError: The network cannot be grown out of the parent.
    """
    import torch

    from codesign_gym.cost_models.accuracy.transformations import grow

    module = trained_root(seed, size) if parent is None else parent
    steps = steps_between(module.network, network)
    if steps is None:
        raise InputError(f"{network.parts} cannot be grown out of {module.network.parts}")
    batch = torch.from_numpy(training_data(size).x[:BATCH])
    rng = np.random.default_rng([seed, network.weights])
    return grow(module, *steps, batch=batch, rng=rng, noise=NOISE)
