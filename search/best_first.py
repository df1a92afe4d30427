"""Designs in the order of what a distribution over them thinks of them. Letter: ``p`` places."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def derived(
    scores: Sequence[FloatArray],
    edges: FloatArray,
    nodes: Sequence[Sequence[int]],
    nothing: int,
    inputs: int,
) -> list[FloatArray]:
    """Scores under which the best design is what PC-DARTS derives.

    No operation is chosen where another can be, and of the edges into a node only those with the
    largest product of edge weight and probability are kept.

    Args:
        scores: Log probabilities of the candidates of each place.
        edges: Weights of the edges ``[p]``.
        nodes: Places whose outputs are summed at each node.
        nothing: Index of the candidate that is no operation.
        inputs: Edges into a node that are kept; 0 keeps all.
    """
    found = [row.copy() for row in scores]
    lowest = min(float(row.min()) for row in scores) - 1.0
    span = len(scores) * (max(float(row.max()) for row in scores) - lowest)
    for row in found:
        row[nothing] = lowest - span
    for places in nodes:
        strength = [edges[place] * np.exp(found[place].max()) for place in places]
        order = np.argsort(-np.array(strength), kind="stable")
        for i in order[inputs:] if inputs else ():
            found[places[i]][nothing] = span
    return found


def best_first(scores: Sequence[FloatArray]) -> Iterator[tuple[int, ...]]:
    """All designs, those with the largest sums of scores first.

    >>> list(best_first([np.array([0.0, 2.0]), np.array([1.0, 0.0])]))
    [(1, 0), (1, 1), (0, 0), (0, 1)]
    """
    order = [np.argsort(-row, kind="stable") for row in scores]
    losses = [row[at[0]] - row[at] for row, at in zip(scores, order, strict=True)]
    heap = [(0.0, (0,) * len(scores))]
    while heap:
        loss, ranks = heapq.heappop(heap)
        yield tuple(int(at[rank]) for at, rank in zip(order, ranks, strict=True))
        # Each design is reached in one way: by raising ranks from left to right.
        last = max((i for i, rank in enumerate(ranks) if rank), default=0)
        for i in range(last, len(ranks)):
            if ranks[i] + 1 < len(order[i]):
                more = (*ranks[:i], ranks[i] + 1, *ranks[i + 1 :])
                step = float(losses[i][ranks[i] + 1] - losses[i][ranks[i]])
                heapq.heappush(heap, (loss + step, more))
