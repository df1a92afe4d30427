"""Chips of two sub-accelerators: what a choice stands for, and that every choice is a chip."""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.search_spaces import cell_network, heterogeneous_accelerator, in_group
from codesign_gym.search_spaces.hardware.heterogeneous import (
    LANES,
    SUB_DATAFLOWS,
    TILES,
    grid_of,
    sub_accelerators,
)

SPACE = heterogeneous_accelerator()

# The designs of NASAIC's table I (arXiv 2002.04116): (dataflow, PEs, GB/s) of both.
PUBLISHED = [
    (("nvdla", 2112, 48), ("shidiannao", 1984, 16)),
    (("nvdla", 1088, 24), ("shidiannao", 2368, 40)),
    (("nvdla", 576, 56), ("shidiannao", 1792, 8)),
]


def test_every_choice_is_a_chip() -> None:
    subs = sub_accelerators(SPACE.sample(20_000, 0))
    assert subs.tiles.sum(axis=1).max() == TILES
    assert subs.tiles.sum(axis=1).min() == 1
    assert subs.lanes.sum(axis=1).max() == LANES
    assert subs.tiles.min() == subs.lanes.min() == 0
    assert np.array_equal(subs.tiles > 0, subs.lanes > 0)
    alone = (subs.tiles == 0).any(axis=1)
    assert 0 < alone.mean() < 0.1


def test_every_split_of_every_total_can_be_said() -> None:
    total, share = np.meshgrid(np.arange(TILES), np.arange(TILES + 1), indexing="ij")
    designs = np.zeros((total.size, len(SPACE)), dtype=np.int32)
    designs[:, 0], designs[:, 1] = total.ravel(), share.ravel()
    tiles = sub_accelerators(designs).tiles
    assert len({tuple(row) for row in tiles.tolist()}) == sum(t + 1 for t in range(1, TILES + 1))


@pytest.mark.parametrize("chip", PUBLISHED)
def test_the_published_designs_are_in_the_space(
    chip: tuple[tuple[str, int, int], tuple[str, int, int]],
) -> None:
    (flow1, pes1, gbps1), (flow2, pes2, gbps2) = chip
    pes, gbps = pes1 + pes2, gbps1 + gbps2
    row = {"pes": pes, "sub1_pe_share": round(64 * pes1 / pes), "sub1_dataflow": flow1}
    row |= {"sub2_dataflow": flow2, "noc_bandwidth": gbps}
    subs = sub_accelerators(SPACE.encode([row | {"sub1_bandwidth_share": round(8 * gbps1 / gbps)}]))
    assert [SUB_DATAFLOWS[i] for i in subs.dataflow[0]] == [flow1, flow2]
    assert (subs.tiles[0] * 64).tolist() == [pes1, pes2]
    assert (subs.lanes[0] * 8).tolist() == [gbps1, gbps2]


def test_grids_lose_no_pe_and_are_nearly_square() -> None:
    for tiles in range(1, TILES + 1):
        rows, cols = grid_of(64 * tiles)
        assert rows * cols == 64 * tiles
        assert rows <= cols <= 2 * rows


def test_in_group_keeps_conditions() -> None:
    moved = in_group(SPACE, "chip")
    designs = SPACE.sample(100, 1)
    assert np.array_equal(moved.active(designs), SPACE.active(designs))
    assert (moved * in_group(SPACE, "other") * cell_network()).groups.keys() == {
        "chip", "other", "network",
    }  # fmt: skip
