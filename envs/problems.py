"""The registered problems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from codesign_gym.cost_models import (
    AccuracyTable,
    CostModel,
    SpatialModel,
    SystolicModel,
    make_family,
)
from codesign_gym.envs import nasaic
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.envs.rewards import WeightedProduct
from codesign_gym.envs.specs import Spec
from codesign_gym.envs.units import own_name
from codesign_gym.search_spaces import InputError, Registry, cell_network, systolic_accelerator

PROBLEMS: Registry[Callable[..., DesignProblem]] = Registry("problem", "codesign_gym.problems")
"""Registered problems: name -> function that makes the problem."""


def make_problem(
    name: str,
    *,
    specs: Sequence[Spec | str] | None = None,
    objectives: Sequence[str] | None = None,
    cost_model: CostModel | None = None,
    **options: Any,
) -> DesignProblem:
    """The registered problem called ``name``.

    Args:
        name: The name; an unknown one raises `InputError` with the nearest.
        specs: Specs in place of the problem's own; the unit may be another of the same dimension.
        objectives: Metrics to optimise in place of the problem's own; the reward becomes their
            `balanced_reward`.
        cost_model: A model of all the metrics in place of the problem's own, such as a proxy.
        **options: What the problem itself takes, such as the ``model`` of ``accelerator``.
    """
    problem = PROBLEMS.make(name, DesignProblem, **options)
    known = [metric.name for metric in problem.metrics]
    if specs is not None:
        several = [specs] if isinstance(specs, str) else specs
        parsed = [Spec.parse(spec) if isinstance(spec, str) else spec for spec in several]
        problem = replace(problem, specs=tuple(_in_own_unit(spec, known) for spec in parsed))
    if objectives is not None:
        names = (objectives,) if isinstance(objectives, str) else objectives
        own = tuple(dict.fromkeys(own_name(name, known)[0] for name in names))
        problem = replace(problem, objective_names=own)
        problem = replace(problem, reward=balanced_reward(problem))
    if cost_model is not None:
        problem = replace(problem, models=(cost_model,))
    return problem


def _in_own_unit(spec: Spec, known: Sequence[str]) -> Spec:
    """The spec in the unit of the metric that it is meant for."""
    name, factor = own_name(spec.metric, known)
    return Spec(name, spec.sense, spec.bound * factor)


def balanced_reward(problem: DesignProblem) -> WeightedProduct:
    """Equal weights for all objectives, each relative to the median of 512 random designs.

    Raises:
        InputError: An objective's median is not above 0: give the problem a reward of its own.
    """
    metrics = problem.evaluate(problem.space.sample(512, 0)).metrics
    if not metrics.valid.any():
        raise InputError(f"problem {problem.name!r}: none of 512 random designs is valid")
    references = {
        m.name: float(np.median(metrics[m.name][metrics.valid])) for m in problem.objectives
    }
    weight = 1 / len(references)
    return WeightedProduct({m.name: -m.sign * weight for m in problem.objectives}, references)


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
        objective_names=("energy_uj", "latency_ms", "area_mm2"),
        specs=(Spec("area_mm2", "<=", area_mm2),),
        # The root of the energy-delay product, relative to a median random design.
        reward=WeightedProduct({"energy_uj": -0.5, "latency_ms": -0.5}, references),
        description=f"systolic accelerator for {network}: energy, latency, area",
        source="layer table of torchvision; SCALE-Sim's accelerator",
    )


PROBLEMS.register("resnet18-asic")(
    partial(_hardware_only, "resnet18", 2.0, {"energy_uj": 9e4, "latency_ms": 90.0})
)
PROBLEMS.register("mobilenetv2-asic")(
    partial(_hardware_only, "mobilenetv2", 2.0, {"energy_uj": 2.3e4, "latency_ms": 33.0})
)


def _spatial(name: str, model: str, area_mm2: float, latency_ms: float) -> DesignProblem:
    spatial = SpatialModel(model)
    return DesignProblem(
        name=name,
        space=spatial.space,
        models=(spatial,),
        objective_names=("energy_uj", "latency_ms", "area_mm2"),
        specs=(Spec("area_mm2", "<=", area_mm2), Spec("latency_ms", "<=", latency_ms)),
        reward=WeightedProduct(
            {"energy_uj": -0.5, "latency_ms": -0.5}, {"energy_uj": 1e4, "latency_ms": 5.0}
        ),
        description="spatial accelerator with searched mappings: energy, latency, area (--model)",
        source="NVDLA-, TPU-, ShiDianNao- and Eyeriss-like templates; layer tables of torchvision",
    )


@PROBLEMS.register("edge-accelerator")
def edge_accelerator(model: str = "mobilenetv2") -> DesignProblem:
    """A small spatial accelerator, 4 mm2 and 8 ms, for ``model`` (see `load_workload`)."""
    return _spatial("edge-accelerator", model, 4.0, 8.0)


@PROBLEMS.register("cloud-accelerator")
def cloud_accelerator(model: str = "resnet50") -> DesignProblem:
    """A large spatial accelerator, 16 mm2 and 10 ms, for ``model`` (see `load_workload`)."""
    return _spatial("cloud-accelerator", model, 16.0, 10.0)


@PROBLEMS.register("accelerator")
def accelerator(model: str = "resnet50", family: str = "systolic") -> DesignProblem:
    """An accelerator for a model of one's own.

    Args:
        model: What `load_workload` takes: a known network's name, an ONNX file, a CSV layer
            table, or ``module:function``.
        family: What accelerators are searched, one of `list_families`.
    """
    costs = make_family(family, model)
    return DesignProblem(
        name="accelerator",
        space=costs.space,
        models=(costs,),
        objective_names=("energy_uj", "latency_ms", "area_mm2"),
        specs=(),
        # The same references for every family: rewards of one model can be compared.
        reward=WeightedProduct(
            {"energy_uj": -0.5, "latency_ms": -0.5}, {"energy_uj": 1e5, "latency_ms": 100.0}
        ),
        description="accelerator of any --family for your own --model: energy, latency, area",
        source=costs.source,
    )


for _workload in nasaic.WORKLOADS:
    PROBLEMS.register(_workload)(partial(nasaic.registered, _workload))
