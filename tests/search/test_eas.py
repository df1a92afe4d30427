"""The agent that grows networks, and its policy."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from codesign_gym.envs import DesignProblem, make_problem
from codesign_gym.experiments.testing import SyntheticModel
from codesign_gym.search import make_agent, search
from codesign_gym.search.agents import Eas
from codesign_gym.search.growth_controller import GrowthController
from codesign_gym.search_spaces import InputError, make_space
from codesign_gym.search_spaces.networks.growth import ROOT, read_network, write_network
from codesign_gym.search_spaces.networks.tokens import SLOTS
from codesign_gym.search_spaces.networks.transformations import steps_between

SPACE = make_space("growing-network")


def problem(group: str = "network") -> DesignProblem:
    """Growing networks of which nothing is trained: seeded tables say what they are worth."""
    space = make_space("growing-network", group=group)
    return DesignProblem(
        name="synthetic-growth",
        space=space,
        models=(SyntheticModel(space),),
        objective_names=("quality_pct",),
        specs=(),
        reward=lambda evaluation: np.where(
            evaluation.feasible, evaluation.metrics["quality_pct"], 0.0
        ),
    )


def opinionated(seed: int = 0) -> GrowthController:
    """A policy that prefers some choices, differently for different networks."""
    controller = GrowthController(8, 6, 1e-2, np.random.default_rng(seed))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in controller.weights.values():
            weight += 0.7 * torch.randn(weight.shape, generator=generator)
    return controller


def test_at_first_every_choice_is_equally_likely() -> None:
    controller = GrowthController(16, 50, 1e-3, np.random.default_rng(0))
    n = 1200
    episodes = controller.sample([ROOT] * n, 1, 1, np.random.default_rng(1))
    wide = episodes.actions[:, 0, : len(SLOTS)].mean(axis=0)
    there = [SLOTS.index((part, 0)) for part in range(4)]
    assert wide[there] == pytest.approx(0.5, abs=0.06)
    assert wide.sum() == pytest.approx(wide[there].sum())
    part, layer, kernel = episodes.actions[:, 1, -3:].T
    assert np.bincount(part) / n == pytest.approx(0.25, abs=0.05)
    assert not layer.any()
    assert np.bincount(kernel[part < 3]) / (part < 3).sum() == pytest.approx(1 / 3, abs=0.06)
    by_hand = 4 * np.log(0.5) + np.log(0.25) + np.where(part < 3, np.log(1 / 3), 0.0)
    assert episodes.likelihood.numpy() == pytest.approx(by_hand, rel=1e-5)


def test_networks_are_drawn_as_often_as_their_likelihood_says() -> None:
    controller, n = opinionated(), 3000
    episodes = controller.sample([ROOT] * n, 1, 1, np.random.default_rng(0))
    likelihood: dict[bytes, float] = {}
    counts: dict[bytes, int] = {}
    for action, value in zip(episodes.actions, episodes.likelihood.tolist(), strict=True):
        key = action.tobytes()
        assert likelihood.setdefault(key, value) == pytest.approx(value, rel=1e-4)
        counts[key] = counts.get(key, 0) + 1
    expected = {key: n * np.exp(value) for key, value in likelihood.items()}
    assert sum(expected.values()) <= n * 1.001
    common = [key for key in expected if expected[key] >= 20]
    assert len(common) > 10
    deviation = sum((counts[key] - expected[key]) ** 2 / expected[key] for key in common)
    assert deviation < len(common) + 4 * np.sqrt(2 * len(common))


def test_a_replay_is_the_same_episodes() -> None:
    controller = opinionated(3)
    rng = np.random.default_rng(0)
    starts = [read_network(design) for design in SPACE.decode(SPACE.sample(12, 0))]
    episodes = controller.sample(starts, 2, 5, rng)
    again = controller.replay(starts, 2, episodes.actions)
    assert again.networks == episodes.networks
    assert torch.allclose(again.likelihood, episodes.likelihood, atol=1e-4)
    assert again.likelihood.requires_grad
    for start, network in zip(starts, episodes.networks, strict=True):
        assert steps_between(start, network) is not None
        SPACE.encode([write_network(network)])


def test_a_step_makes_good_networks_likelier_and_bad_ones_less_so() -> None:
    controller = opinionated(1)
    starts = [ROOT, ROOT]
    before = controller.sample(starts, 2, 2, np.random.default_rng(5))
    assert before.networks[0] != before.networks[1]
    controller.learn(starts, 2, before.actions, torch.tensor([1.0, -1.0]), 0.0)
    after = controller.replay(starts, 2, before.actions).likelihood
    assert after[0] > before.likelihood[0]
    assert after[1] < before.likelihood[1]


def test_what_has_grown_up_stays() -> None:
    last = SPACE.nvec[None] - 1
    [full] = [read_network(design) for design in SPACE.decode(last.astype(np.int32))]
    episodes = opinionated().sample([full], 2, 2, np.random.default_rng(0))
    assert episodes.networks == [full]
    assert episodes.likelihood.tolist() == [0.0]
    assert (episodes.actions[:, 2:, -3:] == -1).all()


def tiny_growth() -> DesignProblem:
    """Real training, as little as there can be."""
    return make_problem("eas-mnist1d", epochs=1, training_size=100)


def test_searches_that_train_are_repeatable_and_can_be_interrupted() -> None:
    first, again, other = (
        search(
            tiny_growth(), make_agent("eas", tiny_growth(), seed, stage=2, batch_size=2), 3
        ).history
        for seed in (3, 3, 4)
    )
    assert np.array_equal(first.designs, again.designs)
    assert np.array_equal(first.metrics.values_matrix, again.metrics.values_matrix)
    assert not np.array_equal(first.designs, other.designs)
    resumed = search(
        tiny_growth(),
        make_agent("eas", tiny_growth(), 3, stage=2, batch_size=2),
        3,
        recorded=first.take(slice(2)),
    ).history
    assert np.array_equal(resumed.metrics.values_matrix, first.metrics.values_matrix)


@pytest.mark.parametrize("group", ["network", "task1"])
def test_proposals_are_new_designs_most_of_which_can_be_trained(group: str) -> None:
    made = problem(group)
    history = search(made, make_agent("eas", made, 0, stage=20), 60).history
    assert len(np.unique(history.designs, axis=0)) == 60
    faults = [bool(read_network(d).fault) for d in made.space.decode(history.designs)]
    assert np.mean(faults) <= 0.1


def test_later_networks_grow_out_of_the_best() -> None:
    made = problem()
    agent = make_agent("eas", made, 0, stage=10, wider=1, deeper=1)
    first = agent.ask(10)
    evaluation = made.evaluate(first)
    agent.tell(first, evaluation)
    best = int(np.argmax(np.where(evaluation.feasible, made.reward(evaluation), -np.inf)))
    [parent, *children] = made.space.decode(np.concatenate([first[[best]], agent.ask(8)]))
    for child in children:
        steps = steps_between(read_network(parent), read_network(child))
        assert steps is not None
        assert len(steps) <= 10


def test_nothing_grows_out_of_what_cannot_be_trained() -> None:
    made = make_problem("eas-mnist1d")
    agent = make_agent("eas", made, 0, stage=0)
    largest = (made.space.nvec - 1)[None].astype(np.int32)
    agent.tell(largest, made.evaluate(largest))
    [child] = made.space.decode(agent.ask(1))
    assert not read_network(child).fault


def test_learns_from_others_and_goes_on_from_its_state() -> None:
    made = problem()
    agent, copy = make_agent("eas", made, 0, stage=20), make_agent("eas", made, 9, stage=20)
    others = made.space.sample(30, 0)
    agent.tell(others, made.evaluate(others))
    for n in (1, 7, 20):
        designs = agent.ask(n)
        assert designs.shape == (n, len(made.space))
        assert designs.dtype == np.int32
        agent.tell(designs, made.evaluate(designs))
    waiting = agent.ask(5)
    copy.load_state_dict(json.loads(json.dumps(agent.state_dict())))
    for known in (agent, copy):
        known.tell(waiting, made.evaluate(waiting))
    assert np.array_equal(agent.ask(8), copy.ask(8))


def test_it_learns_what_is_good() -> None:
    """Of a reward that is the number of layers, the policy puts in more than it did at first."""
    made = problem()
    agent = make_agent("eas", made, 0, stage=10_000, wider=3, deeper=1, batch_size=20)
    assert isinstance(agent, Eas)

    def dense_share() -> float:
        episodes = agent._ready().sample([ROOT] * 300, 3, 1, np.random.default_rng(0))
        return float(np.mean([len(network.dense) == 2 for network in episodes.networks]))

    before = dense_share()
    for _ in range(15):
        designs = agent.ask(20)
        evaluation = made.evaluate(designs)
        layers = np.array([len(read_network(d).dense) for d in made.space.decode(designs)])
        agent.statement = type(agent.statement)(
            **{**vars(agent.statement), "reward": lambda _, layers=layers: layers.astype(float)}
        )
        agent.tell(designs, evaluation)
    assert before == pytest.approx(0.25, abs=0.1)
    assert dense_share() > 0.6


@pytest.mark.parametrize("name", ["mnist1d-asic", "resnet18-asic", "synthetic-12x8"])
def test_other_spaces_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"growing networks, which problem '{name}' lacks"):
        make_agent("eas", make_problem(name))


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("wider", 0, "option 'wider' of eas must be at least 1, got 0"),
        ("deeper", -1, "option 'deeper' of eas must be at least 0, got -1"),
        ("embedding", 0, "option 'embedding' of eas must be at least 1, got 0"),
        ("decay", 2.0, "option 'decay' of "),
    ],
)
def test_bad_options(option: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_agent("eas", problem(), 0, **{option: value})
