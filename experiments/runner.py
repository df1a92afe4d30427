"""Running a configured search: begun once, continued after any interruption."""

from __future__ import annotations

import hashlib
import inspect
import math
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.accuracy.csv_columns import data_file
from codesign_gym.cost_models.learned.trusted import TrustedProxy
from codesign_gym.envs import DesignProblem, Evaluation, make_problem, problem_factory
from codesign_gym.envs.proxied import with_proxy
from codesign_gym.envs.table_problems import table_of
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.store import Store, run_id
from codesign_gym.experiments.warm_start import digest, warm_start
from codesign_gym.search import Agent, agent_class, search
from codesign_gym.search.agents.exec import PREFIX, command_files
from codesign_gym.search.options import make_options
from codesign_gym.search_spaces import InputError

STORE_NAME = "store.sqlite"
"""The store's file within an output directory."""

Inputs = Mapping[str, Mapping[str, str]]
"""Kind of input, ``code`` or ``files`` -> its name -> SHA-256."""

Progress = Callable[[Evaluation, NDArray[np.float64], bool, int], None]
"""Told of evaluations, their rewards, whether they come from the record, and the budget used."""

_RECORDED = ("codesign-gym", "numpy", "gymnasium", "optuna", "torch", "stable-baselines3", "numba")


def build(config: RunConfig) -> tuple[DesignProblem, Agent]:
    """The problem and the agent of a run; anything wrong with its names raises `InputError`."""
    problem = problem_of(config, proxy=config.proxy)
    kind = agent_class(config.agent)
    options: object = make_options(config.agent, kind.Options, config.options)
    if config.warm_start and kind.owns_loop:
        raise InputError(
            f"agent {config.agent!r} drives the evaluator itself and cannot be told of designs: "
            "it takes no warm start"
        )
    try:
        return problem, kind(problem.statement, config.seed, options)
    except InputError:
        raise
    except Exception as error:  # whatever the code of others raises
        raise InputError(
            f"agent {config.agent!r} cannot be made for problem {config.problem!r}: "
            f"{type(error).__name__}: {error}"
        ) from error


def problem_of(config: RunConfig, proxy: str = "") -> DesignProblem:
    """The problem of a run, with its true cost models or with a proxy."""
    options = tuple(config.problem_options.items())
    files = tuple(_file_digests(config).items())
    problem = _problem(config.problem, config.specs, config.objectives, options, files)
    return with_proxy(problem, Path(proxy), config.trust) if proxy else problem


@lru_cache(maxsize=32)
def _problem(
    name: str,
    specs: tuple[str, ...] | None,
    objectives: tuple[str, ...] | None,
    options: tuple[tuple[str, str], ...],
    files: tuple[tuple[str, str], ...],
) -> DesignProblem:
    """Made once for the many runs of a sweep; anew where the content of a file has changed."""
    del files
    own: dict[str, Any] = dict(options)
    return make_problem(name, specs=specs, objectives=objectives, **own)


def run(
    config: RunConfig,
    directory: Path,
    progress: Progress = lambda evaluation, rewards, replayed, used: None,
    fresh: bool = False,
) -> RunRecord:
    """Run a search, or continue it; its evaluations are in the directory's store as it goes.

    A run that was interrupted is repeated from its seed, with the recorded evaluations in place of
    new ones, and so ends as an undisturbed one would have. A finished run is only read.

    Args:
        config: What to run.
        directory: Holds the store, which may have other runs too.
        progress: Called with the recorded evaluations, their rewards, True and the budget used so
            far (all of it, where the run is finished), and then with every new batch, its rewards,
            False and the budget used.
        fresh: Whether to forget what is recorded of this run and begin it anew.

    Raises:
        InputError: Something given is wrong; or the run is recorded, and the code of its agent,
            cost models or reward, or the content of a file that it names, has changed since.
    """
    problem, agent = build(config)
    config = normal(config, problem, agent)
    key, path = run_id(config), directory / STORE_NAME
    names = [model.name for model in problem.models]
    check_warm_start(config, path)
    inputs = inputs_of(config, problem, agent)
    if not fresh and path.exists() and path.stat().st_size:
        with Store(path) as store:  # a finished run can be shown where nothing can be written
            before = store.read(key) if key in store.run_ids() else None
        if before is not None:
            check_unchanged(before, inputs, path)
            if before.finished:
                progress(before.evaluation, before.rewards, True, config.budget)
                return before
    with Store(path, write=True) as store:
        if fresh:
            store.forget(key)
        store.begin(
            config,
            problem,
            command_line(config, directory),
            environment() | dict(inputs) | {"models": names} | _fidelities(problem),
        )
        before = store.read(key)
        if before is not None:
            check_unchanged(before, inputs, path)
            progress(before.evaluation, before.rewards, True, before.used)

        cheap, used = Fraction(0), 0 if before is None else before.used
        full = 0 if before is None else len(before.evaluation)

        def charge(cost: Fraction) -> None:
            nonlocal cheap
            cheap += cost

        def record(evaluation: Evaluation) -> None:
            nonlocal full, used
            rewards = problem.reward(evaluation)
            skip = full + math.ceil(cheap) - used
            store.append(key, evaluation, rewards, skip)
            full += len(evaluation)
            used += skip + len(evaluation)
            progress(evaluation, rewards, False, used)

        if config.warm_start:
            known = known_before(config, problem)
            agent.tell(known.designs, known)
        recorded = before.evaluation if before is not None else None
        search(problem, agent, config.budget, recorded=recorded, record=record, charge=charge)
        store.finish(key)
        record_now = store.read(key)
        assert record_now is not None  # the budget is at least 1
        return record_now


