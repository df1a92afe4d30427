"""Many runs: agents and their options x problems x seeds, a run per task, on several processes.

Every run is kept in a store of its own, as `runner.run` does, and moves into the sweep's one store
when it is finished: whatever is killed, and whenever, nothing acknowledged is lost or done twice.
"""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codesign_gym.cost_models.workers import each
from codesign_gym.experiments.config import MOST_SEEDS, make_config, read_toml
from codesign_gym.experiments.dask_executor import each_on_dask
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.runner import (
    STORE_NAME,
    Inputs,
    build,
    check_unchanged,
    check_warm_start,
    inputs_of,
    normal,
    run,
)
from codesign_gym.experiments.store import Store, StoreInUseError, run_id
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.files import write_whole

_KEYS: Mapping[str, tuple[type, ...]] = {
    "problems": (list,),
    "agents": (dict,),
    "seeds": (int, list),
    "budget": (int,),
    "specs": (list,),
    "objectives": (list,),
    "family": (str,),
    "model": (str,),
    "trace": (str,),
    "proxy": (str,),
    "warm_start": (str,),
}

_ONE_AT_A_TIME = threading.Lock()
"""A worker of a cluster may have several threads; libraries that agents use have one state."""

PATIENCE_S = 60.0
"""How long a run waits for its store."""


@dataclass(frozen=True)
class Failure:
    """A run that its agent or its problem ended with an error."""

    config: RunConfig
    error: str


@dataclass(frozen=True)
class SweepResult:
    """What came of a sweep: the finished runs, in the order asked for, and those that failed."""

    records: Sequence[RunRecord]
    failures: Sequence[Failure]


def grid(
    problems: Sequence[str],
    agents: Mapping[str, Mapping[str, Sequence[Any]]],
    seeds: Sequence[int],
    budget: int,
    **common: Any,
) -> list[RunConfig]:
    """Every combination; an agent's options are given as the values to try of each.

    Args:
        problems: Names.
        agents: Name -> option -> values.
        seeds: Of every combination.
        budget: Evaluations of each run.
        **common: Further keys of `RunConfig`, the same for all.
    """
    configs = []
    for problem, (agent, options) in itertools.product(problems, agents.items()):
        for values in itertools.product(*options.values()):
            chosen = dict(zip(options, values, strict=True))
            for seed in seeds:
                described = {"problem": problem, "agent": agent, "options": chosen, "seed": seed}
                configs.append(make_config(described | {"budget": budget} | common))
    return configs


def sweep(
    configs: Sequence[RunConfig],
    directory: Path,
    jobs: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
    executor: str = "",
) -> SweepResult:
    """Carry out runs, or those of them that are left; a run that fails does not end the others.

    Args:
        configs: The runs.
        directory: Holds the sweep's store, and the unfinished runs below ``parts``.
        jobs: Processes.
        progress: Told of the runs that are done and of how many there are.
        executor: ``dask://HOST:PORT`` of a cluster that carries the runs out in place of ``jobs``
            processes; its workers need the package and every file that is named, but share no
            files with us: a finished run comes back by value.

    Raises:
        InputError: A configuration is wrong (all are checked before the first is run), or its run
            is recorded and its code has changed since; or the cluster cannot be reached.
    """
    parts, path = directory / "parts", directory / STORE_NAME
    wanted: dict[str, RunConfig] = {}
    inputs: dict[str, Inputs] = {}
    for given in configs:
        check_warm_start(given, path)
        problem, agent = build(given)
        config = normal(given, problem, agent)
        wanted[run_id(config)] = config
        inputs[run_id(config)] = inputs_of(config, problem, agent)
    failures: list[Failure] = []
    with Store(path, write=True) as store:
        there = set(store.run_ids()) & wanted.keys()
        for key in there:
            _unchanged(store, key, inputs[key])
        progress(len(there), len(wanted))
        todo = [(config, parts / key) for key, config in wanted.items() if key not in there]
        done = _on_cluster(todo, executor) if executor else each(_run_part, todo, jobs)
        for count, (i, error) in enumerate(done, start=len(there) + 1):
            config, part = todo[i]
            key = run_id(config)
            if not error:
                with Store(part / STORE_NAME) as finished:
                    try:  # a worker elsewhere may have another version of the package
                        _unchanged(finished, key, inputs[key])
                    except InputError as mismatch:
                        error = str(mismatch)
                    else:
                        store.adopt(finished, key)
                shutil.rmtree(part)
            if error:
                failures.append(Failure(config, error))
            progress(count, len(wanted))
        failed = {run_id(failure.config) for failure in failures}
        records = [_unchanged(store, key, inputs[key]) for key in wanted if key not in failed]
    rows = [{"error": f.error, "config": f.config.to_dict()} for f in failures]
    write_whole(directory / "failures.json", json.dumps(rows, indent=2) + "\n")
    return SweepResult(records, failures)


