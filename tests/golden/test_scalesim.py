"""SCALE-Sim 3.0.0: the model equals the tool, to the last digit it prints.

The reference has square arrays only, which cannot tell `rows` from `cols`; the cases by hand below
are not square and follow the tool's source (scalesim/compute/systolic_compute_{os,ws,is}.py).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from codesign_gym.cost_models.analytical.systolic import DATAFLOWS, SystolicArrays, layer_table
from codesign_gym.cost_models.workloads.constructors import gemm
from codesign_gym.cost_models.workloads.networks import network
from tests.reference import reference_rows

Table = dict[str, np.ndarray]

# SCALE-Sim 3.0.0's own reports, run on files that `scalesim_files` gave: rows, columns, dataflow,
# (M, K, N); total cycles, SRAM reads of inputs and filters, writes of outputs; overall, mapping and
# compute utilisation in %. Of 168 random layers run in the same way, all were equal.
REPORTS = [
    (
        3,
        11,
        "os",
        (29, 40, 17),
        (1039, 2320, 6800, 773),
        (57.514509873, 74.696969697, 57.459207459),
    ),
    (16, 4, "os", (50, 7, 33), (899, 3150, 924, 2370), (20.074388209, 71.614583333, 20.052083333)),
    (
        3,
        11,
        "ws",
        (29, 40, 17),
        (1231, 2320, 680, 6902),
        (48.543928316, 73.593073593, 39.522206189),
    ),
    (16, 4, "ws", (50, 7, 33), (755, 3150, 231, 1650), (23.903145695, 40.104166667, 23.048371648)),
    (
        3,
        11,
        "is",
        (29, 40, 17),
        (1343, 1160, 2040, 6902),
        (44.495588799, 83.694083694, 33.876176733),
    ),
    (16, 4, "is", (50, 7, 33), (870, 350, 3003, 1650), (20.743534483, 42.067307692, 19.831730769)),
]


# GEMM [4, 6] @ [6, 5] on 2 rows x 3 columns (120 MACs, 6 PEs): last cycle, ofmap writes, and the
# cycles for which the tool takes a fold in its compute utilisation.
@pytest.mark.parametrize(
    ("dataflow", "last_cycle", "writes", "folds", "cycles_in_utilisation"),
    [
        ("os", 4 * 9 - 1, 20 + 4 * (2 + 3), 4, 9),
        ("ws", 6 * 9 - 1, 20 * 3, 6, (2 + (2 + 3 + 4 - 2)) + 3 - 1),
        ("is", 6 * 10 - 1, 20 * 3, 6, (2 + (2 + 3 + 5 - 2)) + 3 - 1),
    ],
)
def test_defects_by_hand(
    dataflow: str, last_cycle: int, writes: int, folds: int, cycles_in_utilisation: int
) -> None:
    table = layer_table(gemm("g", 4, 6, 5), arrays(dataflow, 2, 3), compat="scalesim")
    assert table["compute_cycles"].item() == last_cycle
    assert table["ofmap_sram_writes"].item() == writes
    utilisation = 100 * 120 / (6 * folds * cycles_in_utilisation)
    assert table["compute_util_pct"].item() == pytest.approx(utilisation)
    assert table["overall_util_pct"].item() == pytest.approx(100 * 120 / (6 * last_cycle))


def arrays(dataflow: str, rows: int, cols: int) -> SystolicArrays:
    """The accelerator of the full runs: 256 KiB per SRAM, words of one byte."""
    return SystolicArrays(
        rows=np.array(rows),
        cols=np.array(cols),
        dataflow=np.array(DATAFLOWS.index(dataflow), dtype=np.int8),
        ifmap_kb=np.array(256.0),
        filter_kb=np.array(256.0),
        ofmap_kb=np.array(256.0),
        dram_gbps=np.array(16.0),
        word_bytes=np.array(1),
    )


@cache
def tables(name: str, dataflow: str, rows: int, cols: int) -> tuple[Table, Table]:
    """A network's layers as the model has them and as the tool reports them, columns `[1, l]`."""
    accelerator = arrays(dataflow, rows, cols)
    layers = network(name)
    return layer_table(layers, accelerator), layer_table(layers, accelerator, compat="scalesim")


