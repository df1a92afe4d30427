"""The systolic-array model as a cost model: one fixed workload, or the network of each design."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.analytical.inference import INFERENCE_METRICS
from codesign_gym.cost_models.analytical.scalesim_export import scalesim_files
from codesign_gym.cost_models.analytical.systolic import (
    SystolicArrays,
    area_mm2,
    layer_table,
    network_totals,
)
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metrics
from codesign_gym.cost_models.workloads.constructors import linear
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.load import load_workload
from codesign_gym.cost_models.workloads.networks import NETWORKS, Workloads, network
from codesign_gym.cost_models.workloads.spaces import (
    NETWORK_SPACES,
    all_networks,
    faults,
    workloads_of,
)
from codesign_gym.search_spaces import (
    CellSpace,
    Designs,
    InputError,
    SearchSpace,
    make_space,
    systolic_accelerator,
)

LISTED = 2000
"""Spaces of up to so many networks are written as layers once, others for each batch of designs."""


class SystolicModel(CostModel):
    """Latency, energy, area and DRAM traffic of one inference on a systolic accelerator.

    Args:
        workload: One of `NETWORK_SPACES` for the network that each design chooses, which is
            invalid where it cannot be built; else layers, or anything that `load_workload` takes:
            a network's name, an ONNX file, a CSV table, or ``module:function``.
        batch: Inputs per inference, for a network known by name.
    """

    source = (
        "closed form of SCALE-Sim (Samajdar et al., ISPASS 2020) with buffer-limited DRAM traffic; "
        "45 nm energies and areas of Horowitz (ISSCC 2014)"
    )
    metrics = INFERENCE_METRICS
    formats = ("scalesim",)

    def __init__(self, workload: str | Layers = "resnet18", batch: int = 1) -> None:
        accelerator = systolic_accelerator()
        self.name = f"systolic-{workload}" if isinstance(workload, str) else "systolic"
        self._network: SearchSpace | None = None
        self._fixed: Workloads | None = None
        self.space: SearchSpace = accelerator
        if isinstance(workload, str) and workload in NETWORK_SPACES:
            if batch != 1:
                raise InputError(f"batch must be 1 for networks of a space, got {batch}")
            self._network = make_space(workload)
            self.space = self._network * accelerator
            if self._network.size <= LISTED:
                self._fixed = all_networks(self._network)
        else:
            self._fixed = Workloads.of(_layers(workload, batch))
        self._network_parameters = 0 if self._network is None else len(self._network)
        self._values = [np.asarray(p.values) for p in accelerator.parameters]

    @property
    def layers_per_design(self) -> float:
        """Distinct layers evaluated for one design, on average over the workloads."""
        loads, _, _ = self._loads(self.space.sample(64, 0))
        return len(loads.indices) / len(loads)

    def compute(self, designs: Designs) -> Metrics:
        """The metrics of designs ``[n, p]``."""
        loads, chosen, invalid = self._loads(designs)
        arrays = self._arrays(designs)
        totals = network_totals(loads, arrays, chosen)
        values = np.empty((len(designs), len(self.metrics)))
        values[:, 0] = totals["latency_ms"]
        values[:, 1] = totals["energy_uj"]
        values[:, 2] = area_mm2(arrays)
        values[:, 3] = totals["dram_bytes"] / 1e6
        values[:, 4] = totals["overall_util_pct"]
        return Metrics(self.metrics, values, invalid)

    def export(self, designs: Designs, form: str) -> dict[str, str]:
        """One design ``[1, p]`` as SCALE-Sim's input files, ``form`` being ``scalesim``."""
        if form not in self.formats:
            return super().export(designs, form)
        layers, _ = self._layers_of(designs)
        return scalesim_files(layers, self._arrays(designs))

    def explain(self, designs: Designs) -> list[dict[str, str | float]]:
        """Where the cycles and the energy of one design ``[1, p]`` go: a row per distinct layer.

        Columns: ``layer``; ``times`` it runs; ``cycles`` of all its runs and their share
        ``cycles_pct``; ``util_pct`` (MACs per processing element and cycle); ``bound``, what its
        time is spent on: the array (``compute``), ``dram``, or the ``fill`` of the array before
        either; ``energy_pct``; ``macs_per_byte`` of DRAM traffic, the x axis of a roofline.
        """
        arrays = self._arrays(designs)
        layers, times = self._layers_of(designs)
        table = {name: column[0] for name, column in layer_table(layers, arrays).items()}
        cycles, energy = table["cycles"] * times, table["energy_pj"] * times
        parts = np.stack([table[f"{part}_cycles"] for part in ("compute", "dram", "fill")])
        bound = np.array(["compute", "dram", "fill"])[parts.argmax(axis=0)]
        return [
            {
                "layer": name,
                "times": int(times[i]),
                "cycles": int(cycles[i]),
                "cycles_pct": float(100 * cycles[i] / max(cycles.sum(), 1)),
                "util_pct": float(table["overall_util_pct"][i]),
                "bound": str(bound[i]) if cycles[i] else "free",
                "energy_pct": float(100 * energy[i] / energy.sum()) if energy.any() else 0.0,
                "macs_per_byte": float(table["macs"][i] / max(table["dram_bytes"][i], 1)),
            }
            for i, name in enumerate(layers.name)
        ]

    def _loads(
        self, designs: Designs
    ) -> tuple[Workloads, NDArray[np.int64], dict[str, NDArray[np.bool_]]]:
        """Networks, which of them each design has ``[n]``, and which designs have none and why."""
        chosen = np.zeros(len(designs), dtype=np.int64)
        if self._network is None:
            assert self._fixed is not None
            return self._fixed, chosen, {}
        networks = designs[:, : self._network_parameters]
        if isinstance(self._network, CellSpace):  # a compiler leaves out what leads nowhere
            networks = self._network.pruned(networks)
        reasons = np.array(faults(self._network, networks), dtype=object)
        invalid = {str(reason): reasons == reason for reason in set(reasons) - {""}}
        if self._fixed is not None:
            return self._fixed, self._network.ravel(networks), invalid
        sound = np.flatnonzero(reasons == "")
        chosen[sound] = np.arange(len(sound))
        if not len(sound):  # some layer, whose costs nobody sees
            return Workloads.of(linear("none", 1, 1)), chosen, invalid
        return workloads_of(self._network, networks[sound]), chosen, invalid

    def _layers_of(self, designs: Designs) -> tuple[Layers, NDArray[np.int64]]:
        """The distinct layers of the workload of a design ``[1, p]``, and how often each occurs."""
        loads, [row], invalid = self._loads(designs)
        if invalid:
            raise InputError(f"the network cannot be built: {next(iter(invalid))}")
        entries = slice(loads.indptr[row], loads.indptr[row + 1])
        return loads.layers.take(loads.indices[entries]), loads.counts[entries]

    def _arrays(self, designs: Designs) -> SystolicArrays:
        """The accelerators ``[n]`` of designs."""
        hardware = designs[:, self._network_parameters :]
        column = [values[hardware[:, j]] for j, values in enumerate(self._values)]
        rows, cols, _, ifmap, filters, ofmap, bandwidth, word = column
        return SystolicArrays(
            rows=rows,
            cols=cols,
            dataflow=hardware[:, 2],  # the space lists dataflows in the order of their codes
            ifmap_kb=ifmap,
            filter_kb=filters,
            ofmap_kb=ofmap,
            dram_gbps=bandwidth,
            word_bytes=word,
        )


def _layers(workload: str | Layers, batch: int) -> Layers:
    if isinstance(workload, Layers):
        return workload
    if workload in NETWORKS:
        return network(workload, batch)
    if batch != 1:
        raise InputError(f"batch must be 1 for a workload of one's own, got {batch}")
    return load_workload(workload)
