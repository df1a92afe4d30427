"""The agents that are teams: their networks, what they learn from, and how well they search."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign_gym.envs import make_problem
from codesign_gym.envs.teams import Team, TeamView
from codesign_gym.experiments.testing import synthetic_problem
from codesign_gym.search import make_agent, search
from codesign_gym.search.agents import Ippo
from codesign_gym.search.multi_agent_ppo import TeamPolicy
from codesign_gym.search_spaces import Designs, InputError, SearchSpace
from tests.strategies import spaces_and_designs

ORDINAL = synthetic_problem("ordinal")
CONDITIONAL = synthetic_problem("conditional")
FORMS = st.sampled_from(("parameter", "group", "whole"))


def policy_of(space: SearchSpace, agents: str, central: bool = False) -> TeamPolicy:
    """A policy whose last layers are not zero."""
    team = Team.of(space, agents)
    rng = np.random.default_rng(0)
    observation = rng.random((len(team), 3), dtype=np.float32)
    policy = TeamPolicy(team, observation, 8, central, 1e-2, rng)
    with torch.no_grad():
        for name in ("policy_out", "critic_out"):
            weight = policy.weights[name]
            weight.copy_(torch.from_numpy(rng.random(tuple(weight.shape), dtype=np.float32)))
    return policy


@settings(max_examples=50)  # torch's first call is slow
@given(spaces_and_designs(), FORMS)
def test_logits_cover_every_choice_and_no_other(
    made: tuple[SearchSpace, Designs], agents: str
) -> None:
    space, _ = made
    table = policy_of(space, agents).log_probabilities().detach().numpy()
    assert table.shape == (len(space), space.nvec.max())
    for j, k in enumerate(space.nvec):
        assert np.isfinite(table[j, :k]).all()
        assert (table[j, k:] == -np.inf).all()
    np.testing.assert_allclose(np.exp(table).sum(axis=1), 1, rtol=1e-5)


@settings(max_examples=50)  # torch's first call is slow
@given(spaces_and_designs(min_size=1), FORMS)
def test_the_likelihood_of_a_design_counts_what_counts(
    made: tuple[SearchSpace, Designs], agents: str
) -> None:
    space, rows = made
    designs = space.canonical(rows)
    active = space.active(designs)
    policy, team = policy_of(space, agents), Team.of(space, agents)
    table = policy.log_probabilities().detach()
    found = policy.log_likelihood(
        table, torch.from_numpy(designs.astype(np.int64)), torch.from_numpy(active)
    )
    for i, agent in itertools.product(range(len(designs)), range(len(team))):
        own = [j for j in team.columns[agent] if active[i, j]]
        expected = sum(float(table[j, designs[i, j]]) for j in own)
        assert float(found[i, agent]) == pytest.approx(expected, abs=1e-5)


@settings(max_examples=50)  # torch's first call is slow
@given(spaces_and_designs(min_size=1), FORMS, st.integers(0, 9))
def test_no_critic_knows_what_its_agent_chose(
    made: tuple[SearchSpace, Designs], agents: str, seed: int
) -> None:
    """Only the others' choices move it: otherwise the gradient would be biased.

    Nor may it learn of its agent's choice by what this makes count of theirs.
    """
    space, rows = made
    team = Team.of(space, agents)
    policy = policy_of(space, agents, central=True)

    def values(designs: Designs) -> Any:
        designs = space.canonical(designs)
        active = torch.from_numpy(space.active(designs))
        return policy.values(torch.from_numpy(designs.astype(np.int64)), active).detach().numpy()

    moved = space.sample(len(rows), seed)
    for agent, columns in enumerate(team.columns):
        other = rows.copy()
        other[:, columns] = moved[:, columns]
        np.testing.assert_allclose(values(other)[:, agent], values(rows)[:, agent], atol=1e-5)


def test_a_central_critic_learns_what_the_others_do() -> None:
    """The reward is the first agent's choice: the second's critic can know it, the first's not."""
    space = synthetic_problem("ordinal").space
    designs = space.sample(512, 0)
    rewards = (designs[:, 0].astype(np.float64) - 3.5) / 2.3
    missed = {}
    for central in (False, True):
        policy = policy_of(space, "parameter", central)
        active = np.ones(designs.shape, dtype=np.bool_)
        before = np.zeros(designs.shape, dtype=np.float32)
        policy.update(designs, active, before, rewards, epochs=200, clip=0.2, entropy=0.0)
        with torch.no_grad():
            values = policy.values(
                torch.from_numpy(designs.astype(np.int64)), torch.from_numpy(active)
            )
        missed[central] = np.square(values.numpy() - rewards[:, None]).mean(axis=0)
    assert missed[True][1] < 0.1 * missed[False][1]
    assert missed[True][0] > 0.8 * rewards.var()


def test_an_update_follows_the_reward() -> None:
    policy = policy_of(ORDINAL.space, "parameter")
    designs = ORDINAL.space.sample(256, 0)
    table = policy.log_probabilities().detach().numpy()
    before = table[np.arange(8), designs]
    rewards = (designs[:, 2] == 5).astype(np.float64)
    active = np.ones(designs.shape, dtype=np.bool_)
    policy.update(designs, active, before, rewards, epochs=10, clip=0.2, entropy=0.0)
    after = policy.log_probabilities().detach().numpy()
    assert (after - table)[2].argmax() == 5


def test_a_clipped_ratio_is_pushed_no_further() -> None:
    policy = policy_of(ORDINAL.space, "parameter")
    designs = ORDINAL.space.sample(64, 0)
    rewards = np.linspace(-1, 1, 64)
    active = np.ones(designs.shape, dtype=np.bool_)
    present = policy.log_probabilities().detach().numpy()
    chosen = present[np.arange(8), designs]
    # Ratios already beyond the clip, on the side where there is nothing to gain.
    before = (chosen - np.sign(rewards)[:, None]).astype(np.float32)
    policy.update(designs, active, before, rewards, epochs=1, clip=0.2, entropy=0.0)
    after = policy.log_probabilities().detach().numpy()
    np.testing.assert_allclose(after, present, atol=1e-6)


