"""MAESTRO's results for its dataflow templates, equal to the tool's, thousands of times faster.

MAESTRO (Kwon et al., "Understanding Reuse, Performance, and Hardware Cost of DNN Dataflows", MICRO
2019; github.com/maestro-project/maestro, commit 4eb08d1) takes an accelerator for clusters of PEs
under one L2 buffer, every PE with an L1 buffer. A dataflow is a nest of loops per level:

    ========  ======================  ===========  =========================  ====================
    template  like                    PEs/cluster  loops over clusters (L2)   PEs of a cluster
    ========  ======================  ===========  =========================  ====================
    kcp_ws    NVDLA                   64           K*, C by 64, Y, X          64 input channels
    yxp_os    ShiDianNao              8            K, C, Y*, X by 8 outputs   8 output columns
    rs        Eyeriss                 R            Y*, X, C, K by 16          R kernel rows
    dpt       (any depthwise layer)   1            C*, Y, X                   --
    ========  ======================  ===========  =========================  ====================

K, C: output and input channels; Y, X: output rows and columns; R, S: kernel height and width. A
starred loop is dealt to the clusters; the others take one step at a time unless a tile is given.
kcp_ws and dpt hold the kernel R S in the PE.

A step brings in the words that are new to the level (shared by clusters that use the same) and
takes out what the tile adds up to. Step and traffic overlap, but for the first one:

    delay(words) = noc_latency + ceil(words / noc_bandwidth) - 1
    step = max(cluster's cycles, delay(in), delay(out)); the first: cluster's cycles + delay(in)
    cluster's cycles = MACs of a PE + delay(words into the cluster); dpt: R S
    l1_accesses = 4 MACs + words in; l2_accesses = words in + words out + each tensor once
    energy_mac_units = MACs + 1.68 l1_accesses + 18.61 l2_accesses
    area_um2 = pes (283 + 0.104 L1) + 0.104 L2 + 101.7938 (14.662 pes + 28.895) noc_bandwidth
               + 395.473 max(1.2886 pes^2 + 5.5814 pes - 23.711, 1), L1 and L2 in bytes

A layer runs by itself; images of a batch and groups of a convolution one after another (the
templates know neither), but a depthwise convolution at once, under dpt. Inputs are the padded ones,
cropped to what some output depends on, as the reference runs have them.

These numbers are the tool's and carry its defects. Each stands here with what is right:

    1. yxp_os, horizontal stride > 1: a tile's outputs are counted at stride 1, and where the stride
       exceeds the kernel the last tile may be the whole row. num_macs is 1.1 to 3.1x at
       stride 2; right is `Layers.macs`.
    2. yxp_os, rs: a single output row left for the last pass counts R times in num_macs, both
       access counts and energy; right is once.
    3. Words that pass L2. Outputs: rows count `min(R, stride)` per cluster instead of one; one is
       missing where there are fewer channels (kcp_ws, dpt) than clusters. Inputs of yxp_os with
       fewer rows than clusters: the last cluster's new rows are missing from the second channel
       on, or the whole height is counted for them where the stride exceeds the kernel.
    4. L2 reads of outputs are K (H - R + 1) (W - S + 1), as if the stride were 1; right is K Y X.
    5. kcp_ws: the last C % 64 channels take the cycles and traffic of 64, rs the last K % 16
       filters the cycles and traffic of 16; right is in proportion. Adding up over the PEs of a
       cluster is free.
    6. L1 writes of a word sent to many PEs count once, and every MAC reads and writes its sum in
       L1; right depends on the multicast and on the accumulator.
    7. Required bytes are words, those of outputs counted as inputs in L1, 16 filters even if there
       are fewer; L2 holds two first steps, whatever a later one needs.
    8. Energy has neither DRAM nor buffer sizes; the arbiter's pes^2 is nearly all of the area.
    9. utilised_pes weighs a short step like a long one.

Not reproduced: the CSV's energy of a layer contains the L1 energy of the one before (the tool's
printed energy does not, and is what is given here); a tile wider than its dimension gives 0 cycles
(here it is clipped to the dimension). `dataflow.evaluate` gives these
figures under `compat="maestro"`, and unbiased ones without.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.analytical.technology import FloatArray
from codesign_gym.cost_models.workloads.layers import IntArray, Kind, Layers
from codesign_gym.search_spaces.errors import InputError, unknown_name

__all__ = ["CLUSTER_PES", "TEMPLATES", "MaestroAccelerators", "has_template", "layer_table"]

TEMPLATES = ("kcp_ws", "yxp_os", "rs")
"""Dataflow templates; the position is the code in the kernel."""

CLUSTER_PES = {"kcp_ws": 64, "yxp_os": 8, "rs": 1}
"""PEs that each template needs at least; rs needs as many as the kernel is high."""

_LIMITS = {"num_pes": 65536, "noc_bandwidth": 65536, "noc_latency": 1024}

# Energy per access relative to a MAC, and the areas in um^2, 28 nm (the tool's cost database).
_L1_ENERGY, _L2_ENERGY = 1.68, 18.61
_MAC_UM2, _SRAM_UM2_PER_BYTE = 283.0, 0.104
_BUS_UM2, _BUS_PER_PE, _BUS_FIXED = 101.7938, 14.662, 28.895
_ARBITER_UM2, _ARBITER_POLYNOMIAL = 395.473, (1.2886, 5.5814, -23.711)


@dataclass(frozen=True, eq=False)
class MaestroAccelerators:
    """Accelerators as a struct of arrays `[a]`; scalars are broadcast, values are checked.

    Attributes:
        template: Names out of `TEMPLATES`.
        num_pes: Processing elements, int64 in [1, 65536], at least a cluster of the template. PEs
            that fill no cluster are idle, and cost area.
        noc_bandwidth: Words per cycle of the network of each level, int64 in [1, 65536].
        noc_latency: Cycles until the first words arrive, int64 in [1, 1024]; the tool's default.
    """

    template: NDArray[np.str_]
    num_pes: IntArray
    noc_bandwidth: IntArray
    noc_latency: IntArray = field(default_factory=lambda: np.array(1))

    def __post_init__(self) -> None:
        fields = ("template", *_LIMITS)
        given = [np.asarray(getattr(self, field)) for field in fields]
        size = max((values.size for values in given if values.ndim), default=1)
        for name, values in zip(fields, given, strict=True):
            if values.shape not in ((), (size,)):
                raise InputError(
                    f"MaestroAccelerators.{name} must be a scalar or have shape ({size},); "
                    f"got {values.shape}"
                )
        columns = [np.broadcast_to(values, size).copy() for values in given]
        for template in np.unique(columns[0]):
            if template not in TEMPLATES:
                raise unknown_name("template", str(template), TEMPLATES)
        for (name, highest), values in zip(_LIMITS.items(), columns[1:], strict=True):
            bad = ~((values >= 1) & (values <= highest) & (np.trunc(values) == values))
            if bad.any():
                row = int(bad.argmax())
                raise InputError(
                    f"MaestroAccelerators.{name}[{row}] must be an integer in [1, {highest}]; "
                    f"got {values[row]:g}"
                )
        columns[1:] = [values.astype(np.int64) for values in columns[1:]]
        for name, values in zip(fields, columns, strict=True):
            values.flags.writeable = False
            object.__setattr__(self, name, values)
        self._check_cluster(np.array([CLUSTER_PES[name] for name in self.template.tolist()]))

    def _check_cluster(self, smallest: IntArray) -> None:
        """Raise unless every accelerator has its `smallest` number of PEs `[a]`."""
        bad = self.num_pes < smallest
        if bad.any():
            row = int(bad.argmax())
            raise InputError(
                f"MaestroAccelerators.num_pes[{row}] must be at least {smallest[row]}, a cluster "
                f"of {self.template[row]}; got {self.num_pes[row]}"
            )

    def __len__(self) -> int:
        return len(self.num_pes)

    @property
    def codes(self) -> IntArray:
        """Positions in `TEMPLATES` `[a]`."""
        codes: IntArray = np.argmax(self.template[:, None] == np.array(TEMPLATES), axis=1)
        return codes


def layer_table(
    layers: Layers, accelerators: MaestroAccelerators
) -> dict[str, NDArray[np.int64] | FloatArray]:
    """Every layer on every accelerator, one occurrence each: columns `[a, l]`.

    int64: runtime_cycles; num_macs (as the tool counts them); l1_accesses, l2_accesses (words read
    and written); l1_required_bytes (of one PE), l2_required_bytes, for words of a byte.
    float64: energy_mac_units (energies of one MAC); area_um2 (of an accelerator whose buffers are
    as large as the layer requires); utilised_pes (mean over steps).

    Args:
        layers: The layers `[l]`.
        accelerators: The accelerators `[a]`.

    Raises:
        InputError: A row-stationary accelerator has fewer PEs than a kernel has rows; a layer is
            dilated, pools or adds, which MAESTRO has no template for.
    """
    from codesign_gym.cost_models.analytical import maestro_kernel as kernel

    foreign = ~has_template(layers)
    if foreign.any():
        row = int(foreign.argmax())
        raise InputError(
            f"layer {row} ({layers.name[row]!r}): MAESTRO takes undilated convolutions and matrix "
            f"products alone; got {Kind(layers.kind[row]).name.lower()} with dilation "
            f"{layers.dilation_h[row]} x {layers.dilation_w[row]}"
        )
    rows, depthwise = _layer_rows(layers)
    kernel_rows = layers.r[~depthwise].max(initial=1)
    row_stationary = accelerators.codes == TEMPLATES.index("rs")
    accelerators._check_cluster(np.where(row_stationary, kernel_rows, 1))
    columns = (accelerators.codes, *(getattr(accelerators, field) for field in _LIMITS))
    shape = (len(accelerators), len(layers))
    counts = np.empty((len(kernel.COUNTS), *shape), dtype=np.int64)
    utilised_pes = np.empty(shape)
    kernel.fill_table(rows, np.stack(columns, axis=1), counts, utilised_pes)

    table: dict[str, NDArray[np.int64] | FloatArray]
    table = dict(zip(kernel.COUNTS, counts, strict=True))
    table["energy_mac_units"] = (
        table["num_macs"] + _L1_ENERGY * table["l1_accesses"] + _L2_ENERGY * table["l2_accesses"]
    )
    pes = accelerators.num_pes[:, None]
    bus = _BUS_UM2 * (_BUS_PER_PE * pes + _BUS_FIXED) * accelerators.noc_bandwidth[:, None]
    arbiter = _ARBITER_UM2 * np.maximum(np.polyval(_ARBITER_POLYNOMIAL, pes), 1.0)
    pe_um2 = _MAC_UM2 + _SRAM_UM2_PER_BYTE * table["l1_required_bytes"]
    buffer_um2 = _SRAM_UM2_PER_BYTE * table["l2_required_bytes"]
    table["area_um2"] = pes * pe_um2 + buffer_um2 + bus + arbiter
    table["utilised_pes"] = utilised_pes
    return table


def has_template(layers: Layers) -> NDArray[np.bool_]:
    """Which layers MAESTRO can be given `[l]`: they multiply and are not dilated."""
    able: NDArray[np.bool_]
    able = layers.multiplies & (layers.dilation_h == 1) & (layers.dilation_w == 1)
    return able


def _layer_rows(layers: Layers) -> tuple[IntArray, NDArray[np.bool_]]:
    """The kernel's `LAYER_FIELDS` `[l, 10]`, and which layers are depthwise `[l]`."""
    depthwise = (layers.groups > 1) & (layers.groups == layers.c) & (layers.groups == layers.k)
    # A depthwise layer is one group of as many channels; others run group by group.
    one_by_one = np.where(depthwise, 1, layers.groups)
    columns = (
        np.where(depthwise, 1, layers.k // one_by_one), layers.c // one_by_one, layers.r, layers.s,
        layers.p, layers.q, layers.stride_h, layers.stride_w, layers.n * one_by_one,
        depthwise.astype(np.int64),
    )  # fmt: skip
    return np.stack(columns, axis=1), depthwise
