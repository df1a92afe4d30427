"""Dataflow model: numbers by hand, and what must hold for every layer, accelerator and mapping."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign_gym.cost_models.analytical import dataflow
from codesign_gym.cost_models.analytical.dataflow import (
    BOTTLENECKS,
    REASONS,
    TEMPLATES,
    Mapping,
    SpatialAccelerators,
    UnitEnergies,
    area_mm2,
    evaluate,
    find_mapping,
    network_totals,
    unit_energies,
)
from codesign_gym.cost_models.workloads.constructors import conv, elementwise, gemm, matmul, pool
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.networks import Workloads, network
from codesign_gym.search_spaces.errors import InputError

OBJECTIVES: tuple[dataflow.Objective, ...] = ("edp", "latency", "energy")
FAST = settings(max_examples=40)


@st.composite
def layers(draw: st.DrawFn) -> Layers:
    """One convolution: strided, padded, grouped or depthwise."""
    groups = draw(st.sampled_from((1, 1, 2, 8)))
    r, s = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    return conv(
        "layer",
        n=draw(st.integers(1, 4)),
        c=groups * draw(st.integers(1, 40)),
        k=groups * draw(st.integers(1, 40)),
        h=draw(st.integers(5, 40)),
        w=draw(st.integers(5, 40)),
        r=r,
        s=s,
        stride=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        pad=(draw(st.integers(0, r // 2)), draw(st.integers(0, s // 2))),
        groups=groups,
    )


@st.composite
def accelerators(draw: st.DrawFn, template: str | None = None) -> dict[str, Any]:
    """Arguments of one accelerator."""
    return {
        "template": template or draw(st.sampled_from(TEMPLATES)),
        "pe_rows": draw(st.integers(1, 40)),
        "pe_cols": draw(st.integers(1, 40)),
        "l1_bytes": draw(st.sampled_from((16, 64, 512, 2048))),
        "l2_kb": draw(st.sampled_from((1, 16, 128, 2048))),
        "noc_bandwidth": draw(st.sampled_from((2, 16, 128))),
        "dram_gbps": draw(st.sampled_from((0.5, 8, 100))),
        "word_bytes": draw(st.sampled_from((1, 2, 4))),
    }


def test_weight_stationary_by_hand() -> None:
    """4 channels x 8 filters, 3x3, on 2 x 4 PEs that keep one weight each; 6 x 6 outputs.

    2 x 2 x 9 passes of 36 steps. Inputs are read for both sets of filters and each tap, sums
    written for 2 x 9 rounds of channels and taps.
    """
    layer = conv("c", c=4, k=8, h=8, r=3)
    chip = SpatialAccelerators("nvdla", 2, 4, l1_bytes=16, l2_kb=64)
    one = Mapping.of(
        "weight", spatial={"c": 2, "k": 4}, buffer={"n": 1, "k": 8, "c": 4, "p": 6, "q": 6}
    )
    table = {name: column.item() for name, column in evaluate(layer, chip, one).items()}
    assert table["valid"]
    assert table["macs"] == 36 * 8 * 36
    assert table["compute_cycles"] == 36 * 36
    assert table["active_pes"] == 8
    assert table["l2_weight_words"] == 8 * 36
    assert table["l2_input_words"] == 2 * 9 * 4 * 36
    assert table["l2_sum_writes_words"] == 18 * 8 * 36
    assert table["l2_sum_reads_words"] == 17 * 8 * 36
    assert table["noc_sum_words"] == (18 * 2 + 17) * 8 * 36  # each sum passes both rows
    assert table["dram_bytes"] == 4 * 64 + 8 * 36 + 8 * 36
    assert table["l1_need_bytes"] == 6


def test_halo_and_refetch_by_hand() -> None:
    """Rows cut in two refetch the halo of two rows; three sets of filters refetch the inputs."""
    layer = conv("c", c=2, k=6, h=10, w=5, r=3, pad=(0, 1))
    chip = SpatialAccelerators("nvdla", 2, 2, l1_bytes=16, l2_kb=64)
    one = Mapping.of(
        "weight",
        spatial={"c": 2, "k": 2},
        buffer={"k": 2, "c": 2, "p": 4, "q": 5},
        inner="pixels",
    )
    table = evaluate(layer, chip, one)
    assert table["dram_input_words"].item() == 3 * 2 * (10 + 2) * 5
    assert table["dram_weight_words"].item() == 6 * 2 * 9
    assert table["dram_sum_words"].item() == 0


def test_sums_spill_by_hand() -> None:
    """Channels outside: every sum leaves unfinished and comes back once per further tile."""
    chip = SpatialAccelerators("nvdla", 4, 4, l1_bytes=16, l2_kb=64, sum_bytes=4)
    one = Mapping.of(
        "weight", spatial={"c": 4, "k": 4}, buffer={"k": 4, "c": 4, "p": 16}, inner="filters"
    )
    table = evaluate(gemm("g", 16, 12, 8), chip, one)
    assert table["dram_sum_words"].item() == 2 * 2 * 16 * 8
    assert table["dram_bytes"].item() == 16 * 12 + 12 * 8 + 16 * 8 + 4 * 2 * 2 * 16 * 8


@FAST
@given(layers(), accelerators(), st.sampled_from(("template", *OBJECTIVES)))
def test_what_always_holds(layer: Layers, chip: dict[str, Any], how: str) -> None:
    array = SpatialAccelerators(**chip)
    table = (
        evaluate(layer, array, "template")
        if how == "template"
        else evaluate(layer, array, "searched", cast(dataflow.Objective, how))
    )
    if not table["valid"].item():
        assert table["reason"].item() > 0
        assert table["bottleneck"].item() == -1
        assert np.isnan(table["cycles"].item())
        assert np.isnan(table["energy_pj"].item())
        return
    t = {name: column.item() for name, column in table.items()}
    costs = unit_energies(array)
    assert t["macs"] == layer.macs.item()
    assert t["compute_cycles"] * array.pes.item() >= t["macs"]
    assert t["cycles"] >= max(t["compute_cycles"], t["noc_cycles"], t["dram_cycles"])
    assert 0 < t["utilization"] <= 1
    assert t["l1_need_bytes"] <= array.l1_bytes.item()
    assert t["l2_need_bytes"] <= array.l2_kb.item() * 1024
    assert t["mac_energy_pj"] == pytest.approx(t["macs"] * costs.mac_pj.item())
    parts = ("mac", "register", "noc", "l2", "dram", "static")
    assert t["energy_pj"] == pytest.approx(sum(t[f"{part}_energy_pj"] for part in parts))
    # Nothing moves less than once, nothing is read from the buffer that was not brought there.
    assert t["dram_weight_words"] >= layer.weights.item()
    assert t["dram_input_words"] >= layer.ifmap_words_touched.item()
    assert t["dram_output_words"] == layer.ofmap_words.item()
    assert t["l2_weight_words"] >= layer.weights.item()
    assert t["l2_sum_writes_words"] >= layer.ofmap_words.item()
    assert t["l2_sum_reads_words"] == t["l2_sum_writes_words"] - layer.ofmap_words.item()
    assert t["noc_weight_words"] >= t["l2_weight_words"]
    assert t["noc_input_words"] >= t["l2_input_words"]
    assert t["bottleneck"] in range(len(BOTTLENECKS))


@FAST
@given(layers(), accelerators(), st.sampled_from(OBJECTIVES))
def test_search_is_never_worse_than_the_template(
    layer: Layers, chip: dict[str, Any], objective: dataflow.Objective
) -> None:
    array = SpatialAccelerators(**chip)
    rule = evaluate(layer, array, "template")
    best = evaluate(layer, array, "searched", objective)
    assert best["valid"].item() or not rule["valid"].item()
    if rule["valid"].item():
        terms = {"edp": ("cycles", "energy_pj"), "latency": ("cycles",), "energy": ("energy_pj",)}
        worth = [
            np.prod([table[term].item() for term in terms[objective]]) for table in (best, rule)
        ]
        assert worth[0] <= worth[1] * (1 + 1e-9)


@FAST
@given(layers(), accelerators(), st.sampled_from(("template", "searched")))
def test_found_mappings_are_legal_and_cost_what_was_said(
    layer: Layers, chip: dict[str, Any], how: Literal["template", "searched"]
) -> None:
    array = SpatialAccelerators(**chip)
    found, valid = find_mapping(layer, array, how)
    if valid.item():
        said, again = evaluate(layer, array, how), evaluate(layer, array, found)
        assert again["valid"].item()
        for name, column in said.items():
            assert again[name].item() == column.item(), name


@FAST
@given(layers(), accelerators(), st.sampled_from(("noc_bandwidth", "dram_gbps")))
def test_latency_never_falls_with_bandwidth(
    layer: Layers, chip: dict[str, Any], which: str
) -> None:
    """For a mapping, and for the template's, which does not look at bandwidth."""
    found, valid = find_mapping(layer, SpatialAccelerators(**chip))
    for mapping in ("template", found if valid.item() else "template"):
        before = -np.inf
        for factor in (1.0, 0.5, 0.1):
            slower = SpatialAccelerators(**(chip | {which: chip[which] * factor}))
            now = evaluate(layer, slower, cast(Mapping, mapping))["cycles"].item()
            assert np.isnan(now) or now >= before
            before = now


