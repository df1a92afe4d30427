"""Searches with a proxy that is learned along the way, of which only true evaluations count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from codesign_gym.cost_models import CostModel, Metrics
from codesign_gym.envs import DesignProblem, make_problem
from codesign_gym.search import make_agent, search
from codesign_gym.search.operators import keys
from codesign_gym.search_spaces import Designs, InputError

CHIP = make_problem("accelerator", model="resnet50")
QUICK: dict[str, Any] = {"start": 24, "method": "extra-trees", "inner_budget": 300}


class Counted(CostModel):
    """A model that counts the designs it is asked of."""

    def __init__(self, model: CostModel) -> None:
        self.name, self.space, self.metrics = model.name, model.space, tuple(model.metrics)
        self.source, self.asked, self._model = model.source, 0, model

    def compute(self, designs: Designs) -> Metrics:
        self.asked += len(designs)
        return self._model.compute(designs)


def test_no_true_evaluation_is_hidden() -> None:
    model = Counted(CHIP.models[0])
    problem: DesignProblem = replace(CHIP, models=(model,))
    result = search(problem, make_agent("assisted", problem, 0, **QUICK), 64)
    assert model.asked == len(result.history) == 64
    truth = CHIP.measure(result.history.designs)
    assert np.array_equal(result.history.metrics.values_matrix, truth.values_matrix)
    assert len(np.unique(result.history.designs, axis=0)) == 64  # none is spent twice


@pytest.mark.parametrize("inner", ["nsga2", "regularized-evolution", "random", "optuna"])
def test_any_agent_searches_inside(inner: str) -> None:
    options = QUICK | {"inner_budget": 60}
    agent = make_agent("assisted", CHIP, 0, inner=inner, **options)
    assert len(search(CHIP, agent, 44).history) == 44


def test_better_than_its_inner_agent_alone() -> None:
    found = {
        name: np.median([
            search(CHIP, make_agent(name, CHIP, seed, **options), 120).best.reward
            for seed in range(3)
        ])
        for name, options in (("assisted", {"method": "extra-trees"}), ("nsga2", {}))
    }  # fmt: skip
    assert found["assisted"] > 1.2 * found["nsga2"]


def test_neighbours_of_the_best_are_tried_whatever_the_proxy_says_of_them() -> None:
    agent = make_agent("assisted", CHIP, 0, **QUICK)
    known = CHIP.space.sample(60, 0)
    evaluation = CHIP.evaluate(known)
    agent.tell(known, evaluation)
    best = known[[int(CHIP.reward(evaluation).argmax())]]
    around = set(keys(CHIP.space.neighbours(best)[0])) - set(keys(known))
    assert around <= set(keys(agent.ask(200)))


class Narrow(Counted):
    """Two thirds of the arrays cannot be built."""

    def compute(self, designs: Designs) -> Metrics:
        found = super().compute(designs)
        wide = designs[:, 0] >= len(self.space.parameters[0]) // 3
        return Metrics(self.metrics, found.values_matrix, {"too wide": wide})


def test_invalid_designs_are_learned_to_be_avoided() -> None:
    problem = replace(CHIP, models=(Narrow(CHIP.models[0]),))
    history = search(problem, make_agent("assisted", problem, 0, **QUICK), 140).history
    valid = history.metrics.valid
    assert valid[:20].mean() < 0.5
    assert valid[-40:].mean() > 0.75


def test_what_it_refuses() -> None:
    for options, says in (
        ({"inner": "assisted"}, "option 'inner' of assisted: it must be another agent"),
        ({"inner": "nsga"}, "unknown agent 'nsga'"),
        ({"inner": "eas"}, "growing"),
        ({"inner": "successive-halving"}, "fidelities"),
        ({"method": "extra-tree"}, "unknown model 'extra-tree'"),
        ({"doubt": 1.5}, r"option 'doubt' of assisted must be in 0..1, got 1.5"),
        ({"batch": 0}, "batch"),
    ):
        with pytest.raises(InputError, match=says):
            make_agent("assisted", CHIP, 0, **options)


def test_many_evaluations_are_sampled() -> None:
    agent = make_agent("assisted", CHIP, 0)
    designs = np.unique(CHIP.space.sample(1500, 0), axis=0)
    agent.tell(designs, CHIP.evaluate(designs))
    rows = agent._learned_from(np.arange(len(designs)))  # type: ignore[attr-defined] # its own
    assert len(rows) == len(set(rows.tolist())) == 1000
    best = np.argsort(-CHIP.reward(CHIP.evaluate(designs)), kind="stable")[:500]
    assert set(best.tolist()) <= set(rows.tolist())


def test_the_least_sure_are_those_of_the_largest_deviations() -> None:
    agent = make_agent("assisted", CHIP, 0, **QUICK)
    designs = CHIP.space.sample(80, 0)
    agent.tell(designs, CHIP.evaluate(designs))
    models = agent._learned()  # type: ignore[attr-defined] # its own
    others = CHIP.space.sample(50, 1)
    found = agent._doubted(others, models)  # type: ignore[attr-defined] # its own
    deviations = np.array([model.uncertainty(others)[:, 0] for model in models])
    sizes = [model.compute(others).values_matrix.max() for model in models]
    doubt = (deviations / np.array(sizes)[:, None]).sum(axis=0)
    assert sorted(found.tolist()) == list(range(50))
    assert (np.diff(doubt[found]) <= 1e-12).all()
