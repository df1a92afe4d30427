"""Mappings for the dataflow kernel, compiled: closed-form templates and the search among tilings.

The search tries layouts and tilings of `dataflow_layouts` and compares what `dataflow_kernel` says
of them, all of it deterministic. Letters and rows are those of the kernel; arrays come with the
index of the row that is meant, because views would cost as much as the arithmetic.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from codesign_gym.cost_models.analytical import dataflow_kernel, dataflow_layouts
from codesign_gym.cost_models.analytical.dataflow_kernel import (
    EYERISS,
    FREE,
    L2_SMALL,
    NO_PES,
    NVDLA,
    OK,
    RESULT_FIELDS,
    SHIDIANNAO,
    TOTALLED,
    TPU,
    cost,
    fits_registers,
    legal,
)
from codesign_gym.cost_models.analytical.dataflow_layouts import (
    SHARES,
    VARIANTS,
    lay_out,
    tile,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MACS, _CYCLES = RESULT_FIELDS.index("macs"), RESULT_FIELDS.index("cycles")
_ENERGY = RESULT_FIELDS.index("energy_pj")
_FINALISTS = 3
"""How many layouts are tried with every strategy."""
_HOPELESS = 4.0
"""How much worse than the best so far a layout may be and still be tried with every strategy."""
_QUICK = (1, 4)
"""The strategies with which every layout is tried."""
_TRIAL = sum(VARIANTS) + 1
"""Row of the search's room that holds the mapping in hand; tiles already tried follow it."""
_ROOM = (_TRIAL + 19, 32)
_WORTH, _TILES, _FLOOR, _KEY = 19, 20, 30, 31
"""Columns of the room beside the layout: its worth when tried, the tiles then, a bound below what
it can be worth, and a number that equal layouts share."""


@njit(nogil=True, error_model="numpy")
def _worth(outs: FloatArray, o: int, objective: int) -> float:
    """What is minimised: 0 energy x delay, 1 latency (then energy), 2 energy (then latency)."""
    cycles, energy = float(outs[o, _CYCLES]), float(outs[o, _ENERGY])
    if objective == 1:
        return cycles * (1 + 1e-12 * energy / float(outs[o, _MACS]))
    if objective == 2:
        return energy * (1 + 1e-12 * cycles / float(outs[o, _MACS]))
    return energy * cycles


@njit(nogil=True, error_model="numpy")
def _bound(least_pj: float, least_cycles: float, objective: int) -> float:
    """What no mapping of this energy and latency or more can be worth less than."""
    if objective == 1:
        return least_cycles
    return least_pj if objective == 2 else least_pj * least_cycles


@njit(nogil=True, error_model="numpy")
def from_template(
    layers: FloatArray, i: int, hw: FloatArray, maps: FloatArray, j: int, outs: FloatArray, o: int,
    whole: bool,
) -> int:  # fmt: skip
    """The template's own mapping of a layer."""
    if hw[1] < 1 or hw[2] < 1:
        return NO_PES
    family, variant, strategy, share = int(hw[0]), 3, 2, 1.0
    if family == FREE:
        # Channels over rows where there are enough of them, else rows of outputs.
        family = NVDLA if 2 * layers[i, 2] >= hw[1] and 2 * layers[i, 1] >= hw[2] else EYERISS
    if family == TPU:
        variant = 4
    elif family == SHIDIANNAO:
        variant, strategy, share = 0, 5, 0.5
    elif family == EYERISS:
        variant, share = 6, 0.5
    lay_out(layers, i, hw, maps, j, family, variant)
    code = OK
    for attempt in range(-1, 18):
        if attempt >= 0:
            # The buffer is small: tile it otherwise, then keep no more than a word in each PE.
            strategy, share = attempt % 9, 1.0
        if attempt == 9:
            for d in range(8, 14):
                maps[j, d] = 1.0
        tile(layers, i, hw, maps, j, strategy, share)
        code = cost(layers, i, hw, maps, j, outs, o, whole)
        if code != L2_SMALL:
            break
    return code


@njit(nogil=True, error_model="numpy")
def _try(
    layers: FloatArray, i: int, hw: FloatArray, objective: int, maps: FloatArray, j: int,
    outs: FloatArray, room: FloatArray, best: float,
) -> float:  # fmt: skip
    """The worth of the mapping in hand, which is kept if that is below `best`."""
    spare = len(outs) - 1
    if cost(layers, i, hw, room, _TRIAL, outs, spare, False) != OK:
        return np.inf
    worth = _worth(outs, spare, objective)
    if worth < best:
        for d in range(maps.shape[1]):
            maps[j, d] = room[_TRIAL, d]
    return worth


