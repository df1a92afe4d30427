"""The ensemble over relaxed designs, the climb of its gradient, and the agent of both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from codesign_gym.envs import make_problem
from codesign_gym.search import make_agent, search
from codesign_gym.search.surrogate import Ensemble, ascend
from codesign_gym.search_spaces import Categorical, Designs, InputError, SearchSpace
from tests.strategies import spaces_and_designs

SPACE = SearchSpace("toy", tuple(Categorical(f"x{j}", tuple("abcdef")) for j in range(5)))
EFFECTS = np.random.default_rng(1).normal(size=(5, 6))


def additive(designs: Designs) -> Any:
    return EFFECTS[np.arange(5), designs].sum(axis=1, keepdims=True) / 2


def learned(steps: int) -> Ensemble:
    rng = np.random.default_rng(0)
    ensemble = Ensemble(SPACE, 1, members=6, hidden=16, learning_rate=1e-2, rng=rng)
    designs = SPACE.sample(200, 0)
    ensemble.learn(designs, additive(designs), steps, rng)
    return ensemble


def test_it_learns_what_it_was_told() -> None:
    unseen = SPACE.sample(300, 1)
    truth = additive(unseen)
    before, after = (np.square(learned(n).predict(unseen)[0] - truth).mean() for n in (1, 300))
    assert after < 0.1 * truth.var() < before


def test_it_doubts_more_what_it_knows_less() -> None:
    rng = np.random.default_rng(0)
    designs = SPACE.sample(200, 0)
    designs[:, 0] = designs[:, 0] % 2  # four choices are never seen
    ensemble = Ensemble(SPACE, 1, members=8, hidden=16, learning_rate=1e-2, rng=rng)
    ensemble.learn(designs, additive(designs), 200, rng)
    strange = designs.copy()
    strange[:, 0] += 2
    assert ensemble.predict(strange)[1].mean() > 2 * ensemble.predict(designs)[1].mean()


def test_one_hot_designs_are_corners_of_the_relaxation() -> None:
    ensemble, designs = learned(5), SPACE.sample(20, 3)
    corners = torch.from_numpy(SPACE.one_hot(designs))
    with torch.no_grad():
        mean = ensemble.outputs(corners).mean(dim=0).numpy()
    np.testing.assert_allclose(mean, ensemble.predict(designs)[0], atol=1e-5)


def test_climbs_end_at_or_near_the_best_design_of_a_sum() -> None:
    weights = torch.from_numpy(EFFECTS.astype(np.float32).ravel())

    def value(relaxed: Tensor) -> Tensor:
        return relaxed @ weights

    found = ascend(SPACE, SPACE.sample(16, 0), value, 60, np.random.default_rng(0))
    assert found.shape == (32, 5)
    last = found[16:]
    assert (last == EFFECTS.argmax(axis=1)).all(axis=1).any()  # one design of 7,776
    chance = additive(SPACE.sample(5000, 2))
    assert additive(last).min() > np.quantile(chance, 0.97)
    assert additive(last).mean() > additive(found[:16]).mean()


@settings(max_examples=25)
@given(spaces_and_designs())
def test_a_climb_stays_in_the_space(made: tuple[SearchSpace, Designs]) -> None:
    space, rows = made
    rng = np.random.default_rng(0)
    weights = torch.from_numpy(rng.normal(size=int(space.offsets[-1])).astype(np.float32))
    found = ascend(space, space.canonical(rows), lambda x: x @ weights, 3, rng)
    assert np.array_equal(space.canonical(space.check(found)), found)


def test_it_searches_better_than_chance() -> None:
    problem = make_problem("synthetic-12x8")
    rewards = {
        name: search(problem, make_agent(name, problem, 0), 80).best.reward
        for name in ("surrogate-gradient", "random")
    }
    assert rewards["surrogate-gradient"] > rewards["random"]


def test_no_design_is_proposed_twice() -> None:
    problem = make_problem("synthetic-12x8")
    history = search(problem, make_agent("surrogate-gradient", problem, 0), 60).history
    assert len(np.unique(history.designs, axis=0)) == 60


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"members": 1}, "'members' of surrogate-gradient must be at least 2"),
        ({"climb": 0}, "'climb' of surrogate-gradient must be at least 1"),
        ({"learning_rate": 2}, "'learning_rate' of surrogate-gradient must be in 0..1"),
        ({"optimism": -1}, "'optimism' of surrogate-gradient must be at least 0"),
    ],
)
def test_wrong_options(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        make_agent("surrogate-gradient", make_problem("synthetic-12x8"), 0, **options)
