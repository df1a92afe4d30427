"""Walking the trees of a forest, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]


@njit(cache=True, nogil=True)
def predict(
    features: NDArray[np.float32],
    roots: NDArray[np.int32],
    feature: NDArray[np.int32],
    threshold: NDArray[np.float32],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    value: NDArray[np.float32],
) -> tuple[Float, Float]:
    """Mean of the trees' predictions and of their squares, each ``[n, k]``.

    Tree after tree, since the nodes of one tree fit the cache and those of all do not.
    """
    n, k = len(features), value.shape[1]
    mean = np.zeros((n, k))
    square = np.zeros((n, k))
    for root in roots:
        for i in range(n):
            node = root
            while feature[node] >= 0:
                below = features[i, feature[node]] <= threshold[node]
                node = left[node] if below else right[node]
            for j in range(k):
                leaf = np.float64(value[node, j])
                mean[i, j] += leaf
                square[i, j] += leaf * leaf
    return mean / len(roots), square / len(roots)
