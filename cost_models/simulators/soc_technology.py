"""What the parts of a system on chip can do and cost, at 45 nm.

From sources: arithmetic, SRAM and DRAM energies, areas of arithmetic and SRAM (`technology`:
Horowitz ISSCC 2014, Dally NIPS 2015, NanGate, Mistry IEDM 2007). An in-order core takes 70 pJ per
instruction, whatever it computes (Horowitz, the same talk).

Assumptions, of the right order and no more: everything else. The other cores' energies and all
their areas; two instructions per operation, one of them moving data; shape factors of accelerators;
wires of 0.1 pJ per bit and mm, 5 mm of system bus and 2 mm of local bus, and their areas; area and
standby of the DRAM interface; leakage; and a supply that falls in proportion with the clock, to
0.65 of the nominal one at an eighth of the fastest clock, with its square in every dynamic energy
on the chip. Leakage is counted over the whole period: nothing is switched off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from codesign_gym.cost_models.analytical.technology import TECHNOLOGY_45NM, FloatArray
from codesign_gym.search_spaces.hardware.soc import CLOCKS_MHZ, CORES

INSTRUCTIONS = 2.0
"""Instructions per operation."""

VECTOR_BYTES = 16
"""Width of the vector core's registers."""

CORE_INSTRUCTION_PJ = (70.0, 100.0, 100.0)
"""Energy of an instruction on each of `CORES`; a vector instruction's arithmetic comes on top."""

CORE_ISSUE = (1.0, 2.0, 1.0)
"""Instructions per cycle of each of `CORES`."""

CORE_MM2 = (0.25, 0.5, 0.9)
"""Area of each of `CORES` with its first-level caches."""

ACCELERATOR_CONTROL = 2.0
"""Energy and area of an accelerator over those of its arithmetic."""

SRAM_MHZ = 400
"""Clock of the SRAM."""

BUS_PJ_PER_BYTE = (8 * 0.1 * 5, 8 * 0.1 * 2)
"""System bus and local bus."""

BUS_MM2_PER_BYTE = (0.01, 0.004)
"""Area of system bus and local bus per byte of width."""

DRAM_MM2_PER_GBPS, DRAM_MW_PER_GBPS = 0.25, 2.0
"""Area of the DRAM's interface on the chip; its standby power with the DRAM's."""

LOGIC_MW_PER_MM2, SRAM_MW_PER_MM2 = 1.0, 0.2
"""Leakage."""


@dataclass(frozen=True)
class Shape:
    """How an accelerator differs with the kind of task that it is made for.

    Attributes:
        operations: Operations per lane and cycle; two are a multiply-accumulate.
        energy: Energy of an operation, in units of that of plain arithmetic.
        area: Area of a lane, in units of that of plain arithmetic.
        buffer_kb: Local memory: lines of an image, a transform's points, tables.
    """

    operations: float
    energy: float
    area: float
    buffer_kb: float


SHAPES = {
    "stencil": Shape(2, 1.0, 1.0, 4),
    "pointwise": Shape(1, 0.8, 0.5, 1),
    "fft": Shape(2, 1.5, 1.2, 16),
    "matrix": Shape(2, 1.0, 1.0, 4),
    "gamut": Shape(2, 1.2, 1.5, 1),
}
"""Accelerators by kind of task; any other kind is built like `OTHER`."""

OTHER = Shape(1, 1.0, 1.0, 4)


def supply_squared(clock_mhz: ArrayLike) -> FloatArray:
    """Dynamic energy at a clock, in units of that at the fastest, any shape.

    >>> supply_squared([100, 800]).round(4).tolist()
    [0.4225, 1.0]
    """
    supply = 0.6 + 0.4 * np.asarray(clock_mhz, dtype=np.float64) / CLOCKS_MHZ[-1]
    squared: FloatArray = supply * supply
    return squared


def core_table(word_bytes: int) -> tuple[FloatArray, FloatArray]:
    """Operations per cycle and pJ per operation of each of `CORES`."""
    lanes = np.array([1.0] * (len(CORES) - 1) + [VECTOR_BYTES / word_bytes])
    energy = INSTRUCTIONS * np.array(CORE_INSTRUCTION_PJ) / lanes
    energy[-1] += operation_pj(word_bytes)
    return np.array(CORE_ISSUE) * lanes / INSTRUCTIONS, energy


def operation_pj(word_bytes: int) -> float:
    """An operation with its registers, half a multiply-accumulate."""
    return float(TECHNOLOGY_45NM.mac_pj(word_bytes)) / 2


def accelerator_table(kind: str, word_bytes: int) -> tuple[float, float, float, float]:
    """Of an accelerator: operations per lane and cycle, pJ per operation, mm2 per lane and beside.

    What stands beside the lanes is the local memory.
    """
    shape = SHAPES.get(kind, OTHER)
    energy = ACCELERATOR_CONTROL * shape.energy * operation_pj(word_bytes)
    lane = ACCELERATOR_CONTROL * shape.area * float(TECHNOLOGY_45NM.pe_um2(word_bytes)) / 1e6
    beside = float(TECHNOLOGY_45NM.sram_um2(shape.buffer_kb)) / 1e6
    return shape.operations, energy, lane, beside
