"""What the agents that learn by PPO share: asking, telling, and how they are kept.

Proximal policy optimisation: Schulman et al., arXiv 1707.06347. The game has one step: nothing
precedes the choice, so that the policy is one table of probabilities, however many designs are
drawn from it.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.envs.teams import Team, TeamView
from codesign_gym.search.agent import Agent
from codesign_gym.search.operators import keys
from codesign_gym.search.options import at_least, between, one_of
from codesign_gym.search.state import pack, unpack
from codesign_gym.search.threads import one_thread
from codesign_gym.search_spaces import Designs

if TYPE_CHECKING:
    from codesign_gym.search.multi_agent_ppo import TeamPolicy

DEFAULT_BATCH = 32
"""Designs between two updates where neither the options nor a budget say how many."""


@dataclass(frozen=True)
class TeamPpoOptions:
    """What can be set.

    Attributes:
        batch_size: Designs between two updates of the policy; by default 32.
        epochs: Steps of Adam in an update, each on the whole batch.
        learning_rate: Of Adam.
        clip: How far the ratio of new to old probabilities may usefully move.
        entropy: Weight of the entropy bonus, which keeps the policy exploring.
        hidden: Width of the hidden layers.
        normalize: Rewards as their ``rank`` among those of the batch, in ``standard`` units of all
            rewards so far, or ``none``.
    """

    batch_size: int | None = None
    epochs: int = 10
    learning_rate: float = 5e-3
    clip: float = 0.2
    entropy: float = 0.1
    hidden: int = 32
    normalize: str = "rank"


class TeamPpo(Agent):
    """A team, of one or of several, that learns by PPO what each of its agents chooses."""

    name: ClassVar[str]
    central: ClassVar[bool] = False
    Options = TeamPpoOptions
    options: TeamPpoOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        name = self.name
        if self.options.batch_size is not None:
            at_least(name, "batch_size", self.options.batch_size, 2)
        for option in ("epochs", "hidden"):
            at_least(name, option, getattr(self.options, option), 1)
        for option in ("learning_rate", "clip", "entropy"):
            between(name, option, getattr(self.options, option), 0, 1)
        one_of(name, "normalize", self.options.normalize, ("rank", "standard", "none"))
        self.batch_size = self.options.batch_size or DEFAULT_BATCH
        self.team = self._form_team()
        self._policy: TeamPolicy | None = None
        self._table = np.empty((0, 0), dtype=np.float32)
        self._pending: dict[bytes, list[NDArray[np.float32]]] = {}
        self._batch: list[tuple[Designs, NDArray[np.float32], NDArray[np.float64]]] = []
        self._moments = np.zeros(3)

    @abstractmethod
    def _form_team(self) -> Team:
        """Who decides what."""

    def ask(self, n: int) -> Designs:
        """``n`` designs, every choice drawn from the policy of the agent whose it is."""
        self._ready()
        table = np.exp(self._table.astype(np.float64)).cumsum(axis=1)
        point = self.rng.random((n, len(self.space))) * table[:, -1]
        choices = (point[:, :, None] >= table).sum(axis=2, dtype=np.int32)
        # A point may round up to the very end of its line.
        designs = self.space.canonical(np.minimum(choices, self.space.nvec - 1))
        for key, row in zip(keys(designs), self._likelihood(designs), strict=True):
            self._pending.setdefault(key, []).append(row)
        return designs

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Learn once ``batch_size`` designs are known; others' count like the agent's own."""
        self._ready()
        before = self._likelihood(evaluation.designs)
        for i, key in enumerate(keys(evaluation.designs)):
            asked = self._pending.get(key)
            if asked:
                before[i] = asked.pop(0)
                if not asked:
                    del self._pending[key]
        self._batch.append((evaluation.designs, before, self.statement.reward(evaluation)))
        if sum(len(part) for part, _, _ in self._batch) >= self.batch_size:
            self._learn()

    def _learn(self) -> None:
        assert self._policy is not None
        designs, before, rewards = (np.concatenate(x) for x in zip(*self._batch, strict=True))
        self._batch = []
        options = self.options
        with one_thread():
            self._policy.update(
                designs,
                self.space.active(designs),
                before,
                self._normalized(rewards),
                epochs=options.epochs,
                clip=options.clip,
                entropy=options.entropy,
            )
            self._table = self._policy.log_probabilities().detach().numpy()

    def _normalized(self, rewards: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.options.normalize == "none":
            return rewards
        if self.options.normalize == "rank":
            from scipy.stats import rankdata

            n = len(rewards)
            ranks: NDArray[np.float64] = (2 * rankdata(rewards) - n - 1) / max(n - 1, 1)
            return ranks
        self._moments += [len(rewards), rewards.sum(), np.square(rewards).sum()]
        count, total, squares = self._moments
        spread = np.sqrt(max(squares / count - (total / count) ** 2, 0.0))
        standard: NDArray[np.float64] = (rewards - total / count) / (spread + 1e-8)
        return standard

    def _likelihood(self, designs: Designs) -> NDArray[np.float32]:
        """Log-probability of each agent's choices under the present policies, ``[n, a]``."""
        chosen = self._table[np.arange(len(self.space)), designs]
        chosen = np.where(self.space.active(designs), chosen, np.float32(0))
        owns = self.team.owner[:, None] == np.arange(len(self.team))
        likelihood: NDArray[np.float32] = chosen @ owns.astype(np.float32)
        return likelihood

    def _ready(self) -> None:
        """Make the networks, at the first use: that imports torch."""
        if self._policy is not None:
            return
        from codesign_gym.search.multi_agent_ppo import TeamPolicy

        observation = TeamView(self.statement, self.team).first(1)[0][0]
        with one_thread():
            self._policy = TeamPolicy(
                self.team,
                observation,
                self.options.hidden,
                self.central,
                self.options.learning_rate,
                self.rng,
            )
            self._table = self._policy.log_probabilities().detach().numpy()

    def state_dict(self) -> dict[str, Any]:
        """Weights, moments, what was asked and not told yet, and the random generator."""
        self._ready()
        assert self._policy is not None
        names = ("rng", "batch_size", "_pending", "_batch", "_moments")
        kept = {name: getattr(self, name) for name in names}
        return {name: pack(value) for name, value in kept.items()} | {
            "policy": pack(self._policy.state_dict())
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._ready()
        assert self._policy is not None
        self._policy.load_state_dict(unpack(state["policy"]))
        self._table = self._policy.log_probabilities().detach().numpy()
        super().load_state_dict({name: data for name, data in state.items() if name != "policy"})
