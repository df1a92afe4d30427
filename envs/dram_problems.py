"""Problems of memory controllers: a trace on a DRAM channel, and the controller in front of it.

Time and power pull apart: a fast controller does the same work in less time, and so with more
power, while the energy hardly differs. A cap of the power is what a package can carry away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from codesign_gym.cost_models import DramModel
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.envs.rewards import TargetRatio, WeightedProduct
from codesign_gym.envs.specs import Spec

_CAPS: dict[str, tuple[str, float, dict[str, float]]] = {
    "stream": ("total_time_ns", 1680.0, {"total_time_ns": 5.1e4, "average_power_mw": 1680.0}),
    "random": ("total_time_ns", 2400.0, {"total_time_ns": 1.2e5, "average_power_mw": 2200.0}),
    "cloud-1": ("total_time_ns", 2000.0, {"total_time_ns": 1.1e5, "average_power_mw": 1800.0}),
    "cloud-2": ("total_time_ns", 2000.0, {"total_time_ns": 1.1e5, "average_power_mw": 1800.0}),
    "copy": ("total_time_ns", 1500.0, {"total_time_ns": 4.8e5, "average_power_mw": 960.0}),
    "hot": ("mean_delay_ns", 2200.0, {"mean_delay_ns": 2.4e4, "average_power_mw": 2000.0}),
    "bursty": ("mean_delay_ns", 1080.0, {"mean_delay_ns": 140.0, "average_power_mw": 1070.0}),
}
"""Workload -> what counts as its time, the cap of its power in mW, and what a median of 512 random
controllers comes to, rounded: the reward of such a one is 1."""

_TARGETS = {
    "stream": {"latency": 50_020.0, "power": 970.0},
    "random": {"latency": 75_600.0, "power": 1230.0},
    "cloud-1": {"latency": 63_600.0, "power": 1150.0},
    "cloud-2": {"latency": 62_600.0, "power": 1140.0},
}
"""Targets of ArchGym's reward, ns and mW: what the best tenth of 512 random controllers reaches."""

_ARCHGYM = {"latency": "total_time_ns", "power": "average_power_mw"}


def _problem(
    name: str,
    model: DramModel,
    time: str,
    references: Mapping[str, float],
    specs: tuple[Spec, ...],
    description: str,
) -> DesignProblem:
    return DesignProblem(
        name=name,
        space=model.space,
        models=(model,),
        objective_names=(time, "average_power_mw"),
        specs=specs,
        reward=WeightedProduct(dict.fromkeys(references, -0.5), references),
        description=f"memory controller for {description}: time and power",
        source=model.source,
    )


def dram(trace: str = "cloud-1", part: str = "DDR3-1600") -> DesignProblem:
    """A memory controller for a trace of one's own.

    Args:
        trace: A trace file, ``.stl`` or ``.stl.gz``, or the name of a generated workload.
        part: The DRAM part.
    """
    references = {"mean_delay_ns": 1e4, "average_power_mw": 1000.0}
    model, about = DramModel(trace, part), "your own trace (--trace)"
    return _problem("dram", model, "mean_delay_ns", references, (), about)


def _generated(workload: str) -> DesignProblem:
    time, cap, references = _CAPS[workload]
    spec = Spec("average_power_mw", "<=", cap)
    model, about = DramModel(workload), f"{workload} traffic on DDR3-1600"
    return _problem(f"dram-{workload}", model, time, references, (spec,), about)


def _archgym(workload: str, goal: str) -> DesignProblem:
    metric, model = _ARCHGYM[goal], DramModel(workload)
    return DesignProblem(
        name=f"archgym-dram-{workload}-{goal}",
        space=model.space,
        models=(model,),
        objective_names=(metric,),
        specs=(),
        reward=TargetRatio(metric, _TARGETS[workload][goal]),
        description=f"{workload} traffic with ArchGym's reward for {goal}, targets of our own",
        source=f"{model.source}; reward of ArchGym (Krishnan et al., ISCA 2023)",
    )


DRAM_PROBLEMS: dict[str, Callable[..., DesignProblem]] = {
    "dram": dram,
    **{f"dram-{workload}": partial(_generated, workload) for workload in _CAPS},
    **{
        f"archgym-dram-{workload}-{goal}": partial(_archgym, workload, goal)
        for workload in _TARGETS
        for goal in _ARCHGYM
    },
}
"""Name -> function that makes the problem."""
