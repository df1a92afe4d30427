"""An outside library of multi-agent learning drives the game: skrl's IPPO and MAPPO."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from codesign_gym.envs import Evaluator
from codesign_gym.envs.multi_agent_env import MultiAgentDesignEnv
from codesign_gym.experiments.testing import synthetic_problem
from codesign_gym.search.sb3 import isolated_random_state

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it and tensorboard warn of on import is not ours
    pytest.importorskip("skrl", minversion="2.1", reason="skrl is not installed (extra marl)")
    from skrl.envs.wrappers.torch import wrap_env
    from skrl.memories.torch import RandomMemory
    from skrl.models.torch import CategoricalMixin, DeterministicMixin, Model, MultiCategoricalMixin
    from skrl.multi_agents.torch.ippo import IPPO
    from skrl.multi_agents.torch.mappo import MAPPO
    from skrl.trainers.torch import SequentialTrainer

KWARGS = (
    "learning_rate_scheduler",
    "observation_preprocessor",
    "state_preprocessor",
    "value_preprocessor",
)
PROBLEM = synthetic_problem("ordinal")


def policy(kind: Any, env: Any, name: str) -> Any:
    class Policy(kind, Model):  # type: ignore[misc]
        def __init__(self) -> None:
            spaces = {
                "observation_space": env.observation_space(name),
                "action_space": env.action_space(name),
            }
            Model.__init__(self, **spaces, device="cpu")
            kind.__init__(self)
            space = env.action_space(name)
            outputs = int(np.sum(space.nvec if hasattr(space, "nvec") else space.n))
            self.net = nn.Sequential(
                nn.Linear(self.num_observations, 32), nn.Tanh(), nn.Linear(32, outputs)
            )

        def compute(self, inputs: Any, role: str) -> Any:
            return self.net(inputs["observations"]), {}

    return Policy()


def critic(env: Any, name: str, central: bool) -> Any:
    class Critic(DeterministicMixin, Model):  # type: ignore[misc]
        def __init__(self) -> None:
            Model.__init__(
                self,
                observation_space=env.observation_space(name),
                state_space=env.state_space(name),
                action_space=env.action_space(name),
                device="cpu",
            )
            DeterministicMixin.__init__(self)
            size = self.num_states if central else self.num_observations
            self.net = nn.Sequential(nn.Linear(size, 32), nn.Tanh(), nn.Linear(32, 1))

        def compute(self, inputs: Any, role: str) -> Any:
            return self.net(inputs["states" if central else "observations"]), {}

    return Critic()


@pytest.mark.parametrize("algorithm", ["IPPO", "MAPPO"])
@pytest.mark.parametrize(("agents", "horizon"), [("parameter", 1), ("group", 2)])
def test_skrl_learns(algorithm: str, agents: str, horizon: int, tmp_path: Path) -> None:
    """By the last fifth of its steps it proposes better designs than in the first fifth."""
    steps = 480
    evaluator = Evaluator(PROBLEM, steps)
    with isolated_random_state(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # skrl's
        torch.manual_seed(0)
        made = MultiAgentDesignEnv(PROBLEM.statement, agents, horizon, evaluate=evaluator.evaluate)
        env = wrap_env(made, wrapper="pettingzoo", verbose=False)
        kind = CategoricalMixin if agents == "parameter" else MultiCategoricalMixin
        names = env.possible_agents
        learner = {"IPPO": IPPO, "MAPPO": MAPPO}[algorithm](
            possible_agents=names,
            models={
                name: {
                    "policy": policy(kind, env, name),
                    "value": critic(env, name, algorithm == "MAPPO"),
                }
                for name in names
            },
            memories={
                name: RandomMemory(memory_size=32, num_envs=1, device="cpu") for name in names
            },
            observation_spaces=env.observation_spaces,
            state_spaces=env.state_spaces,
            action_spaces=env.action_spaces,
            device="cpu",
            cfg={
                "rollouts": 32,
                "learning_epochs": 4,
                "mini_batches": 1,
                "learning_rate": 1e-2,
                # skrl 2.1 takes its own default, an empty dict, for agents that are missing.
                **{f"{part}_kwargs": {name: {} for name in names} for part in KWARGS},
                "experiment": {
                    "directory": str(tmp_path),
                    "write_interval": 0,
                    "checkpoint_interval": 0,
                },
            },
        )
        trainer = SequentialTrainer(
            env=env,
            agents=learner,
            cfg={
                "timesteps": steps,
                "headless": True,
                "disable_progressbar": True,
                "close_environment_at_exit": False,
            },
        )
        trainer.train()
    assert evaluator.history is not None
    assert evaluator.used == steps
    rewards = PROBLEM.reward(evaluator.history)
    assert rewards[-steps // 5 :].mean() > rewards[: steps // 5].mean()
