"""A proxy that asks the true models where it is not sure, and says of each row whose it is."""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.cost_models import Metric, Metrics
from codesign_gym.cost_models.learned import LearnedCostModel, train_on_designs
from codesign_gym.cost_models.learned.trusted import TrustedProxy
from codesign_gym.search_spaces import Categorical, Designs, InputError, Ordinal, SearchSpace

SPACE = SearchSpace(
    "chip", (Ordinal("pes", tuple(range(1, 41))), Categorical("flow", tuple("abc")))
)
TIME, POWER = Metric("time_ms", "ms", "min"), Metric("power_mw", "mW", "min")


def measure(designs: Designs) -> Metrics:
    """Flow c is known to the true models alone; many elements of it cannot be built."""
    pes, flow = designs.T
    values = np.stack([100 / (1.0 + pes) * (1 + flow), 5.0 + pes], axis=1)
    return Metrics((TIME, POWER), values, {"too many": (flow == 2) & (pes > 30)})


@pytest.fixture(scope="module")
def proxy() -> LearnedCostModel:
    """Trained without flow c."""
    designs = SPACE.sample(300, 0)
    designs = designs[designs[:, 1] < 2]
    return train_on_designs(SPACE, designs, measure(designs), "extra-trees")


ALL = SPACE.enumerate()


def test_never_asks_without_being_told_to(proxy: LearnedCostModel) -> None:
    model = TrustedProxy(proxy, lambda designs: pytest.fail("the true models were asked"))
    found, alone = model.compute(ALL), proxy.compute(ALL)
    assert np.array_equal(found.values_matrix[:, :2], alone.values_matrix)
    assert not found["by_true_model"][found.valid].any()
    assert np.array_equal(found.valid, alone.valid)
    assert (ALL[~found.valid, 1] == 2).all()


def test_asks_where_nothing_can_be_said(proxy: LearnedCostModel) -> None:
    model = TrustedProxy(proxy, measure, trust=1e9)
    found, truth = model.compute(ALL), measure(ALL)
    new = ALL[:, 1] == 2
    assert np.array_equal(found["by_true_model"] == 1, new & truth.valid)
    assert np.array_equal(found.valid, truth.valid)
    assert list(found.invalid) == ["too many"]
    assert np.array_equal(found["time_ms"][new], truth["time_ms"][new])


def test_the_less_trust_the_more_is_true(proxy: LearnedCostModel) -> None:
    shares = [
        TrustedProxy(proxy, measure, trust).compute(ALL)["by_true_model"].clip(0).mean()
        for trust in (1.0, 0.1, 0.01, 1e-9)
    ]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]
    found = TrustedProxy(proxy, measure, 1e-9).compute(ALL)
    assert np.array_equal(found["time_ms"], measure(ALL)["time_ms"])


def test_only_what_is_watched_has_to_be_sure(proxy: LearnedCostModel) -> None:
    time, both = (
        TrustedProxy(proxy, measure, 0.005, names).unsure(ALL) for names in (("time_ms",), None)
    )
    assert (time <= both).all()
    assert time.sum() < both.sum()


def test_batches_agree(proxy: LearnedCostModel) -> None:
    model = TrustedProxy(proxy, measure, 0.05)
    whole = model.compute(ALL).values_matrix
    ones = np.concatenate([model.compute(ALL[[i]]).values_matrix for i in range(0, len(ALL), 7)])
    assert np.array_equal(whole[::7], ones)
    assert model.compute(ALL[:0]).values_matrix.shape == (0, 3)


@pytest.mark.parametrize("trust", [-0.1, np.inf, np.nan])
def test_bad_trust(proxy: LearnedCostModel, trust: float) -> None:
    with pytest.raises(InputError, match="trust must be a share of at least 0"):
        TrustedProxy(proxy, measure, trust)


def test_a_metric_that_the_proxy_lacks(proxy: LearnedCostModel) -> None:
    with pytest.raises(InputError, match="predicts time_ms, power_mw, not area_mm2"):
        TrustedProxy(proxy, measure, 0.1, ("time_ms", "area_mm2"))


def test_designs_outside_the_training_data_are_flagged_and_asked_about() -> None:
    inner = ALL[(ALL[:, 0] >= 5) & (ALL[:, 0] < 20)]
    proxy = train_on_designs(SPACE, inner, measure(inner), "extra-trees")
    beyond = (ALL[:, 0] < 5) | (ALL[:, 0] >= 20)
    assert np.array_equal(proxy.extrapolated(ALL), beyond)
    model = TrustedProxy(proxy, measure, trust=1e9)
    asked = model.compute(ALL)["by_true_model"] == 1
    assert np.array_equal(asked, beyond & measure(ALL).valid)
    wide = proxy.uncertainty(ALL) / proxy.compute(ALL).values_matrix
    assert (wide[ALL[:, 0] == 39].min(axis=0) > 2 * wide[ALL[:, 0] == 10].max(axis=0)).all()
