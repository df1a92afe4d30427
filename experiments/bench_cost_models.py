"""Speed of the cost models alone: one process, one thread. Reports, asserts nothing.

Rows are those of `experiments.bench`: each figure is the median of several repetitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.analytical import maestro, roofline
from codesign_gym.cost_models.analytical.chip_model import ChipModel
from codesign_gym.cost_models.analytical.dataflow import (
    TEMPLATES,
    SpatialAccelerators,
    accelerator_rows,
    evaluate,
    find_mapping,
    layer_rows,
    network_totals,
)
from codesign_gym.cost_models.analytical.scheduling import schedule
from codesign_gym.cost_models.metrics import Metrics
from codesign_gym.cost_models.simulators.soc_model import SocModel
from codesign_gym.cost_models.threads import one_thread
from codesign_gym.cost_models.workloads.ar_workloads import TASK_GRAPHS
from codesign_gym.cost_models.workloads.networks import Workloads, network
from codesign_gym.cost_models.workloads.spaces import all_networks
from codesign_gym.experiments.bench_rows import Row, cpu_seconds, row
from codesign_gym.search_spaces import Designs, cell_network

_NETWORK = "resnet50"


def dataflow_rows(count: int = 256) -> Iterator[Row]:
    """The dataflow model on ResNet-50: layers per second, and one design.

    Args:
        count: Accelerators in a batch.
    """
    layers = network(_NETWORK)
    workloads = Workloads.of(layers)
    distinct = len(workloads.layers)
    hows: tuple[tuple[Literal["template", "searched"], int], ...] = (
        ("template", count),
        ("searched", max(1, count // 64)),
    )
    for how, size in hows:
        for template in TEMPLATES:
            rows = 8 + np.arange(size) % 57
            chips = SpatialAccelerators(template, rows, 16, l2_kb=256, word_bytes=2)
            taken = cpu_seconds(partial(network_totals, workloads, chips, 0, how))
            name = f"dataflow {template}, {how}"
            yield row(name, size * len(layers) / taken / 1e6, "M layers/s")
            yield row(f"{name}, distinct only", size * distinct / taken / 1e6, "M layers/s")
    chips = SpatialAccelerators("nvdla", 8 + np.arange(count) % 57, 16, l2_kb=256, word_bytes=2)
    given, _ = find_mapping(workloads.layers, chips, "template")
    taken = cpu_seconds(partial(evaluate, workloads.layers, chips, given))
    yield row("dataflow, given mappings, table", count * distinct / taken / 1e6, "M layers/s")
    one = SpatialAccelerators("nvdla", 16, 16)
    for how, _ in hows:
        taken = cpu_seconds(partial(network_totals, workloads, one, 0, how), 25)
        yield row(f"dataflow {_NETWORK}, one design, {how}", 1e3 * taken, "ms")


def smooth_rows(count: int = 512) -> Iterator[Row]:
    """The array form, on one thread: in NumPy, and smooth in torch (float32) with gradients.

    Args:
        count: Accelerators in a batch; NumPy, whose temporaries must fit a cache, gets fewer.
    """
    import torch

    from codesign_gym.cost_models.analytical.dataflow_relaxed import RELAXABLE, relaxed_costs
    from codesign_gym.cost_models.analytical.dataflow_smooth import mapping_costs

    with one_thread():
        layers = Workloads.of(network(_NETWORK)).layers
        for template in RELAXABLE:
            chips = SpatialAccelerators(
                template, 8 + np.arange(count) % 57, 16, l2_kb=256, word_bytes=2
            )
            found, _ = find_mapping(layers, chips, "template")
            mappings = found.to_rows((count, len(layers))).reshape(count, len(layers), -1)
            rows = layer_rows(layers), accelerator_rows(chips)[:, None], mappings
            some = max(1, count // 8)
            few = rows[0], rows[1][:some], mappings[:some]
            taken = cpu_seconds(partial(mapping_costs, *few))
            name = f"dataflow {template}, NumPy arrays"
            yield row(name, some * len(layers) / taken / 1e6, "M layers/s")
            tensors = [torch.tensor(values, dtype=torch.float32) for values in rows]

            def by_mapping(tensors: list[Any] = tensors) -> None:
                tensors[2].requires_grad_(True)
                costs = mapping_costs(*tensors, smooth=True)
                worth = costs["cycles"].log() + costs["energy_pj"].log()
                torch.autograd.grad(worth.sum(), tensors[2])

            figures = (chips.pe_rows, chips.pe_cols, chips.l1_bytes, chips.l2_kb,
                       chips.noc_bandwidth, chips.dram_gbps)  # fmt: skip
            designs = torch.tensor(np.stack(figures, axis=1), dtype=torch.float32)

            def by_design(
                given: Any = tensors[0], designs: Any = designs, of: str = template
            ) -> None:
                designs.requires_grad_(True)
                costs = relaxed_costs(given, designs, of)
                worth = costs["cycles"].log() + costs["energy_pj"].log()
                torch.autograd.grad(worth.sum(), designs)

            for what, call in (("mapping", by_mapping), ("design", by_design)):
                name = f"dataflow {template}, smooth, gradient to the {what}"
                yield row(name, count * len(layers) / cpu_seconds(call) / 1e6, "M layers/s")


def roofline_rows(count: int = 256) -> Iterator[Row]:
    """The roofline of ResNet-50: distinct layers per second.

    Args:
        count: Accelerators in a batch.
    """
    layers = Workloads.of(network(_NETWORK)).layers
    chips = SpatialAccelerators("free", 8 + np.arange(count) % 57, 16)
    taken = cpu_seconds(partial(roofline.evaluate, layers, chips))
    yield row("roofline, distinct only", count * len(layers) / taken / 1e6, "M layers/s")


def random_instances(
    count: int, layers: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Two chains each, ``layers`` together, on two sub-accelerators: latency, energy, starts.

    A layer's size is log-normal (sigma 1), and so is what each sub-accelerator makes of it (sigma
    0.6 for latency, 0.4 for energy).
    """
    rng = np.random.default_rng(seed)
    size = rng.lognormal(0, 1, (count * layers, 1))
    latency = size * rng.lognormal(0, 0.6, (count * layers, 2))
    energy = size * rng.lognormal(0, 0.4, (count * layers, 2))
    starts = np.arange(2 * count + 1) * layers // 2
    starts[1::2] = layers * np.arange(count) + rng.integers(1, layers, count)
    starts[::2] = layers * np.arange(count + 1)
    return latency, energy, starts


