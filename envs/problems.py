"""The registered problems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from codesign_gym.cost_models import AccuracyTable, CostModel, SystolicModel
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.envs.rewards import WeightedProduct
from codesign_gym.envs.specs import Spec
from codesign_gym.search_spaces import Registry, cell_network, systolic_accelerator

PROBLEMS: Registry[Callable[[], DesignProblem]] = Registry("problem", "codesign_gym.problems")
"""Registered problems: name -> function that makes the problem."""


def make_problem(
    name: str, *, specs: Sequence[Spec | str] | None = None, cost_model: CostModel | None = None
) -> DesignProblem:
    """The registered problem called ``name``.

    Args:
        name: The name; an unknown one raises `InputError` with the nearest.
        specs: Specs in place of the problem's own.
        cost_model: A model of all the metrics in place of the problem's own, such as a proxy.
    """
    problem = PROBLEMS.get(name)()
    if specs is not None:
        several = [specs] if isinstance(specs, str) else specs
        parsed = [Spec.parse(spec) if isinstance(spec, str) else spec for spec in several]
        problem = replace(problem, specs=tuple(parsed))
    if cost_model is not None:
        problem = replace(problem, models=(cost_model,))
    return problem


def list_problems() -> list[str]:
    """Names of all registered problems."""
    return PROBLEMS.names()


@PROBLEMS.register("mnist1d-asic")
def mnist1d_asic() -> DesignProblem:
    """Network and accelerator together: accurate and frugal, under a latency and an area spec."""
    return DesignProblem(
        name="mnist1d-asic",
        space=cell_network() * systolic_accelerator(),
        models=(SystolicModel("cell-network"), AccuracyTable()),
        objective_names=("accuracy_pct", "energy_uj"),
        specs=(Spec("latency_ms", "<=", 0.003), Spec("area_mm2", "<=", 2.0)),
        # MnasNet's exponent of cost, -0.07: 5 % of accuracy for a doubling or halving.
        reward=WeightedProduct(
            weights={"accuracy_pct": 1.0, "energy_uj": -0.07},
            references={"accuracy_pct": 100.0, "energy_uj": 1.5},
        ),
        description="cell network on MNIST-1D x systolic accelerator: accuracy and energy",
        source="accuracies trained with codesign train-table; NASAIC (arXiv 2002.04116) in form",
    )


def _hardware_only(network: str, area_mm2: float, references: dict[str, float]) -> DesignProblem:
    return DesignProblem(
        name=f"{network}-asic",
        space=systolic_accelerator(),
        models=(SystolicModel(network),),
        objective_names=("energy_uj", "latency_ms"),
        specs=(Spec("area_mm2", "<=", area_mm2),),
        # The root of the energy-delay product, relative to a median random design.
        reward=WeightedProduct({"energy_uj": -0.5, "latency_ms": -0.5}, references),
        description=f"systolic accelerator for {network}: energy and latency under an area spec",
        source="layer table of torchvision; SCALE-Sim's accelerator",
    )


PROBLEMS.register("resnet18-asic")(
    partial(_hardware_only, "resnet18", 2.0, {"energy_uj": 9e4, "latency_ms": 90.0})
)
PROBLEMS.register("mobilenetv2-asic")(
    partial(_hardware_only, "mobilenetv2", 2.0, {"energy_uj": 2.3e4, "latency_ms": 33.0})
)
