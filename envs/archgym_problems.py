"""ArchGym's accelerator problems: better than an Eyeriss-like baseline by given shares.

The targets are 30 % less energy, 15 % less area and 20 % fewer cycles than the baseline, which is
Eyeriss' design in the same space and by the same model, worked out when the problem is made.

In the problem's sound form area and cycles are specs, and energy is minimised: a design that beats
a target is never punished. Energy is no spec because its target is out of reach in this model, at
batch 1: on AlexNet and MobileNetV2 the traffic that no buffer can avoid and the arithmetic alone
take more than 70 % of the baseline's energy, on ResNet-50 the best that searches find is 80 %.
`targets` has its bound for whoever wants it as a spec. ArchGym's own reward, for one target at a
time, comes with the option ``target``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from codesign_gym.cost_models.analytical.archgym_model import ArchGymModel
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.envs.rewards import Reward, TargetRatio, WeightedProduct
from codesign_gym.envs.specs import Spec
from codesign_gym.search_spaces.errors import unknown_name
from codesign_gym.search_spaces.hardware.archgym import EYERISS

NETWORKS = ("alexnet", "mobilenetv2", "resnet50")
"""The networks that there are problems for."""

TARGET_SHARES = {"energy_uj": 0.70, "area_mm2": 0.85, "latency_ms": 0.80}
"""Targets in units of the baseline; cycles as the latency at one clock."""


def baseline(model: ArchGymModel) -> dict[str, float]:
    """The metrics of Eyeriss."""
    design = {p.label: EYERISS[p.name] for p in model.space.parameters}
    return {
        name: float(column[0])
        for name, column in model.evaluate(model.space.encode([design])).items()
    }


def targets(model: ArchGymModel) -> dict[str, Spec]:
    """The targets as specs, by metric; four digits."""
    reached = baseline(model)
    return {
        metric: Spec(metric, "<=", float(f"{share * reached[metric]:.4g}"))
        for metric, share in TARGET_SHARES.items()
    }


def archgym_accelerator_problem(network: str, target: str = "") -> DesignProblem:
    """An Eyeriss-like accelerator and its mapping for a network, against an Eyeriss-like baseline.

    Args:
        network: Anything that `load_workload` takes.
        target: A metric of `TARGET_SHARES`: the reward is then ArchGym's `TargetRatio` of it.
            Otherwise it is the energy relative to the baseline's, under the specs.
    """
    model = ArchGymModel(network)
    reached, bounds = baseline(model), targets(model)
    reward: Reward
    if not target:
        reward = WeightedProduct({"energy_uj": -1.0}, {"energy_uj": reached["energy_uj"]})
    elif target in bounds:
        reward = TargetRatio(target, bounds[target].bound)
    else:
        raise unknown_name("target", target, bounds)
    return DesignProblem(
        name=f"archgym-accelerator-{network}",
        space=model.space,
        models=(model,),
        objective_names=("energy_uj", "latency_ms", "area_mm2"),
        specs=(bounds["area_mm2"], bounds["latency_ms"]),
        reward=reward,
        description=f"Eyeriss-like accelerator and mapping for {network}: energy, cycles, area",
        source="ArchGym (arXiv 2306.08888); baseline Eyeriss (JSSC 2017), both by our own model",
    )


ARCHGYM_PROBLEMS: dict[str, Callable[..., DesignProblem]] = {
    f"archgym-accelerator-{network}": partial(archgym_accelerator_problem, network)
    for network in NETWORKS
}
"""Name -> function that makes the problem."""
