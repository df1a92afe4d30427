"""Systolic-array accelerators: a grid of multiply-accumulate units with three SRAMs.

The parameters are those of SCALE-Sim (Samajdar et al., ISPASS 2020), with the word size added. A
word of 1 byte is int8, of 2 bytes fp16, of 4 bytes fp32; sums are always kept in 4 bytes.
"""

from __future__ import annotations

from codesign_gym.search_spaces.parameters import Categorical, Ordinal
from codesign_gym.search_spaces.space import SearchSpace

DATAFLOWS = ("os", "ws", "is")
"""Dataflows in the order of their codes 0, 1, 2: output, weight and input stationary."""


def systolic_accelerator() -> SearchSpace:
    """Systolic accelerators from 4x4 to 128x128, group ``accelerator``.

    >>> systolic_accelerator().size
    2250423
    """
    sides = (4, 8, 12, 16, 32, 64, 128)
    srams = (2, 4, 8, 16, 32, 64, 128, 256, 512)
    g = "accelerator"
    return SearchSpace(
        "systolic-accelerator",
        (
            Ordinal("rows", sides, unit="PEs", group=g),
            Ordinal("cols", sides, unit="PEs", group=g),
            Categorical("dataflow", DATAFLOWS, group=g),
            Ordinal("ifmap_sram", srams, unit="kB", group=g),
            Ordinal("filter_sram", srams, unit="kB", group=g),
            Ordinal("ofmap_sram", srams, unit="kB", group=g),
            Ordinal("dram_bandwidth", (0.5, 1, 2, 4, 8, 16, 32), unit="GB/s", group=g),
            Ordinal("word", (1, 2, 4), unit="B", group=g),
        ),
    )
