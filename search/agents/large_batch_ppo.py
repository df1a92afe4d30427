"""Proximal policy optimisation (Schulman et al. 2017) in batches as large as the budget bears.

The game is `codesign_gym.envs.DesignVectorEnv` with one design per episode, the game of ``ppo``:
one agent chooses a whole design, and the ratio that is clipped is that of the design. In it all
observations are the same, so that the networks see one in place of one per design.
"""

from __future__ import annotations

from dataclasses import dataclass

from codesign_gym.envs import Evaluator
from codesign_gym.envs.teams import Team
from codesign_gym.search.team_ppo import DEFAULT_BATCH, TeamPpo, TeamPpoOptions

UPDATES = 32
"""Updates of a search, as far as batches stay within their limits."""

LARGEST = 1024
"""Largest batch that is fitted to a budget; the smallest is `DEFAULT_BATCH`."""


@dataclass(frozen=True)
class LargeBatchPpoOptions(TeamPpoOptions):
    """What can be set, as in `TeamPpoOptions`.

    Attributes:
        batch_size: Designs between two updates of the policy; by default a 32nd of the budget of
            the search, 32 to 1,024.
    """

    entropy: float = 0.03
    hidden: int = 64


class LargeBatchPpo(TeamPpo):
    """PPO with one categorical head per parameter, an episode being one design."""

    name = "large-batch-ppo"
    Options = LargeBatchPpoOptions
    options: LargeBatchPpoOptions

    def search(self, evaluator: Evaluator) -> None:
        """Spend the evaluator's budget, in batches that fit it."""
        fitting = min(max(evaluator.budget // UPDATES, DEFAULT_BATCH), LARGEST)
        self.batch_size = self.options.batch_size or fitting
        super().search(evaluator)

    def _form_team(self) -> Team:
        return Team.of(self.space, "whole")
