"""Each agent searches better than chance where it should, and does what its options say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from moocore import hypervolume

from codesign_gym.envs import DesignProblem, Evaluator, make_problem
from codesign_gym.experiments.testing import synthetic_problem
from codesign_gym.search import agent_class, make_agent, search
from codesign_gym.search.agents import CatCma, Nsga2, RegularizedEvolution
from codesign_gym.search.capabilities import missing_packages
from codesign_gym.search.operators import keys
from codesign_gym.search_spaces import InputError

CATEGORICAL = synthetic_problem("categorical")
ORDINAL = synthetic_problem("ordinal")
SINGLE_OBJECTIVE = synthetic_problem("ordinal", objectives=1)


def installed(agent: str) -> None:
    """Skip the test of an agent whose package is not there."""
    missing = missing_packages(agent_class(agent).packages)
    if missing:
        pytest.skip(f"{agent} needs the package {missing[0]}")


def best_rewards(
    problem: DesignProblem, agent: str, budget: int, seeds: int, **options: Any
) -> Any:
    runs = [search(problem, make_agent(agent, problem, s, **options), budget) for s in range(seeds)]
    return np.array([run.best.reward for run in runs])


@pytest.mark.parametrize("problem", [CATEGORICAL, ORDINAL], ids=lambda problem: problem.name)
@pytest.mark.parametrize(
    ("agent", "options"),
    [
        ("regularized-evolution", {}),
        ("nsga2", {}),
        ("optuna", {"sampler": "TPE"}),
        ("optuna", {"sampler": "NSGAII", "multi_objective": False}),
        ("ppo", {}),
        ("ippo", {}),
        ("ippo", {"agents": "group"}),
        ("mappo", {}),
        ("reinforce", {}),
        ("sac", {}),
        ("a2c", {}),
        ("catcma", {}),
        ("dqn", {}),
        ("maskable-ppo", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_beats_random_search(problem: DesignProblem, agent: str, options: dict[str, Any]) -> None:
    installed(agent)
    budget = 150 if options.get("sampler") == "TPE" else 400  # TPE learns fast, and is slow
    found = best_rewards(problem, agent, budget, 3, **options)
    assert np.median(found) > np.median(best_rewards(problem, "random", budget, 9))


def test_the_gaussian_process_beats_random_search() -> None:
    found = best_rewards(CATEGORICAL, "optuna", 30, 1, sampler="GP")
    assert found[0] > np.median(best_rewards(CATEGORICAL, "random", 30, 15))


def test_evolution_beats_random_search_on_hardware() -> None:
    problem = make_problem("resnet18-asic")
    chance = np.median(best_rewards(problem, "random", 400, 7))
    for agent in ("regularized-evolution", "nsga2"):
        assert np.median(best_rewards(problem, agent, 400, 5)) > chance


def test_the_front_of_nsga2_beats_that_of_random_search() -> None:
    problem = make_problem("resnet18-asic", objectives=["energy_uj", "latency_ms"])

    def volume(agent: str, seed: int) -> float:
        front = search(problem, make_agent(agent, problem, seed), 600).pareto.objectives
        return float(hypervolume(np.log(front), ref=np.log([1e5, 100.0])))

    volumes = {agent: [volume(agent, seed) for seed in range(5)] for agent in ("random", "nsga2")}
    assert np.median(volumes["nsga2"]) > np.median(volumes["random"])
    assert min(volumes["nsga2"]) > min(volumes["random"])


# -- random -----------------------------------------------------------------------------------


def test_random_search_repeats_nothing_and_is_uniform() -> None:
    agent = make_agent("random", ORDINAL, 0)
    designs = np.concatenate([agent.ask(500) for _ in range(10)])
    assert len(set(keys(designs))) == 5000
    counts = np.stack([np.bincount(column, minlength=8) for column in designs.T])
    # Chi-squared with 7 degrees of freedom: above 29 once in 10,000.
    assert (((counts - 625) ** 2 / 625).sum(axis=1) < 29).all()


# -- regularized evolution --------------------------------------------------------------------


def test_the_oldest_leave_the_population() -> None:
    agent = make_agent("regularized-evolution", ORDINAL, 0, population=10)
    assert isinstance(agent, RegularizedEvolution)
    told = []
    for _ in range(5):
        designs = agent.ask(4)
        told += designs.tolist()
        agent.tell(designs, ORDINAL.evaluate(designs))
    assert np.array(agent._designs).tolist() == told[-10:]
    rewards = ORDINAL.reward(ORDINAL.evaluate(told[-10:]))
    np.testing.assert_allclose(agent._rewards, rewards)


def test_mutants_descend_from_the_winner_where_all_take_part() -> None:
    agent = make_agent("regularized-evolution", ORDINAL, 0, population=12, tournament=400)
    designs = agent.ask(12)
    evaluation = ORDINAL.evaluate(designs)
    agent.tell(designs, evaluation)
    winner = designs[ORDINAL.reward(evaluation).argmax()]
    children = agent.ask(8)
    assert ((children != winner).sum(axis=1) == 1).all()


# -- nsga2 ------------------------------------------------------------------------------------


def test_nsga2_keeps_the_best_fronts_feasible_first() -> None:
    agent = make_agent("nsga2", ORDINAL, 0, population=20)
    assert isinstance(agent, Nsga2)
    assert agent.batch_size == 20
    designs = np.unique(ORDINAL.space.sample(300, np.random.default_rng(0)), axis=0)
    evaluation = ORDINAL.evaluate(designs)
    agent.tell(designs, evaluation)
    kept = ORDINAL.evaluate(agent._designs)
    assert len(kept) == 20
    assert kept.feasible.all()
    feasible = evaluation.objectives[evaluation.feasible].tolist()
    dominated = [
        any(all(x <= y for x, y in zip(a, b, strict=True)) and a != b for a in feasible)
        for b in kept.objectives.tolist()
    ]
    # Whoever is dominated stands behind everyone who is not.
    assert dominated == sorted(dominated)


def test_nsga2_keeps_designs_once() -> None:
    agent = make_agent("nsga2", ORDINAL, 0, population=20)
    assert isinstance(agent, Nsga2)
    designs = ORDINAL.space.sample(15, np.random.default_rng(0))
    for _ in range(3):
        agent.tell(designs, ORDINAL.evaluate(designs))
    assert len(agent._designs) == len(np.unique(designs, axis=0))


def test_nsga2_without_crossover_only_mutates() -> None:
    agent = make_agent("nsga2", ORDINAL, 0, population=30, crossover=0)
    designs = agent.ask(30)
    agent.tell(designs, ORDINAL.evaluate(designs))
    children = agent.ask(30)
    distance = (children[:, None] != designs[None]).sum(axis=2).min(axis=1)
    assert np.mean(distance) < 3  # two random parents of 8 parameters would be 3.5 moves away


def test_nsga2_approaches_feasibility_where_nothing_is_feasible() -> None:
    problem = synthetic_problem("ordinal", infeasible=True)
    for seed in range(3):
        violation = [
            search(problem, make_agent(agent, problem, seed), 400).history.violation.min()
            for agent in ("nsga2", "random")
        ]
        assert violation[0] < violation[1]


# -- optuna -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sampler", ["TPE", "tpe", "TPESampler", "NSGAII", "NSGAIII", "Random", "QMC"]
)
def test_samplers_by_any_spelling(sampler: str) -> None:
    first, second = (
        search(ORDINAL, make_agent("optuna", ORDINAL, seed, sampler=sampler), 30).history.designs
        for seed in (0, 1)
    )
    assert not np.array_equal(first, second)  # the seed reaches the sampler


def test_cma_es_of_optuna() -> None:
    agent = make_agent("optuna", ORDINAL, 0, sampler="CmaEs")
    assert len(search(ORDINAL, agent, 20).history) == 20


@pytest.mark.parametrize("sampler", ["TPF", "GridSampler", "BruteForce", "nsgaii2", "", "Base"])
def test_unknown_sampler_suggests_the_nearest(sampler: str) -> None:
    with pytest.raises(InputError, match=f"unknown Optuna sampler {sampler!r}.*NSGAII, NSGAIII"):
        make_agent("optuna", ORDINAL, 0, sampler=sampler)
    if sampler == "TPF":
        with pytest.raises(InputError, match="did you mean 'TPE'"):
            make_agent("optuna", ORDINAL, 0, sampler=sampler)


@pytest.mark.parametrize(
    ("sampler", "wanted", "problem", "objectives"),
    [
        ("NSGAII", None, ORDINAL, 2),
        ("NSGAII", False, ORDINAL, 1),
        ("TPE", None, ORDINAL, 1),
        ("TPE", True, ORDINAL, 2),
        ("NSGAII", True, SINGLE_OBJECTIVE, 1),
    ],
)
def test_what_the_study_optimises(
    sampler: str, wanted: bool | None, problem: DesignProblem, objectives: int
) -> None:
    agent: Any = make_agent("optuna", problem, 0, sampler=sampler, multi_objective=wanted)
    assert len(agent._study.directions) == objectives
    designs = agent.ask(5)
    evaluation = problem.evaluate(designs)
    agent.tell(designs, evaluation)
    values = np.array([trial.values for trial in agent._study.trials])
    if objectives == 1:
        np.testing.assert_allclose(values[:, 0], -problem.reward(evaluation))
    else:
        finite = np.clip(evaluation.objectives, -1e30, 1e30)
        np.testing.assert_allclose(values, finite)
    constraints = [trial.user_attrs["violations"] for trial in agent._study.trials]
    np.testing.assert_allclose(constraints, evaluation.violations.clip(max=1e30))


# -- ppo --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("num_envs", "rollout"), [(4, 1), (16, 2)])
def test_ppo_evaluates_batches_of_its_environments(num_envs: int, rollout: int) -> None:
    agent = make_agent("ppo", ORDINAL, 0, num_envs=num_envs, rollout=rollout, epochs=1, hidden=4)
    sizes: list[int] = []
    evaluator = Evaluator(ORDINAL, 37, record=lambda evaluation: sizes.append(len(evaluation)))
    agent.search(evaluator)
    whole, rest = divmod(37, num_envs)
    assert sizes == [num_envs] * whole + [rest]
    assert evaluator.remaining == 0


@pytest.mark.parametrize("agent", ["a2c", "dqn", "maskable-ppo", "ppo"])
def test_agents_that_drive_their_own_loop(agent: str) -> None:
    installed(agent)
    made = make_agent(agent, ORDINAL)
    assert made.owns_loop
    with pytest.raises(NotImplementedError, match="use search"):
        made.ask(1)
    with pytest.raises(NotImplementedError, match="use search"):
        made.tell(ORDINAL.space.sample(1, made.rng), ORDINAL.evaluate([[0] * 8]))


@pytest.mark.parametrize("agent", ["a2c", "dqn", "maskable-ppo"])
def test_batches_are_those_of_the_environments(agent: str) -> None:
    installed(agent)
    made = make_agent(agent, ORDINAL, 0, num_envs=8, hidden=4)
    sizes: list[int] = []
    made.search(Evaluator(ORDINAL, 37, record=lambda evaluation: sizes.append(len(evaluation))))
    assert sizes == [8, 8, 8, 8, 5]


# -- catcma -----------------------------------------------------------------------------------


def test_catcma_keeps_to_generations_and_learns_of_its_own() -> None:
    agent = make_agent("catcma", ORDINAL, 0, population=8)
    assert isinstance(agent, CatCma)
    designs = agent.ask(8)
    assert len(set(keys(designs))) == 8
    evaluation = ORDINAL.evaluate(designs)
    agent.tell(designs[:3], evaluation.take(slice(3)))
    agent.tell(designs[:3], evaluation.take(slice(3)))  # a second time: nothing new
    assert agent._optimizer is not None
    assert agent._optimizer.generation == 0
    agent.tell(designs[:2:-1], evaluation.take(slice(7, 2, -1)))  # the others, backwards
    assert agent._optimizer.generation == 1


def test_catcma_begins_where_it_is_told() -> None:
    good = np.full((1, 8), 6, dtype=np.int32)
    told = np.concatenate([ORDINAL.space.sample(30, 0)] + 10 * [good])
    evaluation = ORDINAL.evaluate(told)
    values = np.where((told == good).all(axis=1), 1.0, 0.0)
    agent = make_agent("catcma", ORDINAL, 0)
    assert isinstance(agent, CatCma)
    agent._tell(told, values)
    assert evaluation.designs.shape == told.shape
    near = np.abs(agent.ask(200) - good).mean()
    far = np.abs(make_agent("catcma", ORDINAL, 0).ask(200) - good).mean()
    assert near < 0.6 * far


def test_catcma_goes_on_after_it_has_converged() -> None:
    """Where every design is known, and nothing tells designs apart."""
    problem = synthetic_problem("tiny")
    history = search(problem, make_agent("catcma", problem, 0), 300).history
    assert len(set(keys(history.designs))) == 2
