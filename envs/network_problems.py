"""Problems of a network space and the systolic accelerator that its networks run on.

Accuracies on CIFAR-10 and ImageNet cannot be measured here and are not made up: a network's
multiply-accumulates, which it is asked to have many of in little time and energy, stand for what it
can compute. ``nas201-mnist1d``, ``nas201-mnist1d-asic`` and ``nas201-mnist1d-tasks`` have measured
accuracies, of networks that were trained; those that were not (yet) are invalid.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from codesign_gym.cost_models import AccuracyTable, SystolicModel
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
    "darts-asic": Setting("darts", 9.0, 0.14, 7.6e3, "DARTS cells on CIFAR-10"),
    "darts-imagenet-asic": Setting("darts-imagenet", 14.0, 0.26, 1.5e4, "DARTS cells on ImageNet"),
    "fbnet-asic": Setting("fbnet", 17.0, 0.24, 1.8e4, "FBNet's networks on ImageNet"),
    "hybrid-asic": Setting("hybrid-vision", 70.0, 1.6, 1.3e5, "hybrid networks on ImageNet"),
    "moe-vit-asic": Setting("moe-vit", 120.0, 4.0, 2.9e5, "mixtures of experts for two tasks"),
    "proxylessnas-asic": Setting("proxylessnas", 30.0, 0.37, 2.8e4, "mobile networks on ImageNet"),
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


NAS201 = ("nas-bench-201-1d", "mnist1d")
"""Space and task of the measured accuracies."""


def nas201_mnist1d() -> DesignProblem:
    """The most accurate of NAS-Bench-201's cells on MNIST-1D: a benchmark that answers at once."""
    accuracy = AccuracyTable(*NAS201, word=False)
    return DesignProblem(
        name="nas201-mnist1d",
        space=accuracy.space,
        models=(accuracy,),
        objective_names=("accuracy_pct",),
        specs=(),
        reward=WeightedProduct({"accuracy_pct": 1.0}, {"accuracy_pct": 100.0}),
        description="NAS-Bench-201's cells on MNIST-1D: accuracy",
        source="accuracies trained with codesign train-table",
    )


def nas201_mnist1d_asic() -> DesignProblem:
    """Cell and accelerator together: accurate and frugal, under a latency and an area spec."""
    chip = SystolicModel(NAS201[0])
    return DesignProblem(
        name="nas201-mnist1d-asic",
        space=chip.space,
        models=(chip, AccuracyTable(*NAS201)),
        objective_names=("accuracy_pct", "energy_uj"),
        specs=(Spec("latency_ms", "<=", 0.003), Spec("area_mm2", "<=", 2.0)),
        # MnasNet's exponent of cost, -0.07: 5 % of accuracy for a doubling or halving.
        reward=WeightedProduct(
            {"accuracy_pct": 1.0, "energy_uj": -0.07}, {"accuracy_pct": 100.0, "energy_uj": 1.5}
        ),
        description="NAS-Bench-201's cells on MNIST-1D x systolic accelerator: accuracy, energy",
        source="accuracies trained with codesign train-table; SCALE-Sim's accelerator",
    )


TASKS = ("mnist1d", "mnist1d-denoise", "mnist1d-stroke")
"""What the cells of ``nas201-mnist1d-tasks`` are trained on."""


def nas201_mnist1d_tasks() -> DesignProblem:
    """Which digit, which positions are the digit's, what was there before the noise: three tasks.

    Every evaluation gives the scores of a cell's three networks; cells that were not trained on all
    three tasks are invalid.
    """
    tables = tuple(AccuracyTable(NAS201[0], task, word=False) for task in TASKS)
    names = tuple(table.metrics[0].name for table in tables)
    return DesignProblem(
        name="nas201-mnist1d-tasks",
        space=tables[0].space,
        models=tables,
        objective_names=names,
        specs=(),
        reward=WeightedProduct(dict.fromkeys(names, 1 / len(names)), dict.fromkeys(names, 100.0)),
        description="NAS-Bench-201's cells on MNIST-1D: digits, denoising, segmentation",
        source="accuracies trained with codesign train-table",
    )


NETWORK_PROBLEMS: dict[str, Callable[..., DesignProblem]] = {
    "nas201-mnist1d": nas201_mnist1d,
    "nas201-mnist1d-asic": nas201_mnist1d_asic,
    "nas201-mnist1d-tasks": nas201_mnist1d_tasks,
    **{name: partial(_network_and_accelerator, name) for name in SETTINGS},
}
"""Name -> function that makes the problem."""
