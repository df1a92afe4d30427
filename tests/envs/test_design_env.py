"""The design game in Gymnasium's own terms, alone and as a vector."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from codesign_gym.envs import DesignProblem, Evaluator, list_problems, make_problem
from codesign_gym.envs.design_env import DesignEnv, DesignVectorEnv
from codesign_gym.envs.observations import observe
from codesign_gym.search_spaces import InputError
from tests.toy import toy_problem

ID = "codesign_gym:codesign/Design-v0"
NAMES = ["resnet18-asic", "mobilenetv2-asic"]
PROBLEMS = [pytest.param(make_problem(name), id=name) for name in NAMES] + [
    pytest.param(toy_problem(), id="toy")
]


def actions_of(
    problem: DesignProblem, n: int, seed: int = 0
) -> np.ndarray[Any, np.dtype[np.int64]]:
    return problem.space.sample(n, np.random.default_rng(seed)).astype(np.int64)


@pytest.mark.parametrize("name", NAMES)
def test_gymnasium_finds_no_fault(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(ID, problem=name)
        check_env(env.unwrapped)
        assert env.spec is not None
        assert env.spec.kwargs["problem"] == name


def test_spec_makes_the_same_environment_again() -> None:
    env = gymnasium.make(ID, problem="resnet18-asic", episode_length=3)
    assert env.spec is not None
    again = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert isinstance(again.unwrapped, DesignEnv)
    assert again.unwrapped.episode_length == 3
    assert again.observation_space == env.observation_space
    assert again.action_space == env.action_space


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("episode_length", [1, 3])
def test_episodes(problem: DesignProblem, episode_length: int) -> None:
    env = DesignEnv(problem, episode_length)
    for _ in range(2):
        observation, info = env.reset()
        assert observation.tolist() == [0.0] * len(observation)
        assert info == {}
        for step in range(episode_length):
            action = actions_of(problem, 1, step)[0]
            observation, reward, terminated, truncated, info = env.step(action)
            found = problem.evaluate(action[None])
            assert env.observation_space.contains(observation)
            assert reward == problem.reward(found)[0]
            assert terminated is (step == episode_length - 1)
            assert truncated is False
            assert info["design"] == problem.space.decode(found.designs)[0]
            assert info["metrics"] == {name: found.metrics[name][0] for name in found.metrics}
            assert info["feasible"] == found.feasible[0]
            assert info["violation"] == found.violation[0]


@pytest.mark.parametrize("problem", PROBLEMS)
def test_observations_are_in_bounds_and_in_order(problem: DesignProblem) -> None:
    found = problem.evaluate(actions_of(problem, 500))
    seen = observe(found)
    assert seen.dtype == np.float32
    assert seen.shape == (500, len(problem.objectives) + len(problem.specs))
    assert (np.abs(seen) <= 1).all()
    for j in range(seen.shape[1]):
        figure = np.concatenate([found.objectives, found.violations], axis=1)[:, j]
        order = np.argsort(figure)
        assert (np.diff(seen[order, j]) >= 0).all()
        assert (seen[~np.isfinite(figure), j] == 1).all()


@pytest.mark.parametrize("episode_length", [1, 3])
def test_vector_equals_gymnasiums_own_vector_of_single_ones(episode_length: int) -> None:
    """Observations, rewards, ends, autoreset and infos are those of SyncVectorEnv."""
    problem = toy_problem()
    own = DesignVectorEnv(4, problem, episode_length)
    reference = SyncVectorEnv(
        [lambda: DesignEnv(problem, episode_length)] * 4, autoreset_mode=AutoresetMode.SAME_STEP
    )
    assert own.single_observation_space == reference.single_observation_space
    assert own.observation_space == reference.observation_space
    assert own.action_space == reference.action_space
    assert own.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    np.testing.assert_array_equal(own.reset(seed=1)[0], reference.reset(seed=1)[0])
    for step in range(7):
        actions = actions_of(problem, 4, step)
        observation, reward, terminated, truncated, info = own.step(actions)
        expected = reference.step(actions)
        np.testing.assert_array_equal(observation, expected[0])
        np.testing.assert_array_equal(reward, expected[1])
        np.testing.assert_array_equal(terminated, expected[2])
        np.testing.assert_array_equal(truncated, expected[3])
        assert observation.dtype == expected[0].dtype
        assert reward.dtype == expected[1].dtype
        assert terminated.dtype == truncated.dtype == expected[2].dtype
        done = step % episode_length == episode_length - 1
        assert terminated.tolist() == [done] * 4
        assert ("final_obs" in info) is done
        theirs = expected[4]
        if done:
            np.testing.assert_array_equal(info["final_obs"], np.stack(theirs["final_obs"]))
            assert info["_final_obs"].tolist() == theirs["_final_obs"].tolist()
            info, theirs = info["final_info"], theirs["final_info"]
        for key in ("feasible", "violation"):
            np.testing.assert_array_equal(info[key], theirs[key])
            assert info[f"_{key}"].tolist() == theirs[f"_{key}"].tolist()
        for name, column in theirs["metrics"].items():
            np.testing.assert_array_equal(info["metrics"][name], column)


def test_make_vec() -> None:
    """Plain make_vec gives the batched environment, as the vector entry point is registered."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs = gymnasium.make_vec(ID, num_envs=1024, problem="resnet18-asic")
    assert isinstance(envs.unwrapped, DesignVectorEnv)
    observation, _ = envs.reset(seed=0)
    assert observation.shape == (1024, 4)
    envs.action_space.seed(0)
    actions = envs.action_space.sample()
    observation, reward, terminated, truncated, info = envs.step(actions)
    assert observation.shape == (1024, 4)
    assert envs.observation_space.contains(observation)
    assert envs.observation_space.contains(info["final_obs"])
    assert reward.shape == (1024,)
    assert terminated.all()
    assert not truncated.any()
    np.testing.assert_array_equal(
        info["final_obs"], observe(make_problem("resnet18-asic").evaluate(actions))
    )
    envs.close()


