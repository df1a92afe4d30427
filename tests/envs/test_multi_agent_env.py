"""The multi-agent game in PettingZoo's own terms, alone and as a vector."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test
from pettingzoo.test.seed_test import parallel_seed_test
from pettingzoo.utils.conversions import parallel_to_aec

from codesign_gym.envs import (
    BudgetExhausted,
    DesignProblem,
    Evaluator,
    list_problems,
    make_problem,
)
from codesign_gym.envs.growth_problems import GROWTH_PROBLEMS
from codesign_gym.envs.multi_agent_env import MultiAgentDesignEnv, MultiAgentVectorEnv
from codesign_gym.envs.nas_problems import NAS_PROBLEMS
from codesign_gym.experiments.testing import synthetic_problem, synthetic_problems
from codesign_gym.search_spaces import InputError
from tests.toy import toy_problem

SYNTHETIC = synthetic_problems()


def made(name: str) -> DesignProblem:
    return SYNTHETIC[name] if name in SYNTHETIC else make_problem(name)


def by_agent(env: MultiAgentDesignEnv, design: Any) -> dict[str, Any]:
    """The actions that make a design."""
    return {
        name: np.asarray(design)[own] if len(env.possible_agents) < len(design) else design[own[0]]
        for name, own in zip(env.team.names, env.team.columns, strict=True)
    }


# A game of many agents would train hundreds of networks: the synthetic "growing" and "supernet"
# stand for them.
TRAINED = {*GROWTH_PROBLEMS, *NAS_PROBLEMS}
PLAYED = [name for name in list_problems() if name not in TRAINED]


@pytest.mark.parametrize("name", [*PLAYED, *SYNTHETIC])
def test_pettingzoo_finds_no_fault(name: str) -> None:
    problem = made(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for agents, horizon, reward in (
            ("parameter", 1, "shared"),
            ("group", 3, "shared"),
            ("parameter", 2, "difference"),
        ):

            def env(
                agents: str = agents, horizon: int = horizon, reward: str = reward
            ) -> MultiAgentDesignEnv:
                return MultiAgentDesignEnv(problem, agents, horizon, reward)

            parallel_api_test(env(), num_cycles=4)
            parallel_seed_test(env, num_cycles=4)


@pytest.mark.parametrize("agents", ["parameter", "group", "whole"])
@pytest.mark.parametrize("reward", ["shared", "difference"])
@pytest.mark.parametrize("horizon", [1, 3])
def test_the_vector_equals_single_games(agents: str, reward: str, horizon: int) -> None:
    problem = toy_problem()
    game = MultiAgentVectorEnv(4, problem, agents, horizon, reward)
    singles = [MultiAgentDesignEnv(problem, agents, horizon, reward) for _ in range(4)]
    observation, info = game.reset()
    firsts = [env.reset(seed=i) for i, env in enumerate(singles)]
    for step in range(5):
        for i, (seen, known) in enumerate(firsts):
            assert np.array_equal(game.state[i], singles[i].state())
            assert np.array_equal(observation[i], np.stack(list(seen.values())))
            masks = [
                np.ravel(np.concatenate(np.atleast_2d(m["action_mask"])))
                if isinstance(m["action_mask"], np.ndarray)
                else np.concatenate(m["action_mask"])
                for m in known.values()
            ]
            assert np.concatenate(masks).tolist() == info["action_mask"][i].tolist()
        designs = problem.space.sample(4, np.random.default_rng(step))
        observation, rewards, terminated, truncated, info = game.step(designs)
        done = step % horizon == horizon - 1
        assert terminated.tolist() == [done] * 4
        assert not truncated.any()
        firsts = []
        for i, env in enumerate(singles):
            seen, paid, ended, cut, known = env.step(by_agent(env, designs[i]))
            assert list(paid.values()) == rewards[i].tolist()
            assert set(ended.values()) == {done}
            assert set(cut.values()) == {False}
            for about in known.values():
                assert about["metrics"] == {k: v[i] for k, v in info["metrics"].items()}
                assert about["feasible"] == info["feasible"][i]
                assert about["violation"] == info["violation"][i]
                assert about["design"] == problem.space.decode(info["designs"])[i]
            if done:
                assert np.array_equal(info["final_obs"][i], np.stack(list(seen.values())))
                assert np.array_equal(info["final_state"][i], env.state())
                assert env.agents == []
                firsts.append(env.reset())
            else:
                firsts.append((seen, known))


@pytest.mark.parametrize("name", ["resnet18-asic", "mnist1d-asic", "conditional"])
def test_shared_reward_is_the_problems_and_every_design_is_reached(name: str) -> None:
    problem = made(name)
    designs = problem.space.sample(64, 0)
    game = MultiAgentVectorEnv(64, problem)
    observation, rewards, _, _, info = game.step(designs)
    assert np.array_equal(info["designs"], designs)
    expected = problem.reward(problem.evaluate(designs))
    assert np.array_equal(rewards, np.repeat(expected[:, None], len(problem.space), axis=1))
    assert observation.shape == (64, len(problem.space), game.view.size)
    env = MultiAgentDesignEnv(problem)
    for agent, k in zip(env.possible_agents, problem.space.nvec, strict=True):
        assert env.action_space(agent).n == k  # type: ignore[union-attr]


@pytest.mark.parametrize("agents", ["parameter", "group", "whole"])
def test_difference_reward_by_its_definition(agents: str) -> None:
    problem = toy_problem()
    game = MultiAgentVectorEnv(3, problem, agents, 2, "difference", default=[1, 1, 2])
    reference = np.array([[1, 1, 2]] * 3)
    for step in range(2):
        designs = problem.space.sample(3, step)
        rewards = game.step(designs)[1]
        for i in range(3):
            for agent, own in enumerate(game.team.columns):
                other = designs[i].copy()
                other[own] = reference[i, own]
                pair = problem.reward(problem.evaluate([designs[i], other]))
                assert rewards[i, agent] == pytest.approx(pair[0] - pair[1], abs=1e-12)
        reference = designs
    stay = game.step([[1, 1, 2]] * 3)[1]  # a new episode: the default again
    assert not stay.any()


def test_extra_evaluations_are_counted() -> None:
    problem = toy_problem()
    evaluator = Evaluator(problem, budget=41)
    game = MultiAgentVectorEnv(
        5, problem.statement, reward="difference", evaluate=evaluator.evaluate
    )
    assert game.evaluations_per_step == 5 * (1 + 3)
    for used in (20, 40):
        game.step(problem.space.sample(5, used))
        assert evaluator.used == used
    with pytest.raises(BudgetExhausted):
        game.step(problem.space.sample(5, 0))
    assert MultiAgentVectorEnv(5, problem).evaluations_per_step == 5
    with pytest.raises(InputError, match="a problem statement cannot evaluate designs"):
        MultiAgentVectorEnv(5, problem.statement)


def test_masks_close_what_does_not_count() -> None:
    problem = synthetic_problem("conditional")  # kind -> cache -> policy; ports; depth
    env = MultiAgentDesignEnv(problem, horizon=3)
    masks = {name: info["action_mask"] for name, info in env.reset()[1].items()}
    assert all(mask.all() for mask in masks.values())
    actions = dict.fromkeys(env.agents, 0) | {"cache": 3, "policy": 1}
    _, _, _, _, infos = env.step(actions)
    assert infos["kind"]["design"]["kind"] == "simple"
    assert infos["cache"]["action_mask"].tolist() == [1, 0, 0, 0]
    assert infos["policy"]["action_mask"].tolist() == [1, 0]
    assert infos["ports"]["action_mask"].tolist() == [1] * 6
    space = env.action_space("cache")
    assert space.sample(infos["cache"]["action_mask"]) == 0
    _, _, _, _, infos = env.step(actions | {"kind": 1})  # the others moved: nothing is forbidden
    assert infos["kind"]["design"] == {
        "kind": "cached",
        "cache": 8,
        "policy": "fifo",
        "ports": 1,
        "depth": 1,
    }
    assert infos["policy"]["action_mask"].tolist() == [1, 1]
    whole = MultiAgentDesignEnv(problem, "group", horizon=2)
    (name,) = whole.possible_agents
    whole.reset()
    _, _, _, _, infos = whole.step({name: np.zeros(5, dtype=np.int64)})
    assert all(mask.all() for mask in infos[name]["action_mask"])  # it may open them itself
    assert whole.action_space(name).contains(
        whole.action_space(name).sample(infos[name]["action_mask"])
    )


def test_observations_and_states_are_in_their_spaces() -> None:
    for problem in (make_problem("mnist1d-asic"), synthetic_problem("conditional")):
        for agents in ("parameter", "group", "whole"):
            env = MultiAgentDesignEnv(problem, agents, horizon=4)
            seen, _ = env.reset()
            rng = np.random.default_rng(0)
            while env.agents:
                assert env.state_space.contains(env.state())
                for name in env.agents:
                    assert env.observation_space(name).contains(seen[name])
                seen = env.step(by_agent(env, problem.space.sample(1, rng)[0]))[0]
            assert env.state_space.contains(env.state())


def test_pettingzoos_conversion_fits() -> None:
    env = parallel_to_aec(MultiAgentDesignEnv(toy_problem()))
    env.reset(seed=0)
    for name in env.agent_iter():
        _, _, terminated, truncated, _ = env.last()
        env.step(None if terminated or truncated else env.action_space(name).sample())
    assert env.agents == []


def test_specs_of_a_named_problem() -> None:
    env = MultiAgentDesignEnv("resnet18-asic", specs=["area_mm2<=0.01"])
    env.reset()
    infos = env.step({name: env.action_space(name).n - 1 for name in env.agents})[4]  # type: ignore[union-attr]
    assert not infos["rows"]["feasible"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"net.depth": 4}, r"action of agent 'net.depth' must be in Discrete\(4\), got 4"),
        ({"net.depth": 0.5}, r"action of agent 'net.depth' must be in Discrete\(4\), got 0.5"),
        ({"net.depht": 1}, r"unknown agent 'net.depht'; did you mean 'net.depth'"),
    ],
)
def test_bad_actions(change: dict[str, Any], text: str) -> None:
    env = MultiAgentDesignEnv(toy_problem())
    env.reset()
    with pytest.raises(InputError, match=text):
        env.step(dict.fromkeys(env.agents, 0) | change)


def test_an_agent_without_an_action_and_a_step_too_many() -> None:
    env = MultiAgentDesignEnv(toy_problem(), "group")
    with pytest.raises(InputError, match=r"call reset\(\)"):
        env.step({})
    env.reset()
    with pytest.raises(InputError, match="actions lack that of agent 'net'"):
        env.step({"chip": [0, 0]})
    env.step({"chip": [0, 0], "net": [0]})
    with pytest.raises(InputError, match=r"call reset\(\)"):
        env.step({"chip": [0, 0], "net": [0]})


@pytest.mark.parametrize("actions", [[[0, 0, 0]], [[0, 0, 0]] * 3, 0, []])
def test_wrong_number_of_designs(actions: Any) -> None:
    with pytest.raises(InputError, match=r"actions must be 2 designs, got shape \["):
        MultiAgentVectorEnv(2, toy_problem()).step(actions)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"horizon": 0}, "horizon must be a whole number of at least 1, got 0"),
        ({"num_envs": 0}, "num_envs must be a whole number of at least 1, got 0"),
        ({"problem": 2}, "problem must be a registered name or a DesignProblem, got 2"),
        ({"agents": "all"}, "unknown form of agents 'all'"),
        ({"reward": "diference"}, "did you mean 'difference'"),
        ({"default": [0, 0, 9]}, r"'net\.depth' must be a choice index in 0\.\.3"),
    ],
)
def test_bad_options(options: dict[str, Any], text: str) -> None:
    given: dict[str, Any] = {"num_envs": 2, "problem": toy_problem()} | options
    with pytest.raises(InputError, match=text):
        MultiAgentVectorEnv(**given)
