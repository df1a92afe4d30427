"""Chips of two sub-accelerators with dataflows of their own (NASAIC, arXiv 2002.04116).

NASAIC gives two sub-accelerators a dataflow, processing elements (PEs) and bandwidth each, at most
4,096 PEs and 64 GB/s together. All its published designs have multiples of 64 PEs and of 8 GB/s;
here, too, PEs come in tiles of 64 and bandwidth in lanes of 8 GB/s, 8 bytes per cycle at 1 GHz.

What is chosen is the total and the share of the first sub-accelerator, so that no choice exceeds
the chip: of T tiles it gets ``T * share / 64``, rounded, of B lanes ``B * share / 8``, rounded, but
each sub-accelerator with PEs at least one lane. Every split of every total can be said so. Where
one has no PEs, the other has the bandwidth alone: a chip with a single accelerator.

Networks that are much smaller than NASAIC's are given chips in proportion: smaller tiles, as many.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codesign_gym.search_spaces.checks import Designs
from codesign_gym.search_spaces.errors import InputError
from codesign_gym.search_spaces.parameters import Categorical, Condition, Ordinal
from codesign_gym.search_spaces.space import SearchSpace

IntArray = NDArray[np.int64]

SUB_DATAFLOWS = ("nvdla", "shidiannao", "eyeriss")
"""Dataflows of a sub-accelerator, in the order of their codes."""

TILE_PES, TILES = 64, 64
"""PEs of a tile unless told otherwise, and tiles of the largest chip."""

LANE_GBPS, LANES = 8, 8
"""GB/s of a lane, and lanes of the largest chip."""


class SubAccelerators(NamedTuple):
    """What the two sub-accelerators of ``n`` chips have; one without tiles is not there.

    Attributes:
        dataflow: Index into `SUB_DATAFLOWS`, ``[n, 2]``.
        tiles: Tiles of PEs, ``[n, 2]``, 0 to 64.
        lanes: Lanes of 8 GB/s, ``[n, 2]``, 1 to 8; 0 where there are no tiles.
    """

    dataflow: IntArray
    tiles: IntArray
    lanes: IntArray


def heterogeneous_accelerator(tile_pes: int = TILE_PES) -> SearchSpace:
    """Chips of two sub-accelerators, group ``accelerator``.

    Args:
        tile_pes: PEs of a tile, 1 to 64; the largest chip has 64 tiles.

    >>> heterogeneous_accelerator().size
    1834560
    """
    if not (isinstance(tile_pes, int) and 1 <= tile_pes <= TILE_PES):
        raise InputError(f"tile_pes must be an integer in 1..{TILE_PES}, got {tile_pes!r}")
    tiles = range(1, TILES + 1)
    g = "accelerator"
    first = Condition("sub1_pe_share", tuple(range(1, TILES + 1)))
    second = Condition("sub1_pe_share", tuple(range(TILES)))
    return SearchSpace(
        "heterogeneous-accelerator",
        (
            Ordinal("pes", tuple(tile_pes * t for t in tiles), unit="PEs", group=g),
            Ordinal("sub1_pe_share", tuple(range(TILES + 1)), unit="/64", group=g),
            Categorical("sub1_dataflow", SUB_DATAFLOWS, group=g, active_when=(first,)),
            Categorical("sub2_dataflow", SUB_DATAFLOWS, group=g, active_when=(second,)),
            Ordinal(
                "noc_bandwidth",
                tuple(LANE_GBPS * lanes for lanes in range(2, LANES + 1)),
                unit="GB/s",
                group=g,
            ),
            Ordinal(
                "sub1_bandwidth_share",
                tuple(range(1, LANES)),
                unit="/8",
                group=g,
                active_when=(first, second),
            ),
        ),
    )


def sub_accelerators(designs: Designs) -> SubAccelerators:
    """What the sub-accelerators of heterogeneous accelerators ``[n, 6]`` have.

    NASAIC's best chip for its workload W1, (dla, 576, 56) + (shi, 1792, 8):

    >>> space = heterogeneous_accelerator()
    >>> chip = {"pes": 2368, "sub1_pe_share": 16, "sub1_dataflow": "nvdla"}
    >>> chip |= {"sub2_dataflow": "shidiannao", "noc_bandwidth": 64, "sub1_bandwidth_share": 7}
    >>> subs = sub_accelerators(space.encode([chip]))
    >>> (subs.tiles * TILE_PES).tolist(), (subs.lanes * LANE_GBPS).tolist()
    ([[576, 1792]], [[56, 8]])
    """
    columns = designs.astype(np.int64).T
    total, share, bandwidth = columns[0] + 1, columns[1], columns[4] + 2
    tiles = (2 * total * share + TILES) // (2 * TILES)
    lanes = (2 * bandwidth * (columns[5] + 1) + LANES) // (2 * LANES)
    lanes = np.clip(lanes, 1, bandwidth - 1)
    lanes = np.where(tiles == 0, 0, np.where(tiles == total, bandwidth, lanes))
    return SubAccelerators(
        dataflow=np.stack([columns[2], columns[3]], axis=1),
        tiles=np.stack([tiles, total - tiles], axis=1),
        lanes=np.stack([lanes, bandwidth - lanes], axis=1),
    )


def grid_of(pes: int) -> tuple[int, int]:
    """Rows and columns of the most nearly square array of exactly so many PEs, rows <= columns.

    Of a whole number of tiles of 64, columns are at most twice the rows.

    >>> grid_of(576), grid_of(1792), grid_of(2368)
    ((24, 24), (32, 56), (37, 64))
    """
    rows = next(r for r in range(int(pes**0.5), 0, -1) if pes % r == 0)
    return rows, pes // rows
