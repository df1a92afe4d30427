"""PC-DARTS: choices as weights of a mixture, learned by gradient on held-out data.

Xu et al., "PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search", ICLR
2020 (arXiv 1907.05737); with ``share=1`` and without edge weights it is DARTS (Liu et al., ICLR
2019, arXiv 1806.09055), in both cases with its first-order gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import ProblemStatement
from codesign_gym.search.agents.supernet import SupernetAgent, SupernetOptions
from codesign_gym.search.best_first import derived
from codesign_gym.search.options import at_least, between
from codesign_gym.search_spaces import InputError

if TYPE_CHECKING:
    from codesign_gym.cost_models.accuracy.supernet_rules import Weighted

BETAS, DECAY = (0.5, 0.999), 1e-3
"""Of Adam for the choices, as in the paper."""


@dataclass(frozen=True)
class PcDartsOptions(SupernetOptions):
    """What can be set, beside what `SupernetOptions` has.

    Attributes:
        share: One in so many channels goes through the candidates, the paper's K; 1 is DARTS.
        normalised: Whether edges have weights that sum to 1 at every node.
        inputs: Edges into a node that are kept at the end; 0 keeps all, as cells of NAS-Bench-201
            may have; the paper's cells keep 2.
        dropout: Share of the steps in which an operation without weights plays no part at a place,
            at the start; it falls to 0. Such operations need no training and so look good early
            (Chen et al., "Progressive DARTS", ICCV 2019, arXiv 1904.12760).
    """

    share: int = 4
    normalised: bool = True
    inputs: int = 0
    dropout: float = 0.5


class PcDarts(SupernetAgent):
    """Weights and choices by turns, by gradient; on part of the channels, with weighted edges."""

    name: ClassVar[str] = "pc-darts"
    Options = PcDartsOptions
    options: PcDartsOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        at_least(self.name, "share", self.options.share, 1)
        at_least(self.name, "inputs", self.options.inputs, 0)
        between(self.name, "dropout", self.options.dropout, 0, 1)
        if self.options.width % self.options.share:
            raise InputError(
                f"option 'share' of {self.name} must divide its width, {self.options.width} "
                f"channels, got {self.options.share}"
            )

    def _learn(self) -> list[NDArray[np.float64]]:
        import torch

        from codesign_gym.search.differentiable import Architecture

        lessons = self._lessons(self.options.share)
        net, o = lessons.supernet, self.options
        choices = Architecture(net.choices, net.nodes, self.rng)
        both = [choices.alpha, choices.beta] if o.normalised else [choices.alpha]
        adam = torch.optim.Adam(both, o.choice_rate, BETAS, weight_decay=DECAY)
        weightless = np.array([i in net.weightless for n in net.choices for i in range(n)])
        for epoch in range(self.epochs):
            dropped = o.dropout * (1 - epoch / self.epochs) * weightless

            def rule(dropped: NDArray[np.float64] = dropped) -> Weighted:
                return choices.weighted(o.normalised, self.rng.random(len(dropped)) >= dropped)

            for own, held_out in lessons.batches():
                if epoch >= self.warm_epochs:
                    loss = lessons.loss(held_out, rule())
                    for logits, gradient in zip(both, torch.autograd.grad(loss, both), strict=True):
                        logits.grad = gradient
                    adam.step()
                with torch.no_grad():
                    mixture = rule()
                lessons.step(own, mixture)
        edges = choices.edges().detach().double().numpy()
        return derived(choices.scores(), edges, net.nodes, net.nothing, o.inputs)
