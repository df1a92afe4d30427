"""Parameters: what they accept, and how they name what they do not."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codesign_gym.search_spaces import Categorical, Condition, InputError, Ordinal, Parameter
from codesign_gym.search_spaces.parameters import parameter_from_dict
from tests.strategies import parameters


@given(parameters("p", "net", [Categorical("parent", ("a", 2, False), group="net")]))
def test_dict_round_trip(parameter: Parameter) -> None:
    again = parameter_from_dict(json.loads(json.dumps(parameter.to_dict())))
    assert again == parameter
    assert hash(again) == hash(parameter)
    assert type(again) is type(parameter)
    assert [type(v) for v in again.values] == [type(v) for v in parameter.values]


@given(parameters("p", "net", []))
def test_index_inverts_values(parameter: Parameter) -> None:
    assert [parameter.index(value) for value in parameter.values] == list(range(len(parameter)))


def test_copies_are_equal() -> None:
    parameter = Ordinal("sram", (1, 2), unit="kB", active_when=(Condition("on", (True,)),))
    assert copy.deepcopy(parameter) == parameter
    assert pickle.loads(pickle.dumps(parameter)) == parameter


BASE: dict[str, Any] = {"name": "p", "values": (1, 2), "unit": "kB", "group": "g"}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "q"},
        {"values": (1, 3)},
        {"values": (1,)},
        {"values": (1.0, 2)},
        {"unit": "MB"},
        {"group": "h"},
        {"active_when": (Condition("x", (1,)),)},
    ],
)
def test_different_parameters_differ(change: dict[str, Any]) -> None:
    assert Ordinal(**(BASE | change)) != Ordinal(**BASE)
    assert Categorical(**BASE) != Ordinal(**BASE)


def test_true_is_not_one() -> None:
    """Python's True == 1 must not make two different choices the same."""
    flag, number = Categorical("p", (False, True)), Categorical("p", (0, 1))
    assert flag != number
    assert flag.index(True) == 1
    assert number.index(1) == 1
    with pytest.raises(InputError, match=r"parameter 'p' must be one of False, True, got 1"):
        flag.index(1)
    with pytest.raises(InputError, match=r"parameter 'p' must be one of 0, 1, got True"):
        number.index(True)
    assert Condition("p", (True,)).values[0] is True


def test_numpy_values_are_taken_as_what_they_are() -> None:
    sizes = Ordinal("rows", tuple(2 ** np.arange(3)))
    assert sizes.values == (1, 2, 4)
    assert all(type(value) is int for value in sizes.values)
    assert sizes.index(np.int64(4)) == 2
    assert Categorical("flag", (False, True)).index(np.True_) == 1
    assert Categorical("text", tuple(np.array(["os", "ws"]))).index("ws") == 1
    assert Ordinal("rows", np.array([0.5, 1.0])).values == (0.5, 1.0)  # type: ignore[arg-type]
    assert Ordinal("rows", [1, 2]).values == (1, 2)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [3, "8", None, 8.5, float("nan"), [8], np.array([8, 8]), True])
def test_index_names_parameter_range_and_value(value: object) -> None:
    sizes = Ordinal("rows", (1, 8, 16), unit="PEs", group="chip")
    with pytest.raises(InputError) as error:
        sizes.index(value)
    assert "'chip.rows' must be one of 1, 8, 16 PEs, got " in str(error.value)
    assert repr(value) in str(error.value)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((), "'p' needs at least one value, got none"),
        ((1, 2, 1), r"'p' lists a value twice: \(1, 2, 1\)"),
        ((1, True), "lists a value twice"),
        ("os", "needs a list of values, got 'os'"),
        (3, "needs a list of values, got 3"),
        (("a", None), "must be text, bools or finite numbers, got None"),
        (("a", ["b"]), r"must be text, bools or finite numbers, got \['b'\]"),
        ((1.0, float("nan")), "finite numbers, got nan"),
        ((1.0, float("inf")), "finite numbers, got inf"),
    ],
)
def test_bad_values(values: Any, text: str) -> None:
    with pytest.raises(InputError, match=text):
        Categorical("p", values)


@pytest.mark.parametrize("values", [(2, 1), ("a", "b"), (1, "b"), (False, True), (3, 1, 2)])
def test_ordinals_are_increasing_numbers(values: Any) -> None:
    with pytest.raises(InputError, match=r"ordinal parameter 'p' needs increasing numbers, got \("):
        Ordinal("p", values)


@pytest.mark.parametrize("values", ["os", 8, ()])
def test_conditions_need_a_list_of_values(values: Any) -> None:
    with pytest.raises(InputError, match="condition on 'flow' needs"):
        Condition("flow", values)


@pytest.mark.parametrize(("name", "group"), [("", "g"), ("a.b", "g"), ("a", "g.h")])
def test_bad_names(name: str, group: str) -> None:
    with pytest.raises(InputError, match=rf"no '\.', got '{group}\.{name}'"):
        Ordinal(name, (1, 2), group=group)


def test_a_bare_parameter_is_neither() -> None:
    with pytest.raises(InputError, match="'p' must be a Categorical or an Ordinal"):
        Parameter("p", (1, 2))


def test_unknown_type_in_a_dict() -> None:
    data = Ordinal("p", (1, 2)).to_dict() | {"type": "ordnal"}
    with pytest.raises(InputError, match="unknown type of parameter 'ordnal'; did you mean 'ord"):
        parameter_from_dict(data)


@given(st.lists(st.sampled_from((1, 2, 4)), min_size=1, unique=True))
def test_condition_keeps_its_values(values: list[int]) -> None:
    assert Condition("p", values) == Condition("p", tuple(values))
    assert Condition("p", values) != Condition("q", values)
