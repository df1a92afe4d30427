"""EAS: a recurrent policy that grows networks out of networks.

Cai et al., "Efficient Architecture Search by Network Transformation", AAAI 2018 (arXiv 1707.04873).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search.agents.reinforce import Reinforce, ReinforceOptions
from codesign_gym.search.constraints import merit
from codesign_gym.search.operators import keys
from codesign_gym.search.options import at_least
from codesign_gym.search.state import pack
from codesign_gym.search.threads import one_thread
from codesign_gym.search_spaces import Designs
from codesign_gym.search_spaces.networks.growth import (
    ROOT,
    Plain,
    read_network,
    write_network,
)

if TYPE_CHECKING:
    from codesign_gym.search.growth_controller import GrowthController

TRIES = 5
"""Episodes played for a design that is new and can be trained, before any is proposed."""


@dataclass(frozen=True)
class EasOptions(ReinforceOptions):
    """What can be set, beside what `ReinforceOptions` has.

    Attributes:
        embedding: Width of the embedding of a layer.
        wider: Steps of an episode in which layers become wider.
        deeper: Steps in which a layer is put in.
        stage: Networks that grow out of the smallest one; later ones grow out of the best so far.
    """

    batch_size: int = 5
    learning_rate: float = 1e-2
    entropy: float = 0.01
    hidden: int = 50
    embedding: int = 16
    wider: int = 4
    deeper: int = 5
    stage: int = 60


class Eas(Reinforce):
    """Reads the layers of a network, makes some wider and puts in new ones; learns by REINFORCE.

    For spaces of growing networks alone. Rewards count relative to a moving average, in deviations.
    """

    name = "eas"
    Options = EasOptions
    options: EasOptions
    needs = ("growing",)
    _controller: GrowthController | None  # type: ignore[assignment]  # of networks, not of designs

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        for option in ("embedding", "wider"):
            at_least(self.name, option, getattr(self.options, option), 1)
        for option in ("deeper", "stage"):
            at_least(self.name, option, getattr(self.options, option), 0)
        self._asked = 0
        self._best = self._written([ROOT])
        self._best_merit = -np.inf
        self._seen: set[bytes] = set()
        # What was done to which network for a design that was asked for and not yet told of.
        self._pending: dict[bytes, tuple[Designs, Any]] = {}

    def ask(self, n: int) -> Designs:
        """``n`` networks, grown out of the smallest, or later out of the best so far."""
        smallest = self._written([ROOT])
        origin = self._best if self._asked >= self.options.stage else smallest
        designs = np.empty((n, len(self.space)), dtype=np.int32)
        missing = list(range(n))
        with one_thread():
            for attempt in range(TRIES):
                if attempt + 1 == TRIES:
                    origin = smallest  # the best may be unable to grow any further
                [start] = self._read(origin)
                episodes = self._ready().sample(
                    [start] * len(missing), self.options.wider, self.options.deeper, self.rng
                )
                designs[missing] = self._written(episodes.networks)
                again = []
                for j, i in enumerate(missing):
                    key = designs[i].tobytes()
                    poor = key in self._seen or bool(episodes.networks[j].fault)
                    if poor and attempt + 1 < TRIES:
                        again.append(i)
                    else:
                        self._seen.add(key)
                        self._pending[key] = (origin, episodes.actions[j])
                missing = again
                if not missing:
                    break
        self._asked += n
        return designs

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """One step of the policy, by the networks that it grew; others may become the best."""
        import torch

        if not len(designs):
            return
        rewards = self.statement.reward(evaluation)
        advantage = self._advantages(rewards)
        values = merit(evaluation, rewards)
        top = int(values.argmax())
        if values[top] > self._best_merit and evaluation.metrics.valid[top]:
            self._best, self._best_merit = evaluation.designs[[top]], float(values[top])
        told = keys(evaluation.designs)
        self._seen.update(told)
        own = list({key: i for i, key in enumerate(told) if key in self._pending}.values())
        if own:
            grown = [self._pending.pop(told[i]) for i in own]
            starts = self._read(np.concatenate([origin for origin, _ in grown]))
            actions = np.stack([taken for _, taken in grown])
            with one_thread():
                self._ready().learn(
                    starts,
                    self.options.wider,
                    actions,
                    torch.from_numpy(advantage[own]),
                    self.options.entropy,
                )

    def _read(self, designs: Designs) -> list[Plain]:
        return [read_network(design) for design in self.space.decode(designs)]

    def _written(self, networks: list[Plain]) -> Designs:
        return self.space.encode([write_network(network) for network in networks])

    def _ready(self) -> GrowthController:  # type: ignore[override]  # see `_controller`
        """The policy, made at the first use: that imports torch."""
        if self._controller is None:
            from codesign_gym.search.growth_controller import GrowthController

            options = self.options
            self._controller = GrowthController(
                options.embedding, options.hidden, options.learning_rate, self.rng
            )
        return self._controller

    def state_dict(self) -> dict[str, Any]:
        """Weights, moments, baseline, random generator, and what is known of designs."""
        names = ("_asked", "_best", "_best_merit", "_seen", "_pending")
        return super().state_dict() | {name: pack(getattr(self, name)) for name in names}
