"""Training as a cost model: what a design is worth follows from the design alone."""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.cost_models import GrowthModel
from codesign_gym.cost_models.accuracy.growing_torch import fresh
from codesign_gym.cost_models.accuracy.growth_model import inherited, trained_root
from codesign_gym.cost_models.workloads import from_space
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.networks.growth import (
    MOST_WEIGHTS,
    ROOT,
    Layer,
    Plain,
    read_network,
)

SIZE = 100


def tiny(epochs: int = 1, inherit: bool = True, learning_rate: float = 1e-2) -> GrowthModel:
    return GrowthModel(epochs, inherit, training_size=SIZE, learning_rate=learning_rate)


def test_metrics_by_hand() -> None:
    model = tiny(2)
    designs = model.space.sample(3, 4)
    metrics = model.evaluate(designs)
    for i, (design, layers) in enumerate(
        zip(model.space.decode(designs), from_space(model.space, designs), strict=True)
    ):
        module = fresh(read_network(design), 0)
        macs = int(layers.macs.sum())
        assert metrics["macs"][i] == macs
        assert metrics["params"][i] == sum(p.numel() for p in module.parameters())
        assert metrics["train_epochs"][i] == 2
        assert metrics["train_gmacs"][i] == pytest.approx(3 * macs * SIZE * 2 / 1e9)
        assert 0 <= metrics["accuracy_pct"][i] <= 100


def test_what_came_before_plays_no_part() -> None:
    designs = tiny().space.sample(3, 0)
    designs[0] = 0  # the root, from which the others inherit
    whole, backwards = tiny().evaluate(designs), tiny().evaluate(designs[::-1])
    assert np.array_equal(whole.values_matrix, backwards.values_matrix[::-1])
    scratch = tiny(inherit=False).evaluate(designs)
    assert not np.array_equal(whole["accuracy_pct"], scratch["accuracy_pct"])


def test_networks_beyond_the_limits_are_invalid_with_a_reason() -> None:
    model = tiny()
    largest = (model.space.nvec - 1)[None].astype(np.int32)
    metrics = model.evaluate(np.concatenate([largest, largest * 0]))
    assert metrics.valid.tolist() == [False, True]
    assert metrics.reason(0) == f"more than {MOST_WEIGHTS} weights"


def test_training_that_diverges_is_invalid_with_a_reason() -> None:
    metrics = tiny(learning_rate=1e30, epochs=2).evaluate(tiny().space.sample(1, 0))
    assert not metrics.valid.any()
    assert metrics.reason(0).startswith("training diverged in epoch ")


def test_weights_are_inherited_from_ancestors_alone() -> None:
    root = trained_root(0, SIZE)
    assert trained_root(0, SIZE) is root
    same = inherited(ROOT, 0, SIZE)
    assert same is not root
    assert all((a == b).all() for a, b in zip(same.parameters(), root.parameters(), strict=True))
    stranger = Plain((*(((Layer(8, 5),),) * 3), (Layer(16),)))
    with pytest.raises(InputError, match="cannot be grown out of"):
        inherited(stranger, 0, SIZE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, r"epochs must be in 1\.\.1000, got 0"),
        ({"training_size": 5000}, r"training_size must be in 1\.\.4000, got 5000"),
        ({"seed": -1}, "seed must be in 0"),
        ({"learning_rate": 0.0}, r"learning_rate must be above 0, got 0\.0"),
    ],
)
def test_bad_options(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        GrowthModel(**options)  # type: ignore[arg-type]  # that is what is tested
