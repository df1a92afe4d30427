"""Exports to ZigZag and Timeloop: the mapping found is what is written, in the tools' formats."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign_gym.cost_models import ChipModel, SpatialModel
from codesign_gym.cost_models.analytical.dataflow import (
    SpatialAccelerators,
    evaluate,
    find_mapping,
)
from codesign_gym.cost_models.analytical.loop_nest import (
    DIMS,
    LEVELS,
    LoopNest,
    array_sides,
    found_nests,
)
from codesign_gym.cost_models.analytical.mapping import (
    BUFFER_DIMS,
    INNER_LOOPS,
    REGISTER_DIMS,
    SPATIAL_DIMS,
)
from codesign_gym.cost_models.analytical.spatial_model import accelerators_of
from codesign_gym.cost_models.analytical.timeloop_export import passing, timeloop_files
from codesign_gym.cost_models.analytical.zigzag_export import temporal_loops, zigzag_files
from codesign_gym.cost_models.workloads.constructors import conv, pool
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.networks import network
from codesign_gym.search_spaces import InputError, spatial_accelerator
from tests.yaml_shape import Tag, check, read_yaml

LAYERS = Layers.concat(*[network(name) for name in ("alexnet", "resnet18", "mobilenetv2")])
LAYERS = LAYERS.unique()[0]
LAYERS = LAYERS.take(np.flatnonzero(LAYERS.multiplies))
SPACE = spatial_accelerator()
TIMELOOP = dict(zip(DIMS, "NGMCPQRS", strict=True))
ZIGZAG = dict(zip(DIMS, ("B", "G", "K", "C", "OY", "OX", "FY", "FX"), strict=True))
TARGETS = dict(zip(LEVELS, ("DRAM", "buffer", "PE", "registers"), strict=True))

TEXT, NAME, COUNT = re.compile(r".+"), re.compile(r"[A-Za-z_]\w*"), (lambda x: type(x) is int)
POSITIVE = lambda x: isinstance(x, (int, float)) and x > 0  # noqa: E731
FACTOR = re.compile(r"[NGMCPQRS]=[1-9]\d*(,[1-9]\d*)?")
SPACES = lambda x: x in ("Weights", "Inputs", "Outputs")  # noqa: E731

# timeloop.csail.mit.edu/v4/input-formats: architecture, problem, mapping.
STORAGE = {"depth": COUNT, "width": COUNT, "datawidth": COUNT, "?shared_bandwidth": POSITIVE}
NODES: dict[str, Any] = {
    "system": {"name": NAME, "attributes": {"technology": TEXT, "global_cycle_seconds": POSITIVE}},
    "DRAM": {
        "name": NAME,
        "class": re.compile("DRAM"),
        "attributes": {"width": COUNT, "datawidth": COUNT, "shared_bandwidth": POSITIVE},
    },
    "buffer": {"name": NAME, "class": re.compile("SRAM"), "attributes": STORAGE},
    "PE": {"name": NAME, "spatial": {"meshX": COUNT, "?meshY": COUNT}},
    "registers": {"name": NAME, "class": re.compile("regfile"), "attributes": STORAGE},
    "mac": {
        "name": NAME,
        "class": re.compile("intmac|fpmac"),
        "attributes": dict.fromkeys(("datawidth", "multiplier_width", "adder_width"), COUNT),
    },
}
PROBLEM = {
    "problem": {
        "version": lambda x: x == 0.4,
        "shape": {
            "name": NAME,
            "dimensions": [re.compile("[NGMCPQRS]")],
            "coefficients": [{"name": NAME, "default": COUNT}],
            "data_spaces": [{"name": SPACES, "projection": [[[NAME]]], "?read_write": bool}],
        },
        "instance": dict.fromkeys(
            (*"NGMCPQRS", "Hstride", "Wstride", "Hdilation", "Wdilation"), COUNT
        ),
    }
}
LOOPS = {"target": NAME, "type": NAME, "factors": [FACTOR], "permutation": [TEXT], "?split": COUNT}
KEPT = {"target": NAME, "type": re.compile("dataspace"), "keep": [SPACES], "bypass": [SPACES]}

# The schemas that ZigZag 3.9 validates its inputs against.
HARDWARE = {
    "name": NAME,
    "operational_array": {
        "unit_energy": POSITIVE,
        "unit_area": POSITIVE,
        "dimensions": [re.compile(r"D\d")],
        "sizes": [COUNT],
    },
    "memories": dict,
}
MEMORY = {
    "size": COUNT,
    "r_cost": float,
    "w_cost": float,
    "area": float,
    "latency": COUNT,
    "operands": [re.compile("I1|I2|O")],
    "ports": [
        {
            "name": re.compile(r"r?w?_port_\d+"),
            "type": re.compile("read|write|read_write"),
            "bandwidth_min": COUNT,
            "bandwidth_max": COUNT,
            "allocation": [re.compile("(I[12]|O), (fh|tl|fl|th)")],
        }
    ],
    "served_dimensions": [re.compile(r"D\d")],
}
UNROLLED = [re.compile(r"[A-Z]+, [1-9]\d*")]
MAPPINGS = {
    "name": TEXT,
    "?spatial_mapping": {"D1": UNROLLED, "?D2": UNROLLED},
    "?temporal_ordering": [lambda loop: NAME.fullmatch(loop[0]) and loop[1] > 1 and len(loop) == 2],
    "memory_operand_links": {"O": TEXT, "W": TEXT, "I": TEXT},
}
WORKLOAD = {
    "id": COUNT,
    "name": TEXT,
    "operator_type": re.compile("Conv"),
    "equation": re.compile(r"O(\[\w+\])+\+=\w(\[\w+\])+\*\w(\[\w+\])+"),
    "dimension_relations": [re.compile(r"i[xy]=\d+\*o[xy]\+\d+\*f[xy]")],
    "loop_dims": [re.compile("[A-Z]+")],
    "loop_sizes": [COUNT],
    "operand_precision": dict.fromkeys(("O", "O_final", "W", "I"), COUNT),
    "operand_source": {"W": COUNT, "I": COUNT},
    "pr_loop_dims": [re.compile("I[XY]")],
    "pr_loop_sizes": [COUNT],
    "padding": [[COUNT]],
}


@st.composite
def mapped(draw: st.DrawFn) -> tuple[SpatialAccelerators, Layers]:
    """An accelerator of the space and one of the layers, with a mapping."""
    row = draw(st.integers(0, len(LAYERS) - 1))
    layers = LAYERS.take([row])
    design = SPACE.sample(1, draw(st.integers(0, 2**20)))
    chip = accelerators_of(SPACE, design)
    if not evaluate(layers, chip)["valid"].all():
        chip = SpatialAccelerators("free", pe_rows=12, pe_cols=14)
    return chip, layers


def said(nest: LoopNest, level: str, dim: str) -> tuple[int, int]:
    return nest.trips[level][dim], nest.remainder(level, dim)


def sizes_of(layers: Layers, row: int = 0) -> dict[str, int]:
    groups = int(layers.groups[row])
    sizes = {dim: int(getattr(layers, dim)[row]) for dim in "nkcpqrs"} | {"g": groups}
    return sizes | {"k": sizes["k"] // groups, "c": sizes["c"] // groups}


@given(mapped())
@settings(max_examples=60)
def test_nests_are_the_mappings_found(case: tuple[SpatialAccelerators, Layers]) -> None:
    """Tiles, PEs, registers and the innermost loop of `find_mapping`, and exactly the layer."""
    chip, layers = case
    (nest,) = found_nests(layers, chip)
    found, _ = find_mapping(layers, chip)
    sizes = sizes_of(layers)
    assert nest.sizes == sizes
    assert [nest.trips["spatial"][d] for d in SPATIAL_DIMS] == found.spatial[0, 0].tolist()
    assert [nest.trips["registers"][d] for d in REGISTER_DIMS] == found.registers[0, 0].tolist()
    assert [nest.tile("dram", d) for d in BUFFER_DIMS] == found.buffer[0, 0].tolist()
    of_tiles = {"q": "pixels", "k": "filters", "c": "channels"}
    assert of_tiles[nest.order["dram"][0]] == INNER_LOOPS[found.inner[0, 0]]
    for dim in DIMS:
        # Timeloop's own condition: (((last3 - 1) * n2 + last2 - 1) * n1 + last1 - 1) ... + 1.
        covered = 0
        for level in LEVELS:
            turns, last = said(nest, level, dim)
            assert 1 <= last <= turns
            covered = covered * turns + last - 1
        assert covered + 1 == sizes[dim]
        assert np.prod([nest.trips[level][dim] for level in LEVELS]) >= sizes[dim]
    assert all(sorted(order) == sorted(DIMS) for order in nest.order.values())
    table = evaluate(layers, chip)
    need = nest.kept_words()
    word, sums = int(chip.word_bytes[0]), float(chip.sum_bytes[0])
    bytes_ = (need["weights"] + need["inputs"]) * word + need["outputs"] * sums
    assert bytes_ == pytest.approx(table["l1_need_bytes"][0, 0])


@given(mapped())
@settings(max_examples=60)
def test_what_passes_through_the_buffer(case: tuple[SpatialAccelerators, Layers]) -> None:
    """Weights and sums pass where the model has them read as often as DRAM brings them."""
    chip, layers = case
    (nest,) = found_nests(layers, chip)
    table = {name: column[0, 0] for name, column in evaluate(layers, chip).items()}
    assert ("Weights" in passing(nest)) == (table["dram_weight_words"] >= table["l2_weight_words"])
    outputs = nest.sizes["n"] * int(layers.k[0] * layers.p[0] * layers.q[0])
    moved = outputs + table["dram_sum_words"] / 2
    assert ("Outputs" in passing(nest)) == (moved >= table["l2_sum_writes_words"])


@given(mapped())
@settings(max_examples=60)
def test_timeloop(case: tuple[SpatialAccelerators, Layers]) -> None:
    """In Timeloop's format, the found mapping, within the array and the memories."""
    chip, layers = case
    files = {name: read_yaml(text) for name, text in timeloop_files(layers, chip).items()}
    (nest,) = found_nests(layers, chip)
    architecture = files.pop("architecture.yaml")["architecture"]
    assert architecture.keys() == {"version", "nodes"}
    nodes = {node["name"]: node for node in architecture["nodes"]}
    assert list(nodes) == list(NODES)
    for name, node in nodes.items():
        assert isinstance(node, Tag)
        assert node.tag == ("Container" if name in ("system", "PE") else "Component")
        check(dict(node), NODES[name], name)
    mesh = nodes["PE"]["spatial"]
    assert mesh["meshX"] * mesh.get("meshY", 1) == chip.pes[0]
    depth, width = (nodes["buffer"]["attributes"][name] for name in ("depth", "width"))
    assert depth * width == chip.l2_kb[0] * 8192

    assert len(files) == 2
    problem, mapping = (
        next(data for name, data in files.items() if name.endswith(end))
        for end in ("/problem.yaml", "/mapping.yaml")
    )
    check(problem, PROBLEM)
    instance = problem["problem"]["instance"]
    assert {dim: instance[TIMELOOP[dim]] for dim in DIMS} == sizes_of(layers)
    assert np.prod([instance[letter] for letter in "NGMCPQRS"]) == layers.macs[0]
    projected = {x["name"]: x["projection"] for x in problem["problem"]["shape"]["data_spaces"]}
    assert [["R", "Hdilation"], ["P", "Hstride"]] in projected["Inputs"]

    kept, loops = {}, {}
    for directive in mapping["mapping"]:
        if directive["type"] == "dataspace":
            check(directive, KEPT)
            kept[directive["target"]] = set(directive["keep"])
            assert kept[directive["target"]].isdisjoint(directive["bypass"])
        else:
            check(directive, LOOPS)
            loops[directive["target"]] = directive
    assert list(loops) == list(TARGETS.values())
    for level, target in TARGETS.items():
        assert loops[target]["type"] == ("spatial" if level == "spatial" else "temporal")
        told = dict(text.split("=") for text in loops[target]["factors"])
        for dim in DIMS:
            turns, _, last = told[TIMELOOP[dim]].partition(",")
            assert (int(turns), int(last or turns)) == said(nest, level, dim)
        if level != "spatial":
            assert loops[target]["permutation"] == [TIMELOOP[d] for d in nest.order[level]]
    spread, split = loops["PE"]["permutation"], loops["PE"]["split"]
    assert sorted(spread) == sorted(TIMELOOP.values())
    across = {TIMELOOP[dim]: nest.trips["spatial"][dim] for dim in DIMS}
    assert np.prod([across[letter] for letter in spread[:split]]) <= mesh["meshX"]
    assert np.prod([across[letter] for letter in spread[split:]]) <= mesh.get("meshY", 1)
    for level, target in (("dram", "buffer"), ("spatial", "registers")):
        words = {name.capitalize(): count for name, count in nest.words(level).items()}
        room = chip.l2_kb[0] * 1024 if target == "buffer" else chip.l1_bytes[0]
        assert sum(words[name] for name in kept[target]) <= room // chip.word_bytes[0]