def test_gymnasium_wrappers_fit() -> None:
    envs = gymnasium.wrappers.vector.RecordEpisodeStatistics(
        gymnasium.make_vec(ID, num_envs=8, problem="resnet18-asic", episode_length=3)
    )
    envs.reset(seed=0)
    envs.action_space.seed(0)
    total = np.zeros(8)
    for _ in range(3):
        _, reward, _, _, info = envs.step(envs.action_space.sample())
        total += reward
    np.testing.assert_allclose(info["episode"]["r"], total)
    assert info["episode"]["l"].tolist() == [3] * 8


def test_same_seed_same_trace() -> None:
    traces = []
    for _ in range(2):
        env = gymnasium.make(ID, problem="resnet18-asic", episode_length=5)
        env.reset(seed=3)
        env.action_space.seed(3)
        traces.append([env.step(env.action_space.sample())[:3] for _ in range(5)])
    for one, other in zip(*traces, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        assert one[1:] == other[1:]


def test_reset_in_the_middle_of_an_episode() -> None:
    problem = toy_problem()
    envs = DesignVectorEnv(2, problem, episode_length=2)
    envs.reset()
    envs.step(actions_of(problem, 2))
    envs.reset()
    assert not envs.step(actions_of(problem, 2))[2].any()
    assert envs.step(actions_of(problem, 2))[2].all()


def test_an_evaluator_counts() -> None:
    problem = toy_problem()
    evaluator = Evaluator(problem, budget=100)
    envs = DesignVectorEnv(10, problem.statement, evaluate=evaluator.evaluate)
    for seed in range(3):
        envs.step(actions_of(problem, 10, seed))
    assert evaluator.used == 30
    with pytest.raises(InputError, match="a problem statement cannot evaluate designs"):
        DesignVectorEnv(10, problem.statement)


GOOD = [0, 0, 0]


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ([4, 0, 0], r"'chip\.rows' must be a choice index in 0\.\.3 .*, got 4"),
        ([0, -1, 0], r"'chip\.cols' must be a choice index in 0\.\.3 .*, got -1"),
        ([0.0, 0.5, 0.0], r"'chip\.cols' must be in 0\.\.3, got 0\.5"),
        ([0, 0], r"must have shape \[n, 3\] .*, got shape \[\d, 2\]"),
        ([[0, 0, 0]], r"must have shape \[n, 3\] .*, got shape \[\d, 1, 3\]"),
    ],
)
def test_bad_actions(action: Any, text: str) -> None:
    env = DesignEnv(toy_problem())
    env.reset()
    with pytest.raises(InputError, match=text):
        env.step(np.array(action))
    envs = DesignVectorEnv(2, toy_problem())
    envs.reset()
    with pytest.raises(InputError, match=text):
        envs.step(np.array([action, action]))


@pytest.mark.parametrize("actions", [[GOOD], [GOOD] * 3, 0, []])
def test_wrong_number_of_actions(actions: Any) -> None:
    envs = DesignVectorEnv(2, toy_problem())
    with pytest.raises(InputError, match=r"actions must be 2 designs, got shape \["):
        envs.step(actions)


@pytest.mark.parametrize("length", [0, -1, 2.5])
def test_bad_options(length: Any) -> None:
    text = f"must be a whole number of at least 1, got {length}"
    with pytest.raises(InputError, match=f"episode_length {text}"):
        DesignEnv(toy_problem(), length)
    with pytest.raises(InputError, match=f"episode_length {text}"):
        DesignVectorEnv(2, toy_problem(), length)
    with pytest.raises(InputError, match=f"num_envs {text}"):
        DesignVectorEnv(length, toy_problem())


def test_unknown_problem() -> None:
    with pytest.raises(InputError, match="unknown problem 'resnet-asic'; did you mean 'resnet18-"):
        gymnasium.make(ID, problem="resnet-asic")
    assert set(NAMES) <= set(list_problems())
