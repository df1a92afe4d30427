"""Walking the trees of an ensemble, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def _leaf(
    row: NDArray[np.float32],
    root: int,
    feature: NDArray[np.int32],
    threshold: NDArray[np.float32],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
) -> int:
    """Where a row ends in the tree of a root."""
    node = root
    while feature[node] >= 0:
        node = left[node] if row[feature[node]] <= threshold[node] else right[node]
    return node


@njit(cache=True, nogil=True)
def total(
    features: NDArray[np.float32],
    roots: NDArray[np.int32],
    feature: NDArray[np.int32],
    threshold: NDArray[np.float32],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    value: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Sum of the trees' predictions, ``[n]``.

    Tree after tree, since the nodes of one tree fit the cache and those of all do not.
    """
    n = len(features)
    out = np.zeros(n)
    for root in roots:
        for i in range(n):
            node = _leaf(features[i], root, feature, threshold, left, right)
            out[i] += value[node]
    return out


@njit(cache=True, nogil=True)
def totals(
    features: NDArray[np.float32],
    roots: NDArray[np.int32],
    feature: NDArray[np.int32],
    threshold: NDArray[np.float32],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    values: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Sum of the trees' predictions of ``k`` targets, ``[n, k]``; in the order of `total`."""
    n, k = len(features), values.shape[1]
    out = np.zeros((n, k))
    for root in roots:
        for i in range(n):
            node = _leaf(features[i], root, feature, threshold, left, right)
            for j in range(k):
                out[i, j] += values[node, j]
    return out
