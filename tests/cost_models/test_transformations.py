"""Networks grow without forgetting: every step, in any order, keeps what the network computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign_gym.cost_models.accuracy.growing_torch import PlainNetwork, accuracy, fit, fresh
from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.tasks import mnist1d
from codesign_gym.cost_models.accuracy.transformations import grow
from codesign_gym.cost_models.workloads import from_space
from codesign_gym.search_spaces import InputError, make_space
from codesign_gym.search_spaces.networks.growth import (
    KERNELS,
    MOST_WEIGHTS,
    ROOT,
    Layer,
    Plain,
    is_growing,
    read_network,
    write_network,
)
from codesign_gym.search_spaces.networks.transformations import (
    Deeper,
    Step,
    Wider,
    grown,
    is_full,
    next_width,
    steps_between,
)

SPACE = make_space("growing-network")
X = torch.from_numpy(mnist1d().x[:100])


def used(seed: int, network: Plain = ROOT) -> PlainNetwork:
    """A network whose batch norms have statistics and scales of their own."""
    module = fresh(network, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for m in module.modules():
            if isinstance(m, torch.nn.BatchNorm1d):
                m.weight.add_(0.3 * torch.randn(m.weight.shape, generator=generator))
                m.bias.add_(0.3 * torch.randn(m.bias.shape, generator=generator))
        module.train()
        for _ in range(5):
            module(X)
    return module.eval()


def weight_of(module: PlainNetwork, part: int) -> torch.Tensor:
    """The weights of the first layer of a part."""
    weight = module.at(part, 0)[0].weight
    assert isinstance(weight, torch.Tensor)
    return weight


@st.composite
def growths(draw: st.DrawFn) -> list[Step]:
    """Up to eight steps from the root, any of those that the space allows, in any order."""
    network, steps = ROOT, list[Step]()
    for _ in range(draw(st.integers(1, 8))):
        part = draw(st.integers(0, len(network.parts) - 1))
        layer = draw(st.integers(0, len(network.parts[part]) - 1))
        width = next_width(network, part, layer)
        wider = draw(st.booleans())
        if wider and width is not None:
            steps.append(Wider(part, layer, width))
        elif not is_full(network, part):
            dense = part == len(network.blocks)
            kernel = 1 if dense else draw(st.sampled_from(KERNELS))
            steps.append(Deeper(part, layer, kernel))
        else:
            continue
        network = grown(network, steps[-1])
    return steps


@settings(max_examples=40)
@given(growths(), st.integers(0, 2**31 - 1))
def test_every_step_in_any_order_keeps_the_function(steps: list[Step], seed: int) -> None:
    module = used(seed)
    with torch.no_grad():
        before = module(X)
        larger = grow(module, *steps, batch=X[:50], rng=np.random.default_rng(seed)).eval()
        after = larger(X)
    assert larger.network == grown(ROOT, *steps)
    assert float((after - before).abs().max()) <= 1e-5 * max(1.0, float(before.abs().max()))
    assert torch.equal(module(X), before)


def test_on_sequences_that_no_batch_norm_has_seen() -> None:
    module = used(3)
    steps: list[Step] = [
        Deeper(0, 0, 5),
        Wider(0, 1, 12),
        Deeper(1, 0, 3),
        Deeper(3, 0),
        Wider(3, 0, 64),
    ]
    unseen = torch.from_numpy(mnist1d().x_test) * 3
    with torch.no_grad():
        larger = grow(module, *steps, batch=X[:10], rng=np.random.default_rng(0)).eval()
        assert torch.allclose(larger(unseen), module(unseen), atol=3e-5, rtol=1e-5)


def test_noise_breaks_the_symmetry_and_little_else() -> None:
    module = used(0)
    exact, noisy = (
        grow(module, Wider(0, 0, 16), batch=X, rng=np.random.default_rng(1), noise=noise).eval()
        for noise in (0.0, 0.05)
    )
    with torch.no_grad():
        drawn, copied = (weight_of(m, 0) for m in (noisy, exact))
        assert torch.equal(drawn[:8], copied[:8])
        assert not torch.equal(drawn[8:], copied[8:])
        distance = float((noisy(X) - exact(X)).abs().mean())
        assert 0 < distance < 0.3 * float(exact(X).std())


def test_weights_by_hand() -> None:
    module = used(1)
    wide = grow(module, Wider(2, 0, 16), batch=X, rng=np.random.default_rng(5))
    origin = [*range(8), *np.random.default_rng(5).integers(0, 8, 8)]
    copies = np.bincount(origin)[origin]
    small, large = (weight_of(m, 3).detach().numpy() for m in (module, wide))
    by_hand = np.concatenate(
        [small[:, 5 * o : 5 * o + 5] / m for o, m in zip(origin, copies, strict=True)], axis=1
    )
    assert np.allclose(large, by_hand)


def test_a_grown_network_trains_from_what_it_knows() -> None:
    data, recipe = mnist1d(), Recipe(epochs=2)
    parent = fresh(ROOT, 0)
    assert fit(parent, data, recipe, 0).accuracy[-1] > 0.3
    target = grown(ROOT, Wider(0, 0, 12), Deeper(1, 0, 3), Wider(1, 0, 12))
    steps = steps_between(ROOT, target)
    assert steps is not None
    child = grow(parent, *steps, batch=X, rng=np.random.default_rng(0), noise=0.05)
    scratch = fresh(target, 0)
    one = Recipe(epochs=1)
    assert fit(child, data, one, 0).accuracy[-1] > fit(scratch, data, one, 0).accuracy[-1]


def test_training_is_repeatable_and_divergence_is_told() -> None:
    data = mnist1d()
    small = data._replace(x=data.x[:500], y=data.y[:500])
    first, again = (fit(fresh(ROOT, 7), small, Recipe(epochs=2), 1) for _ in range(2))
    assert first == again
    assert len(first.accuracy) == 2
    wild = fit(fresh(ROOT, 0), small, Recipe(epochs=2, learning_rate=1e30), 0)
    assert wild.fault.startswith("training diverged in epoch 1: loss ")
    assert len(wild.accuracy) == 0


# -- what happens to the layers ------------------------------------------------------------------


def test_every_design_grows_from_the_root() -> None:
    designs = SPACE.decode(SPACE.sample(300, 0))
    assert read_network(SPACE.decode(SPACE.sample(1, 0) * 0)[0]) == ROOT
    for design in designs:
        network = read_network(design)
        steps = steps_between(ROOT, network)
        assert steps is not None
        assert grown(ROOT, *steps) == network


@given(growths())
def test_a_way_is_found_from_every_ancestor(steps: list[Step]) -> None:
    networks = [ROOT]
    for step in steps:
        networks.append(grown(networks[-1], step))
    for ancestor in networks:
        found = steps_between(ancestor, networks[-1])
        assert found is not None
        assert grown(ancestor, *found) == networks[-1]
        back = steps_between(networks[-1], ancestor)
        assert (back == []) == (ancestor == networks[-1])


def test_no_way_where_there_is_none() -> None:
    def block(*layers: tuple[int, int]) -> Plain:
        return Plain((tuple(Layer(*layer) for layer in layers), (Layer(16),)))

    assert steps_between(block((4, 3)), block((8, 5))) is None
    assert steps_between(block((8, 3), (8, 1)), block((8, 3))) is None
    # The layer between would have to be put in with 8 channels, and cannot lose any.
    assert steps_between(block((8, 3), (8, 1)), block((8, 3), (4, 5), (8, 1))) is None
    assert steps_between(block((8, 3)), block((8, 3), (4, 1))) is None
    assert steps_between(block((8, 3)), Plain(((Layer(8, 3),), (), (Layer(16),)))) is None
    assert steps_between(block((4, 3), (4, 3)), block((4, 3), (4, 5), (4, 3))) == [Deeper(0, 0, 5)]


def test_designs_and_networks_are_the_same() -> None:
    designs = SPACE.sample(200, 1)
    networks = [read_network(design) for design in SPACE.decode(designs)]
    assert np.array_equal(SPACE.encode([write_network(network) for network in networks]), designs)


def test_layers_are_those_of_the_module() -> None:
    designs = SPACE.sample(40, 2)
    for design, layers in zip(SPACE.decode(designs), from_space(SPACE, designs), strict=True):
        network = read_network(design)
        assert int(layers.weights.sum()) == network.weights
        if network.fault:
            continue
        module, macs = PlainNetwork(network).eval(), 0

        def count(m: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
            nonlocal macs
            assert isinstance(m.weight, torch.Tensor)
            macs += output[0].numel() * m.weight[0].numel()

        weighing = [
            m for m in module.modules() if isinstance(m, (torch.nn.Conv1d, torch.nn.Linear))
        ]
        for m in weighing:
            m.register_forward_hook(count)
        module(torch.zeros(1, 40))
        assert macs == int(layers.macs.sum())
        assert sum(m.weight.numel() for m in weighing) == network.weights
        norms = 2 * sum(layer.width for block in network.blocks for layer in block)
        biases = sum(layer.width for layer in network.dense) + network.classes
        assert sum(p.numel() for p in module.parameters()) == network.weights + norms + biases


def test_what_cannot_be_built_says_why() -> None:
    block = (Layer(4, 3),)
    deep = Plain((*((block,) * 6), (Layer(16),)))
    assert deep.fault == "resolution falls below 1: 6 poolings of 40"
    assert not Plain((*((block,) * 5), (Layer(16),))).fault
    wide = Plain((tuple([Layer(32, 5)] * 8), (Layer(64),)))
    assert wide.fault == f"more than {MOST_WEIGHTS} weights"
    assert Plain((block, ())).fault == "a block has no layers"
    with pytest.raises(InputError, match="cannot be built: resolution falls below 1"):
        PlainNetwork(deep)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Wider(0, 0, 2), "width must be at least 8, got 2"),
        (Wider(9, 0, 8), "names a layer that is not in"),
        (Deeper(0, 5, 3), "names a layer that is not in"),
        (Deeper(0, 0, 2), r"kernel must be one of \(1, 3, 5\), got 2"),
        (Deeper(3, 0, 3), r"kernel must be one of \(1,\), got 3"),
    ],
)
def test_impossible_steps(step: Step, message: str) -> None:
    with pytest.raises(InputError, match=message):
        grown(ROOT, step)


def test_which_spaces_are_growing() -> None:
    assert is_growing(SPACE)
    assert is_growing(make_space("growing-network", group="task1"))
    assert not is_growing(make_space("cell-network"))
    assert not is_growing(SPACE * make_space("systolic-accelerator"))


def test_accuracy_counts_right_digits() -> None:
    module, data = used(0), mnist1d()
    said = module(torch.from_numpy(data.x_test)).argmax(1).numpy()
    assert accuracy(module, data) == (said == data.y_test).mean()