@FAST
@given(layers(), accelerators("free"), st.sampled_from(OBJECTIVES))
def test_free_arrays_need_no_more_cycles_than_rigid_ones(
    layer: Layers, chip: dict[str, Any], objective: dataflow.Objective
) -> None:
    """Compute of the best latency: the free array can do what NVDLA's can."""
    chips = SpatialAccelerators(**(chip | {"template": ["free", "nvdla"]}))
    table = evaluate(layer, chips, objective="latency")
    if table["valid"][1, 0]:
        assert table["cycles"][0, 0] <= table["cycles"][1, 0] * 1.25


def test_batches_equal_single_evaluations() -> None:
    net = network("mobilenetv2").take(range(0, 30, 5))
    chips = SpatialAccelerators(list(TEMPLATES), [4, 8, 16, 12, 32], 14, l2_kb=64)
    table = evaluate(net, chips)
    for a in range(5):
        alone = SpatialAccelerators(int(chips.template[a]), int(chips.pe_rows[a]), 14, l2_kb=64)
        for i in range(len(net)):
            one = evaluate(net.take([i]), alone)
            for name in ("cycles", "energy_pj", "dram_bytes"):
                assert one[name].item() == table[name][a, i]


def test_totals_are_the_sums_of_the_table() -> None:
    net = network("resnet18")
    chips = SpatialAccelerators(list(TEMPLATES), 16, 16)
    table = evaluate(net, chips)
    totals = network_totals(Workloads.of(network("alexnet"), net), chips, 1)
    assert totals["cycles"] == pytest.approx(table["cycles"].sum(axis=1))
    assert totals["energy_uj"] == pytest.approx(table["energy_pj"].sum(axis=1) / 1e6)
    assert totals["noc_energy_uj"] == pytest.approx(table["noc_energy_pj"].sum(axis=1) / 1e6)
    with pytest.raises(InputError, match=r"network must lie in \[0, 0\]; got 1 to 1"):
        network_totals(Workloads.of(net), chips, 1)


