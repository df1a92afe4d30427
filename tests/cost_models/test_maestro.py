"""MAESTRO: numbers derived by hand, its defects one by one, and what holds for every design."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codesign_gym.cost_models.analytical import maestro_kernel as kernel
from codesign_gym.cost_models.analytical.maestro import (
    TEMPLATES,
    MaestroAccelerators,
    layer_table,
)
from codesign_gym.cost_models.workloads.constructors import conv, linear, pool
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.networks import network
from codesign_gym.search_spaces.errors import InputError


def evaluate(layers: Layers, **figures: Any) -> dict[str, Any]:
    """The costs on accelerators of these figures."""
    return dict(layer_table(layers, MaestroAccelerators(**figures)))


def one(layers: Layers, **figures: Any) -> dict[str, Any]:
    """A single layer on a single accelerator."""
    return {name: column.item() for name, column in evaluate(layers, **figures).items()}


def expect(got: dict[str, Any], counts: tuple[int, ...]) -> None:
    """The kernel's counts, in its order, and the energy that follows."""
    assert tuple(got[name] for name in kernel.COUNTS) == counts
    _, macs, l1, l2, _, _ = counts
    assert got["energy_mac_units"] == pytest.approx(macs + 1.68 * l1 + 18.61 * l2)


def test_kcp_ws_by_hand() -> None:
    """64 channels to one output: one step. 64 inputs and 64 weights enter both levels."""
    got = one(linear("fc", 64, 1), template="kcp_ws", num_pes=64, noc_bandwidth=16)
    runtime = (1 + 128 // 16) + 128 // 16
    expect(got, (runtime, 64, 4 * 64 + 128, 128 + 1 + 64 + 64 + 1, 2 * 3, 2 * (128 + 1)))
    assert got["utilised_pes"] == 64


def test_rs_by_hand() -> None:
    """Two rows of one output on one cluster of three PEs: all 9 inputs again, the weights not."""
    layer = conv("c", c=1, k=16, h=4, w=3, r=3)
    got = one(layer, template="rs", num_pes=5, noc_bandwidth=100)
    first = 9 + 9 * 16
    runtime = ((3 * 16 + 2) + 2) + (3 * 16 + 2)
    l2 = first + 9 + 2 * 16 + (12 + 9 * 16 + 16 * 2)
    l1 = 4 * 288 + first + 9
    expect(got, (runtime, 288, l1, l2, 2 * (3 + 2 * 3 * 16), 2 * (first + 16)))
    assert got["utilised_pes"] == 3


def test_yxp_os_by_hand() -> None:
    """Two rows of ten 1x1 outputs on two clusters: eight columns, then two."""
    layer = conv("c", c=1, k=1, h=2, w=10, r=1)
    got = one(layer, template="yxp_os", num_pes=16, noc_bandwidth=4, noc_latency=2)
    first = 2 * 8 + 1
    runtime = (1 + 2 + 2) + (2 + 4) + max(1 + 2 + 2, 2 + 3, 2)
    l2 = first + 2 * 8 + (16 + 4) + (20 + 1 + 20)
    expect(got, (runtime, 20, 4 * 20 + first + 2 * 8, l2, 2 * 3, 2 * (first + 16)))
    assert got["utilised_pes"] == 16


@pytest.mark.parametrize("template", TEMPLATES)
def test_depthwise_runs_under_dpt_whatever_the_template(template: str) -> None:
    """Two channels on many PEs; of the two outputs one is not counted (defect 3)."""
    layer = conv("dw", c=2, k=2, h=3, r=3, groups=2)
    got = one(layer, template=template, num_pes=64, noc_bandwidth=16)
    expect(got, (9 + 3, 18, 4 * 18 + 36, 36 + 1 + (18 + 18 + 2), 54, 2 * (36 + 1)))
    assert got["utilised_pes"] == 2


def test_area_by_hand() -> None:
    got = one(linear("fc", 64, 1), template="kcp_ws", num_pes=64, noc_bandwidth=16)
    pes = 64 * (283 + 0.104 * 6)
    bus = 101.7938 * (14.662 * 64 + 28.895) * 16
    arbiter = 395.473 * (1.2886 * 64**2 + 5.5814 * 64 - 23.711)
    assert got["area_um2"] == pytest.approx(pes + 0.104 * 258 + bus + arbiter)
    tiny = one(linear("fc", 1, 1), template="rs", num_pes=1, noc_bandwidth=1)
    assert tiny["area_um2"] == pytest.approx(
        283 + 0.104 * (2 * 33 + 6) + 101.7938 * (14.662 + 28.895) + 395.473
    )


@pytest.mark.parametrize("template", ["rs", "yxp_os"])
def test_defect_a_single_row_left_counts_r_times(template: str) -> None:
    layer = conv("c", c=1, k=1, h=5, w=3, r=3)  # three output rows on two clusters
    pes = {"rs": 6, "yxp_os": 16}[template]
    got = one(layer, template=template, num_pes=pes, noc_bandwidth=16)
    assert got["num_macs"] == 2 * 9 + 3 * 9
    assert layer.macs.item() == 3 * 9


@pytest.mark.parametrize(
    ("kernel_width", "stride", "outputs", "counted"),
    [
        (3, 2, 8, 7 + 7),  # tiles of four outputs, nine columns wide: seven at stride 1
        (3, 2, 6, 7 + 3),
        (1, 2, 28, 7 * 4 + 55),  # tiles of four columns, and 55 for the rest
        (1, 2, 6, 4 + 3),
    ],
)
def test_defect_outputs_are_counted_at_stride_one(
    kernel_width: int, stride: int, outputs: int, counted: int
) -> None:
    width = (outputs - 1) * stride + kernel_width
    layer = conv("c", c=1, k=1, h=1, w=width, r=1, s=kernel_width, stride=(1, stride))
    got = one(layer, template="yxp_os", num_pes=8, noc_bandwidth=16)
    assert got["num_macs"] == counted * kernel_width
    assert layer.macs.item() == outputs * kernel_width


@pytest.mark.parametrize(
    ("template", "channels", "filters"), [("kcp_ws", (65, 128), (1, 1)), ("rs", (1, 1), (17, 32))]
)
def test_defect_leftover_tiles_take_the_time_of_full_ones(
    template: str, channels: tuple[int, int], filters: tuple[int, int]
) -> None:
    little, full = (
        one(conv("c", c=c, k=k, h=8, r=3), template=template, num_pes=192, noc_bandwidth=16)
        for c, k in zip(channels, filters, strict=True)
    )
    assert little["runtime_cycles"] == full["runtime_cycles"]
    assert little["num_macs"] < full["num_macs"]


def test_a_last_tile_as_wide_as_the_row_by_hand() -> None:
    """1x1, stride 2, 28 outputs of 55 columns: seven tiles of 4, then one of 55 on 8 PEs."""
    layer = conv("c", c=1, k=1, h=1, w=55, r=1, stride=(1, 2))
    got = one(layer, template="yxp_os", num_pes=8, noc_bandwidth=2)
    tile = 1 + 3  # five words enter a cluster
    last = (1 + 5) + 5 * 4 + 2  # 8 columns, five times 8 more, then 7 taken for 4
    assert got["runtime_cycles"] == (tile + 3) + 6 * tile + last
    assert got["utilised_pes"] == pytest.approx((7 * 4 + (6 * 8 + 4) / 7) / 8)


def test_a_last_tile_with_a_partial_column_by_hand() -> None:
    """1x2, stride 3, 12 outputs of 35 columns: four tiles of 6, then 35 = 16 + 16 + 3."""
    layer = conv("c", c=1, k=1, h=1, w=35, r=1, s=2, stride=(1, 3))
    got = one(layer, template="yxp_os", num_pes=8, noc_bandwidth=1)
    tile = 2 + 8
    last = (2 + 18) + 16 + 4
    assert got["runtime_cycles"] == (tile + 8) + 3 * tile + last
    assert got["num_macs"] == 2 * (4 * 5 + 34)
    assert got["utilised_pes"] == pytest.approx((4 * 3 + (2 * 8 + 3) / 3) / 5)


@pytest.mark.parametrize(
    ("rows", "kernel_rows", "stride", "counted"),
    [
        (2, 3, 1, 3),  # four rows, of which the new one of the second cluster is left out
        (2, 1, 2, 1 + (3 + 2 - 1)),  # two rows, but all three and a stride are counted
        (1, 3, 1, 3),
    ],
)
def test_defect_halo_of_a_first_pass_that_is_not_full(
    rows: int, kernel_rows: int, stride: int, counted: int
) -> None:
    """Three clusters, two input channels: what the second channel brings in (defect 3)."""
    height = (rows - 1) * stride + kernel_rows
    each = [
        conv("c", c=c, k=1, h=height, w=1, r=kernel_rows, s=1, stride=(stride, 1)) for c in (1, 2)
    ]
    first, both = (one(c, template="yxp_os", num_pes=24, noc_bandwidth=16) for c in each)
    weights = kernel_rows
    assert (both["l1_accesses"] - 4 * both["num_macs"]) - (
        first["l1_accesses"] - 4 * first["num_macs"]
    ) == counted + weights


def test_a_single_channel_on_many_clusters_is_counted() -> None:
    got = one(linear("fc", 64, 1), template="kcp_ws", num_pes=128, noc_bandwidth=16)
    assert got["l2_required_bytes"] == 2 * (128 + 1)


@dataclass(frozen=True)
class Loop:
    """A loop of the upper level: its tiles, words under one, new ones, and who depends on it.

    Tiles are given by the outputs, or the inputs, that they add up; `clusters` is how many the loop
    is dealt to, if any.
    """

    tiles: list[int]
    words: int = 1
    new: int = 1
    inputs: bool = False
    weights: bool = False
    outputs: bool = False
    clusters: int = 0

    def leaving(self, position: int) -> int:
        """Outputs that the tool counts."""
        active = self.tiles[position]
        if not self.clusters:
            return active
        return self.words if active == 1 < self.clusters else 1 + (active - 1) * self.new


def step_by_step(
    nest: list[Loop], kernel_words: int, busy: int, bandwidth: int, latency: int
) -> tuple[int, int, int]:
    """Cycles, words in and words out, visiting every step; for passes that begin full."""

    def delay(words: int) -> int:
        return latency - 1 + math.ceil(words / bandwidth)

    cycles = entered = left = 0
    for at in itertools.product(*(range(len(loop.tiles)) for loop in nest)):
        depth = max((i for i, position in enumerate(at) if position), default=-1)
        words = {}
        for tensor in ("inputs", "weights"):
            again = any(len(loop.tiles) > 1 and getattr(loop, tensor) for loop in nest[depth + 1 :])
            words[tensor] = int(depth < 0 or getattr(nest[depth], tensor))
            for i, (loop, position) in enumerate(zip(nest, at, strict=True)):
                if not getattr(loop, tensor):
                    continue
                only_new = depth >= 0 and i == depth and not again
                if loop.clusters:
                    rest = loop.new if only_new or i > depth >= 0 else loop.words
                    words[tensor] *= loop.words + (loop.tiles[position] - 1) * rest
                else:
                    words[tensor] *= loop.new if only_new else loop.words
        ingress = words["inputs"] + kernel_words * words["weights"]
        egress = math.prod(
            loop.leaving(i) for loop, i in zip(nest, at, strict=True) if loop.outputs
        )
        if depth < 0:
            cycles += busy + delay(ingress)
        else:
            cycles += max(busy, delay(ingress), delay(egress))
        entered += ingress
        left += egress
    return cycles, entered, left


def dealt(places: int, size: int) -> list[int]:
    """Places worked on in each pass, or under each tile."""
    return [min(size, places - at) for at in range(0, places, size)]


def nest_of(template: str, layer: Layers, clusters: int) -> tuple[list[Loop], int, int]:
    """The loops, MACs of a PE in a step, and words into a cluster (0: there is none)."""
    k, c, r, s, p, q = (getattr(layer, name).item() for name in "kcrspq")
    rows = {"words": r, "new": min(r, layer.stride_h.item()), "inputs": True}
    columns = {"words": s, "new": min(s, layer.stride_w.item()), "inputs": True}
    each_k = Loop([1] * k, weights=True)
    each_c = Loop([1] * c, inputs=True, weights=True)
    dealt_rows = Loop(dealt(p, clusters), **rows, outputs=True, clusters=clusters)
    if template == "dpt":
        channels = Loop(
            dealt(c, clusters), inputs=True, weights=True, outputs=True, clusters=clusters
        )
        return [channels, Loop([1] * p, **rows), Loop([1] * q, **columns)], r * s, 0
    if template == "kcp_ws":
        filters = Loop(dealt(k, clusters), weights=True, outputs=True, clusters=clusters)
        tile = min(64, c)
        channels = Loop(dealt(c, 64), tile, tile, inputs=True, weights=True)
        nest = [filters, channels, Loop([1] * p, **rows), Loop([1] * q, **columns)]
        return nest, r * s, 2 * tile * r * s
    if template == "rs":
        tile = min(16, k)
        filters = Loop(dealt(k, 16), tile, tile, weights=True, outputs=True)
        nest = [dealt_rows, Loop([1] * q, **columns), each_c, filters]
        return nest, s * tile, r * s * (1 + tile)
    tile = min(8, q)
    tiles = Loop(dealt(q, 8), tile + s - 1, min(8, tile + s - 1), inputs=True, outputs=True)
    return [each_k, each_c, dealt_rows, tiles], r * s, r * s * (tile + 1)


@given(
    st.sampled_from(("kcp_ws", "yxp_os", "rs", "dpt")), st.integers(1, 3), st.data()
)  # fmt: skip
def test_step_by_step(template: str, clusters: int, data: st.DataObject) -> None:
    """The sum over classes of steps is the sum over all steps."""

    def draw(low: int, high: int) -> int:
        return data.draw(st.integers(low, high))

    r, s, bandwidth, latency = draw(1, 3), draw(1, 3), draw(1, 200), draw(1, 4)
    stride_h = draw(1, r)
    stride_w = 1 if template == "yxp_os" else draw(1, s)
    k, c, p, q = draw(1, 40 if template == "rs" else 7), draw(1, 4), draw(1, 7), draw(1, 20)
    if template == "kcp_ws":
        k, c, q = max(k, clusters), draw(1, 150), draw(1, 4)
    elif template == "dpt":
        c = max(draw(2, 7), clusters)
        k = c
    else:
        p = max(p, clusters)
    layer = conv(
        "c", c=c, k=k, h=(p - 1) * stride_h + r, w=(q - 1) * stride_w + s, r=r, s=s,
        stride=(stride_h, stride_w), groups=c if template == "dpt" else 1,
    )  # fmt: skip
    # A depthwise layer has a cluster per PE; only rs may have so few.
    figures = {
        "template": "rs" if template == "dpt" else template,
        "num_pes": clusters * {"kcp_ws": 64, "yxp_os": 8, "rs": r, "dpt": 1}[template],
        "noc_bandwidth": bandwidth, "noc_latency": latency,
    }  # fmt: skip
    got = one(layer, **figures)
    nest, busy, words = nest_of(template, layer, clusters)
    if words:
        busy += latency - 1 + math.ceil(words / bandwidth)
    cycles, entered, left = step_by_step(nest, r * s, busy, bandwidth, latency)
    assert got["runtime_cycles"] == cycles
    assert got["l1_accesses"] == entered + 4 * got["num_macs"]
    outputs = c if template == "dpt" else k
    once = layer.ifmap_words.item() + layer.weights.item()
    once += outputs * (layer.h.item() - r + 1) * (layer.w.item() - s + 1)
    assert got["l2_accesses"] == entered + left + once


layers_ = st.builds(
    lambda groups, c, k, p, q, r, s, stride, n: conv(
        "c", c=groups * c, k=groups * k, h=(p - 1) * stride[0] + r, w=(q - 1) * stride[1] + s,
        r=r, s=s, stride=stride, groups=groups, n=n,
    ),
    st.sampled_from([1, 1, 1, 2, 70]), st.integers(1, 140), st.integers(1, 40),
    st.integers(1, 60), st.integers(1, 60), st.integers(1, 7), st.integers(1, 7),
    st.tuples(st.integers(1, 4), st.integers(1, 4)), st.integers(1, 2),
)  # fmt: skip
depthwise_ = st.builds(
    lambda c, h, r, stride: conv("dw", c=c, k=c, h=h, r=r, stride=stride, pad=r // 2, groups=c),
    st.integers(2, 600), st.integers(1, 60), st.sampled_from([1, 3, 5]), st.integers(1, 3),
)  # fmt: skip
any_layer = st.one_of(layers_, depthwise_)
designs = st.fixed_dictionaries(
    {
        "template": st.sampled_from(TEMPLATES),
        "num_pes": st.integers(64, 2000),
        "noc_bandwidth": st.integers(1, 300),
        "noc_latency": st.integers(1, 5),
    }
)


@given(any_layer, designs)
def test_finite_positive_and_conserving(layers: Layers, design: dict[str, Any]) -> None:
    got = one(layers, **design)
    for name, value in got.items():
        assert math.isfinite(value), name
        assert value > 0, name
    assert got["utilised_pes"] <= design["num_pes"]
    assert got["l1_accesses"] > 4 * got["num_macs"]
    assert got["l2_accesses"] > layers.n.item() * layers.weights.item()

    true_macs = layers.macs.item()
    assert got["num_macs"] >= true_macs
    rows, template = layers.p.item(), design["template"]
    depthwise = layers.groups.item() > 1 and layers.groups == layers.c == layers.k
    clusters = design["num_pes"] // {"rs": layers.r.item(), "yxp_os": 8, "kcp_ws": 64}[template]
    row_left = template != "kcp_ws" and rows > clusters and rows % clusters == 1
    if depthwise or not (row_left or (template == "yxp_os" and layers.stride_w.item() > 1)):
        assert got["num_macs"] == true_macs


@given(any_layer, designs, st.integers(1, 500), st.integers(0, 3))
def test_monotone_in_the_network(
    layers: Layers, design: dict[str, Any], more: int, later: int
) -> None:
    """A faster network is never slower and changes only time and area; latency adds to time."""
    before = one(layers, **design)
    faster = one(layers, **(design | {"noc_bandwidth": design["noc_bandwidth"] + more}))
    slower = one(layers, **(design | {"noc_latency": design["noc_latency"] + later}))
    assert faster["runtime_cycles"] <= before["runtime_cycles"] <= slower["runtime_cycles"]
    assert faster["area_um2"] > before["area_um2"] == slower["area_um2"]
    for name in before.keys() - {"runtime_cycles", "area_um2"}:
        assert faster[name] == before[name] == slower[name]


@given(layers_, designs, st.integers(2, 5))
def test_images_run_one_after_another(layers: Layers, design: dict[str, Any], more: int) -> None:
    batch = Layers(name=layers.name, **(layers.to_columns() | {"n": layers.n * more}))
    one_, many = one(layers, **design), one(batch, **design)
    per_image = {"l1_required_bytes", "l2_required_bytes", "area_um2", "utilised_pes"}
    for name, value in one_.items():
        assert many[name] == pytest.approx(value * (1 if name in per_image else more), rel=1e-12)


@given(any_layer, designs)
def test_only_inputs_that_are_read_count(layers: Layers, design: dict[str, Any]) -> None:
    """A row and a column that no output depends on change nothing."""
    columns = layers.to_columns()
    spare_h, spare_w = (columns[f"stride_{axis}"] > 1 for axis in "hw")
    cropped = columns | {
        "h": (layers.p - 1) * layers.stride_h + layers.r, "pad_h": 0 * layers.pad_h,
        "w": (layers.q - 1) * layers.stride_w + layers.s, "pad_w": 0 * layers.pad_w,
    }  # fmt: skip
    wider = cropped | {"h": cropped["h"] + spare_h, "w": cropped["w"] + spare_w}
    tables = [one(Layers(name=("c",), **each), **design) for each in (cropped, wider, columns)]
    assert tables[0] == tables[1] == tables[2]


def test_one_accelerator_is_a_batch_of_one() -> None:
    rng = np.random.default_rng(5)
    figures: dict[str, Any] = {
        "template": [TEMPLATES[i] for i in rng.integers(0, 3, 6)],
        "num_pes": rng.integers(64, 1025, 6),
        "noc_bandwidth": rng.integers(1, 257, 6),
    }
    layers = network("mobilenetv2")
    batch = evaluate(layers, **figures)
    for row in range(6):
        single = evaluate(layers, **{name: values[row] for name, values in figures.items()})
        for name, column in batch.items():
            assert column.shape == (6, len(layers))
            np.testing.assert_array_equal(column[row], single[name][0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"template": "kcp"}, r"unknown template 'kcp'; did you mean 'kcp_ws'\?"),
        ({"num_pes": 63}, r"num_pes\[0\] must be at least 64, a cluster of kcp_ws; got 63"),
        ({"template": "yxp_os", "num_pes": [8, 7]}, r"num_pes\[1\] must be at least 8, a cluster"),
        ({"num_pes": 1e9}, r"MaestroAccelerators.num_pes\[0\] must be an integer in \[1, 65536\]"),
        ({"noc_bandwidth": [16, 0]}, r"noc_bandwidth\[1\] must be an integer in .*; got 0"),
        ({"noc_bandwidth": 2.5}, r"noc_bandwidth\[0\] must be an integer in .*; got 2.5"),
        ({"noc_latency": np.nan}, r"noc_latency\[0\] must be an integer in .*; got nan"),
        ({"num_pes": [64, 64], "noc_latency": [1, 1, 1]}, r"num_pes must be a scalar or have"),
    ],
)
def test_rejects(change: dict[str, Any], message: str) -> None:
    figures: dict[str, Any] = {"template": "kcp_ws", "num_pes": 256, "noc_bandwidth": 16}
    with pytest.raises(InputError, match=message):
        evaluate(linear("fc", 8, 8), **(figures | change))


def test_rejects_kernels_higher_than_a_row_stationary_array() -> None:
    tall = conv("c", c=1, k=1, h=11, r=11)
    with pytest.raises(InputError, match=r"must be at least 11, a cluster of rs; got 10"):
        evaluate(tall, template=["rs", "yxp_os"], num_pes=10, noc_bandwidth=16)
    evaluate(tall, template="yxp_os", num_pes=10, noc_bandwidth=16)


def test_importing_the_model_does_not_import_numba() -> None:
    code = "import sys, codesign_gym.cost_models.analytical.maestro; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_template_codes() -> None:
    assert [getattr(kernel, name.upper()) for name in TEMPLATES] == [0, 1, 2]


@pytest.mark.parametrize(
    "layer",
    [conv("x", c=4, k=4, h=8, r=3, dilation=2), pool("x", c=4, h=8, r=2, stride=2)],
)
def test_refuses_what_the_tool_has_no_template_for(layer: Layers) -> None:
    with pytest.raises(InputError, match=r"layer 0 \('x'\): MAESTRO takes undilated"):
        evaluate(layer, template="kcp_ws", num_pes=64, noc_bandwidth=64)
