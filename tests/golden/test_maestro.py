"""MAESTRO 4eb08d1: the model equals the tool, to the last digit it prints.

The reference has no yxp_os layer of stride 2, where the tool over-counts; the cases by hand in
tests/cost_models/test_maestro.py follow its source.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import pytest
from scipy.stats import kendalltau

from codesign_gym.cost_models.analytical.maestro import (
    TEMPLATES,
    MaestroAccelerators,
    layer_table,
)
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.networks import network
from tests.reference import reference_rows

Row = dict[str, str]
EXACT = {
    "runtime_cycles": "runtime_cycles",
    "num_macs": "num_macs_tool",
    "l1_accesses": "l1_accesses",
    "l2_accesses": "l2_accesses",
    "l1_required_bytes": "l1_req_bytes",
    "l2_required_bytes": "l2_req_bytes",
}
SIX_DIGITS = {"utilised_pes": "avg_utilized_pes", "area_um2": "area_um2"}
PES, BANDWIDTHS = (64, 168, 256, 1024), (16, 64, 256)
GRID = tuple(product(TEMPLATES, PES, BANDWIDTHS))


@cache
def rows() -> list[Row]:
    """The table, read once."""
    return reference_rows("accelerators/maestro_layers.csv.gz")


def accelerators() -> MaestroAccelerators:
    """The 36 accelerators of the reference."""
    template, num_pes, bandwidth = zip(*GRID, strict=True)
    return MaestroAccelerators(np.array(template), np.array(num_pes), np.array(bandwidth))


def accelerator_of(row: Row) -> int:
    """Which of them a row is about."""
    return GRID.index((row["config_dataflow"], int(row["num_pes"]), int(row["noc_bw"])))


@cache
def of_network(name: str) -> tuple[Layers, dict[str, np.ndarray]]:
    """A network and its costs `[36, l]`."""
    layers = network(name)
    return layers, layer_table(layers, accelerators())


def mismatches(row: Row, got: dict[str, float]) -> list[tuple[str, str, float]]:
    """The columns of one layer on one accelerator that are not as the tool has them."""
    wrong = [(ours, row[theirs], got[ours]) for ours, theirs in EXACT.items()
             if got[ours] != float(row[theirs])]  # fmt: skip
    wrong += [(ours, row[theirs], got[ours]) for ours, theirs in SIX_DIGITS.items()
              if float(f"{got[ours]:.6g}") != float(row[theirs])]  # fmt: skip
    energy = got["energy_mac_units"]
    if energy != pytest.approx(float(row["energy_mac_units"]), rel=1e-12):
        wrong.append(("energy_mac_units", row["energy_mac_units"], energy))
    return wrong


def test_every_row_of_the_reference() -> None:
    """3,756 rows, every column, each layer found in our own networks by its name."""
    found = []
    for row in rows():
        layers, table = of_network(row["net"])
        at = (accelerator_of(row), layers.name.index(row["layer"]))
        got = {name: column[at].item() for name, column in table.items()}
        found += [(row, wrong) for wrong in mismatches(row, got)]
    assert len(rows()) == 3756
    assert not found, f"{len(found)} mismatches, the first: {found[0]}"


def test_every_layer_as_the_tool_was_given_it() -> None:
    """The same without our networks: layers of the padded, cropped sizes of the table itself."""
    names = ("K", "C", "R", "S", "Y", "X", "stride", "maestro_type")
    keys = sorted({tuple(row[name] for name in names) for row in rows()})
    numbers = np.array([key[:7] for key in keys], dtype=np.int64)
    depthwise = np.array([key[7] == "DSCONV" for key in keys])
    columns = dict(zip(("k", "c", "r", "s", "h", "w", "stride"), numbers.T, strict=True))
    columns["k"] = np.where(depthwise, columns["c"], columns["k"])
    columns["groups"] = np.where(depthwise, columns["c"], 1)
    table = layer_table(Layers.from_table(columns), accelerators())
    for row in rows():
        at = (accelerator_of(row), keys.index(tuple(row[name] for name in names)))
        assert not mismatches(row, {name: column[at].item() for name, column in table.items()})


@pytest.mark.parametrize("name", ["resnet50", "mobilenetv2"])
@pytest.mark.parametrize("ours", ["runtime_cycles", "energy_mac_units"])
def test_accelerators_are_ranked_as_by_the_tool(name: str, ours: str) -> None:
    """Kendall's tau over accelerators of whole networks, layers that the reference lacks apart."""
    layers, table = of_network(name)
    totals = np.zeros((2, len(GRID)))
    for row in (row for row in rows() if row["net"] == name):
        at = (accelerator_of(row), layers.name.index(row["layer"]))
        totals[:, at[0]] += float(row[ours]), table[ours][at]
    assert kendalltau(*totals).statistic == pytest.approx(1.0)