def test_every_layer_of_the_reference() -> None:
    """2,550 rows, every column; percentages to the six decimals they are written with."""
    mismatches = []
    for row in reference_rows("accelerators/scalesim_layers.csv.gz"):
        exact, tool = tables(
            row["net"], row["dataflow"], int(row["array_rows"]), int(row["array_cols"])
        )
        at = (0, int(row["layer_idx"]))
        got = {
            "macs_total": exact["macs"][at],
            "folds": exact["folds"][at],
            "cycles_per_fold": exact["cycles_per_fold"][at],
            "cycles_all_groups": exact["compute_cycles"][at],
            "tool_total_cycles_per_group": tool["cycles"][at],
            # The reference counts SRAM accesses of one group, as a run of the tool does.
            "ifmap_sram_reads": tool["ifmap_sram_reads"][at],
            "filter_sram_reads": tool["filter_sram_reads"][at],
            "ofmap_sram_writes": exact["ofmap_sram_writes"][at] // int(row["groups"]),
            "ofmap_sram_writes_tool": tool["ofmap_sram_writes"][at],
        }
        got |= {
            column: round(tool[column][at], 6)
            for column in ("mapping_eff_pct", "compute_util_pct", "overall_util_pct")
        }
        mismatches += [
            (row, column) for column, value in got.items() if float(row[column]) != value
        ]
    assert not mismatches, f"{len(mismatches)} mismatches, the first: {mismatches[0]}"


def test_every_full_run_of_the_reference() -> None:
    """68 runs with DRAM: compute to the last bit, filter traffic exactly, all reads never more.

    Input traffic is not compared alone: the tool does not choose between loop orders and refetches
    inputs that the model takes a line buffer to keep.
    """
    for row in reference_rows("accelerators/scalesim_full_128x128.csv"):
        exact, tool = tables(row["net"], row["df"], 128, 128)
        at = (0, network(row["net"]).name.index(row["layer"]))
        assert tool["compute_cycles"][at] == int(row["total_cycles"])
        assert tool["ifmap_sram_reads"][at] == int(row["ifmap_reads"])
        assert tool["filter_sram_reads"][at] == int(row["filter_reads"])
        assert tool["ofmap_sram_writes"][at] == int(row["ofmap_writes"])
        for ours, theirs in (
            ("overall_util_pct", "overall_util"),
            ("mapping_eff_pct", "mapping_eff"),
            ("compute_util_pct", "compute_util"),
        ):
            assert tool[ours][at] == pytest.approx(float(row[theirs]), rel=1e-12)
        assert exact["dram_filter_bytes"][at] == int(row["dram_filter_reads"])
        fetched = exact["dram_ifmap_bytes"][at] + exact["dram_filter_bytes"][at]
        assert fetched <= int(row["dram_ifmap_reads"]) + int(row["dram_filter_reads"])


@pytest.mark.parametrize(("rows", "cols", "dataflow", "shape", "counts", "percent"), REPORTS)
def test_arrays_that_are_not_square(
    rows: int,
    cols: int,
    dataflow: str,
    shape: tuple[int, int, int],
    counts: tuple[int, ...],
    percent: tuple[float, ...],
) -> None:
    table = layer_table(gemm("g", *shape), arrays(dataflow, rows, cols), compat="scalesim")
    columns = ("cycles", "ifmap_sram_reads", "filter_sram_reads", "ofmap_sram_writes")
    assert tuple(table[column].item() for column in columns) == counts
    shares = ("overall_util_pct", "mapping_eff_pct", "compute_util_pct")
    assert [table[column].item() for column in shares] == pytest.approx(percent, abs=1e-8)
