"""The agent to take where nothing speaks for another: picked by the size of the search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.agents.forest import Forest, ForestOptions
from codesign_gym.search.agents.gaussian_process import GaussianProcess, GaussianProcessOptions
from codesign_gym.search.agents.nsga2 import Nsga2
from codesign_gym.search.agents.regularized_evolution import RegularizedEvolution
from codesign_gym.search.bayesian import BayesianAgent
from codesign_gym.search.options import at_least
from codesign_gym.search_spaces import Designs

MODELLED = 1_000
"""Evaluations that a model proposes, 2 to 5 ms each."""

WIDE = 80
"""Parameters from which on a forest is as good as Gaussian processes, and several times faster."""

COSTLY_MS = 20.0
"""Milliseconds of an evaluation from which on a model does not slow a search down."""


@dataclass(frozen=True)
class AutoOptions:
    """What can be set.

    Attributes:
        evaluation_ms: What one evaluation takes; costly ones are worth a model to the end. It is
            not measured, so that equal runs stay equal.
    """

    evaluation_ms: float = 0.0


class Auto(Agent):
    """A model first, then evolution from what the model found, if the budget is large.

    The first 1,000 evaluations go to `GaussianProcess` (to `Forest` where there are 80 parameters
    or more), all of them where an evaluation takes 20 ms or more. What follows goes to
    `RegularizedEvolution`, or to `Nsga2` where there are several objectives, told of all before.
    Where there are several, half of a model's proposals go for the reward, half for the front.
    """

    Options = AutoOptions
    options: AutoOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        at_least("auto", "evaluation_ms", self.options.evaluation_ms, 0)
        several = len(statement.objectives) > 1
        wide = len(statement.space) >= WIDE
        self._model: BayesianAgent = (
            Forest(statement, seed, ForestOptions(multi_objective=several))
            if wide
            else GaussianProcess(statement, seed, GaussianProcessOptions(multi_objective=several))
        )
        self._evolution = (Nsga2 if several else RegularizedEvolution)(statement, seed)
        self._asked = 0

    @property
    def _modelled(self) -> bool:
        return self._asked < MODELLED or self.options.evaluation_ms >= COSTLY_MS

    @property
    def batch_size(self) -> int:  # type: ignore[override]  # that of whoever is at work
        """Designs per round of the agent at work."""
        return (self._model if self._modelled else self._evolution).batch_size

    def ask(self, n: int) -> Designs:
        """Proposals of the agent at work."""
        designs = (self._model if self._modelled else self._evolution).ask(n)
        self._asked += n
        return designs

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Both learn, the model while it is at work."""
        if self._modelled:
            self._model.tell(designs, evaluation)
        self._evolution.tell(designs, evaluation)

    def state_dict(self) -> dict[str, Any]:
        """The states of both."""
        agents = {"model": self._model, "evolution": self._evolution}
        states = {name: agent.state_dict() for name, agent in agents.items()}
        return {"asked": self._asked, **states}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._asked = state["asked"]
        self._model.load_state_dict(state["model"])
        self._evolution.load_state_dict(state["evolution"])
