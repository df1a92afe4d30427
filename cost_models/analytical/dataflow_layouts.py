"""Layouts and tilings for the dataflow kernel, compiled: how the array and the buffer are used.

A family is a way to lay dimensions over the array and to choose what stays in the PEs; its variants
differ in how the PEs' registers are filled (`lay_out`). A strategy says what the shared buffer
keeps, and the order in which its tiles grow (`tile`). All of it is deterministic. Letters and rows
are those of `dataflow_kernel`; arrays come with the index of the row that is meant, because views
would cost as much as the arithmetic.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codesign_gym.cost_models.analytical.dataflow_kernel import (
    EYERISS,
    INPUT,
    NVDLA,
    OUTPUT,
    SHIDIANNAO,
    TPU,
    WEIGHT,
)

FloatArray = NDArray[np.float64]

PIXELS, INPUTS = 5, 6
"""Families beside the templates: filters x pixels, channels x pixels with the inputs staying."""
VARIANTS = (6, 5, 4, 24, 0, 8, 4)
"""Variants of each family, by its number."""
# What each PE keeps several of on an nvdla and a tpu, variant by variant: columns of the mapping (8
# filters, 9 channels, 12 and 13 kernel rows and columns) in the order in which they get their room.
_KEPT = np.array(
    [
        [[13, 12, 8, 0], [0, 0, 0, 0], [9, 8, 0, 0], [13, 12, 9, 8], [8, 0, 0, 0], [13, 8, 0, 0]],
        [[0, 0, 0, 0], [8, 0, 0, 0], [9, 8, 0, 0], [9, 8, 0, 0], [13, 12, 8, 0], [0, 0, 0, 0]],
    ]
)

# Strategies: what the shared buffer keeps of weights, inputs and outputs (0: what passes through,
# 1: a tile, 2: two of them), then the order in which tiles grow (0 n, 1 k, 2 c, 3 p, 4 q).
STRATEGIES = np.array(
    [
        [0, 2, 1, 4, 1, 0, 3, 2],  # sums stay until they are complete, filters first
        [0, 2, 1, 4, 0, 1, 3, 2],  # the same, batch first
        [0, 2, 1, 4, 3, 0, 1, 2],  # the same, rows first
        [1, 2, 1, 1, 2, 4, 3, 0],  # weights stay
        [0, 1, 1, 2, 4, 3, 0, 1],  # inputs stay
        [2, 2, 1, 2, 1, 4, 3, 0],  # all channels of some filters
        [0, 1, 0, 2, 4, 3, 0, 1],  # inputs stay, outputs pass
        [1, 2, 0, 1, 2, 4, 3, 0],  # weights stay, outputs pass
        [0, 2, 0, 4, 3, 0, 1, 2],  # everything passes
    ]
)
SHARES = (1.0, 0.5)
"""How much of the room the first dimension to grow may take."""


@njit(nogil=True, error_model="numpy")
def _even(size: float, limit: float) -> float:
    """The smallest chunk that needs as few turns as chunks of `limit` do."""
    return size if limit >= size else np.ceil(size / np.ceil(size / max(1.0, limit)))


@njit(nogil=True, error_model="numpy")
def _keep(
    layers: FloatArray, i: int, hw: FloatArray, maps: FloatArray, j: int, dim: int, part: float
) -> None:
    """Let each PE keep as much of a dimension, column `dim` of `maps`, as `part` of its room holds.

    Weights take their room twice where they can be loaded behind the previous pass.
    """
    size, u = layers[i, dim - 7], maps[j, dim - 6]
    if size <= u:
        return
    word, sums, stationary = hw[8], hw[9], maps[j, 0]
    ak, ac = maps[j, 8], maps[j, 9]
    taps, spots = maps[j, 12] * maps[j, 13], maps[j, 10] * maps[j, 11]
    if stationary == WEIGHT:
        weights = (1.0 if hw[0] == EYERISS else 2.0) * ak * ac * taps
        inputs = ac * taps
        if dim == 8:
            limit = min(
                hw[4] / weights, hw[6] / ak, (hw[3] - word * inputs) / (word * weights + sums * ak)
            )
        else:
            limit = min(
                hw[4] / weights, hw[5] / inputs, (hw[3] - sums * ak) / (word * (weights + inputs))
            )
    elif stationary == OUTPUT:
        outputs = ak * spots
        if dim == 8:
            limit = min(hw[4] / ak, hw[6] / outputs, (hw[3] - word) / (word * ak + sums * outputs))
        else:
            limit = min(hw[6] / outputs, (hw[3] - word * (ak + 1)) / (sums * outputs))
    else:
        limit = min(hw[5], (hw[3] - word - sums) / word) / (ac * spots)
    limit = np.floor(limit * part + 1e-9)
    if limit > 1:
        maps[j, dim] = _even(size if u == 1 else np.ceil(size / u), limit)


@njit(nogil=True, error_model="numpy")
def _row_stationary(
    layers: FloatArray, i: int, hw: FloatArray, maps: FloatArray, j: int, variant: int
) -> None:
    """Eyeriss: sets of r x e PEs, a filter row in each, e rows of outputs (Chen et al., JSSC 2017).

    The sets that fit the array are shared between more rows of outputs (folded), channels and
    filters. The row of a filter stays whole; each PE keeps some channels, then filters, of it.
    """
    k, c, p = layers[i, 1], layers[i, 2], layers[i, 3]
    rows, cols = hw[1], hw[2]
    across, split, part = variant % 4, (variant // 4) % 3, 1.0 - 0.25 * (variant // 12)
    maps[j, 6] = _even(layers[i, 5], rows)
    high, wide = np.floor(rows / maps[j, 6]), 1.0
    if across == 0:
        maps[j, 4] = _even(p, cols * high)
    else:
        maps[j, 4] = _even(p, np.floor(cols / min(float(across), cols)))
        wide = np.floor(cols / maps[j, 4])
    sets = max(1.0, np.floor(wide * high / np.ceil(maps[j, 4] / cols)))
    if split > 0:
        maps[j, 3] = min(2.0 if split == 1 else sets, sets, c)
    maps[j, 2] = min(np.floor(sets / maps[j, 3]), k)
    maps[j, 1] = min(np.floor(sets / (maps[j, 3] * maps[j, 2])), layers[i, 7])
    _keep(layers, i, hw, maps, j, 13, 1.0)
    _keep(layers, i, hw, maps, j, 9, part)
    _keep(layers, i, hw, maps, j, 8, 1.0)


@njit(nogil=True, error_model="numpy")
def lay_out(
    layers: FloatArray, i: int, hw: FloatArray, maps: FloatArray, j: int, family: int, variant: int
) -> None:
    """Write how a variant of a family uses the PEs."""
    k, c, p, q, g = layers[i, 1], layers[i, 2], layers[i, 3], layers[i, 4], layers[i, 7]
    rows, cols = hw[1], hw[2]
    maps[j, 0] = WEIGHT
    for d in range(1, 14):
        maps[j, d] = 1.0
    if family == EYERISS:
        _row_stationary(layers, i, hw, maps, j, variant)
    elif family in (NVDLA, TPU):
        maps[j, 3], maps[j, 2] = _even(c, rows), _even(k, cols)
        if family == TPU and variant != 3:
            maps[j, 7] = _even(layers[i, 6], np.floor(rows / maps[j, 3]))
            maps[j, 6] = _even(layers[i, 5], np.floor(rows / (maps[j, 3] * maps[j, 7])))
        for position in range(4):
            dim = _KEPT[family, variant, position]
            if dim > 0:
                _keep(layers, i, hw, maps, j, dim, 1.0)
    elif family == SHIDIANNAO:
        maps[j, 0] = OUTPUT
        maps[j, 4], maps[j, 5] = _even(p, rows), _even(q, cols)
        if variant == 0 or variant == 2:
            _keep(layers, i, hw, maps, j, 8, 1.0 if variant == 0 else 0.5)
        if variant >= 2:
            _keep(layers, i, hw, maps, j, 11, 1.0)
            _keep(layers, i, hw, maps, j, 10, 1.0)
    else:
        if variant % 2 == 1:
            rows, cols = cols, rows
        if family == INPUTS:
            maps[j, 0] = INPUT
            maps[j, 3] = _even(c, rows)
        else:
            maps[j, 0] = OUTPUT if variant < 4 else WEIGHT
            maps[j, 2] = _even(k, rows)
        maps[j, 1] = _even(g, np.floor(rows / (maps[j, 2] * maps[j, 3])))
        maps[j, 5] = _even(q, cols)
        maps[j, 4] = _even(p, np.floor(cols / maps[j, 5]))
        if family == INPUTS:
            if variant >= 2:
                _keep(layers, i, hw, maps, j, 9, 1.0)
        elif variant < 4:
            _keep(layers, i, hw, maps, j, 8, 1.0)
            if variant >= 2:
                _keep(layers, i, hw, maps, j, 11, 1.0)
        else:
            _keep(layers, i, hw, maps, j, 13, 1.0)
            _keep(layers, i, hw, maps, j, 12, 1.0)
            _keep(layers, i, hw, maps, j, 9 if variant < 6 else 8, 1.0)


@njit(nogil=True, error_model="numpy")
def tile(
    layers: FloatArray, i: int, hw: FloatArray, maps: FloatArray, j: int, strategy: int,
    share: float,
) -> bool:  # fmt: skip
    """Write the tiles of the shared buffer that a strategy leads to.

    The room that a tile takes is linear in each of its sides, so each is solved for in its turn.

    Returns:
        Whether a smaller share of the room, down to a half, might have led to others.
    """
    sh, sw = layers[i, 8], layers[i, 9]
    rest_h = (layers[i, 5] - 1) * layers[i, 10] + 1 - sh
    rest_w = (layers[i, 6] - 1) * layers[i, 11] + 1 - sw
    stationary, ug, word = maps[j, 0], maps[j, 1], hw[8]
    maps[j, 14] = 1.0
    for d in range(1, 5):
        maps[j, 14 + d] = min(maps[j, 1 + d] * maps[j, 7 + d], layers[i, d])
    if stationary == INPUT:
        maps[j, 15] = 1.0
    elif stationary == OUTPUT:
        maps[j, 16] = 1.0

    mode_w, mode_i, mode_o = (
        STRATEGIES[strategy, 0], STRATEGIES[strategy, 1], STRATEGIES[strategy, 2]
    )  # fmt: skip
    tap = ug * layers[i, 5] * layers[i, 6] * layers[i, 14] * word * mode_w
    pixel, result = ug * layers[i, 15] * word * mode_i, ug * hw[9] * mode_o
    room = hw[7]
    if mode_w == 0:
        passing = 2 * ug * layers[i, 14] * word * maps[j, 15]
        if stationary == WEIGHT:
            passing *= maps[j, 16] * min(maps[j, 6] * maps[j, 12], layers[i, 5])
            passing *= min(maps[j, 7] * maps[j, 13], layers[i, 6])
        room -= passing
    first, shared = True, False
    for position in range(3, 8):
        d = STRATEGIES[strategy, position]
        size, least = layers[i, d], maps[j, 14 + d]
        if least >= size:
            continue
        fixed = slope = 0.0
        for side in range(2):
            maps[j, 14 + d] = side
            bn, bk, bc, bp, bq = (
                maps[j, 14], maps[j, 15], maps[j, 16], maps[j, 17], maps[j, 18]
            )  # fmt: skip
            need = (
                tap * bk * bc + pixel * bn * bc * (bp * sh + rest_h) * (bq * sw + rest_w)
                + result * bn * bk * bp * bq
            )  # fmt: skip
            fixed, slope = (need, slope) if side == 0 else (fixed, need - fixed)
        limit = room - fixed
        if first and d != 4:
            shared = limit * 0.5 < slope * size
            limit *= share
            first = False
        if limit >= slope * size:
            b = size
        else:
            chunks = np.floor(limit / (slope * least))
            b = least if chunks < 2 else min(size, least * _even(np.ceil(size / least), chunks))
        maps[j, 14 + d] = b
    maps[j, 19] = -1.0
    return shared
