"""The search space: properties of every view, on random spaces and on the registered ones."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from codesign_gym.search_spaces import (
    Categorical,
    Condition,
    Designs,
    InputError,
    Ordinal,
    SearchSpace,
    list_spaces,
    make_space,
)
from tests.strategies import canonical_row, is_active, spaces, spaces_and_designs

Drawn = tuple[SearchSpace, Designs]
few = settings(max_examples=30)

CHIP = SearchSpace(
    "chip",
    (
        Ordinal("rows", (8, 16, 32), unit="PEs"),
        Categorical("flow", ("os", "ws")),
        Categorical("cache", (False, True)),
        Ordinal("ways", (1, 2, 4), active_when=(Condition("cache", (True,)),)),
        Ordinal("banks", (1, 2), active_when=(Condition("ways", (2, 4)),)),
    ),
)


def rows_of(designs: Designs) -> list[tuple[int, ...]]:
    return [tuple(row) for row in designs.tolist()]


def all_rows(space: SearchSpace) -> list[tuple[int, ...]]:
    return list(itertools.product(*(range(len(p)) for p in space.parameters)))


def distinct_designs(space: SearchSpace) -> list[tuple[int, ...]]:
    return sorted({canonical_row(space, row) for row in all_rows(space)})


# -- activity ------------------------------------------------------------------------------------


@few
@given(spaces_and_designs())
def test_active_by_definition(drawn: Drawn) -> None:
    space, designs = drawn
    assert space.active(designs).tolist() == [is_active(space, row) for row in rows_of(designs)]
    canonical = space.canonical(designs)
    assert rows_of(canonical) == [canonical_row(space, row) for row in rows_of(designs)]
    assert canonical.dtype == np.int32
    np.testing.assert_array_equal(space.canonical(canonical), canonical)
    np.testing.assert_array_equal(space.active(canonical), space.active(designs))


@few
@given(spaces())
def test_cardinality_and_enumeration_by_brute_force(space: SearchSpace) -> None:
    expected = distinct_designs(space)
    assert space.cardinality == len(expected)
    assert rows_of(space.enumerate()) == expected  # grid order is lexicographic order
    assert space.size == len(all_rows(space))


def test_inactive_under_an_inactive_parent() -> None:
    """``banks`` wants ways in (2, 4); with the cache off ``ways`` is 4 in name only."""
    design = np.array([[0, 0, 0, 2, 1]], dtype=np.int32)
    assert CHIP.active(design).tolist() == [[True, True, True, False, False]]
    assert CHIP.canonical(design).tolist() == [[0, 0, 0, 0, 0]]
    assert CHIP.cardinality == 3 * 2 * (1 + (1 + 2 * 2))


def test_cardinality_is_exact_for_huge_spaces() -> None:
    """Fifty independent pairs: each has 2 x 4 + 1 designs, and nobody walks through 3^50."""
    pairs: list[Categorical | Ordinal] = []
    for i in range(50):
        pairs.append(Categorical(f"op{i}", ("a", "b", "skip")))
        pairs.append(Ordinal(f"k{i}", (1, 2, 3, 4), active_when=(Condition(f"op{i}", ["a", "b"]),)))
    assert SearchSpace("net", tuple(pairs)).cardinality == 9**50


def test_cardinality_refuses_what_it_cannot_walk() -> None:
    parents = [Ordinal(f"p{i}", tuple(range(8))) for i in range(9)]
    child = Ordinal("c", (1, 2), active_when=tuple(Condition(p.name, (1,)) for p in parents))
    space = SearchSpace("tied", (*parents, child))
    with pytest.raises(InputError, match=f"tie 10 parameters together, with {8**9} combinations"):
        _ = space.cardinality


# -- views ---------------------------------------------------------------------------------------


@few
@given(spaces_and_designs())
def test_decode_encode_round_trip(drawn: Drawn) -> None:
    space, designs = drawn
    decoded = space.decode(designs)
    np.testing.assert_array_equal(space.encode(decoded), space.canonical(designs))
    for row, own in zip(decoded, rows_of(designs), strict=True):
        assert list(row) == list(space.names)
        for p, i, value in zip(space.parameters, own, row.values(), strict=True):
            assert value is p.values[i] or (
                value == p.values[i] and type(value) is type(p.values[i])
            )


@few
@given(spaces_and_designs())
def test_inactive_parameters_may_be_left_out(drawn: Drawn) -> None:
    space, designs = drawn
    thinned = [
        {name: value for (name, value), on in zip(row.items(), active, strict=True) if on}
        for row, active in zip(space.decode(designs), space.active(designs), strict=True)
    ]
    np.testing.assert_array_equal(space.encode(thinned), space.canonical(designs))


@few
@given(spaces_and_designs())
def test_values_are_decoded_columns(drawn: Drawn) -> None:
    space, designs = drawn
    columns = space.values(designs)
    assert list(columns) == list(space.names)
    for name, column in columns.items():
        assert column.tolist() == [row[name] for row in space.decode(designs)]
        assert len(column) == len(designs)
    rows = [{name: column[i] for name, column in columns.items()} for i in range(len(designs))]
    numbers_apart = all(
        len({type(v) for v in p.values} & {int, float}) < 2 for p in space.parameters
    )
    if numbers_apart:  # an array of ints and floats holds floats
        np.testing.assert_array_equal(space.encode(rows), space.canonical(designs))


@few
@given(spaces_and_designs())
def test_ravel_unravel_round_trip(drawn: Drawn) -> None:
    space, designs = drawn
    positions = space.ravel(designs)
    assert positions.dtype == np.int64
    assert positions.tolist() == [all_rows(space).index(row) for row in rows_of(designs)]
    np.testing.assert_array_equal(space.unravel(positions), designs)
    assert space.unravel(positions).dtype == np.int32


def test_ravel_at_the_edge_of_int64() -> None:
    """62 binary parameters among 70 (NumPy's own ravel stops at 64 dimensions)."""
    space = SearchSpace("edge", tuple(Ordinal(f"p{i}", (0, 1)[: 1 + (i < 62)]) for i in range(70)))
    last = space.nvec[None] - 1
    assert space.ravel(last).tolist() == [2**62 - 1]
    np.testing.assert_array_equal(space.unravel([2**62 - 1]), last)


@pytest.mark.parametrize("count", [63, 2000])
def test_ravel_refuses_spaces_beyond_int64(count: int) -> None:
    space = SearchSpace("huge", tuple(Ordinal(f"p{i}", (0, 1)) for i in range(count)))
    designs = np.zeros((1, count), dtype=np.int32)
    power = int(math.log10(2) * count)
    with pytest.raises(InputError, match=f"'huge' has more than 1e{power} rows: too many"):
        space.ravel(designs)
    with pytest.raises(InputError, match="too many to number"):
        space.unravel([0])
    with pytest.raises(InputError, match="more than 1000000"):
        space.enumerate()


@few
@given(spaces_and_designs())
def test_unit_round_trip(drawn: Drawn) -> None:
    space, designs = drawn
    points = space.unit(designs)
    assert ((points > 0) & (points < 1)).all()
    np.testing.assert_array_equal(space.from_unit(points), space.canonical(designs))


@pytest.mark.parametrize("k", [1, 2, 3, 7, 10, 49])
def test_unit_cells_are_even(k: int) -> None:
    """The midpoints of a grid 100 times finer than the choices reach each of them 100 times."""
    space = SearchSpace("line", (Ordinal("x", tuple(range(k))),))
    points = (np.arange(100 * k) + 0.5) / (100 * k)
    reached = space.from_unit(points[:, None])[:, 0]
    assert np.bincount(reached, minlength=k).tolist() == [100] * k
    assert space.from_unit([[0.0], [1.0]])[:, 0].tolist() == [0, k - 1]


@few
@given(spaces_and_designs())
def test_one_hot_round_trip(drawn: Drawn) -> None:
    space, designs = drawn
    hot = space.one_hot(designs)
    assert hot.shape == (len(designs), sum(len(p) for p in space.parameters))
    assert hot.dtype == np.float32
    assert (hot.sum(axis=1) == len(space)).all()
    assert set(np.unique(hot)) <= {0.0, 1.0}
    np.testing.assert_array_equal(space.from_one_hot(hot), space.canonical(designs))
    noise = np.random.default_rng(0).uniform(-0.4, 0.4, hot.shape)
    np.testing.assert_array_equal(space.from_one_hot(hot + noise), space.canonical(designs))


@few
@given(spaces_and_designs(min_size=1))
def test_features_tell_designs_apart(drawn: Drawn) -> None:
    space, designs = drawn
    features = space.features(designs)
    width = sum(1 if p.ordered else len(p) for p in space.parameters)
    assert features.shape == (len(designs), width)
    assert features.dtype == np.float32
    assert len(space.feature_names) == len(set(space.feature_names)) == width
    assert ((features >= 0) & (features <= 1)).all()
    distinct = {row.tobytes() for row in features}
    assert len(distinct) == len(set(rows_of(designs)))


@few
@given(spaces(), st.integers(0, 2**32 - 1))
def test_gymnasium_samples_are_designs(space: SearchSpace, seed: int) -> None:
    view = space.to_gymnasium()
    view.seed(seed)
    action = view.sample()
    assert space.check([action]).tolist() == [action.tolist()]
    assert view.contains(space.nvec.astype(np.int64) - 1)
    assert not view.contains(space.nvec.astype(np.int64))


@settings(max_examples=15)
@given(spaces(), st.integers(0, 2**32 - 1))
def test_optuna_round_trip(space: SearchSpace, seed: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    distributions = space.to_optuna()
    assert list(distributions) == list(space.names)
    for _ in range(3):
        params = study.ask(distributions).params
        design = space.from_optuna(params)
        assert design.shape == (1, len(space))
        as_values = {
            name: p.values[params[name]] if p.ordered else params[name]
            for name, p in zip(space.names, space.parameters, strict=True)
        }
        np.testing.assert_array_equal(design, space.encode([as_values]))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"rows": None}, r"lack 'rows' of 'chip'"),
        ({"rows": 3}, r"'rows' must be a choice index in 0\.\.2 .*, got 3"),
        ({"flow": "is"}, r"'chip\.flow' must be one of os, ws, got 'is'"),
    ],
)
def test_optuna_parameters_are_checked(change: dict[str, Any], text: str) -> None:
    good = {"rows": 2, "flow": "ws", "cache": True, "ways": 1, "banks": 1}
    assert CHIP.from_optuna(good).tolist() == [[2, 1, 1, 1, 1]]
    params = {name: value for name, value in (good | change).items() if value is not None}
    with pytest.raises(InputError, match=text):
        CHIP.from_optuna(params)


