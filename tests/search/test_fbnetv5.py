"""One distribution over designs for each of several tasks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from codesign_gym.cost_models.measured.table import MeasuredTable
from codesign_gym.cost_models.metrics import Metric
from codesign_gym.envs import DesignProblem, Evaluator
from codesign_gym.envs.rewards import MeanQuantile
from codesign_gym.search import factored, make_agent
from codesign_gym.search.agents import FbNetV5
from codesign_gym.search_spaces import Categorical, Condition, Designs, InputError, SearchSpace

TREE = SearchSpace(
    "tree",
    (
        Categorical("a", ("x", "y", "z")),
        Categorical("b", (1, 2), active_when=(Condition("a", ("x", "y")),)),
        Categorical("c", (1, 2, 3), active_when=(Condition("b", (2,)),)),
    ),
)
CELL = SearchSpace("cell", tuple(Categorical(f"e{i}", (0, 1, 2)) for i in range(5)))


def several(space: SearchSpace = CELL, missing: float = 0.0) -> DesignProblem:
    """How many edges are 0, how many 1, how many not 2 (a loss), of the designs measured."""
    designs = space.enumerate()
    rng = np.random.default_rng(0)
    designs = designs[rng.random(len(designs)) >= missing]
    counts = [(designs == 0).sum(1), (designs == 1).sum(1), (designs != 2).sum(1)]
    metrics = (
        Metric("zeros_pct", "%", "max", "zeros"),
        Metric("ones_pct", "%", "max", "ones"),
        Metric("loss", "nats", "min", "others"),
    )
    model = MeasuredTable(space, designs, metrics, np.stack(counts, axis=1), source="by hand")
    names = tuple(metric.name for metric in metrics)
    reward = MeanQuantile(dict.fromkeys(names, (0.0, 5.0)))
    return DesignProblem("several", space, (model,), names, (), reward)


def made(problem: DesignProblem, seed: int = 0, **options: Any) -> FbNetV5:
    agent = make_agent("fbnetv5", problem, seed, **options)
    assert isinstance(agent, FbNetV5)
    return agent


def importance(agent: FbNetV5, designs: Designs) -> np.ndarray:
    return factored.importance(agent.space, agent._logits, designs, agent.options.clip)


def test_every_task_gets_its_own_best_design_from_one_run() -> None:
    problem = several()
    agent, evaluator = made(problem), Evaluator(problem, 100)
    agent.search(evaluator)
    assert agent.tasks == ("zeros_pct", "ones_pct", "loss")
    assert agent.modes().tolist() == [[0] * 5, [1] * 5, [2] * 5]
    history = evaluator.history
    assert history is not None
    assert history.objectives.min(axis=0).tolist() == [-5, -5, 0]
    # Of 243 designs, with three distributions that have settled.
    assert len(np.unique(history.designs, axis=0)) > 90


def test_missing_measurements_say_nothing_without_a_penalty() -> None:
    problem = several(missing=0.6)
    agent = made(problem, penalty=0.0)
    agent.search(Evaluator(problem, 200))
    zeros, ones, twos = ((agent.modes() == value).sum(axis=1) for value in range(3))
    assert (zeros[0], ones[1], twos[2]) >= (4, 4, 4)
    nothing = several(missing=0.6)
    unmeasured = CELL.enumerate()
    unmeasured = unmeasured[~nothing.evaluate(unmeasured).metrics.valid]
    blank = made(nothing, penalty=0.0, entropy=0.0)
    blank.tell(unmeasured, nothing.evaluate(unmeasured))
    assert (blank.probabilities() == 1 / 3).all()


def test_designs_are_drawn_as_often_as_the_mean_of_the_tasks_says() -> None:
    agent = made(several(TREE))
    rng = np.random.default_rng(1)
    agent._logits = rng.normal(size=agent._logits.shape)
    designs = TREE.enumerate()
    chances = np.exp(factored.log_chances(TREE, agent._logits, designs)).mean(axis=1)
    assert chances.sum() == pytest.approx(1)
    n = 20_000
    drawn = factored.draw(TREE, agent._logits, n, agent.rng)
    counts = np.array([(drawn == design).all(axis=1).sum() for design in designs])
    # Chi-squared with 8 degrees of freedom: above 32 once in 10,000.
    assert ((counts - n * chances) ** 2 / (n * chances)).sum() < 32


def test_importance_is_the_share_of_the_proposal_and_is_clipped() -> None:
    problem = several()
    agent, free = made(problem, clip=1.5), made(problem, clip=3)
    designs = CELL.sample(40, 0)
    assert (importance(agent, designs) == 1).all()
    for one in (agent, free):
        one._logits = np.random.default_rng(2).normal(size=one._logits.shape)
    weights = importance(free, designs)
    np.testing.assert_allclose(weights.mean(axis=1), 1)  # no more than three tasks: never clipped
    np.testing.assert_allclose(importance(agent, designs), np.minimum(weights, 1.5))


def test_a_step_follows_the_gradient() -> None:
    """Against differences of the weighted sum of advantages times log-chances."""
    problem = several(TREE)
    agent = made(problem, entropy=0.0, learning_rate=1.0, batch_size=4)
    agent._logits = np.random.default_rng(3).normal(size=agent._logits.shape)
    designs = TREE.sample(4, 5)
    evaluation = problem.evaluate(designs)
    before, weights = agent._logits.copy(), importance(agent, designs)
    agent.tell(designs, evaluation)
    step = agent._logits - before
    judge = made(problem, entropy=0.0, batch_size=4)
    advantages, counted = judge._advantages(evaluation, weights)
    assert counted.all()

    def worth(logits: np.ndarray) -> float:
        chances = factored.log_chances(TREE, logits, designs)
        return float((weights * advantages * chances).sum() / 4)

    for place in np.ndindex(before.shape):
        moved = np.zeros_like(before)
        moved[place] = 1e-6
        slope = (worth(before + moved) - worth(before - moved)) / 2e-6
        assert step[place] == pytest.approx(slope, abs=1e-6)


def test_entropy_makes_choices_more_even() -> None:
    problem = several()
    agent = made(problem, entropy=1.0, penalty=0.0)
    agent._logits = np.random.default_rng(3).normal(size=agent._logits.shape)
    before = agent.probabilities()
    slopes = factored.entropy_slopes(CELL, agent._logits)
    agent._logits = agent._logits + 0.1 * slopes
    after = agent.probabilities()

    def entropy(p: np.ndarray) -> float:
        return float(-(p * np.log(p)).sum())

    assert entropy(after) > entropy(before)


def test_a_cost_is_paid_by_every_task() -> None:
    problem = several()
    agent = made(problem, cost="loss", cost_weight=5.0)
    agent.search(Evaluator(problem, 100))
    assert agent.tasks == ("zeros_pct", "ones_pct")
    assert ((agent.modes() == 2).sum(axis=1) >= 4).all()
    with pytest.raises(
        InputError, match=r"option 'cost' of fbnetv5 must be one of .*loss, got 'los'"
    ):
        made(problem, cost="los")
    alone = replace(problem, objective_names=("loss",))
    with pytest.raises(InputError, match="needs an objective beside the cost"):
        made(alone, cost="loss")


def test_with_one_objective_it_is_reinforce() -> None:
    problem = replace(several(), objective_names=("ones_pct",))
    agent = made(problem)
    assert (importance(agent, CELL.sample(8, 0)) == 1).all()
    agent.search(Evaluator(problem, 60))
    assert (importance(agent, CELL.sample(8, 0)) == 1).all()
    assert agent.modes().tolist() == [[1] * 5]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch_size": 0}, "option 'batch_size' of fbnetv5 must be at least 1, got 0"),
        ({"clip": 0.5}, "option 'clip' of fbnetv5 must be at least 1, got 0.5"),
        ({"decay": 1.5}, r"option 'decay' of fbnetv5 must be in 0\.\.1, got 1.5"),
        ({"entropy": -1.0}, "option 'entropy' of fbnetv5 must be in"),
    ],
)
def test_options_are_checked(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        made(several(), **options)
