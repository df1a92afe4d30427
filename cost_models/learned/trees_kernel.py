"""Walking the trees of an ensemble, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


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
            node = root
            while feature[node] >= 0:
                below = features[i, feature[node]] <= threshold[node]
                node = left[node] if below else right[node]
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
            node = root
            while feature[node] >= 0:
                below = features[i, feature[node]] <= threshold[node]
                node = left[node] if below else right[node]
            for j in range(k):
                out[i, j] += values[node, j]
    return out