@few
@given(spaces())
def test_dict_round_trip(space: SearchSpace) -> None:
    again = SearchSpace.from_dict(json.loads(json.dumps(space.to_dict())))
    assert again == space
    assert again.name == space.name
    assert hash(again) == hash(space)
    assert again.digest == space.digest


# -- neighbours ----------------------------------------------------------------------------------


def moves(space: SearchSpace, row: tuple[int, ...]) -> set[tuple[int, ...]]:
    """Neighbours by the definition."""
    found = set()
    for column, (p, on) in enumerate(zip(space.parameters, is_active(space, row), strict=True)):
        for choice in range(len(p)):
            distance = abs(choice - row[column])
            if on and (distance == 1 if p.ordered else distance > 0):
                found.add(canonical_row(space, (*row[:column], choice, *row[column + 1 :])))
    return found


@few
@given(spaces_and_designs())
def test_neighbours_by_brute_force(drawn: Drawn) -> None:
    space, designs = drawn
    near, origin = space.neighbours(designs)
    assert near.dtype == np.int32
    assert (np.diff(origin) >= 0).all()
    assert near.shape == (len(origin), len(space))
    for i, row in enumerate(rows_of(space.canonical(designs))):
        own = rows_of(near[origin == i])
        assert len(own) == len(set(own))
        assert row not in own
        assert set(own) == moves(space, row)


