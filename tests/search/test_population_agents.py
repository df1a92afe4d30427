"""Local search, annealing, the genetic algorithm and the ants do what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from codesign_gym.envs import DesignProblem, make_problem
from codesign_gym.experiments.testing import synthetic_problem
from codesign_gym.search import make_agent, search
from codesign_gym.search.agents import Annealing, AntColony, Genetic, LocalSearch
from codesign_gym.search.constraints import merit
from codesign_gym.search.operators import keys
from codesign_gym.search_spaces import InputError

CATEGORICAL = synthetic_problem("categorical")
ORDINAL = synthetic_problem("ordinal")
AGENTS = ["local-search", "annealing", "genetic", "ant-colony", "tpe"]


def best(problem: DesignProblem, agent: str, budget: int, seeds: int, **options: Any) -> float:
    runs = [search(problem, make_agent(agent, problem, s, **options), budget) for s in range(seeds)]
    return float(np.median([run.best.reward for run in runs]))


@pytest.mark.parametrize("problem", [CATEGORICAL, ORDINAL], ids=lambda problem: problem.name)
@pytest.mark.parametrize("agent", AGENTS)
def test_beats_random_search(problem: DesignProblem, agent: str) -> None:
    assert best(problem, agent, 300, 5) > best(problem, "random", 300, 9)


@pytest.mark.parametrize("agent", AGENTS)
def test_beats_random_search_where_values_are_shuffled(agent: str) -> None:
    problem = make_problem("synthetic-12x8", instance=7)
    assert best(problem, agent, 400, 3) > best(problem, "random", 1000, 5)


@pytest.mark.parametrize("agent", AGENTS)
def test_nothing_is_proposed_twice(agent: str) -> None:
    history = search(ORDINAL, make_agent(agent, ORDINAL, 0), 500).history
    assert len(set(keys(history.designs))) == 500


@pytest.mark.parametrize("agent", AGENTS)
def test_a_small_space_is_seen_whole(agent: str) -> None:
    problem = synthetic_problem("single-value")
    history = search(problem, make_agent(agent, problem, 0), 40).history
    assert len(np.unique(history.designs, axis=0)) == problem.space.cardinality == 5


@pytest.mark.parametrize("agent", AGENTS)
def test_violation_falls_where_nothing_is_feasible(agent: str) -> None:
    problem = synthetic_problem("ordinal", infeasible=True)
    lowest = [
        search(problem, make_agent(name, problem, 0), 300).history.violation.min()
        for name in (agent, "random")
    ]
    assert lowest[0] < lowest[1]


# -- local search -----------------------------------------------------------------------------


def test_local_search_ends_its_climbs_where_no_neighbour_is_better() -> None:
    agent = make_agent("local-search", ORDINAL, 0, start=1, batch=1, improvement="best")
    assert isinstance(agent, LocalSearch)
    told: dict[bytes, float] = {}
    stood: list[tuple[bytes, float]] = []
    for _ in range(400):
        designs = agent.ask(1)
        evaluation = ORDINAL.evaluate(designs)
        told[keys(designs)[0]] = float(merit(evaluation, ORDINAL.reward(evaluation))[0])
        before = agent._at.copy()
        agent.tell(designs, evaluation)
        if not np.array_equal(before, agent._at):
            stood.append((keys(agent._at)[0], agent._at_merit))
            if len(before):
                steps = ORDINAL.space.neighbours(before)[0]
                known = [told[key] for key in keys(steps) if key in told]
                climbed = keys(agent._at)[0] in set(keys(steps))
                assert not climbed or told[keys(agent._at)[0]] == max(known)
    rises = np.diff([value for _, value in stood])
    assert (rises < 0).any()  # it climbed again from elsewhere
    assert (rises > 0).sum() > (rises < 0).sum()
    top = agent._best
    around = ORDINAL.evaluate(ORDINAL.space.neighbours(top)[0])
    assert merit(around, ORDINAL.reward(around)).max() <= agent._best_merit


def test_kicks_stay_near_the_best_design() -> None:
    kicked, random = (
        make_agent("local-search", ORDINAL, 0, restart=restart) for restart in ("kick", "random")
    )
    for agent, near in ((kicked, True), (random, False)):
        assert isinstance(agent, LocalSearch)
        designs = agent.ask(16)
        agent.tell(designs, ORDINAL.evaluate(designs))
        away = (agent._elsewhere(200) != agent._best).sum(axis=1)
        assert (away.mean() < 3.01) == near


# -- annealing --------------------------------------------------------------------------------


def test_frozen_chains_only_rise() -> None:
    agent = make_agent("annealing", ORDINAL, 0, hot=1e-9, cold=1e-9, start=10, chains=3)
    assert isinstance(agent, Annealing)
    before = None
    for _ in range(60):
        designs = agent.ask(6)
        agent.tell(designs, ORDINAL.evaluate(designs))
        if before is not None:
            assert (agent._reward >= before).all()
        before = agent._reward.copy() if len(agent._at) else None
    assert len(agent._at) == 3


def test_hot_chains_wander() -> None:
    agent = make_agent("annealing", ORDINAL, 0, hot=1e9, cold=1e9, start=10, chains=3)
    assert isinstance(agent, Annealing)
    accepted = 0
    for _ in range(40):
        designs = agent.ask(3)
        started = len(agent._at) > 0
        agent.tell(designs, ORDINAL.evaluate(designs))
        accepted += started * len(set(keys(designs)) & set(keys(agent._at)))
    assert accepted > 90


def test_it_grows_cold_by_the_end_of_the_search() -> None:
    agent = make_agent("annealing", ORDINAL, 0)
    assert isinstance(agent, Annealing)
    search(ORDINAL, agent, 123)
    assert agent._horizon == 123
    fixed = make_agent("annealing", ORDINAL, 0, horizon=77)
    assert isinstance(fixed, Annealing)
    search(ORDINAL, fixed, 50)
    assert fixed._horizon == 77


# -- genetic ----------------------------------------------------------------------------------


def test_the_best_survive_once() -> None:
    agent = make_agent("genetic", ORDINAL, 0, population=12)
    assert isinstance(agent, Genetic)
    designs = np.unique(ORDINAL.space.sample(200, np.random.default_rng(1)), axis=0)
    evaluation = ORDINAL.evaluate(designs)
    for part in (slice(80), slice(40, 200)):
        agent.tell(designs[part], evaluation.take(part))
    values = merit(evaluation, ORDINAL.reward(evaluation))
    expected = np.sort(values)[::-1][:12]
    np.testing.assert_array_equal(agent._merit, expected)
    assert len(np.unique(agent._designs, axis=0)) == 12


# -- ants -------------------------------------------------------------------------------------


def test_pheromone_grows_on_the_choices_of_the_best() -> None:
    agent = make_agent("ant-colony", ORDINAL, 0, elite=1, evaporation=0.5, least=0.1, ants=20)
    assert isinstance(agent, AntColony)
    designs = ORDINAL.space.sample(20, np.random.default_rng(0))
    evaluation = ORDINAL.evaluate(designs)
    agent.tell(designs, evaluation)
    top = designs[merit(evaluation, ORDINAL.reward(evaluation)).argmax()]
    chosen = ORDINAL.space.one_hot(top[None])[0] == 1
    np.testing.assert_allclose(agent._pheromone[chosen], 0.5 / 8 + 0.5)
    np.testing.assert_allclose(agent._pheromone[~chosen], 0.5 / 8)
    for _ in range(30):
        agent.tell(designs, evaluation)
    np.testing.assert_allclose(agent._pheromone[~chosen], 0.1 / 8)
    drawn = np.concatenate([agent.ask(50) for _ in range(10)])
    assert (drawn == top).mean() > 0.5


# -- ranges -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "option", "value"),
    [
        ("local-search", "start", 0),
        ("local-search", "batch", 0),
        ("local-search", "kicks", 0),
        ("local-search", "improvement", "second"),
        ("local-search", "restart", "never"),
        ("annealing", "chains", 0),
        ("annealing", "start", 0),
        ("annealing", "hot", 0),
        ("annealing", "cold", -1),
        ("annealing", "horizon", 0),
        ("genetic", "population", 0),
        ("genetic", "batch", 0),
        ("genetic", "tournament", 0),
        ("genetic", "crossover", 1.1),
        ("genetic", "mutation", -0.1),
        ("ant-colony", "ants", 0),
        ("ant-colony", "elite", 0),
        ("ant-colony", "evaporation", 2),
        ("ant-colony", "least", -1),
    ],
)
def test_options_out_of_range(agent: str, option: str, value: object) -> None:
    with pytest.raises(InputError, match=f"option '{option}' of {agent} must be"):
        make_agent(agent, ORDINAL, 0, **{option: value})
