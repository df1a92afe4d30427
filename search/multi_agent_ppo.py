"""Proximal policy optimisation for a team: the networks of all agents as stacked matrices.

Importing this module imports torch.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codesign_gym.envs.teams import Team
from codesign_gym.search.trained import Trained, random_matrix, zeros
from codesign_gym.search_spaces import Designs


class TeamPolicy(Trained):
    """Policy and critic of ``a`` agents; a game is one step, so its first observation is all.

    Every agent has networks of its own. They are held as one tensor per layer, ``[a, in, out]``.

    Args:
        team: Whose agents.
        observation: What each agent sees, ``[a, o]``.
        hidden: Width of the hidden layers.
        central: Whether the critic of an agent sees what the others chose.
        learning_rate: Of Adam.
        rng: Draws the first weights.
    """

    def __init__(
        self,
        team: Team,
        observation: NDArray[np.float32],
        hidden: int,
        central: bool,
        learning_rate: float,
        rng: np.random.Generator,
    ) -> None:
        space = team.space
        a, o = observation.shape
        heads = np.array([space.nvec[columns].sum() for columns in team.columns])

        def matrix(*shape: int) -> Tensor:
            return random_matrix(rng, *shape)

        self._observation = torch.from_numpy(observation)[:, None]  # [a, 1, o]
        weights = {
            "policy_in": matrix(a, o, hidden),
            "policy_bias": zeros(a, 1, hidden),
            # Zero: at first all choices are equally likely.
            "policy_out": zeros(a, hidden, int(heads.max())),
            "policy_out_bias": zeros(a, 1, int(heads.max())),
            "critic_out": zeros(a, hidden, 1),
            "critic_out_bias": zeros(a, 1, 1),
        }
        if central:
            weights["choices"] = matrix(int(space.offsets[-1]), hidden)
            weights["critic_bias"] = matrix(a, 1, hidden)
        else:
            weights["critic_in"] = matrix(a, o, hidden)
            weights["critic_bias"] = zeros(a, 1, hidden)
        super().__init__(weights, learning_rate)
        self._central = central
        # Whether another's parameter counts may tell of the own choice: such are not looked at.
        self._apart = torch.from_numpy(team.apart.astype(np.float32))
        self._owner = torch.from_numpy(team.owner)
        self._offsets = torch.from_numpy(space.offsets[:-1])
        # Where the logit of choice c of parameter j stands in its agent's head, [p, k].
        choice = np.arange(int(space.nvec.max()))
        starts = np.zeros(len(space), dtype=np.int64)
        for columns in team.columns:
            starts[columns[1:]] = np.cumsum(space.nvec[columns])[:-1]
        exists = choice < space.nvec[:, None]
        self._exists = torch.from_numpy(exists)
        self._at = torch.from_numpy(np.where(exists, starts[:, None] + choice, 0))

    def log_probabilities(self) -> Tensor:
        """Log-probability of every choice of every parameter, ``[p, k]``; -inf where is none."""
        w = self.weights
        hidden = torch.tanh(torch.baddbmm(w["policy_bias"], self._observation, w["policy_in"]))
        heads = torch.baddbmm(w["policy_out_bias"], hidden, w["policy_out"])[:, 0]
        logits = heads[self._owner[:, None], self._at]
        return torch.log_softmax(logits.masked_fill(~self._exists, -torch.inf), dim=1)

    def of_agents(self, values: Tensor) -> Tensor:
        """Sums over the parameters of each agent, ``[n, p, ...] -> [n, a, ...]``."""
        n, _, *rest = values.shape
        total = values.new_zeros(n, len(self._observation), *rest)
        return total.index_add(1, self._owner, values)

    def log_likelihood(self, table: Tensor, designs: Tensor, active: Tensor) -> Tensor:
        """Log-probability that each agent makes its choices of a design, ``[n, a]``.

        Parameters that do not count in the design do not count here.
        """
        chosen = table[torch.arange(table.shape[0]), designs]
        return self.of_agents(torch.where(active, chosen, 0.0))

    def values(self, designs: Tensor, active: Tensor) -> Tensor:
        """The reward that each agent's critic expects, ``[n, a]``, never knowing its own choice."""
        w = self.weights
        if self._central:
            chosen = w["choices"][designs + self._offsets] * active[:, :, None]
            others = self._apart @ chosen  # [a, p] @ [n, p, h] -> [n, a, h]
            hidden = torch.tanh(others.transpose(0, 1) + w["critic_bias"])  # [a, n, h]
        else:
            hidden = torch.tanh(torch.baddbmm(w["critic_bias"], self._observation, w["critic_in"]))
        values = torch.baddbmm(w["critic_out_bias"], hidden, w["critic_out"])[:, :, 0].T
        return values.expand(len(designs), -1)

    def update(
        self,
        designs: Designs,
        active: NDArray[np.bool_],
        before: NDArray[np.float32],
        rewards: NDArray[np.float64],
        *,
        epochs: int,
        clip: float,
        entropy: float,
    ) -> None:
        """Steps of Adam on the clipped objective of a batch (Schulman et al. 2017, eq. 9).

        Args:
            designs: ``[n, p]``.
            active: Which parameters count in them, ``[n, p]``.
            before: Log-probability of each agent's choices when they were made, ``[n, a]``.
            rewards: Normalised, ``[n]``.
            epochs: Steps, each on the whole batch.
            clip: How far the ratio of new to old probabilities may usefully move.
            entropy: Weight of the mean entropy of the parameters.
        """
        chosen, counts = torch.from_numpy(designs.astype(np.int64)), torch.from_numpy(active)
        old = torch.from_numpy(before)
        returns = torch.from_numpy(rewards.astype(np.float32))[:, None]
        with torch.no_grad():
            advantage = returns - self.values(chosen, counts)
            spread = advantage.std(dim=0, correction=0) + 1e-8
            advantage = (advantage - advantage.mean(dim=0)) / spread
        missing = ~self._exists
        for _ in range(epochs):
            table = self.log_probabilities()
            ratio = torch.exp(self.log_likelihood(table, chosen, counts) - old)
            gain = torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
            missed = (returns - self.values(chosen, counts)).square()
            probability = table.exp()
            surprise = -(probability * table.masked_fill(missing, 0.0)).sum(dim=1)
            # Sums over agents: each has networks of its own, and none should learn the slower
            # for having colleagues.
            loss = (0.5 * missed - gain).sum(dim=1).mean() - entropy * surprise.sum()
            self.descend(loss)
