"""What the suite is made of: tasks, budgets, and the two ends of every task's scale.

A version is one JSON file that never changes once it is out; `freeze` writes it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import DesignProblem, Evaluation, make_problem
from codesign_gym.experiments.front_share import FrontShare
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.truth import key_of
from codesign_gym.search.pareto import nondominated
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.errors import unknown_name
from codesign_gym.search_spaces.files import write_whole

FORMAT = 1
CURRENT = "v1"
LEVELS = ("small", "medium", "large")
"""Names of a task's three budgets."""

SEEDS_APART = 100
"""Seeds of one level begin so many after those of the level before: no run repeats another."""

COUNTED = ("best", "front", "reward")
"""What a task may count: its objective's best value, its front, or the problem's own reward."""

PROBES = 8
_TOLERANCE = 1e-9
_NO_SUITE = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Probe:
    """What a few designs cost when the task was frozen; `n` designs, `k` metrics.

    Attributes:
        designs: Choice indices ``[n, p]``.
        metrics: Metric -> its values ``[n]``; None where a design was not measured.
    """

    designs: Sequence[Sequence[int]]
    metrics: Mapping[str, Sequence[float | None]]

    @classmethod
    def of(cls, problem: DesignProblem) -> Self:
        """The probe of a problem as it is now."""
        designs = problem.space.canonical(problem.space.sample(PROBES, 0))
        return cls(designs.tolist(), cls._measured(problem, designs))

    @staticmethod
    def _measured(problem: DesignProblem, designs: NDArray[Any]) -> dict[str, list[float | None]]:
        metrics = problem.with_specs(()).measure(designs)  # expensive models see every design
        return {
            name: [x if math.isfinite(x) else None for x in column.tolist()]
            for name, column in metrics.items()
        }

    def difference(self, problem: DesignProblem) -> str:
        """What a problem says otherwise, in words; empty where it says the same."""
        now = self._measured(problem, problem.space.check(self.designs))
        for name, before in self.metrics.items():
            for i, (a, b) in enumerate(zip(before, now.get(name, ()), strict=False)):
                same = a == b or (
                    a is not None and b is not None and math.isclose(a, b, rel_tol=_TOLERANCE)
                )
                if not same:
                    return f"{name} of design {list(self.designs[i])} was {a}, is {b}"
        return ""


