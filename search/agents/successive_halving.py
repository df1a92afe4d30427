"""Successive halving in brackets: cheap figures of many designs, true ones of the best of them.

Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, "Hyperband: A Novel Bandit-Based Approach to
Hyperparameter Optimization", JMLR 18 (2018), algorithm 1. The resource is the fidelity, whose costs
a problem states; designs come from any agent that can be asked, at random by default.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from typing import Any, NoReturn

import numpy as np

from codesign_gym.envs import Evaluation, Evaluator, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.constraints import merit
from codesign_gym.search.inner import inner_agent
from codesign_gym.search.options import at_least, one_of
from codesign_gym.search_spaces import Designs

TOLD = ("full", "all")


@dataclass(frozen=True)
class SuccessiveHalvingOptions:
    """What can be set.

    Attributes:
        eta: One design in so many goes on to the next fidelity.
        brackets: Fidelities at which brackets begin, by turns, from the cheapest on; by default
            all, the full one too.
        inner: The agent that proposes designs, with its default options.
        told: What the inner agent learns of: ``full`` evaluations alone, or ``all``, those of a
            design that went no further as its cheaper figures say.
    """

    eta: int = 3
    brackets: int | None = None
    inner: str = "random"
    told: str = "full"


class SuccessiveHalving(Agent):
    """Evaluates many designs cheaply and lets the best third go on, up to the full evaluation.

    Designs are ranked by the problem's reward, feasible ones first, as each fidelity sees them.
    """

    Options = SuccessiveHalvingOptions
    options: SuccessiveHalvingOptions
    owns_loop = True
    needs = ("fidelities",)

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        at_least("successive-halving", "eta", self.options.eta, 2)
        if self.options.brackets is not None:
            at_least("successive-halving", "brackets", self.options.brackets, 1)
        one_of("successive-halving", "told", self.options.told, TOLD)
        self._inner = inner_agent("successive-halving", self.options.inner, statement, seed)

    def ask(self, n: int) -> Designs:
        """Not available: what is asked for next depends on cheaper evaluations."""
        self._refuse()

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Not available, see `ask`."""
        self._refuse()

    def search(self, evaluator: Evaluator) -> None:
        """Spend the evaluator's budget, up to less than one full evaluation."""
        levels = len(self.statement.fidelities) + 1
        several = min(self.options.brackets or levels, levels)
        for turn in count():
            if not evaluator.remaining:
                return
            rungs = self._rungs(turn % several, evaluator.left)
            designs = self._inner.ask(rungs[0][1])
            for (level, _), (_, kept) in zip(rungs, [*rungs[1:], (levels, 0)], strict=True):
                full = level == levels - 1
                evaluation = evaluator.evaluate(designs, None if full else level)
                best = np.argsort(
                    -merit(evaluation, self.statement.reward(evaluation)), kind="stable"
                )
                designs = evaluation.designs[best[:kept]]
                if full or self.options.told == "all":
                    out = evaluation.take(np.sort(best[kept:]))
                    self._inner.tell(out.designs, out)

    def _rungs(self, first: int, left: Fraction) -> list[tuple[int, int]]:
        """Fidelity and number of designs of each rung of a bracket, as large as ``left`` allows."""
        costs = (*self.statement.fidelities, Fraction(1))
        steps = len(costs) - 1 - first
        wanted = math.ceil(Fraction(len(costs) * self.options.eta**steps, steps + 1))
        for n in range(wanted, 0, -1):
            sizes = [max(1, n // self.options.eta**i) for i in range(steps + 1)]
            rungs = [
                (first + i, size)
                for i, size in enumerate(sizes)
                if i == steps or size > sizes[i + 1]  # a rung from which all go on tells nothing
            ]
            if sum(costs[level] * size for level, size in rungs) <= left:
                return rungs
        raise AssertionError("one design is evaluated in full alone, and that is affordable")

    def _refuse(self) -> NoReturn:
        raise NotImplementedError("SuccessiveHalving drives the evaluator itself: use search()")