@few
@given(spaces_and_designs(conditions=False, min_size=1))
def test_neighbours_are_mutual_without_conditions(drawn: Drawn) -> None:
    space, designs = drawn
    near, origin = space.neighbours(designs)
    back, back_origin = space.neighbours(near)
    for i, j in enumerate(origin):
        assert tuple(designs[j].tolist()) in rows_of(back[back_origin == i])


def test_neighbours_reach_every_design() -> None:
    seen = {tuple([0] * len(CHIP))}
    edge = seen
    while edge:
        edge = set(rows_of(CHIP.neighbours(np.array(sorted(edge), dtype=np.int32))[0])) - seen
        seen |= edge
    assert seen == set(distinct_designs(CHIP))


# -- samples -------------------------------------------------------------------------------------


@few
@given(spaces(), st.integers(0, 50), st.integers(0, 2**32 - 1))
def test_samples_are_canonical_and_reproducible(space: SearchSpace, n: int, seed: int) -> None:
    designs = space.sample(n, np.random.default_rng(seed))
    assert designs.shape == (n, len(space))
    assert designs.dtype == np.int32
    np.testing.assert_array_equal(space.check(designs), designs)
    np.testing.assert_array_equal(space.canonical(designs), designs)
    np.testing.assert_array_equal(space.sample(n, np.random.default_rng(seed)), designs)


