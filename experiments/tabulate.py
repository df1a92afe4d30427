"""Evaluating every design of a problem, on all cores, to be continued after any interruption."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.cost_models.metrics import Metrics
from codesign_gym.cost_models.workers import each
from codesign_gym.envs import DesignProblem
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.runner import environment, inputs_of, problem_of
from codesign_gym.experiments.truth import Truth, key_of
from codesign_gym.search_spaces import InputError, SearchSpace
from codesign_gym.search_spaces.files import write_arrays, write_whole

LIMIT = 50_000_000
"""Points of the largest space that is tabulated."""

BLOCK, BLOCKS = 1024, 1024
"""Designs that are evaluated, and written, at a time: at least; more where blocks would be many."""

_STRIDE = 1 << 18


def distinct(space: SearchSpace) -> NDArray[np.int64]:
    """Positions of the distinct (canonical) designs of a space, for `SearchSpace.unravel`.

    Raises:
        InputError: The space has more than `LIMIT` points.
    """
    if space.size > LIMIT:
        raise InputError(
            f"tabulating takes at most {LIMIT:,} points, the space has {space.size:,}: search it"
        )
    parts = []
    for start in range(0, space.size, _STRIDE):
        positions = np.arange(start, min(start + _STRIDE, space.size))
        designs = space.unravel(positions)
        parts.append(positions[(space.canonical(designs) == designs).all(axis=1)])
    return np.concatenate(parts)


def tabulate(
    config: RunConfig,
    directory: Path,
    jobs: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
    fresh: bool = False,
    command: str = "",
) -> Truth:
    """Evaluate all distinct designs of a problem; what was done before is not done again.

    Leaves ``truth.json`` in the directory, and every metric of every design in ``table.npz``.

    Args:
        config: The problem; the agent's part is not read.
        directory: Where blocks are kept as they are done.
        jobs: Processes.
        progress: Told of the designs done and of how many there are.
        fresh: Whether to forget what the directory has.
        command: What made the table, for the record.

    Raises:
        InputError: The space is too large, no design is feasible, or the directory holds blocks
            of another problem or of other code.
    """
    problem = problem_of(config)
    positions = distinct(problem.space)
    size = max(BLOCK, -(-len(positions) // BLOCKS))
    blocks = [positions[i : i + size] for i in range(0, len(positions), size)]
    about = {
        "problem": problem.name,
        "key": key_of(problem),
        "block": size,
        **inputs_of(config, problem),
    }
    _claim(directory, about, fresh)
    paths = [directory / f"block-{i:05d}.npz" for i in range(len(blocks))]
    ready = [path.is_file() for path in paths]
    done = sum(len(block) for block, there in zip(blocks, ready, strict=True) if there)
    progress(done, len(positions))
    todo = [i for i, there in enumerate(ready) if not there]
    for i, _ in each(_evaluate_block, [(config, blocks[i], paths[i]) for i in todo], jobs):
        done += len(blocks[todo[i]])
        progress(done, len(positions))
    metrics, cpu_s = _collect(problem, paths)
    evaluation = problem.assess(problem.space.unravel(positions), metrics)
    provenance = {"command": command, "cpu_s": round(cpu_s, 1), **environment()}
    truth = Truth.of(problem, evaluation, provenance)
    columns = {name: column.astype(np.float32) for name, column in metrics.items()}
    write_arrays(directory / "table.npz", {"positions": positions, **columns})
    truth.save(directory / "truth.json")
    return truth


def _claim(directory: Path, about: dict[str, Any], fresh: bool) -> None:
    """Make the directory this tabulation's; one of another raises `InputError`."""
    path = directory / "tabulation.json"
    text = json.dumps(about, indent=2) + "\n"
    if path.is_file() and not fresh and path.read_text(encoding="utf-8") != text:
        raise InputError(
            f"{directory} has a tabulation of another problem, or of other code: use --fresh to "
            "begin anew, or another directory"
        )
    if fresh:
        for block in directory.glob("block-*.npz"):
            block.unlink()
    write_whole(path, text)


def _evaluate_block(config: RunConfig, positions: NDArray[np.int64], path: Path) -> None:
    """Write the metrics of designs: values ``[n, k]``, reasons, and a mask ``[n]`` for each."""
    # Expensive models see every design: specs are left out.
    problem = problem_of(config).with_specs(())
    start = time.process_time()
    metrics = problem.measure(problem.space.unravel(positions))
    masks = np.array(list(metrics.invalid.values()), dtype=np.bool_)
    block: dict[str, ArrayLike] = {
        "values": metrics.values_matrix,
        "reasons": np.array(list(metrics.invalid), dtype=np.str_),
        "masks": masks.reshape(-1, len(positions)),
        "cpu_s": time.process_time() - start,
    }
    write_arrays(path, block)


def _collect(problem: DesignProblem, paths: list[Path]) -> tuple[Metrics, float]:
    """The metrics of all blocks, and the CPU seconds that they took."""
    values, masks, reasons, cpu_s = [], [], [], 0.0
    for path in paths:
        try:
            with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as block:
                values.append(block["values"])
                masks.append(block["masks"])
                reasons.append([str(text) for text in block["reasons"]])
                cpu_s += float(block["cpu_s"])
        except (EOFError, KeyError, ValueError, BadZipFile, zlib.error):
            raise InputError(
                f"{path} is damaged: delete it, and the same command evaluates its designs again"
            ) from None
    invalid: dict[str, NDArray[np.bool_]] = {}
    starts = np.cumsum([0, *(len(part) for part in values)])
    for start, mask, texts in zip(starts, masks, reasons, strict=False):
        for row, text in zip(mask, texts, strict=True):
            whole = invalid.setdefault(text, np.zeros(starts[-1], np.bool_))
            whole[start : start + len(row)] = row
    return Metrics(problem.metrics, np.concatenate(values), invalid), cpu_s
