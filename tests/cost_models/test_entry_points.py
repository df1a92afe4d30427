"""The doors of the accelerator models: what they take, what they give, what they refuse."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from codesign_gym.cost_models.analytical import dataflow, systolic
from codesign_gym.cost_models.analytical.dataflow import LayerCosts, Mapping, SpatialAccelerators
from codesign_gym.cost_models.analytical.maestro import MaestroAccelerators, layer_table
from codesign_gym.cost_models.workloads import Layers, network
from codesign_gym.cost_models.workloads.constructors import conv, pool
from codesign_gym.search_spaces.errors import InputError

CHIPS: dict[str, Any] = {"template": ["nvdla", "eyeriss"], "num_pes": [168, 64]}
TOOL: dict[str, Any] = {"template": ["kcp_ws", "yxp_os", "rs"], "num_pes": 168, "noc_bandwidth": 16}
TABLE: dict[str, Any] = {"h": [8, 8, 8], "w": 8, "r": 3, "s": 3, "c": 4, "k": 4, "pad": 1}


def reasons(costs: LayerCosts) -> list[list[str]]:
    """Every reason, and that nothing without a result has a number."""
    for metric in costs.metrics:
        values = costs[metric.name]
        assert values.dtype == np.float64
        assert values.shape == costs.shape
        assert (np.isnan(values) == ~costs.valid).all(), metric.name
    return [[costs.reason(a, i) for i in range(costs.shape[1])] for a in range(costs.shape[0])]


def test_networks_and_tables() -> None:
    net = network("resnet18")
    again = Layers.from_table(net.to_columns() | {"name": net.name})
    assert again.name == net.name
    assert (again.macs == net.macs).all()
    one = Layers.from_table({"h": 8, "w": 8, "r": 3, "s": 3, "c": 4, "k": 4})
    assert one.macs.tolist() == [36 * 9 * 16]
    with pytest.raises(InputError, match="unknown network 'resnet19'; did you mean 'resnet18'"):
        network("resnet19")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 3}, "unknown layer column 'depth'"),
        ({"w": [8, 8]}, "w must have shape"),
        ({"h": [[8], [8], [8]]}, "h must have shape"),
        ({"c": [4, 4, 2.5]}, "c must be an integer"),
        ({"c": ["a", "b", "c"]}, "c must be an integer"),
        ({"stride": 0}, r"stride_h must be an integer in \[1, "),
        ({"kind": "convolutoin"}, "unknown layer kind 'convolutoin'"),
    ],
)
def test_malformed_layer_tables(change: dict[str, Any], message: str) -> None:
    for door in (Layers.from_table, lambda table: dataflow.evaluate(table, CHIPS)):
        with pytest.raises(InputError, match=message):
            door({"k": TABLE["k"], **TABLE, **change})
    with pytest.raises(InputError, match="needs the columns r"):
        Layers.from_table({name: TABLE[name] for name in TABLE if name != "r"})


def test_systolic() -> None:
    """Output stationary by hand: one fold of T + rows + cols - 2 cycles, one less in the tool."""
    layer = conv("c", c=2, k=4, h=4, r=3)
    ours = systolic.evaluate(layer, rows=4, cols=4, dataflow="os")
    tool = systolic.evaluate(layer, rows=4, cols=4, dataflow="os", compat="scalesim")
    assert ours["compute_cycles"].tolist() == [[18 + 4 + 4 - 2]]
    assert tool["compute_cycles"].tolist() == [[18 + 4 + 4 - 2 - 1]]
    both = systolic.evaluate(layer, rows=[4, 8], cols=4, dataflow=["os", "ws"])
    assert both["cycles"].shape == (2, 1)
    with pytest.raises(InputError, match="unknown compat 'scale-sim'"):
        systolic.evaluate(layer, rows=4, cols=4, dataflow="os", compat=cast(Any, "scale-sim"))
    with pytest.raises(InputError, match="rows"):
        systolic.evaluate(layer, rows=0, cols=4, dataflow="os")


def test_dataflow_takes_tables() -> None:
    net = network("alexnet")
    chips = SpatialAccelerators(CHIPS["template"], [12, 8], [14, 8])
    columns = net.to_columns() | {"name": net.name}
    for mapping in ("searched", "template", dataflow.find_mapping(net, chips)[0]):
        by_table = dataflow.evaluate(columns, CHIPS, cast(Mapping, mapping))
        assert by_table.shape == (2, len(net))
        for name, values in dataflow.evaluate(net, chips, cast(Mapping, mapping)).items():
            assert (by_table[name] == values).all(), name
    assert (by_table["cycles"] == by_table["latency_cycles"]).all()
    units = {metric.name: metric.unit for metric in by_table.metrics}
    assert units["latency_cycles"] == "cycles"
    assert units["energy_pj"] == units["dram_energy_pj"] == "pJ"
    assert units["dram_bytes"] == "bytes"
    assert units["l2_input_words"] == "words"
    assert by_table.unit("latency_ms") == "ms"
    with pytest.raises(KeyError, match="did you mean 'energy_pj'"):
        by_table["energy_nj"]
    with pytest.raises(InputError, match="unknown figure 'valid'"):
        by_table.unit("valid")


def test_maestro_is_the_same_door() -> None:
    net = network("mobilenetv1")
    costs = dataflow.evaluate(net, TOOL, compat="maestro")
    assert costs.shape == (3, len(net))
    tool = MaestroAccelerators(np.array(TOOL["template"]), np.array(168), np.array(16))
    for name, values in layer_table(net, tool).items():
        assert (costs[name] == values).all(), name
    assert (costs["macs"] == net.macs).all()
    assert costs.unit("energy_mac_units") == "energies of a MAC"
    assert costs.unit("l2_accesses") == "words"
    spatial = SpatialAccelerators(
        ["nvdla", "shidiannao", "eyeriss"], 12, 14, noc_bandwidth=32, word_bytes=2, l2_kb=4096,
        l1_bytes=4096,
    )  # fmt: skip
    same = dataflow.evaluate(net, spatial, compat="maestro")
    sides = {"template": TOOL["template"], "pe_rows": 12, "pe_cols": 14, "noc_bandwidth": 16}
    again = dataflow.evaluate(net, sides, compat="maestro")
    assert (same["runtime_cycles"] == costs["runtime_cycles"]).all()
    assert (again["energy_mac_units"] == costs["energy_mac_units"]).all()


def test_impossible_rows_are_marked() -> None:
    """A batch of every fault of a layer: the others keep the numbers that they have alone."""
    table = TABLE | {"groups": [1, 3, 1], "r": [3, 3, 11]}
    for door in ({}, {"compat": "maestro"}):
        chips = TOOL if door else CHIPS
        costs = dataflow.evaluate(table, chips, **cast(Any, door))
        words = ["", "groups do not divide the channels", "kernel larger than the padded input"]
        assert reasons(costs) == [words] * costs.shape[0]
        alone = dataflow.evaluate(Layers.from_table(TABLE).take([0]), chips, **cast(Any, door))
        for metric in costs.metrics:
            assert (costs[metric.name][:, :1] == alone[metric.name]).all()


def test_impossible_accelerators_are_marked() -> None:
    chips: dict[str, Any] = {
        "template": ["nvdla", "shidiannao", "eyeriss", "tpu", "free", "nvdla", "nvdla"],
        "num_pes": [64, 0, 0, 0, 0, 64, 64],
        "l1_bytes": [64, 64, 64, 64, 64, 2, 64],
        "l2_kb": [64, 64, 64, 64, 64, 64, 0.01],
    }
    for mapping in ("searched", "template"):
        costs = dataflow.evaluate(network("alexnet"), chips, cast(Any, mapping))
        assert [row[0] for row in reasons(costs)] == [
            "",
            *["no processing elements"] * 4,
            "registers smaller than a tile",
            "shared buffer smaller than a tile",
        ]


def test_impossible_under_maestro_is_marked() -> None:
    layers = Layers.concat(
        conv("c", c=64, k=64, h=16, r=11, pad=5),
        conv("d", c=8, k=8, h=16, r=3, dilation=2),
        pool("p", c=8, h=16, r=2, stride=2),
    )
    chips: dict[str, Any] = {
        "template": ["kcp_ws", "rs", "kcp_ws", "yxp_os", "rs", "tpu", "kcp_ws", "kcp_ws"],
        "num_pes": [64, 0, 63, 7, 10, 64, 64, 64],
        "noc_bandwidth": 16,
        "l1_bytes": [1e6, 1e6, 1e6, 1e6, 1e6, 1e6, 3, 1e6],
        "l2_kb": [64, 64, 64, 64, 64, 64, 64, 1],
    }
    costs = dataflow.evaluate(layers, chips, compat="maestro")
    no_layer = "MAESTRO takes undilated convolutions and matrix products alone"
    cluster = "fewer processing elements than a cluster of the template"
    assert reasons(costs) == [
        ["", no_layer, no_layer],
        ["no processing elements"] * 3,
        [cluster] * 3,
        [cluster] * 3,
        [cluster, no_layer, no_layer],
        ["MAESTRO has no such template"] * 3,
        ["registers smaller than a tile", no_layer, no_layer],
        ["shared buffer smaller than a tile", no_layer, no_layer],
    ]


@pytest.mark.parametrize(
    ("part", "sides"),
    [
        ("spatial", {"c": 5}),
        ("spatial", {"g": 2}),
        ("registers", {"k": 5}),
        ("buffer", {"p": 9}),
        ("buffer", {"n": 2}),
    ],
)
def test_tiles_larger_than_their_dimension_are_marked(part: str, sides: dict[str, int]) -> None:
    layer, chip = conv("c", c=4, k=4, h=8, r=3, pad=1), SpatialAccelerators("nvdla", 8, 8)
    parts = {"spatial": {"c": 4}, "registers": {}, "buffer": {"k": 4, "c": 4, "p": 8, "q": 8}}
    fits = Mapping.of("weight", **cast(Any, parts))
    assert reasons(dataflow.evaluate(layer, chip, fits)) == [[""]]
    template = "free" if "g" in sides else "nvdla"
    chip = SpatialAccelerators(template, 8, 8)
    large = Mapping.of("weight", **cast(Any, parts | {part: parts[part] | sides}))
    costs = dataflow.evaluate(layer, chip, large)
    assert reasons(costs) == [["tile larger than its dimension"]]


@pytest.mark.parametrize(
    ("chips", "options", "message"),
    [
        ({"num_pes": 64}, {}, "needs the columns template, which it lacks"),
        ({"template": "nvdla", "pes": 64}, {}, "unknown accelerator column 'pes'; did you mean"),
        ({"template": "nvdia", "num_pes": 64}, {}, "unknown template 'nvdia'; did you mean 'nvdl"),
        ({"template": "nvdla", "num_pes": 6.5}, {}, r"num_pes must be integers in \[0, "),
        ({"template": "nvdla", "num_pes": -1}, {}, r"num_pes must be integers in \[0, "),
        ({"template": "nvdla", "num_pes": 4, "pe_rows": 2}, {}, "not both"),
        ({"template": "nvdla", "num_pes": 4, "l2_kb": "big"}, {}, "l2_kb must hold numbers"),
        (CHIPS, {"compat": "timeloop"}, "unknown compat 'timeloop'"),
        (CHIPS, {"mapping": "best"}, "unknown mapping 'best'"),
        (TOOL, {}, "unknown template 'kcp_ws'"),
        (TOOL | {"num_pes": [1, 2]}, {"compat": "maestro"}, "num_pes must be a scalar or have"),
        (TOOL | {"num_pes": -1}, {"compat": "maestro"}, "num_pes must be integers >= 0; got -1"),
        (TOOL | {"num_pes": "all"}, {"compat": "maestro"}, "num_pes must hold numbers"),
        (TOOL | {"noc_bandwidth": np.inf}, {"compat": "maestro"}, "noc_bandwidth.* got inf"),
        (TOOL | {"l2_kb": -1}, {"compat": "maestro"}, "l2_kb must be >= 0; got -1"),
        (TOOL | {"l1_bytes": np.nan}, {"compat": "maestro"}, "l1_bytes must be >= 0; got nan"),
        ({"template": "nvdla", "pe_rows": np.inf, "pe_cols": 1}, {}, "pe_rows.* got inf"),
        ("nvdla", {}, "an accelerator table must be a mapping of columns, got 'nvdla'"),
        (None, {"compat": "maestro"}, "an accelerator table must be a mapping of columns"),
        (CHIPS, {"energies": {"mac": 1}}, "energies must be UnitEnergies, got"),
        (TOOL | {"noc_bandwidth": 0.5}, {"compat": "maestro"}, "noc_bandwidth.* an integer in"),
        (TOOL | {"template": "dpt"}, {"compat": "maestro"}, "unknown template 'dpt'"),
        (TOOL | {"l3_kb": 1}, {"compat": "maestro"}, "unknown accelerator column 'l3_kb'"),
        ({"num_pes": 64}, {"compat": "maestro"}, "needs the columns template, noc_bandwidth"),
        (TOOL, {"compat": "maestro", "mapping": Mapping.of("weight")}, "takes no mapping"),
    ],
)
def test_malformed_requests(chips: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataflow.evaluate(network("alexnet"), chips, **options)


@pytest.mark.parametrize("layers", [None, "resnet18", [], 5])
def test_layers_that_are_no_table(layers: Any) -> None:
    with pytest.raises(InputError, match="a layer table must be a mapping of columns"):
        dataflow.evaluate(layers, CHIPS)
    with pytest.raises(InputError, match="a layer table must be a mapping of columns"):
        systolic.evaluate(layers, rows=8, cols=8, dataflow="ws")


def test_nothing_to_evaluate() -> None:
    sides = {"k": 4, "r": 1, "s": 1, "h": 4, "w": 4}
    assert dataflow.evaluate(sides | {"c": []}, {"template": "nvdla", "num_pes": 4}).shape == (1, 0)
    none: dict[str, Any] = {"template": [], "num_pes": []}
    assert dataflow.evaluate(network("alexnet"), none).shape == (0, 8)


def test_systolic_takes_tables_and_refuses_the_rest() -> None:
    table: dict[str, Any] = {"c": [3, 8], "k": 8, "r": 3, "s": 3, "h": 8, "w": 8, "pad": 1}
    chip: dict[str, Any] = {"rows": 4, "cols": 4, "dataflow": "os"}
    of_table = systolic.evaluate(table, **chip)
    of_layers = systolic.evaluate(Layers.from_table(table), **chip)
    assert of_table["cycles"].tolist() == of_layers["cycles"].tolist()
    for wrong, message in (
        ({"dataflow": None}, "unknown dataflow None"),
        ({"rows": np.inf}, r"rows\[0\] must be an integer in \[1, 4096\]; got inf"),
        ({"ifmap_kb": "big"}, "ifmap_kb must hold numbers; got"),
    ):
        with pytest.raises(InputError, match=message):
            systolic.evaluate(table, **(chip | wrong))
