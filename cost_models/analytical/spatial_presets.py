"""Spatial accelerators that were built, with the costs of operations that their authors give."""

from __future__ import annotations

from codesign_gym.cost_models.analytical.spatial_arrays import SpatialAccelerators
from codesign_gym.cost_models.analytical.spatial_technology import UnitEnergies


def eyeriss_v1() -> tuple[SpatialAccelerators, UnitEnergies]:
    """The Eyeriss chip in 65 nm (Chen et al., JSSC 2017): the accelerator and its energies.

    12 x 14 PEs with 12 inputs, 224 weights and 24 sums of 16 bit each, 108 kB of buffer, 200 MHz.
    Networks deliver four weights, four sums, one input per cycle; 64 bit at 60 MHz go to DRAM.
    Run-length coding stores up to three values of 16 bit, each with 5 bits for the zeros before it,
    in 64 bits: with 5 zeros in 8, half the plain size, which is the one figure here that depends on
    data. Energies per 16 bit: MAC 2 pJ, register 1, PE to PE 4, buffer 15, DRAM 460; 30 mW idle.
    """
    chip = SpatialAccelerators(
        "eyeriss",
        pe_rows=12,
        pe_cols=14,
        l1_bytes=520,
        l2_kb=108,
        noc_bandwidth=8,
        input_noc_bandwidth=2,
        dram_gbps=0.48,
        word_bytes=2,
        clock_ghz=0.2,
        l1_weight_bytes=448,
        l1_input_bytes=24,
        l1_sum_bytes=48,
        sum_bytes=2,
        activation_ratio=0.5,
    )
    energies = UnitEnergies(
        mac_pj=2,
        register_weight_pj=1,
        register_input_pj=1,
        register_sum_pj=1,
        noc_pj_per_byte=2,
        l2_weight_pj_per_byte=7.5,
        l2_input_pj_per_byte=7.5,
        l2_output_pj_per_byte=7.5,
        dram_pj_per_byte=230,
        static_pj_per_cycle=150,
    )
    return chip, energies
