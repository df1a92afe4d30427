"""What a store knows of a problem already, told to an agent before its run begins."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import DesignProblem, Evaluation
from codesign_gym.envs.evaluation import concat
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.store import Store
from codesign_gym.search.pareto import ranking
from codesign_gym.search_spaces import Designs, InputError

MOST = 64
"""Designs that an agent is told of: half of them the best, half of them far from those."""

_CANDIDATES = 5_000


def warm_start(path: Path, config: RunConfig, problem: DesignProblem) -> Evaluation:
    """The designs ``[n, p]`` that a run begins with, the best last, ``n`` at most 64.

    Last, since an agent that forgets keeps what it was told of last.

    They are those recorded of the same problem (workload, specs, objectives and proxy included), by
    whatever agent. Their figures are the recorded ones: nothing is evaluated.

    Args:
        path: A store.
        config: The run.
        problem: Its problem.

    Raises:
        InputError: There is no such store, or nothing of this problem in it.
    """
    try:
        stamp = (path.stat().st_mtime_ns, path.stat().st_size)
    except OSError:
        raise InputError(f"warm start: there is no store {path}") from None
    return _chosen(str(path), stamp, json.dumps(_about(config)), problem)


def digest(evaluation: Evaluation) -> str:
    """SHA-256 of designs and figures."""
    values = evaluation.metrics.values_matrix.astype("<f8").tobytes()
    return hashlib.sha256(evaluation.designs.astype("<i4").tobytes() + values).hexdigest()


def _about(config: RunConfig) -> dict[str, object]:
    return {"problem": config.problem, "proxy": config.proxy, **config.problem_options}


@lru_cache(maxsize=8)
def _chosen(path: str, stamp: tuple[int, int], about: str, problem: DesignProblem) -> Evaluation:
    """Read once for the many runs of a sweep; anew where the file has changed."""
    del stamp
    with Store(Path(path)) as store:
        records = store.records()
    same = [record for record in records if _same(record, json.loads(about), problem)]
    if not same:
        known = ", ".join(sorted({record.config.problem for record in records})) or "no run"
        raise InputError(
            f"warm start: {path} has nothing of problem {problem.name!r} with the same space, "
            f"specs, objectives and proxy; it has {known}"
        )
    known_designs = concat([record.evaluation for record in same])
    order = ranking(known_designs, problem.reward(known_designs))
    best, rest = order[: MOST // 2], order[MOST // 2 :]
    if len(rest) > _CANDIDATES:  # as good a choice, and soon made
        rest = rest[np.linspace(0, len(rest) - 1, _CANDIDATES).astype(np.intp)]
    far = _spread(known_designs.designs, best, rest)
    return known_designs.take(np.concatenate([far, best[::-1]]))


def _same(record: RunRecord, about: dict[str, object], problem: DesignProblem) -> bool:
    return (
        _about(record.config) == about
        and record.space == problem.space
        and record.objectives == problem.objectives
        and record.specs == problem.specs
        and record.evaluation.metrics.metrics == problem.metrics
    )


def _spread(designs: Designs, near: NDArray[np.intp], rest: NDArray[np.intp]) -> NDArray[np.intp]:
    """Of ``rest``, one after another, whichever differs in most parameters from all taken."""
    taken: list[int] = []
    distance = np.full(len(rest), np.iinfo(np.intp).max)
    for row in near:
        distance = np.minimum(distance, (designs[rest] != designs[row]).sum(axis=1))
    while len(taken) < min(MOST - MOST // 2, len(rest)):
        farthest = int(distance.argmax())
        taken.append(int(rest[farthest]))
        distance = np.minimum(distance, (designs[rest] != designs[rest[farthest]]).sum(axis=1))
    return np.array(taken, dtype=np.intp)
