"""Two paths at a time: gradients of logits, probabilities that must not move, and the agent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codesign_gym.envs import Spec, make_problem
from codesign_gym.experiments.testing import synthetic_problems
from codesign_gym.search import make_agent
from codesign_gym.search.agents import ProxylessNas
from codesign_gym.search.binary_gates import (
    logit_gradient,
    sample_pairs,
    sample_path,
    step_two,
)
from codesign_gym.search.differentiable import Architecture
from codesign_gym.search_spaces import CellSpace, InputError

CELLS = synthetic_problems()["supernet"]
SIZES = (5, 2, 3)


def choices(seed: int) -> Architecture:
    rng = np.random.default_rng(seed)
    made = Architecture(SIZES, [(0,), (1, 2)], rng)
    with torch.no_grad():
        made.alpha.copy_(torch.from_numpy(rng.normal(size=sum(SIZES))))
    return made


@given(st.integers(0, 1000))
def test_logits_have_the_gradient_of_the_mixture_of_two(seed: int) -> None:
    rng, own = np.random.default_rng(seed), choices(seed)
    pairs = sample_pairs(own, rng)
    assert (pairs.active != pairs.other).all()
    gates = torch.from_numpy(rng.normal(size=(3, 2)).astype(np.float32))
    # A loss that is linear in the gates, which are the probabilities of the two alone.
    starts = torch.tensor([0, 5, 7])
    both = torch.stack([starts + torch.from_numpy(i) for i in pairs], dim=1)
    loss = (own.alpha[both].softmax(dim=1) * gates).sum()
    (expected,) = torch.autograd.grad(loss, own.alpha)
    torch.testing.assert_close(logit_gradient(own, pairs, gates), expected)


@given(st.integers(0, 1000))
def test_a_step_moves_two_probabilities_of_each_place(seed: int) -> None:
    rng, own = np.random.default_rng(seed), choices(seed)
    adam = torch.optim.Adam([own.alpha], 0.1, (0.0, 0.999))
    for _ in range(2):  # the moments of the first step must not move anything in the second
        pairs = sample_pairs(own, rng)
        before = [p.detach().clone() for p in own.probabilities()]
        gradient = torch.from_numpy(rng.normal(size=sum(SIZES)).astype(np.float32))
        step_two(own, pairs, gradient, adam)
        for place, (old, new) in enumerate(zip(before, own.probabilities(), strict=True)):
            two = [pairs.active[place], pairs.other[place]]
            others = [i for i in range(SIZES[place]) if i not in two]
            torch.testing.assert_close(new[others], old[others])
            torch.testing.assert_close(new[two].sum(), old[two].sum())
            assert not torch.equal(new[two], old[two])


def test_paths_and_pairs_are_drawn_by_their_probabilities() -> None:
    rng, own = np.random.default_rng(0), choices(3)
    paths = np.array([sample_path(own, rng) for _ in range(2000)])
    active = np.array([sample_pairs(own, rng).active for _ in range(2000)])
    expected = own.probabilities()[0].detach().numpy()
    np.testing.assert_allclose(np.bincount(paths[:, 0], minlength=5) / 2000, expected, atol=0.04)
    # Of a pair without replacement, the likelier is computed more often than the unlikelier.
    assert np.argmax(np.bincount(active[:, 0])) == np.argmax(expected)


def test_a_place_with_one_candidate_is_no_obstacle() -> None:
    own = Architecture((1, 2), [(0, 1)], np.random.default_rng(0))
    pairs = sample_pairs(own, np.random.default_rng(0))
    assert pairs.active[0] == pairs.other[0] == 0
    assert logit_gradient(own, pairs, torch.ones(2, 2))[0] == 0


# -- the agent ---------------------------------------------------------------------------------


def agent(**options: object) -> ProxylessNas:
    made = make_agent("proxylessnas", CELLS, 0, **options)
    assert isinstance(made, ProxylessNas)
    return made


def test_designs_just_below_the_target_come_first() -> None:
    made, space = agent(target=2.0), CELLS.space
    assert made.lut is not None
    assert isinstance(space, CellSpace)
    designs = np.array([*made.ranked()], dtype=np.int32)
    assert len(designs) == space.size
    cost, needed = (
        made.lut.evaluate(each).values_matrix[:, 0] for each in (designs, space.pruned(designs))
    )
    kept = cost <= 2.0
    wasteful = kept & (needed < cost - 1e-6)  # pays for edges that lead nowhere
    near = kept & ~wasteful & (cost >= 1.9)
    ends = np.cumsum([near.sum(), (kept & ~wasteful & ~near).sum(), wasteful.sum()])
    assert (np.diff([0, *ends, len(cost)]) > 0).all()
    assert near[: ends[0]].all()
    assert not wasteful[: ends[1]].any()
    assert kept[: ends[2]].all()


def test_no_network_is_proposed_under_two_names_before_all_others() -> None:
    made, space = agent(target=2.0), CELLS.space
    assert isinstance(space, CellSpace)
    networks = space.ravel(space.representatives(made.ask(space.size)))
    different = len(np.unique(networks))
    assert different < space.size
    assert len(np.unique(networks[:different])) == different


def test_the_spec_is_the_target() -> None:
    assert agent().target == 3.0
    assert agent(target=1.5).target == 1.5
    free = replace(CELLS, specs=())
    assert make_agent("proxylessnas", free).target == np.inf  # type: ignore[attr-defined]
    other = replace(CELLS, specs=(Spec("time_ms", ">=", 1.0), Spec("quality_pct", "<=", 5.0)))
    assert make_agent("proxylessnas", other).target == np.inf  # type: ignore[attr-defined]


@pytest.mark.parametrize("estimator", ["gradient", "reinforce"])
def test_a_tight_target_makes_cheap_designs_likely(estimator: str) -> None:
    """With steps of the choices alone counting, the expected cost goes to the target."""

    def expected(target: float) -> float:
        made = agent(
            estimator=estimator, target=target, epochs=60, warm_up=0.0, choice_rate=0.3,
            price=5.0, price_rate=0.5, batch=10,
        )  # fmt: skip
        assert made.lut is not None
        p = torch.from_numpy(np.exp(np.concatenate(made.learned())))
        return float(made.lut.expected(p))

    lut = agent().lut
    assert lut is not None
    even = float(lut.expected(torch.full((30,), 0.2)))
    assert expected(0.7 * even) < 0.92 * even


def test_no_target_no_price() -> None:
    first = agent(target=1e9, price=0.0, price_rate=0.0)
    free = make_agent("proxylessnas", replace(CELLS, specs=()), 0)
    for one, other in zip(first.learned(), free.learned(), strict=True):  # type: ignore[attr-defined]
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"cost": "latency"}, "'cost' of proxylessnas must be one of , time_ms, got 'latency'"),
        ({"estimator": "luck"}, "must be one of gradient, reinforce, got 'luck'"),
        ({"target": -1.0}, "option 'target' of proxylessnas must be at least 0, got -1.0"),
        ({"tolerance": 2.0}, "option 'tolerance' of proxylessnas must be in 0..1, got 2.0"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        agent(**options)


def test_the_expected_latency_is_that_of_the_array() -> None:
    problem = make_problem("nas-mnist1d")
    made = make_agent("proxylessnas", problem, 0, target=5.0)
    assert isinstance(made, ProxylessNas)
    assert made.lut is not None
    assert made.lut.metrics[0].name == "latency_us"
    designs = problem.space.sample(50, 0)
    said = made.lut.evaluate(designs).values_matrix[:, 0]
    true = problem.models[0].evaluate(designs)["latency_us"]
    np.testing.assert_allclose(said, true, rtol=1e-6)