@njit(nogil=True, error_model="numpy")
def _least(layers: FloatArray, i: int, hw: FloatArray) -> tuple[float, float, float]:
    """MACs, and what no mapping of a layer needs less of: energy but for cycles, DRAM cycles."""
    n, k, c, p, q = layers[i, 0], layers[i, 1], layers[i, 2], layers[i, 3], layers[i, 4]
    r, s, g, word = layers[i, 5], layers[i, 6], layers[i, 7], hw[8]
    extent_h, extent_w = (r - 1) * layers[i, 10] + 1, (s - 1) * layers[i, 11] + 1
    height = p * min(layers[i, 8], extent_h) + max(extent_h - layers[i, 8], 0.0) - layers[i, 12]
    width = q * min(layers[i, 9], extent_w) + max(extent_w - layers[i, 9], 0.0) - layers[i, 13]
    weights, inputs = g * k * c * r * s * layers[i, 14], g * n * c * layers[i, 15] * height * width
    outputs = g * n * k * p * q
    macs = outputs * c * r * s
    dram_bytes = word * (weights + (inputs + outputs) * hw[13])
    register_pj = min(layers[i, 14], 1.0) * hw[15] + layers[i, 15] * hw[16] + 2 * hw[17]
    pj = (
        macs * (hw[14] + register_pj)
        + (weights * word + outputs * hw[9]) * hw[18]
        + word * (2 * weights * hw[19] + inputs * hw[20] + 2 * outputs * hw[21])
        + dram_bytes * hw[22]
    )
    return macs, pj, dram_bytes * hw[12]


@njit(nogil=True, error_model="numpy")
def _same_tiles(room: FloatArray, row: int, column: int) -> bool:
    """Whether tiles noted in the room are those of the mapping in hand."""
    same = True
    for d in range(5):
        same = same and room[row, column + d] == room[_TRIAL, 14 + d]
    return bool(same)


@njit(nogil=True, error_model="numpy")
def _note_tiles(room: FloatArray, row: int, column: int) -> None:
    """Note the tiles of the mapping in hand."""
    for d in range(5):
        room[row, column + d] = room[_TRIAL, 14 + d]


@njit(nogil=True, error_model="numpy")
def _steps_at_least(layers: FloatArray, i: int, room: FloatArray, row: int) -> float:
    """Time steps that a layout needs, however it is tiled."""
    steps = layers[i, 0] * np.ceil(layers[i, 7] / room[row, 1])
    for d in range(6):
        steps *= np.ceil(layers[i, 1 + d] / room[row, 2 + d])
    return float(steps)


