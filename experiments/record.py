"""What is known of one run: what was asked for, and every evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.metrics import Metric
from codesign_gym.envs import Evaluation, Spec
from codesign_gym.search.pareto import nondominated, ranking
from codesign_gym.search_spaces import SearchSpace


@dataclass(frozen=True)
class RunConfig:
    """A run, fully determined: equal configurations give equal histories.

    Attributes:
        problem: Registered name.
        agent: Registered name.
        budget: Evaluations.
        seed: Seed of the agent.
        options: The agent's options by name.
        specs: Specs in place of the problem's own, written as ``metric<=bound``; None keeps them.
        objectives: Metrics to optimise in place of the problem's own; None keeps them.
        model: Workload of the problem, a name or a file, where it takes one; empty for its own.
        trace: Memory trace of the problem, a name or a file, where it takes one; empty for its own.
        proxy: Path of a learned cost model in place of the problem's own; empty for none.
        family: Accelerators to search, where the problem takes a family; empty for its own.
        warm_start: Store, or directory of one, whose designs the agent is told of first; empty for
            none.
        trust: Largest standard deviation, as a share of the prediction, at which a proxy is
            believed; the true models are asked beyond it. 0 believes it always.
    """

    problem: str
    agent: str
    budget: int = 1000
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    specs: tuple[str, ...] | None = None
    objectives: tuple[str, ...] | None = None
    model: str = ""
    trace: str = ""
    proxy: str = ""
    family: str = ""
    warm_start: str = ""
    trust: float = 0.0

    @property
    def problem_options(self) -> dict[str, str]:
        """The problem's options that are set here: what its designs are, and work on."""
        named = {"family": self.family, "model": self.model, "trace": self.trace}
        return {name: value for name, value in named.items() if value}

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description; its items are the constructor's arguments."""
        return asdict(self) | {"options": dict(self.options)}


@dataclass(frozen=True, eq=False)
class RunRecord:
    """A run with its evaluations, read from a store; ``n`` evaluations so far.

    Attributes:
        config: What was asked for.
        space: The space searched.
        objectives: The metrics optimised.
        specs: The bounds kept.
        evaluation: Every evaluation, in order.
        rewards: The problem's reward of each, ``[n]``.
        finished: Whether the budget was used up.
        command: The command line that repeats the run.
        info: Package versions, git state, when it began.
        spent: Budget used by the end of each evaluation, ``[n]``: its number, from 1, and before it
            what went into evaluations of a cheaper fidelity, rounded up.
    """

    config: RunConfig
    space: SearchSpace
    objectives: tuple[Metric, ...]
    specs: tuple[Spec, ...]
    evaluation: Evaluation
    rewards: NDArray[np.float64]
    finished: bool
    command: str
    info: Mapping[str, Any]
    spent: NDArray[np.int64]

    def head(self, n: int) -> RunRecord:
        """The run as it stood when ``n`` evaluations of its budget were used."""
        config = replace(self.config, budget=min(n, self.config.budget))
        rows = slice(int(np.searchsorted(self.spent, n, side="right")))
        return replace(
            self,
            config=config,
            evaluation=self.evaluation.take(rows),
            rewards=self.rewards[rows],
            spent=self.spent[rows],
        )

    @property
    def used(self) -> int:
        """Budget used by the end of the last evaluation, rounded up."""
        return int(self.spent[-1]) if len(self.spent) else 0

    @cached_property
    def pareto(self) -> NDArray[np.intp]:
        """Evaluations that no feasible one dominates, each design once, by first objective."""
        return nondominated(self.evaluation)

    @cached_property
    def ranking(self) -> NDArray[np.intp]:
        """Evaluations from best to worst, feasible ones first, each design once."""
        return ranking(self.evaluation, self.rewards)

    @property
    def best(self) -> int:
        """The best evaluation: the feasible one with the highest reward, if any is feasible."""
        return int(self.ranking[0])

    @property
    def reached(self) -> float:
        """The highest reward of a feasible evaluation; minus infinity where none is feasible."""
        return float(self.rewards[self.evaluation.feasible].max(initial=-np.inf))
