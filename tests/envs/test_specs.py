"""Specs: written and read back, and how far values miss them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codesign_gym.envs import Spec
from codesign_gym.search_spaces import InputError

bounds = st.floats(allow_nan=False, allow_infinity=False).filter(lambda bound: bound != 0)
senses: st.SearchStrategy[Literal["<=", ">="]] = st.sampled_from(["<=", ">="])


@given(senses, bounds)
def test_text_round_trip(sense: Literal["<=", ">="], bound: float) -> None:
    """To the last bit: stored runs keep their specs as text."""
    spec = Spec("latency_ms", sense, bound)
    assert Spec.parse(str(spec)) == spec


def test_text_is_short() -> None:
    assert str(Spec("area_mm2", "<=", 6)) == "area_mm2<=6"
    assert str(Spec("latency_ms", "<=", 0.02)) == "latency_ms<=0.02"
    assert Spec.parse("  accuracy_pct >= 9e1 ") == Spec("accuracy_pct", ">=", 90.0)


@pytest.mark.parametrize(
    "text",
    ["", "latency_ms", "latency_ms<1", "latency_ms==1", "<=1", "latency_ms<=", "latency_ms<=fast",
     "latency_ms<=1 2", "2x<=1", "a<=1, b<=2"],
)  # fmt: skip
def test_unreadable_text(text: str) -> None:
    with pytest.raises(InputError) as error:
        Spec.parse(text)
    assert str(error.value) == (
        f"a spec is written 'metric<=number' or 'metric>=number', got {text!r} "
        "(a unit may follow: 'latency <= 5 ms')"
    )


@pytest.mark.parametrize("text", ["x<=nan", "x<=inf", "x>=-inf", "x<=0", "x<=1e999"])
def test_impossible_bounds_in_text(text: str) -> None:
    with pytest.raises(InputError, match="spec of 'x': the bound must be finite and not 0, got"):
        Spec.parse(text)


@pytest.mark.parametrize("bound", ["1", None, True, float("nan"), 0])
def test_impossible_bounds(bound: Any) -> None:
    with pytest.raises(InputError) as error:
        Spec("x", "<=", bound)
    assert str(error.value).endswith(f"must be finite and not 0, got {bound!r}")


def test_impossible_sense() -> None:
    with pytest.raises(InputError, match="spec of 'x': must be '<=' or '>=', got '<'"):
        Spec("x", "<", 1.0)  # type: ignore[arg-type]


@given(senses, bounds, st.floats(allow_nan=False))
def test_violation_is_zero_just_where_kept(
    sense: Literal["<=", ">="], bound: float, value: float
) -> None:
    with np.errstate(over="ignore"):
        missed = Spec("x", sense, bound).violation(np.array([value, bound]))
    kept = value <= bound if sense == "<=" else value >= bound
    assert not np.isnan(missed).any()
    assert (missed[0] == 0) == kept
    assert missed[1] == 0


def test_violation_is_a_share_of_the_bound() -> None:
    assert Spec("x", "<=", 4.0).violation(np.array([2.0, 5.0, 8.0])).tolist() == [0, 0.25, 1]
    assert Spec("x", ">=", 4.0).violation(np.array([5.0, 3.0, -4.0])).tolist() == [0, 0.25, 2]
    assert Spec("x", "<=", -2.0).violation(np.array([-3.0, -1.0])).tolist() == [0, 0.5]
    assert Spec("x", "<=", 4.0).violation(np.array([np.inf, -np.inf])).tolist() == [np.inf, 0]
