"""Systolic arrays: numbers derived by hand, and what must hold for every design."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codesign_gym.cost_models.analytical import systolic_kernel, technology
from codesign_gym.cost_models.analytical.systolic import (
    DATAFLOWS,
    SystolicArrays,
    area_mm2,
    layer_table,
    network_totals,
)
from codesign_gym.cost_models.analytical.technology import Technology
from codesign_gym.cost_models.workloads.constructors import conv, elementwise, gemm, matmul, pool
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.networks import NETWORKS, Workloads, network
from codesign_gym.search_spaces.errors import InputError

OS, WS, IS = range(3)


def accelerators(**changes: Any) -> SystolicArrays:
    """A 32x32 int8 accelerator with 64 KiB per SRAM and 16 GB/s, but for `changes`."""
    fields: dict[str, Any] = {"rows": 32, "cols": 32, "dataflow": OS, "word_bytes": 1}
    fields |= {"ifmap_kb": 64, "filter_kb": 64, "ofmap_kb": 64, "dram_gbps": 16}
    return SystolicArrays(**(fields | changes))


def one(table: dict[str, Any]) -> dict[str, Any]:
    """The single entry of each column."""
    return {name: column.item() for name, column in table.items()}


# GEMM [4, 6] @ [6, 5] on 2 rows x 3 columns, worked out from the table in the module's docstring:
# folds, cycles per fold, ifmap and filter reads, ofmap reads and writes.
@pytest.mark.parametrize(
    ("dataflow", "expected"),
    [
        (OS, (4, 6 + 2 + 3 - 2, 4 * 6 * 2, 6 * 5 * 2, 0, 4 * 5)),
        (WS, (6, 4 + 4 + 3 - 2, 4 * 6 * 2, 6 * 5, 4 * 5 * 2, 4 * 5 * 3)),
        (IS, (6, 5 + 4 + 3 - 2, 4 * 6, 6 * 5 * 2, 4 * 5 * 2, 4 * 5 * 3)),
    ],
)
def test_array_by_hand(dataflow: int, expected: tuple[int, ...]) -> None:
    array = accelerators(rows=2, cols=3, dataflow=dataflow)
    got = one(layer_table(gemm("g", 4, 6, 5), array))
    names = (
        "folds", "cycles_per_fold", "ifmap_sram_reads", "filter_sram_reads", "ofmap_sram_reads",
        "ofmap_sram_writes",
    )  # fmt: skip
    assert tuple(got[name] for name in names) == expected
    folds, per_fold = expected[:2]
    assert got["compute_cycles"] == folds * per_fold
    on_rows, on_cols = {OS: (4, 5), WS: (6, 5), IS: (6, 4)}[dataflow]
    assert got["mapping_eff_pct"] == pytest.approx(100 * on_rows * on_cols / (folds * 6))
    assert got["compute_util_pct"] == pytest.approx(100 * 120 / (6 * folds * per_fold))


# GEMM [1024, 64] @ [64, 64], weight stationary on 32x32, 64 KiB of inputs (half: 32768 words, the
# inputs are 65536): the output SRAM decides the loop order. Weights 4096, outputs 65536 bytes.
@pytest.mark.parametrize(
    ("ofmap_kb", "expected"),
    [
        # Neither 32768 nor 65536 sums fit 8192: K outer, inputs once, sums written and read back.
        (64, 4096 + 65536 + 65536 + 2 * 65536 * 4),
        # The 32768 sums of one column fold fit: N outer, inputs twice.
        (256, 4096 + 2 * 65536 + 65536),
        # All sums fit: K outer, everything once.
        (512, 4096 + 65536 + 65536),
    ],
)
def test_weight_stationary_dram_by_hand(ofmap_kb: int, expected: int) -> None:
    array = accelerators(dataflow=WS, ofmap_kb=ofmap_kb)
    assert one(layer_table(gemm("g", 1024, 64, 64), array))["dram_bytes"] == expected


def test_input_stationary_mirrors_weight_stationary() -> None:
    layers = gemm("g", 1024, 64, 96)
    mirrored = gemm("g", 96, 64, 1024)
    for ofmap_kb in (64, 256, 1024):
        ws = one(layer_table(layers, accelerators(dataflow=WS, ofmap_kb=ofmap_kb)))
        inp = one(layer_table(mirrored, accelerators(dataflow=IS, ofmap_kb=ofmap_kb)))
        assert ws["dram_ifmap_bytes"] == inp["dram_filter_bytes"]
        assert ws["dram_filter_bytes"] == inp["dram_ifmap_bytes"]
        assert ws["cycles"] == inp["cycles"]
        assert ws["energy_pj"] == pytest.approx(inp["energy_pj"])


# GEMM [64, 256] @ [256, 64], output stationary on 32x32; strips are 8192 words, operands 16384.
@pytest.mark.parametrize(
    ("ifmap_kb", "filter_kb", "expected"),
    [
        (16, 16, 16384 + 2 * 16384 + 4096),  # a strip of either stays, the other passes twice
        (32, 16, 16384 + 16384 + 4096),  # the inputs stay, a strip of filters too: N outer
        (8, 8, 2 * 16384 + 2 * 16384 + 4096),  # nothing stays
    ],
)
def test_output_stationary_dram_by_hand(ifmap_kb: int, filter_kb: int, expected: int) -> None:
    array = accelerators(ifmap_kb=ifmap_kb, filter_kb=filter_kb)
    assert one(layer_table(gemm("g", 64, 256, 64), array))["dram_bytes"] == expected


def test_one_multiplication_by_hand() -> None:
    """One int8 MAC: 0.3 pJ and as much for registers; six SRAM accesses, three bytes of DRAM."""
    array = accelerators(rows=1, cols=1, ifmap_kb=8, filter_kb=8, ofmap_kb=8, dram_gbps=1)
    got = one(layer_table(gemm("g", 1, 1, 1), array))
    assert got["energy_pj"] == pytest.approx(0.6 + 6 * 1.25 + 3 * 1838.4776 / 8)
    # Three bytes at one per cycle; both operands come first, and then one cycle computes.
    assert (got["compute_cycles"], got["dram_cycles"], got["fill_cycles"]) == (1, 3, 2)
    assert (got["cycles"], got["stall_cycles"], got["latency_ms"]) == (3, 2, 3e-6)
    assert got["sram_accesses"] == 6


def test_area_by_hand() -> None:
    """8-bit multiplier, 32-bit adder, 48 flip-flops; 24 KiB of cells at 60 % efficiency."""
    array = accelerators(rows=2, cols=3, ifmap_kb=8, filter_kb=8, ofmap_kb=8)
    expected = 6 * (282 + 137 + 48 * 4.522) + 24 * 8192 * 0.346 / 0.6
    assert area_mm2(array).item() == pytest.approx(expected / 1e6)


def test_technology_reproduces_its_sources() -> None:
    """Horowitz, ISSCC 2014: a 64-bit access takes 10, 20 and 100 pJ at 8 kB, 32 kB and 1 MB."""
    tech = Technology()
    np.testing.assert_allclose(tech.sram_pj_per_byte([8, 32, 1024]) * 8, [10, 20, 100])
    np.testing.assert_allclose(tech.mac_pj([1, 2, 4]), [0.6, 4.0, 9.2])
    assert 1300 < tech.dram_pj_per_byte() * 8 < 2600
    assert systolic_kernel._PSUM_BYTES == technology.ACCUMULATOR_BYTES


dims = st.integers(1, 300)
layers_ = st.one_of(
    st.builds(lambda m, k, n: gemm("g", m, k, n), dims, dims, dims),
    st.builds(
        lambda groups, c, k, h, r, stride, n: conv(
            "c", c=groups * c, k=groups * k, h=h, r=r, stride=stride, pad=r // 2, groups=groups, n=n
        ),
        st.integers(1, 8), st.integers(1, 24), st.integers(1, 24), st.integers(1, 40),
        st.sampled_from([1, 3, 5]), st.integers(1, 4), st.integers(1, 3),
    ),
)  # fmt: skip
designs = st.fixed_dictionaries(
    {
        "rows": st.integers(1, 70),
        "cols": st.integers(1, 70),
        "dataflow": st.integers(0, 2),
        "word_bytes": st.sampled_from([1, 2, 4]),
        "ifmap_kb": st.integers(1, 64),
        "filter_kb": st.integers(1, 64),
        "ofmap_kb": st.integers(1, 64),
        "dram_gbps": st.sampled_from([0.5, 4.0, 64.0, 1024.0]),
    }
)


@given(layers_, designs)
def test_conservation(layers: Layers, design: dict[str, Any]) -> None:
    array = accelerators(**design)
    got = one(layer_table(layers, array))
    assert got["macs"] == layers.macs.item()
    assert got["compute_cycles"] * array.pes.item() >= got["macs"]
    assert got["cycles"] >= max(got["compute_cycles"], got["dram_cycles"])
    for column in ("mapping_eff_pct", "compute_util_pct", "overall_util_pct"):
        assert 0 < got[column] <= 100 * (1 + 1e-12)
    # Each operand crosses the DRAM interface at least once.
    word = design["word_bytes"]
    assert got["dram_ifmap_bytes"] >= layers.ifmap_words_touched.item() * word
    assert got["dram_filter_bytes"] >= layers.weights.item() * word
    assert got["dram_ofmap_bytes"] >= layers.ofmap_words.item() * word
    parts = ("dram_ifmap_bytes", "dram_filter_bytes", "dram_ofmap_bytes")
    assert got["dram_bytes"] == sum(got[part] for part in parts)
    assert got["energy_pj"] > got["macs"] * Technology().mac_pj(word).item()


@given(layers_, designs, st.integers(1, 400))
def test_monotone_in_memory(layers: Layers, design: dict[str, Any], more: int) -> None:
    for sram in ("ifmap_kb", "filter_kb", "ofmap_kb"):
        larger = design | {sram: design[sram] + more}
        before, after = (layer_table(layers, accelerators(**d)) for d in (design, larger))
        assert after["dram_bytes"].item() <= before["dram_bytes"].item()
        assert after["cycles"].item() <= before["cycles"].item()


@given(layers_, designs, st.floats(1.0, 50.0))
def test_monotone_in_bandwidth(layers: Layers, design: dict[str, Any], factor: float) -> None:
    faster = design | {"dram_gbps": design["dram_gbps"] * factor}
    before, after = (layer_table(layers, accelerators(**d)) for d in (design, faster))
    assert after["cycles"].item() <= before["cycles"].item()
    assert after["energy_pj"].item() == before["energy_pj"].item()


@given(layers_, designs)
def test_enough_memory_moves_each_operand_once(layers: Layers, design: dict[str, Any]) -> None:
    plenty = design | {"ifmap_kb": 65536, "filter_kb": 65536, "ofmap_kb": 65536}
    got = one(layer_table(layers, accelerators(**plenty)))
    once = layers.ifmap_words_touched + layers.weights + layers.ofmap_words
    assert got["dram_bytes"] == once.item() * design["word_bytes"]


def random_arrays(count: int) -> SystolicArrays:
    """Accelerators drawn from what people build."""
    rng = np.random.default_rng(7)
    srams = {f: rng.choice([8, 64, 512], count) for f in ("ifmap_kb", "filter_kb", "ofmap_kb")}
    return accelerators(
        rows=rng.integers(4, 129, count),
        cols=rng.integers(4, 129, count),
        dataflow=rng.integers(0, 3, count),
        word_bytes=rng.choice([1, 2, 4], count),
        dram_gbps=rng.choice([4, 32], count),
        **srams,
    )


def test_totals_are_sums_over_the_table() -> None:
    tables = [network(name) for name in NETWORKS]
    arrays = random_arrays(40)
    which = np.arange(40) % len(tables)
    totals = network_totals(Workloads.of(*tables), arrays, which)
    for index, layers in enumerate(tables):
        rows = which == index
        table = layer_table(layers, arrays)
        columns = ("macs", "compute_cycles", "cycles", "stall_cycles", "dram_bytes")
        for column in (*columns, "sram_accesses", "latency_ms"):
            expected = (table[column] * layers.repeat).sum(axis=1)[rows]
            np.testing.assert_allclose(totals[column][rows], expected, rtol=1e-12)
        energy = (table["energy_pj"] * layers.repeat).sum(axis=1)[rows]
        np.testing.assert_allclose(totals["energy_uj"][rows], energy / 1e6, rtol=1e-12)
    assert ((totals["overall_util_pct"] > 0) & (totals["overall_util_pct"] <= 100)).all()


def test_one_accelerator_is_a_batch_of_one() -> None:
    workloads = Workloads.of(network("alexnet"))
    arrays = random_arrays(5)
    batch = network_totals(workloads, arrays)
    for row in range(5):
        fields = {field: getattr(arrays, field)[row] for field in vars(arrays)}
        single = network_totals(workloads, SystolicArrays(**fields))
        assert {name: column[row] for name, column in batch.items()} == one(single)


def test_compat_changes_what_it_says() -> None:
    layers, arrays = network("mobilenetv2"), random_arrays(6)
    exact, tool = layer_table(layers, arrays), layer_table(layers, arrays, compat="scalesim")
    changed = {name for name in exact if not np.array_equal(exact[name], tool[name])}
    assert changed == {
        "cycles", "compute_cycles", "stall_cycles", "latency_ms", "ifmap_sram_reads",
        "filter_sram_reads", "ofmap_sram_writes",
        "compute_util_pct", "overall_util_pct",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 0}, r"SystolicArrays.rows\[0\] must be an integer in \[1, 4096\]; got 0"),
        ({"cols": [8, 9.5]}, r"cols\[1\] must be an integer in \[1, 4096\]; got 9.5"),
        ({"dataflow": 3}, r"dataflow\[0\] must be 0, 1 or 2, .*'os', 'ws', 'is'.*; got 3"),
        ({"word_bytes": 3}, r"word_bytes\[0\] must be one of \(1, 2, 4\); got 3"),
        ({"ifmap_kb": np.nan}, r"ifmap_kb\[0\] must be in \[0.5, 65536\]; got nan"),
        ({"dram_gbps": [4, -1]}, r"dram_gbps\[1\] must be in \[0.01, 65536\]; got -1"),
        ({"rows": [8, 8], "cols": [8, 8, 8]}, r"rows must be a scalar or have shape \(3,\)"),
    ],
)
def test_rejects(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        accelerators(**change)


def test_rejects_a_network_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"network must lie in \[0, 0\]; got 1 to 1"):
        network_totals(Workloads.of(network("alexnet")), accelerators(), 1)


def test_importing_the_model_does_not_import_numba() -> None:
    code = "import sys, codesign_gym.cost_models.analytical.systolic; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_dataflow_codes() -> None:
    assert DATAFLOWS == ("os", "ws", "is")


@pytest.mark.parametrize("compat", [None, "scalesim"])
def test_pooling_and_elementwise_layers_are_free(compat: Literal["scalesim"] | None) -> None:
    busy = Layers.concat(conv("a", c=8, k=8, h=12, r=3), matmul("b", 16, 8, 16))
    idle = Layers.concat(pool("p", c=8, h=10, r=2, stride=2), elementwise("e", c=8, h=5))
    arrays = accelerators(dataflow=[OS, WS, IS])
    mixed = layer_table(Layers.concat(idle, busy).take([2, 0, 3, 1]), arrays, compat=compat)
    alone = layer_table(busy, arrays, compat=compat)
    for name, column in mixed.items():
        assert column.dtype == alone[name].dtype
        assert (column[:, [0, 2]] == alone[name]).all()
        assert (column[:, [1, 3]] == 0).all()


def test_networks_cost_the_same_with_their_pools_and_sums() -> None:
    bare = network("resnet18")
    full = Layers.concat(bare, pool("p", c=64, h=112, r=3, stride=2, pad=1))
    workloads = Workloads.of(bare, full, pool("p", c=64, h=112, r=3))
    arrays = accelerators(dataflow=[OS, OS, OS])
    for name, column in network_totals(workloads, arrays, [0, 1, 2]).items():
        assert column[0] == pytest.approx(column[1], rel=1e-12), name
        assert column[2] == 0


def test_products_of_activations_cost_what_those_with_weights_do() -> None:
    arrays = accelerators(dataflow=[OS, WS, IS])
    weighted = layer_table(gemm("g", 128, 64, 96), arrays)
    for name, column in layer_table(matmul("g", 128, 64, 96), arrays).items():
        assert (column == weighted[name]).all(), name
