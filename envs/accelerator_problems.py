"""Problems of systolic and spatial accelerators, for given networks and for one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial

from codesign_gym.cost_models import AccuracyTable, SpatialModel, SystolicModel, make_family
from codesign_gym.cost_models.analytical.roofline import RooflineModel
from codesign_gym.envs.problem import DesignProblem, Fidelity
from codesign_gym.envs.rewards import WeightedProduct
from codesign_gym.envs.specs import Spec
from codesign_gym.search_spaces import cell_network, systolic_accelerator


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


def mnist1d_asic_epochs() -> DesignProblem:
    """The same where a network may be trained for 1 or 3 of the 10 epochs, and cost that share.

    After 1 and 3 epochs accuracies are known in full precision alone.
    """
    chip = SystolicModel("cell-network")
    return replace(
        mnist1d_asic(),
        name="mnist1d-asic-epochs",
        description="mnist1d-asic with the accuracies after 1 and 3 of 10 epochs as fidelities",
        fidelities=tuple(
            Fidelity(Fraction(epoch, 10), (chip, AccuracyTable(epoch=epoch))) for epoch in (1, 3)
        ),
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


def resnet18_spatial_fidelities() -> DesignProblem:
    """A spatial accelerator, 8 mm2 and 10 ms, for ResNet-18: roofline, template, searched mappings.

    The costs are medians of the CPU time in batches of 64 random designs, relative to that with
    searched mappings (0.15 ms a design): roofline 0.030 and 0.032, template 0.080 and 0.088.
    """
    network = "resnet18"
    cheaper = (
        Fidelity(Fraction("0.03"), (RooflineModel(network),)),
        Fidelity(Fraction("0.09"), (SpatialModel(network, "template"),)),
    )
    problem = _spatial("resnet18-spatial-fidelities", network, 8.0, 10.0)
    about = "spatial accelerator for resnet18; fidelities: roofline, template, searched mappings"
    return replace(problem, fidelities=cheaper, description=about)


def edge_accelerator(model: str = "mobilenetv2") -> DesignProblem:
    """A small spatial accelerator, 4 mm2 and 8 ms, for ``model`` (see `load_workload`)."""
    return _spatial("edge-accelerator", model, 4.0, 8.0)


def cloud_accelerator(model: str = "resnet50") -> DesignProblem:
    """A large spatial accelerator, 16 mm2 and 10 ms, for ``model`` (see `load_workload`)."""
    return _spatial("cloud-accelerator", model, 16.0, 10.0)


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


ACCELERATOR_PROBLEMS: dict[str, Callable[..., DesignProblem]] = {
    "mnist1d-asic": mnist1d_asic,
    "mnist1d-asic-epochs": mnist1d_asic_epochs,
    "resnet18-asic": partial(
        _hardware_only, "resnet18", 2.0, {"energy_uj": 9e4, "latency_ms": 90.0}
    ),
    "mobilenetv2-asic": partial(
        _hardware_only, "mobilenetv2", 2.0, {"energy_uj": 2.3e4, "latency_ms": 33.0}
    ),
    "resnet18-spatial-fidelities": resnet18_spatial_fidelities,
    "edge-accelerator": edge_accelerator,
    "cloud-accelerator": cloud_accelerator,
    "accelerator": accelerator,
}
"""Name -> function that makes the problem."""
