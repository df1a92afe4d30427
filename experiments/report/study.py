"""The runs of a report seen as one body of evaluations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.metrics import Metric
from codesign_gym.envs import Evaluation, Spec
from codesign_gym.envs.evaluation import concat
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.search.pareto import nondominated, ranking
from codesign_gym.search_spaces import InputError, SearchSpace

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Study:
    """Runs on one problem, with all their evaluations pooled; ``n`` of them in ``r`` runs.

    Attributes:
        runs: The runs that have evaluated something.
        empty: The runs that have not.
        agents: Names of the agents, told apart by their options where these differ.
        agent_of: The agent of each run, an index into ``agents``, ``[r]``.
    """

    runs: tuple[RunRecord, ...]
    empty: tuple[RunRecord, ...]
    agents: tuple[str, ...]
    agent_of: NDArray[np.intp]

    @classmethod
    def of(cls, records: Sequence[RunRecord]) -> Study:
        """The study of these runs.

        Raises:
            InputError: There are none, none has evaluated anything, or their problems differ.
        """
        if not records:
            raise InputError("a report needs at least one run, got none")
        for record in records[1:]:
            _check_same(records[0], record)
        runs = tuple(record for record in records if len(record.evaluation))
        if not runs:
            raise InputError("a report needs at least one evaluation, got none in any run")
        labels = _labels([run.config for run in runs])
        agents = tuple(dict.fromkeys(labels))
        empty = tuple(record for record in records if not len(record.evaluation))
        return cls(runs, empty, agents, np.array([agents.index(label) for label in labels]))

    @property
    def problem(self) -> str:
        """Name of the problem."""
        return self.runs[0].config.problem

    @property
    def space(self) -> SearchSpace:
        """The space searched."""
        return self.runs[0].space

    @property
    def objectives(self) -> tuple[Metric, ...]:
        """The metrics optimised."""
        return self.runs[0].objectives

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All metrics."""
        return self.evaluation.metrics.metrics

    @property
    def specs(self) -> tuple[Spec, ...]:
        """The bounds kept."""
        return self.runs[0].specs

    @property
    def unfinished(self) -> tuple[RunRecord, ...]:
        """The runs that have not used up their budget."""
        return tuple(run for run in (*self.runs, *self.empty) if not run.finished)

    @cached_property
    def evaluation(self) -> Evaluation:
        """Every evaluation of every run, run after run."""
        return concat([run.evaluation for run in self.runs])

    @cached_property
    def rewards(self) -> FloatArray:
        """The reward of each evaluation, ``[n]``."""
        return np.concatenate([run.rewards for run in self.runs])

    @cached_property
    def feasible(self) -> NDArray[np.bool_]:
        """Which evaluations keep every spec, ``[n]``."""
        return self.evaluation.feasible

    @cached_property
    def run_of(self) -> Rows:
        """The run of each evaluation, ``[n]``."""
        return np.repeat(np.arange(len(self.runs)), [len(run.evaluation) for run in self.runs])

    @cached_property
    def position(self) -> NDArray[np.int64]:
        """The budget used by the end of each evaluation, see `RunRecord.spent`, ``[n]``."""
        return np.concatenate([run.spent for run in self.runs])

    @cached_property
    def distinct(self) -> Rows:
        """The first evaluation of each different design, in order."""
        _, first = np.unique(self.evaluation.designs, axis=0, return_index=True)
        return np.sort(first)

    @cached_property
    def ranked(self) -> Rows:
        """The different designs, best first: feasible before infeasible, then by reward."""
        return ranking(self.evaluation, self.rewards)

    @cached_property
    def front(self) -> Rows:
        """The designs of all runs that no feasible one dominates."""
        return nondominated(self.evaluation)

    def front_of(self, agent: int) -> Rows:
        """The designs of one agent that none of its feasible ones dominates."""
        rows = np.flatnonzero(self.agent_of[self.run_of] == agent)
        return rows[nondominated(self.evaluation.take(rows))]

    def runs_of(self, agent: int) -> list[int]:
        """The runs of one agent."""
        return np.flatnonzero(self.agent_of == agent).tolist()

    @cached_property
    def log(self) -> tuple[bool, ...]:
        """Which objectives are shown on a logarithmic scale, ``[m]``: positive, spanning > 50x."""
        rows = self.distinct[self.feasible[self.distinct]]
        rows = rows if len(rows) else self.distinct
        columns = (self.evaluation.metrics[metric.name][rows] for metric in self.objectives)
        return tuple(wide(column) for column in columns)


def wide(values: FloatArray) -> bool:
    """Whether the finite values are positive and the largest is more than 50 times the least."""
    finite = values[np.isfinite(values)]
    return len(finite) > 0 and bool(finite.min() > 0 and finite.max() > 50 * finite.min())


def _check_same(first: RunRecord, other: RunRecord) -> None:
    """Raise where two runs' evaluations may not be compared."""
    for what, one, two in (
        ("problem", first.config.problem, other.config.problem),
        ("model", first.config.model, other.config.model),
        ("family", first.config.family, other.config.family),
        ("search space", first.space.digest, other.space.digest),
        ("specs", "; ".join(map(str, first.specs)), "; ".join(map(str, other.specs))),
        ("objectives", *(", ".join(m.name for m in run.objectives) for run in (first, other))),
        ("metrics", *(", ".join(run.evaluation.metrics) for run in (first, other))),
        ("proxy", first.config.proxy, other.config.proxy),
    ):
        if one != two:
            raise InputError(
                f"a report covers runs on one problem; their {what} differs: {one!r} and {two!r}"
            )


def _labels(configs: Sequence[RunConfig]) -> list[str]:
    """A name for each run's agent, with those options that differ among runs of that agent."""
    labels = []
    for config in configs:
        peers = [c.options for c in configs if c.agent == config.agent]
        differing = [
            name
            for name in sorted({name for options in peers for name in options})
            if len({json.dumps(options.get(name), default=str) for options in peers}) > 1
        ]
        told = ", ".join(f"{name}={config.options.get(name, 'default')}" for name in differing)
        labels.append(f"{config.agent} ({told})" if told else config.agent)
    return labels
