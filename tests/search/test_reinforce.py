"""The controller that writes designs down one parameter after another."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from codesign_gym.experiments.testing import synthetic_problem
from codesign_gym.search import make_agent
from codesign_gym.search.agents import Reinforce
from codesign_gym.search.controller import Controller
from codesign_gym.search_spaces import Categorical, Condition, SearchSpace

ORDINAL = synthetic_problem("ordinal")
CONDITIONAL = synthetic_problem("conditional")
TREE = SearchSpace(
    "tree",
    (
        Categorical("a", ("x", "y", "z")),
        Categorical("b", (1, 2), active_when=(Condition("a", ("x", "y")),)),
        Categorical("c", (1, 2, 3), active_when=(Condition("b", (2,)),)),
    ),
)


def opinionated(space: SearchSpace) -> Controller:
    """A controller that prefers some choices, differently after different ones."""
    rng = np.random.default_rng(3)
    controller = Controller(space, 6, 1e-2, rng)
    with torch.no_grad():
        for weight in controller.weights.values():
            weight.copy_(torch.from_numpy(rng.normal(size=weight.shape)))
    return controller


def test_designs_are_drawn_as_often_as_their_likelihood_says() -> None:
    """What is learned from is what is drawn: conditions and order included."""
    controller = opinionated(TREE)
    designs = TREE.enumerate()
    n = 40_000
    drawn = controller.sample(n, np.random.default_rng(0))
    assert np.array_equal(drawn, TREE.canonical(drawn))
    counts = np.array([(drawn == design).all(axis=1).sum() for design in designs])
    assert counts.sum() == n
    likelihood = controller.log_likelihood(designs, TREE.active(designs))[0].detach().numpy()
    expected = n * np.exp(likelihood)
    assert expected.sum() == pytest.approx(n, rel=1e-4)
    # Chi-squared with 8 degrees of freedom: above 32 once in 10,000.
    assert ((counts - expected) ** 2 / expected).sum() < 32


def test_a_step_makes_good_designs_likelier_and_bad_ones_less_so() -> None:
    controller = opinionated(TREE)
    designs = TREE.enumerate()[[0, 4]]
    active = TREE.active(designs)
    before = controller.log_likelihood(designs, active)[0].detach()
    controller.learn(designs, active, torch.tensor([1.0, -1.0]), 0.0)
    after = controller.log_likelihood(designs, active)[0].detach()
    assert after[0] > before[0]
    assert after[1] < before[1]


def test_the_entropy_bonus_makes_choices_more_even() -> None:
    controller = opinionated(TREE)
    designs = TREE.enumerate()
    active = TREE.active(designs)
    before = controller.log_likelihood(designs, active)[1].mean()
    for _ in range(20):
        controller.learn(designs, active, torch.zeros(len(designs)), 1.0)
    assert controller.log_likelihood(designs, active)[1].mean() > before


def test_at_first_every_choice_is_equally_likely() -> None:
    designs = make_agent("reinforce", ORDINAL, 0).ask(5000)
    counts = np.stack([np.bincount(column, minlength=8) for column in designs.T])
    assert (((counts - 625) ** 2 / 625).sum(axis=1) < 29).all()


def test_the_baseline_is_a_moving_average_of_the_rewards() -> None:
    agent = make_agent("reinforce", ORDINAL, 0, decay=0.5)
    assert isinstance(agent, Reinforce)
    means = []
    for seed in range(4):
        designs = ORDINAL.space.sample(16, seed)
        evaluation = ORDINAL.evaluate(designs)
        agent.tell(designs, evaluation)
        means.append(ORDINAL.reward(evaluation).mean())
    weights = 0.5 ** np.arange(4, 0, -1)
    assert agent._mean / agent._weight == pytest.approx(np.average(means, weights=weights))


def test_a_state_between_asking_and_telling() -> None:
    made, copy = make_agent("reinforce", CONDITIONAL, 0), make_agent("reinforce", CONDITIONAL, 7)
    designs = made.ask(40)
    made.tell(designs, CONDITIONAL.evaluate(designs))
    copy.load_state_dict(json.loads(json.dumps(made.state_dict())))
    assert np.array_equal(made.ask(40), copy.ask(40))
