"""Memory traces of our own: the shapes that controllers are compared on, fixed by a seed.

`stream`, `random` and the mixtures have the shape of ArchGym's traces (Krishnan et al., ISCA 2023),
which are read only and offer a request every clock. The others write, repeat rows or leave the
memory idle, so that more of a controller's choices matter.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.simulators.dram_traces import LONGEST, Trace
from codesign_gym.search_spaces.errors import InputError, unknown_name

Addresses = NDArray[np.int64]
Columns = tuple[Addresses, NDArray[np.bool_], Addresses]

LINE = 64
"""Bytes of a request."""

SPAN = 1 << 30
"""Bytes that the traces stay in: what the smallest part holds."""

BLOCK = 50
"""Requests in a row of one kind in the mixtures."""


def _anywhere(n: int, rng: np.random.Generator) -> Addresses:
    return LINE * rng.integers(0, SPAN // LINE, n)


def _steady(address: Addresses, write: NDArray[np.bool_] | None = None) -> Columns:
    """A request every clock."""
    n = len(address)
    return np.arange(n), np.zeros(n, np.bool_) if write is None else write, address % SPAN


def stream(n: int, rng: np.random.Generator) -> Columns:
    """Reads of consecutive lines, one a clock."""
    del rng
    return _steady(LINE * np.arange(n))


def random(n: int, rng: np.random.Generator) -> Columns:
    """Reads of lines anywhere in 1 GiB, one a clock."""
    return _steady(_anywhere(n, rng))


def _mixture(n: int, rng: np.random.Generator, random_share: float) -> Columns:
    blocks = -(-n // BLOCK)
    scattered = rng.permutation(blocks) < round(random_share * blocks)
    at_random = np.repeat(scattered, BLOCK)[:n]
    consecutive = LINE * np.cumsum(~at_random)
    return _steady(np.where(at_random, _anywhere(n, rng), consecutive))


def cloud_1(n: int, rng: np.random.Generator) -> Columns:
    """Reads, 52 % anywhere and 48 % of a stream, in blocks of 50, one a clock."""
    return _mixture(n, rng, 0.52)


def cloud_2(n: int, rng: np.random.Generator) -> Columns:
    """Reads, half of them anywhere and half of a stream, in blocks of 50, one a clock."""
    return _mixture(n, rng, 0.5)


def copy(n: int, rng: np.random.Generator) -> Columns:
    """A copy of 64 MiB away: every read is followed by a write, one of both a clock."""
    del rng
    k = np.arange(n)
    write = k % 2 == 1
    return _steady(LINE * (k // 2) + np.where(write, 64 << 20, 0), write)


def hot(n: int, rng: np.random.Generator) -> Columns:
    """Nine of ten requests to 24 hot rows, the rest anywhere; 30 % writes; 6 clocks apart."""
    rows = rng.integers(0, SPAN >> 13, 24) << 13
    inside = rows[rng.integers(0, len(rows), n)] + LINE * rng.integers(0, 128, n)
    address = np.where(rng.random(n) < 0.9, inside, _anywhere(n, rng))
    return np.cumsum(rng.poisson(6, n)), rng.random(n) < 0.3, address


def bursty(n: int, rng: np.random.Generator) -> Columns:
    """Bursts of 32 consecutive lines, each read or (one in four) written, between idle times."""
    burst = np.arange(n) // 32
    count = int(burst[-1]) + 1 if n else 0
    start = _anywhere(count, rng)[burst]
    gaps = rng.exponential(250, count).astype(np.int64)
    clock = np.cumsum(gaps)[burst] + np.arange(n)
    return clock, (rng.random(count) < 0.25)[burst], (start + LINE * (np.arange(n) % 32)) % SPAN


def idle(n: int, rng: np.random.Generator) -> Columns:
    """Single requests anywhere, one in five a write, 500 clocks apart on average."""
    return (
        np.cumsum(rng.exponential(500, n).astype(np.int64)),
        rng.random(n) < 0.2,
        _anywhere(n, rng),
    )


def mixed(n: int, rng: np.random.Generator) -> Columns:
    """Requests anywhere in 1 GiB, two of three reads, one a clock."""
    return _steady(_anywhere(n, rng), rng.random(n) < 1 / 3)


WORKLOADS: dict[str, Callable[[int, np.random.Generator], Columns]] = {
    "stream": stream,
    "random": random,
    "cloud-1": cloud_1,
    "cloud-2": cloud_2,
    "copy": copy,
    "hot": hot,
    "bursty": bursty,
    "idle": idle,
    "mixed": mixed,
}
"""Generated workloads by name."""


def make_trace(name: str, n: int = 10_000, seed: int = 0) -> Trace:
    """The generated workload called ``name``: the same for the same number and seed.

    Args:
        name: One of `WORKLOADS`.
        n: Requests.
        seed: Seed of what is random in it.

    >>> make_trace("copy", 4).address.tolist()
    [0, 67108864, 64, 67108928]
    """
    if not isinstance(name, str) or name not in WORKLOADS:
        raise unknown_name("memory workload", name, WORKLOADS)
    if not isinstance(n, int) or not 1 <= n <= LONGEST:
        raise InputError(f"number of requests must be in 1..{LONGEST}, got {n!r}")
    clock, write, address = WORKLOADS[name](n, np.random.default_rng(seed))
    return Trace(clock, write, address, name)
