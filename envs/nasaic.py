"""NASAIC's problems: two networks and a heterogeneous chip for them, under three specs.

Yang et al., "Co-exploration of neural architectures and heterogeneous ASIC accelerator designs
targeting multiple tasks", DAC 2020 (arXiv 2002.04116). Its workloads, with the networks and tasks
that have measured accuracies here:

    =========  ===========================  =================================================
    problem    NASAIC                       here
    =========  ===========================  =================================================
    nasaic-w1  CIFAR-10, Nuclei (segments)  resnet9-1d on mnist1d, unet-1d on mnist1d-stroke
    nasaic-w2  CIFAR-10, STL-10             resnet9-1d on mnist1d and on mnist1d-shuffled
    nasaic-w3  CIFAR-10 twice               resnet9-1d on mnist1d, twice
    =========  ===========================  =================================================

**The chip.** A network of 1-D filters has a thousandth of the multiply-accumulates (MACs) of
NASAIC's, 650 thousand for the most accurate pair of W1. The chip is made smaller by 16, so that
accuracy and cost are of the same network: 64 tiles of 4 PEs and buffers of 4 KiB. The accurate
networks then keep three quarters of the PEs of their chip busy, those of W1 as published all of
them (3.94e9 MACs, by its energy, in 9.45e5 cycles on 4,096 PEs); on 1,024 PEs it were a third. The
bandwidth stays at 64 GB/s: a weight is used at 40 positions, not at a thousand.

**The specs.** NASAIC's energies and areas come from an old set of constants (0.904 nJ per MAC), so
that its specs mean nothing elsewhere. What can be carried over is how tight they are: each spec as
a share of what NAS-then-ASIC comes to, which breaks all three (workload W1, table I):

    ==========  =======  ==============  ======
    metric      spec     NAS then ASIC   share
    ==========  =======  ==============  ======
    latency     8e5      9.45e5          0.847
    energy      2e9      3.56e9          0.562
    area        4e9      4.71e9          0.849
    ==========  =======  ==============  ======

`nas_then_asic` does it in this package's model: the most accurate networks, then the fastest chip
for them that uses all PEs and all bandwidth, as the published one does, (dla, 2112, 48) + (shi,
1984, 16); of equally fast chips that of least energy. No spec plays a part in it, so that specs
made of its figures are not circular; its figures times the shares are the specs, for all three
workloads the shares of W1. ``nasaic_specs.json`` stores them with the command that made them::

    python -m codesign_gym.experiments.reproduce.derive_nasaic
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any

import numpy as np

from codesign_gym.cost_models.accuracy.lookup import LookupAccuracy
from codesign_gym.cost_models.accuracy.trained import AccuracyTable
from codesign_gym.cost_models.analytical.chip_model import ChipModel
from codesign_gym.cost_models.metrics import Metrics
from codesign_gym.cost_models.workloads.networks import Workloads
from codesign_gym.cost_models.workloads.spaces import all_networks
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.envs.rewards import HingePenalty
from codesign_gym.envs.specs import Spec
from codesign_gym.search_spaces import (
    Designs,
    InputError,
    SearchSpace,
    heterogeneous_accelerator,
    in_group,
    make_space,
)
from codesign_gym.search_spaces.errors import unknown_name
from codesign_gym.search_spaces.hardware.heterogeneous import TILES

PUBLISHED_SHARES = {
    "latency_ms": 8e5 / 9.45e5,
    "energy_uj": 2e9 / 3.56e9,
    "area_mm2": 4e9 / 4.71e9,
}
"""Spec over NAS-then-ASIC of W1."""

RHO = 1000.0
"""NASAIC's 10 for accuracies in 0..1, here in percent."""

TILE_PES, BUFFER_KB = 4, 4
"""PEs of a tile and shared buffer of a sub-accelerator: NASAIC's chip made smaller by 16."""

WORKLOADS = {
    "nasaic-w1": (("resnet9-1d", "mnist1d"), ("unet-1d", "mnist1d-stroke")),
    "nasaic-w2": (("resnet9-1d", "mnist1d"), ("resnet9-1d", "mnist1d-shuffled")),
    "nasaic-w3": (("resnet9-1d", "mnist1d"), ("resnet9-1d", "mnist1d")),
}
"""Problem -> the space of networks and the data of both tasks."""


@dataclass(frozen=True, eq=False)
class Task:
    """What one of the networks has to do.

    Attributes:
        space: The networks to choose from; its group does not matter.
        workloads: Their layers, in grid order.
        accuracy_pct: Their accuracies (of segmenters, intersection over union), in grid order.
        source: Where the accuracies come from.
    """

    space: SearchSpace
    workloads: Workloads
    accuracy_pct: Sequence[float] | np.ndarray[Any, np.dtype[np.float64]]
    source: str = ""


def trained_task(space: str, data: str, word_bytes: int = 1) -> Task:
    """A task of which all networks were trained, accuracies measured at the chip's word width."""
    table = AccuracyTable(space, data)
    networks = make_space(space)
    designs = networks.enumerate()
    word = np.full((len(designs), 1), table.space.parameters[-1].index(word_bytes), np.int32)
    accuracy = np.zeros(networks.size)
    found = table.evaluate(np.concatenate([designs, word], axis=1))
    [metric] = found
    accuracy[networks.ravel(designs)] = found[metric]
    return Task(networks, all_networks(networks), accuracy, table.source)


