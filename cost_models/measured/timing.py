"""Timing every kernel of ``gemm-kernel`` on the machine at hand, resumable, several times over.

A kernel counts by the least processor time of its runs: other work on the machine only ever adds
to it. The passes go over all kernels one after another, so that the runs of a kernel lie minutes
apart, and a disturbance meets each kernel in one pass at most.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.search_spaces import InputError, gemm_kernel
from codesign_gym.search_spaces.files import write_arrays

COMPILED = ("inner", "rows", "unroll", "pack")
"""Parameters that are constants to the compiler: kernels that share them are timed together."""


def load_times(path: Path) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """CPU milliseconds of each pass and kernel, ``[passes, 27648]`` in grid order, and provenance.

    Raises:
        InputError: The file is damaged, or was made for another space.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            times, about = file["times_ms"], json.loads(str(file["provenance"]))
    except Exception as error:  # zipfile, zlib, json and NumPy each have their own
        raise InputError(f"{path} holds no kernel times or is damaged: {error}") from None
    if not isinstance(about, dict) or about.get("space") != gemm_kernel().digest:
        raise InputError(f"{path} was made for another version of the space 'gemm-kernel'")
    return times, about


def time_kernels(
    path: Path,
    passes: int,
    command: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Time all kernels ``passes`` times; what ``path`` holds already is kept.

    Args:
        path: The ``.npz`` to write, after every group of kernels that are compiled together.
        passes: Runs of each kernel.
        command: How the file was made, for its provenance.
        progress: Called with the number of groups done and their total.

    Raises:
        InputError: A kernel's product is wrong, or ``path`` is not a file of kernel times or was
            begun on another machine or with other versions.
    """
    space = gemm_kernel()
    about = {
        "space": space.digest,
        "command": command,
        "machine": _processor(),
        "versions": {name: version(name) for name in ("numba", "numpy")},
    }
    times = np.full((passes, space.size), np.nan, dtype=np.float32)
    if path.exists():
        before, then = load_times(path)
        for what in ("machine", "versions"):
            if then.get(what) != about[what]:
                raise InputError(
                    f"{path} was begun with {what} {then.get(what)}, here it is {about[what]}: "
                    "times of both are not one table, use another file"
                )
        about = then
        kept = min(passes, len(before))
        times[:kept] = before[:kept]
    decoded = space.decode(space.unravel(np.arange(space.size)))
    groups: dict[tuple[Any, ...], list[int]] = {}
    for row, design in enumerate(decoded):
        groups.setdefault(tuple(design[name] for name in COMPILED), []).append(row)
    for p in range(passes):
        for g, rows in enumerate(groups.values()):
            if np.isnan(times[p, rows]).any():
                times[p, rows] = [_milliseconds(decoded[row]) for row in rows]
                provenance = np.array(json.dumps(about | {"passes": passes}))
                write_arrays(path, {"times_ms": times, "provenance": provenance})
            progress(p * len(groups) + g + 1, passes * len(groups))


def _milliseconds(design: Mapping[str, Any]) -> float:
    """Processor time of one product, after a first one that compiles and is checked."""
    from codesign_gym.cost_models.measured.gemm_kernel import SIDE, kernel, tiles_of

    a, b, right = _operands(SIDE)
    c, buffer = np.zeros_like(a), np.zeros(SIDE * SIDE, dtype=np.float32)
    run = kernel(*(design[name] for name in COMPILED))
    sides = {axis: int(design[f"tile_{axis}"]) for axis in "ijk"}
    tiles = tiles_of(str(design["order"]), sides)
    run(a, b, c, tiles, *sides.values(), buffer)
    if not np.allclose(c, right, rtol=1e-3, atol=1e-3):
        raise InputError(f"the kernel {dict(design)} computes a wrong product")
    start = time.thread_time()
    run(a, b, c, tiles, *sides.values(), buffer)
    return 1e3 * (time.thread_time() - start)


@cache
def _operands(side: int) -> tuple[NDArray[np.float32], ...]:
    """Two matrices and their product."""
    a, b = np.random.default_rng(0).normal(size=(2, side, side)).astype(np.float32)
    return a, b, a @ b


def _processor() -> str:
    """The processor's name, where Linux tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
