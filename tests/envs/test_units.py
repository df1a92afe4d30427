"""Specs and objectives in another unit than the metric's."""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.envs import Spec, make_problem
from codesign_gym.envs.units import own_name
from codesign_gym.search_spaces import InputError

KNOWN = ["latency_ms", "energy_uj", "area_mm2", "dram_mb", "accuracy_pct"]


@pytest.mark.parametrize(
    ("name", "own", "factor"),
    [
        ("latency_ms", "latency_ms", 1.0),
        ("latency_s", "latency_ms", 1000.0),
        ("latency_us", "latency_ms", 0.001),
        ("energy_mj", "energy_uj", 1000.0),
        ("energy_pj", "energy_uj", 1e-6),
        ("area_um2", "area_mm2", 1e-6),
        ("dram_gb", "dram_mb", 1000.0),
        ("dram_GB", "dram_mb", 1000.0),
        ("energy_mJ", "energy_uj", 1000.0),
    ],
)
def test_own_name(name: str, own: str, factor: float) -> None:
    found, scale = own_name(name, KNOWN)
    assert found == own
    assert scale == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize(
    "name", ["latency_mj", "energy_ms", "energy_MJ", "accuracy_ms", "latency", "power_mw"]
)
def test_what_measures_something_else_is_unknown(name: str) -> None:
    with pytest.raises(InputError, match="unknown metric"):
        own_name(name, KNOWN)


def test_a_spec_in_another_unit_means_the_same() -> None:
    texts = [
        "energy_uj<=90000",
        "energy_mj<=90",
        "energy <= 0.09 j",
        "energy <= 90 mj",
        "energy_mj <= 90 mj",
    ]
    problems = [make_problem("resnet18-asic", specs=[text]) for text in texts]
    designs = problems[0].space.sample(500, 0)
    first, *others = [problem.evaluate(designs) for problem in problems]
    assert 0.1 < first.feasible.mean() < 0.9
    for other in others:
        assert np.array_equal(first.feasible, other.feasible)
    assert {str(problem.specs[0]) for problem in problems} == {"energy_uj<=90000"}


def test_an_objective_in_another_unit() -> None:
    problem = make_problem("resnet18-asic", objectives=["energy_mj"])
    assert [metric.name for metric in problem.objectives] == ["energy_uj"]


@pytest.mark.parametrize("text", ["latency <= 0.8 0.9", "latency <= ms", "latency <= 1 $"])
def test_malformed_units(text: str) -> None:
    with pytest.raises(InputError, match="a spec is written"):
        Spec.parse(text)
