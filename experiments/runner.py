"""Running a configured search: begun once, continued after any interruption."""

from __future__ import annotations

import hashlib
import platform
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from codesign_gym.cost_models import CostModel
from codesign_gym.envs import DesignProblem, Evaluation, make_problem
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.store import Store
from codesign_gym.search import Agent, agent_class, search
from codesign_gym.search.options import make_options
from codesign_gym.search_spaces import InputError

STORE_NAME = "store.sqlite"
"""The store's file within an output directory."""

_RECORDED = ("codesign-gym", "numpy", "gymnasium", "optuna", "torch", "stable-baselines3", "numba")


def build(config: RunConfig) -> tuple[DesignProblem, Agent]:
    """The problem and the agent of a run; anything wrong with its names raises `InputError`."""
    problem = problem_of(config, proxy=config.proxy)
    kind = agent_class(config.agent)
    options: object = make_options(config.agent, kind.Options, config.options)
    return problem, kind(problem.statement, config.seed, options)


def problem_of(config: RunConfig, proxy: str = "") -> DesignProblem:
    """The problem of a run, with its true cost models or with a proxy."""
    problem = make_problem(config.problem, specs=config.specs)
    if not proxy:
        return problem
    model = load_proxy(Path(proxy), problem)
    return replace(problem, models=(model,))


def load_proxy(path: Path, problem: DesignProblem) -> CostModel:
    """The learned cost model in ``path``; one of another problem raises `InputError`."""
    from codesign_gym.cost_models.learned.forest import ForestProxy

    model = ForestProxy.load(path)
    problem.space.columns_of(model.space)
    trained_on = model.provenance.get("problem", problem.name)
    if trained_on != problem.name:  # equal spaces may cost differently
        raise InputError(f"{path} was trained on {trained_on!r}, not on {problem.name!r}")
    return model


def run(
    config: RunConfig,
    directory: Path,
    progress: Callable[[Evaluation, bool], None] = lambda evaluation, replayed: None,
) -> RunRecord:
    """Run a search, or continue it; its evaluations are in the directory's store as it goes.

    A run that was interrupted is repeated from its seed, with the recorded evaluations in place of
    new ones, and so ends as an undisturbed one would have. A finished run is only read.

    Args:
        config: What to run.
        directory: Holds the store, which may have other runs too.
        progress: Called with the recorded part (``True``) and then with every new batch.
    """
    problem, agent = build(config)
    config = _normal(config, problem, agent)
    with Store(directory / STORE_NAME, write=True) as store:
        info = environment() | {"proxy_sha256": _digest(config.proxy)}
        key = store.begin(config, problem, command_line(config, directory), info)
        before = store.read(key)
        if before is not None and before.info.get("proxy_sha256", "") != info["proxy_sha256"]:
            raise InputError(
                f"{store.path} has this run with another content of {config.proxy}: "
                "use another directory"
            )
        if before is not None:
            progress(before.evaluation, True)
            if before.finished:
                return before

        def record(evaluation: Evaluation) -> None:
            store.append(key, evaluation, problem.reward(evaluation))
            progress(evaluation, False)

        recorded = before.evaluation if before is not None else None
        search(problem, agent, config.budget, recorded=recorded, record=record)
        store.finish(key)
        record_now = store.read(key)
        assert record_now is not None  # the budget is at least 1
        return record_now


def _normal(config: RunConfig, problem: DesignProblem, agent: Agent) -> RunConfig:
    """The configuration with options and specs in one spelling: a run has one id."""
    options = {name: getattr(agent.options, name) for name in config.options}
    specs = None if config.specs is None else tuple(str(spec) for spec in problem.specs)
    return replace(config, options=options, specs=specs)


def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""


def command_line(config: RunConfig, directory: Path) -> str:
    """The shell command that repeats a run."""
    words = ["codesign", "run", config.problem, "--agent", config.agent]
    words += ["--budget", str(config.budget), "--seed", str(config.seed)]
    for name, value in config.options.items():
        words += ["--set", f"{name}={value}"]
    for spec in ("none",) if config.specs == () else config.specs or ():
        words += ["--spec", spec]
    if config.proxy:
        words += ["--proxy", config.proxy]
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
