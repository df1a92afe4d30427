"""Independent and multi-agent PPO: every parameter, or group of them, is an agent of its own.

IPPO: de Witt et al., "Is Independent Learning All You Need in the StarCraft Multi-Agent
Challenge?", arXiv 2011.09533. MAPPO: Yu et al., "The Surprising Effectiveness of PPO in Cooperative
Multi-Agent Games", NeurIPS 2022. Agents that each choose a parameter of a hardware design: Krishnan
et al., "Multi-Agent Reinforcement Learning for Microprocessor Design Space Exploration",
arXiv 2211.16385.

The game is that of `codesign_gym.envs.multi_agent_env` with one step: all agents choose at once,
and all get the design's reward. Nothing precedes the choice, so the state that MAPPO's critic would
see is constant. What it knows beyond IPPO's is what the other agents chose: the expected reward
given their choices is a baseline that leaves the gradient unbiased, since the own choice is not
part of it (Wu et al., "Variance Reduction for Policy Gradient with Action-Dependent Factorized
Baselines", ICLR 2018).
"""

from __future__ import annotations

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


@dataclass(frozen=True)
class MultiAgentPpoOptions:
    """What can be set.

    Attributes:
        agents: An agent for each ``parameter``, or for each ``group`` of parameters.
        batch_size: Designs between two updates of the policies.
        epochs: Steps of Adam in an update, each on the whole batch.
        learning_rate: Of Adam.
        clip: How far the ratio of new to old probabilities may usefully move.
        entropy: Weight of the entropy bonus, which keeps the policies exploring.
        hidden: Width of the hidden layers.
        normalize: Rewards as their ``rank`` among those of the batch, in ``standard`` units of all
            rewards so far, or ``none``.
    """

    agents: str = "parameter"
    batch_size: int = 32
    epochs: int = 10
    learning_rate: float = 5e-3
    clip: float = 0.2
    entropy: float = 0.1
    hidden: int = 32
    normalize: str = "rank"


class Ippo(Agent):
    """Independent PPO: the critic of an agent knows no more than the agent."""

    Options = MultiAgentPpoOptions
    options: MultiAgentPpoOptions
    central: ClassVar[bool] = False

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        name = type(self).__name__.lower()
        at_least(name, "batch_size", self.options.batch_size, 2)
        for option in ("epochs", "hidden"):
            at_least(name, option, getattr(self.options, option), 1)
        for option in ("learning_rate", "clip", "entropy"):
            between(name, option, getattr(self.options, option), 0, 1)
        one_of(name, "agents", self.options.agents, ("parameter", "group"))
        one_of(name, "normalize", self.options.normalize, ("rank", "standard", "none"))
        self.batch_size = self.options.batch_size
        self.team = Team.of(self.space, self.options.agents)
        self._policy: TeamPolicy | None = None
        self._table = np.empty((0, 0), dtype=np.float32)
        self._pending: dict[bytes, list[NDArray[np.float32]]] = {}
        self._batch: list[tuple[Designs, NDArray[np.float32], NDArray[np.float64]]] = []
        self._moments = np.zeros(3)

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
        if sum(len(part) for part, _, _ in self._batch) >= self.options.batch_size:
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
        kept = {name: getattr(self, name) for name in ("rng", "_pending", "_batch", "_moments")}
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


class Mappo(Ippo):
    """Multi-agent PPO: the critic of an agent knows what all the others chose."""

    central = True
