"""What the operations of a spatial accelerator cost, in 45 nm and in other processes.

Sources, beside those of `technology`:
    Stillmaker and Baas, "Scaling equations for the accurate prediction of CMOS device performance
    from 180 nm to 7 nm", Integration 58, 2017: energy as a quadratic of the supply, and area, of
    each process. 28 nm lies between their 32 nm and 20 nm, linearly.
    Chen et al., "Eyeriss", JSSC 2017 and ISCA 2016: in 65 nm a word of 16 bit costs 4 pJ from PE to
    PE, twice a multiply-accumulate; 30 mW at 200 MHz over 168 PEs go into clock and idle memories
    (the share that nn_dataflow's tests take).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike

from codesign_gym.cost_models.analytical.spatial_arrays import (
    SpatialAccelerators,
    broadcast_columns,
)
from codesign_gym.cost_models.analytical.technology import (
    TECHNOLOGY_45NM,
    WORD_BYTES,
    FloatArray,
    Technology,
)
from codesign_gym.search_spaces.errors import InputError

_SCALED_ENERGIES = ("multiply_pj", "accumulate_pj", "sram_64bit_pj")
_SCALED_AREAS = ("multiplier_um2", "adder_um2", "register_bit_um2", "sram_bit_um2")


def _energy(a: float, b: float, c: float, volt: float) -> float:
    return a * volt**2 + b * volt + c


# Node in nm: (energy, area), both in the units of Stillmaker and Baas, at nominal supply.
_AT_32, _AT_20 = _energy(0.9559, -0.7823, 0.471, 0.9), _energy(0.373, -0.1582, 0.04104, 0.9)
_PROCESSES = {
    65: (_energy(3.755, -4.398, 1.975, 1.0), 1.5),
    45: (_energy(1.103, -0.362, 0.2767, 0.9), 1.0),
    28: ((2 * _AT_32 + _AT_20) / 3, (2 * 0.46 + 0.21) / 3),
    7: (_energy(0.1776, -0.09097, 0.02447, 0.7), 0.059),
}

NODES_NM = tuple(_PROCESSES)
"""Processes that `technology_at` knows."""

# Per byte from PE to PE and per PE and cycle, brought from Eyeriss' 65 nm to 45 nm.
_NOC_PJ_PER_BYTE = 4.0 / 2 * _PROCESSES[45][0] / _PROCESSES[65][0]
_STATIC_PJ_PER_PE = 30e-3 / 200e6 / 168 * 1e12 * _PROCESSES[45][0] / _PROCESSES[65][0]

_MACRO_UM2 = 2000.0
"""Periphery of a small SRAM at 45 nm: an assumption that makes SRAM pay from about 64 bytes."""


def energy_scale(node_nm: int) -> float:
    """Energy of an operation in a process, in units of that in 45 nm.

    Example:
        >>> [round(energy_scale(node), 3) for node in NODES_NM]
        [1.578, 1.0, 0.507, 0.057]
    """
    return _process(node_nm)[0] / _PROCESSES[45][0]


def area_scale(node_nm: int) -> float:
    """Area of a circuit in a process, in units of that in 45 nm."""
    return _process(node_nm)[1]


def technology_at(node_nm: int, clock_ghz: float | None = None) -> Technology:
    """The 45 nm constants in another process; the DRAM, being another chip, stays as it is.

    Args:
        node_nm: One of `NODES_NM`.
        clock_ghz: The clock; that of 45 nm unless given.
    """
    energy, area, base = energy_scale(node_nm), area_scale(node_nm), TECHNOLOGY_45NM
    changes: dict[str, object] = {}
    for names, scale in ((_SCALED_ENERGIES, energy), (_SCALED_AREAS, area)):
        for name in names:
            value = getattr(base, name)
            scaled = tuple(scale * v for v in value) if isinstance(value, tuple) else scale * value
            changes[name] = scaled
    changes["clock_ghz"] = base.clock_ghz if clock_ghz is None else clock_ghz
    return replace(base, **changes)  # type: ignore[arg-type]


def _process(node_nm: int) -> tuple[float, float]:
    if node_nm not in _PROCESSES:
        raise InputError(f"node_nm must be one of {NODES_NM}; got {node_nm}")
    return _PROCESSES[node_nm]


@dataclass(frozen=True, eq=False)
class UnitEnergies:
    """Energy of every kind of operation, each float64 `[a]`; scalars are for all accelerators.

    Attributes:
        mac_pj: One multiply-accumulate, registers apart.
        register_weight_pj: Reading a weight in a PE.
        register_input_pj: Reading an input in a PE.
        register_sum_pj: Reading or writing a sum in a PE.
        noc_pj_per_byte: Bringing a byte to one PE, from the buffer or from its neighbour.
        l2_weight_pj_per_byte: Moving a byte of weights into or out of the shared buffer.
        l2_input_pj_per_byte: The same for inputs.
        l2_output_pj_per_byte: The same for outputs and sums.
        dram_pj_per_byte: Moving a byte to or from DRAM.
        static_pj_per_cycle: Clock tree and leakage of the whole chip in one cycle.
    """

    mac_pj: FloatArray
    register_weight_pj: FloatArray
    register_input_pj: FloatArray
    register_sum_pj: FloatArray
    noc_pj_per_byte: FloatArray
    l2_weight_pj_per_byte: FloatArray
    l2_input_pj_per_byte: FloatArray
    l2_output_pj_per_byte: FloatArray
    dram_pj_per_byte: FloatArray
    static_pj_per_cycle: FloatArray

    def __init__(
        self,
        mac_pj: ArrayLike,
        register_weight_pj: ArrayLike,
        register_input_pj: ArrayLike,
        register_sum_pj: ArrayLike,
        noc_pj_per_byte: ArrayLike,
        l2_weight_pj_per_byte: ArrayLike,
        l2_input_pj_per_byte: ArrayLike,
        l2_output_pj_per_byte: ArrayLike,
        dram_pj_per_byte: ArrayLike,
        static_pj_per_cycle: ArrayLike,
    ) -> None:
        names = [field.name for field in fields(self)]
        given = [
            mac_pj, register_weight_pj, register_input_pj, register_sum_pj, noc_pj_per_byte,
            l2_weight_pj_per_byte, l2_input_pj_per_byte, l2_output_pj_per_byte, dram_pj_per_byte,
            static_pj_per_cycle,
        ]  # fmt: skip
        for name, row in zip(names, broadcast_columns("UnitEnergies", names, given), strict=True):
            if not np.all((row >= 0) & np.isfinite(row)):
                raise InputError(f"UnitEnergies.{name} must be finite and >= 0; got {row.min():g}")
            object.__setattr__(self, name, row)

    def rows(self, size: int) -> FloatArray:
        """The columns side by side `[size, 10]`."""
        columns = [getattr(self, field.name) for field in fields(self)]
        if len(columns[0]) not in (1, size):
            raise InputError(
                f"UnitEnergies must be for 1 or {size} accelerators; got {len(columns[0])}"
            )
        return np.broadcast_to(np.stack(columns, axis=1), (size, len(columns)))


def unit_energies(
    accelerators: SpatialAccelerators, technology: Technology = TECHNOLOGY_45NM
) -> UnitEnergies:
    """The energies of accelerators `[a]` built in a process.

    Registers and shared buffer follow the size-dependent SRAM law of `technology`.
    """
    words = np.searchsorted(WORD_BYTES, accelerators.word_bytes)
    scale = technology.sram_64bit_pj[0] / TECHNOLOGY_45NM.sram_64bit_pj[0]
    l1_byte_pj = technology.sram_pj_per_byte(np.maximum(accelerators.l1_bytes, 1) / 1024)
    l2_byte_pj = technology.sram_pj_per_byte(np.maximum(accelerators.l2_kb, 2**-10))
    word_pj = l1_byte_pj * accelerators.word_bytes
    return UnitEnergies(
        mac_pj=np.add(technology.multiply_pj, technology.accumulate_pj)[words],
        register_weight_pj=word_pj,
        register_input_pj=word_pj,
        register_sum_pj=l1_byte_pj * accelerators.sum_bytes,
        noc_pj_per_byte=scale * _NOC_PJ_PER_BYTE,
        l2_weight_pj_per_byte=l2_byte_pj,
        l2_input_pj_per_byte=l2_byte_pj,
        l2_output_pj_per_byte=l2_byte_pj,
        dram_pj_per_byte=technology.dram_pj_per_byte(),
        static_pj_per_cycle=scale * _STATIC_PJ_PER_PE * accelerators.pes,
    )


def area_mm2(
    accelerators: SpatialAccelerators, *, technology: Technology = TECHNOLOGY_45NM
) -> FloatArray:
    """Area of PEs, their registers and the shared buffer `[a]`; wires and control are left out.

    Registers are flip-flops, or a small SRAM where that is smaller.
    """
    words = np.searchsorted(WORD_BYTES, accelerators.word_bytes)
    arithmetic = np.add(technology.multiplier_um2, technology.adder_um2)[words]
    flip_flops = accelerators.l1_bytes * 8 * technology.register_bit_um2
    scale = technology.sram_bit_um2 / TECHNOLOGY_45NM.sram_bit_um2
    sram = scale * _MACRO_UM2 + technology.sram_um2(accelerators.l1_bytes / 1024)
    pes = accelerators.pes * (arithmetic + np.minimum(flip_flops, sram))
    area: FloatArray = (pes + technology.sram_um2(accelerators.l2_kb)) / 1e6
    return area
