"""Problems of a network space and the systolic accelerator that its networks run on.

Accuracies on CIFAR-10 and ImageNet cannot be measured here and are not made up: a network's
multiply-accumulates, which it is asked to have many of in little time and energy, stand for what it
can compute. ``nas201-mnist1d`` has measured accuracies.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from codesign_gym.cost_models import SystolicModel
from codesign_gym.cost_models.analytical.network_size import NetworkSize
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.envs.rewards import WeightedProduct
from codesign_gym.envs.specs import Spec


class Setting(NamedTuple):
    """What one problem asks for.

    Attributes:
        space: The networks.
        latency_ms: Most that an inference may take.
        gmacs: Multiply-accumulates of a median random design, in 1e9.
        energy_uj: Its energy.
        about: The networks in a few words.
    """

    space: str
    latency_ms: float
    gmacs: float
    energy_uj: float
    about: str


SETTINGS = {
    "darts-asic": Setting("darts", 10.0, 0.127, 8.2e3, "DARTS cells on CIFAR-10"),
    "hybrid-asic": Setting("hybrid-vision", 60.0, 1.5, 1.2e5, "hybrid vision networks on ImageNet"),
    "moe-vit-asic": Setting("moe-vit", 100.0, 4.1, 2.8e5, "mixtures of experts for two tasks"),
    "proxylessnas-asic": Setting("proxylessnas", 30.0, 0.353, 2.7e4, "mobile networks on ImageNet"),
}
"""Problems by name; latencies are such that about a third of random designs of 4 mm2 meet them."""

AREA_MM2 = 4.0


def _network_and_accelerator(name: str) -> DesignProblem:
    setting = SETTINGS[name]
    chip = SystolicModel(setting.space)
    return DesignProblem(
        name=name,
        space=chip.space,
        models=(chip, NetworkSize(setting.space)),
        objective_names=("gmacs", "latency_ms", "energy_uj"),
        specs=(Spec("area_mm2", "<=", AREA_MM2), Spec("latency_ms", "<=", setting.latency_ms)),
        # Relative to a median random design; time and energy together weigh as much as size.
        reward=WeightedProduct(
            {"gmacs": 0.5, "latency_ms": -0.25, "energy_uj": -0.25},
            {
                "gmacs": setting.gmacs,
                "latency_ms": setting.latency_ms,
                "energy_uj": setting.energy_uj,
            },
        ),
        description=f"{setting.about} x systolic accelerator: size, latency, energy",
        source=f"networks of {setting.space!r} as published; SCALE-Sim's accelerator",
    )


NETWORK_PROBLEMS: dict[str, Callable[..., DesignProblem]] = {
    name: partial(_network_and_accelerator, name) for name in SETTINGS
}
"""Name -> function that makes the problem."""
