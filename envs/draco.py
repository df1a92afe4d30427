"""DRACO's problems: channels per group of a MobileNet's depthwise convolutions on a systolic array.

Jha et al., "DRACO", ISVLSI 2020 (arXiv 2006.15103). Groups of more than one channel give the array
data to reuse, at the price of more multiply-accumulates and parameters, which DRACO accepts. What
that does to accuracy on ImageNet cannot be measured here and is not made up: ``draco-mobilenet``
bounds the work and the size by specs and says nothing of accuracy; ``draco-mnist1d`` has a measured
accuracy, of small networks of the same make, every one trained on MNIST-1D.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from codesign_gym.cost_models import AccuracyTable, MobileNetModel
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.envs.rewards import WeightedProduct
from codesign_gym.envs.specs import Spec
from codesign_gym.search_spaces import Designs, InputError

MACS_RATIO, PARAMS_RATIO = 2.0, 1.5
"""Most multiply-accumulates and parameters of ``draco-mobilenet``, depthwise network = 1."""

SOURCE = "DRACO (arXiv 2006.15103) in form; layer table of MobileNetV1; SCALE-Sim's array"


def draco_mobilenet(dataflow: str = "os") -> DesignProblem:
    """MobileNetV1 for ImageNet on a 64x64 array: average PE utilisation and latency.

    Specs keep the network near the depthwise one: at most twice its multiply-accumulates and half
    as many parameters again. There is no accuracy term (see the module).

    Args:
        dataflow: ``os``, ``ws`` or ``is``.
    """
    model = MobileNetModel("draco-mobilenet", dataflow)
    return DesignProblem(
        name="draco-mobilenet",
        space=model.space,
        models=(model,),
        objective_names=("utilization_pct", "latency_ms"),
        specs=(
            Spec("macs_ratio", "<=", MACS_RATIO),
            Spec("params_ratio", "<=", PARAMS_RATIO),
        ),
        # Both relative to the network with depthwise convolutions, output stationary.
        reward=WeightedProduct(
            {"utilization_pct": 0.5, "latency_ms": -0.5},
            {"utilization_pct": 25.5, "latency_ms": 4.82},
        ),
        description="channels per group of MobileNetV1 on a 64x64 array: PE utilisation, latency",
        source=SOURCE,
    )


def draco_mnist1d(dataflow: str = "os") -> DesignProblem:
    """A small MobileNet for MNIST-1D on a 16x16 array: measured accuracy, utilisation, latency.

    Args:
        dataflow: ``os``, ``ws`` or ``is``.
    """
    model = MobileNetModel("mobilenet-1d", dataflow, side=16)
    return DesignProblem(
        name="draco-mnist1d",
        space=model.space,
        models=(model, AccuracyTable("mobilenet-1d", "mnist1d", word=False)),
        objective_names=("accuracy_pct", "utilization_pct", "latency_ms"),
        specs=(Spec("macs_ratio", "<=", 1.5), Spec("params_ratio", "<=", 1.25)),
        # MnasNet's exponent of cost, 0.07: 5 % of accuracy for a doubling or halving.
        reward=WeightedProduct(
            {"accuracy_pct": 1.0, "utilization_pct": 0.07, "latency_ms": -0.07},
            {"accuracy_pct": 100.0, "utilization_pct": 20.0, "latency_ms": 0.005},
        ),
        description="channels per group of a small MobileNet on MNIST-1D: accuracy, utilisation",
        source=f"{SOURCE}; accuracies trained with codesign train-table",
    )


DRACO_PROBLEMS: dict[str, Callable[..., DesignProblem]] = {
    "draco-mobilenet": draco_mobilenet,
    "draco-mnist1d": draco_mnist1d,
}
"""Name -> function that makes the problem."""


def data_reuse_choice(problem: DesignProblem) -> Designs:
    """The design ``[1, p]`` that raises data reuse layer by layer, within the problem's specs.

    From depthwise convolutions on, the layer with the lowest PE utilisation gets its channels per
    group doubled; a layer is done when more channels no longer shorten it, because the array's
    columns are full, or would break a spec. The idea (more channels per group, chosen per layer by
    data reuse) is DRACO's; the order of the layers and the two criteria for stopping are ours,
    since the published description leaves them open.

    Args:
        problem: A problem with a `MobileNetModel`.
    """
    model = next((m for m in problem.models if isinstance(m, MobileNetModel)), None)
    if model is None:
        raise InputError(f"problem {problem.name!r} has no model of grouped convolutions")
    design = np.zeros((1, len(problem.space)), dtype=np.int32)
    growing = set(range(len(model.choices)))
    while growing:
        layer = min(growing, key=lambda j: (model.choices[j].utilization_pct[design[0, j]], j))
        cycles, now = model.choices[layer].cycles, design[0, layer]
        doubled = design.copy()
        doubled[0, layer] += 1
        full = now + 1 == len(cycles) or cycles[now + 1] >= cycles[now]
        if full or not problem.evaluate(doubled).feasible[0]:
            growing.remove(layer)
        else:
            design = doubled
    return design
