"""A problem: a space, what its designs cost, what to optimise, and the specs to keep."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.cost_models.accuracy.supernet import SupernetTask
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.envs.evaluation import Evaluation, assess
from codesign_gym.envs.rewards import Reward
from codesign_gym.envs.specs import Spec
from codesign_gym.search_spaces import Designs, InputError, SearchSpace, make_space
from codesign_gym.search_spaces.errors import unknown_name


@dataclass(frozen=True, eq=False)
class ProblemStatement:
    """All that an agent may know of a problem before it evaluates anything.

    Attributes:
        name: Name of the problem.
        space: What may be chosen.
        objectives: The metrics to optimise, each in its own direction.
        specs: The bounds to keep.
        reward: One number per design, to be maximised, for agents that need one.
        offers: What all its cost models can do besides, see `CostModel.offers`.
        fidelities: What a design costs at each cheaper fidelity, as a share of a full evaluation,
            the cheapest first.
        supernet: How networks of the space are trained together, for agents that learn by
            gradients; None where they cannot be.
    """

    name: str
    space: SearchSpace
    objectives: tuple[Metric, ...]
    specs: tuple[Spec, ...]
    reward: Reward
    offers: frozenset[str] = frozenset()
    fidelities: tuple[Fraction, ...] = ()
    supernet: SupernetTask | None = None


@dataclass(frozen=True, eq=False)
class Fidelity:
    """Cheaper, less true figures of a problem's designs.

    Attributes:
        cost: What a design costs, as a share of a full evaluation: between 0 and 1, exact.
        models: Cost models of the same metrics as the problem's own.
    """

    cost: Fraction
    models: tuple[CostModel, ...]


@dataclass(frozen=True, eq=False)
class DesignProblem:
    """A design problem; `evaluate` is the one way to learn what a design costs.

    Attributes:
        name: Name of the problem.
        space: What may be chosen.
        models: Cost models; each reads its own columns of a design. Those marked expensive run
            last, and only on designs that keep the specs known by then.
        objective_names: Metrics to optimise.
        specs: Bounds to keep.
        reward: One number per design, for agents and rankings that need one.
        description: What it is, in a sentence.
        source: Where it comes from.
        fidelities: Cheaper figures of the same metrics, the cheapest first.
        supernet: How networks of the space are trained together, where they can be.
    """

    name: str
    space: SearchSpace
    models: tuple[CostModel, ...]
    objective_names: tuple[str, ...]
    specs: tuple[Spec, ...]
    reward: Reward
    description: str = ""
    source: str = ""
    fidelities: tuple[Fidelity, ...] = ()
    supernet: SupernetTask | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", tuple(self.models))
        object.__setattr__(self, "objective_names", tuple(self.objective_names))
        object.__setattr__(self, "specs", tuple(self.specs))
        known = [metric.name for metric in self.metrics]
        for name in (*self.objective_names, *(spec.metric for spec in self.specs)):
            if name not in known:
                raise unknown_name(f"metric of problem {self.name!r}", name, known)
        if len(set(known)) < len(known):
            raise InputError(
                f"problem {self.name!r}: two cost models give the same metric: {known}"
            )
        if not self.objective_names:
            raise InputError(f"problem {self.name!r} needs at least one objective, got none")
        for name in getattr(self.reward, "metric_names", ()):
            if name not in known:
                raise unknown_name(f"metric of the reward of problem {self.name!r}", name, known)
        for model in self.models:
            self.space.columns_of(model.space)
        self._check_fidelities()
        self._check_supernet()

    def _check_fidelities(self) -> None:
        costs = [fidelity.cost for fidelity in self.fidelities]
        exact = all(isinstance(cost, Fraction) and 0 < cost < 1 for cost in costs)
        if not exact or costs != sorted(set(costs)):
            raise InputError(
                f"problem {self.name!r}: costs of fidelities must be fractions between 0 and 1 "
                f"that rise, got {', '.join(map(str, costs))}"
            )
        for cost, cheaper in zip(costs, self.cheaper, strict=True):
            if cheaper.metrics != self.metrics:
                raise InputError(
                    f"problem {self.name!r}: the fidelity of cost {cost} must give the metrics "
                    f"{', '.join(m.name for m in self.metrics)}, gives "
                    f"{', '.join(m.name for m in cheaper.metrics)}"
                )

    def _check_supernet(self) -> None:
        if self.supernet is None:
            return
        [group, *others] = self.space.groups
        if others or self.space != make_space(self.supernet.space, group=group):
            raise InputError(
                f"problem {self.name!r}: its supernet is of the space {self.supernet.space!r}, "
                f"the problem's space is {self.space.name!r}"
            )

    def __repr__(self) -> str:
        objectives = ", ".join(f"{m.direction} {m.name}" for m in self.objectives)
        specs = ", ".join(map(str, self.specs)) or "no specs"
        return f"<DesignProblem {self.name}: {objectives}; {specs}; {self.space!r}>"

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of all cost models, the cheap models first."""
        return tuple(metric for model in self._ordered for metric in model.metrics)

    @cached_property
    def objectives(self) -> tuple[Metric, ...]:
        """The metrics to optimise."""
        by_name = {metric.name: metric for metric in self.metrics}
        return tuple(by_name[name] for name in self.objective_names)

    @cached_property
    def statement(self) -> ProblemStatement:
        """What an agent may know."""
        offers = frozenset.intersection(*(frozenset(model.offers) for model in self.models))
        return ProblemStatement(
            self.name,
            self.space,
            self.objectives,
            self.specs,
            self.reward,
            offers,
            tuple(fidelity.cost for fidelity in self.fidelities),
            self.supernet,
        )

    @cached_property
    def cheaper(self) -> tuple[DesignProblem, ...]:
        """The same problem at each of its fidelities."""
        return tuple(
            replace(self, models=fidelity.models, fidelities=()) for fidelity in self.fidelities
        )

    @cached_property
    def _ordered(self) -> tuple[CostModel, ...]:
        return tuple(sorted(self.models, key=lambda model: model.expensive))

    def evaluate(self, designs: ArrayLike) -> Evaluation:
        """What the designs ``[n, p]`` cost; malformed designs raise `InputError`."""
        checked = self.space.canonical(self.space.check(designs))
        return self.assess(checked, self.measure(checked))

    def assess(self, designs: Designs, metrics: Metrics) -> Evaluation:
        """The evaluation that follows from designs and their metrics, measured or recorded."""
        return assess(designs, metrics, self.objectives, self.specs)

    def measure(self, designs: Designs) -> Metrics:
        """The metrics of designs already checked and canonical, ``[n, p]``."""
        values = np.empty((len(designs), len(self.metrics)))
        invalid: dict[str, NDArray[np.bool_]] = {}
        promising = np.ones(len(designs), dtype=np.bool_)  # valid, and keeps the specs so far
        column = 0
        for model, columns in zip(self._ordered, self._columns, strict=True):
            rows = np.flatnonzero(promising) if model.expensive else np.arange(len(designs))
            stop = column + len(model.metrics)
            values[:, column:stop] = [metric.worst for metric in model.metrics]
            if len(rows):
                part = designs[np.ix_(rows, columns)]
                found = model.compute(model.space.canonical(part))
                if found.metrics != tuple(model.metrics) or len(found.valid) != len(rows):
                    raise ValueError(
                        f"cost model {model.name!r} gave {len(found.valid)} rows of {list(found)}, "
                        f"must give {len(rows)} rows of {[metric.name for metric in model.metrics]}"
                    )
                values[rows, column:stop] = found.values_matrix
                promising[rows[~found.valid]] = False
                for reason, mask in found.invalid.items():
                    invalid.setdefault(reason, np.zeros(len(designs), np.bool_))[rows[mask]] = True
                for spec in self.specs:
                    if spec.metric in found:
                        promising[rows] &= spec.violation(found[spec.metric]) == 0
            column = stop
        return Metrics(self.metrics, values, invalid)

    @cached_property
    def _columns(self) -> tuple[NDArray[np.intp], ...]:
        return tuple(self.space.columns_of(model.space) for model in self._ordered)

    def with_specs(self, specs: tuple[Spec, ...]) -> DesignProblem:
        """The same problem under other specs."""
        return replace(self, specs=specs)
