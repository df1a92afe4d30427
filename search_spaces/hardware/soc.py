"""Systems on chip: cores, accelerators, memories, buses, and what runs and lies where.

FARSI (arXiv 2201.05232) grows a chip out of processing elements, memories and buses, and maps tasks
and buffers onto them. Here the chip is a template whose parts may be left out::

    core1  [core2]    DRAM            [accelerator of each kind]  [SRAM]
       |      |         |                  |                        |
    ===== system bus ====== [bridge] ===== local bus ==================

Under the topology ``shared`` everything hangs on the system bus. Nothing can be mapped to a part
that is not there: a parameter that would say so is inactive, and its choice 0 (core1, DRAM, no
acceleration) holds. Only SRAM can be too small for the buffers put there.

The core of an accelerated task is not used, so that rows that differ in it alone cost the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from codesign_gym.search_spaces.parameters import Categorical, Condition, Ordinal, Parameter
from codesign_gym.search_spaces.space import SearchSpace

CORES = ("scalar", "superscalar", "vector")
"""Kinds of cores, in the order of their codes."""

CLOCKS_MHZ = (100, 200, 400, 800)
"""Clocks of cores, accelerators and buses."""

LANES = (0, 2, 4, 8, 16, 32)
"""Lanes of an accelerator; without lanes it is not there."""

BUS_BYTES = (4, 8, 16, 32)
"""Widths of a bus, and of the port of the SRAM."""

DRAM_GBPS = (0.8, 1.6, 3.2, 6.4)
"""Bandwidths of the DRAM."""

SRAM_KB = (0, 64, 128, 256, 512, 1024, 2048)
"""Sizes of the SRAM."""

TOPOLOGIES = ("shared", "split")
"""One bus, or a local one for accelerators and SRAM beside it."""


def soc(
    tasks: Sequence[tuple[str, str]] = (("filter", "stencil"), ("threshold", "pointwise")),
    buffered: Sequence[str] = ("filter",),
) -> SearchSpace:
    """Chips for some tasks: group ``soc`` the hardware, group ``mapping`` what is where.

    Args:
        tasks: Name and kind of each task; every kind may have an accelerator.
        buffered: Tasks whose output other tasks read, so that it may lie in SRAM.

    >>> soc().cardinality
    52695073536
    """
    kinds = tuple(dict.fromkeys(kind for _, kind in tasks))
    return SearchSpace("soc", (*_hardware(kinds), *_mapping(tasks, set(buffered))))


def _clock(owner: str, *conditions: Condition) -> Parameter:
    return Ordinal(f"{owner}_clock", CLOCKS_MHZ, unit="MHz", group="soc", active_when=conditions)


def _hardware(kinds: Sequence[str]) -> list[Parameter]:
    g = "soc"
    second, split = Condition("core2", CORES), Condition("topology", ("split",))
    parameters: list[Parameter] = [
        Categorical("core1", CORES, group=g),
        _clock("core1"),
        Categorical("core2", ("none", *CORES), group=g),
        _clock("core2", second),
    ]
    for kind in kinds:
        parameters.append(Ordinal(f"{kind}_lanes", LANES, unit="lanes", group=g))
        parameters.append(_clock(kind, Condition(f"{kind}_lanes", LANES[1:])))
    parameters += [
        Categorical("topology", TOPOLOGIES, group=g),
        Ordinal("system_bus", BUS_BYTES, unit="B", group=g),
        _clock("system_bus"),
        Ordinal("local_bus", BUS_BYTES, unit="B", group=g, active_when=(split,)),
        _clock("local_bus", split),
        Ordinal("dram", DRAM_GBPS, unit="GB/s", group=g),
        Ordinal("sram", SRAM_KB, unit="kB", group=g),
        Ordinal(
            "sram_port", BUS_BYTES, unit="B", group=g, active_when=(Condition("sram", SRAM_KB[1:]),)
        ),
    ]
    return parameters


def _mapping(tasks: Sequence[tuple[str, str]], buffered: set[str]) -> list[Parameter]:
    g = "mapping"
    parameters: list[Parameter] = []
    for name, kind in tasks:
        there = Condition(f"soc.{kind}_lanes", LANES[1:])
        both = Condition("soc.core2", CORES)
        parameters += [
            Categorical(f"{name}_accelerated", (False, True), group=g, active_when=(there,)),
            Categorical(f"{name}_core", ("core1", "core2"), group=g, active_when=(both,)),
        ]
        if name in buffered:
            fast = Condition("soc.sram", SRAM_KB[1:])
            parameters.append(
                Categorical(f"{name}_output", ("dram", "sram"), group=g, active_when=(fast,))
            )
    return parameters
