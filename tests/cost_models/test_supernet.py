"""Supernets: what their rules compute, the gradients of gates, and inherited accuracies."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.supernet import SUPERNET_SPACES, SupernetTask
from codesign_gym.cost_models.accuracy.supernet_model import SupernetModel
from codesign_gym.cost_models.accuracy.supernet_rules import (
    Rule,
    SinglePath,
    TwoPaths,
    Weighted,
)
from codesign_gym.cost_models.accuracy.supernet_torch import Mixture
from codesign_gym.cost_models.accuracy.supernet_training import (
    Diverged,
    Lessons,
    constant_loss,
    fair_paths,
)
from codesign_gym.cost_models.accuracy.supernets import SUPERNETS, supernet
from codesign_gym.cost_models.accuracy.tasks import get_task
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.networks.nas_bench_201 import EDGES

X = torch.from_numpy(get_task("mnist1d").data().x[:8])[:, None]
designs = st.lists(st.integers(0, 4), min_size=6, max_size=6)


def one_hot(design: list[int]) -> list[Tensor]:
    return [nn.functional.one_hot(torch.tensor(i), 5).float() for i in design]


@given(designs, st.sampled_from([1, 2, 4]))
@settings(max_examples=15, deadline=None)
def test_a_mixture_of_one_candidate_is_its_path(design: list[int], share: int) -> None:
    net = supernet("nas-bench-201-1d", share=share)
    mixed = net(X, Weighted(one_hot(design)))
    torch.testing.assert_close(mixed, net(X, SinglePath(design)))


def test_the_path_of_a_design_is_its_network() -> None:
    from codesign_gym.cost_models.accuracy.nas_bench_201_torch import SequenceNetwork

    design = [3, 2, 1, 3, 4, 0]
    net, alone = supernet("nas-bench-201-1d", scaled=True), SequenceNetwork(design)
    own = net.network.state_dict()
    state = alone.state_dict()
    for name in state:
        path = name.split(".")
        if path[0] == "cells" and path[-1] == "weight":
            edge = EDGES.index(path[3])
            inside = ".".join(["candidates", str(design[edge]), *path[4:]])
            shared = ".".join([*path[:4], inside])
            if shared in own:  # batch norms of candidates have no weights
                state[name] = own[shared]
        elif name in own:
            state[name] = own[name]
    alone.load_state_dict(state)
    torch.testing.assert_close(alone.train()(X), net.train()(X, SinglePath(design)))


def test_candidates_that_are_weighed_have_one_size() -> None:
    """Convolutions and pools give every channel mean 0 and variance 1, whatever comes in."""
    net = supernet("nas-bench-201-1d", share=2)
    place = next(m for m in net.modules() if isinstance(m, Mixture))
    x = 3 + 5 * torch.randn(16, place.mixed, 40)
    for candidate in list(place.candidates)[2:]:
        out = candidate(x).transpose(0, 1).flatten(1)
        torch.testing.assert_close(out.mean(1), torch.zeros(place.mixed), atol=1e-4, rtol=0)
        torch.testing.assert_close(
            out.var(1, unbiased=False), torch.ones(place.mixed), atol=1e-3, rtol=0
        )


@given(designs, designs)
@settings(max_examples=10, deadline=None)
def test_gates_have_the_gradients_of_a_weighted_pair(active: list[int], other: list[int]) -> None:
    """Those of ``g_0 * active(x) + g_1 * other(x)`` at (1, 0), and so have all weights."""
    net = supernet("nas-bench-201-1d").double()

    def gradients(rule: Rule) -> tuple[Tensor, ...]:
        return torch.autograd.grad(
            net(X.double(), rule).square().sum(),
            [gates, *net.parameters()],
            materialize_grads=True,
        )

    gates = torch.tensor([[1.0, 0.0]] * 6, dtype=torch.float64, requires_grad=True)
    pairs = [
        torch.stack([g[0] * (torch.arange(5) == i) + g[1] * (torch.arange(5) == j)]).sum(0)
        for g, i, j in zip(gates, active, other, strict=True)
    ]
    expected = gradients(Weighted(pairs))
    found = gradients(TwoPaths(active, other, gates))
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two)


def test_partial_channels_pass_the_others_by_and_shuffle() -> None:
    rules: list[Rule] = [Weighted([torch.tensor([0.0, 2.0])], torch.tensor([3.0]))]
    mixture = Mixture(lambda index, width: nn.Identity(), 2, 0, 8, 4, rules)
    x = torch.arange(8.0).view(1, 8, 1)
    # Channels 0 and 1 are doubled, all are weighed by 3; then one of each quarter by turns.
    assert mixture(x).flatten().tolist() == [0, 6, 12, 18, 6, 9, 15, 21]
    with pytest.raises(InputError, match="one in 3 channels cannot be mixed of 8"):
        Mixture(lambda index, width: nn.Identity(), 2, 0, 8, 3, rules)


def test_the_answers_fit_the_task() -> None:
    assert supernet("nas-bench-201-1d")(X, SinglePath([3] * 6)).shape == (8, 1, 10)
    dense = supernet("nas-bench-201-1d", ["iou"])
    assert dense(X, SinglePath([3] * 6)).shape == (8, 1, 40)
    assert set(SUPERNETS) == set(SUPERNET_SPACES)
    with pytest.raises(InputError, match="unknown space with a supernet 'resnet9-1d'"):
        supernet("resnet9-1d")


def test_the_first_weights_are_those_of_the_seed() -> None:
    torch.manual_seed(1)
    states = [supernet("nas-bench-201-1d", seed=seed).state_dict() for seed in (5, 5, 6)]
    first, again, other = (state["network.stem.0.weight"] for state in states)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def lessons(rate: float = 0.01, held_out: float = 0.5, size: int = 100) -> Lessons:
    task = get_task("mnist1d").first(size)
    recipe = Recipe(epochs=1, batch=20, learning_rate=rate)
    net = supernet("nas-bench-201-1d")
    return Lessons(net, [task], recipe, np.random.default_rng(0), held_out)


def test_held_out_sequences_are_others() -> None:
    pairs = list(lessons().batches())
    own, held = (torch.cat([pair[i].x for pair in pairs]).flatten(1) for i in (0, 1))
    assert len(pairs) == 2
    assert len(own) == len(held) == 40
    assert not (own[:, None] == held[None]).all(dim=2).any()


def test_weights_off_the_path_stay_as_they_are() -> None:
    learner = lessons()
    before = {name: p.clone() for name, p in learner.supernet.named_parameters()}
    (batch, _), *_ = learner.batches()
    learner.step(batch, SinglePath([3] * 6))
    for name, p in learner.supernet.named_parameters():
        on_path = "candidates" not in name or "candidates.3." in name
        assert torch.equal(p, before[name]) is not on_path, name


TASKS = [get_task(name) for name in ("mnist1d", "mnist1d-denoise", "mnist1d-stroke")]


def test_heads_of_several_tasks_stand_on_one_trunk() -> None:
    net = supernet("nas-bench-201-1d", ["accuracy", "r2", "iou"])
    digits, clean, mask = net.answers(X, SinglePath([3] * 6))
    assert digits.shape == (8, 1, 10)
    assert clean.shape == mask.shape == (8, 1, 40)
    torch.testing.assert_close(net(X, SinglePath([3] * 6)), digits)
    grown = sum(p.numel() for p in net.parameters())
    alone = sum(p.numel() for p in supernet("nas-bench-201-1d").parameters())
    # Two dense heads: on each stage scale and shift of 8 channels, 8 weights, a bias.
    assert grown - alone == 2 * 3 * (3 * 8 + 1)


def test_tasks_are_weighed_by_what_a_constant_answer_loses() -> None:
    from codesign_gym.cost_models.accuracy.training import MARKING

    for task in TASKS:
        y = torch.from_numpy(task.data().y[:500])
        shares = torch.bincount(y).float() / len(y) if task.metric == "accuracy" else None
        best = y.float().mean() if shares is None else shares.log()
        best = best.logit() if task.metric == "iou" else best
        constant = best.expand(len(y), 1, 10 if task.metric == "accuracy" else 40)
        loss = MARKING[task.metric][0](constant, y[:, None])
        assert constant_loss(task.metric, y) == pytest.approx(float(loss), rel=1e-5)
    first = [task.first(100) for task in TASKS]
    net = supernet("nas-bench-201-1d", [task.metric for task in first])
    learner = Lessons(net, first, Recipe(1, 20), np.random.default_rng(0))
    for batch, _ in learner.batches():
        rule = SinglePath([3] * 6)
        losses = learner.losses(batch, rule)
        assert losses.shape == (3,)
        torch.testing.assert_close(learner.loss(batch, rule), losses.mean())
        assert 0 <= learner.credit(batch, rule) <= 1
        before = {name: p.clone() for name, p in net.named_parameters()}
        learner.step(batch, rule)
        moved = {name for name, p in net.named_parameters() if not torch.equal(p, before[name])}
        assert {f"network.more.{i}.{s}.3.weight" for i in range(2) for s in range(3)} <= moved


def test_tasks_of_other_sequences_are_refused() -> None:
    with pytest.raises(InputError, match="must be of the same sequences, got mnist1d of mnist1d, "):
        SupernetTask("nas-bench-201-1d", also=("mnist1d-shuffled",))
    with pytest.raises(InputError, match="tasks of a supernet must differ, got mnist1d, mnist1d"):
        SupernetTask("nas-bench-201-1d", also=("mnist1d",))


def test_training_that_diverges_says_so() -> None:
    learner, rule = lessons(rate=1e30), SinglePath([3] * 6)
    (first, _), (second, _) = learner.batches()
    learner.step(first, rule)
    with pytest.raises(Diverged, match=r"training of the supernet diverged in epoch 1: loss nan"):
        learner.step(second, rule)


def test_a_supernet_that_diverged_makes_designs_invalid() -> None:
    model = SupernetModel(epochs=3, size=200, learning_rate=1e30)
    found = model.evaluate([[3] * 6, [1] * 6])
    assert not found.valid.any()
    assert found.reason(1).startswith("training of the supernet diverged in epoch")


def test_inherited_accuracy_is_above_chance() -> None:
    model = SupernetModel(epochs=2, size=1500)
    found = model.evaluate([[3] * 6, [2, 2, 2, 2, 2, 2], [0] * 6])["accuracy_pct"]
    assert found[0] > 13 > found[2]


def test_every_candidate_is_trained_equally_often() -> None:
    paths = np.array(fair_paths((5, 5, 2), np.random.default_rng(0)))
    assert paths.shape == (5, 3)
    assert [sorted(column) for column in paths[:, :2].T.tolist()] == [[0, 1, 2, 3, 4]] * 2
    assert np.bincount(paths[:, 2]).min() == 2


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"space": "resnet9-1d"}, "space 'resnet9-1d' has no supernet; those that have are"),
        ({"task": "mnist2d"}, "unknown task 'mnist2d'"),
        ({"epochs": 0}, "epochs must be in 1..10000, got 0"),
        ({"size": 5}, "training sequences must be in 20..4000, got 5"),
        ({"seed": -1}, "seed must be in 0..4294967295, got -1"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0, got nan"),
    ],
)
def test_what_cannot_be_trained_is_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        SupernetModel(**options)  # type: ignore[arg-type]


def test_a_task_without_sense_is_refused() -> None:
    with pytest.raises(InputError, match="unknown task 'mnist2d'"):
        SupernetTask("nas-bench-201-1d", task="mnist2d")
    with pytest.raises(InputError, match="epochs must be at least 1, got 0"):
        SupernetTask("nas-bench-201-1d", epochs=0)
