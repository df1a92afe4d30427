"""MobileNets with grouped convolutions: layers, work, size, and how they fill the array."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign_gym.cost_models import MobileNetModel
from codesign_gym.cost_models.analytical.systolic import evaluate
from codesign_gym.cost_models.workloads import from_space, network
from codesign_gym.cost_models.workloads.mobilenet import base_layers, parameters
from codesign_gym.search_spaces import InputError, draco_mobilenet, make_space
from codesign_gym.search_spaces.networks.mobilenet import CHANNELS

SPACE = draco_mobilenet()
MODELS = {flow: MobileNetModel("draco-mobilenet", flow) for flow in ("os", "ws", "is")}
ROWS = st.tuples(*(st.integers(0, len(p) - 1) for p in SPACE.parameters))


def test_the_depthwise_network_is_mobilenetv1() -> None:
    """569 million multiply-adds, 4.2 million parameters (Howard et al., 2017, table 8)."""
    [layers] = from_space(SPACE, np.zeros((1, 13), dtype=np.int32))
    base = network("mobilenetv1")
    ours, theirs = layers.to_columns(), base.to_columns()
    assert all(np.array_equal(ours[column], theirs[column]) for column in theirs)
    assert round(int(layers.macs.sum()) / 1e6) == 569
    # The exact count of a PyTorch MobileNetV1 of width 1 with 1,000 classes.
    assert parameters(layers) == 4_231_976


@pytest.mark.parametrize("space", ["draco-mobilenet", "mobilenet-1d"])
def test_groups_divide_the_channels_of_their_layer(space: str) -> None:
    base = base_layers(space)
    for parameter in make_space(space).parameters:
        channels = int(base.c[base.name.index(parameter.name)])
        assert parameter.values[0] == 1
        assert all(channels % int(g) == 0 for g in parameter.values)


def test_every_layer_may_become_an_ordinary_convolution() -> None:
    base = network("mobilenetv1")
    depthwise = [row for row, groups in enumerate(base.groups) if groups > 1]
    assert base.c[depthwise].tolist() == list(CHANNELS)
    assert [p.values[-1] for p in SPACE.parameters] == list(CHANNELS)


@given(row=ROWS)
@settings(max_examples=40)
def test_macs_and_weights_grow_with_the_group_and_nothing_else(
    row: tuple[int, ...],
) -> None:
    design = np.array([row], dtype=np.int32)
    [layers] = from_space(SPACE, design)
    base, per_group = network("mobilenetv1"), iter(SPACE.decode(design)[0].values())
    factor = np.array([int(str(next(per_group))) if g > 1 else 1 for g in base.groups])
    assert np.array_equal(layers.macs, base.macs * factor)
    assert np.array_equal(layers.weights, base.weights * factor)
    assert np.array_equal(layers.ofmap_words, base.ofmap_words)
    assert np.array_equal(layers.groups * factor, base.groups)


@given(row=ROWS, flow=st.sampled_from(("os", "ws", "is")))
@settings(max_examples=40)
def test_tables_agree_with_the_layers(row: tuple[int, ...], flow: str) -> None:
    design = np.array([row], dtype=np.int32)
    metrics = MODELS[flow].evaluate(design)
    [layers] = from_space(SPACE, design)
    table = evaluate(layers, rows=64, cols=64, dataflow=flow)
    base = network("mobilenetv1")
    cycles, macs = int(table["compute_cycles"].sum()), int(layers.macs.sum())
    assert metrics["latency_ms"][0] == pytest.approx(cycles / 1e6)
    assert metrics["utilization_pct"][0] == pytest.approx(table["compute_util_pct"].mean())
    assert metrics["mac_utilization_pct"][0] == pytest.approx(100 * macs / (4096 * cycles))
    assert metrics["macs_ratio"][0] == pytest.approx(macs / int(base.macs.sum()))
    assert metrics["params_ratio"][0] == pytest.approx(parameters(layers) / parameters(base))
    assert all(0 < metrics[name][0] <= 100 for name in ("utilization_pct", "mac_utilization_pct"))
    rows = MODELS[flow].explain(design)
    assert [line["cycles"] for line in rows] == table["compute_cycles"][0].tolist()
    assert [line["macs"] for line in rows] == layers.macs.tolist()


def test_a_depthwise_layer_fills_one_column_in_closed_form() -> None:
    """SCALE-Sim's fold (Samajdar et al., 2018): K + rows + cols - 2 cycles, one group a product."""
    base = network("mobilenetv1")
    for parameter, choices in zip(SPACE.parameters, MODELS["os"].choices, strict=True):
        row = base.name.index(parameter.name)
        pixels, c = int(base.p[row] * base.q[row]), int(base.c[row])
        for i, g in enumerate(map(int, choices.per_group)):
            cycles = c // g * ceil(pixels / 64) * ceil(g / 64) * (9 * g + 126)
            assert choices.cycles[i] == cycles
            work = 9 * g * c * pixels
            assert choices.utilization_pct[i] == pytest.approx(100 * work / (4096 * cycles))
    # 56 x 56 outputs, 49 full folds of one column: 9 of 135 cycles, 1 of 64 columns.
    dw3 = MODELS["os"].choices[2]
    assert dw3.utilization_pct[0] == pytest.approx(100 * 9 / 135 / 64)


def test_memories_cost_cycles_and_never_work() -> None:
    limited = MobileNetModel("draco-mobilenet", "os", stalls=True)
    designs = SPACE.sample(50, 0)
    with_stalls, without = limited.evaluate(designs), MODELS["os"].evaluate(designs)
    assert (with_stalls["latency_ms"] > without["latency_ms"]).all()
    assert (with_stalls["utilization_pct"] < without["utilization_pct"]).all()
    assert np.array_equal(with_stalls["macs_ratio"], without["macs_ratio"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"space": "unet-1d"}, "space of MobileNets"),
        ({"dataflow": "rs"}, "dataflow"),
        ({"side": 0}, r"side must be an integer in \[1, 4096\], got 0"),
    ],
)
def test_impossible_models(options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MobileNetModel(**options)  # type: ignore[arg-type]  # what a user may type
