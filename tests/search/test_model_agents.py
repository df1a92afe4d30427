"""Agents with a model: densities, forests, Gaussian processes, and the choice among agents."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from moocore import hypervolume
from numpy.typing import NDArray
from scipy.optimize import check_grad

from codesign_gym.envs import DesignProblem, make_problem
from codesign_gym.experiments.testing import synthetic_problem
from codesign_gym.search import Agent, bayesian, make_agent, search
from codesign_gym.search.agents import (
    Auto,
    Forest,
    GaussianProcess,
    Nsga2,
    RegularizedEvolution,
    Tpe,
    auto,
)
from codesign_gym.search.agents.gaussian_process import _Kernel
from codesign_gym.search.bayesian import BayesianAgent, Posterior
from codesign_gym.search.operators import keys
from codesign_gym.search_spaces import Categorical, Designs, InputError, Ordinal, SearchSpace

CATEGORICAL = synthetic_problem("categorical")
ORDINAL = synthetic_problem("ordinal")
TABLES = make_problem("synthetic-12x8", instance=7)
FRONT = make_problem("synthetic-12x8-front", instance=7)


def told(agent: str, problem: DesignProblem, n: int, **options: Any) -> Agent:
    """An agent that was told of random designs."""
    made = make_agent(agent, problem, 0, **options)
    designs = problem.space.sample(n, np.random.default_rng(0))
    made.tell(designs, problem.evaluate(designs))
    return made


@pytest.mark.parametrize("agent", ["forest", "gp"])
def test_a_model_needs_a_fraction_of_the_evaluations(agent: str) -> None:
    found = search(TABLES, make_agent(agent, TABLES, 0), 120).best
    chance = search(TABLES, make_agent("random", TABLES, 0), 3000).best
    assert found.feasible
    assert found.reward > chance.reward


def test_specs_that_few_designs_keep() -> None:
    """One random design in a thousand keeps them; a model is to find one."""
    tight = ["energy_uj <= 20400", "latency_ms <= 9.13", "area_mm2 <= 0.775"]
    problem = make_problem("resnet18-asic", specs=tight)
    share = problem.evaluate(problem.space.sample(20_000, 0)).feasible.mean()
    assert 0 < share < 3e-3
    for agent in ("auto", "gp"):
        assert search(problem, make_agent(agent, problem, 0), 80).best.feasible


@pytest.mark.parametrize("agent", ["tpe", "forest", "gp", "auto"])
def test_the_front_of_several_objectives(agent: str) -> None:
    options = {} if agent == "auto" else {"multi_objective": True}

    def volume(agent: str, budget: int, **options: Any) -> float:
        front = search(FRONT, make_agent(agent, FRONT, 0, **options), budget).pareto.objectives
        return float(hypervolume(np.log(front), ref=[0.0, 0.0]))

    assert volume(agent, 150, **options) > volume("random", 450)


@pytest.mark.parametrize("agent", ["forest", "gp"])
def test_nothing_is_proposed_twice(agent: str) -> None:
    history = search(CATEGORICAL, make_agent(agent, CATEGORICAL, 0), 80).history
    assert len(set(keys(history.designs))) == 80


@pytest.mark.parametrize("agent", ["tpe", "forest", "gp"])
def test_designs_asked_for_and_not_told_of_are_not_asked_for_again(agent: str) -> None:
    made = told(agent, ORDINAL, 60)
    first, second = made.ask(6), made.ask(6)
    assert len(set(keys(np.concatenate([first, second])))) == 12


@pytest.mark.parametrize("agent", ["tpe", "forest", "gp"])
def test_nothing_is_learned_twice(agent: str) -> None:
    once, twice = told(agent, ORDINAL, 40), told(agent, ORDINAL, 40)
    designs = ORDINAL.space.sample(40, np.random.default_rng(0))
    twice.tell(designs, ORDINAL.evaluate(designs))
    assert np.array_equal(once.ask(8), twice.ask(8))


@pytest.mark.parametrize("agent", ["forest", "gp"])
def test_a_small_space_is_seen_whole(agent: str) -> None:
    problem = synthetic_problem("single-value")
    history = search(problem, make_agent(agent, problem, 0, start=2, batch=2), 12).history
    assert len(np.unique(history.designs, axis=0)) == 5


# -- densities --------------------------------------------------------------------------------


@pytest.mark.parametrize("together", ["each", "group", "all"])
def test_a_density_sums_to_one(together: str) -> None:
    parts = SearchSpace("a", (Ordinal("x", (1, 2, 3, 4)), Categorical("y", ("p", "q", "r"))))
    space = parts * SearchSpace("b", (Ordinal("z", (1, 2, 3)),))
    agent = told("tpe", ORDINAL, 5, together=together)
    assert isinstance(agent, Tpe)
    agent.space = space
    centres = space.sample(7, np.random.default_rng(0))
    everything = space.enumerate()
    total = np.zeros(len(everything))
    for columns in agent._blocks():
        total += agent._density(everything, centres, agent._kernel(), columns)
    assert np.exp(total).sum() == pytest.approx(1.0, abs=1e-4)


def test_a_joint_density_of_one_column_is_that_of_the_column() -> None:
    agent = told("tpe", ORDINAL, 5)
    assert isinstance(agent, Tpe)
    space = ORDINAL.space
    drawn, centres = space.sample(30, 1), space.sample(9, 2)
    alone = agent._density(drawn, centres, agent._kernel(), np.array([3]))
    others = np.zeros_like(centres)  # the same for all: adds a constant
    others[:, 3] = centres[:, 3]
    points = np.zeros_like(drawn)
    points[:, 3] = drawn[:, 3]
    joint = agent._density(points, others, agent._kernel(), np.array([3, 4]))
    assert np.corrcoef(alone, joint)[0, 1] > 0.99


def test_draws_follow_the_density() -> None:
    agent = told("tpe", ORDINAL, 5)
    assert isinstance(agent, Tpe)
    good = ORDINAL.space.sample(4, np.random.default_rng(3))
    kernel = agent._kernel()
    drawn = agent._draw(good, kernel, 20_000)
    for j in range(8):
        expected = kernel[j][good[:, j]].mean(axis=0)
        found = np.bincount(drawn[:, j], minlength=8) / len(drawn)
        np.testing.assert_allclose(found, expected, atol=0.02)


# -- models -----------------------------------------------------------------------------------


def posterior(agent: BayesianAgent) -> Posterior:
    order = agent._best_first(False)
    return agent._fit(order, agent._goals(), agent._limits())


@pytest.mark.parametrize("name", ["forest", "gp"])
def test_a_model_knows_what_it_was_told_and_doubts_the_rest(name: str) -> None:
    agent = told(name, TABLES, 150)
    assert isinstance(agent, BayesianAgent)
    model = posterior(agent)
    goals = np.concatenate([agent._goals(), agent._limits()], axis=1)
    mean, deviation = model.predict(agent._designs)
    assert mean.shape == goals.shape == (len(agent._designs), 2)
    assert np.abs(mean - goals).mean() < 0.1
    others = TABLES.space.sample(500, np.random.default_rng(5))
    elsewhere = model.predict(others)
    assert elsewhere[1].mean() > 3 * deviation.mean()
    truth = -np.log(TABLES.evaluate(others).metrics["delay_ms"])
    assert np.corrcoef(elsewhere[0][:, 0], -truth)[0, 1] > 0.5
    np.testing.assert_allclose(
        np.sqrt(model.covariance(others[:50]).diagonal()), elsewhere[1][:50, 0], rtol=0.02
    )


def test_a_processs_slope_is_that_of_its_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    space = SearchSpace("s", (Ordinal("x", (1, 2, 3, 4)), Categorical("y", ("p", "q", "r"))))
    designs = space.enumerate()
    targets = np.random.default_rng(0).normal(size=(len(designs), 2))
    errors: list[float] = []

    def minimize(loss: Any, start: NDArray[np.float64], **_: Any) -> Any:
        for shift in (0.0, 0.5, -1.0):
            at = start + shift
            errors.append(check_grad(lambda x: loss(x)[0], lambda x: loss(x)[1], at))
        return type("Found", (), {"x": start})

    monkeypatch.setattr("scipy.optimize.minimize", minimize)
    kernel = _Kernel(space)
    kernel.learn(designs, targets, kernel.first())
    assert max(errors) < 1e-4


def test_a_process_finds_out_which_parameters_matter_and_how() -> None:
    space = SearchSpace("s", tuple(Categorical(f"x{i}", tuple("abcdefgh")) for i in range(3)))
    designs = space.sample(150, 0)
    rough = np.random.default_rng(1).normal(size=8)
    targets = (np.sin(designs[:, 0] / 1.5) * rough[designs[:, 1]])[:, None]
    kernel = _Kernel(space)
    weights = np.exp(kernel.learn(designs, targets, kernel.first()))
    overlap, distance = weights[:3], weights[3:6]
    assert distance[0] > 100 * overlap[0]  # the order of x0 means something
    assert overlap[1] > 5 * distance[1]  # that of x1 does not
    assert max(overlap[2], distance[2]) < 0.01  # x2 does not matter


def test_a_process_leaves_out_what_was_not_measured() -> None:
    agent = told("gp", TABLES, 80)
    assert isinstance(agent, GaussianProcess)
    spared = np.arange(len(agent._designs)) % 2 == 1
    agent._values[spared] = np.nan
    goals = agent._goals()
    np.testing.assert_array_equal(np.isnan(goals[:, 0]), spared)
    every = np.arange(len(goals))
    points = TABLES.space.sample(50, 9)
    mean, _ = agent._fit(every, goals, agent._limits()).predict(points)
    alone = GaussianProcess(TABLES.statement)
    alone._designs = agent._designs
    expected, _ = alone._fit(every[~spared], goals, agent._limits()).predict(points)
    np.testing.assert_allclose(mean[:, 0], expected[:, 0])


@pytest.mark.parametrize("name", ["forest", "gp"])
def test_models_do_without_any_measured_goal(name: str) -> None:
    agent = told(name, TABLES, 40)
    assert isinstance(agent, BayesianAgent)
    agent._values[1:] = np.nan
    mean, deviation = posterior(agent).predict(TABLES.space.sample(20, 9))
    assert np.isfinite(mean).all()
    assert (deviation > 0).all()


def test_covariances_agree_with_distances() -> None:
    kernel = _Kernel(ORDINAL.space)
    designs, weights = ORDINAL.space.sample(20, 0), _Kernel(ORDINAL.space).first()
    expected = np.exp(-np.tensordot(np.exp(weights[:-1]), kernel.distances(designs), 1))
    np.testing.assert_allclose(kernel.between(designs, designs, weights), expected, rtol=1e-5)


def test_the_process_is_conditioned_on_the_best_and_the_latest() -> None:
    agent = told("gp", ORDINAL, 200, most=30)
    assert isinstance(agent, GaussianProcess)
    model: Any = posterior(agent)
    rows = {key: i for i, key in enumerate(keys(agent._designs))}
    used = {rows[key] for key in keys(model._parts[-1][0])}  # validity, known of all
    n = len(agent._designs)
    assert used >= set(range(n - 10, n))
    assert used >= set(agent._best_first(False)[:20].tolist())


# -- acquisition ------------------------------------------------------------------------------


def test_expected_improvement_far_and_near() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=2_000_000)
    for gap, deviation in ((1.0, 0.5), (0.0, 1.0), (-2.0, 1.0)):
        sampled = np.maximum(gap - deviation * draws, 0).mean()
        found = bayesian._log_improvement(np.array([gap]), np.array([deviation]))
        assert np.exp(found[0]) == pytest.approx(sampled, rel=0.02)
    below = bayesian._log_improvement(np.linspace(-60, 0, 500), np.ones(500))
    assert np.isfinite(below).all()
    assert (np.diff(below) > 0).all()  # no step where the formula changes


def test_believing_a_point_leaves_no_doubt_about_it() -> None:
    factor = np.random.default_rng(0).normal(size=(6, 6))
    covariance = factor @ factor.T
    expected = (
        covariance[1:, 1:] - np.outer(covariance[1:, 0], covariance[0, 1:]) / covariance[0, 0]
    )
    bayesian._believe(covariance, 0)
    np.testing.assert_allclose(covariance[1:, 1:], expected)
    np.testing.assert_allclose(covariance[0], 0, atol=1e-12)


def test_validity_is_a_limit_where_it_is_in_question() -> None:
    agent = told("gp", ORDINAL, 100)
    assert isinstance(agent, BayesianAgent)
    invalid = ~ORDINAL.evaluate(agent._designs).metrics.valid
    assert np.array_equal(agent._limits()[:, -1] > 0, invalid)
    valid = told("gp", TABLES, 100)
    assert isinstance(valid, BayesianAgent)
    limits = valid._limits()
    assert limits.shape == (100, 1)
    assert np.array_equal(limits[:, 0] <= 0, valid._violation == 0)


# -- auto -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "model", "evolution"),
    [
        (TABLES, GaussianProcess, RegularizedEvolution),
        (FRONT, GaussianProcess, Nsga2),
        (synthetic_problem("large", objectives=1), Forest, RegularizedEvolution),
    ],
    ids=["one objective", "two objectives", "120 parameters"],
)
def test_what_auto_picks(
    problem: DesignProblem, model: type[Agent], evolution: type[Agent]
) -> None:
    agent = make_agent("auto", problem, 0)
    assert isinstance(agent, Auto)
    assert type(agent._model) is model
    assert type(agent._evolution) is evolution
    assert agent._model.options.multi_objective == (len(problem.objectives) > 1)


def test_auto_hands_over_when_the_model_had_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "MODELLED", 40)
    agent = make_agent("auto", ORDINAL, 0)
    assert isinstance(agent, Auto)
    designs: list[Designs] = []
    while len(designs) < 40 or sum(map(len, designs)) < 60:
        designs.append(agent.ask(agent.batch_size))
        agent.tell(designs[-1], ORDINAL.evaluate(designs[-1]))
        assert (agent.batch_size == agent._model.batch_size) == (agent._asked < 40)
    assert len(set(keys(np.concatenate(designs)))) == sum(map(len, designs))
    copy = make_agent("auto", ORDINAL, 5)
    copy.load_state_dict(json.loads(json.dumps(agent.state_dict())))
    assert np.array_equal(agent.ask(10), copy.ask(10))


def test_auto_keeps_the_model_where_evaluations_are_costly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auto, "MODELLED", 10)
    for evaluation_ms, stays in ((5.0, False), (500.0, True)):
        agent = make_agent("auto", TABLES, 0, evaluation_ms=evaluation_ms)
        assert isinstance(agent, Auto)
        agent.ask(10)
        assert (agent.batch_size == agent._model.batch_size) == stays


@pytest.mark.parametrize(
    ("agent", "option", "value"),
    [
        ("tpe", "start", 0),
        ("tpe", "batch", 0),
        ("tpe", "most", 0),
        ("tpe", "candidates", 0),
        ("tpe", "good", 1.5),
        ("tpe", "spread", 0),
        ("tpe", "together", "some"),
        ("forest", "start", 0),
        ("forest", "batch", 0),
        ("forest", "trees", 1),
        ("gp", "start", 0),
        ("gp", "batch", 0),
        ("gp", "most", 9),
        ("auto", "evaluation_ms", -1),
    ],
)
def test_options_out_of_range(agent: str, option: str, value: object) -> None:
    with pytest.raises(InputError, match=f"option '{option}' of {agent} must be"):
        make_agent(agent, ORDINAL, 0, **{option: value})


def test_ranks_tell_apart_what_is_close_at_the_top() -> None:
    values = np.concatenate([np.linspace(0, 1e-3, 20), np.linspace(1, 2, 80), [np.nan]])
    mixed = bayesian._ranked_too(bayesian._scaled(values))
    assert np.isnan(mixed[-1])
    assert np.isfinite(mixed[:-1]).all()
    assert (np.diff(mixed[:-1]) >= 0).all()
    before = bayesian._scaled(values)
    assert np.ptp(mixed[:20]) > 100 * np.ptp(before[:20])
    np.testing.assert_array_equal(bayesian._ranked_too(np.full(3, np.nan)), np.full(3, np.nan))
    assert (bayesian._ranked_too(np.ones(4)) == 0).all()
