"""Spatial accelerators: an array of processing elements with registers under a shared buffer."""

from __future__ import annotations

from codesign_gym.search_spaces.parameters import Categorical, Ordinal
from codesign_gym.search_spaces.space import SearchSpace

TEMPLATES = ("nvdla", "tpu", "shidiannao", "eyeriss", "free")
"""Dataflows in the order of their codes 0 to 4; the dataflow model says what each does."""


def spatial_accelerator() -> SearchSpace:
    """Spatial accelerators from 8x8 to 128x128, group ``accelerator``.

    >>> spatial_accelerator().cardinality
    1250235
    """
    sides = (8, 12, 14, 16, 24, 32, 48, 64, 128)
    g = "accelerator"
    return SearchSpace(
        "spatial-accelerator",
        (
            Categorical("template", TEMPLATES, group=g),
            Ordinal("pe_rows", sides, unit="PEs", group=g),
            Ordinal("pe_cols", sides, unit="PEs", group=g),
            Ordinal("l1", (64, 128, 256, 512, 1024, 2048, 4096), unit="B/PE", group=g),
            Ordinal("l2", (16, 32, 64, 128, 256, 512, 1024), unit="kB", group=g),
            Ordinal("noc_bandwidth", (8, 16, 32, 64, 128, 256, 512), unit="B/cycle", group=g),
            Ordinal("dram_bandwidth", (1, 2, 4, 8, 16, 32, 64, 128, 256), unit="GB/s", group=g),
        ),
    )
