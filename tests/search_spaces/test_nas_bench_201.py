"""Cells of NAS-Bench-201: their strings, what is dead in them, and which are the same."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codesign_gym.search_spaces import CellSpace, InputError, make_space
from codesign_gym.search_spaces.networks.nas_bench_201 import EDGES, ENDS

SPACE = make_space("nas-bench-201")
assert isinstance(SPACE, CellSpace)
CELLS: CellSpace = SPACE
GRID = CELLS.enumerate()
CELL = st.lists(st.integers(0, 4), min_size=6, max_size=6)

PUBLISHED = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|"
    "skip_connect~2|"
)
"""As the paper's interface prints a cell."""


def test_a_published_string() -> None:
    [row] = CELLS.from_arch_string([PUBLISHED])
    assert dict(zip(EDGES, row.tolist(), strict=True)) == {
        "e01": 3, "e02": 3, "e12": 4, "e03": 1, "e13": 3, "e23": 1,
    }  # fmt: skip


def test_strings_round_trip() -> None:
    texts = CELLS.arch_string(GRID)
    assert len(set(texts)) == 15_625
    assert np.array_equal(CELLS.from_arch_string(texts), GRID)
    assert CELLS.from_arch_string([]).shape == (0, 6)


def test_cells_on_sequences_have_the_same_strings() -> None:
    sequences = make_space("nas-bench-201-1d", group="task1")
    assert isinstance(sequences, CellSpace)
    assert sequences.arch_string(GRID[:9]) == CELLS.arch_string(GRID[:9])
    assert sequences != CELLS


@pytest.mark.parametrize(
    ("texts", "error"),
    [
        (PUBLISHED, "must be a list, got the text"),
        ([PUBLISHED.replace("avg_pool_3x3", "avg_pool_5x5")], "did you mean 'avg_pool_3x3'"),
        ([PUBLISHED[:-1]], "an architecture string must be like"),
        ([PUBLISHED.replace("~2", "~1")], "an architecture string must be like"),
        (["nonsense"], "an architecture string must be like"),
    ],
)
def test_strings_that_are_none(texts: list[str], error: str) -> None:
    with pytest.raises(InputError, match=error):
        CELLS.from_arch_string(texts)


@given(CELL)
def test_alive_edges_are_those_on_a_path(row: list[int]) -> None:
    present = [edge for edge, op in zip(ENDS, row, strict=True) if op]
    on_a_path: set[tuple[int, int]] = set()
    for middle in product([0, 1], repeat=2):
        nodes = [0, *(node for node, used in zip((1, 2), middle, strict=True) if used), 3]
        path = list(pairwise(nodes))
        if all(edge in present for edge in path):
            on_a_path |= set(path)
    expected = [edge in on_a_path for edge in ENDS]
    designs = CELLS.check([row])
    assert CELLS.alive(designs)[0].tolist() == expected
    pruned = CELLS.pruned(designs)
    assert (pruned[0] == np.where(expected, row, 0)).all()
    assert np.array_equal(CELLS.pruned(pruned), pruned)


def test_representatives() -> None:
    first = CELLS.representatives(GRID)
    assert np.array_equal(CELLS.representatives(first), first)
    assert (CELLS.ravel(first) <= CELLS.ravel(GRID)).all()
    assert len(np.unique(first, axis=0)) == len(CELLS.distinct()) == 6466
    # A cell is connected exactly where the one that stands for it is.
    assert np.array_equal(CELLS.alive(first).any(axis=1), CELLS.alive(GRID).any(axis=1))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([0, 0, 0, 3, 0, 0], [0, 0, 0, 3, 4, 0]),  # out of a node that nothing enters
        ([0, 0, 0, 3, 0, 0], [2, 2, 4, 3, 0, 0]),  # into nodes that lead nowhere
        ([1, 0, 0, 0, 3, 0], [0, 0, 0, 3, 0, 0]),  # an identity on the way
    ],
)
def test_cells_that_are_the_same(one: list[int], other: list[int]) -> None:
    first = CELLS.representatives(CELLS.check([one, other]))
    assert first[0].tolist() == first[1].tolist()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([3, 0, 0, 0, 2, 0], [2, 0, 0, 0, 3, 0]),
        ([3, 0, 0, 0, 4, 0], [0, 3, 0, 0, 0, 4]),  # the same, by another node: not so counted
    ],
)
def test_cells_that_count_as_different(one: list[int], other: list[int]) -> None:
    first = CELLS.representatives(CELLS.check([one, other]))
    assert first[0].tolist() != first[1].tolist()
