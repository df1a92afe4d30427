"""Convolutions and matrix products on spatial accelerators: latency, energy and area by mapping.

An accelerator is `pe_rows` x `pe_cols` processing elements (PEs) with registers (L1), a shared
buffer (L2), one network each for weights, inputs, sums in and sums out, and one DRAM channel. Its
template says what the array can do:

    ==========  ==========================  ===========  ========  =================================
    template    rows                        columns      stays     after
    ==========  ==========================  ===========  ========  =================================
    nvdla       channels                    filters      weights   NVDLA
    tpu         channels x kernel (im2col)  filters      weights   TPU, SCALE-Sim's ws
    shidiannao  output rows                 out columns  outputs   ShiDianNao (ISCA 2015)
    eyeriss     sets of kernel rows x output rows        weights   Eyeriss (ISCA 2016, JSSC 2017)
    free        anything that fits          anything     any       the best of all, per layer
    ==========  ==========================  ===========  ========  =================================

A `Mapping` says how a layer uses it. The array works in passes. A pass keeps a tile of the
stationary operand in the PEs and streams all that the buffer has of the others; tiles of the buffer
succeed each other in DRAM loops, of which one is innermost.

Accesses (every count is of words; operands W weights, I inputs, O outputs, sums; |X| is X's size):

    DRAM       |W| times the tiles of pixels, |I| of filters, |O| of channels; the one that belongs
               to the innermost loop once. Tiles of inputs overlap by the kernel's halo, padding is
               not fetched. Sums that leave unfinished are written and read back at sum width.
    L2         W is read once per pass over other pixels, I once per pass over other filters (with
               halo; unrolled, im2col, on a tpu), sums are written once per pass over other
               channels or taps and read back once less. All that DRAM moves passes as well.
    network    what L2 reads times the PEs it is multicast to, and sums handed from PE to PE.
    registers  per MAC a weight, an input, a sum read and a sum written; and what arrives.

An operand that L2 reads no more often than DRAM brings it passes through and needs two chunks of
room, else its tile, twice if other tiles follow.

Latency: `cycles = max(array, l2, dram) + fill`, all overlapped by double buffering. array is
max(compute, networks); where weights cannot be loaded behind the pass before (always on an eyeriss,
elsewhere where registers hold no second set) their loading, the first window of inputs, the ripple
of sums through the PEs that add them and their way out are added in every pass. compute counts idle
PEs at the edges; an eyeriss is configured once per layer, so that its last chunk takes as long as
the others. fill brings the first tiles.

Energy: MACs, registers, network, L2 and DRAM by `UnitEnergies`, and a static share per cycle. Zeros
are not skipped.

Validity: everything is bandwidth and counts; bank conflicts, DRAM pages and refresh are left out,
layers run one after another through DRAM.
"""

from __future__ import annotations

from collections.abc import Mapping as TableOf
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.cost_models.analytical.layer_costs import REASONS, LayerCosts, with_faults
from codesign_gym.cost_models.analytical.mapping import Mapping
from codesign_gym.cost_models.analytical.spatial_arrays import SpatialAccelerators
from codesign_gym.cost_models.analytical.spatial_technology import (
    UnitEnergies,
    area_mm2,
    technology_at,
    unit_energies,
)
from codesign_gym.cost_models.analytical.technology import FloatArray
from codesign_gym.cost_models.workloads.layers import IntArray, Kind, Layers
from codesign_gym.cost_models.workloads.networks import Workloads
from codesign_gym.cost_models.workloads.possible import possible_layers
from codesign_gym.search_spaces.errors import InputError, unknown_name
from codesign_gym.search_spaces.hardware.spatial import TEMPLATES

__all__ = [
    "BOTTLENECKS",
    "REASONS",
    "TEMPLATES",
    "LayerCosts",
    "Mapping",
    "SpatialAccelerators",
    "UnitEnergies",
    "area_mm2",
    "evaluate",
    "find_mapping",
    "network_totals",
    "technology_at",
    "unit_energies",
]

Objective = Literal["edp", "latency", "energy"]
Columns = TableOf[str, ArrayLike]
Table = dict[str, FloatArray | NDArray[np.bool_] | NDArray[np.int8]]

BOTTLENECKS = ("compute", "noc", "l2", "dram")
"""What a layer waits for, in the order of the codes."""

_OBJECTIVES = ("edp", "latency", "energy")
_TEMPLATE, _GIVEN = -1, -2


