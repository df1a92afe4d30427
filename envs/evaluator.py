"""The evaluator around a problem: it counts the budget, remembers, and records.

Every requested evaluation counts, repeated ones too, as samples do in ArchGym; a design seen before
is not computed again. A run that was interrupted is continued by running it once more from its
seed: the evaluator answers from the record for as far as that reaches. Evaluations of a cheaper
fidelity count as the share of a full one that they cost; they are neither in the history nor in the
record, and are made again when a run is continued.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.cost_models.metrics import Metrics
from codesign_gym.envs.evaluation import Evaluation, concat
from codesign_gym.envs.problem import DesignProblem, ProblemStatement
from codesign_gym.search_spaces import Designs, InputError

Known = dict[bytes, tuple[NDArray[np.float64], str]]
"""Design -> its metrics, and why it is invalid."""


class OtherDesignsError(InputError):
    """A search that is resumed proposes other designs than those recorded."""


class BudgetExhausted(Exception):  # noqa: N818 - a fact, not a mistake
    """More evaluations were asked for than are left."""


class Evaluator:
    """Evaluates designs for a search, at most ``budget`` of them.

    Args:
        problem: The problem.
        budget: Number of evaluations allowed.
        recorded: Evaluations of an earlier, interrupted run of the same search, in order.
        record: Called with each new batch before the search learns of it.
        charge: Called with the cost of each batch of a cheaper fidelity, in full evaluations,
            before the search learns of it.

    Attributes:
        budget: Number of evaluations allowed.
        used: Full evaluations so far.
        spent: What has been used of the budget, in full evaluations.
    """

    def __init__(
        self,
        problem: DesignProblem,
        budget: int,
        recorded: Evaluation | None = None,
        record: Callable[[Evaluation], None] = lambda evaluation: None,
        charge: Callable[[Fraction], None] = lambda cost: None,
    ) -> None:
        if isinstance(budget, bool) or not isinstance(budget, int) or budget < 1:
            raise InputError(f"budget must be at least 1 evaluation, got {budget!r}")
        if recorded is not None and recorded.metrics.metrics != problem.metrics:
            raise InputError(f"the recorded evaluations are not of {problem.name!r}: other metrics")
        self.budget = budget
        self.used = 0
        self.spent = Fraction(0)
        self._problem = problem
        self._record = record
        self._charge = charge
        self._recorded = recorded
        self._parts: list[Evaluation] = []
        self._known: Known = {}
        self._known_cheaply: tuple[Known, ...] = tuple({} for _ in problem.fidelities)

    @property
    def statement(self) -> ProblemStatement:
        """What an agent may know of the problem."""
        return self._problem.statement

    @property
    def left(self) -> Fraction:
        """What is left of the budget, in full evaluations."""
        return self.budget - self.spent

    @property
    def remaining(self) -> int:
        """Full evaluations left."""
        return int(self.left)

    @property
    def history(self) -> Evaluation | None:
        """Every evaluation so far, in order; None before the first."""
        if len(self._parts) > 1:
            self._parts = [concat(self._parts)]
        return self._parts[0] if self._parts else None

    def evaluate(self, designs: ArrayLike, fidelity: int | None = None) -> Evaluation:
        """The evaluation of designs ``[n, p]``.

        Args:
            designs: The designs.
            fidelity: A place in the statement's ``fidelities``; in full by default.

        Raises:
            BudgetExhausted: They cost more than what is left; nothing was evaluated.
            InputError: The designs are malformed, or there is no such fidelity.
            OtherDesignsError: They differ from those recorded.
        """
        space = self._problem.space
        checked = space.canonical(space.check(designs))
        n = len(checked)
        if fidelity is not None:
            return self._evaluate_cheaply(checked, fidelity)
        if n > self.remaining:
            raise BudgetExhausted(f"{n} evaluations asked for, {self.remaining} left")
        replayed = self._replay(checked)
        fresh = checked[replayed:]
        evaluation = self._problem.assess(checked, _lookup(self._problem, self._known, checked))
        if len(fresh):
            self._record(evaluation.take(slice(replayed, None)))
        self._parts.append(evaluation)
        self.used += n
        self.spent += n
        return evaluation

    def _evaluate_cheaply(self, designs: Designs, fidelity: int) -> Evaluation:
        costs = self.statement.fidelities
        if not 0 <= fidelity < len(costs):
            raise InputError(
                f"problem {self._problem.name!r} has {len(costs)} cheaper fidelities, "
                f"fidelity must be below that, got {fidelity}"
            )
        cost = len(designs) * costs[fidelity]
        if cost > self.left:
            raise BudgetExhausted(
                f"{len(designs)} evaluations of cost {costs[fidelity]} asked for, {self.left} left"
            )
        problem = self._problem.cheaper[fidelity]
        metrics = _lookup(problem, self._known_cheaply[fidelity], designs)
        self._charge(cost)
        self.spent += cost
        return problem.assess(designs, metrics)

    def _replay(self, designs: Designs) -> int:
        """Take from the record what it has of this batch; how many designs that is."""
        if self._recorded is None:
            return 0
        rows = slice(self.used, min(self.used + len(designs), len(self._recorded)))
        stored = self._recorded.take(rows)
        if not np.array_equal(stored.designs, designs[: len(stored)]):
            raise OtherDesignsError(
                f"cannot resume: from evaluation {self.used} on, the agent proposes other designs "
                "than the recorded ones. Was the run made with other versions of the packages?"
            )
        _remember(self._known, stored.designs, stored.metrics)
        return len(stored)


def _lookup(problem: DesignProblem, known: Known, designs: Designs) -> Metrics:
    """Metrics of the designs, computed once for each distinct one, ever."""
    keys = [row.tobytes() for row in designs]
    new = {key: i for i, key in enumerate(keys) if key not in known}
    if new:
        rows = designs[list(new.values())]
        metrics = problem.measure(rows)
        if len(new) == len(keys):
            _remember(known, rows, metrics, keys)
            return metrics
        _remember(known, rows, metrics)
    found = [known[key] for key in keys]
    values = np.array([row for row, _ in found]).reshape(len(found), len(problem.metrics))
    reasons = [reason for _, reason in found]
    invalid = {r: np.array([x == r for x in reasons]) for r in dict.fromkeys(reasons) if r}
    return Metrics(problem.metrics, values, invalid)


def _remember(
    known: Known, designs: Designs, metrics: Metrics, keys: list[bytes] | None = None
) -> None:
    keys = keys or [row.tobytes() for row in designs]
    reasons = [metrics.reason(i) for i in range(len(keys))] if metrics.invalid else [""] * len(keys)
    rows = zip(metrics.values_matrix, reasons, strict=True)
    known.update(zip(keys, rows, strict=True))
