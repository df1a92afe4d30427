"""The game of growing networks: its rules, its checks by Gymnasium, and an agent that plays it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from numpy.typing import NDArray
from stable_baselines3 import PPO

from codesign_gym.envs.growth_problems import MOST_ACCURATE, stretched
from codesign_gym.envs.network_transformation import DECAY, NetworkTransformationEnv
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.networks.growth import FILTERS, ROOT, UNITS, Layer, Plain
from codesign_gym.search_spaces.networks.tokens import (
    SLOTS,
    TOKENS,
    VOCABULARY,
    tokens,
    tokens_and_slots,
)

SMALL: dict[str, Any] = {"epochs": 1, "training_size": 200}
NOTHING = np.zeros(len(SLOTS) + 3, dtype=np.int64)


def deeper(part: int, layer: int = 0, kernel: int = 1) -> NDArray[np.int64]:
    return np.array([*NOTHING[:-3], part, layer, kernel])


def wider(*slots: tuple[int, int]) -> NDArray[np.int64]:
    return np.array([*(slot in slots for slot in SLOTS), 0, 0, 0], dtype=np.int64)


@pytest.mark.filterwarnings("ignore:.*Box observation space:UserWarning")
def test_gymnasium_finds_no_fault() -> None:
    env = gymnasium.make("codesign/NetworkTransformation-v0", wider=1, deeper=1, **SMALL)
    check_env(env.unwrapped, skip_render_check=True)
    env.close()


def test_an_episode_widens_then_deepens_then_trains() -> None:
    env = NetworkTransformationEnv(wider=2, deeper=2, **SMALL)
    observation, info = env.reset(seed=0)
    assert observation.tolist() == [0, *tokens(ROOT)]
    assert info == {"network": ROOT.parts, "invalid": ""}
    script = [wider((0, 0), (3, 0), (2, 3)), wider((0, 0)), deeper(0, 3, 2), deeper(3, 0, 2)]
    for i, action in enumerate(script):
        observation, reward, terminated, truncated, info = env.step(action)
        assert observation[0] == i + 1
        assert (terminated, truncated) == (i == 3, False)
        assert reward == 0 or terminated
    block = (Layer(FILTERS[2], 3), Layer(FILTERS[2], 5))
    dense = (Layer(UNITS[1]), Layer(UNITS[1]))
    assert info["network"] == (block, *ROOT.blocks[1:], dense)
    assert len(info["history"]) == 1
    assert reward == pytest.approx(float(stretched(info["accuracy"])))
    with pytest.raises(InputError, match="the episode has ended"):
        env.step(NOTHING)


def test_the_reward_is_relative_to_the_episodes_before() -> None:
    env = NetworkTransformationEnv(wider=1, deeper=0, **SMALL)
    values, rewards = [], []
    env.reset(seed=4)
    for action in (wider((0, 0)), wider((1, 0), (2, 0)), wider((3, 0))):
        _, reward, _, _, info = env.step(action)
        values.append(float(stretched(info["accuracy"])))
        rewards.append(reward)
        env.reset()
    weights = DECAY ** np.arange(1, -1, -1)
    by_hand = [0, values[0], np.average(values[:2], weights=weights)]
    assert rewards == pytest.approx(np.subtract(values, by_hand).tolist())


def test_equal_seeds_and_actions_give_equal_episodes() -> None:
    env, other = (NetworkTransformationEnv(wider=1, deeper=1, **SMALL) for _ in range(2))
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(4)]

    def play(game: NetworkTransformationEnv) -> list[object]:
        seen: list[object] = []
        for i, action in enumerate(actions):
            if i % 2 == 0:
                game.reset(seed=3 if i == 0 else None)
            observation, *rest = game.step(action)
            seen.append((observation.tolist(), *rest))
        return seen

    first = play(env)
    assert play(other) == first
    assert play(env) == first


def test_what_cannot_be_trained_ends_the_episode_with_a_reason() -> None:
    env = NetworkTransformationEnv(wider=0, deeper=9, **SMALL)
    env.reset(seed=0)
    for _ in range(3):
        assert not env.step(deeper(1))[2]
    observation, reward, terminated, _, info = env.step(deeper(1))
    assert terminated
    assert observation[0] == 9
    assert reward == 0
    assert info["invalid"] == "part 2 has 4 layers, the most there may be"
    large = Plain((*(((Layer(32, 3),) * 3),) * 2, (Layer(32, 3),), (Layer(16),)))
    assert not large.fault
    env = NetworkTransformationEnv(start=large, wider=0, deeper=2, **SMALL)
    env.reset(seed=0)
    *_, info = env.step(deeper(0, 0, 2))
    assert info["invalid"] == "more than 24000 weights"


def test_training_that_diverges_ends_as_invalid() -> None:
    env = NetworkTransformationEnv(wider=1, deeper=0, learning_rate=1e30, **SMALL)
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(wider((0, 0)))
    assert terminated
    assert info["invalid"].startswith("training diverged in epoch 1: loss ")
    assert reward == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wider": -1}, "wider must be at least 0 steps, got -1"),
        ({"wider": 0, "deeper": 0}, r"wider \+ deeper must be a whole number of at least 1"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1, got 0"),
        ({"start": Plain(((), (Layer(16),)))}, "start: a block has no layers"),
        ({"start": Plain(((Layer(8, 3),), (Layer(16),)))}, "a network needs 3 blocks, got 1"),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        NetworkTransformationEnv(**options)  # type: ignore[arg-type]  # wrong ones


def test_actions_outside_the_space() -> None:
    env = NetworkTransformationEnv(**SMALL)
    env.reset(seed=0)
    with pytest.raises(InputError, match="action must be in MultiDiscrete"):
        env.step(NOTHING - 1)


def test_ppo_plays() -> None:
    env = NetworkTransformationEnv(wider=1, deeper=1, epochs=1, training_size=100)
    agent = PPO("MlpPolicy", env, n_steps=8, batch_size=8, n_epochs=1, seed=0, device="cpu")
    agent.learn(16)
    assert agent.num_timesteps == 16
    observation, _ = env.reset(seed=0)
    action, _ = agent.predict(observation)
    assert env.action_space.contains(action)


def test_tokens_tell_networks_apart() -> None:
    found, slots = tokens_and_slots(ROOT)
    assert found.shape == slots.shape == (TOKENS,)
    assert [SLOTS[slot] for slot in slots if slot >= 0] == [(0, 0), (1, 0), (2, 0), (3, 0)]
    wide = Plain((*ROOT.blocks, (Layer(UNITS[-1]),)))
    assert tokens(wide).max() == VOCABULARY - 1
    assert not np.array_equal(tokens(wide), found)
    with pytest.raises(InputError, match="layer 1 of part 4 is not of the space"):
        tokens(Plain((*ROOT.blocks, (Layer(17),))))


def test_a_reward_that_is_finite() -> None:
    assert np.isfinite(stretched([0.0, 1.0])).all()
    assert stretched(1.0) == stretched(MOST_ACCURATE) > stretched(0.999)


def test_the_documentation_runs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    [block] = [block for block in blocks if "NetworkTransformation" in block]
    exec(compile(block, "docs/networks.md", "exec"), {})