def evaluate(
    layers: Layers | Columns,
    accelerators: SpatialAccelerators | Columns,
    mapping: Literal["searched", "template"] | Mapping = "searched",
    objective: Objective = "edp",
    *,
    energies: UnitEnergies | None = None,
    compat: Literal["maestro"] | None = None,
) -> LayerCosts:
    """Every layer on every accelerator, one occurrence each: columns `[a, l]`.

    float64, NaN where there is no valid mapping: macs (of pooling and elementwise layers, which run
    on the array as layers of their own, the operations); latency_cycles (also as cycles),
    compute_cycles, noc_cycles, l2_cycles, dram_cycles, exposed_cycles (loading and draining that
    nothing hides), fill_cycles, latency_ms; energy_pj and its parts mac_, register_, noc_, l2_,
    dram_, static_energy_pj; register_, noc_, l2_, dram_ _weight_words, _input_words, and for sums
    register_sum_words, noc_sum_words, l2_sum_reads_words, l2_sum_writes_words, dram_output_words,
    dram_sum_words (unfinished ones, both ways); dram_bytes; l1_need_bytes, l2_need_bytes;
    active_pes (mean while computing); utilization (MACs per PE and cycle).
    bool: valid. int8: reason, an index into `REASONS`; bottleneck, one into `BOTTLENECKS`, -1 where
    invalid.

    Args:
        layers: The layers `[l]`, or a table as `Layers.from_table` takes it. Of a table, rows that
            no layer can be (groups that do not divide the channels, a kernel larger than the padded
            input) are marked invalid, not raised.
        accelerators: The accelerators `[a]`, or a table as `SpatialAccelerators.from_table` takes
            it: template, num_pes or pe_rows and pe_cols, and what differs from the defaults.
        mapping: `"template"` takes a rule's mapping, closed form; `"searched"` the best that a
            deterministic search among layouts and tilings of the template finds, never a worse one.
        objective: What the search minimises: energy x latency, latency or energy.
        energies: Costs of operations; those of 45 nm unless given.
        compat: `"maestro"` gives the figures of that tool instead, defects included (`maestro`
            lists them), for its own mappings of its templates kcp_ws, yxp_os and rs, which nvdla,
            shidiannao and eyeriss stand for. float64: runtime_cycles, macs, num_macs (as the tool
            counts them), energy_mac_units, l1_accesses, l2_accesses, l1_required_bytes,
            l2_required_bytes, utilised_pes, area_um2. A table of accelerators has the columns
            template, num_pes (or pe_rows and pe_cols), noc_bandwidth (words per cycle) and, if
            wanted, noc_latency (cycles, 1), l1_bytes and l2_kb, which the tool sizes itself: where
            given, what needs more is invalid.

    Raises:
        InputError: A name is unknown, a table is malformed, or a mapping or energies are given to
            MAESTRO, which has its own.

    Example:
        >>> from codesign_gym.cost_models.workloads.networks import network
        >>> two = {"template": ["nvdla", "eyeriss"], "num_pes": 256}
        >>> table = evaluate(network("resnet18"), two)
        >>> table["latency_cycles"].shape, bool(table.valid.all()), table.unit("energy_pj")
        ((2, 21), True, 'pJ')
        >>> evaluate(network("resnet18"), {"template": "nvdla", "num_pes": 0}).reason(0, 0)
        'no processing elements'
    """
    layers, faults = (
        (layers, np.zeros(len(layers), dtype=np.int64))
        if isinstance(layers, Layers)
        else possible_layers(layers)
    )
    if compat == "maestro":
        if isinstance(mapping, Mapping) or energies is not None:
            raise InputError("compat='maestro' takes no mapping and no energies: it has its own")
        _code(mapping, objective)
        from codesign_gym.cost_models.analytical.maestro_door import maestro_costs

        return maestro_costs(layers, accelerators, faults)
    if compat is not None:
        raise unknown_name("compat", compat, ("maestro",))
    if not isinstance(accelerators, SpatialAccelerators):
        accelerators = SpatialAccelerators.from_table(accelerators)
    from codesign_gym.cost_models.analytical import dataflow_kernel as kernel

    codes, _, results = _run(layers, accelerators, mapping, objective, energies)
    columns = {name: results[..., index] for index, name in enumerate(kernel.RESULT_FIELDS)}
    bottleneck = columns.pop("bottleneck")
    columns["latency_cycles"] = columns["cycles"]
    columns["latency_ms"] = columns["cycles"] / (accelerators.clock_ghz[:, None] * 1e6)
    pes = np.maximum(accelerators.pes, 1)[:, None]
    columns["utilization"] = columns["macs"] / (pes * columns["cycles"])
    return LayerCosts(columns, with_faults(codes, faults), {"bottleneck": bottleneck})


