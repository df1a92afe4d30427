"""Metrics: never a NaN, invalid rows infinitely bad, rows taken and joined with their reasons."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codesign_gym.cost_models import Metric, Metrics
from codesign_gym.cost_models.metrics import concat_metrics
from codesign_gym.search_spaces import InputError

LATENCY = Metric("latency_ms", "ms", "min", "one inference")
ACCURACY = Metric("accuracy_pct", "%", "max")
BOTH = (LATENCY, ACCURACY)


def three(invalid: dict[str, list[bool]] | None = None) -> Metrics:
    values = np.array([[1.0, 90.0], [2.0, 91.0], [3.0, 92.0]])
    return Metrics(BOTH, values, {k: np.array(v) for k, v in (invalid or {}).items()})


def test_metric() -> None:
    assert (LATENCY.sign, ACCURACY.sign) == (1.0, -1.0)
    assert (LATENCY.worst, ACCURACY.worst) == (np.inf, -np.inf)
    assert Metric(**LATENCY.to_dict()) == LATENCY
    with pytest.raises(InputError, match="'x': direction must be 'min' or 'max', got 'down'"):
        Metric("x", "", "down")  # type: ignore[arg-type]


def test_a_mapping_of_columns() -> None:
    metrics = three()
    assert list(metrics) == ["latency_ms", "accuracy_pct"]
    assert len(metrics) == 2
    assert metrics["accuracy_pct"].tolist() == [90, 91, 92]
    assert metrics.valid.tolist() == [True, True, True]
    assert "energy_pj" not in metrics
    with pytest.raises(KeyError, match="unknown metric 'latency'; did you mean 'latency_ms'"):
        metrics["latency"]


def test_invalid_rows_are_infinitely_bad() -> None:
    metrics = three({"too big": [False, True, False], "too hot": [False, True, True]})
    assert metrics["latency_ms"].tolist() == [1, np.inf, np.inf]
    assert metrics["accuracy_pct"].tolist() == [90, -np.inf, -np.inf]
    assert metrics.valid.tolist() == [True, False, False]
    assert [metrics.reason(i) for i in range(3)] == ["", "too big; too hot", "too hot"]


def test_nan_is_a_defect_of_the_model() -> None:
    values = np.array([[1.0, 90.0], [1.0, np.nan]])
    with pytest.raises(ValueError, match="metric 'accuracy_pct' of design 1 is NaN"):
        Metrics(BOTH, values)
    # A model may leave anything where it calls a design invalid.
    excused = Metrics(BOTH, values, {"diverged": np.array([False, True])})
    assert excused["accuracy_pct"].tolist() == [90, -np.inf]
    assert np.isnan(values[1, 1])  # the model's own array is not written to


@pytest.mark.parametrize("shape", [(2, 1), (2, 3), (2,), (2, 2, 1)])
def test_shape_is_checked(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"values must be \[n, 2\], got \[2"):
        Metrics(BOTH, np.zeros(shape))


@pytest.mark.parametrize(
    "rows", [slice(1, None), np.array([2, 0, 2]), np.array([True, False, True]), slice(0, 0)]
)
def test_take(rows: Any) -> None:
    metrics = three({"too big": [False, True, False]})
    taken = metrics.take(rows)
    assert taken["latency_ms"].tolist() == metrics["latency_ms"][rows].tolist()
    assert taken.valid.tolist() == metrics.valid[rows].tolist()
    reasons = np.array([metrics.reason(i) for i in range(3)])[rows].tolist()
    assert [taken.reason(i) for i in range(len(taken.valid))] == reasons


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4))
def test_concat_undoes_taking_apart(cuts: list[int]) -> None:
    metrics = three({"too big": [False, True, False], "too hot": [True, False, False]})
    edges = [0, *sorted(cuts), 3]
    parts = [metrics.take(slice(a, b)) for a, b in pairwise(edges)]
    joined = concat_metrics(parts)
    np.testing.assert_array_equal(joined.values_matrix, metrics.values_matrix)
    assert joined.metrics == metrics.metrics
    assert [joined.reason(i) for i in range(3)] == ["too hot", "too big", ""]


def test_concat_keeps_reasons_that_only_one_part_has() -> None:
    joined = concat_metrics([three({"too hot": [True, False, False]}), three()])
    assert [joined.reason(i) for i in range(6)] == ["too hot", "", "", "", "", ""]
    assert joined.valid.tolist() == [False] + [True] * 5
