"""DRACO's problems and its rule."""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.envs import Spec, make_problem
from codesign_gym.envs.draco import data_reuse_choice, draco_mnist1d, draco_mobilenet
from codesign_gym.experiments.reproduce.draco import GOALS, optimum
from codesign_gym.search_spaces import InputError


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_the_rule_without_limits_takes_every_layer_to_its_fastest(dataflow: str) -> None:
    problem = draco_mobilenet(dataflow).with_specs(())
    design = data_reuse_choice(problem)[0]
    [model] = problem.models
    for choice, table in zip(design, model.choices, strict=True):  # type: ignore[attr-defined]
        cycles = table.cycles
        assert (np.diff(cycles[: choice + 1]) < 0).all()
        assert choice + 1 == len(cycles) or cycles[choice + 1] >= cycles[choice]


def test_the_rule_fills_the_columns_of_the_array() -> None:
    problem = draco_mobilenet().with_specs(())
    [chosen] = problem.space.decode(data_reuse_choice(problem))
    assert list(chosen.values()) == [32] + [64] * 12


def test_the_rule_keeps_the_specs_and_cannot_go_on() -> None:
    problem = draco_mobilenet()
    design = data_reuse_choice(problem)
    assert problem.evaluate(design).feasible.all()
    [model] = problem.models
    for j, table in enumerate(model.choices):  # type: ignore[attr-defined]
        more = design.copy()
        more[0, j] += 1
        if more[0, j] < len(table.cycles) and table.cycles[more[0, j]] < table.cycles[design[0, j]]:
            assert not problem.evaluate(more).feasible[0]


def test_the_rule_needs_a_model_of_groups() -> None:
    with pytest.raises(InputError, match="'resnet18-asic' has no model of grouped convolutions"):
        data_reuse_choice(make_problem("resnet18-asic"))


@pytest.mark.parametrize("goal", GOALS)
def test_the_optimum_is_the_best_of_all(goal: str) -> None:
    """On the 81 small networks every design is evaluated."""
    problem = draco_mnist1d()
    everything = problem.evaluate(problem.space.enumerate())
    values = everything.metrics[goal][everything.feasible]
    best = values.max() if goal == "utilization_pct" else values.min()
    found = problem.evaluate(optimum(problem, goal))
    assert found.feasible[0]
    assert found.metrics[goal][0] == pytest.approx(best)


@pytest.mark.parametrize("goal", GOALS)
def test_no_feasible_design_beats_the_optimum(goal: str) -> None:
    problem = draco_mobilenet()
    random = problem.evaluate(problem.space.sample(5000, 0))
    rule = problem.evaluate(data_reuse_choice(problem)).metrics[goal][0]
    best = problem.evaluate(optimum(problem, goal))
    assert best.feasible[0]
    sign = -1 if goal == "utilization_pct" else 1
    others = np.append(random.metrics[goal][random.feasible], rule)
    assert sign * best.metrics[goal][0] <= (sign * others).min() + 1e-9


def test_small_networks_have_a_measured_accuracy() -> None:
    problem = draco_mnist1d()
    metrics = problem.evaluate(problem.space.enumerate()).metrics
    assert metrics["accuracy_pct"].min() > 85
    assert "accuracy_pct" not in {metric.name for metric in draco_mobilenet().metrics}


def test_the_optimum_tells_what_it_cannot_do() -> None:
    problem = draco_mobilenet()
    with pytest.raises(InputError, match="metric that is a sum over layers 'mac_utilization_pct'"):
        optimum(problem, "mac_utilization_pct")
    impossible = problem.with_specs((Spec("macs_ratio", "<=", 0.5),))
    with pytest.raises(InputError, match="no design of problem 'draco-mobilenet' keeps macs_ratio"):
        optimum(impossible, "latency_ms")


def test_the_optimum_keeps_lower_bounds() -> None:
    problem = draco_mobilenet()
    least = problem.with_specs((*problem.specs, Spec("utilization_pct", ">=", 47)))
    free, bound = (p.evaluate(optimum(p, "latency_ms")) for p in (problem, least))
    assert free.metrics["utilization_pct"][0] < 47 <= bound.metrics["utilization_pct"][0]
    assert bound.metrics["latency_ms"][0] > free.metrics["latency_ms"][0]