def test_impossible_accelerators_are_marked_not_raised() -> None:
    """One batch with every reason; the others in it are evaluated."""
    chips = SpatialAccelerators(
        "nvdla", [16, 0, 16, 16], 16, l1_bytes=[64, 64, 2, 64], l2_kb=[64, 64, 64, 0.01]
    )
    table = evaluate(network("resnet18"), chips)
    assert table["valid"].all(axis=1).tolist() == [True, False, False, False]
    words = [REASONS[code] for code in table["reason"][:, 0]]
    assert words[:2] == ["valid", "no processing elements"]
    assert words[2:] == ["registers smaller than a tile", "shared buffer smaller than a tile"]
    assert np.isnan(table["energy_pj"][1:]).all()
    totals = network_totals(Workloads.of(network("resnet18")), chips)
    assert totals["valid"].tolist() == [True, False, False, False]
    assert np.isnan(totals["latency_ms"][1:]).all()


def test_mappings_an_array_cannot_do_are_marked() -> None:
    layer = conv("c", c=16, k=16, h=8, r=3, pad=1)
    chip = SpatialAccelerators("nvdla", 8, 8)
    whole = {"n": 1, "k": 16, "c": 16, "p": 8, "q": 8}
    cases = {
        "the array of the template cannot be used so": Mapping.of(
            "weight", spatial={"p": 8, "k": 8}, buffer=whole
        ),
        "tiles do not nest": Mapping.of(
            "weight", spatial={"c": 8, "k": 8}, buffer=whole | {"k": 12}
        ),
        "valid": Mapping.of("weight", spatial={"c": 8, "k": 8}, buffer=whole),
    }
    for reason, mapping in cases.items():
        assert REASONS[int(evaluate(layer, chip, mapping)["reason"].item())] == reason


