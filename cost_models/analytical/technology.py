"""What an operation costs in a 45 nm process: energies, areas and the clock.

Sources:
    Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014: energies of
    arithmetic, SRAM and DRAM at 45 nm and 0.9 V.
    Dally, "High-performance hardware for machine learning", NIPS 2015 tutorial: areas of the same
    operations, synthesised in TSMC 45 nm.
    Chen et al., "Eyeriss: a spatial architecture for energy-efficient dataflow", ISCA 2016: energy
    of a register file relative to a multiply-accumulate.
    NanGate 45 nm open cell library: area of the flip-flop DFF_X1.
    Mistry et al., IEDM 2007: area of a 45 nm SRAM cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

WORD_BYTES = (1, 2, 4)
"""Supported word widths: int8 (int32 sums), fp16 and fp32 (fp32 sums)."""

ACCUMULATOR_BYTES = 4
"""Width of a partial sum, whatever the word."""


@dataclass(frozen=True)
class Technology:
    """Constants of a process; tuples hold one value per entry of `WORD_BYTES`.

    Attributes:
        clock_ghz: Clock of array and SRAMs.
        multiply_pj: Multiplication of two words: int8, fp16, fp32 (Horowitz).
        accumulate_pj: Addition to the accumulator: int32, fp32, fp32 (Horowitz).
        register_per_mac: Energy of a processing element's registers for one multiply-accumulate,
            in units of that operation (Eyeriss).
        sram_kb: Capacities of the three SRAMs measured by Horowitz, ascending.
        sram_64bit_pj: Energy of a 64-bit access to each.
        dram_64bit_pj: Energy of a 64-bit DRAM access: geometric mean of Horowitz's 1.3 to 2.6 nJ.
        multiplier_um2: Multiplier: int8, fp16, fp32 (Dally).
        adder_um2: Accumulating adder: int32, fp32, fp32 (Dally).
        register_bit_um2: One flip-flop (NanGate DFF_X1).
        sram_bit_um2: One six-transistor cell (Mistry).
        sram_array_efficiency: Share of an SRAM's area that is cells; an assumption, macros of
            these sizes lie between 0.5 and 0.7.
    """

    clock_ghz: float = 1.0
    multiply_pj: tuple[float, float, float] = (0.2, 1.1, 3.7)
    accumulate_pj: tuple[float, float, float] = (0.1, 0.9, 0.9)
    register_per_mac: float = 1.0
    sram_kb: tuple[float, float, float] = (8.0, 32.0, 1024.0)
    sram_64bit_pj: tuple[float, float, float] = (10.0, 20.0, 100.0)
    dram_64bit_pj: float = (1300.0 * 2600.0) ** 0.5
    multiplier_um2: tuple[float, float, float] = (282.0, 1640.0, 7700.0)
    adder_um2: tuple[float, float, float] = (137.0, 4184.0, 4184.0)
    register_bit_um2: float = 4.522
    sram_bit_um2: float = 0.346
    sram_array_efficiency: float = 0.6

    def sram_pj_per_byte(self, capacity_kb: ArrayLike) -> FloatArray:
        """Energy of moving a byte in or out of an SRAM, any shape.

        Log-log interpolation between the measured capacities, its end segments prolonged: the
        energy grows as capacity^0.5 up to 32 kB and as capacity^0.46 above.

        Example:
            >>> Technology().sram_pj_per_byte([8.0, 32.0, 1024.0]).round(6).tolist()
            [1.25, 2.5, 12.5]
        """
        small, middle, large = np.log(self.sram_kb)
        low, mid, high = np.log(self.sram_64bit_pj)
        below, above = (mid - low) / (middle - small), (high - mid) / (large - middle)
        distance = np.log(np.asarray(capacity_kb, dtype=np.float64) / self.sram_kb[1])
        slope = np.where(distance < 0, below, above)
        energy: FloatArray = np.exp(slope * distance) * (self.sram_64bit_pj[1] / 8)
        return energy

    def mac_pj(self, word_bytes: ArrayLike) -> FloatArray:
        """Energy of a multiply-accumulate with its registers, any shape."""
        energy = np.add(self.multiply_pj, self.accumulate_pj) * (1 + self.register_per_mac)
        return np.asarray(energy[np.searchsorted(WORD_BYTES, word_bytes)])

    def dram_pj_per_byte(self) -> float:
        """Energy of moving a byte to or from DRAM."""
        return self.dram_64bit_pj / 8

    def pe_um2(self, word_bytes: ArrayLike) -> FloatArray:
        """Area of a processing element, any shape: arithmetic and its registers.

        The registers hold two operands and one partial sum.
        """
        words = np.asarray(word_bytes)
        arithmetic = np.add(self.multiplier_um2, self.adder_um2)
        bits = 8 * (2 * words + ACCUMULATOR_BYTES)
        return np.asarray(
            arithmetic[np.searchsorted(WORD_BYTES, words)] + bits * self.register_bit_um2
        )

    def sram_um2(self, capacity_kb: ArrayLike) -> FloatArray:
        """Area of an SRAM, any shape."""
        bits = np.asarray(capacity_kb, dtype=np.float64) * (1024 * 8)
        return bits * (self.sram_bit_um2 / self.sram_array_efficiency)


TECHNOLOGY_45NM = Technology()
"""The default: 45 nm, 1 GHz."""
