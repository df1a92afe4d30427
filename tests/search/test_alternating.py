"""Searching groups in turns: what is free, what is held, and when."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from codesign_gym.envs import Evaluation, make_problem
from codesign_gym.search import make_agent, search
from codesign_gym.search.agents import Alternating
from codesign_gym.search.constraints import merit
from codesign_gym.search_spaces import InputError

PROBLEM = make_problem("mnist1d-asic")
COLUMNS = {group: list(columns) for group, columns in PROBLEM.space.groups.items()}

SEARCHES: dict[str, dict[str, Any]] = {
    "network, then chip": {"order": "network,accelerator"},
    "chip, then network": {"order": "accelerator,network"},
    "alternating": {"rounds": 3},
    "joint": {"order": "network+accelerator"},
}


def best(history: Evaluation) -> int:
    return int(merit(history, PROBLEM.reward(history)).argmax())


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("inner", ["random", "genetic", "tpe"])
def test_only_the_groups_of_a_phase_change(name: str, inner: str) -> None:
    options = SEARCHES[name]
    agent = make_agent("alternating", PROBLEM, 0, inner=inner, start=10, **options)
    history = search(PROBLEM, agent, 70).history
    order = options.get("order", "network,accelerator").split(",") * options.get("rounds", 1)
    length = 60 // len(order)
    for i, phase in enumerate(order):
        begin = 10 + i * length
        held = history.designs[best(history.take(slice(begin)))]
        part = history.designs[begin : begin + length]
        for group, columns in COLUMNS.items():
            moved = (part[:, columns] != held[columns]).any()
            assert moved == (group in phase.split("+")), (name, i, group)


def test_shares_divide_a_round() -> None:
    agent = make_agent("alternating", PROBLEM, 0, inner="random", start=4, shares="3,1")
    designs = search(PROBLEM, agent, 44).history.designs
    network, chip = (designs[:, columns] for columns in COLUMNS.values())
    assert len(np.unique(chip[4:34], axis=0)) == 1
    assert len(np.unique(network[34:], axis=0)) == 1
    assert len(np.unique(chip[34:], axis=0)) > 1


def test_the_inner_agent_knows_what_is_held_and_those_that_keep_to_it() -> None:
    agent = make_agent("alternating", PROBLEM, 0, start=8, inner="tpe", horizon=100)
    assert isinstance(agent, Alternating)
    first = agent.ask(8)
    agent.tell(first, PROBLEM.evaluate(first))
    asked = agent.ask(4)
    inner: Any = agent._inner
    assert len(inner._designs) == 1
    strangers = PROBLEM.space.sample(5, 0)
    both = np.concatenate([asked, strangers])
    agent.tell(both, PROBLEM.evaluate(both))
    assert len(inner._designs) == 5


def test_a_state_in_the_middle_of_a_phase() -> None:
    made, copy = (make_agent("alternating", PROBLEM, s, rounds=4, horizon=90) for s in (0, 5))
    for _ in range(5):
        designs = made.ask(7)
        made.tell(designs, PROBLEM.evaluate(designs))
    copy.load_state_dict(json.loads(json.dumps(made.state_dict())))
    for _ in range(5):
        designs = made.ask(7)
        assert np.array_equal(designs, copy.ask(7))
        for agent in (made, copy):
            agent.tell(designs, PROBLEM.evaluate(designs))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"order": "network,chip"}, "unknown group in option 'order' of alternating 'chip'"),
        ({"order": "network"}, "must name every group .* lacks accelerator: 'network'"),
        ({"shares": "1"}, "'shares' of alternating must be 2 numbers above 0.* got '1'"),
        ({"shares": "1,x"}, "must be 2 numbers above 0"),
        ({"shares": "1,-1"}, "must be 2 numbers above 0"),
        ({"inner": "ppo"}, "must be an agent that can be asked and told, got 'ppo'"),
        ({"inner": "alternating"}, "must be an agent without an inner one"),
        ({"inner": "genetics"}, "did you mean 'genetic'"),
        ({"rounds": 0}, "'rounds' of alternating must be in 1..1000, got 0"),
        ({"rounds": 10**9}, "'rounds' of alternating must be in 1..1000"),
        ({"shares": "1e308,1e308"}, "must be 2 numbers above 0"),
    ],
)
def test_wrong_options(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        make_agent("alternating", PROBLEM, 0, **options)