def _unchanged(store: Store, key: str, inputs: Inputs) -> RunRecord:
    """A finished run, made of what it would be made of now."""
    record = store.read(key)
    assert record is not None  # only finished runs are taken over
    check_unchanged(record, inputs, store.path)
    return record


def _on_cluster(todo: Sequence[tuple[RunConfig, Path]], executor: str) -> Iterator[tuple[int, str]]:
    """Carry runs out on a cluster; (number, what went wrong), once the run's store is in its place.

    A run that is begun here and not finished is begun anew there.
    """
    tasks = [(config,) for config, _ in todo]
    for i, (error, data) in each_on_dask(executor, run_by_value, tasks):
        part = todo[i][1]
        if not error:
            shutil.rmtree(part, ignore_errors=True)
            write_whole(part / STORE_NAME, data)
        yield i, error


def run_by_value(config: RunConfig) -> tuple[str, bytes]:
    """Carry out one run, wherever this is; what went wrong, and the run's store as bytes."""
    with _ONE_AT_A_TIME, tempfile.TemporaryDirectory() as directory:
        error = _run_part(config, Path(directory))
        return error, b"" if error else (Path(directory) / STORE_NAME).read_bytes()


def _run_part(config: RunConfig, directory: Path) -> str:
    """Run, or go on with, one run in a directory of its own; what went wrong, empty if nothing."""
    try:
        _run_when_free(config, directory)
    except InputError as error:
        return str(error)
    except Exception as error:  # whatever the code of others raises ends its own run only
        return f"{type(error).__name__}: {error}"
    return ""


def _run_when_free(config: RunConfig, directory: Path) -> None:
    """Run; a worker that has just lost its coordinator may still be about to leave the store."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            run(config, directory)
            return
        except StoreInUseError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def read_sweep(path: Path) -> list[RunConfig]:
    """The runs that a TOML file describes.

    Keys: ``problems`` (a list of names), ``agents`` (a table per agent; each of its options a value
    or a list of values to try), ``seeds`` (a number, or a list), ``budget``; and those of
    `RunConfig` that are the same for all runs: ``specs``, ``objectives``, ``family``, ``model``,
    ``trace``, ``proxy``, ``warm_start``.

    Raises:
        InputError: The file is missing or malformed, or a key, a name or a number is wrong.
    """
    data = read_toml(path, _KEYS)
    for key in ("problems", "agents"):
        if not data.get(key):
            raise InputError(f"{path}: {key} must name at least one")
    given = data.pop("seeds", 5)
    seeds = range(min(given, MOST_SEEDS + 1)) if isinstance(given, int) else given
    if not 1 <= len(seeds) <= MOST_SEEDS or not all(type(seed) is int for seed in seeds):
        raise InputError(
            f"{path}: seeds must be a number in 1..{MOST_SEEDS} or a list of seeds, got {given}"
        )
    agents = {}
    for name, options in data.pop("agents").items():
        if not isinstance(options, dict):
            raise InputError(f"{path}: agents.{name} must be a table of options, got {options!r}")
        for option, values in options.items():
            if values == []:
                raise InputError(f"{path}: agents.{name}.{option} needs a value to try, got []")
        agents[name] = {
            option.replace("-", "_"): values if isinstance(values, list) else [values]
            for option, values in options.items()
        }
    try:
        return grid(data.pop("problems"), agents, seeds, data.pop("budget", 500), **data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
