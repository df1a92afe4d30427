"""Agents on NAS-Bench-201 (Dong and Yang, ICLR 2020): true accuracies after 200 epochs.

Of the 15,625 networks the best reaches 47.31 % on ImageNet16-120. Hill climbing and regularised
evolution were measured at 46.75 % and 46.63 % after 100 evaluations.
"""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.cost_models import CostModel, Metric, Metrics
from codesign_gym.envs import DesignProblem
from codesign_gym.envs.rewards import WeightedProduct
from codesign_gym.experiments.statistics import iqm
from codesign_gym.search import make_agent, search
from codesign_gym.search_spaces import Categorical, Designs, SearchSpace
from tests.reference import reference_rows

OPERATIONS = ("none", "skip", "conv1x1", "conv3x3", "avgpool")
EDGES = ("e01", "e02", "e12", "e03", "e13", "e23")
BUDGET, SEEDS = 100, 20


class Table(CostModel):
    """Accuracy on ImageNet16-120 by the operation on every edge."""

    name = "nas-bench-201"
    space = SearchSpace("cell", tuple(Categorical(edge, OPERATIONS) for edge in EDGES))
    metrics = (Metric("accuracy_pct", "%", "max"),)
    source = "NATS-Bench"

    def __init__(self, rows: list[dict[str, str]]) -> None:
        designs = np.array([[int(row[edge]) for edge in EDGES] for row in rows])
        self._accuracy = np.zeros(len(rows))
        self._accuracy[self.space.ravel(designs.astype(np.int32))] = [
            float(row["acc_in16_e200"]) for row in rows
        ]

    def compute(self, designs: Designs) -> Metrics:
        """Looked up."""
        return Metrics(self.metrics, self._accuracy[self.space.ravel(designs)][:, None])


@pytest.fixture(scope="module")
def problem() -> DesignProblem:
    model = Table(reference_rows("nas/nb201_accuracy.csv.gz"))
    reward = WeightedProduct({"accuracy_pct": 1.0}, {"accuracy_pct": 100.0})
    return DesignProblem("nas-bench-201", model.space, (model,), ("accuracy_pct",), (), reward)


def found(problem: DesignProblem, agent: str) -> float:
    runs = [search(problem, make_agent(agent, problem, seed), BUDGET) for seed in range(SEEDS)]
    return float(iqm(100 * np.array([run.best.reward for run in runs])))


def test_auto_beats_climbing_after_100_evaluations(problem: DesignProblem) -> None:
    assert found(problem, "auto") > 46.9