def test_samples_are_uniform() -> None:
    """Chi-square of 12,000 draws over 60 cells; 99.9 % of uniform samplers stay below 98.3."""
    space = SearchSpace("plain", tuple(Ordinal(f"p{k}", tuple(range(k))) for k in (3, 4, 5)))
    drawn = space.sample(12_000, np.random.default_rng(0))
    counts = np.bincount(space.ravel(drawn), minlength=60)
    assert ((counts - 200) ** 2 / 200).sum() < 98.3


def test_samples_under_conditions_draw_each_parameter_uniformly() -> None:
    """Half of the draws have no cache; the other half spread over its ways evenly."""
    drawn = CHIP.sample(12_000, np.random.default_rng(0))
    cached = drawn[drawn[:, 2] == 1]
    assert abs(len(cached) - 6000) < 200
    assert ((np.bincount(cached[:, 3]) - len(cached) / 3) ** 2).sum() / (len(cached) / 3) < 13.8


# -- composition ---------------------------------------------------------------------------------

NET = SearchSpace("net", (Categorical("op", ("conv", "skip")), Ordinal("width", (8, 16))))


def test_product() -> None:
    joint = NET * CHIP
    assert joint.name == "net*chip"
    assert joint.groups == {"net": (0, 1), "chip": (2, 3, 4, 5, 6)}
    assert joint.names[:3] == ("net.op", "net.width", "chip.rows")
    assert len(joint) == len(NET) + len(CHIP)
    assert joint.size == NET.size * CHIP.size
    assert joint.cardinality == NET.cardinality * CHIP.cardinality
    assert joint.select("chip") == CHIP
    assert joint.select("chip").names == CHIP.names
    assert joint.select("net", "chip") == joint
    assert joint.columns_of(CHIP).tolist() == [2, 3, 4, 5, 6]
    assert (CHIP * NET).columns_of(joint).tolist() == [5, 6, 0, 1, 2, 3, 4]
    assert joint != CHIP * NET
    design = np.array([[1, 1, 2, 1, 0, 2, 1]], dtype=np.int32)
    assert joint.canonical(design)[:, joint.columns_of(CHIP)].tolist() == [[2, 1, 0, 0, 0]]
    assert joint.decode(design)[0]["chip.rows"] == 32


