"""The evaluator around a problem: it counts the budget, remembers, and records.

Every requested evaluation counts, repeated ones too, as samples do in ArchGym; a design seen before
is not computed again. A run that was interrupted is continued by running it once more from its
seed: the evaluator answers from the record for as far as that reaches.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.cost_models.metrics import Metrics
from codesign_gym.envs.evaluation import Evaluation, concat
from codesign_gym.envs.problem import DesignProblem, ProblemStatement
from codesign_gym.search_spaces import Designs, InputError


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
    """

    def __init__(
        self,
        problem: DesignProblem,
        budget: int,
        recorded: Evaluation | None = None,
        record: Callable[[Evaluation], None] = lambda evaluation: None,
    ) -> None:
        if isinstance(budget, bool) or not isinstance(budget, int) or budget < 1:
            raise InputError(f"budget must be at least 1 evaluation, got {budget!r}")
        if recorded is not None and recorded.metrics.metrics != problem.metrics:
            raise InputError(f"the recorded evaluations are not of {problem.name!r}: other metrics")
        self.budget = budget
        self.used = 0
        self._problem = problem
        self._record = record
        self._recorded = recorded
        self._parts: list[Evaluation] = []
        self._known: dict[bytes, tuple[NDArray[np.float64], str]] = {}

    @property
    def statement(self) -> ProblemStatement:
        """What an agent may know of the problem."""
        return self._problem.statement

    @property
    def remaining(self) -> int:
        """Evaluations left."""
        return self.budget - self.used

    @property
    def history(self) -> Evaluation | None:
        """Every evaluation so far, in order; None before the first."""
        if len(self._parts) > 1:
            self._parts = [concat(self._parts)]
        return self._parts[0] if self._parts else None

    def evaluate(self, designs: ArrayLike) -> Evaluation:
        """The evaluation of designs ``[n, p]``.

        Raises:
            BudgetExhausted: ``n`` is more than `remaining`; nothing was evaluated.
            InputError: The designs are malformed.
            OtherDesignsError: They differ from those recorded.
        """
        space = self._problem.space
        checked = space.canonical(space.check(designs))
        n = len(checked)
        if n > self.remaining:
            raise BudgetExhausted(f"{n} evaluations asked for, {self.remaining} left")
        replayed = self._replay(checked)
        fresh = checked[replayed:]
        evaluation = self._problem.assess(checked, self._lookup(checked))
        if len(fresh):
            self._record(evaluation.take(slice(replayed, None)))
        self._parts.append(evaluation)
        self.used += n
        return evaluation

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
        self._remember(stored.designs, stored.metrics)
        return len(stored)

    def _lookup(self, designs: Designs) -> Metrics:
        """Metrics of the designs, computed once for each distinct one, ever."""
        keys = [row.tobytes() for row in designs]
        new = {key: i for i, key in enumerate(keys) if key not in self._known}
        if new:
            rows = designs[list(new.values())]
            metrics = self._problem.measure(rows)
            if len(new) == len(keys):
                self._remember(rows, metrics, keys)
                return metrics
            self._remember(rows, metrics)
        found = [self._known[key] for key in keys]
        values = np.array([row for row, _ in found]).reshape(len(found), len(self._problem.metrics))
        reasons = [reason for _, reason in found]
        invalid = {r: np.array([x == r for x in reasons]) for r in dict.fromkeys(reasons) if r}
        return Metrics(self._problem.metrics, values, invalid)

    def _remember(
        self, designs: Designs, metrics: Metrics, keys: list[bytes] | None = None
    ) -> None:
        keys = keys or [row.tobytes() for row in designs]
        reasons = (
            [metrics.reason(i) for i in range(len(keys))] if metrics.invalid else [""] * len(keys)
        )
        rows = zip(metrics.values_matrix, reasons, strict=True)
        self._known.update(zip(keys, rows, strict=True))
