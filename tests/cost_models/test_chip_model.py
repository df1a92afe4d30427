"""Heterogeneous chips: schedules against the dataflow model, and a few designs by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from codesign_gym.cost_models.analytical.chip_model import BUFFER_KB, REGISTER_BYTES, ChipModel
from codesign_gym.cost_models.analytical.dataflow import SpatialAccelerators, area_mm2, evaluate
from codesign_gym.cost_models.workloads.constructors import conv1d, linear
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.spaces import all_networks
from codesign_gym.search_spaces import InputError, cell_network, heterogeneous_accelerator

CELLS = {
    "a": (cell_network(), all_networks(cell_network())),
    "b": (cell_network(), all_networks(cell_network())),
}
TWO = [
    Layers.concat(conv1d("x", k=16, c=1, s=3, w=40, pad=1), linear("y", 16, 10)),
    Layers.concat(conv1d("z", k=32, c=32, s=3, w=20, pad=1, repeat=3)),
]
CHIP = {"pes": 1024, "sub1_pe_share": 32, "sub1_dataflow": "nvdla"}
CHIP |= {"sub2_dataflow": "eyeriss", "noc_bandwidth": 64, "sub1_bandwidth_share": 2}


def by_hand(template: str, side: tuple[int, int], gbps: int, layers: Layers) -> NDArray[np.float64]:
    """Cycles and energies (uJ) of layers, repetitions one by one, ``[2, layers]``."""
    chip = SpatialAccelerators(template, *side, REGISTER_BYTES, BUFFER_KB, gbps, gbps)
    table = evaluate(layers, chip)
    both = np.stack([table["cycles"][0], table["energy_pj"][0] / 1e6])
    return np.repeat(both, layers.repeat, axis=1)


def test_single_accelerator_runs_everything_in_turn() -> None:
    model = ChipModel(TWO)
    design = model.space.encode([CHIP | {"sub1_pe_share": 64}])
    found = model.evaluate(design)
    table = by_hand("nvdla", (32, 32), 64, Layers.concat(*TWO))
    assert found["latency_ms"][0] == pytest.approx(table[0].sum() / 1e6)
    assert found["energy_uj"][0] == pytest.approx(table[1].sum())
    one = SpatialAccelerators("nvdla", 32, 32, REGISTER_BYTES, BUFFER_KB)
    assert found["area_mm2"][0] == pytest.approx(area_mm2(one)[0])


def test_two_accelerators_by_hand() -> None:
    design = heterogeneous_accelerator().encode([CHIP])
    layers = Layers.concat(*TWO)
    tables = [
        by_hand("nvdla", (16, 32), 16, layers), by_hand("eyeriss", (16, 32), 48, layers)
    ]  # fmt: skip
    loose = ChipModel(TWO, latency_ms=1e3).evaluate(design)
    assert loose["energy_uj"][0] == pytest.approx(np.minimum(*tables)[1].sum())
    tight = ChipModel(TWO).evaluate(design)
    rows = ChipModel(TWO).explain(design)
    assert [row["layer"] for row in rows] == ["x", "y", "z", "z", "z"]
    assert [row["task"] for row in rows] == ["network1"] * 2 + ["network2"] * 3
    ends = 0.0
    for i, row in enumerate(rows):
        on = 0 if row["on"] == "sub1 (nvdla)" else 1
        assert row["cycles"] == tables[on][0, i]
        ends = max(ends, float(row["start"]) + float(row["cycles"]))
    assert tight["latency_ms"][0] == pytest.approx(ends / 1e6)
    assert tight["latency_ms"][0] <= loose["latency_ms"][0]
    assert tight["energy_uj"][0] >= loose["energy_uj"][0]
    assert sum(float(row["energy_pct"]) for row in rows) == pytest.approx(100)


def test_chosen_networks_are_those_of_the_design() -> None:
    model = ChipModel(CELLS)
    assert list(model.space.groups) == ["a", "b", "accelerator"]
    rng = np.random.default_rng(0)
    loads = all_networks(cell_network())
    for design in model.space.sample(20, rng)[:, None]:
        networks = [cell_network().ravel(design[:, 5 * i : 5 * i + 5])[0] for i in range(2)]
        tables = []
        for network in networks:
            entries = slice(loads.indptr[network], loads.indptr[network + 1])
            rows = np.repeat(loads.indices[entries], loads.counts[entries])
            tables.append(loads.layers.take(rows))
        fixed = ChipModel(tables).evaluate(design[:, 10:])
        chosen = model.evaluate(design)
        assert np.array_equal(fixed.values_matrix, chosen.values_matrix)


def test_latency_limit_trades_time_for_energy() -> None:
    designs = ChipModel(CELLS).space.sample(200, 0)
    limits = (None, 0.0005, 0.002, 1.0)
    found = [ChipModel(CELLS, latency_ms=limit).evaluate(designs) for limit in limits]
    least = found[0]["latency_ms"]
    for limit, metrics in zip(limits[1:], found[1:], strict=True):
        assert limit is not None
        kept = least <= limit
        assert np.all(metrics["latency_ms"][kept] <= limit * (1 + 1e-9))
        assert metrics["latency_ms"][~kept] == pytest.approx(least[~kept])
    for tighter, looser in pairwise(found):
        assert np.all(looser["energy_uj"] <= tighter["energy_uj"] * (1 + 1e-9))


@pytest.mark.parametrize("dataflow", ["nvdla", "shidiannao", "eyeriss"])
def test_a_layer_that_fits_nowhere_makes_the_design_invalid(dataflow: str) -> None:
    chip = CHIP | {"sub1_dataflow": dataflow, "sub2_dataflow": dataflow}
    for taps, fits in ((20_000, True), (70_000, False)):  # a window of bytes in buffers of 64 KiB
        model = ChipModel([conv1d("huge", k=1, c=1, s=taps, w=taps)])
        design = model.space.encode([chip])
        metrics = model.evaluate(design)
        assert metrics.valid.tolist() == [fits]
        assert bool(model.explain(design)) == fits
        assert ("fits on no sub-accelerator" in metrics.reason(0)) != fits


def test_a_smaller_chip_by_hand() -> None:
    model = ChipModel(TWO, tile_pes=4, buffer_kb=8)
    pair = {"pes": 128, "sub1_pe_share": 32, "sub2_dataflow": "nvdla"}
    design = model.space.encode([CHIP | pair])
    alone = model.space.encode([CHIP | pair | {"sub1_pe_share": 64}])
    sides = [SpatialAccelerators("nvdla", 8, cols, REGISTER_BYTES, 8) for cols in (8, 16)]
    areas = [area_mm2(side)[0] for side in sides]
    assert model.evaluate(design)["area_mm2"][0] == pytest.approx(2 * areas[0])
    assert model.evaluate(alone)["area_mm2"][0] == pytest.approx(areas[1])
    chip = SpatialAccelerators("nvdla", 8, 16, REGISTER_BYTES, 8, 64, 64)
    table = evaluate(Layers.concat(*TWO), chip)
    expected = np.repeat(table["energy_pj"][0], Layers.concat(*TWO).repeat).sum() / 1e6
    assert model.evaluate(alone)["energy_uj"][0] == pytest.approx(expected)


def test_faulty_input() -> None:
    with pytest.raises(InputError, match="buffer_kb must be above 0"):
        ChipModel(TWO, buffer_kb=0)
    with pytest.raises(InputError, match=r"tile_pes must be an integer in 1..64, got 65"):
        ChipModel(TWO, tile_pes=65)
    with pytest.raises(InputError, match="at least one network"):
        ChipModel([])
    with pytest.raises(InputError, match="latency_ms must be above 0"):
        ChipModel(TWO, latency_ms=0.0)
    with pytest.raises(InputError, match="has 1125 networks, its workloads"):
        ChipModel({"a": (cell_network(), ChipModel(TWO)._singles)})
