"""DRAM parts: clocks between commands, currents, organisation, and which address bits mean what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.simulators.dram_places import MOST_BANKS
from codesign_gym.search_spaces.errors import InputError, unknown_name


class Place(NamedTuple):
    """Where addresses lie, ``[n]`` each; banks count through the bank groups first."""

    bank: NDArray[np.int64]
    row: NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """A channel of one rank of eight x8 devices, bursts of eight.

    Addresses are, from the lowest bit: byte of the bus, column, bank group, bank, row.

    Attributes:
        name: Name of the part.
        tck_ns: Clock period.
        rcd, rp, ras, rc, rl, wl, rtp, wr, refi, rfc, faw: JEDEC's timings, in clocks.
        ccd, rrd, wtr: To another bank group, and within one, in clocks.
        turnaround: Clocks that a write waits beyond the end of a read's data.
        dqsck: Clocks of the data strobe's delay.
        idd0, idd2n, idd3n, idd4r, idd4w, idd5: Currents of a device, mA.
        vdd: Supply, V.
        idd02, vdd2: Current and supply of the second voltage domain, mA and V; 0 without one.
        groups, banks, rows, columns: Organisation; ``banks`` in all.
        source: Where the figures come from.
    """

    name: str
    tck_ns: float
    rcd: int
    rp: int
    ras: int
    rc: int
    rl: int
    wl: int
    rtp: int
    wr: int
    refi: int
    rfc: int
    faw: int
    ccd: tuple[int, int]
    rrd: tuple[int, int]
    wtr: tuple[int, int]
    turnaround: int
    dqsck: int
    idd0: float
    idd2n: float
    idd3n: float
    idd4r: float
    idd4w: float
    idd5: float
    vdd: float
    groups: int
    banks: int
    rows: int
    source: str
    idd02: float = 0.0
    vdd2: float = 0.0
    columns: int = 1024

    burst: int = 4
    """Clocks that a burst of eight occupies the data bus."""
    devices: int = 8
    burst_bytes: int = 64

    def __post_init__(self) -> None:
        if not (1 <= self.banks <= MOST_BANKS and self.groups in (1, 2, 4, 8, 16)):
            raise InputError(
                f"{self.name} must have 1..{MOST_BANKS} banks in 1, 2, 4, 8 or 16 groups, "
                f"got {self.banks} in {self.groups}"
            )

    @property
    def size_bytes(self) -> int:
        """Bytes that the channel holds."""
        return self.devices * self.columns * self.banks * self.rows

    @property
    def peak_gbps(self) -> float:
        """Gigabits a second when every clock transfers data."""
        return 8 * self.burst_bytes / (self.burst * self.tck_ns)

    @property
    def unloaded_clocks(self) -> int:
        """Fewest clocks from the offer of a request to its response: the row is open."""
        return min(self.rl, self.wl) + self.burst

    def place(self, address: NDArray[np.int64]) -> Place:
        """The banks and rows of byte addresses ``[n]``, which must be those of the part."""
        line = address // (self.devices * self.columns)
        return Place(line % self.banks, line // self.banks)


PARTS = {
    part.name: part
    for part in (
        Part(
            name="DDR3-1600",
            tck_ns=1.25,
            rcd=10, rp=10, ras=28, rc=38, rl=10, wl=8, rtp=6, wr=12, refi=6240, rfc=88, faw=24,
            ccd=(4, 4), rrd=(5, 5), wtr=(6, 6), turnaround=2, dqsck=0,
            idd0=70.0, idd2n=45.0, idd3n=45.0, idd4r=140.0, idd4w=145.0, idd5=170.0, vdd=1.5,
            groups=1, banks=8, rows=16384,
            source="Micron 1Gb DDR3 SDRAM, MT41J128M8 rev. G, as in DRAMSys' memory specifications",
        ),
        Part(
            name="DDR4-2400",
            tck_ns=0.833,
            rcd=16, rp=16, ras=39, rc=55, rl=16, wl=16, rtp=12, wr=18, refi=4680, rfc=313, faw=26,
            ccd=(4, 6), rrd=(4, 6), wtr=(3, 9), turnaround=2, dqsck=2,
            idd0=60.75, idd2n=38.25, idd3n=44.0, idd4r=184.5, idd4w=168.75, idd5=118.0, vdd=1.2,
            idd02=4.05, vdd2=2.5,
            groups=4, banks=16, rows=32768,
            source="Micron 4Gb DDR4 SDRAM, MT40A512M8 rev. A, as in DRAMSys' memory specifications",
        ),
    )
}  # fmt: skip
"""The parts by name."""


def get_part(name: str | Part) -> Part:
    """The part called ``name``; an unknown one raises `InputError` with those known."""
    if isinstance(name, Part):
        return name
    if not isinstance(name, str):
        raise InputError(f"a DRAM part is named by text, got {name!r}")
    if name not in PARTS:
        raise unknown_name("DRAM part", name, PARTS)
    return PARTS[name]