def scheduling_rows(count: int = 500) -> Iterator[Row]:
    """Gap of the scheduling heuristic to the optimum on random instances, and how long both take.

    Energy is minimised within 1.2 times the shortest makespan.

    Args:
        count: Instances of each size.
    """
    for layers in (6, 10, 14, 18):
        arrays = random_instances(count, layers, seed=0)
        limit = 1.2 * schedule(*arrays, chains=2, method="exact").makespan
        for what, most in (("makespan", np.zeros(count)), ("energy", limit)):
            found = {}
            for how in ("heuristic", "exact"):
                call = partial(schedule, *arrays, chains=2, limit=most, method=how)
                found[how] = call()
                name = f"scheduling {layers} layers, {what}, {how}"
                yield row(name, 1e6 * cpu_seconds(call, 3) / count, "us")
            ours, best = found["heuristic"], found["exact"]
            kept = (ours.makespan <= most * (1 + 1e-9)) | (what == "makespan")
            gap = 100 * (getattr(ours, what) / getattr(best, what) - 1)[kept]
            name = f"scheduling {layers} layers, {what}, gap of the heuristic"
            yield row(f"{name}, mean", float(gap.mean()), "%")
            yield row(f"{name}, median", float(np.median(gap)), "%")
            yield row(f"{name}, p95", float(np.quantile(gap, 0.95)), "%")
            yield row(f"{name}, kept limits", 100 * float(kept.mean()), "%")


def chip_rows(count: int = 512) -> Iterator[Row]:
    """Two cell networks on a heterogeneous chip: ms per design in a batch, and one design.

    Args:
        count: Designs in a batch.
    """
    cells = (cell_network(), all_networks(cell_network()))
    for limit in (None, 0.001):
        fresh = partial(ChipModel, {"task1": cells, "task2": cells}, latency_ms=limit)
        model = fresh()
        designs = model.space.sample(count, 0)
        name = "chip, two cell networks" + (", latency spec" if limit else "")
        taken = cpu_seconds(partial(_compute, fresh, designs), 3)
        yield row(f"{name}, cold", 1e3 * taken / count, "ms")
        yield row(f"{name}, warm", 1e3 * cpu_seconds(partial(model.compute, designs)) / count, "ms")
        one = partial(model.compute, designs[:1])
        yield row(f"{name}, one design", 1e3 * cpu_seconds(one, 25), "ms")


def maestro_rows(count: int = 256) -> Iterator[Row]:
    """MAESTRO's figures for ResNet-50; the tool itself, -O3, gives 1.5e3 layers a second."""
    layers = network(_NETWORK)
    for template in maestro.TEMPLATES:
        pes = 64 + np.arange(count)
        chips: dict[str, Any] = {"template": template, "num_pes": pes, "noc_bandwidth": 64}
        taken = cpu_seconds(partial(evaluate, layers, chips, compat="maestro"))
        yield row(f"maestro {template}", count * len(layers) / taken / 1e6, "M layers/s")


def soc_rows(count: int = 4096) -> Iterator[Row]:
    """Systems on chip by phases: designs per second in a batch, and one design.

    Args:
        count: Designs in a batch.
    """
    for name in TASK_GRAPHS:
        model = SocModel(name)
        designs = model.space.sample(count, 0)
        taken = cpu_seconds(partial(model.compute, designs), 15)
        yield row(f"soc {name}, n = {count}", count / taken / 1e3, "k designs/s")
        one = partial(model.compute, designs[:1])
        yield row(f"soc {name}, one design", 1e3 * cpu_seconds(one, 25), "ms")


def _compute(make: Callable[[], ChipModel], designs: Designs) -> Metrics:
    """The metrics by a model that knows nothing yet."""
    return make().compute(designs)


BENCHES: dict[str, Callable[..., Iterator[Row]]] = {
    "chip": chip_rows,
    "dataflow": dataflow_rows,
    "dataflow-smooth": smooth_rows,
    "maestro": maestro_rows,
    "roofline": roofline_rows,
    "scheduling": scheduling_rows,
    "soc": soc_rows,
}
"""Benchmarks by name."""
