"""Designs that climb a learned, differentiable proxy of the problem by its gradient.

An ensemble of networks over relaxed one-hot designs learns what was told; starts climb its
acquisition together, and are rounded to designs. The doubt is the spread of the ensemble
(Lakshminarayanan et al., NeurIPS 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import ProblemStatement
from codesign_gym.search.bayesian import BayesianAgent, Incumbent, Posterior
from codesign_gym.search.initial import latin_hypercube
from codesign_gym.search.operators import mutate
from codesign_gym.search.options import at_least, between
from codesign_gym.search.state import pack, unpack
from codesign_gym.search.threads import one_thread
from codesign_gym.search_spaces import Designs

if TYPE_CHECKING:
    from torch import Tensor

    from codesign_gym.search.surrogate import Ensemble

FloatArray = NDArray[np.float64]

FIRST_STEPS = 5
"""How many times as many steps the networks take when they are new."""


@dataclass(frozen=True)
class SurrogateGradientOptions:
    """What can be set.

    Attributes:
        start: Designs of the Latin hypercube to begin with.
        batch: Designs per round.
        members: Networks of the ensemble.
        hidden: Width of their hidden layer.
        learning_rate: Of Adam, which trains them.
        steps: Steps of Adam after each round.
        climbers: Designs that climb at the same time.
        climb: Steps of each.
        optimism: Standard deviations that are added to the mean while climbing.
        multi_objective: Whether half of its proposals go for the front of the objectives.
    """

    start: int = 24
    batch: int = 8
    members: int = 8
    hidden: int = 48
    learning_rate: float = 3e-3
    steps: int = 40
    climbers: int = 64
    climb: int = 20
    optimism: float = 1.0
    multi_objective: bool = False


class SurrogateGradient(BayesianAgent):
    """Climbs the gradient of an ensemble of networks that model the reward and every spec.

    While it climbs, a relaxed design is worth an optimistic reward plus the logarithm of the chance
    of feasibility; the designs that it comes to are picked by expected improvement.
    """

    name: ClassVar[str] = "surrogate-gradient"
    Options = SurrogateGradientOptions
    options: SurrogateGradientOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        at_least(self.name, "members", self.options.members, 2)
        for option in ("hidden", "steps", "climbers", "climb"):
            at_least(self.name, option, getattr(self.options, option), 1)
        between(self.name, "learning_rate", self.options.learning_rate, 0, 1)
        at_least(self.name, "optimism", self.options.optimism, 0)
        self._ensemble: Ensemble | None = None

    def ask(self, n: int) -> Designs:
        """A Latin hypercube at first, then designs that were climbed to."""
        with one_thread():
            return super().ask(n)

    def _fit(self, rows: NDArray[np.intp], goals: FloatArray, limits: FloatArray) -> Posterior:
        targets = np.concatenate([goals, limits], axis=1)
        steps = self.options.steps
        if self._ensemble is None or self._ensemble.targets != targets.shape[1]:
            self._ensemble = self._new(targets.shape[1])
            steps *= FIRST_STEPS
        self._ensemble.learn(self._designs, targets, steps, self.rng)
        return self._ensemble

    def _new(self, targets: int) -> Ensemble:
        from codesign_gym.search.surrogate import Ensemble

        o = self.options
        return Ensemble(self.space, targets, o.members, o.hidden, o.learning_rate, self.rng)

    def _search(
        self, order: NDArray[np.intp], posterior: Posterior, best: Incumbent
    ) -> tuple[Designs, FloatArray]:
        """Designs climbed to from random ones, the best ones and mutants of those."""
        import torch

        from codesign_gym.search.surrogate import NOISE, ascend

        assert self._ensemble is not None
        ensemble, g, s = self._ensemble, best.goals, self.options.climbers
        elite = self._designs[order[: max(2, min(s, len(order) // 4))]]
        part = max(1, s // 4)
        near = elite[self.rng.integers(0, len(elite), max(1, s - part))]
        near = mutate(self.space, near, self.rng, rate=1 / len(self.space))
        starts = np.concatenate([latin_hypercube(self.space, part, self.rng), near])
        weights = torch.zeros(len(starts), g)
        weights[:, 0] = 1.0
        if best.front is not None:  # every other one climbs to a place of its own on the front
            drawn = self.rng.dirichlet(np.ones(g - 1), size=len(starts))[1::2]
            weights[1::2] = torch.tensor(np.pad(drawn, ((0, 0), (1, 0))), dtype=torch.float32)

        def value(relaxed: Tensor) -> Tensor:
            outputs = ensemble.outputs(relaxed)
            mean = outputs.mean(dim=0)
            spread = torch.sqrt(outputs.var(dim=0, correction=0) + NOISE)
            hoped = ((mean - self.options.optimism * spread)[:, :g] * weights).sum(dim=1)
            chance: Tensor = torch.special.log_ndtr(-mean[:, g:] / spread[:, g:])
            return chance.sum(dim=1) - hoped

        found = ascend(self.space, starts, value, self.options.climb, self.rng)
        points = self._unknown(np.concatenate([found, near]))
        return points, self._score(points, posterior, best)

    def state_dict(self) -> dict[str, Any]:
        """What was told, the networks and the random generator."""
        ensemble, self._ensemble = self._ensemble, None
        state = super().state_dict()
        self._ensemble = ensemble
        known = None
        if ensemble is not None:
            known = {"targets": ensemble.targets, "weights": ensemble.state_dict()}
        return state | {"_ensemble": pack(known)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        known = unpack(state["_ensemble"])
        if known is None:
            self._ensemble = None
        else:
            self._ensemble = self._new(known["targets"])
            self._ensemble.load_state_dict(known["weights"])
        super().load_state_dict({k: v for k, v in state.items() if k != "_ensemble"})
