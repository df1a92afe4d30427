"""Shares of a known front."""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.experiments.front_share import FrontShare

FRONT = np.array([[1.0, 100.0], [10.0, 10.0], [100.0, 1.0]])


def test_the_front_is_the_whole() -> None:
    share = FrontShare(FRONT)
    assert share.of(FRONT) == pytest.approx(1)
    assert share.of(FRONT[1:2]) < 1
    assert share.of(np.empty((0, 2))) == 0
    assert share.of(np.array([[1.0, 1.0]])) > 1


@pytest.mark.parametrize("beyond", [0.0, -3.0])
def test_not_positive_is_better_than_a_positive_front(beyond: float) -> None:
    share = FrontShare(FRONT)
    assert share.of(np.array([[beyond, 1.0]])) == pytest.approx(share.of(np.array([[1.0, 1.0]])))


def test_not_positive_is_worse_than_a_positive_front_to_be_maximised() -> None:
    share = FrontShare.of_values(FRONT.tolist(), ("min", "max"))
    assert share.of(np.array([[1.0, 0.0]])) == 0
    assert share.of(np.array([[1.0, 3.0]])) == 0
    assert share.of(np.array([[1.0, -100.0]])) > 0.9
