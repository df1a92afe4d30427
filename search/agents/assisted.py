"""Any agent, on a proxy that is learned along the way: surrogate-assisted search.

Jin, "Surrogate-assisted evolutionary computation", Swarm and Evolutionary Computation 2011. Every
proposal is evaluated by the true cost models, and that alone counts, is recorded and is learned
from: what the proxy says of a design is shown to nobody but the agent inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models import Metric, Metrics
from codesign_gym.cost_models.learned import LearnedCostModel, train_on_designs
from codesign_gym.cost_models.learned.regressors import regressor
from codesign_gym.cost_models.learned.training import FEWEST_ROWS
from codesign_gym.envs import DesignProblem, Evaluation, ProblemStatement, Spec
from codesign_gym.search.agent import Agent
from codesign_gym.search.archive import ArchiveAgent
from codesign_gym.search.initial import latin_hypercube
from codesign_gym.search.loop import search
from codesign_gym.search.operators import keys
from codesign_gym.search.options import at_least
from codesign_gym.search.pareto import nondominated, ranking
from codesign_gym.search_spaces import Designs, InputError

FloatArray = NDArray[np.float64]

_VALIDITY = Metric("share_invalid", "share", "min")
"""Learned as the other metrics are, where some designs are invalid; half of it is the limit."""

_LEARNED = 1000
"""Most designs that a metric is learned from."""

_TOLD = 64
"""Best designs known that the agent inside is told of before it begins."""

_DOUBTED = 256
"""Best designs by proxy among which the least sure are looked for."""


_BESIDE = 0.2
"""Share of the rest of a round that goes to neighbours of the best design."""


@dataclass(frozen=True)
class AssistedOptions:
    """What can be set.

    Attributes:
        inner: The agent that searches with the proxy.
        inner_budget: Evaluations by proxy before each round of true ones.
        start: Designs of the Latin hypercube to begin with.
        batch: True evaluations per round.
        doubt: Share of a round that goes to where the proxy is least sure.
        method: What is learned, as `train` takes it; ``auto`` takes seconds per round.
    """

    inner: str = "nsga2"
    inner_budget: int = 2000
    start: int = 40
    batch: int = 20
    doubt: float = 0.2
    method: str = "additive+extra-trees"


@contextmanager
def _told_of(option: str) -> Iterator[None]:
    """Say which option a mistake is in."""
    try:
        yield
    except InputError as error:
        raise InputError(f"option {option!r} of assisted: {error}") from None


class Assisted(ArchiveAgent):
    """Learns each metric, lets another agent search with that, and proposes what it finds best.

    The best by proxy are proposed and, for the share ``doubt`` of a round, those good ones of which
    the proxy is least sure. Where there are several objectives, half of the best are of the front.
    A few are the best design's neighbours: a proxy can be wrong of a value that it has hardly seen,
    and so sure of it that nothing else would ever try it.
    What it was told besides (see `ArchiveAgent`): ``_measured`` ``[n, k]``, metrics with NaN where
    nothing was measured, ``_metrics``, which these are, and ``_invalid`` ``[n]``.
    """

    Options = AssistedOptions
    options: AssistedOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        for name, least in (("start", 1), ("batch", 1), ("inner_budget", 1)):
            at_least("assisted", name, getattr(self.options, name), least)
        if not 0 <= self.options.doubt <= 1:
            raise InputError(
                f"option 'doubt' of assisted must be in 0..1, got {self.options.doubt}"
            )
        with _told_of("method"):
            for kind in self.options.method.split("+"):
                if kind != "auto":
                    regressor(kind)
        with _told_of("inner"):
            self._inner(replace(statement, offers=frozenset(), fidelities=()), 0)
        self.batch_size = self.options.batch
        self._metrics: list[dict[str, str]] = []
        self._measured = np.empty((0, 0))
        self._invalid = np.empty(0, dtype=np.bool_)

    def ask(self, n: int) -> Designs:
        """A Latin hypercube at first, then what the inner agent finds with the proxy."""
        known = len(self._designs) + len(self._pending)
        models = self._learned() if known >= self.options.start else ()
        if not models:
            return self._propose(latin_hypercube(self.space, n, self.rng))
        return self._propose(self._found(n, models))

    def _remember(self, new: Evaluation) -> None:
        super()._remember(new)
        kinds = [metric.to_dict() for metric in new.metrics.metrics]
        values = new.metrics.values_matrix
        measured = np.where(np.isfinite(values) & new.metrics.valid[:, None], values, np.nan)
        if not self._metrics:
            self._metrics, self._measured = kinds, np.empty((0, len(kinds)))
        self._measured = np.concatenate([self._measured, measured])
        self._invalid = np.concatenate([self._invalid, ~new.metrics.valid])

    # -- what is learned -------------------------------------------------------------------------

    def _learned(self) -> tuple[LearnedCostModel, ...]:
        """A model of each metric that matters; none where one was measured too seldom."""
        own = [Metric(**facts) for facts in self._metrics]  # type: ignore[arg-type] # from to_dict
        wanted = self._wanted([metric.name for metric in own])
        columns = [(m, self._measured[:, j]) for j, m in enumerate(own) if m.name in wanted]
        if self._invalid.any():
            columns.append((_VALIDITY, self._invalid.astype(np.float64)))
        if any(np.isfinite(values).sum() < FEWEST_ROWS for _, values in columns):
            return ()
        return tuple(self._model(metric, values) for metric, values in columns)

    def _wanted(self, names: Sequence[str]) -> set[str]:
        """The metrics that objectives, specs and the reward read."""
        read = getattr(self.statement.reward, "metric_names", None)
        if read is None:  # a reward that does not say so may read any
            return set(names)
        specs = [spec.metric for spec in self.statement.specs]
        return {*read, *specs, *(metric.name for metric in self.statement.objectives)}

    def _model(self, metric: Metric, values: FloatArray) -> LearnedCostModel:
        rows = self._learned_from(np.flatnonzero(np.isfinite(values)))
        method = self.options.method
        if metric is _VALIDITY or (values[rows] <= 0).any():
            method = method.replace("additive-costs", "additive")
        measured = Metrics((metric,), values[rows, None])
        seed = int(self.rng.integers(2**31))
        return train_on_designs(self.space, self._designs[rows], measured, method, seed)

    def _learned_from(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """These rows or, if they are many, the best of them and as many others."""
        if len(rows) <= _LEARNED:
            return rows
        order = rows[np.argsort(-self._merit[rows], kind="stable")]
        best, others = np.split(order, [_LEARNED // 2])
        return np.concatenate([best, self.rng.choice(others, _LEARNED // 2, replace=False)])

    # -- what is proposed ------------------------------------------------------------------------

    def _inner(self, statement: ProblemStatement, seed: int) -> Agent:
        """The agent inside; one that this problem or this agent cannot have raises `InputError`."""
        from codesign_gym.search.registry import agent_class  # which imports this module

        kind = agent_class(self.options.inner)
        if issubclass(kind, Assisted):
            raise InputError(f"it must be another agent, got {self.options.inner!r}")
        return kind(statement, seed)

    def _found(self, n: int, models: tuple[LearnedCostModel, ...]) -> Designs:
        """``n`` designs that the inner agent finds with the proxy, or more than it has found."""
        problem = self._by_proxy(models)
        inner = self._inner(problem.statement, int(self.rng.integers(2**31)))
        best = self._designs[self._best_first(False)[:_TOLD]]
        if not inner.owns_loop:
            inner.tell(best, problem.evaluate(best))
        history = search(problem, inner, self.options.inner_budget).history
        new = np.array([key not in self._told for key in keys(history.designs)])
        beside = self._beside(problem, best[:1])[: self.rng.binomial(n, _BESIDE)]
        if not new.any():
            missing = latin_hypercube(self.space, n - len(beside), self.rng)
            return np.concatenate([beside, missing])
        found = self._of_history(
            n - len(beside), history.take(np.flatnonzero(new)), problem, models
        )
        return np.concatenate([beside, found])

    def _beside(self, problem: DesignProblem, best: Designs) -> Designs:
        """Neighbours of a design that were never proposed, the best by proxy first, ``[m, p]``."""
        known = self._told | self._pending.keys()
        around = self.space.neighbours(best)[0]
        fresh = [i for i, key in enumerate(keys(around)) if key not in known]
        if not fresh:
            return around[:0]
        evaluation = problem.evaluate(around[fresh])
        return around[fresh][ranking(evaluation, problem.reward(evaluation))]

    def _of_history(
        self,
        n: int,
        history: Evaluation,
        problem: DesignProblem,
        models: tuple[LearnedCostModel, ...],
    ) -> Designs:
        """``n`` designs that were found by proxy: those least sure of, of the front, the best."""
        order = ranking(history, problem.reward(history))
        doubted = self._doubted(history.designs[order[:_DOUBTED]], models)
        least_sure = order[:_DOUBTED][doubted][: self.rng.binomial(n, self.options.doubt)]
        front = nondominated(history) if len(problem.objectives) > 1 else order[:0]
        front = self.rng.permutation(front)[: (n - len(least_sure)) // 2]
        rows = np.array(list(dict.fromkeys([*least_sure, *front, *order]))[:n])
        missing = latin_hypercube(self.space, n - len(rows), self.rng)
        return np.concatenate([history.designs[rows], missing])

    def _by_proxy(self, models: tuple[LearnedCostModel, ...]) -> DesignProblem:
        """The problem as the models see it; designs that are likely invalid miss a spec."""
        statement = self.statement
        specs = statement.specs
        if any(model.metrics[0] == _VALIDITY for model in models):
            specs = (*specs, Spec(_VALIDITY.name, "<=", 0.5))
        names = tuple(metric.name for metric in statement.objectives)
        return DesignProblem(
            statement.name, self.space, models, names, specs, statement.reward,
            source="learned from the true evaluations so far",
        )  # fmt: skip

    def _doubted(self, designs: Designs, models: tuple[LearnedCostModel, ...]) -> NDArray[np.intp]:
        """Rows, the least sure first: by the sum of deviations over their metrics' sizes."""
        doubt = np.zeros(len(designs))
        for model in models:
            predicted = np.abs(model.compute(designs).values_matrix[:, 0])
            size = predicted[np.isfinite(predicted)].max(initial=1e-12)
            doubt += model.uncertainty(designs)[:, 0] / size
        return np.argsort(-np.nan_to_num(doubt, posinf=np.finfo(float).max), kind="stable")
