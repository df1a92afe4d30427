"""Making an accuracy table: every network of a space trained, resumable, one thread each."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.accuracy.recipe import RECIPES, Recipe
from codesign_gym.cost_models.accuracy.tasks import TEST_SIZE, Task, get_task
from codesign_gym.cost_models.threads import one_thread
from codesign_gym.cost_models.workers import each
from codesign_gym.cost_models.workloads.spaces import MOST_NETWORKS
from codesign_gym.search_spaces import CellSpace, InputError, SearchSpace, make_space
from codesign_gym.search_spaces.errors import unknown_name
from codesign_gym.search_spaces.files import write_arrays, write_whole

if TYPE_CHECKING:
    from codesign_gym.cost_models.accuracy.training import Trained

METRICS = {
    "cell-network": ("accuracy",),
    "darts-1d": ("accuracy",),
    "mobilenet-1d": ("accuracy",),
    "nas-bench-201-1d": ("accuracy", "iou", "r2"),
    "proxylessnas-1d": ("accuracy",),
    "resnet9-1d": ("accuracy",),
    "unet-1d": ("iou",),
}
"""Space -> the metrics of the tasks that its networks are made for."""

COMPILED = {("nas-bench-201-1d", metric) for metric in METRICS["nas-bench-201-1d"]}
"""Spaces and metrics whose networks are trained by compiled code, the others by torch."""

ORDER_SEED = 0
"""Seed of the order in which networks are trained."""

CHUNK = 1000
"""Networks that are drawn at a time of a space too large to be listed."""


def check_trainable(space: str, task: str) -> None:
    """Raise `InputError` if the networks of a space are not made for the task."""
    if space not in METRICS:
        raise unknown_name("space of trainable networks", space, METRICS)
    metric = get_task(task).metric
    if metric not in METRICS[space]:
        raise InputError(
            f"networks of {space!r} are made for tasks with {' or '.join(METRICS[space])}; "
            f"that of {task!r} is {metric}"
        )


def training_order(space: SearchSpace, count: int | None = None) -> list[int]:
    """Grid positions of different networks of a space, in the order they are trained in.

    The order is random with a fixed seed, so that what is trained first is a uniform sample of
    them. Of isomorphic cells one stands for all.

    Args:
        space: The networks.
        count: How many at most; all by default.

    Raises:
        InputError: All of a space of more than `MOST_NETWORKS`.
    """
    if space.size > MOST_NETWORKS:
        if count is None:
            raise InputError(
                f"space {space.name!r} has {space.cardinality:.1e} networks, which cannot all be "
                "trained: say how many (--networks)"
            )
        drawn: dict[int, None] = {}  # a set in order
        rng = np.random.default_rng(ORDER_SEED)
        while len(drawn) < min(count, space.cardinality):
            drawn |= dict.fromkeys(space.ravel(space.sample(CHUNK, rng)).tolist())
        return list(drawn)[:count]
    networks = space.distinct() if isinstance(space, CellSpace) else space.enumerate()
    rng = np.random.default_rng(ORDER_SEED)
    return [int(position) for position in rng.permutation(space.ravel(networks))[:count]]


def train_table(
    journal: Path,
    networks: Iterable[int] | None = None,
    seeds: Sequence[int] = (0, 1),
    recipe: Recipe | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    space: str = "cell-network",
    task: str = "mnist1d",
) -> None:
    """Train networks and append one line each to ``journal``; networks already in it are skipped.

    Args:
        journal: A JSON-lines file, written a whole synced line at a time: a kill loses only the
            networks in training.
        networks: Grid positions in the space; by default all different networks, in
            `training_order`.
        seeds: Seeds of every network.
        recipe: How each is trained, by default as `RECIPES` says for the space.
        jobs: Processes, each with one thread.
        progress: Called with the number done and the total.
        space: Name of the space of networks.
        task: Name of the task they are trained on.

    Raises:
        InputError: The journal was begun with another space, task, recipe or other seeds; or the
            networks of the space are not made for the task.
    """
    check_trainable(space, task)
    recipe = RECIPES[space] if recipe is None else recipe
    grid = make_space(space)
    wanted = training_order(grid) if networks is None else list(networks)
    designs = dict(zip(wanted, grid.decode(grid.unravel(wanted)), strict=True))
    header = {
        "space": grid.digest,
        "task": task,
        "seeds": list(seeds),
        "recipe": asdict(recipe),
    }
    if is_compiled(space, get_task(task), recipe):
        header["trainer"] = "compiled"
    done = {row["network"] for row in open_journal(journal, header)}
    todo = [network for network in wanted if network not in done]
    progress(len(wanted) - len(todo), len(wanted))
    tasks = [(space, task, n, designs[n], list(seeds), recipe) for n in todo]
    with journal.open("a") as file:
        for count, (_, row) in enumerate(each(_train_row, tasks, jobs), start=1):
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
            progress(len(wanted) - len(todo) + count, len(wanted))


def open_journal(journal: Path, header: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a journal, begun with ``header`` if there is none; a torn last line is cut."""
    if not journal.exists() or journal.stat().st_size == 0:
        write_whole(journal, json.dumps(header) + "\n")
        return []
    text = journal.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:  # a line that was being written when the process was killed
        with journal.open("r+") as file:
            file.truncate(len(whole.encode()))
    begun, *rows = [json.loads(line) for line in whole.splitlines()] or [None]
    if begun != header:
        raise InputError(
            f"{journal} was begun with {begun}, which differs from {header}: name another file"
        )
    return rows