def test_kinds_and_dilation() -> None:
    chip = SpatialAccelerators("nvdla", 8, 8)
    pooling = evaluate(pool("p", c=8, h=16, r=2, stride=2), chip)
    assert pooling["dram_weight_words"].item() == pooling["l2_weight_words"].item() == 0
    total = evaluate(elementwise("e", c=8, h=16), chip)
    assert total["dram_input_words"].item() == 2 * 8 * 16 * 16
    product = evaluate(matmul("m", m=16, k=8, n=12), chip)
    assert product["dram_weight_words"].item() == 8 * 12
    wide = conv("d", c=8, k=8, h=16, r=3, dilation=2)
    assert dataflow.layer_rows(wide)[0, 10:14].tolist() == [2, 2, 0, 0]
    assert evaluate(wide, chip)["dram_input_words"].item() == 8 * 16 * 16


def test_energy_and_area_follow_size_and_process() -> None:
    chips = SpatialAccelerators("nvdla", 16, 16, l2_kb=[32, 128, 512], l1_bytes=[8, 64, 512])
    costs = unit_energies(chips)
    assert (np.diff(costs.l2_input_pj_per_byte) > 0).all()
    assert (np.diff(costs.register_input_pj) > 0).all()
    assert (np.diff(area_mm2(chips)) > 0).all()
    for node, factor in ((65, 1.578), (28, 0.507), (7, 0.057)):
        scaled = dataflow.technology_at(node)
        there = unit_energies(chips, scaled)
        for name in ("mac_pj", "noc_pj_per_byte", "static_pj_per_cycle", "l2_weight_pj_per_byte"):
            ratio = getattr(there, name) / getattr(costs, name)
            assert ratio == pytest.approx(factor, abs=6e-4)
        assert there.dram_pj_per_byte == pytest.approx(costs.dram_pj_per_byte)
        assert (area_mm2(chips, technology=scaled) < area_mm2(chips)).all() == (node < 45)