@pytest.mark.parametrize("name", ["ippo", "mappo"])
@pytest.mark.parametrize("agents", ["parameter", "group", "whole"])
def test_at_first_every_choice_is_equally_likely(name: str, agents: str) -> None:
    """All of the space is reached, each value of each parameter as often as any other."""
    agent = make_agent(name, ORDINAL, 0, agents=agents)
    designs = agent.ask(5000)
    counts = np.stack([np.bincount(column, minlength=8) for column in designs.T])
    # Chi-squared with 7 degrees of freedom: above 29 once in 10,000.
    assert (((counts - 625) ** 2 / 625).sum(axis=1) < 29).all()


@pytest.mark.parametrize("name", ["ippo", "mappo"])
@pytest.mark.parametrize("normalize", ["rank", "standard", "none"])
@pytest.mark.parametrize("agents", ["parameter", "group", "whole"])
def test_options_are_used(name: str, normalize: str, agents: str) -> None:
    problem = make_problem("mnist1d-asic")
    agent = make_agent(
        name, problem, 0, normalize=normalize, agents=agents, batch_size=8, epochs=2, hidden=4
    )
    assert isinstance(agent, Ippo)
    assert agent.batch_size == 8
    assert len(agent.team) == {"parameter": len(problem.space), "group": 2, "whole": 1}[agents]
    assert len(search(problem, agent, 50).history) == 50


def test_the_kind_of_normalisation_matters_and_ranks_do_not_see_scales() -> None:
    def after(normalize: str, scale: float) -> Any:
        agent = make_agent("ippo", ORDINAL, 0, normalize=normalize, batch_size=16)
        assert isinstance(agent, Ippo)
        rewards = np.random.default_rng(0).standard_normal(16)
        return agent._normalized(scale * rewards)

    assert np.array_equal(after("rank", 1.0), after("rank", 1e6))
    assert sorted(after("rank", 1.0)) == pytest.approx(np.linspace(-1, 1, 16))
    np.testing.assert_allclose(after("standard", 1.0), after("standard", 1e6), rtol=1e-6)
    assert after("standard", 1.0).std() == pytest.approx(1.0)
    assert after("none", 1e6).max() > 1e5


def test_it_learns_once_a_batch_is_told() -> None:
    agent = make_agent("ippo", ORDINAL, 0, batch_size=16)
    assert isinstance(agent, Ippo)
    uniform = np.full((8, 8), 1 / 8)
    for n in (10, 5):
        designs = agent.ask(n)
        agent.tell(designs, ORDINAL.evaluate(designs))
        np.testing.assert_allclose(np.exp(agent._table), uniform, rtol=1e-6)
    designs = agent.ask(1)
    agent.tell(designs, ORDINAL.evaluate(designs))
    assert not np.allclose(np.exp(agent._table), uniform)
    assert not agent._pending


def test_designs_told_late_keep_the_likelihood_that_they_were_drawn_with() -> None:
    agent = make_agent("ippo", CONDITIONAL, 0, batch_size=16)
    assert isinstance(agent, Ippo)
    late = agent.ask(4)
    drawn = agent._likelihood(late)
    for _ in range(3):
        designs = agent.ask(16)
        agent.tell(designs, CONDITIONAL.evaluate(designs))
    assert not np.allclose(drawn, agent._likelihood(late))
    agent.tell(late, CONDITIONAL.evaluate(late))
    np.testing.assert_allclose(agent._batch[-1][1], drawn)


def test_a_warm_start_moves_the_policies_towards_the_better_half() -> None:
    agent = make_agent("mappo", ORDINAL, 0, batch_size=200)
    assert isinstance(agent, Ippo)
    designs = ORDINAL.space.sample(200, 1)
    evaluation = ORDINAL.evaluate(designs)
    agent.tell(designs, evaluation)
    rewards = ORDINAL.reward(evaluation)
    better = rewards > np.median(rewards)
    likelihood = agent._likelihood(designs).sum(axis=1)
    assert likelihood[better].mean() > likelihood[~better].mean()


def test_a_state_between_asking_and_telling() -> None:
    made = make_agent("mappo", CONDITIONAL, 0)
    copy = make_agent("mappo", CONDITIONAL, 7)
    for _ in range(2):
        designs = made.ask(40)
        made.tell(designs, CONDITIONAL.evaluate(designs))
    designs = made.ask(40)
    copy.load_state_dict(json.loads(json.dumps(made.state_dict())))
    for agent in (made, copy):
        agent.tell(designs, CONDITIONAL.evaluate(designs))
    assert np.array_equal(made.ask(40), copy.ask(40))


def test_the_team_sees_the_first_observation_of_the_game() -> None:
    agent = make_agent("ippo", ORDINAL, 0)
    assert isinstance(agent, Ippo)
    agent.ask(1)
    assert agent._policy is not None
    first = TeamView(ORDINAL.statement, agent.team).first(1)[0][0]
    assert np.array_equal(agent._policy._observation[:, 0].numpy(), first)


def test_an_unknown_normalisation_or_form_names_those_there_are() -> None:
    with pytest.raises(
        InputError, match="'normalize' of mappo must be one of rank, standard, none"
    ):
        make_agent("mappo", ORDINAL, 0, normalize="ranks")
    with pytest.raises(InputError, match="'agents' of ippo must be one of parameter, group"):
        make_agent("ippo", ORDINAL, 0, agents="groups")