def find_mapping(
    layers: Layers,
    accelerators: SpatialAccelerators,
    mapping: Literal["searched", "template"] = "searched",
    objective: Objective = "edp",
    *,
    energies: UnitEnergies | None = None,
) -> tuple[Mapping, NDArray[np.bool_]]:
    """The mappings `[a, l]` that `evaluate` uses, and where there is one.

    Example:
        >>> from codesign_gym.cost_models.workloads.constructors import conv
        >>> one = SpatialAccelerators("nvdla", pe_rows=8, pe_cols=8)
        >>> found, _ = find_mapping(conv("c", c=16, k=32, h=14, r=3, pad=1), one)
        >>> found.spatial.tolist()
        [[[1, 8, 8, 1, 1, 1, 1]]]
    """
    codes, rows, _ = _run(layers, accelerators, mapping, objective, energies)
    rows[(codes != 0).ravel(), 1:19] = 1
    return Mapping.from_rows(rows, codes.shape), codes == 0


def network_totals(
    workloads: Workloads,
    accelerators: SpatialAccelerators,
    network: ArrayLike = 0,
    mapping: Literal["searched", "template"] = "searched",
    objective: Objective = "edp",
    *,
    energies: UnitEnergies | None = None,
) -> Table:
    """One network on each accelerator, all occurrences of its layers summed: columns `[a]`.

    Args:
        workloads: The networks `[w]`.
        accelerators: The accelerators `[a]`.
        network: Index in [0, w) of the network on each accelerator, `[a]` or one for all.
        mapping: As for `evaluate`.
        objective: As for `evaluate`, layer by layer.
        energies: As for `evaluate`.

    Returns:
        macs, cycles, latency_ms, energy_uj with its parts (mac_energy_uj, ...), dram_bytes,
        utilization: float64, NaN where a layer has no valid mapping; valid, bool; reason, int8.

    Example:
        >>> from codesign_gym.cost_models.workloads.networks import network
        >>> chips = SpatialAccelerators(["tpu", "free"], pe_rows=16, pe_cols=16)
        >>> totals = network_totals(Workloads.of(network("mobilenetv1")), chips)
        >>> bool(totals["latency_ms"][1] < totals["latency_ms"][0])
        True
    """
    from codesign_gym.cost_models.analytical import dataflow_kernel as kernel
    from codesign_gym.cost_models.analytical import dataflow_search as search

    which = np.empty(len(accelerators), dtype=np.int64)
    which[:] = network
    if len(which) and not (which.min() >= 0 and which.max() < len(workloads)):
        raise InputError(
            f"network must lie in [0, {len(workloads) - 1}]; got {which.min()} to {which.max()}"
        )
    sums = np.empty((len(accelerators), len(kernel.RESULT_FIELDS)))
    codes = np.zeros(len(accelerators), dtype=np.int64)
    search.fill_totals(
        layer_rows(workloads.layers), workloads.indptr, workloads.indices, workloads.counts,
        accelerator_rows(accelerators, energies), _code(mapping, objective), which, sums, codes,
    )  # fmt: skip
    sums[codes != 0] = np.nan
    of = {name: sums[:, index] for index, name in enumerate(kernel.RESULT_FIELDS)}
    totals: Table = {name: of[name] for name in ("macs", "cycles", "dram_bytes")}
    totals["latency_ms"] = of["cycles"] / (accelerators.clock_ghz * 1e6)
    for name in kernel.RESULT_FIELDS:
        if name.endswith("energy_pj"):
            totals[name.replace("_pj", "_uj")] = of[name] / 1e6
    totals["utilization"] = of["macs"] / (np.maximum(accelerators.pes, 1) * of["cycles"])
    totals["valid"] = codes == 0
    totals["reason"] = codes.astype(np.int8)
    return totals


def _code(mapping: str, objective: str) -> int:
    """The search's number for what to do."""
    if objective not in _OBJECTIVES:
        raise unknown_name("objective", objective, _OBJECTIVES)
    if mapping not in ("searched", "template"):
        raise unknown_name("mapping", mapping, ("searched", "template"))
    return _TEMPLATE if mapping == "template" else _OBJECTIVES.index(objective)