def _fidelities(problem: DesignProblem) -> dict[str, Any]:
    """The costs of a problem's fidelities, where it has any, for the record."""
    costs = [str(cost) for cost in problem.statement.fidelities]
    return {"fidelities": costs} if costs else {}


def known_before(config: RunConfig, problem: DesignProblem) -> Evaluation:
    """What the agent of a run with a warm start is told of first."""
    return warm_start(_store(config.warm_start), config, problem)


def check_warm_start(config: RunConfig, path: Path) -> None:
    """Raise `InputError` where a run begins with the store that it is written to."""
    if config.warm_start and _store(config.warm_start).resolve() == path.resolve():
        raise InputError(f"warm start: {path} is the store that the run is written to")


def _store(place: str) -> Path:
    """The store of a directory, or the store itself."""
    return Path(place) / STORE_NAME if Path(place).is_dir() else Path(place)


def inputs_of(config: RunConfig, problem: DesignProblem, agent: Agent | None = None) -> Inputs:
    """What a run, or a problem alone, is made of, as digests: its code and the files it names."""
    commands = {path: _digest(path) for path in command_files(config.agent)}
    files = _file_digests(config) | commands
    if config.warm_start:
        files[config.warm_start] = digest(known_before(config, problem))
    return {"code": _code_digests(config, problem, agent), "files": files}


def check_unchanged(before: RunRecord, inputs: Inputs, path: Path) -> None:
    """Raise `InputError` if what a recorded run was made of is not what it would be made of now."""
    for kind, digests in inputs.items():
        recorded = before.info.get(kind, {})
        changed = [name for name, digest in digests.items() if recorded.get(name) != digest]
        if changed:
            raise InputError(
                f"{path} has this run with another content of {', '.join(changed)}: use --fresh to "
                "begin it anew, or another directory"
            )


def _code_digests(
    config: RunConfig, problem: DesignProblem, agent: Agent | None = None
) -> dict[str, str]:
    """What decides a run, or what a problem's designs cost -> SHA-256 of its source.

    The package counts as a whole, without this folder and its tests; of others' code, the modules
    of the agent, the cost models and the reward count, and those that the configuration names.
    """
    digests = {"codesign_gym": _package_digest()}
    cheaper = (model for fidelity in problem.fidelities for model in fidelity.models)
    asked = (own for m in problem.models if isinstance(m, TrustedProxy) for own in m.fallbacks)
    models = (*problem.models, *cheaper, *asked)
    kinds = [type(thing) for thing in (agent, *models, problem.reward)]
    names = {kind.__module__ for kind in kinds}
    names |= {
        name.partition(":")[0]
        for name in (config.problem, config.agent, config.model, config.family)
        if ":" in name and not name.startswith(PREFIX)
    }
    for name in sorted(names):
        source = getattr(sys.modules.get(name), "__file__", None)
        if not name.startswith("codesign_gym.") and source and Path(source).is_file():
            digests[name] = _digest(source)
    return digests


@cache
def _package_digest() -> str:
    root = Path(__file__).parent.parent
    folders = ("cost_models", "envs", "search", "search_spaces")
    files = sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _file_digests(config: RunConfig) -> dict[str, str]:
    """Path -> SHA-256 of every file that the configuration names."""
    table = table_of(config.problem)
    named = [config.model, config.trace, config.proxy, str(data_file(table)) if table else ""]
    return {path: _digest(path) for path in named if path and Path(path).is_file()}


def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def normal(config: RunConfig, problem: DesignProblem, agent: Agent) -> RunConfig:
    """The configuration with everything in one spelling: equal runs have one id."""
    options = {name: getattr(agent.options, name) for name in config.options}
    specs = None if config.specs is None else tuple(str(spec) for spec in problem.specs)
    objectives = None if config.objectives is None else problem.objective_names
    family = "" if config.family == _own_family(config.problem) else config.family
    return replace(config, options=options, specs=specs, objectives=objectives, family=family)


def _own_family(problem: str) -> str:
    """The family that a problem takes unless another is asked for; empty where it takes none."""
    option = inspect.signature(problem_factory(problem)).parameters.get("family")
    return "" if option is None else str(option.default)


def command_line(config: RunConfig, directory: Path) -> str:
    """The shell command that repeats a run."""
    words = ["codesign", "run", config.problem, "--agent", config.agent]
    words += ["--budget", str(config.budget), "--seed", str(config.seed)]
    for name, value in config.options.items():
        words += ["--set", f"{name}={value}"]
    for spec in ("none",) if config.specs == () else config.specs or ():
        words += ["--spec", spec]
    for objective in config.objectives or ():
        words += ["--objective", objective]
    for name, value in config.problem_options.items():
        words += [f"--{name}", value]
    if config.proxy:
        words += ["--proxy", config.proxy]
    if config.trust:
        words += ["--trust", str(config.trust)]
    if config.warm_start:
        words += ["--warm-start", config.warm_start]
    return shlex.join([*words, "--out", str(directory)])


def environment() -> dict[str, Any]:
    """Versions of the packages that decide a result, the machine, and the state of the sources."""
    versions = {}
    for package in _RECORDED:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "versions": versions,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "git": _git_state(),
    }


@cache
def _git_state() -> str:
    """``git describe`` of the package's checkout; empty where this file is in no repository."""
    here = Path(__file__).resolve()
    if not _git("ls-files", here.name):  # installed, perhaps below somebody else's checkout
        return ""
    return _git("describe", "--always", "--dirty")


def _git(*arguments: str) -> str:
    """What git says in the package's folder; empty where it fails."""
    try:
        found = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=Path(__file__).resolve().parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
