"""Options of agents: every name and type is checked, text becomes the field's type."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codesign_gym.search.agents.nsga2 import Nsga2Options
from codesign_gym.search.options import at_least, between, make_options
from codesign_gym.search_spaces import InputError


@dataclass(frozen=True)
class Everything:
    whole: int = 1
    real: float = 0.5
    flag: bool = False
    text: str = "x"
    maybe: int | None = None
    perhaps: Optional[bool] = None  # noqa: UP045 - the older spelling works too


finite = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(max_size=5).filter(lambda t: t.lower() != "none")


@given(
    st.builds(
        Everything,
        st.integers(),
        finite,
        st.booleans(),
        words,
        st.none() | st.integers(),
        st.none() | st.booleans(),
    )
)
def test_values_and_their_texts_give_the_same_options(options: Everything) -> None:
    values = asdict(options)
    assert make_options("a", Everything, values) == options
    texts = {name: str(value) for name, value in values.items()}
    assert make_options("a", Everything, texts) == options


def test_nothing_given_keeps_the_defaults() -> None:
    assert make_options("a", Everything, {}) == Everything()


@pytest.mark.parametrize("text", ["true", "True", "1", "yes"])
def test_words_for_true(text: str) -> None:
    assert make_options("a", Everything, {"flag": text}).flag is True


def test_an_integral_float_is_an_int() -> None:
    assert make_options("a", Everything, {"whole": 3.0}).whole == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("whole", "1.5"),
        ("whole", 1.5),
        ("whole", True),
        ("whole", None),
        ("whole", "none"),
        ("whole", [1]),
        ("whole", float("inf")),
        ("real", "fast"),
        ("real", "nan"),
        ("real", float("inf")),
        ("real", {}),
        ("flag", "maybe"),
        ("flag", 2),
        ("maybe", "few"),
        ("perhaps", "perhaps"),
    ],
)
def test_wrong_type_names_option_owner_and_value(name: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        make_options("nsga2", Everything, {name: value})
    assert f"option {name!r} of nsga2" in str(caught.value)
    assert repr(value) in str(caught.value)


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown option of nsga2 'poplation'.*'population'"):
        make_options("nsga2", Nsga2Options, {"poplation": "5"})


def test_ranges() -> None:
    at_least("a", "b", 1, 1)
    between("a", "b", 1, 0, 1)
    with pytest.raises(InputError, match="'b' of a must be at least 1, got 0"):
        at_least("a", "b", 0, 1)
    with pytest.raises(InputError, match=r"'b' of a must be in 0\.\.1, got 1\.5"):
        between("a", "b", 1.5, 0, 1)
    with pytest.raises(InputError):
        at_least("a", "b", float("nan"), 0)
    with pytest.raises(InputError):
        between("a", "b", float("nan"), 0, 1)
