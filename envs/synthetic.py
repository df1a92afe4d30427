"""Synthetic problems of known structure: where agents are compared on more than one instance.

Of 12 parameters with 8 values each, a third have their values in a shuffled order. The logarithm of
an objective is the sum of main effects, of 16 smooth tables of pairs and of 8 rough tables of
triples; an area, again of main effects, is bounded so that about 36 % of all designs are feasible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models import CostModel, Metric, Metrics
from codesign_gym.envs.evaluation import Evaluation
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.envs.rewards import infeasible_reward
from codesign_gym.envs.specs import Spec
from codesign_gym.search_spaces import Categorical, Designs, SearchSpace

FloatArray = NDArray[np.float64]

PARAMETERS, VALUES, PAIRS, TRIPLES = 12, 8, 16, 8
FEASIBLE = 0.36
"""Share of random designs that keep the spec."""


@dataclass(frozen=True)
class LogGain:
    """``log (reference / value)``, summed over metrics, where feasible, else `infeasible_reward`.

    Attributes:
        references: Metric of which less is better -> its largest possible value.
    """

    feasible_first: ClassVar[bool] = True
    references: dict[str, float]

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics that the reward reads."""
        return tuple(self.references)

    def __call__(self, evaluation: Evaluation) -> FloatArray:
        """The rewards ``[n]``."""
        with np.errstate(divide="ignore"):
            logs = sum(
                np.log(reference / evaluation.metrics[name])
                for name, reference in self.references.items()
            )
        gain = np.nan_to_num(logs, nan=0.0, posinf=0.0, neginf=0.0)
        return np.where(evaluation.feasible, gain, infeasible_reward(evaluation))


class TableModel(CostModel):
    """Delay, energy and area out of seeded tables.

    Args:
        instance: Seed of the tables.
    """

    metrics = (
        Metric("delay_ms", "ms", "min"),
        Metric("energy_uj", "uJ", "min"),
        Metric("area_mm2", "mm2", "min"),
    )
    source = "seeded tables of main effects, pairs and triples of parameters"

    def __init__(self, instance: int = 0) -> None:
        self.name = f"synthetic-tables-{instance}"
        values = tuple(f"v{i}" for i in range(VALUES))
        self.space = SearchSpace(
            "synthetic", tuple(Categorical(f"x{j:02d}", values) for j in range(PARAMETERS))
        )
        rng = np.random.default_rng((instance, PARAMETERS, VALUES))
        # Where the order of the values is shuffled, choice i stands for level order[i].
        order = np.tile(np.arange(VALUES), (PARAMETERS, 1))
        for j in rng.choice(PARAMETERS, PARAMETERS // 3, replace=False):
            order[j] = rng.permutation(VALUES)
        self._order = order
        main = np.stack([_smooth(rng, 1) for _ in range(3 * PARAMETERS)])
        self._main = main.reshape(3, PARAMETERS, VALUES) / np.sqrt(PARAMETERS)
        # The second objective likes some of what the first dislikes.
        self._main[1] = 0.6 * self._main[1] - 0.4 * self._main[0]
        pairs = [rng.choice(PARAMETERS, 2, replace=False) for _ in range(PAIRS)]
        triples = [rng.choice(PARAMETERS, 3, replace=False) for _ in range(TRIPLES)]
        self._pairs, self._triples = np.array(pairs), np.array(triples)
        self._pair_tables = np.stack(
            [[_smooth(rng, 2) for _ in range(PAIRS)] for _ in range(2)]
        ) * np.sqrt(0.6 / PAIRS)
        self._triple_tables = rng.normal(size=(2, TRIPLES, VALUES, VALUES, VALUES)) * np.sqrt(
            0.25 / TRIPLES
        )

    def compute(self, designs: Designs) -> Metrics:
        """The metrics of designs ``[n, 12]``."""
        level = np.take_along_axis(self._order.T, designs, axis=0)
        columns = np.arange(PARAMETERS)
        main = self._main[:, columns, level].sum(axis=2)
        a, b = (level[:, self._pairs[:, i]] for i in range(2))
        pairs = self._pair_tables[:, np.arange(PAIRS), a, b].sum(axis=2)
        d, e, f = (level[:, self._triples[:, i]] for i in range(3))
        triples = self._triple_tables[:, np.arange(TRIPLES), d, e, f].sum(axis=2)
        logs = np.stack([*(main[:2] + pairs + triples), main[2]], axis=1)
        return Metrics(self.metrics, np.exp(logs))

    def largest(self, metric: int) -> float:
        """A value that a metric, 0 or 1, cannot exceed: of the largest entries of every table."""
        tables = self._main[metric], self._pair_tables[metric], self._triple_tables[metric]
        heights = [
            tables[0].max(axis=1).sum(),
            tables[1].max(axis=(1, 2)).sum(),
            tables[2].max(axis=(1, 2, 3)).sum(),
        ]
        return float(np.exp(sum(heights)))


def _smooth(rng: np.random.Generator, dimensions: int) -> FloatArray:
    """A table of low waves over the levels, mean 0 and standard deviation 1."""
    x = (np.arange(VALUES) + 0.5) / VALUES
    waves = np.cos(np.pi * np.arange(4)[:, None] * x)  # [wave, level]
    falling = 1.0 / (1.0 + np.arange(4))
    if dimensions == 1:
        table = (rng.normal(size=4) * falling) @ waves
    else:
        table = waves.T @ (rng.normal(size=(4, 4)) * np.outer(falling, falling)) @ waves
    table -= table.mean()
    result: FloatArray = table / table.std()
    return result


def synthetic(instance: int = 0, objectives: int = 1) -> DesignProblem:
    """The problem of an instance.

    Args:
        instance: Seed of the tables.
        objectives: 1 for the delay alone, 2 for delay and energy.
    """
    model = TableModel(instance)
    names = ("delay_ms", "energy_uj")[:objectives]
    area = model.evaluate(model.space.sample(4096, 0))["area_mm2"]
    return DesignProblem(
        name="synthetic-12x8" + ("-front" if objectives == 2 else ""),
        space=model.space,
        models=(model,),
        objective_names=names,
        specs=(Spec("area_mm2", "<=", float(f"{np.quantile(area, FEASIBLE):.4g}")),),
        reward=LogGain({name: model.largest(i) for i, name in enumerate(names)}),
        description=f"tables of 12 parameters x 8 values: {' and '.join(names)} under an area",
        source=model.source,
    )


def synthetic_12x8(instance: int = 0) -> DesignProblem:
    """Least delay under an area, of seeded tables."""
    return synthetic(instance)


def synthetic_12x8_front(instance: int = 0) -> DesignProblem:
    """Least delay and energy under an area, of seeded tables."""
    return synthetic(instance, 2)


SYNTHETIC_PROBLEMS: dict[str, Callable[..., DesignProblem]] = {
    "synthetic-12x8": synthetic_12x8,
    "synthetic-12x8-front": synthetic_12x8_front,
}
"""Name -> function that makes the problem."""
