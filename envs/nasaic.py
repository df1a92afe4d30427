"""NASAIC's problem: two networks and a heterogeneous chip for them, under three specs.

Yang et al., "Co-exploration of neural architectures and heterogeneous ASIC accelerator designs
targeting multiple tasks", DAC 2020 (arXiv 2002.04116). Its energies and areas come from an old set
of constants (0.904 nJ per multiply-accumulate), so that its specs mean nothing elsewhere. What can
be carried over is how tight they are: each spec as a share of what NAS-then-ASIC comes to, which
breaks all three (workload W1, table I):

    ==========  =======  ==============  ======
    metric      spec     NAS then ASIC   share
    ==========  =======  ==============  ======
    latency     8e5      9.45e5          0.847
    energy      2e9      3.56e9          0.562
    area        4e9      4.71e9          0.849
    ==========  =======  ==============  ======

`derive_specs` does NAS-then-ASIC in this package's model: the most accurate networks, then the
fastest chip for them that uses all 4,096 PEs and 64 GB/s, as the published one does; of equally
fast chips that of least energy. Its figures times the shares are the specs. ``nasaic_specs.json``
stores them with the command that made them::

    python -m codesign_gym.experiments.reproduce.derive_nasaic
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from codesign_gym.cost_models.accuracy.lookup import LookupAccuracy
from codesign_gym.cost_models.analytical.chip_model import ChipModel
from codesign_gym.cost_models.workloads.networks import Workloads
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.envs.rewards import HingePenalty
from codesign_gym.envs.specs import Spec
from codesign_gym.search_spaces import (
    Designs,
    InputError,
    SearchSpace,
    heterogeneous_accelerator,
    in_group,
)
from codesign_gym.search_spaces.hardware.heterogeneous import TILES

PUBLISHED_SHARES = {
    "latency_ms": 8e5 / 9.45e5,
    "energy_uj": 2e9 / 3.56e9,
    "area_mm2": 4e9 / 4.71e9,
}
"""Spec over NAS-then-ASIC of W1."""

RHO = 1000.0
"""NASAIC's 10 for accuracies in 0..1, here in percent."""


@dataclass(frozen=True, eq=False)
class Task:
    """What one of the networks has to do.

    Attributes:
        space: The networks to choose from; its group does not matter.
        workloads: Their layers, in grid order.
        accuracy_pct: Their accuracies, in grid order.
        source: Where the accuracies come from.
    """

    space: SearchSpace
    workloads: Workloads
    accuracy_pct: Sequence[float] | np.ndarray[Any, np.dtype[np.float64]]
    source: str = ""


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
    )
    accuracies = tuple(
        LookupAccuracy(
            in_group(task.space, group), task.accuracy_pct, f"{group}_accuracy_pct", task.source
        )
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


def nas_then_asic(task1: Task, task2: Task, *, word_bytes: int = 1) -> dict[str, float]:
    """Latency, energy and area of the most accurate networks on the fastest whole chip.

    All 4,095 ways to split 4,096 PEs and 64 GB/s and to choose dataflows are gone through.
    """
    groups = {"task1": task1, "task2": task2}
    chip = ChipModel(
        {group: (task.space, task.workloads) for group, task in groups.items()},
        word_bytes=word_bytes,
    )
    networks = [task.space.unravel([int(np.argmax(task.accuracy_pct))]) for task in groups.values()]
    hardware = _whole_chips()
    rows = [np.repeat(network, len(hardware), axis=0) for network in networks]
    designs = np.concatenate([*rows, hardware], axis=1)
    metrics = chip.evaluate(designs)
    best = np.lexsort((metrics["energy_uj"], metrics["latency_ms"]))[0]
    return {metric: float(column[best]) for metric, column in metrics.items()}


def derive_specs(task1: Task, task2: Task, *, word_bytes: int = 1) -> tuple[Spec, ...]:
    """Specs as tight, relative to NAS-then-ASIC, as those of NASAIC's W1; four digits."""
    reached = nas_then_asic(task1, task2, word_bytes=word_bytes)
    return tuple(
        Spec(metric, "<=", float(f"{share * reached[metric]:.4g}"))
        for metric, share in PUBLISHED_SHARES.items()
    )


def stored_specs(name: str) -> tuple[Spec, ...]:
    """The specs in ``nasaic_specs.json``; `InputError` where there are none of that name."""
    problems = json.loads((files(__package__) / "nasaic_specs.json").read_text())["problems"]
    if name not in problems:
        raise InputError(f"no specs are stored for {name!r}, only for {', '.join(problems)}")
    return tuple(Spec(metric, "<=", bound) for metric, bound in problems[name]["specs"].items())


def _whole_chips() -> Designs:
    """Every chip of 4,096 PEs and 64 GB/s, ``[4095, 6]`` before equal ones are dropped."""
    space = heterogeneous_accelerator()
    free = [np.arange(len(p), dtype=np.int32) for p in space.parameters]
    free[0], free[4] = free[0][[TILES - 1]], free[4][-1:]
    grid = np.stack(np.meshgrid(*free, indexing="ij"), axis=-1).reshape(-1, len(space))
    return np.unique(space.canonical(grid), axis=0)