@dataclass(frozen=True, eq=False)
class Task:
    """A problem to be searched with three budgets, and what its results count.

    Attributes:
        name: Name of the task.
        problem: Name of the problem.
        group: What kind of design it is about.
        objectives: In place of the problem's own; None keeps them.
        specs: In place of the problem's own; None keeps them.
        counts: Of `COUNTED`.
        budgets: Evaluations of each of `LEVELS`.
        designs: How many there are.
        key: What the problem is made of: see `key_of`.
        probe: What a few designs cost.
        zero: The value that counts as 0: the median of random search with the smallest budget.
        one: The value that counts as 1: the best known; 1 where the front counts.
        exact: Whether no design is better: all were evaluated.
        front: The best known front, in the objectives' own directions; None where none counts.
        provenance: Where ``zero``, ``one`` and ``front`` come from.
    """

    name: str
    problem: str
    group: str
    objectives: Sequence[str] | None
    specs: Sequence[str] | None
    counts: str
    budgets: Sequence[int]
    designs: int
    key: Mapping[str, Any]
    probe: Probe
    zero: float
    one: float
    exact: bool
    front: Sequence[Sequence[float]] | None
    provenance: Mapping[str, Any]

    def pose(self) -> DesignProblem:
        """The problem as it is now.

        Raises:
            InputError: It is not what the task was frozen with: the text names the task and what
                has changed.
        """
        problem = make_problem(self.problem, specs=self.specs, objectives=self.objectives)
        now = key_of(problem)
        changed = [part for part in self.key if now[part] != self.key[part]]
        told = f"its {' and '.join(changed)} changed" if changed else self.probe.difference(problem)
        if told:
            raise InputError(
                f"task {self.name!r}: problem {self.problem!r} is not the one that the suite was "
                f"made with ({told}); scores would not compare"
            )
        return problem

    def config(self, agent: str, options: Mapping[str, Any], level: str, seed: int) -> RunConfig:
        """The run with one of the budgets; ``seed`` counts from 0 within the level."""
        place = LEVELS.index(level)
        return RunConfig(
            self.problem,
            agent,
            budget=self.budgets[place],
            seed=SEEDS_APART * place + seed,
            options=options,
            specs=None if self.specs is None else tuple(self.specs),
            objectives=None if self.objectives is None else tuple(self.objectives),
        )

    @property
    def rising(self) -> bool:
        """Whether higher values are better."""
        return self.counts != "best" or "max" in self.key["objectives"].values()

    def value(self, evaluation: Evaluation, rewards: NDArray[np.float64]) -> float | None:
        """What a run has reached, of what the task counts: the front as a share of the best known.

        None where no design is feasible.
        """
        if not evaluation.feasible.any():
            return None
        if self.counts == "front":
            return self._share.of(evaluation.objectives[nondominated(evaluation)])
        if self.counts == "reward":
            return float(rewards[evaluation.feasible].max())
        best = float(evaluation.objectives[evaluation.feasible, 0].min())
        return -best if self.rising else best

    def score(self, value: float | None) -> float:
        """A value on the scale from ``zero`` to ``one``, cut off at both ends; 0 for None.

        What is to be minimised counts by its logarithm, where the ends are positive.
        """
        if value is None:
            return 0.0
        reached, low, high = (self._height(x) for x in (value, self.zero, self.one))
        return min(1.0, max(0.0, (reached - low) / (high - low)))

    def beats_the_best_known(self, value: float | None) -> bool:
        """Whether a value is better than the one that counts as 1."""
        return value is not None and self._height(value) > self._height(self.one) + 1e-12

    def _height(self, value: float) -> float:
        if self.rising:
            return value
        if min(self.zero, self.one) > 0:
            return -math.log(value) if value > 0 else math.inf
        return -value

    @cached_property
    def _share(self) -> FrontShare:
        assert self.front is not None
        return FrontShare.of_values(self.front, self.key["objectives"].values())

    @cached_property
    def digest(self) -> str:
        """Identifies all that a score depends on."""
        data = asdict(self)
        del data["provenance"]
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Suite:
    """A version of the suite.

    Attributes:
        version: Its name.
        seeds: Runs of every task with every budget.
        tasks: By name.
    """

    version: str
    seeds: int
    tasks: Mapping[str, Task]

    @classmethod
    def load(cls, version: str = CURRENT) -> Self:
        """A shipped version, or the one in a ``.json`` file.

        Raises:
            InputError: There is none, or the file is no suite.
        """
        path = Path(version) if version.endswith(".json") else shipped() / f"{version}.json"
        if not path.is_file():
            known = [found.stem for found in shipped().glob("*.json")]
            raise unknown_name("version of the suite", version, known)
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["format"] > FORMAT:
                raise InputError(f"{path} was written by a newer codesign-gym")
            tasks = {
                row["name"]: Task(**row | {"probe": Probe(**row["probe"])}) for row in data["tasks"]
            }
            for task in tasks.values():
                if not are_budgets(task.budgets) or task.counts not in COUNTED:
                    raise ValueError(f"task {task.name!r}: {task.counts!r}, budgets {task.budgets}")
                if not (math.isfinite(task.zero - task.one) and task.zero != task.one):
                    raise ValueError(f"task {task.name!r} has no scale: {task.zero}, {task.one}")
            if data["seeds"] not in range(1, SEEDS_APART + 1):
                raise ValueError(f"seeds must be in 1..{SEEDS_APART}, got {data['seeds']!r}")
            return cls(data["version"], data["seeds"], tasks)
        except InputError:
            raise
        except _NO_SUITE as error:
            raise InputError(f"{path} is not a suite: {error!r}") from None

    def save(self, path: Path) -> None:
        """Write the suite as JSON, a task a line."""
        rows = ",\n".join(json.dumps(asdict(task)) for task in self.tasks.values())
        head = f'"format": {FORMAT}, "version": {json.dumps(self.version)}, "seeds": {self.seeds}'
        write_whole(path, f'{{{head}, "tasks": [\n{rows}\n]}}\n')

    @property
    def groups(self) -> list[str]:
        """The kinds of designs, in order."""
        return list(dict.fromkeys(task.group for task in self.tasks.values()))

    def picked(self, names: Sequence[str]) -> list[Task]:
        """Tasks by name, all where none is named; an unknown name raises `InputError`."""
        for name in names:
            if name not in self.tasks:
                raise unknown_name("task", name, self.tasks)
        return [task for name, task in self.tasks.items() if not names or name in names]


def are_budgets(given: object) -> bool:
    """Whether these are whole numbers from 1 on, one for each of `LEVELS`, rising."""
    return (
        isinstance(given, Sequence)
        and len(given) == len(LEVELS)
        and all(type(budget) is int and budget >= 1 for budget in given)
        and all(low < high for low, high in itertools.pairwise(given))
    )


def shipped() -> Path:
    """The folder of the versions that came with the package."""
    return Path(str(files("codesign_gym.experiments"))) / "suite"
