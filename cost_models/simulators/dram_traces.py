"""Memory traces: what is read and written, where and when."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.cost_models.simulators.dram_parts import Part
from codesign_gym.search_spaces.checks import as_array
from codesign_gym.search_spaces.errors import InputError

LONGEST = (1 << 24) - 2
"""Most requests of a trace."""

LATEST = 1 << 36
"""Last clock at which a request may come."""

_LINE = re.compile(  # no number of more digits than Python reads
    r"(\d{1,99})\s*:?\s+(?:\((\d{1,99})\)\s*)?(read|write)\s+(?:0[xX])?([0-9a-fA-F]+)(\s+\S+)?",
    re.ASCII,
)


class Requests(NamedTuple):
    """A trace on a part, as the kernel reads it: see `dram_kernel`."""

    first: NDArray[np.int64]
    clock: NDArray[np.int64]
    table: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Trace:
    """Requests of one burst each, in the order in which they are offered.

    Attributes:
        clock: When each is offered, in clocks of the memory, not decreasing, ``[n]``.
        write: Whether it writes, ``[n]``.
        address: Byte address, ``[n]``.
        name: What it is, for people and records.
        lines: The line of the file that each stands in, ``[n]``; empty for other traces.

    Raises:
        InputError: A trace that is empty, too long or out of order; the text names the request.
    """

    clock: NDArray[np.int64]
    write: NDArray[np.bool_]
    address: NDArray[np.int64]
    name: str = "trace"
    lines: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    _cache: dict[Part, Requests] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name, dtype in (("clock", np.int64), ("write", np.bool_), ("address", np.int64)):
            object.__setattr__(self, name, self._column(name, getattr(self, name), dtype))
        n = len(self.clock)
        if not len(self.write) == len(self.address) == n:
            raise InputError(
                f"{self.name}: {n} clocks, {len(self.write)} directions and {len(self.address)} "
                "addresses: a trace needs as many of each"
            )
        if len(self.lines) not in (0, n):
            raise InputError(f"{self.name}: {len(self.lines)} lines for {n} requests")
        if n == 0:
            raise InputError(f"{self.name} has no request")
        if n > LONGEST:
            raise InputError(f"{self.name} has {n} requests, at most {LONGEST} can be simulated")
        self._refuse((self.clock < 0) | (self.clock > LATEST), f"clock must be in 0..{LATEST}, got")
        earlier = np.concatenate([[False], np.diff(self.clock) < 0])
        self._refuse(earlier, "clocks must not decrease, got", "after a later one")

    def __len__(self) -> int:
        return len(self.clock)

    def where(self, request: int) -> str:
        """The place of a request, for people."""
        if len(self.lines):
            return f"{self.name}, line {self.lines[request]}"
        return f"{self.name}, request {request}"

    def _column(self, name: str, values: ArrayLike, dtype: type) -> NDArray[np.generic]:
        column = as_array(f"{self.name}: {name}", values)
        kinds = "b" if dtype is np.bool_ else "iu"
        if column.ndim != 1 or (column.dtype.kind not in kinds and column.size):
            raise InputError(
                f"{self.name}: {name} must be {'bools' if kinds == 'b' else 'integers'} [n], "
                f"got shape {list(column.shape)}, dtype {column.dtype}"
            )
        if column.dtype == np.uint64 and (column >> np.uint64(63)).any():
            raise InputError(f"{self.name}: {name} must be below 2^63, got {column.max()}")
        return column.astype(dtype)

    def _refuse(self, wrong: NDArray[np.bool_], rule: str, then: str = "") -> None:
        if wrong.any():
            k = int(np.flatnonzero(wrong)[0])
            raise InputError(f"{self.where(k)}: {rule} {self.clock[k]} {then}".rstrip())

    def on(self, part: Part) -> Requests:
        """The requests in the banks and rows of a part.

        Raises:
            InputError: An address outside the part; the text names the request.
        """
        if part not in self._cache:
            self._cache[part] = self._place(part)
        return self._cache[part]

    def _place(self, part: Part) -> Requests:
        outside = (self.address < 0) | (self.address >= part.size_bytes)
        if outside.any():
            k = int(np.flatnonzero(outside)[0])
            raise InputError(
                f"{self.where(k)}: address {int(self.address[k]):#x} is outside {part.name}, "
                f"0x0..{part.size_bytes - 1:#x}"
            )
        bank, row = part.place(self.address)
        next_in_bank, _ = _chain(bank)
        next_in_row, _ = _chain(bank * part.rows + row)
        _, same_burst = _chain(self.address // part.burst_bytes)
        table = np.zeros((len(self), 8), dtype=np.int32)
        columns = (bank, row, self.write, next_in_bank, next_in_row, same_burst)
        for j, column in enumerate(columns):
            table[:, j] = column
        first = np.full(part.banks, len(self), dtype=np.int64)
        used, where = np.unique(bank, return_index=True)
        first[used] = where
        return Requests(first, self.clock, table)


def _chain(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The next and the previous position of each key, ``[n]``; n and -1 where there is none."""
    n = len(keys)
    following, before = np.full(n, n), np.full(n, -1)
    order = np.argsort(keys, kind="stable")
    same = keys[order][1:] == keys[order][:-1]
    following[order[:-1][same]] = order[1:][same]
    before[order[1:][same]] = order[:-1][same]
    return following, before


def read_trace(path: str | Path) -> Trace:
    r"""The trace in a file of DRAMSys' form, ``.stl`` or ``.stl.gz``.

    A line is ``clock: read 0xADDRESS``, or ``write``; empty lines and those after ``#`` are
    skipped. A length in parentheses must be 64 bytes, one burst; data after the address are not
    needed.

    Raises:
        InputError: The file is missing, cut off or malformed; the text names file and line.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "two.stl")
        ...     _ = path.write_text("0: read 0x40\n7: write 0x80\n")
        ...     read_trace(path).address.tolist()
        [64, 128]
    """
    if not isinstance(path, (str, Path)):
        raise InputError(f"a trace file is named by a path, got {path!r}")
    path = Path(path)
    numbers: list[tuple[int, bool, int, int]] = []
    for line, text in _lines(path):
        found = _LINE.fullmatch(text)
        if found is None:
            raise InputError(
                f"{path}, line {line}: must be 'clock: read 0xADDRESS' or 'write', got {text!r:.60}"
            )
        clock, length, command, address, _ = found.groups()
        if length is not None and int(length) != 64:
            raise InputError(f"{path}, line {line}: requests must be of 64 bytes, got {length}")
        number = int(address, 16)
        if max(int(clock), number) >= 1 << 62:
            raise InputError(f"{path}, line {line}: no such clock or address: {text!r:.60}")
        numbers.append((int(clock), command == "write", number, line))
    if not numbers:
        raise InputError(f"{path} has no request")
    table = np.array(numbers, dtype=np.int64)
    clock_, write, address_, lines = table.T.copy()
    return Trace(clock_, write.astype(np.bool_), address_, str(path), lines)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that say something, with their numbers."""
    number = 0
    if not path.is_file():
        raise InputError(f"there is no trace {path}")
    try:
        packed = path.read_bytes()[:2] == b"\x1f\x8b"
        opened = gzip.open if packed else open
        with opened(path, "rt", encoding="utf-8-sig") as file:  # some editors mark UTF-8
            for number, line in enumerate(file, start=1):
                text = line.strip()
                if text and not text.startswith("#"):
                    yield number, text
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path} after line {number}: {error}") from None
