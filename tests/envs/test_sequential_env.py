"""The game of one choice per step: its designs, its masks, its contract with Gymnasium."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign_gym.envs.sequential_env import SequentialVectorEnv
from codesign_gym.experiments.testing import synthetic_problem
from codesign_gym.search_spaces import Designs, InputError
from tests.toy import toy_problem

CONDITIONAL = synthetic_problem("conditional")


def played(env: SequentialVectorEnv, rng: np.random.Generator, masked: bool) -> Designs:
    """The designs of an episode of random actions."""
    seen: list[Designs] = []
    evaluate = env._evaluate

    def spy(designs: object) -> object:
        evaluation = evaluate(np.asarray(designs))
        seen.append(evaluation.designs)
        return evaluation

    env._evaluate = spy  # type: ignore[assignment]  # counts calls
    for turn in range(len(env.space)):
        masks = env.action_masks()
        assert masks.shape == (env.num_envs, env.actions)
        assert masks.any(axis=1).all()
        actions = rng.integers(0, env.actions, env.num_envs)
        if masked:
            actions = np.where(masks, rng.random(masks.shape), -1).argmax(axis=1)
        _, reward, ended, truncated, _ = env.step(actions)
        assert ended.all() == (turn == len(env.space) - 1) == bool(reward.any())
        assert not truncated.any()
    env._evaluate = evaluate
    return seen[0]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.booleans())
def test_designs_are_canonical(seed: int, masked: bool) -> None:
    designs = played(SequentialVectorEnv(7, CONDITIONAL), np.random.default_rng(seed), masked)
    assert np.array_equal(CONDITIONAL.space.canonical(designs), designs)


@pytest.mark.parametrize("masked", [False, True])
def test_every_choice_of_a_parameter_is_as_likely(masked: bool) -> None:
    problem = synthetic_problem("single-value")
    designs = played(SequentialVectorEnv(4000, problem), np.random.default_rng(0), masked)
    counts = np.bincount(designs[:, 1], minlength=5)
    assert counts.min() > 0.85 * 800
    assert (designs[:, [0, 2]] == 0).all()


def test_masks_open_an_action_per_choice_that_counts() -> None:
    env = SequentialVectorEnv(2, CONDITIONAL)
    assert env.actions == 32
    assert env.action_masks().sum(axis=1).tolist() == [2, 2]
    env.step(np.array([0, 16]))  # simple, cached
    assert env.action_masks().sum(axis=1).tolist() == [1, 4]  # no cache, any cache
    env.step(np.array([31, 31]))  # the first one is not free to choose
    assert env.action_masks().sum(axis=1).tolist() == [1, 2]
    env.step(np.array([0, 0]))
    assert env.action_masks().sum(axis=1).tolist() == [6, 6]


def test_observations_rewards_and_resets() -> None:
    problem = toy_problem()
    env = SequentialVectorEnv(2, problem)
    first, _ = env.reset(seed=0)
    assert np.flatnonzero(first[0]).tolist() == [12]  # the first parameter's turn
    seen, *_ = env.step(np.array([1, 3]))
    assert np.flatnonzero(seen[0]).tolist() == [1, 13]
    assert np.flatnonzero(seen[1]).tolist() == [3, 13]
    env.step(np.array([0, 0]))
    seen, reward, ended, _, info = env.step(np.array([2, 2]))
    expected = problem.reward(problem.evaluate([[1, 0, 2], [3, 0, 2]]))
    np.testing.assert_array_equal(reward, expected)
    assert ended.all()
    assert np.array_equal(seen, first)
    assert np.flatnonzero(info["final_obs"][0]).tolist() == [1, 4, 10]
    assert env.single_observation_space.contains(info["final_obs"][0])
    assert isinstance(env.single_action_space, gymnasium.spaces.Discrete)


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        (np.array([0]), "must be 2 integers, got shape"),
        (np.array([0.0, 1.0]), "dtype float64"),
        (np.array([0, 32]), r"must be in 0\.\.31, got 32"),
        (np.array([-1, 0]), "got -1"),
    ],
)
def test_actions_are_checked(
    actions: np.ndarray[tuple[int], np.dtype[np.int64]], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        SequentialVectorEnv(2, CONDITIONAL).step(actions)