def test_product_with_shared_names() -> None:
    with pytest.raises(InputError, match=r"two parameters 'net\.op'"):
        NET * NET
    with pytest.raises(TypeError):
        NET * 2  # type: ignore[operator]


def test_select_parameters() -> None:
    part = (NET * CHIP).select("chip.rows", "net")
    assert part.names == ("net.op", "net.width", "chip.rows")
    with pytest.raises(InputError, match=r"group or parameter of 'chip' 'chip\.row'; did you mean"):
        CHIP.select("chip.row")
    with pytest.raises(InputError, match=r"unknown parent of parameter 'chip\.ways' 'cache'"):
        CHIP.select("chip.ways")


def test_columns_of_names_what_is_missing() -> None:
    with pytest.raises(InputError, match=r"'net' lacks the parameters chip\.rows, chip\.flow"):
        NET.columns_of(CHIP)
    other = SearchSpace("chip", (Ordinal("rows", (8, 16)),))
    with pytest.raises(InputError, match=r"'chip' lacks the parameters chip\.rows of 'chip'"):
        CHIP.columns_of(other)


def test_conditions_across_groups() -> None:
    child = Ordinal("tile", (1, 2), group="compiler", active_when=(Condition("net.op", ("conv",)),))
    joint = NET * SearchSpace("spacer", (Ordinal("x", (1, 2)),))
    joint = SearchSpace("all", (*joint.parameters, child))
    assert joint.active(np.zeros((1, 4), np.int32))[0, 3]
    assert not joint.active(np.array([[1, 0, 0, 1]], np.int32))[0, 3]
    assert joint.cardinality == 2 * 2 * (2 + 1)


@pytest.mark.parametrize(
    "changed",
    [
        SearchSpace("net", NET.parameters[::-1]),
        SearchSpace("net", NET.parameters[:1]),
        SearchSpace("net", (Categorical("op", ("skip", "conv")), NET.parameters[1])),
        SearchSpace("net", (Categorical("ops", ("conv", "skip")), NET.parameters[1])),
        SearchSpace("net", (NET.parameters[0], Categorical("width", (8, 16)))),
        SearchSpace("net", (NET.parameters[0], Ordinal("width", (8, 16.0)))),
        SearchSpace("net", (NET.parameters[0], Ordinal("width", (8, 16), unit="channels"))),
        SearchSpace("web", (Categorical("op", ("conv", "skip")), Ordinal("width", (8, 16)))),
        SearchSpace(
            "net",
            (
                NET.parameters[0],
                Ordinal("width", (8, 16), active_when=(Condition("op", ("conv",)),)),
            ),
        ),
    ],
)
def test_digest_and_equality_follow_all_that_matters(changed: SearchSpace) -> None:
    assert changed != NET
    assert changed.digest != NET.digest


def test_digest_is_stable_and_blind_to_the_name() -> None:
    """Stored runs are found by it: a change of this text orphans them."""
    assert SearchSpace("other", NET.parameters).digest == NET.digest
    assert SearchSpace("x", (Ordinal("y", (1, 2)),)).digest == "2111001a6b26ed95"
    assert NET != "net"


# -- bad input -----------------------------------------------------------------------------------

GOOD = [2, 1, 1, 2, 1]


