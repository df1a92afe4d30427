"""Kernel tuning: the choices of a program on hardware that is there."""

from __future__ import annotations

from collections.abc import Callable

from codesign_gym.cost_models.measured.gemm_table import GemmKernelModel
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.envs.rewards import WeightedProduct


def gemm_kernel_problem() -> DesignProblem:
    """The fastest of 27,648 measured kernels of a matrix product; the reward is 1 / ms."""
    model = GemmKernelModel()
    return DesignProblem(
        name="gemm-kernel",
        space=model.space,
        models=(model,),
        objective_names=("time_ms",),
        specs=(),
        reward=WeightedProduct({"time_ms": -1.0}, {"time_ms": 1.0}),
        description="tiles, loops and packing of a 256 x 256 x 256 product on one core, measured",
        source=model.source,
    )


KERNEL_PROBLEMS: dict[str, Callable[..., DesignProblem]] = {"gemm-kernel": gemm_kernel_problem}
"""Name -> function that makes the problem."""
