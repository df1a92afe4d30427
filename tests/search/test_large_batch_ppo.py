"""Our own PPO of one agent: its batches, and that it learns what stable-baselines3's does."""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.envs import make_problem
from codesign_gym.experiments.testing import synthetic_problem
from codesign_gym.search import make_agent, search
from codesign_gym.search.agents import LargeBatchPpo
from codesign_gym.search_spaces import InputError

ORDINAL = synthetic_problem("ordinal")


@pytest.mark.parametrize(("budget", "batch"), [(10, 32), (3200, 100), (40_000, 1024)])
def test_batches_fit_the_budget(budget: int, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = make_agent("large-batch-ppo", ORDINAL)
    monkeypatch.setattr(LargeBatchPpo, "_learn", lambda self: self._batch.clear())
    search(ORDINAL, agent, budget)
    assert agent.batch_size == batch


def test_a_batch_that_is_set_stays() -> None:
    agent = make_agent("large-batch-ppo", ORDINAL, batch_size=8)
    search(ORDINAL, agent, 16)
    assert agent.batch_size == 8
    with pytest.raises(InputError, match="'batch_size' of large-batch-ppo must be at least 2"):
        make_agent("large-batch-ppo", ORDINAL, batch_size=0)


def test_one_agent_decides_the_whole_design() -> None:
    agent = make_agent("large-batch-ppo", make_problem("mnist1d-asic"))
    assert isinstance(agent, LargeBatchPpo)
    assert len(agent.team) == 1


def test_it_finds_better_designs_than_chance() -> None:
    problem = make_problem("synthetic-12x8")
    found = [
        [
            search(problem, make_agent(name, problem, seed), 800).best.reward
            for name in ("large-batch-ppo", "random")
        ]
        for seed in range(3)
    ]
    own, chance = np.array(found).T
    assert own.min() > chance.max()
