"""How well a table tells its networks apart: found again in tables of known spread."""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.cost_models.accuracy.separation import separation
from codesign_gym.cost_models.accuracy.trained import AccuracyRecords


def records(spread: float, noise: float, networks: int = 4000, seeds: int = 2) -> AccuracyRecords:
    """Accuracies around 80 %: normal, with these standard deviations in points."""
    rng = np.random.default_rng(0)
    true = rng.normal(80, spread, networks)
    seen = true[:, None] + rng.normal(0, noise, (networks, seeds)) if noise else true[:, None]
    correct = np.broadcast_to(seen * 100, (networks, seeds)).round().astype(np.uint16)[:, :, None]
    nothing = np.zeros((networks, seeds), np.uint16)
    return AccuracyRecords(np.arange(networks), correct, nothing, nothing, {"test_size": 10_000})


def test_without_noise() -> None:
    apart = separation(records(spread=2.0, noise=0.0))
    assert apart.networks == 4000
    assert apart.all_networks == pytest.approx(2.0, rel=0.05)
    assert apart.noise == apart.top_noise == 0
    assert apart.top == pytest.approx(0.41 * 2.0, rel=0.1)  # of the upper tenth of a normal
    assert apart.top_from == pytest.approx(80 + 1.28 * 2, rel=0.01)
    assert apart.best > apart.top_from


@pytest.mark.parametrize("seeds", [2, 4])
def test_noise_is_that_of_the_mean(seeds: int) -> None:
    apart = separation(records(spread=2.0, noise=1.0, seeds=seeds))
    assert apart.noise == pytest.approx(1 / np.sqrt(seeds), rel=0.05)
    assert apart.top_noise == pytest.approx(1 / np.sqrt(seeds), rel=0.1)


def test_the_lucky_are_not_good() -> None:
    """Where networks are all alike, the best tenth is noise and has no spread of its own."""
    apart = separation(records(spread=0.0, noise=1.0, networks=40_000))
    assert apart.top < 0.3 * apart.top_noise


def test_networks_that_have_not_learned_do_not_count() -> None:
    table = records(spread=1.0, noise=0.1)
    table.correct[:2000] = 1000
    apart = separation(table)
    assert apart.all_networks == pytest.approx(1.0, rel=0.1)
    assert apart.networks == 4000