def _run(
    layers: Layers,
    accelerators: SpatialAccelerators,
    mapping: str | Mapping,
    objective: str,
    energies: UnitEnergies | None,
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Reasons `[a, l]`, the kernel's mappings `[a * l, 20]` and results `[a, l, 34]`."""
    from codesign_gym.cost_models.analytical import dataflow_kernel as kernel
    from codesign_gym.cost_models.analytical import dataflow_search as search

    shape = (len(accelerators), len(layers))
    size = shape[0] * shape[1]
    if isinstance(mapping, Mapping):
        code, rows = _GIVEN, mapping.to_rows(shape)
    else:
        code = _code(mapping, objective)
        rows = np.zeros((size, len(kernel.MAPPING_FIELDS)))
    results = np.full((size + 1, len(kernel.RESULT_FIELDS)), np.nan)
    codes = np.zeros(size, dtype=np.int64)
    search.fill_table(
        layer_rows(layers), accelerator_rows(accelerators, energies), code, rows, results, codes
    )
    return codes.reshape(shape), rows, results[:-1].reshape(*shape, results.shape[1])


def layer_rows(layers: Layers) -> FloatArray:
    """The kernel's `LAYER_FIELDS` `[l, 16]`; groups are apart, kinds and dilation resolved."""
    dilation_h, dilation_w, weight_copies, input_copies = _kind(layers)
    groups = layers.groups
    columns = (
        layers.n, layers.k // groups, layers.c // groups, layers.p, layers.q, layers.r, layers.s,
        groups, layers.stride_h, layers.stride_w, dilation_h, dilation_w,
        _padding(layers.h, layers.r, dilation_h, layers.stride_h, layers.pad_h, layers.p),
        _padding(layers.w, layers.s, dilation_w, layers.stride_w, layers.pad_w, layers.q),
        weight_copies, input_copies,
    )  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float64)


def _kind(layers: Layers) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Dilation down and across, and how many operands like weights and like inputs there are."""
    return (
        layers.dilation_h, layers.dilation_w,
        np.where(layers.multiplies, 1, 0), np.where(layers.kind == Kind.ELEMENTWISE, 2, 1),
    )  # fmt: skip


def _padding(
    size: IntArray, kernel: IntArray, dilation: IntArray, stride: IntArray, pad: IntArray,
    outputs: IntArray,
) -> IntArray:  # fmt: skip
    """Positions under some window of the kernel that are padding `[l]`, in one direction."""
    extent = (kernel - 1) * dilation + 1
    added = np.minimum(extent, stride)

    def before(end: IntArray) -> IntArray:
        passed = np.minimum(end // stride, outputs - 1)
        covered: IntArray = passed * added + np.minimum(end - passed * stride, extent)
        return covered

    padding: IntArray = (outputs - 1) * added + extent - before(pad + size) + before(pad)
    return padding


def accelerator_rows(
    accelerators: SpatialAccelerators, energies: UnitEnergies | None = None
) -> FloatArray:
    """The kernel's `ACCELERATOR_FIELDS` `[a, 25]`."""
    noc = accelerators.noc_bandwidth
    input_noc = accelerators.input_noc_bandwidth
    input_noc = np.where(input_noc > 0, input_noc, noc)
    rows = np.empty((len(accelerators), 25))
    rows[:, 0], rows[:, 1] = accelerators.template, accelerators.pe_rows
    rows[:, 2], rows[:, 3] = accelerators.pe_cols, accelerators.l1_bytes
    caps = (
        (accelerators.l1_weight_bytes, accelerators.word_bytes),
        (accelerators.l1_input_bytes, accelerators.word_bytes),
        (accelerators.l1_sum_bytes, accelerators.sum_bytes),
    )
    for column, (cap, width) in enumerate(caps, start=4):
        rows[:, column] = np.where(cap > 0, cap, accelerators.l1_bytes) // width
    rows[:, 7] = accelerators.l2_kb * 1024
    rows[:, 8], rows[:, 9] = accelerators.word_bytes, accelerators.sum_bytes
    rows[:, 10], rows[:, 11] = 1 / noc, 1 / input_noc
    rows[:, 12] = accelerators.clock_ghz / accelerators.dram_gbps
    rows[:, 13] = accelerators.activation_ratio
    if energies is None:
        energies = unit_energies(accelerators)
    elif not isinstance(energies, UnitEnergies):
        raise InputError(f"energies must be UnitEnergies, got {energies!r:.60}")
    rows[:, 14:24] = energies.rows(len(accelerators))
    # The buffer's banks serve every network in every cycle; DRAM takes cycles from them.
    rows[:, 24] = 1 / (3 * noc + input_noc)
    return rows
