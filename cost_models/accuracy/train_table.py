"""Making the accuracy table: every cell network trained, resumable, one thread per process."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.accuracy.mnist1d_training import RECIPE, Recipe, train
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.networks.cell import cell_network


def train_table(
    journal: Path,
    networks: Iterable[int] | None = None,
    seeds: Sequence[int] = (0, 1),
    recipe: Recipe = RECIPE,
    jobs: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Train networks and append one line each to ``journal``; networks already in it are skipped.

    Args:
        journal: A JSON-lines file, written a whole synced line at a time: a kill loses only the
            networks in training.
        networks: Grid positions in ``cell-network``; all of them by default.
        seeds: Seeds of every network.
        recipe: How each is trained; must be the one the journal was begun with.
        jobs: Processes, each with one thread.
        progress: Called with the number done and the total.

    Raises:
        InputError: The journal was begun with other seeds or another recipe.
    """
    space = cell_network()
    wanted = list(range(space.size) if networks is None else networks)
    designs = dict(zip(wanted, space.decode(space.unravel(wanted)), strict=True))
    header = {"space": space.digest, "seeds": list(seeds), "recipe": asdict(recipe)}
    done = {row["network"] for row in open_journal(journal, header)}
    todo = [network for network in wanted if network not in done]
    progress(len(wanted) - len(todo), len(wanted))
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_one_thread)
    with pool, journal.open("a") as file:
        tasks = [pool.submit(_train_row, n, designs[n], list(seeds), recipe) for n in todo]
        try:
            for count, task in enumerate(as_completed(tasks), start=len(wanted) - len(todo) + 1):
                file.write(json.dumps(task.result()) + "\n")
                file.flush()
                os.fsync(file.fileno())
                progress(count, len(wanted))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def open_journal(journal: Path, header: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a journal, begun with ``header`` if there is none; a torn last line is cut."""
    if not journal.exists() or journal.stat().st_size == 0:
        journal.parent.mkdir(parents=True, exist_ok=True)
        journal.write_text(json.dumps(header) + "\n")
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


def compile_table(journal: Path, table: Path, command: str) -> None:
    """Write the journal's rows as the table that `load_table` reads, with its provenance.

    Raises:
        InputError: The journal lacks networks of the space.
    """
    header, *rows = [json.loads(line) for line in journal.read_text().splitlines()]
    rows.sort(key=lambda row: row["network"])
    space = cell_network()
    if [row["network"] for row in rows] != list(range(space.size)):
        raise InputError(f"{journal} holds {len(rows)} networks of {space.size}: train the rest")
    provenance = {
        **header,
        "command": command,
        "data": "MNIST-1D, make_dataset(get_dataset_args()) of mnist1d " + version("mnist1d"),
        "test_size": 1000,
        "cpu_hours": round(sum(row["cpu_s"] for row in rows) / 3600, 2),
        "versions": {p: version(p) for p in ("torch", "numpy", "mnist1d")},
        "machine": platform.machine(),
    }
    columns: dict[str, NDArray[Any]] = {
        key: np.array([row[key] for row in rows], dtype=np.uint16)
        for key in ("correct", "correct_fp16", "correct_int8")
    }
    temporary = table.with_suffix(".tmp.npz")
    columns["provenance"] = np.array(json.dumps(provenance))
    np.savez_compressed(temporary, allow_pickle=False, **columns)
    temporary.replace(table)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _train_row(
    network: int, design: dict[str, Any], seeds: list[int], recipe: Recipe
) -> dict[str, Any]:
    trained = train(design, seeds, recipe)
    return {
        "network": network,
        "correct": trained.correct.tolist(),
        "correct_fp16": trained.correct_fp16.tolist(),
        "correct_int8": trained.correct_int8.tolist(),
        "cpu_s": round(trained.cpu_s, 2),
    }