@given(mapped())
@settings(max_examples=60)
def test_zigzag(case: tuple[SpatialAccelerators, Layers]) -> None:
    """In ZigZag's format, complete loops, the order and PEs of the mapping, tiles not larger."""
    chip, layers = case
    files = {name: read_yaml(text) for name, text in zigzag_files(layers, chip).items()}
    hardware, mappings, workload = (
        files[f"{name}.yaml"] for name in ("hardware", "mapping", "workload")
    )
    check(hardware, HARDWARE)
    check(list(hardware["memories"].values()), [MEMORY])
    check(mappings, [MAPPINGS])
    check(workload, [WORKLOAD])
    array = hardware["operational_array"]
    assert np.prod(array["sizes"]) == chip.pes[0]
    memories = hardware["memories"]
    assert list(memories)[-2:] == ["buffer", "dram"]
    assert memories["buffer"]["size"] == chip.l2_kb[0] * 8192
    assert {w["bandwidth_max"] for w in memories["buffer"]["ports"]} == {chip.noc_bandwidth[0] * 8}

    (nest,) = found_nests(layers, chip)
    (layer,) = workload
    assert np.prod(layer["loop_sizes"]) == layers.macs[0]
    mapping, default = mappings
    assert (mapping["name"], default["name"]) == (layer["name"], "default")
    unrolled: dict[str, int] = {}
    for size, axis in zip(array["sizes"], mapping["spatial_mapping"].values(), strict=True):
        texts = [text.split(", ") for text in axis]
        assert np.prod([int(turns) for _, turns in texts]) <= size
        unrolled |= {name: int(turns) for name, turns in texts}
    for dim in DIMS:
        assert unrolled.get(ZIGZAG[dim], 1) == nest.trips["spatial"][dim]
        turns = [n for name, n in mapping["temporal_ordering"] if name == ZIGZAG[dim]]
        # Or ZigZag would search an ordering of its own.
        assert np.prod(turns) == -(-nest.sizes[dim] // nest.trips["spatial"][dim])
    told = [[ZIGZAG[dim], turns] for dim, turns in temporal_loops(nest)]
    assert told == mapping["temporal_ordering"]
    exact = [
        (ZIGZAG[dim], nest.trips[level][dim])
        for level in ("registers", "buffer", "dram")
        for dim in nest.order[level]
        if nest.trips[level][dim] > 1
    ]
    in_time = ("registers", "buffer", "dram")
    if all(
        np.prod([nest.trips[level][dim] for level in in_time])
        == -(-nest.sizes[dim] // nest.trips["spatial"][dim])
        for dim in DIMS
    ):
        assert [tuple(loop) for loop in told] == exact


def test_layers_of_other_kinds_are_left_out() -> None:
    chip = SpatialAccelerators("nvdla", 16, 16)
    layers = Layers.concat(conv("one", c=3, k=8, h=16, r=3, pad=1), pool("two", c=8, h=16, r=2))
    assert [nest.layer for nest in found_nests(layers, chip)] == ["one"]
    assert [layer["name"] for layer in read_yaml(zigzag_files(layers, chip)["workload.yaml"])] == [
        "0_one"
    ]


def test_what_cannot_be_exported() -> None:
    layers = conv("one", c=64, k=64, h=16, r=3, pad=1)
    small = SpatialAccelerators("nvdla", 16, 16, l1_bytes=1)
    with pytest.raises(InputError, match=r"layer 'one' has no mapping to export: registers small"):
        timeloop_files(layers, small)
    two = SpatialAccelerators("nvdla", [16, 8], 16)
    with pytest.raises(InputError, match="a design is one accelerator, got 2"):
        zigzag_files(layers, two)
    apart = SpatialAccelerators("nvdla", 16, 16, input_noc_bandwidth=8)
    with pytest.raises(InputError, match="needs input_noc_bandwidth of 0; got 8"):
        zigzag_files(layers, apart)
    model = SpatialModel(layers)
    with pytest.raises(InputError, match="has no format 'scalesim'"):
        model.export(model.space.sample(1, 0), "scalesim")


def test_sides_of_arrays() -> None:
    assert array_sides(0) == (("c",), ("k",))
    assert array_sides(4) is None


@pytest.mark.parametrize("form", ["zigzag", "timeloop"])
def test_chips_share_the_layers(form: str) -> None:
    """Every layer with multiply-accumulates is in the files of the sub-accelerator it runs on."""
    model = ChipModel(("mobilenetv1",))
    design = model.space.encode(
        [
            {
                "pes": 1024,
                "sub1_pe_share": 32,
                "sub1_dataflow": "shidiannao",
                "sub2_dataflow": "nvdla",
                "noc_bandwidth": 64,
                "sub1_bandwidth_share": 4,
            }
        ]
    )
    files = model.export(design, form)
    for sub in ("sub1", "sub2"):
        runs = {r["layer"] for r in model.explain(design) if str(r["on"]).startswith(sub)}
        multiply = {
            name
            for name, does in zip(model.layers.name, model.layers.multiplies, strict=True)
            if does
        }
        if form == "zigzag":
            told = {w["name"].split("_", 1)[1] for w in read_yaml(files[f"{sub}/workload.yaml"])}
        else:
            told = {
                name.split("/")[1].split("_", 1)[1]
                for name in files
                if name.startswith(f"{sub}/") and name.endswith("/mapping.yaml")
            }
        assert told == runs & multiply
        assert told
