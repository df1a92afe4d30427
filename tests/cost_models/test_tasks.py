"""Tasks: the same data each time, and masks that belong to the sequences, position by position."""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.cost_models.accuracy import tasks
from codesign_gym.cost_models.accuracy.tasks import (
    TASKS,
    get_task,
    mnist1d,
    mnist1d_denoise,
    mnist1d_stroke,
)
from codesign_gym.search_spaces import InputError


@pytest.mark.parametrize("name", sorted(TASKS))
def test_shapes(name: str) -> None:
    task = get_task(name)
    x, y, x_test, y_test = task.data()
    assert x.shape == (4000, 40)
    assert x_test.shape == (1000, 40)
    assert x.dtype == x_test.dtype == np.float32
    assert y.shape == ((4000,) if task.metric == "accuracy" else (4000, 40))
    assert y_test.shape == (1000, *y.shape[1:])
    everything = np.concatenate([x, x_test])
    assert abs(everything.mean()) < 1e-3
    assert abs(everything.std() - 1) < 1e-3


def test_digits_are_balanced() -> None:
    for name in ("mnist1d", "mnist1d-shuffled"):
        data = get_task(name).data()
        assert (np.bincount(np.concatenate([data.y, data.y_test])) == 500).all()


def test_shuffled_sequences_are_the_same_values_in_another_order() -> None:
    plain, shuffled = mnist1d(), get_task("mnist1d-shuffled").data()
    assert np.array_equal(plain.y, shuffled.y)
    # One permutation for all: each column of one stands once among those of the other.
    distance = np.abs(plain.x[:100, :, None] - shuffled.x[:100, None, :]).max(axis=0)
    found = distance.argmin(axis=1)
    assert sorted(found) == list(range(40))
    assert distance.min(axis=1).max() < 1e-6
    assert (found != np.arange(40)).sum() > 30
    order = np.argsort(found)
    np.testing.assert_allclose(plain.x[:, order], shuffled.x, atol=1e-6)


def correlation(a: np.ndarray, b: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Correlation of each row of ``a`` with that of ``b`` where the mask is 1, ``[n]``."""
    sizes = mask.sum(axis=1, keepdims=True)
    a, b = ((v - (v * mask).sum(axis=1, keepdims=True) / sizes) * mask for v in (a, b))
    return np.asarray((a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1)))


def test_noiseless_sequences_belong_to_the_noisy_ones() -> None:
    """With the noise at zero the generator draws the same numbers: they agree sample by sample.

    In the stroke, where the generator adds little noise, they are the same curve (shear, which is
    no noise, is kept); those of two different samples are not, and in the padding there is noise.
    """
    noise = {k: v for k, v in tasks.NOISELESS.items() if k != "shear_scale"}
    clean = tasks._generate(**noise)
    data = mnist1d_stroke()
    assert np.array_equal(data.x, mnist1d().x)
    pairs = ((clean["x"], data.x, data.y), (clean["x_test"], data.x_test, data.y_test))
    for noiseless, noisy, masks in pairs:
        own = correlation(noiseless, noisy, masks)
        assert np.median(own) > 0.99
        assert np.quantile(own, 0.01) > 0.97
        everywhere = np.median(correlation(noiseless, noisy, np.ones_like(masks)))
        assert everywhere > 0.75
        other = correlation(np.roll(noiseless, 1, axis=0), noisy, masks)
        assert np.median(np.abs(other)) < 0.7
        shifted = correlation(noiseless, noisy, np.roll(masks, 20, axis=1))
        assert np.median(shifted) < np.median(own) - 0.1


def test_masks_are_where_the_noiseless_digit_is() -> None:
    """Outside the mask there is nothing; inside, all of the digit but its two ends."""
    clean = tasks._generate(**tasks.NOISELESS)
    data = mnist1d_stroke()
    for key, masks in (("x", data.y), ("x_test", data.y_test)):
        values, counts = np.unique(clean[key].round(6), return_counts=True)
        digit = np.abs(clean[key] - values[counts.argmax()])  # the padding is the commonest value
        inside = masks > 0
        energy = digit**2
        assert (energy * inside).sum() / energy.sum() > 0.98
        cyclic = inside != np.roll(inside, 1, axis=1)
        assert (cyclic.sum(axis=1) == 2).all()  # one stroke, though it may go around the end
        assert inside.sum(axis=1).min() == 6
        assert inside.sum(axis=1).max() == 10


def test_clean_sequences_are_those_of_the_noisy_ones() -> None:
    data, masks = mnist1d_denoise(), mnist1d_stroke()
    assert np.array_equal(data.x, mnist1d().x)
    own = correlation(data.y, data.x, masks.y)
    assert np.median(own) > 0.99
    other = correlation(np.roll(data.y, 1, axis=0), data.x, masks.y)
    assert np.median(np.abs(other)) < 0.7
    # Outside the stroke the shear alone is left: a straight line, of second differences zero.
    bend = np.abs(np.diff(data.y_test, 2, axis=1))
    noisy = np.abs(np.diff(data.x_test, 2, axis=1))
    assert np.median(bend) < 0.01 < 0.1 < np.median(noisy)
    assert (data.y_test.std(axis=1) > 0).all()


def test_unknown_task() -> None:
    with pytest.raises(InputError, match="unknown task 'mnist-1d'"):
        get_task("mnist-1d")