_SMALL: dict[str, Any] = {"template": "nvdla", "pe_rows": 4, "pe_cols": 4}


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (r"pe_rows\[1\] must be an integer in \[0, 4096\]; got 2.5", {"pe_rows": [1, 2.5]}),
        (r"word_bytes\[0\] must be one of \(1, 2, 4\); got 3", {"word_bytes": 3}),
        (r"dram_gbps\[0\] must be in \[0.01, 65536\]; got nan", {"dram_gbps": np.nan}),
        (r"pe_rows must be a scalar or have shape \(3,\)", {"pe_rows": [1, 2], "l2_kb": [1, 2, 3]}),
        ("unknown template 'nvdlla'; did you mean 'nvdla'", {"template": "nvdlla"}),
    ],
)
def test_bad_accelerators(message: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=message):
        SpatialAccelerators(**(_SMALL | arguments))


def test_other_errors_name_what_is_wrong() -> None:
    chip, layer = SpatialAccelerators("nvdla", 4, 4), gemm("g", 4, 4, 4)
    with pytest.raises(InputError, match="unknown objective 'area'"):
        evaluate(layer, chip, objective=cast(dataflow.Objective, "area"))
    with pytest.raises(InputError, match="unknown mapping 'best'"):
        evaluate(layer, chip, cast(Mapping, "best"))
    with pytest.raises(InputError, match="spatial dimension must be one of g, k, c"):
        Mapping.of("weight", spatial={"x": 2})
    with pytest.raises(InputError, match=r"Mapping.buffer must lie in \[1, "):
        Mapping.of("weight", buffer={"k": 0})
    with pytest.raises(InputError, match="node_nm must be one of"):
        dataflow.technology_at(90)
    with pytest.raises(InputError, match="mac_pj must be finite and >= 0; got -1"):
        UnitEnergies(-1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    many = Mapping(np.zeros(3, int), np.ones((3, 7), int), np.ones((3, 6), int), np.ones(5, int))
    with pytest.raises(InputError, match=r"broadcast to \(1, 1\)"):
        evaluate(layer, chip, many)


def test_same_result_in_other_processes() -> None:
    """Found mappings are those of any run: the search draws nothing at random."""
    net = network("vgg16").take(range(4))
    chips = SpatialAccelerators(list(TEMPLATES), 12, 14)
    first, second = find_mapping(net, chips)[0], find_mapping(net, chips)[0]
    assert (first.to_rows((5, 4)) == second.to_rows((5, 4))).all()


@pytest.mark.parametrize("objective", range(3))
def test_shortcuts_of_the_search_change_nothing(objective: int) -> None:
    """What the search leaves out by bounds and as repeated: the same to the last bit without."""
    from codesign_gym.cost_models.analytical import dataflow_kernel, dataflow_search

    net = Layers.concat(
        network("resnet50").take(range(0, 54, 4)), network("mobilenetv2").take(range(0, 53, 5)),
        network("bert_base_s128").take(range(3)),
    )  # fmt: skip
    rng = np.random.default_rng(objective)
    chips = SpatialAccelerators(
        np.arange(40) % 5, rng.integers(1, 70, 40), rng.integers(1, 70, 40),
        l1_bytes=rng.choice([4, 16, 64, 512], 40), l2_kb=rng.choice([1, 8, 64, 2048], 40),
        noc_bandwidth=rng.choice([2, 16, 128], 40), dram_gbps=rng.choice([0.5, 8, 100], 40),
    )  # fmt: skip
    rows, hardware = dataflow.layer_rows(net), dataflow.accelerator_rows(chips)
    size = len(net) * len(chips)
    found = []
    for shortcuts in (True, False):
        maps = np.zeros((size, len(dataflow_kernel.MAPPING_FIELDS)))
        outs = np.full((size + 1, len(dataflow_kernel.RESULT_FIELDS)), np.nan)
        codes = np.zeros(size, dtype=np.int64)
        dataflow_search.fill_table(rows, hardware, objective, maps, outs, codes, shortcuts)
        found.append((outs[:-1], codes, maps[codes == 0]))
    assert 0 < (found[0][1] == 0).sum() < size
    for with_them, without in zip(*found, strict=True):
        assert np.array_equal(with_them, without, equal_nan=True)
