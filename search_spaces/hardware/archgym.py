"""ArchGym's accelerator: an Eyeriss-like array with its scratchpads, and how layers are mapped.

ArchGym (Krishnan et al., ISCA 2023, arXiv 2306.08888) searches the sizes of an Eyeriss-like
accelerator for Timeloop, and mappings for MAESTRO, in environments of their own; here both are one
design. Words have 16 bit and the clock is 200 MHz, as Eyeriss' are. Eyeriss itself (Chen et al.,
JSSC 2017) is in the space, see `EYERISS`.
"""

from __future__ import annotations

from codesign_gym.search_spaces.hardware.spatial import TEMPLATES
from codesign_gym.search_spaces.parameters import Categorical, Choice, Condition, Ordinal
from codesign_gym.search_spaces.space import SearchSpace

MAPPINGS = ("template", "searched")
"""A dataflow's own mapping of each layer, or the best of many."""

MINIMISED = ("edp", "latency", "energy")
"""What a searched mapping minimises, layer by layer."""

EYERISS: dict[str, Choice] = {
    "pe_rows": 12, "pe_cols": 14, "input_spad": 12, "weight_spad": 224, "sum_spad": 24,
    "buffer": 108, "noc_bandwidth": 8, "dram_bandwidth": 0.48,
    "dataflow": "eyeriss", "mapping": "searched", "minimise": "edp",
}  # fmt: skip
"""Eyeriss v1 in this space, with the mappings of least energy x delay."""


def archgym_accelerator() -> SearchSpace:
    """Accelerators from 4x4 to 32x32 and mappings, groups ``accelerator`` and ``mapping``.

    >>> archgym_accelerator().cardinality
    24696000
    """
    sides = (4, 8, 12, 14, 16, 24, 32)
    g, m = "accelerator", "mapping"
    return SearchSpace(
        "archgym-accelerator",
        (
            Ordinal("pe_rows", sides, unit="PEs", group=g),
            Ordinal("pe_cols", sides, unit="PEs", group=g),
            Ordinal("input_spad", (4, 8, 12, 24, 48), unit="words/PE", group=g),
            Ordinal("weight_spad", (8, 16, 32, 64, 128, 224), unit="words/PE", group=g),
            Ordinal("sum_spad", (2, 4, 8, 16, 24, 32), unit="words/PE", group=g),
            Ordinal("buffer", (32, 54, 108, 128, 192, 256, 512), unit="kB", group=g),
            Ordinal("noc_bandwidth", (4, 8, 16, 32), unit="B/cycle", group=g),
            Ordinal("dram_bandwidth", (0.24, 0.48, 0.96, 1.92, 3.84), unit="GB/s", group=g),
            Categorical("dataflow", TEMPLATES, group=m),
            Categorical("mapping", MAPPINGS, group=m),
            Categorical(
                "minimise", MINIMISED, group=m, active_when=(Condition("mapping", ("searched",)),)
            ),
        ),
    )