def workload(name: str) -> tuple[Task, Task]:
    """Both tasks of one of `WORKLOADS`; `InputError` where there is none of that name."""
    if name not in WORKLOADS:
        raise unknown_name("workload", name, WORKLOADS)
    one, other = (trained_task(*names) for names in WORKLOADS[name])
    return one, other


def registered(name: str) -> DesignProblem:
    """The problem called ``name``, with its stored specs."""
    spaces = " and ".join(f"{space} on {data}" for space, data in WORKLOADS[name])
    return nasaic_problem(name, *workload(name), description=f"{spaces} x a heterogeneous chip")


def nasaic_problem(
    name: str,
    task1: Task,
    task2: Task,
    specs: Sequence[Spec] | None = None,
    *,
    weights: tuple[float, float] = (0.5, 0.5),
    rho: float = RHO,
    word_bytes: int = 1,
    description: str = "",
) -> DesignProblem:
    """The problem over ``task1``, ``task2`` and ``accelerator``, NASAIC's reward included.

    Its objectives are ``task1_pct`` and ``task2_pct``, the accuracies.

    The accuracies count as expensive: a design that breaks a spec is not trained, which is
    NASAIC's early pruning; its reward is then ``-rho`` times the violation.

    Args:
        name: Name of the problem.
        task1: The first task.
        task2: The second task.
        specs: Upper bounds of latency_ms, energy_uj, area_mm2; those stored under ``name`` unless
            given. A bound of the latency is the scheduler's as well.
        weights: Of the accuracies in the reward.
        rho: Weight of the violation, relative to the specs.
        word_bytes: Width of a word on the chip.
        description: What the problem is.
    """
    bounds = tuple(stored_specs(name) if specs is None else specs)
    limits = {spec.metric: spec.bound for spec in bounds}
    tasks = {"task1": task1, "task2": task2}
    chip = ChipModel(
        {group: (task.space, task.workloads) for group, task in tasks.items()},
        latency_ms=limits.get("latency_ms"),
        word_bytes=word_bytes,
        tile_pes=TILE_PES,
        buffer_kb=BUFFER_KB,
    )
    accuracies = tuple(
        LookupAccuracy(in_group(task.space, group), task.accuracy_pct, f"{group}_pct", task.source)
        for group, task in tasks.items()
    )
    names = [model.metrics[0].name for model in accuracies]
    return DesignProblem(
        name=name,
        space=chip.space,
        models=(chip, *accuracies),
        objective_names=tuple(names),
        specs=bounds,
        reward=HingePenalty(dict(zip(names, weights, strict=True)), rho),
        description=description or "two networks and a heterogeneous chip: accuracies under specs",
        source="NASAIC (arXiv 2002.04116); specs at its relative tightness, see envs.nasaic",
    )


NASAIC_PROBLEMS: dict[str, Callable[..., DesignProblem]] = {
    name: partial(registered, name) for name in WORKLOADS
}
"""Name -> function that makes the problem."""


def nas_then_asic(task1: Task, task2: Task, *, word_bytes: int = 1) -> dict[str, float]:
    """Latency, energy and area of the most accurate networks on the fastest whole chip."""
    groups = {"task1": task1, "task2": task2}
    chip = ChipModel(
        {group: (task.space, task.workloads) for group, task in groups.items()},
        word_bytes=word_bytes,
        tile_pes=TILE_PES,
        buffer_kb=BUFFER_KB,
    )
    networks = [task.space.unravel([int(np.argmax(task.accuracy_pct))]) for task in groups.values()]
    hardware = whole_chips()
    rows = [np.repeat(network, len(hardware), axis=0) for network in networks]
    metrics = chip.evaluate(np.concatenate([*rows, hardware], axis=1))
    best = fastest(metrics)
    return {metric: float(column[best]) for metric, column in metrics.items()}


def fastest(metrics: Metrics) -> int:
    """The row of least latency, of equals that of least energy."""
    return int(np.lexsort((metrics["energy_uj"], metrics["latency_ms"]))[0])


def derive_specs(task1: Task, task2: Task, *, word_bytes: int = 1) -> tuple[Spec, ...]:
    """Specs as tight, relative to NAS-then-ASIC, as those of NASAIC's W1; three digits."""
    reached = nas_then_asic(task1, task2, word_bytes=word_bytes)
    return tuple(
        Spec(metric, "<=", float(f"{share * reached[metric]:.3g}"))
        for metric, share in PUBLISHED_SHARES.items()
    )


def stored_specs(name: str) -> tuple[Spec, ...]:
    """The specs in ``nasaic_specs.json``; `InputError` where there are none of that name."""
    problems = json.loads((files(__package__) / "nasaic_specs.json").read_text())["problems"]
    if name not in problems:
        raise InputError(f"no specs are stored for {name!r}, only for {', '.join(problems)}")
    return tuple(Spec(metric, "<=", bound) for metric, bound in problems[name]["specs"].items())


def whole_chips() -> Designs:
    """All 4,095 chips that use every PE and all bandwidth, ``[4095, 6]``."""
    space = heterogeneous_accelerator(TILE_PES)
    free = [np.arange(len(p), dtype=np.int32) for p in space.parameters]
    free[0], free[4] = free[0][[TILES - 1]], free[4][-1:]
    grid = np.stack(np.meshgrid(*free, indexing="ij"), axis=-1).reshape(-1, len(space))
    return np.unique(space.canonical(grid), axis=0)