@njit(nogil=True, error_model="numpy")
def from_search(
    layers: FloatArray, i: int, hw: FloatArray, objective: int, maps: FloatArray, j: int,
    outs: FloatArray, o: int, room: FloatArray, whole: bool, shortcuts: bool,
) -> int:  # fmt: skip
    """The best mapping found for a layer, never worse than the template's.

    Every layout is tried with two strategies; the few that do best, with all of them. `room` and
    the last row of `outs` are to work in. `shortcuts` leave out what cannot change the result: a
    layout that is bounded below by what the third best got or, in the second round, by the best;
    and tiles that another strategy led to already.
    """
    code = from_template(layers, i, hw, maps, j, outs, o, False)
    if code == NO_PES:
        return code
    best = _worth(outs, o, objective) if code == OK else np.inf
    template, layouts = int(hw[0]), 0
    first = second = third = np.inf  # what the best layouts so far are worth
    macs, least_pj, least_cycles = _least(layers, i, hw)
    word_pj = layers[i, 14] * hw[15] + layers[i, 15] * hw[16] + 2 * hw[17]
    compute_pj = macs * (hw[14] + word_pj)
    for family in range(7):
        if family == FREE or (template != FREE and family != template):
            continue
        for variant in range(VARIANTS[family]):
            lay_out(layers, i, hw, room, layouts, family, variant)
            key, fresh = 0.0, True
            for d in range(14):
                key = 31 * key + room[layouts, d]
            room[layouts, _KEY] = key
            for other in range(layouts):
                if room[other, _KEY] == key:
                    d = 0
                    while d < 14 and room[other, d] == room[layouts, d]:
                        d += 1
                    fresh = fresh and d < 14
            if not fresh or not fits_registers(layers, i, hw, room, layouts):
                continue
            used = 1.0
            for d in range(1, 8):
                used *= room[layouts, d]
            if _bound(compute_pj, macs / used, objective) > best:
                continue
            cycles = max(_steps_at_least(layers, i, room, layouts), least_cycles)
            # A little less, so that rounding cannot make a bound of what it should not.
            floor = _bound(least_pj + cycles * hw[23], cycles, objective) * (1 - 1e-9)
            if shortcuts and floor >= third:
                continue
            for d in range(14):
                room[_TRIAL, d] = room[layouts, d]
            least = np.inf
            for turn in range(2):
                tile(layers, i, hw, room, _TRIAL, _QUICK[turn], 1.0)
                _note_tiles(room, layouts, _TILES + 5 * turn)
                if shortcuts and turn == 1 and _same_tiles(room, layouts, _TILES):
                    continue
                worth = _try(layers, i, hw, objective, maps, j, outs, room, best)
                least = min(least, worth)
                best = min(best, worth)
            room[layouts, _WORTH], room[layouts, _FLOOR] = least, floor
            if least < third:
                third = max(second, least)
                if least < second:
                    second = max(first, least)
                    first = min(first, least)
            layouts += 1
    for _ in range(min(_FINALISTS, layouts)):
        chosen = 0
        for other in range(1, layouts):
            if room[other, _WORTH] < room[chosen, _WORTH]:
                chosen = other
        if room[chosen, _WORTH] > _HOPELESS * best:
            break
        room[chosen, _WORTH] = np.inf
        if shortcuts and room[chosen, _FLOOR] >= best:
            continue
        for d in range(14):
            room[_TRIAL, d] = room[chosen, d]
        tried = _TRIAL + 1
        for strategy in range(18):
            if shortcuts and strategy >= 9 and room[_TRIAL + 1 + strategy - 9, _KEY] == 0:
                continue
            if strategy == _QUICK[0] or strategy == _QUICK[1]:
                room[_TRIAL + 1 + strategy, _KEY] = 1.0
                continue
            shared = tile(layers, i, hw, room, _TRIAL, strategy % 9, SHARES[strategy // 9])
            room[_TRIAL + 1 + strategy, _KEY] = 1.0 if shared else 0.0
            fresh = not (_same_tiles(room, chosen, _TILES) or _same_tiles(room, chosen, _TILES + 5))
            for other in range(_TRIAL + 1, tried):
                fresh = fresh and not _same_tiles(room, other, 0)
            if shortcuts and not fresh:
                continue
            _note_tiles(room, tried, 0)
            tried += 1
            best = min(best, _try(layers, i, hw, objective, maps, j, outs, room, best))
    if best == np.inf:
        return code
    return cost(layers, i, hw, maps, j, outs, o, whole)


def _compile() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The two loops over tables.

    Numba keeps what it compiled as long as the file of the compiled function stays the same. That
    the loops hold on to the text of the others makes it notice changes there, too.
    """
    files = [Path(str(module.__file__)) for module in (dataflow_kernel, dataflow_layouts)]
    others = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()

    @njit(cache=True, nogil=True, error_model="numpy")
    def fill_table(
        layers: FloatArray, hws: FloatArray, objective: int, maps: FloatArray, outs: FloatArray,
        codes: IntArray, shortcuts: bool = True,
    ) -> None:  # fmt: skip
        """Write results, mappings and reasons of every layer on every accelerator.

        Args:
            layers: `LAYER_FIELDS`, `[l, 16]`.
            hws: `ACCELERATOR_FIELDS`, `[a, 25]`.
            objective: As for `_worth`; -1 takes the template's mappings, -2 those in `maps`.
            maps: `MAPPING_FIELDS`, `[a * l, 20]`.
            outs: `RESULT_FIELDS`, `[a * l + 1, 34]`; the last row is to work in.
            codes: Reasons, `[a * l]`.
            shortcuts: Whether the search leaves out what cannot change its result.
        """
        len(others)
        room = np.empty(_ROOM)
        j = 0
        for a in range(len(hws)):
            hw = hws[a]
            for i in range(len(layers)):
                if objective == -2:
                    codes[j] = legal(layers, i, hw, maps, j)
                    if codes[j] == OK:
                        codes[j] = cost(layers, i, hw, maps, j, outs, j)
                elif objective == -1:
                    codes[j] = from_template(layers, i, hw, maps, j, outs, j, True)
                else:
                    codes[j] = from_search(
                        layers, i, hw, objective, maps, j, outs, j, room, True, shortcuts
                    )
                j += 1

    @njit(cache=True, nogil=True, error_model="numpy")
    def fill_totals(
        layers: FloatArray, indptr: IntArray, indices: IntArray, counts: IntArray,
        hws: FloatArray, objective: int, network: IntArray, totals: FloatArray, codes: IntArray,
    ) -> None:  # fmt: skip
        """Write the costs of one network on each accelerator, without tables.

        Args:
            layers: `LAYER_FIELDS` of the distinct layers, `[l, 16]`.
            indptr: Bounds of each network in `indices`, `[w + 1]`.
            indices: Rows of `layers`, `[z]`.
            counts: Occurrences of each, `[z]`.
            hws: `ACCELERATOR_FIELDS`, `[a, 25]`.
            objective: As for `_worth`; -1 takes the template's mappings.
            network: The network on each accelerator, `[a]`.
            totals: Where the sums of `RESULT_FIELDS` go, `[a, 34]`.
            codes: The first reason for which a layer has no result, `[a]`.
        """
        len(others)
        room, maps, outs = (
            np.empty(_ROOM), np.empty((1, 20)), np.empty((2, totals.shape[1]))
        )  # fmt: skip
        for a in range(len(hws)):
            hw = hws[a]
            for d in range(totals.shape[1]):
                totals[a, d] = 0.0
            codes[a] = OK
            for at in range(indptr[network[a]], indptr[network[a] + 1]):
                if objective == -1:
                    code = from_template(layers, indices[at], hw, maps, 0, outs, 0, False)
                else:
                    code = from_search(
                        layers, indices[at], hw, objective, maps, 0, outs, 0, room, False, True
                    )
                if code != OK:
                    codes[a] = code
                    break
                for d in range(TOTALLED, totals.shape[1]):
                    totals[a, d] += counts[at] * outs[0, d]

    return fill_table, fill_totals


fill_table, fill_totals = _compile()