@pytest.mark.parametrize(
    ("designs", "texts"),
    [
        (GOOD, ["shape [n, 5] (rows, flow, cache, ways, banks), got shape [5]"]),
        ([GOOD[:4]], ["got shape [1, 4]"]),
        ([], ["got shape [0]"]),
        ([[GOOD]], ["got shape [1, 1, 5]"]),
        (7, ["got shape []"]),
        ([GOOD, GOOD[:3]], ["designs of 'chip' must be an array"]),
        ([GOOD, [3, 0, 0, 0, 0]], ["design 1", "'rows'", "0..2 (for 8, 16, 32 PEs)", "got 3"]),
        ([[0, -1, 0, 0, 0]], ["design 0", "'flow'", "0..1 (for os, ws)", "got -1"]),
        ([[0, 0, 0, 2**31, 0]], ["'ways'", "0..2", f"got {2**31}"]),
        ([[0, 0, 0, -(2**63), 0]], ["'ways'", "0..2", f"got {-(2**63)}"]),
        (np.full((1, 5), 2**64 - 1, np.uint64), ["'rows'", "0..2", f"got {2**64 - 1}"]),
        ([[0, 0, 0, 2**70, 0]], ["'ways'", "0..2", f"got {2**70}"]),
        ([GOOD, [0, 0, 0.5, 0, 0]], ["design 1", "'cache'", "0..1", "got 0.5"]),
        ([[0, 0, 0, float("nan"), 0]], ["float64", "'ways'", "got nan"]),
        ([[0, 0, 0, float("inf"), 0]], ["float64", "'ways'", "got inf"]),
        (np.ones((1, 5)), ["dtype float64", "'rows'", "got 1.0"]),
        (np.ones((1, 5), np.bool_), ["dtype bool", "'rows'", "got True"]),
        ([[0, "os", 0, 0, 0]], ["dtype <U"]),
        ([[0, None, 0, 0, 0]], ["dtype object", "'flow'", "got None"]),
        (np.zeros((1, 5), "datetime64[s]"), ["dtype datetime64"]),
        (np.zeros((0, 5)), ["must be integer choice indices, got dtype float64"]),
    ],
)
def test_malformed_designs(designs: Any, texts: list[str]) -> None:
    with pytest.raises(InputError) as error:
        CHIP.check(designs)
    for text in texts:
        assert text in str(error.value)
    with pytest.raises(InputError):
        CHIP.decode(designs)


def test_empty_batches_go_through_every_view() -> None:
    none = CHIP.check(np.zeros((0, 5), dtype=np.int64))
    assert none.shape == (0, 5)
    views: list[Callable[[Designs], NDArray[Any]]] = [
        CHIP.canonical,
        CHIP.active,
        CHIP.ravel,
        CHIP.unit,
        CHIP.one_hot,
        CHIP.features,
    ]
    for view in views:
        assert len(view(none)) == 0
    assert CHIP.decode(none) == []
    assert CHIP.encode([]).shape == (0, 5)
    assert CHIP.unravel([]).shape == (0, 5)
    assert CHIP.from_unit(np.zeros((0, 5))).shape == (0, 5)
    assert CHIP.neighbours(none)[0].shape == (0, 5)
    assert CHIP.sample(0, np.random.default_rng(0)).shape == (0, 5)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
def test_checked_designs_are_a_copy(dtype: type[np.integer[Any]]) -> None:
    """A caller that goes on to change its array must not change what was recorded."""
    mine = np.array([GOOD], dtype=dtype)
    checked = CHIP.check(mine)
    mine[:] = 0
    assert checked.tolist() == [GOOD]
    assert checked.dtype == np.int32


WHOLE = {"rows": 8, "flow": "os", "cache": True, "ways": 2, "banks": 1}


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (WHOLE | {"rows": 9}, r"'chip\.rows' must be one of 8, 16, 32 PEs, got 9"),
        (WHOLE | {"ways": True}, r"'chip\.ways' must be one of 1, 2, 4, got True"),
        (WHOLE | {"cache": 1}, r"'chip\.cache' must be one of False, True, got 1"),
        (WHOLE | {"flow": None}, "must be one of os, ws, got None"),
        (WHOLE | {"row": 8}, "unknown parameter of 'chip' 'row'; did you mean 'rows'"),
        ({"rows": 8, "flow": "os"}, r"design 0 lacks parameter 'cache' \(one of False, True\)"),
        ({"rows": 8, "flow": "os", "cache": True}, "design 0 lacks parameter 'ways'"),
        ("rows", "must be a list of dicts"),
        (None, "must be a list of dicts"),
    ],
)
def test_encode_errors(row: Any, text: str) -> None:
    with pytest.raises(InputError, match=text):
        CHIP.encode([row])


