"""Problems: columns to models, expensive models spared, invalid designs, what is refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from codesign_gym.cost_models import CostModel, Metric, Metrics
from codesign_gym.envs import Fidelity, Spec, list_problems, make_problem
from codesign_gym.envs.partial import partial_problem
from codesign_gym.envs.rewards import WeightedProduct
from codesign_gym.search_spaces import Designs, InputError
from tests.toy import CHIP, NET, Accuracy, Cost, toy_problem

HARDWARE_ONLY = ["mobilenetv2-asic", "resnet18-asic"]

# (rows, cols, depth) as indices: good; too large; inaccurate; both; unbuildable; diverging.
DESIGNS = [[1, 1, 1], [2, 2, 1], [1, 1, 0], [2, 2, 0], [0, 3, 1], [1, 1, 3]]


def test_metrics_objectives_and_violations_by_hand() -> None:
    found = toy_problem().evaluate(DESIGNS)
    inf = np.inf
    assert found.metrics["area_mm2"].tolist() == [4, 16, 4, 16, inf, inf]
    assert found.metrics["latency_ms"].tolist() == [0.5, 0.125, 0.25, 0.0625, inf, inf]
    assert found.metrics["accuracy_pct"].tolist() == [92, -inf, 91, -inf, -inf, -inf]
    assert found.objectives[:, 0].tolist() == [-92, inf, -91, inf, inf, inf]
    assert found.objectives[:, 1].tolist() == found.metrics["latency_ms"].tolist()
    # The accuracy of what is too large was never asked for, so that spec is not counted.
    assert found.violations[:, 0].tolist() == [0, 0, 1 / 92, 0, inf, inf]
    assert found.violations[:, 1].tolist() == [0, 3, 0, 3, inf, inf]
    assert found.violation.tolist() == [0, 3, 1 / 92, 3, inf, inf]
    assert found.feasible.tolist() == [True, False, False, False, False, False]
    assert [found.metrics.reason(i) for i in (0, 4, 5)] == ["", "one row of eight", "diverged"]


def test_expensive_models_are_spared_hopeless_designs() -> None:
    cost, accuracy = Cost(), Accuracy()
    toy_problem(cost, accuracy).evaluate(DESIGNS)
    assert cost.seen == [(depth, rows, cols) for rows, cols, depth in DESIGNS]
    assert accuracy.seen == [(1,), (0,), (3,)]


def test_no_call_where_nothing_is_promising() -> None:
    class Never(Accuracy):
        def compute(self, designs: Designs) -> Metrics:
            raise AssertionError("asked for nothing")

    found = toy_problem(accuracy=Never()).evaluate([[2, 2, 1], [0, 3, 1]])
    assert not found.feasible.any()
    assert len(toy_problem(accuracy=Never()).evaluate(np.zeros((0, 3), np.int64))) == 0


def test_a_cheap_model_that_is_not_bounded_spares_nothing() -> None:
    accuracy = Accuracy()
    toy_problem(accuracy=accuracy, specs=()).evaluate(DESIGNS)
    assert accuracy.seen == [(1,), (1,), (0,), (0,), (3,)]  # the unbuildable one alone is left out


@pytest.mark.parametrize("space", [NET * CHIP, CHIP * NET])
def test_columns_are_matched_by_parameter(space: Any) -> None:
    problem = toy_problem(space=space)
    rows = problem.space.encode([{"net.depth": 3, "chip.rows": 2, "chip.cols": 1}])
    found = problem.evaluate(rows)
    assert found.metrics["latency_ms"].tolist() == [1.5]
    assert found.metrics["accuracy_pct"].tolist() == [93]


class Unmeasurable(CostModel):
    """Cheap, and infinite for one row: a simulator that never ends."""

    name = "unmeasurable"
    space = CHIP
    metrics = (Metric("stall_ms", "ms", "min"),)
    source = "made up"

    def compute(self, designs: Designs) -> Metrics:
        return Metrics(self.metrics, np.where(designs[:, :1] == 0, np.inf, 1.0))


@pytest.mark.parametrize("specs", [("stall_ms<=2",), ("stall_ms<=2", "accuracy_pct>=92")])
def test_infinite_figures_break_specs(specs: tuple[str, ...]) -> None:
    """Infinitely slow is not "not measured": the design is infeasible."""
    problem = toy_problem(
        models=(Unmeasurable(), Accuracy()),
        objective_names=("stall_ms",),
        specs=tuple(map(Spec.parse, specs)),
        reward=WeightedProduct({"stall_ms": -1.0}, {"stall_ms": 1.0}),
    )
    assert problem.evaluate([[0, 0, 1], [1, 0, 1]]).feasible.tolist() == [False, True]


def test_what_was_never_measured_does_not_keep_a_spec() -> None:
    """Metrics recorded under one spec, assessed under another that asks for what was skipped."""
    strict = toy_problem()
    designs = strict.space.check([[2, 2, 1]])
    loose = strict.with_specs((strict.specs[0],))
    assert not loose.assess(designs, strict.measure(designs)).feasible[0]
    assert loose.evaluate(designs).feasible[0]


def test_with_specs() -> None:
    problem = toy_problem()
    loose = problem.with_specs((Spec("area_mm2", "<=", 64.0),))
    assert loose.evaluate(DESIGNS).feasible.tolist() == [True, True, True, True, False, False]
    assert problem.evaluate(DESIGNS).feasible.sum() == 1
    assert loose.statement.specs == loose.specs
    assert loose.statement.objectives == problem.statement.objectives
    with pytest.raises(InputError, match="unknown metric of problem 'toy' 'area'; did you mean"):
        problem.with_specs((Spec("area", "<=", 64.0),))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"models": (Cost(), Cost(), Accuracy())}, "two cost models give the same metric"),
        ({"objective_names": ("energy_pj",)}, "unknown metric of problem 'toy' 'energy_pj'"),
        ({"objective_names": ()}, "'toy' needs at least one objective, got none"),
        ({"specs": (Spec("lat", "<=", 1.0),)}, "'lat'; did you mean 'latency_ms'"),
        ({"space": CHIP}, r"space 'chip' lacks the parameters net\.depth of 'net'"),
        ({"models": ()}, r"unknown metric of problem 'toy' 'accuracy_pct'\. Known: \(none\)"),
    ],
)
def test_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        toy_problem(**changes)


@pytest.mark.parametrize("wrong", ["rows", "metrics"])
def test_a_model_that_does_not_answer_what_was_asked(wrong: str) -> None:
    class Wrong(Cost):
        def compute(self, designs: Designs) -> Metrics:
            found = super().compute(designs)
            if wrong == "rows":
                return found.take(slice(0, 1))
            return Metrics(found.metrics[::-1], found.values_matrix)

    with pytest.raises(
        ValueError, match=r"cost model 'cost' gave . rows of .*, must give 6 rows of"
    ):
        toy_problem(cost=Wrong()).evaluate(DESIGNS)


def test_malformed_designs() -> None:
    with pytest.raises(InputError, match=r"'chip\.rows' must be a choice index in 0\.\.3 .* got 4"):
        toy_problem().evaluate([[4, 0, 0]])


def test_a_caller_may_reuse_its_array() -> None:
    designs = np.array(DESIGNS, dtype=np.int32)
    found = toy_problem().evaluate(designs)
    designs[:] = 0
    assert found.designs.tolist() == DESIGNS


def test_take_keeps_all_that_is_known() -> None:
    found = toy_problem().evaluate(DESIGNS)
    rows = np.array([4, 0])
    taken = found.take(rows)
    assert taken.designs.tolist() == [DESIGNS[4], DESIGNS[0]]
    assert taken.violation.tolist() == [np.inf, 0]
    assert taken.metrics.reason(0) == "one row of eight"
    np.testing.assert_array_equal(taken.objectives, found.objectives[rows])


# -- registered problems -------------------------------------------------------------------------


@pytest.mark.parametrize("name", HARDWARE_ONLY)
def test_batches_do_not_matter(name: str) -> None:
    problem = make_problem(name)
    designs = problem.space.sample(50, np.random.default_rng(0))
    whole = problem.evaluate(designs)
    one_by_one = [problem.evaluate(design[None]) for design in designs]
    for i, single in enumerate(one_by_one):
        np.testing.assert_array_equal(single.objectives[0], whole.objectives[i])
        np.testing.assert_array_equal(single.violations[0], whole.violations[i])
    assert whole.feasible.any()
    assert not whole.feasible.all()


def test_make_problem_options() -> None:
    tight = make_problem("resnet18-asic", specs=["area_mm2<=1", Spec("latency_ms", "<=", 50.0)])
    assert [str(spec) for spec in tight.specs] == ["area_mm2<=1", "latency_ms<=50"]
    assert make_problem("resnet18-asic", specs=[]).specs == ()
    assert make_problem("resnet18-asic", specs="area_mm2<=1").specs == tight.specs[:1]
    other = make_problem("mobilenetv2-asic").models[0]
    assert make_problem("resnet18-asic", cost_model=other).models == (other,)
    with pytest.raises(InputError, match="unknown metric of problem 'resnet18-asic' 'energy_uj'"):
        make_problem("resnet18-asic", cost_model=Accuracy())
    with pytest.raises(InputError, match="unknown problem 'resnet-asic'; did you mean 'resnet18-"):
        make_problem("resnet-asic")
    assert set(HARDWARE_ONLY) <= set(list_problems())


def test_reward_of_an_unknown_metric_is_refused_at_once() -> None:
    with pytest.raises(InputError, match=r"metric of the reward .* 'area'; did you mean"):
        toy_problem(reward=WeightedProduct({"area": -1.0}, {"area": 1.0}))


HALF = Fraction(1, 2)


def cheaper(*costs: Any) -> tuple[Fidelity, ...]:
    return tuple(Fidelity(cost, (Cost(), Accuracy())) for cost in costs)


@pytest.mark.parametrize(
    "costs", [(Fraction(0),), (Fraction(1),), (0.5,), (HALF, HALF / 2), (HALF, HALF)]
)
def test_costs_of_fidelities_are_exact_shares_that_rise(costs: tuple[Any, ...]) -> None:
    with pytest.raises(InputError, match=f"fractions between 0 and 1 that rise, got {costs[0]}"):
        toy_problem(fidelities=cheaper(*costs))


def test_fidelities_have_the_metrics_of_the_problem() -> None:
    with pytest.raises(InputError, match=r"cost 1/2 must give the metrics .*accuracy_pct, gives"):
        toy_problem(
            fidelities=(Fidelity(Fraction(1, 2), (Cost(),)),),
            objective_names=("latency_ms",),
            specs=(),
            reward=WeightedProduct({"latency_ms": -1.0}, {"latency_ms": 1.0}),
        )


def test_fidelities_go_with_the_problem_but_not_with_a_proxy() -> None:
    problem = toy_problem(fidelities=cheaper(Fraction(1, 4)))
    assert problem.statement.fidelities == (Fraction(1, 4),)
    assert problem.with_specs(()).cheaper[0].specs == ()
    part = partial_problem(problem, ["chip"], [[0, 0, 1]])
    designs = [[1, 1], [2, 0]]
    found = part.cheaper[0].evaluate(designs).metrics.values_matrix
    assert np.array_equal(found, part.evaluate(designs).metrics.values_matrix)
    name = "resnet18-spatial-fidelities"
    assert len(make_problem(name, specs=[]).fidelities) == 2
    model = make_problem("cloud-accelerator").models[0]
    assert make_problem(name, cost_model=model).fidelities == ()
