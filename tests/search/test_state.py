"""Agents' knowledge as plain data: everything comes back, anything else is refused."""

from __future__ import annotations

import json
from collections import OrderedDict, defaultdict
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from codesign_gym.search.state import pack, unpack

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
)
leaves = scalars | st.binary(max_size=5)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=3) | st.integers() | st.binary(max_size=3), inner),
        st.sets(st.integers()),
        st.frozensets(st.binary(max_size=3)),
    ),
    max_leaves=8,
)
arrays = hnp.arrays(
    hnp.scalar_dtypes().filter(lambda t: t.kind in "biufc"),
    hnp.array_shapes(min_dims=0, min_side=0),
)


def through_json(value: Any) -> Any:
    return unpack(json.loads(json.dumps(pack(value))))


def same_types(a: Any, b: Any) -> bool:
    if isinstance(a, (list, tuple)):
        inside = len(a) == len(b) and all(same_types(x, y) for x, y in zip(a, b, strict=True))
        return type(a) is type(b) and inside
    return type(a) is type(b)


@given(values)
def test_plain_data_comes_back(value: Any) -> None:
    back = through_json(value)
    assert back == value
    assert same_types(back, value)


@given(arrays)
def test_arrays_come_back_bit_by_bit_and_writable(array: np.ndarray[Any, Any]) -> None:
    back = through_json(array)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert back.flags.writeable


def test_a_transposed_array_comes_back() -> None:
    array = np.arange(6).reshape(2, 3).T
    np.testing.assert_array_equal(through_json(array), array)


@given(st.integers(0, 2**32 - 1), st.integers(0, 9))
def test_a_generator_continues_identically(seed: int, drawn: int) -> None:
    for kind in (np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64):
        rng = np.random.Generator(kind(seed))
        rng.integers(0, 100, size=drawn, dtype=np.int32)  # an odd number leaves half a word over
        back = through_json(rng)
        assert np.array_equal(
            back.integers(0, 2**31, 5, dtype=np.int32), rng.integers(0, 2**31, 5, dtype=np.int32)
        )
        assert np.array_equal(back.normal(size=5), rng.normal(size=5))


def test_numpy_scalars_become_python_ones() -> None:
    assert through_json([np.int64(3), np.float32(0.5), np.bool_(True)]) == [3, 0.5, True]


class Point(NamedTuple):
    x: int


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (object(), "object"),
        ([{"a": object()}], "object"),
        (Point(1), "Point"),
        (OrderedDict(a=1), "OrderedDict"),
        (defaultdict(list), "defaultdict"),
        (np.array([object()]), "ndarray"),
        (np.zeros(2, dtype=[("a", "i4")]), "ndarray"),
        (np.longdouble(1), "longdouble"),
        (1j, "complex"),
    ],
)
def test_anything_else_is_refused_by_name(value: object, named: str) -> None:
    with pytest.raises(TypeError, match=f"cannot store a {named}"):
        pack(value)
