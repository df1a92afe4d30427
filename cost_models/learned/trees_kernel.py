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