def test_encode_of_one_dict_says_what_it_takes() -> None:
    with pytest.raises(InputError, match=r"must be a list of dicts, got \{'rows': 8"):
        CHIP.encode(WHOLE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("positions", "text"),
    [
        ([-1], r"'chip' must be in 0\.\.71, got -1"),
        ([0, 72], r"'chip' must be in 0\.\.71, got 72"),
        ([0.5], r"must be integers \[n\], got shape \[1\], dtype float64"),
        ([True], "dtype bool"),
        (3, r"got shape \[\]"),
        ([[1]], r"got shape \[1, 1\]"),
    ],
)
def test_bad_positions(positions: Any, text: str) -> None:
    assert CHIP.size == 72
    with pytest.raises(InputError, match=text):
        CHIP.unravel(positions)


@pytest.mark.parametrize(
    ("points", "text"),
    [
        ([[0.5, 0.5, 0.5, 0.5, 1.5]], r"point 0: parameter 'banks' must be in 0\.\.1, got 1\.5"),
        ([[0.5, -0.1, 0.5, 0.5, 0.5]], r"'flow' must be in 0\.\.1, got -0\.1"),
        ([[0.5, float("nan"), 0.5, 0.5, 0.5]], r"'flow' must be in 0\.\.1, got nan"),
        ([0.5] * 5, r"must be numbers \[n, 5\], got shape \[5\]"),
        ([[0.5]], r"got shape \[1, 1\]"),
        ([["a"] * 5], "dtype <U1"),
        ([[0.5] * 5, [0.5]], "must be an array"),
    ],
)
def test_bad_points(points: Any, text: str) -> None:
    with pytest.raises(InputError, match=text):
        CHIP.from_unit(points)


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (Condition("cach", (True,)), "unknown parent of parameter 'chip.x' 'cach'; did you mean"),
        (Condition("cache", (1,)), "'chip.cache' must be one of False, True, got 1"),
        (Condition("flow", ("is",)), "'chip.flow' must be one of os, ws, got 'is'"),
        (Condition("x", (1,)), "'chip.x' depends on 'chip.x', which must come before it"),
        (Condition("later", (1,)), "'chip.x' depends on 'chip.later', which must come before it"),
    ],
)
def test_bad_conditions(condition: Condition, text: str) -> None:
    x = Ordinal("x", (1, 2), active_when=(condition,))
    with pytest.raises(InputError, match=text):
        SearchSpace("chip", (*CHIP.parameters, x, Ordinal("later", (1, 2))))


def test_bad_spaces() -> None:
    with pytest.raises(InputError, match="'none' needs at least one parameter"):
        SearchSpace("none", ())
    with pytest.raises(InputError, match=r"'twin' has two parameters 'twin\.a'"):
        SearchSpace("twin", (Ordinal("a", (1,)), Categorical("a", (2,))))


# -- registered spaces ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", list_spaces())
def test_round_trips_of_registered_spaces(name: str) -> None:
    space = make_space(name)
    designs = space.sample(200, np.random.default_rng(0))
    np.testing.assert_array_equal(space.check(designs), designs)
    np.testing.assert_array_equal(space.encode(space.decode(designs)), designs)
    if space.size <= np.iinfo(np.int64).max:  # others cannot be numbered
        np.testing.assert_array_equal(space.unravel(space.ravel(designs)), designs)
    np.testing.assert_array_equal(space.from_unit(space.unit(designs)), designs)
    np.testing.assert_array_equal(space.from_one_hot(space.one_hot(designs)), designs)
    again = SearchSpace.from_dict(json.loads(json.dumps(space.to_dict())))
    assert again.digest == space.digest
    assert space.cardinality <= space.size
