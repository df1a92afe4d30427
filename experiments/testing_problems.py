"""Problems that cost nothing to evaluate, one of every kind that an agent must cope with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np

from codesign_gym.cost_models import CostModel, Metric, Metrics
from codesign_gym.cost_models.accuracy.supernet import SupernetTask
from codesign_gym.cost_models.learned.operation_lut import lut_of_model
from codesign_gym.envs import DesignProblem, Fidelity, Spec
from codesign_gym.envs.rewards import WeightedProduct
from codesign_gym.search_spaces import (
    Categorical,
    Condition,
    Designs,
    Ordinal,
    SearchSpace,
    growing_network,
    nas_bench_201_1d,
)

A, B, C = "abc"

_SPACES: dict[str, Callable[[], SearchSpace]] = {
    "tiny": lambda: SearchSpace("tiny", (Categorical("x", (A, B)),)),
    "single-value": lambda: SearchSpace(
        "single", (Categorical("fixed", (A,)), Ordinal("y", (1, 2, 4, 8, 16)), Ordinal("one", (1,)))
    ),
    "categorical": lambda: SearchSpace(
        "cat", tuple(Categorical(f"c{i}", (A, B, C, "d", "e")) for i in range(6))
    ),
    "conditional": lambda: SearchSpace(
        "cond",
        (
            Categorical("kind", ("simple", "cached")),
            Ordinal("cache", (1, 2, 4, 8), unit="kB", active_when=(Condition("kind", ["cached"]),)),
            Categorical("policy", ("lru", "fifo"), active_when=(Condition("cache", [4, 8]),)),
            Ordinal("ports", (1, 2, 3, 4, 5, 6)),
            Ordinal("depth", tuple(range(1, 33))),
        ),
    ),
    "ordinal": lambda: SearchSpace(
        "ord", tuple(Ordinal(f"o{i}", tuple(range(1, 9))) for i in range(8))
    ),
    "large": lambda: SearchSpace(
        "large", tuple(Ordinal(f"o{i}", (1, 2, 3, 4)) for i in range(120))
    ),
    "growing": growing_network,
    "supernet": nas_bench_201_1d,
}


class SyntheticModel(CostModel):
    """Two positive metrics that conflict, out of seeded tables of main effects; free to evaluate.

    About one design in ten is invalid where the space has more than ten.

    Args:
        space: The space.
        invalid_share: Share of the designs that are invalid, where the space has more than ten.
        error: How far the effects are off, as the deviation of their logarithms.
    """

    metrics = (
        Metric("time_ms", "ms", "min"),
        Metric("quality_pct", "%", "max"),
    )
    name = "synthetic"
    source = "seeded random tables"

    def __init__(self, space: SearchSpace, invalid_share: float = 0.1, error: float = 0.0) -> None:
        self.space = space
        rng = np.random.default_rng(0)
        self._effects = rng.gamma(2.0, size=(2, int(space.offsets[-1]))) / len(space)
        self._effects *= np.exp(error * np.random.default_rng(1).normal(size=self._effects.shape))
        self._invalid = rng.random(int(space.offsets[-1])) if space.size > 10 else None
        self._share = invalid_share

    def compute(self, designs: Designs) -> Metrics:
        """The metrics of designs ``[n, p]``."""
        chosen = designs + self.space.offsets[:-1]
        # Sums of each row by itself: a matrix product rounds differently in another batch.
        effects = self._effects[:, chosen].sum(axis=2).T
        values = 1.0 + effects * [1.0, 10.0]
        if self._invalid is None:
            return Metrics(self.metrics, values)
        noise = self._invalid[chosen].sum(axis=1) % 1.0
        return Metrics(self.metrics, values, {"synthetic defect": noise < self._share})


def synthetic_problem(kind: str, infeasible: bool = False, objectives: int = 2) -> DesignProblem:
    """A problem that costs nothing to evaluate.

    Args:
        kind: Kind of space: tiny, single-value, categorical, conditional, ordinal, large, growing,
            supernet.
        infeasible: Whether no design keeps the spec.
        objectives: 1 or 2.
    """
    space = _SPACES[kind]()
    return DesignProblem(
        name=f"synthetic-{kind}",
        space=space,
        models=(SyntheticModel(space),),
        objective_names=("time_ms", "quality_pct")[:objectives],
        specs=(Spec("time_ms", "<=", 0.5 if infeasible else 3.0),),
        reward=WeightedProduct(
            {"time_ms": -1.0, "quality_pct": 0.5}, {"time_ms": 1.0, "quality_pct": 10.0}
        ),
    )


def synthetic_problems() -> dict[str, DesignProblem]:
    """Every kind of problem that an agent must cope with, by name."""
    problems = {kind: synthetic_problem(kind) for kind in _SPACES}
    problems["infeasible"] = synthetic_problem("ordinal", infeasible=True)
    problems["one-objective"] = synthetic_problem("ordinal", objectives=1)
    problems["fidelities"] = replace(
        synthetic_problem("conditional"),
        fidelities=tuple(
            Fidelity(Fraction(cost), (SyntheticModel(_SPACES["conditional"](), error=error),))
            for cost, error in (("0.1", 0.5), ("0.3", 0.2))
        ),
    )
    cells = problems["supernet"]
    lut = lut_of_model(cells.models[0], "time_ms")
    problems["supernet"] = replace(
        cells,
        supernet=SupernetTask(cells.space.name, size=20, epochs=2, costs={"time_ms": lut}),
    )
    return problems
