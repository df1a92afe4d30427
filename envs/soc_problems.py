"""FARSI's problem: a system on chip for a workload of augmented reality, within budgets.

FARSI (Boroujerdian et al., arXiv 2201.05232), and ArchGym (arXiv 2306.08888) after it, ask for a
chip within budgets of latency, power and area. The latency here is the period of the workload: a
frame, a slice of one, a block of samples. Power and area have no absolute meaning between models,
so that they are budgeted relative to a reference, worked out when the problem is made: one vector
core at the fastest clock with DRAM and nothing else, the chip that needs no exploration. It meets
the deadlines; a good chip takes less power, and may be larger. Of 20,000 random designs 9.2 % keep
the budgets for the audio decoder, 3.7 % for CAVA, 1.9 % for edge detection.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from codesign_gym.cost_models.simulators.soc_model import SocModel
from codesign_gym.cost_models.workloads.ar_workloads import TASK_GRAPHS
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.envs.rewards import WeightedProduct
from codesign_gym.envs.specs import Spec
from codesign_gym.search_spaces.parameters import Choice

POWER_BUDGET, AREA_BUDGET = 0.85, 3.0
"""Budgets in units of the reference's power and area."""

_REFERENCE: dict[str, Choice] = {
    "soc.core1": "vector", "soc.core1_clock": 800, "soc.system_bus": 16,
    "soc.system_bus_clock": 400, "soc.dram": 1.6,
}  # fmt: skip


def reference_soc(model: SocModel) -> dict[str, float]:
    """The metrics of the chip that budgets are relative to."""
    parameters = model.space.parameters
    row = [p.index(_REFERENCE[p.label]) if p.label in _REFERENCE else 0 for p in parameters]
    return {name: float(column[0]) for name, column in model.evaluate([row]).items()}


def soc_problem(workload: str) -> DesignProblem:
    """A chip for a workload of `TASK_GRAPHS`: least power and area by its deadline.

    The reward is the root of power times area, relative to the reference's, within the budgets.
    """
    model = SocModel(workload)
    reference = reference_soc(model)
    budgets = {"power_mw": POWER_BUDGET, "area_mm2": AREA_BUDGET}
    return DesignProblem(
        name=f"soc-{workload}",
        space=model.space,
        models=(model,),
        objective_names=("power_mw", "area_mm2", "latency_ms"),
        specs=(
            _spec("latency_ms", model.graph.period_ms),
            *(_spec(metric, share * reference[metric]) for metric, share in budgets.items()),
        ),
        reward=WeightedProduct(
            dict.fromkeys(budgets, -0.5), {metric: reference[metric] for metric in budgets}
        ),
        description=f"system on chip for {workload}: power, area, latency within budgets",
        source="FARSI (arXiv 2201.05232) and ArchGym (arXiv 2306.08888); own task graphs",
    )


def _spec(metric: str, bound: float) -> Spec:
    return Spec(metric, "<=", float(f"{bound:.4g}"))


SOC_PROBLEMS: dict[str, Callable[..., DesignProblem]] = {
    f"soc-{workload}": partial(soc_problem, workload) for workload in TASK_GRAPHS
}
"""Name -> function that makes the problem."""
