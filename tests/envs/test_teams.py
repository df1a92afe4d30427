"""Who decides what, and what each agent of a team sees."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign_gym.envs import make_problem
from codesign_gym.envs.observations import observe
from codesign_gym.envs.teams import Team, TeamView
from codesign_gym.experiments.testing import synthetic_problem
from codesign_gym.search_spaces import Designs, InputError, SearchSpace
from tests.strategies import spaces_and_designs
from tests.toy import toy_problem

FORMS = st.sampled_from(("parameter", "group", "whole"))


@settings(max_examples=50)
@given(spaces_and_designs(), FORMS)
def test_every_parameter_has_one_owner(made: tuple[SearchSpace, Designs], agents: str) -> None:
    space, _ = made
    team = Team.of(space, agents)
    assert sorted(np.concatenate(team.columns).tolist()) == list(range(len(space)))
    for agent, columns in enumerate(team.columns):
        assert (team.owner[columns] == agent).all()
        assert team.slots[agent, : len(columns)].tolist() == columns.tolist()
        assert (team.slots[agent, len(columns) :] == -1).all()
    if agents == "parameter":
        assert team.names == space.names
    elif agents == "whole":
        assert team.names == (space.name,)
    else:
        assert {name: tuple(c) for name, c in zip(team.names, team.columns, strict=True)} == (
            space.groups
        )


@settings(max_examples=50)
@given(spaces_and_designs())
def test_a_lone_parameter_is_open_where_it_counts(made: tuple[SearchSpace, Designs]) -> None:
    space, rows = made
    designs = space.canonical(rows)
    assert np.array_equal(Team.of(space, "parameter").open(designs), space.active(designs))


@settings(max_examples=50)
@given(spaces_and_designs())
def test_no_choice_of_its_own_group_opens_a_closed_parameter(
    made: tuple[SearchSpace, Designs],
) -> None:
    space, rows = made
    designs = space.canonical(rows)
    team = Team.of(space, "group")
    is_open = team.open(designs)
    for design, row in zip(designs, is_open, strict=True):
        for columns in team.columns:
            own = list(itertools.product(*(range(space.nvec[j]) for j in columns)))
            trials = np.repeat(design[None], len(own), axis=0)
            trials[:, columns] = own
            assert not (space.active(trials)[:, columns].any(axis=0) & ~row[columns]).any()
            assert row[columns][space.active(design[None])[0, columns]].all()


@settings(max_examples=50)
@given(spaces_and_designs(), FORMS)
def test_a_masked_choice_means_the_same_design(
    made: tuple[SearchSpace, Designs], agents: str
) -> None:
    space, rows = made
    designs = space.canonical(rows)
    team = Team.of(space, agents)
    allowed = team.choice_mask(team.open(designs))
    assert allowed.shape == (len(designs), int(space.offsets[-1]))
    for design, row in zip(designs, allowed, strict=True):
        for j, (start, stop) in enumerate(itertools.pairwise(space.offsets)):
            assert row[start]  # there always is a choice
            for choice in np.flatnonzero(~row[start:stop]):
                moved = design[None].copy()
                moved[0, j] = choice
                assert np.array_equal(space.canonical(moved)[0], design)


@settings(max_examples=50)
@given(spaces_and_designs(min_size=2), FORMS)
def test_designs_had_one_agent_kept_to_the_reference(
    made: tuple[SearchSpace, Designs], agents: str
) -> None:
    space, rows = made
    team = Team.of(space, agents)
    reference = rows[::-1]
    without = team.instead(rows, reference)
    for i in range(len(rows)):
        for agent, columns in enumerate(team.columns):
            expected = rows[i].copy()
            expected[columns] = reference[i, columns]
            assert np.array_equal(without[i, agent], expected)


def test_first_observations() -> None:
    problem = toy_problem()
    view = TeamView(problem.statement, Team.of(problem.space, "group"))
    observation, state = view.first(3)
    assert observation.shape == (3, 2, view.size)
    assert state.shape == (3, view.state_size)
    assert observation.dtype == state.dtype == np.float32
    bounds = [np.log1p(92.0), np.log1p(4.0)]
    expected = [1.0, 0.0, *(b / (1 + b) for b in bounds)]
    np.testing.assert_allclose(observation[2, 1, :4], expected, rtol=1e-6)
    np.testing.assert_allclose(state[2, :4], expected, rtol=1e-6)
    assert not observation[:, :, 4:].any()
    assert not state[:, 4:].any()


def test_later_observations_have_the_parts_that_are_documented() -> None:
    problem = toy_problem()
    team = Team.of(problem.space, "group")  # chip: rows, cols; net: depth
    view = TeamView(problem.statement, team)
    evaluation = problem.evaluate([[1, 2, 3], [0, 0, 0]])
    observation, state = view.after(evaluation, np.array([0.5, -0.5]), 0.25)
    assert (observation[:, :, 0] == 0.25).all()
    best = np.log1p(0.5) / (1 + np.log1p(0.5))
    np.testing.assert_allclose(observation[:, 0, 1], [best, -best], rtol=1e-6)
    seen = observe(evaluation)
    m_and_s = slice(4, 4 + seen.shape[1])
    for agent in range(2):
        assert np.array_equal(observation[:, agent, m_and_s], seen)
    own = observation[:, :, 4 + seen.shape[1] :]
    assert own[0].tolist() == [[0.375, 0.625, 1, 1], [0.875, 0, 1, 0]]  # net has one: filled up
    assert state[0, 4 + seen.shape[1] :].tolist() == [0.375, 0.625, 0.875, 1, 1, 1]


def test_a_parameter_that_does_not_count_is_seen_so() -> None:
    problem = synthetic_problem("conditional")
    team = Team.of(problem.space, "parameter")
    view = TeamView(problem.statement, team)
    evaluation = problem.evaluate([[0, 3, 1, 0, 0]])  # simple: neither cache nor policy
    own = view.after(evaluation, np.zeros(1), 0.0)[0][0, :, -2:]
    assert own[:3].tolist() == [[0.25, 1.0], [0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("name", ["resnet18-asic", "mnist1d-asic"])
def test_observations_are_in_bounds(name: str) -> None:
    problem = make_problem(name)
    view = TeamView(problem.statement, Team.of(problem.space, "group"))
    evaluation = problem.evaluate(problem.space.sample(200, 0))
    both = view.after(evaluation, problem.reward(evaluation), 0.5)
    assert all((np.abs(part) <= 1).all() for part in both)


def test_an_unknown_form_names_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"form of agents 'groups'; did you mean 'group'"):
        Team.of(toy_problem().space, "groups")
