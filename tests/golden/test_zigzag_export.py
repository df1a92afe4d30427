"""Designs exported to ZigZag and run there: its cycles and energy beside the dataflow model's.

ZigZag 3.9.1 ran on the files that `zigzag_files` gives with the templates' own mappings, loops in
the order given. It fills its memories as it sees fit, so that traffic to the shared buffer, and of
single layers to DRAM, is its own. Its energy has no networks and nothing per cycle; those parts are
left out here, too.
"""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.cost_models.analytical.dataflow import SpatialAccelerators, evaluate
from codesign_gym.cost_models.analytical.zigzag_export import zigzag_files
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.networks import network
from tests.yaml_shape import read_yaml

# Template: rows, columns, register bytes, buffer in KiB, bytes per cycle of a network, GB/s.
CHIPS = {
    "nvdla": (16, 16, 256, 128, 32, 16),
    "tpu": (32, 16, 64, 256, 32, 16),
    "shidiannao": (14, 14, 128, 128, 32, 16),
    "eyeriss": (12, 14, 512, 128, 32, 16),
    "free": (16, 16, 128, 256, 64, 32),
}
LAYERS = {
    "resnet18": ("conv1", "layer2.0.conv1", "layer4.0.conv2"),
    "mobilenetv2": ("b1.dw", "b3.expand"),
}
MACS = (118013952, 57802752, 115605504, 3612672, 10838016)
"""ZigZag's `total_mac_count` of each layer, for every template."""

ZIGZAG = {
    "nvdla": [
        (2486105, 567.3), (242354, 250.86), (519270, 933.66), (4015657, 217.44), (66885, 153.45),
    ],
    "tpu": [
        (382739, 425.22), (135818, 217.98), (304248, 803.86), (804385, 221.67), (46082, 144.33),
    ],
    "shidiannao": [
        (607759, 537.77), (349960, 284.64), (2381570, 836.27), (130660, 214.85), (57802, 149.35),
    ],
    "eyeriss": [
        (1637999, 633.52), (348540, 297.26), (691681, 1062.16), (50430, 205.88), (67801, 161.5),
    ],
    "free": [
        (728476, 528.28), (236917, 232.6), (481580, 880.78), (31373, 209.84), (67638, 148.55),
    ],
}  # fmt: skip
"""Cycles (`latency_total2`) and uJ (`energy_total`) of each layer."""


def layers() -> Layers:
    nets = {name: network(name) for name in LAYERS}
    rows = [nets[n].take([nets[n].name.index(x) for x in names]) for n, names in LAYERS.items()]
    return Layers.concat(*rows)


@pytest.mark.parametrize("template", CHIPS)
def test_multiply_accumulates_are_equal(template: str) -> None:
    files = zigzag_files(layers(), SpatialAccelerators(template, *CHIPS[template]), "template")
    told = read_yaml(files["workload.yaml"])
    assert tuple(int(np.prod(layer["loop_sizes"])) for layer in told) == MACS
    assert tuple(layers().macs.tolist()) == MACS


def test_cycles_and_energy() -> None:
    """Half of the layers within 5 % of its energy and 11 % of its cycles."""
    energy, cycles = [], []
    for template, chip in CHIPS.items():
        table = evaluate(layers(), SpatialAccelerators(template, *chip), "template")
        parts = [table[f"{part}_energy_pj"][0] for part in ("mac", "register", "l2", "dram")]
        theirs = np.array(ZIGZAG[template])
        energy.extend((np.sum(parts, axis=0) / 1e6 / theirs[:, 1] - 1).tolist())
        cycles.extend((table["cycles"][0] / theirs[:, 0] - 1).tolist())
    assert np.median(np.abs(energy)) <= 0.05
    assert np.max(np.abs(energy)) <= 0.45
    assert np.median(np.abs(cycles)) <= 0.11
    assert np.mean(np.abs(cycles)) <= 0.15