def compile_table(
    journal: Path,
    table: Path,
    command: str,
    *,
    space: str = "cell-network",
    task: str = "mnist1d",
    subset: bool = False,
) -> None:
    """Write the journal's rows as the table that `load_table` reads, with its provenance.

    Args:
        journal: What `train_table` wrote.
        table: The file to write, ``.npz``.
        command: How the table was made, for its provenance.
        space: Name of the space of networks.
        task: Name of the task they were trained on.
        subset: Accept that networks are missing: the table is of those that come first in
            `training_order`, a uniform sample, and its provenance says how many of how many.

    Raises:
        InputError: The journal lacks networks of the space, or is of another space or task.
    """
    text = journal.read_text()
    whole = text[: text.rfind("\n") + 1]  # the last line may be in writing
    header, *rows = [json.loads(line) for line in whole.splitlines()]
    grid = make_space(space)
    if (header["space"], header["task"]) != (grid.digest, task):
        raise InputError(f"{journal} was begun for another space or task than {space!r}, {task!r}")
    order = training_order(grid, len(rows) if subset else None)
    if subset:
        trained = {row["network"] for row in rows}
        order = list(takewhile(trained.__contains__, order))
        kept = set(order)
        rows = [row for row in rows if row["network"] in kept]
    rows.sort(key=lambda row: row["network"])
    if not rows or [row["network"] for row in rows] != sorted(order):
        raise InputError(f"{journal} holds {len(rows)} networks of {len(order)}: train the rest")
    provenance = {
        **header,
        "networks": len(rows),
        "different_networks": len(grid.distinct())
        if isinstance(grid, CellSpace)
        else grid.cardinality,
        "order_seed": ORDER_SEED,
        "command": command,
        "data": f"MNIST-1D, {get_task(task).made}; mnist1d {version('mnist1d')}",
        "test_size": TEST_SIZE,
        "cpu_hours": round(sum(row["cpu_s"] for row in rows) / 3600, 2),
        "versions": {p: version(p) for p in ("torch", "numba", "numpy", "mnist1d")},
        "machine": platform.machine(),
        **_noise([row["correct"] for row in rows]),
    }
    columns: dict[str, NDArray[Any]] = {
        key: np.array([row[key] for row in rows], dtype=np.uint16)
        for key in ("correct", "correct_fp16", "correct_int8")
    }
    columns["network"] = np.array([row["network"] for row in rows], dtype=np.int64)
    columns["cpu_s"] = np.array([row["cpu_s"] for row in rows], dtype=np.float32)
    for key in ("parameters", "macs"):
        if key in rows[0]:  # journals of the first tables lack them
            columns[key] = np.array([row[key] for row in rows], dtype=np.int64)
    columns["provenance"] = np.array(json.dumps(provenance))
    write_arrays(table, columns)


def _noise(correct: Sequence[Sequence[Sequence[int]]]) -> dict[str, float]:
    """How far the mean of a network's seeds is off, one standard deviation; {} for one seed."""
    last = np.array(correct, dtype=np.float64)[:, :, -1] * 100 / TEST_SIZE
    if last.shape[1] < 2:
        return {}
    variance = last.var(axis=1, ddof=1).mean() / last.shape[1]
    return {"noise_of_mean_pct": round(float(np.sqrt(variance)), 3)}


def is_compiled(space: str, task: Task, recipe: Recipe) -> bool:
    """Whether compiled code trains the networks of a space: batches must divide the tests."""
    return (space, task.metric) in COMPILED and TEST_SIZE % recipe.batch == 0


def train_network(
    space: str,
    design: Mapping[str, object],
    task: Task,
    seeds: Sequence[int],
    recipe: Recipe,
    device: str = "cpu",
) -> Trained:
    """Train a network of a space from scratch on one thread, by compiled code where there is some.

    Args:
        space: Name of the space.
        design: A decoded design of it.
        task: Data and metric.
        seeds: One independent initialisation and order of the data for each.
        recipe: Epochs and optimiser.
        device: Where; compiled code is for the CPU, all else is torch's.
    """
    with one_thread():
        if device == "cpu" and is_compiled(space, task, recipe):
            from codesign_gym.cost_models.accuracy.cell_training import train_cells

            return train_cells(design, task, seeds, recipe)
        from codesign_gym.cost_models.accuracy.training import builder, train

        return train(builder(space, design, task.metric), task, seeds, recipe, device)


def _train_row(
    space: str,
    task: str,
    network: int,
    design: dict[str, Any],
    seeds: list[int],
    recipe: Recipe,
) -> dict[str, Any]:
    trained = train_network(space, design, get_task(task), seeds, recipe)
    return {
        "network": network,
        "correct": trained.correct.tolist(),
        "correct_fp16": trained.correct_fp16.tolist(),
        "correct_int8": trained.correct_int8.tolist(),
        "cpu_s": round(trained.cpu_s, 2),
        "parameters": trained.parameters,
        "macs": trained.macs,
    }
