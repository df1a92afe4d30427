"""The roofline: numbers by hand, and a bound below the dataflow model for every design."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from codesign_gym.cost_models import Layers, RooflineModel, SpatialModel, make_cost_model
from codesign_gym.cost_models.analytical import dataflow, roofline
from codesign_gym.cost_models.analytical.dataflow import SpatialAccelerators
from codesign_gym.cost_models.workloads.constructors import conv, elementwise, gemm, matmul, pool

LAYERS = Layers.concat(
    conv("conv", c=16, k=24, h=28, r=3, pad=1),
    conv("depthwise", c=32, k=32, h=14, r=3, stride=2, pad=1, groups=32),
    conv("sparse", c=8, k=16, h=28, r=1, stride=2),
    conv("dilated", c=8, k=8, h=20, r=3, dilation=2),
    gemm("gemm", 64, 100, 30),
    matmul("matmul", m=40, k=16, n=40),
    pool("pool", c=16, h=28, r=2, stride=2),
    elementwise("add", c=16, h=28),
)


def test_by_hand() -> None:
    """512 MACs on 4 PEs, 8 x 8 + 8 x 8 + 8 x 8 words of 2 bytes at 4 GB/s and 1 GHz."""
    chips = SpatialAccelerators("free", 2, [2, 2, 0], dram_gbps=[4, 0.5, 4], word_bytes=2)
    costs = roofline.evaluate(gemm("g", 8, 8, 8), chips)
    assert costs["latency_cycles"][:2, 0].tolist() == [128, 768]
    assert costs["dram_bytes"][0].tolist() == [384]
    assert costs["energy_pj"][0].tolist() == [512 * (1.1 + 0.9) + 384 * (1300 * 2600) ** 0.5 / 8]
    assert costs.valid[:, 0].tolist() == [True, True, False]
    assert costs.reason(2, 0) == "no processing elements"
    assert np.isnan(costs["latency_cycles"][2, 0])


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_bounds_the_dataflow_model_below(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chips = SpatialAccelerators(
        np.arange(5), rng.integers(1, 40, 5), rng.integers(1, 40, 5),
        l1_bytes=rng.choice([16, 64, 512], 5), l2_kb=rng.choice([8, 64, 512], 5),
        noc_bandwidth=rng.choice([8, 64, 1024], 5), dram_gbps=rng.choice([0.5, 8, 500], 5),
        word_bytes=rng.choice([1, 2, 4], 5), activation_ratio=rng.choice([0.5, 1], 5),
    )  # fmt: skip
    least = roofline.evaluate(LAYERS, chips)
    objective: dataflow.Objective
    for objective in ("latency", "energy"):
        costs = dataflow.evaluate(LAYERS, chips, "searched", objective)
        assert costs.valid.any()
        for name in ("latency_cycles", "energy_pj", "dram_bytes"):
            assert (least[name] <= costs[name] * (1 + 1e-12))[costs.valid].all(), name
        assert (least["macs"] == costs["macs"])[costs.valid].all()


def test_the_model_bounds_the_spatial_one() -> None:
    bound, spatial = RooflineModel("mobilenetv2"), SpatialModel("mobilenetv2")
    template = SpatialModel("mobilenetv2", "template")
    assert bound.space.parameters == spatial.space.parameters
    assert bound.fidelity < template.fidelity < spatial.fidelity
    designs = bound.space.sample(200, np.random.default_rng(0))
    below, above = bound.evaluate(designs), spatial.evaluate(designs)
    for name in ("latency_ms", "energy_uj", "dram_mb"):
        assert (below[name] <= above[name] * (1 + 1e-12)).all(), name
    assert (below["area_mm2"] == above["area_mm2"])[above.valid].all()
    assert (below["utilization_pct"] >= above["utilization_pct"] * (1 - 1e-12))[above.valid].all()
    ranks = spearmanr(below["latency_ms"][above.valid], above["latency_ms"][above.valid])
    assert ranks.statistic > 0.5


def test_it_is_registered() -> None:
    assert make_cost_model("roofline", workload="alexnet").name == "roofline-alexnet"
    with pytest.raises(ValueError, match="resnet19"):
        make_cost_model("roofline", workload="resnet19")
