"""Features that spaces have besides their choices, and costs that add up over them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign_gym.cost_models import Metric, Metrics
from codesign_gym.cost_models.learned import LearnedCostModel, train, train_on_designs
from codesign_gym.cost_models.learned.additive import MOST_ROWS, Additive, AdditiveCosts
from codesign_gym.cost_models.learned.training import table_of_designs
from codesign_gym.cost_models.learned.views import views_of
from codesign_gym.search_spaces import (
    Designs,
    InputError,
    SearchSpace,
    fbnet,
    nas_bench_201,
    transnas_101_micro,
)

LATENCY = Metric("latency_ms", "ms", "min")
CELLS = nas_bench_201()


def sums(space: SearchSpace, designs: Designs) -> Metrics:
    """Each operation takes a time, wherever it stands, and each place adds a little."""
    rng = np.random.default_rng(7)
    operations = rng.uniform(1, 20, len(space.parameters[0]))
    places = rng.uniform(0, 1, (len(space), len(operations)))
    total = operations[designs].sum(axis=1) + places[np.arange(len(space)), designs].sum(axis=1)
    return Metrics((LATENCY,), total[:, None])


def choices_of(space: SearchSpace) -> list[tuple[str, ...]]:
    """The choices of each parameter, as a schema has them."""
    return [tuple(map(str, parameter.values)) for parameter in space.parameters]


# -- views ------------------------------------------------------------------------------------


def test_what_has_views() -> None:
    same, other = ("a", "b", "c"), ("a", "b", "x")
    assert views_of("pqrs", [same, same, other, ()]) == ()
    assert views_of("pqr", [("on", "off")] * 3) == ()  # a count says no more than their sum
    [counts] = views_of("pqrs", [same, (), same, same])
    x = np.array([[1, 0, 0, 9, 0, 1, 0, 0, 1, 0]], np.float32)
    assert counts.of(x).tolist() == [[1, 2, 0]]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_counts_are_counts(seed: int) -> None:
    space = fbnet()
    designs = space.sample(5, seed)
    [view] = views_of(space.names, choices_of(space))
    found = view.of(space.one_hot(designs))
    for row, design in zip(found, designs, strict=True):
        counted = Counter(design.tolist())
        assert row.tolist() == [counted[c] for c in range(9)]


@pytest.mark.parametrize("group", ["network", "task2"])
def test_a_cell_shows_what_it_computes(group: str) -> None:
    space = nas_bench_201(group)
    designs = space.sample(200, 0)
    names = [parameter.label for parameter in space.parameters]
    [view] = views_of(names, choices_of(space))
    found = view.of(space.one_hot(designs))
    assert found.shape == (200, view.width)
    pruned = space.one_hot(space.pruned(designs))
    assert np.array_equal(found[:, :30], pruned)
    assert np.array_equal(found[:, 30:], pruned.reshape(200, 6, 5).sum(axis=1))


def test_other_cells_are_merely_counted() -> None:
    space = transnas_101_micro()  # its dead edges were not pruned when it was measured
    [view] = views_of(space.names, choices_of(space))
    assert view.width == 4


def test_the_same_features_from_tables_and_from_designs(tmp_path: Path) -> None:
    designs = CELLS.sample(150, 0)
    model = train_on_designs(CELLS, designs, sums(CELLS, designs), "extra-trees")
    model.save(tmp_path / "p.npz")
    loaded = LearnedCostModel.load(tmp_path / "p.npz")
    others = CELLS.sample(80, 1)
    mean, std = loaded.predict(table_of_designs(CELLS, others, sums(CELLS, others)))
    assert np.allclose(mean, model.compute(others)["latency_ms"], rtol=1e-12)
    assert np.allclose(std, model.uncertainty(others)[:, 0], rtol=1e-12)


# -- costs that add up ------------------------------------------------------------------------


def test_sums_are_found_out_from_few_networks() -> None:
    space = fbnet()
    designs, others = space.sample(120, 0), space.sample(500, 1)
    model = train_on_designs(space, designs, sums(space, designs))
    assert model.methods["latency_ms"].startswith("additive")
    truth = sums(space, others)["latency_ms"]
    assert np.abs(model.compute(others)["latency_ms"] / truth - 1).mean() < 0.01
    forest = train_on_designs(space, designs, sums(space, designs), "extra-trees")
    assert np.abs(forest.compute(others)["latency_ms"] / truth - 1).mean() > 0.04


def test_logarithms_of_sums_are_not_sums() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (300, 12)).astype(np.float32)
    cost = 1 + x @ np.geomspace(1, 300, 12)
    plain = Additive.fit(x[:200], np.log(cost[:200])).predict(x[200:])
    costs = AdditiveCosts.fit(x[:200], np.log(cost[:200])).predict(x[200:])
    errors = [np.abs(p - np.log(cost[200:])).mean() for p in (plain, costs)]
    assert errors[1] < 0.2 * errors[0]


def test_costs_below_what_was_seen_stay_positive() -> None:
    x = np.arange(2, 32, dtype=np.float32)[:, None]
    model = AdditiveCosts.fit(x, np.log(x[:, 0].astype(np.float64)))
    assert np.isfinite(model.predict(np.array([[-50.0], [5.0]], np.float32))).all()


@pytest.mark.parametrize("kind", [Additive, AdditiveCosts])
def test_arrays_are_all_that_a_process_is(kind: type[Additive]) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((50, 4)).astype(np.float32), rng.random(50)
    model = kind.fit(x, y)
    arrays = model.arrays()
    assert np.array_equal(kind.from_arrays(arrays, 4).predict(x), model.predict(x))
    with pytest.raises(ValueError, match="do not fit"):
        kind.from_arrays(arrays, 5)
    with pytest.raises(ValueError, match="do not fit"):
        kind.from_arrays(arrays | {"kernel": np.ones(2)}, 4)


def test_what_they_refuse() -> None:
    x = np.zeros((MOST_ROWS + 1, 1), np.float32)
    with pytest.raises(InputError, match=f"at most {MOST_ROWS} rows, got {MOST_ROWS + 1}"):
        Additive.fit(x, np.zeros(len(x)))
    rng = np.random.default_rng(0)
    table = {"a": rng.random(40), "y": rng.random(40) - 0.5}
    with pytest.raises(InputError, match=r"additive-costs needs a target above 0, the least is -0"):
        train(table, "y", model="additive-costs")
    assert train(table, "y", model="additive").methods == {"y": "additive"}
