"""Every registered space, cost model and problem passes its conformance suite."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from codesign_gym.cost_models import (
    NETWORKS,
    ArchGymModel,
    ChipModel,
    CostModel,
    DramModel,
    GemmKernelModel,
    GrowthModel,
    Metric,
    MobileNetModel,
    RooflineModel,
    SocModel,
    SpatialModel,
    SystolicModel,
    list_cost_models,
    list_families,
    make_family,
)
from codesign_gym.cost_models.accuracy.scratch_model import ScratchModel
from codesign_gym.cost_models.accuracy.supernet_model import SupernetModel
from codesign_gym.cost_models.accuracy.trained import EMBEDDED, AccuracyTable
from codesign_gym.cost_models.accuracy.zero_cost import ZeroCostProxies
from codesign_gym.cost_models.analytical.array_model import ArrayModel
from codesign_gym.cost_models.analytical.network_size import NetworkSize
from codesign_gym.cost_models.learned.operation_lut import OperationLut
from codesign_gym.cost_models.workloads.ar_workloads import TASK_GRAPHS
from codesign_gym.cost_models.workloads.spaces import all_networks
from codesign_gym.envs import DesignProblem, list_problems, make_problem
from codesign_gym.envs.dram_problems import DRAM_PROBLEMS
from codesign_gym.envs.growth_problems import GROWTH_PROBLEMS
from codesign_gym.envs.nas_problems import NAS_PROBLEMS
from codesign_gym.experiments.testing import (
    CostModelConformance,
    ProblemConformance,
    SpaceConformance,
    SyntheticModel,
    synthetic_problems,
)
from codesign_gym.search_spaces import SearchSpace, cell_network, list_spaces, make_space


def chip_of_cells() -> ChipModel:
    """A chip for two cell networks that the design chooses."""
    cells = (cell_network(), all_networks(cell_network()))
    return ChipModel({"task1": cells, "task2": cells}, latency_ms=0.001)


def operation_lut() -> OperationLut:
    """Costs of operations that add up."""
    space = make_space("fbnet")
    metric = Metric("latency_ms", "ms", "min")
    return OperationLut(space, metric, [range(9)] * 22, fixed=3.0)


MODELS: dict[str, Callable[[], CostModel]] = {
    "archgym-accelerator": ArchGymModel,
    "soc": SocModel,
    **{f"soc {name}": partial(SocModel, name) for name in TASK_GRAPHS},
    "dram": DramModel,
    "dram, DDR4": partial(DramModel, "mixed", "DDR4-2400"),
    "gemm-kernel-times": GemmKernelModel,
    "roofline": RooflineModel,
    "spatial": SpatialModel,
    "spatial template": partial(SpatialModel, "mobilenetv2", "template"),
    **{
        table.model: partial(AccuracyTable, space, task)
        for (space, task), table in EMBEDDED.items()
    },
    "resnet9 without a word": partial(
        AccuracyTable, "resnet9-1d", "mnist1d", word=False, group="task1"
    ),
    "unet without a word": partial(
        AccuracyTable, "unet-1d", "mnist1d-stroke", word=False, group="task2"
    ),
    "heterogeneous-chip": chip_of_cells,
    "heterogeneous-chip, fixed": partial(
        ChipModel, ("resnet18", "mobilenetv1"), method="heuristic"
    ),
    "zero-cost-proxies": partial(ZeroCostProxies, proxies=("naswot", "macs")),
    "operation-lut": operation_lut,
    "network-on-array": ArrayModel,
    "mobilenet-groups": MobileNetModel,
    "mobilenet-groups, small, with stalls": partial(MobileNetModel, "mobilenet-1d", "ws", 16, True),
    "network-size": NetworkSize,
    "systolic": partial(SystolicModel, "cell-network"),
    "systolic, networks of a large space": partial(SystolicModel, "proxylessnas"),
    **{f"family {name}": partial(make_family, name, "mobilenetv1") for name in list_families()},
    **{f"systolic {name}": partial(SystolicModel, name) for name in NETWORKS},
    **{
        f"synthetic {kind}": partial(SyntheticModel, problem.space)
        for kind, problem in synthetic_problems().items()
    },
}


TRAINED: dict[str, Callable[[], CostModel]] = {
    "growth-mnist1d": partial(GrowthModel, 1, training_size=100),
    "supernet": partial(SupernetModel, epochs=1, size=100),
    "scratch": partial(ScratchModel, seeds=(0,), epochs=1, size=100),
}
"""Models that train a network for each design."""


def test_every_registered_cost_model_is_covered() -> None:
    assert set(list_cost_models()) <= {*MODELS, *TRAINED}


class TestSpaces(SpaceConformance):
    @pytest.fixture(params=[*list_spaces(), *synthetic_problems(), "joint"])
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        name = request.param
        if name == "joint":
            return make_space("cell-network") * make_space("systolic-accelerator")
        synthetic = synthetic_problems()
        return synthetic[name].space if name in synthetic else make_space(name)


class TestCostModels(CostModelConformance):
    @pytest.fixture(params=list(MODELS))
    def model(self, request: pytest.FixtureRequest) -> CostModel:
        return MODELS[request.param]()


class TestTrainedModels(CostModelConformance):
    samples = 9

    @pytest.fixture(params=list(TRAINED))
    def model(self, request: pytest.FixtureRequest) -> CostModel:
        return TRAINED[request.param]()


class TestProblems(ProblemConformance):
    @pytest.fixture(
        params=[
            name
            for name in list_problems()
            if name not in {*DRAM_PROBLEMS, *GROWTH_PROBLEMS, *NAS_PROBLEMS}
        ]
    )
    def problem(self, request: pytest.FixtureRequest) -> DesignProblem:
        return make_problem(request.param)


class TestDramProblems(ProblemConformance):
    samples = 300  # each plays a whole trace

    @pytest.fixture(params=list(DRAM_PROBLEMS))
    def problem(self, request: pytest.FixtureRequest) -> DesignProblem:
        return make_problem(request.param)


class TestTrainingProblems(ProblemConformance):
    samples = 15  # each trains a network

    @pytest.fixture(params=[*GROWTH_PROBLEMS, *NAS_PROBLEMS])
    def problem(self, request: pytest.FixtureRequest) -> DesignProblem:
        return make_problem(request.param, epochs=1, training_size=100)
