"""Costs that add up over choices: fit, expectation, errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codesign_gym.cost_models import Metric
from codesign_gym.cost_models.accuracy import MeasuredTable
from codesign_gym.cost_models.learned.operation_lut import (
    OperationLut,
    fit_lut,
    lut_of_model,
    read_lut,
)
from codesign_gym.experiments.testing import SyntheticModel
from codesign_gym.search_spaces import (
    Categorical,
    Condition,
    InputError,
    Ordinal,
    SearchSpace,
    make_space,
)

TIME = Metric("latency_ms", "ms", "min")
SPACE = SearchSpace(
    "net", (Categorical("a", tuple("xyz")), Categorical("b", tuple("xy")), Ordinal("c", (1, 2, 4)))
)
CONDITIONAL = SearchSpace(
    "cond",
    (
        Categorical("a", tuple("xy")),
        Categorical("b", tuple("xyz"), active_when=(Condition("a", ["y"]),)),
    ),
)


def random_lut(seed: int, space: SearchSpace = SPACE) -> OperationLut:
    rng = np.random.default_rng(seed)
    costs = [rng.gamma(1.0, size=len(parameter)) for parameter in space.parameters]
    return OperationLut(space, TIME, costs, fixed=rng.random())


@given(st.integers(0, 1000))
def test_sums_are_found_again(seed: int) -> None:
    truth, designs = random_lut(seed), SPACE.enumerate()
    known = truth.evaluate(designs)["latency_ms"]
    fitted = fit_lut(SPACE, designs, known, TIME)
    np.testing.assert_allclose(fitted.evaluate(designs)["latency_ms"], known, atol=1e-9)
    assert fitted.report is not None
    assert fitted.report.r2 == pytest.approx(1)
    assert fitted.report.rows + fitted.report.held_out == len(designs)
    cheapest = [part.min() for part in np.split(fitted.costs, SPACE.offsets[1:-1])]
    assert cheapest == [0.0] * len(SPACE)
    assert fitted.fixed == pytest.approx(known.min())


def test_what_does_not_add_up_is_reported() -> None:
    space = make_space("nas-bench-201")
    designs = space.sample(3000, 0)
    pairs = ((designs[:, 0] == 3) & (designs[:, 5] == 3)).astype(float)
    noise = np.random.default_rng(0).normal(size=len(designs))
    additive = fit_lut(space, designs, (designs == 3).sum(axis=1) + pairs, TIME).report
    random = fit_lut(space, designs, noise, TIME).report
    assert additive is not None
    assert random is not None
    assert 0.9 < additive.r2 < 0.99
    assert 0 < additive.rmse < additive.worst
    assert random.r2 < 0.05


def test_inactive_parameters_cost_nothing() -> None:
    lut = OperationLut(CONDITIONAL, TIME, [[1, 2], [10, 20, 30]], fixed=100)
    assert lut.evaluate([[0, 0], [1, 0], [1, 2]])["latency_ms"].tolist() == [101, 112, 132]
    big = CONDITIONAL * SearchSpace("more", (Categorical("d", tuple("uvwxyz")),))
    truth = OperationLut(big, TIME, [[1, 2], [10, 20, 30], range(6)])
    designs = big.enumerate()
    known = truth.evaluate(designs)["latency_ms"]
    np.testing.assert_allclose(fit_lut(big, designs, known, TIME).evaluate(designs)["latency_ms"],
                               known)  # fmt: skip
    with pytest.raises(InputError, match="has parameters that are not always active"):
        lut.expected(torch.ones(5))


@given(st.integers(0, 1000))
def test_the_expectation_is_the_mean_over_all_designs(seed: int) -> None:
    lut = random_lut(seed)
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.rand(len(p), generator=generator, dtype=torch.float64) for p in SPACE.parameters]
    parts = [part / part.sum() for part in parts]
    designs = SPACE.enumerate()
    weights = np.prod([part.numpy()[designs[:, j]] for j, part in enumerate(parts)], axis=0)
    mean = (weights * lut.evaluate(designs)["latency_ms"]).sum()
    probabilities = torch.cat(parts).requires_grad_()
    expected = lut.expected(probabilities)
    assert expected.item() == pytest.approx(mean)
    [gradient] = torch.autograd.grad(expected, probabilities)
    assert gradient.tolist() == pytest.approx(lut.costs.tolist())
    assert lut.expected(torch.stack([probabilities, probabilities])).shape == (2,)


def test_of_a_cost_model() -> None:
    model = SyntheticModel(make_space("nas-bench-201"))  # sums of main effects, some invalid
    lut = lut_of_model(model, "quality_pct", samples=300)
    assert lut.metrics[0].name == "quality_pct"
    assert "synthetic" in lut.source
    assert lut.report is not None
    assert lut.report.r2 > 0.999
    assert lut.report.rows + lut.report.held_out < 300


def test_of_a_table() -> None:
    truth, designs = random_lut(3), SPACE.enumerate()
    values = truth.evaluate(designs).values_matrix.copy()
    values[5] = np.nan
    table = MeasuredTable(SPACE, designs, (TIME,), values, "made up")
    fitted = lut_of_model(table)
    assert fitted.evaluate(designs[[5]]) ["latency_ms"] == pytest.approx(
        truth.evaluate(designs[[5]])["latency_ms"]
    )  # fmt: skip
    with pytest.raises(InputError, match="unknown metric of 'measured-table' 'latency'"):
        lut_of_model(table, "latency")


@pytest.mark.parametrize(
    ("costs", "error"),
    [
        ([[1, 2, 3]], "costs must have 3 rows, one per parameter; got 1"),
        ([[1, 2], [1, 2], [1, 2, 3]], r"costs of 'net.a' must be 3 finite numbers, got \[1.0, 2"),
        ([[1, 2, np.nan], [1, 2], [1, 2, 3]], "costs of 'net.a' must be 3 finite numbers"),
    ],
)
def test_costs_that_do_not_fit(costs: list[list[float]], error: str) -> None:
    with pytest.raises(InputError, match=error):
        OperationLut(SPACE, TIME, costs)


def test_too_little_to_fit_on() -> None:
    designs = SPACE.enumerate()
    with pytest.raises(InputError, match="8 operations needs the cost of at least 10 designs, got"):
        fit_lut(SPACE, designs[:7], np.ones(7), TIME)
    fit_lut(SPACE, designs[:10], np.ones(10), TIME)
    with pytest.raises(InputError, match="values must be 18 finite numbers"):
        fit_lut(SPACE, designs, np.full(18, np.inf), TIME)
    with pytest.raises(InputError, match=r"probabilities must be \[..., 8\], one per choice"):
        random_lut(0).expected(torch.ones(7))


def test_tables_of_layers(tmp_path: Path) -> None:
    path = tmp_path / "lut.csv"
    path.write_text("resolution,key,mean\n160,conv,1.5\n160,pool,0.5\n192,conv,2\n")
    assert read_lut(path, 160) == {"conv": 1.5, "pool": 0.5}
    with pytest.raises(InputError, match="line 4: column 'key' has 'conv' twice"):
        read_lut(path)
    with pytest.raises(InputError, match="has the resolutions 160, 192, not 128"):
        read_lut(path, 128)
