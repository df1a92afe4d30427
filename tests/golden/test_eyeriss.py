"""Eyeriss v1 silicon: the model with its own mappings against what the chip was measured to do.

The model gets the chip's published figures (`spatial_presets.eyeriss_v1`) and the layers; it
chooses the mappings itself, and nothing is set per layer or per network.
"""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.cost_models.analytical.dataflow import evaluate
from codesign_gym.cost_models.analytical.spatial_presets import eyeriss_v1
from codesign_gym.cost_models.workloads.networks import network
from tests.reference import reference_rows

Table = dict[str, np.ndarray]
# Convolutions only, the batch of the paper, and published DRAM accesses (16 bit) per MAC.
CASES = {"alexnet": (4, 5, 0.0029), "vgg16": (3, 13, 0.0035)}


def silicon(net: str) -> tuple[Table, Table]:
    """The model's row of every convolution, and the chip's."""
    batch, convolutions, _ = CASES[net]
    chip, energies = eyeriss_v1()
    table = evaluate(network(net, batch).take(range(convolutions)), chip, energies=energies)
    assert table["valid"].all()
    rows = [
        row
        for row in reference_rows("accelerators/eyeriss_v1_silicon.csv")
        if row["net"] == net and row["layer"] != "TOTAL"
    ]
    columns = ("power_mW", "processing_latency_ms", "macs_G", "active_pes", "glb_access_MB")
    measured = {name: np.array([float(row[name]) for row in rows]) for name in columns}
    return {name: column[0] for name, column in table.items()}, measured


def power_mw(table: Table) -> np.ndarray:
    """On-chip power: DRAM is another chip."""
    return (table["energy_pj"] - table["dram_energy_pj"]) / table["latency_ms"] / 1e6


def test_alexnet_latency() -> None:
    """Better than MAESTRO's 4.2 % with mappings tuned by hand per layer; no layer off by 8 %."""
    table, measured = silicon("alexnet")
    error = table["latency_ms"] / measured["processing_latency_ms"] - 1
    assert np.abs(error).mean() < 0.042
    assert np.abs(error).max() < 0.08
    total = table["latency_ms"].sum() / measured["processing_latency_ms"].sum() - 1
    assert abs(total) < 0.04


def test_alexnet_macs_and_active_pes() -> None:
    table, measured = silicon("alexnet")
    assert table["macs"] / 1e9 == pytest.approx(measured["macs_G"], abs=0.006)
    assert table["active_pes"] == pytest.approx(measured["active_pes"], rel=0.04)


def test_alexnet_power() -> None:
    table, measured = silicon("alexnet")
    ratio = power_mw(table) / measured["power_mW"]
    assert ratio.min() > 0.6
    assert ratio.max() < 1.1


def test_vgg16_where_the_chip_computes() -> None:
    """Power of every layer but the first, and latency of the layers that wait for PEs, conv5.

    Elsewhere the chip waits for partial sums: it keeps one channel per PE and moves every sum once
    per channel, 616 M words each way in conv1_2 over a network of four words per cycle. The model
    finds mappings with four channels per PE, which need a quarter of that.

    The first layer is at 51 % because its power barely follows the work: 247 mW at 20 % of the PEs'
    cycles (the model: 125 mW at 37 %), where layers of 79 % take 240 to 278 mW. What the chip
    spends beside its operations is more than the 30 mW that the model has, and what it saves on
    operands that are zero (all but the first layer's inputs have many) is not in the model either;
    neither figure is in the published table, and one of both fitted to it would be a tuned one.
    """
    table, measured = silicon("vgg16")
    error = table["latency_ms"] / measured["processing_latency_ms"] - 1
    assert np.abs(error[10:]).max() < 0.05
    assert (error[:10] < 0).all()
    ratio = power_mw(table) / measured["power_mW"]
    assert ratio[1:].min() > 0.6
    assert ratio[1:].max() < 1.15


@pytest.mark.parametrize("net", CASES)
def test_dram_accesses_per_mac(net: str) -> None:
    """Within 20 % of the paper's, which counts compressed activations, as the preset does."""
    table, _ = silicon(net)
    per_mac = table["dram_bytes"].sum() / 2 / table["macs"].sum()
    assert per_mac == pytest.approx(CASES[net][2], rel=0.2)
