"""Stable-baselines3 on the native vector environment."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.vec_env import VecEnvWrapper, VecMonitor

from codesign_gym.envs.design_env import DesignVectorEnv
from codesign_gym.envs.sequential_env import SequentialVectorEnv
from codesign_gym.experiments.testing import synthetic_problem
from codesign_gym.search import make_agent, search
from codesign_gym.search.sb3 import Sb3VecEnv, isolated_random_state
from codesign_gym.search.standardised import StandardisedRewards
from codesign_gym.search_spaces import InputError

PROBLEM = synthetic_problem("ordinal")


def adapted(num_envs: int = 4, episode_length: int = 1) -> Sb3VecEnv:
    return Sb3VecEnv(DesignVectorEnv(num_envs, PROBLEM, episode_length))


def first_of(env: Sb3VecEnv) -> NDArray[Any]:
    observation: Any = env.reset()
    return np.asarray(observation)


@pytest.mark.parametrize("algorithm", ["PPO", "A2C"])
def test_algorithms_learn(algorithm: str) -> None:
    with isolated_random_state():
        env = adapted(16)
        fixed: dict[str, Any] = {"n_steps": 2, "seed": 0, "device": "cpu"}
        model: PPO | A2C = (
            PPO("MlpPolicy", env, batch_size=32, **fixed)
            if algorithm == "PPO"
            else A2C("MlpPolicy", env, **fixed)
        )
        model.learn(320)
        assert model.num_timesteps == 320
        action, _ = model.predict(np.zeros((1, 3), dtype=np.float32))
    assert PROBLEM.space.to_gymnasium().contains(action[0])


def test_a_step_is_that_of_the_environment() -> None:
    env, plain = adapted(3, episode_length=2), DesignVectorEnv(3, PROBLEM, 2)
    assert env.num_envs == 3
    assert env.observation_space == plain.single_observation_space
    assert env.action_space == plain.single_action_space
    assert np.array_equal(first_of(env), plain.reset()[0])
    rng = np.random.default_rng(0)
    for step in range(4):
        actions = PROBLEM.space.sample(3, rng).astype(np.int64)
        observation: Any
        observation, reward, done, infos = env.step(actions)
        there, there_reward, ended, _, info = plain.step(actions)
        assert np.array_equal(observation, there)
        assert np.array_equal(reward, there_reward)
        assert np.array_equal(done, ended)
        assert done.all() == (step % 2 == 1)
        assert len(infos) == 3
        for i, one in enumerate(infos):
            if done[i]:
                assert np.array_equal(one["terminal_observation"], info["final_obs"][i])
                assert one["TimeLimit.truncated"] is False
            else:
                assert one == {}


class Counter(gymnasium.Env[Any, Any]):
    """Ends after its own number of steps, by truncation; observes its seed."""

    observation_space = gymnasium.spaces.Box(-1e9, 1e9, (1,), np.float64)
    action_space = gymnasium.spaces.MultiDiscrete([2])
    metadata = {"render_modes": []}  # noqa: RUF012
    render_mode = None

    def __init__(self, length: int) -> None:
        self.length, self.count, self.given = length, 0, -1

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.count, self.given = 0, -1 if seed is None else seed
        return np.array([float(self.given)]), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.count += 1
        return np.array([self.count * 10.0]), 1.0, False, self.count >= self.length, {}


def counters(mode: AutoresetMode) -> SyncVectorEnv:
    return SyncVectorEnv([lambda: Counter(1), lambda: Counter(3)], autoreset_mode=mode)


def test_environments_that_end_apart() -> None:
    env = Sb3VecEnv(counters(AutoresetMode.SAME_STEP))
    env.reset()
    observed: Any
    observed, _, done, infos = env.step(np.zeros((2, 1)))
    assert done.tolist() == [True, False]
    assert np.ravel(observed).tolist() == [-1.0, 10.0]  # the first has begun again
    assert infos[0]["terminal_observation"] == [10.0]
    assert infos[0]["TimeLimit.truncated"] is True
    assert infos[1] == {}


def test_seeds_are_used_by_the_next_reset_alone() -> None:
    env = Sb3VecEnv(counters(AutoresetMode.SAME_STEP))
    assert env.seed(7) == [7, 8]
    assert first_of(env).ravel().tolist() == [7.0, 8.0]
    assert first_of(env).ravel().tolist() == [-1.0, -1.0]


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_other_autoreset_is_refused(mode: AutoresetMode) -> None:
    with pytest.raises(InputError, match="resets in the step"):
        Sb3VecEnv(counters(mode))


def test_the_contract_of_a_vec_env() -> None:
    env = adapted(4)
    assert env.get_attr("episode_length") == [1] * 4
    assert env.get_attr("episode_length", [0, 2]) == [1, 1]
    env.set_attr("note", "here")
    assert env.get_attr("note", 1) == ["here"]
    assert env.env_method("_first_observation", indices=0)[0].shape == (4, 3)
    assert env.env_is_wrapped(VecEnvWrapper) == [False] * 4
    assert env.render_mode is None
    assert env.unwrapped is env
    env.close()


def test_wrappers_work_and_infos_are_the_callers_to_keep() -> None:
    env = VecMonitor(adapted(4, episode_length=3))
    env.reset()
    steps = [env.step(np.zeros((4, 8), dtype=np.int64)) for _ in range(3)]
    assert all("episode" not in info for info in steps[1][3])
    assert [info["episode"]["l"] for info in steps[2][3]] == [3] * 4
    steps[0][3][0]["mine"] = True
    assert "mine" not in env.step(np.zeros((4, 8), dtype=np.int64))[3][0]


def global_states() -> tuple[Any, ...]:
    numpy_state: Any = np.random.get_state(legacy=False)  # noqa: NPY002
    return (
        random.getstate(),
        numpy_state["state"]["key"].tobytes(),
        numpy_state["state"]["pos"],
        torch.get_rng_state().numpy().tobytes(),
        torch.get_num_threads(),
    )


def test_a_search_leaves_the_global_random_states_alone() -> None:
    before = global_states()
    history = search(PROBLEM, make_agent("ppo", PROBLEM, 3), 70).history
    assert global_states() == before
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    again = search(PROBLEM, make_agent("ppo", PROBLEM, 3), 70).history
    assert np.array_equal(history.designs, again.designs)


def test_states_come_back_after_an_error_too() -> None:
    before = global_states()

    def fail() -> None:
        with isolated_random_state():
            random.seed(9)
            np.random.seed(9)  # noqa: NPY002
            torch.manual_seed(9)
            assert torch.get_num_threads() == 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert global_states() == before


def test_rewards_in_units_of_their_spread() -> None:
    worthless = replace(PROBLEM, reward=lambda evaluation: np.zeros(len(evaluation)))
    zeros = StandardisedRewards(SequentialVectorEnv(4, worthless))
    plain = SequentialVectorEnv(64, PROBLEM)
    env = StandardisedRewards(SequentialVectorEnv(64, PROBLEM))
    turns = len(PROBLEM.space)
    for turn, choice in enumerate(np.random.default_rng(0).integers(0, plain.actions, (turns, 64))):
        rewards, got = plain.step(choice)[1], env.step(choice)[1]
        zeros.step(choice[:4])
        assert got.any() == (turn == turns - 1)
    assert got == pytest.approx(np.clip((rewards - rewards.mean()) / rewards.std(), -3, 3))
    assert zeros._count == 4  # rewards that are 0 count as well
