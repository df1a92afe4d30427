"""Problems by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from codesign_gym.cost_models import CostModel
from codesign_gym.envs.accelerator_problems import ACCELERATOR_PROBLEMS
from codesign_gym.envs.archgym_problems import ARCHGYM_PROBLEMS
from codesign_gym.envs.draco import DRACO_PROBLEMS
from codesign_gym.envs.dram_problems import DRAM_PROBLEMS
from codesign_gym.envs.growth_problems import GROWTH_PROBLEMS
from codesign_gym.envs.kernel_problems import KERNEL_PROBLEMS
from codesign_gym.envs.nas_problems import NAS_PROBLEMS
from codesign_gym.envs.nasaic import NASAIC_PROBLEMS
from codesign_gym.envs.network_problems import NETWORK_PROBLEMS
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.envs.proxied import load_proxy
from codesign_gym.envs.rewards import WeightedProduct
from codesign_gym.envs.soc_problems import SOC_PROBLEMS
from codesign_gym.envs.specs import Spec
from codesign_gym.envs.synthetic import SYNTHETIC_PROBLEMS
from codesign_gym.envs.table_problems import table_of, table_problem
from codesign_gym.envs.units import own_name
from codesign_gym.search_spaces import InputError, Registry

PROBLEMS: Registry[Callable[..., DesignProblem]] = Registry("problem", "codesign_gym.problems")
"""Registered problems: name -> function that makes the problem."""

for _problems in (
    ACCELERATOR_PROBLEMS,
    ARCHGYM_PROBLEMS,
    DRACO_PROBLEMS,
    DRAM_PROBLEMS,
    GROWTH_PROBLEMS,
    KERNEL_PROBLEMS,
    NAS_PROBLEMS,
    NASAIC_PROBLEMS,
    NETWORK_PROBLEMS,
    SOC_PROBLEMS,
    SYNTHETIC_PROBLEMS,
):
    for _name, _factory in _problems.items():
        PROBLEMS.register(_name)(_factory)


def make_problem(
    name: str,
    *,
    specs: Sequence[Spec | str] | None = None,
    objectives: Sequence[str] | None = None,
    cost_model: CostModel | Path | str | None = None,
    **options: Any,
) -> DesignProblem:
    """The registered problem called ``name``.

    Args:
        name: The name; an unknown one raises `InputError` with the nearest. Or a table of measured
            configurations, ``results.csv``, see `table_problem`.
        specs: Specs in place of the problem's own; the unit may be another of the same dimension.
        objectives: Metrics to optimise in place of the problem's own; the reward becomes their
            `balanced_reward`.
        cost_model: A model of all the metrics in place of the problem's own, or the file of a proxy
            that was trained on this problem.
        **options: What the problem itself takes, such as the ``model`` of ``accelerator``.
    """
    if isinstance(name, str) and table_of(name):
        if options:
            raise InputError(f"a table takes no option {next(iter(options))!r}")
        problem = table_problem(name)
    else:
        problem = PROBLEMS.make(name, DesignProblem, **options)
    known = [metric.name for metric in problem.metrics]
    if specs is not None:
        several = [specs] if isinstance(specs, str) else specs
        parsed = [Spec.parse(spec) if isinstance(spec, str) else spec for spec in several]
        problem = replace(problem, specs=tuple(_in_own_unit(spec, known) for spec in parsed))
    if objectives is not None:
        names = (objectives,) if isinstance(objectives, str) else objectives
        own = tuple(dict.fromkeys(own_name(name, known)[0] for name in names))
        problem = replace(problem, objective_names=own)
        problem = replace(problem, reward=balanced_reward(problem))
    if isinstance(cost_model, (str, Path)):
        cost_model = load_proxy(Path(cost_model), problem)
    if cost_model is not None:
        problem = replace(problem, models=(cost_model,), fidelities=())
    return problem


def problem_factory(name: str) -> Callable[..., DesignProblem]:
    """What makes the problem called ``name``; an unknown name raises `InputError`."""
    return (
        partial(table_problem, name)
        if isinstance(name, str) and table_of(name)
        else PROBLEMS.get(name)
    )


def _in_own_unit(spec: Spec, known: Sequence[str]) -> Spec:
    """The spec in the unit of the metric that it is meant for."""
    name, factor = own_name(spec.metric, known)
    return Spec(name, spec.sense, spec.bound * factor)


def balanced_reward(problem: DesignProblem) -> WeightedProduct:
    """Equal weights for all objectives, each relative to the median of 512 random designs.

    Where designs are expensive, each is relative to what it is in the problem's own reward.

    Raises:
        InputError: An objective's median is not above 0: give the problem a reward of its own.
    """
    weight = 1 / len(problem.objectives)
    weights = {m.name: -m.sign * weight for m in problem.objectives}
    own = problem.reward
    expensive = any(model.expensive for model in problem.models)
    if expensive and isinstance(own, WeightedProduct) and weights.keys() <= own.references.keys():
        return WeightedProduct(weights, {name: own.references[name] for name in weights})
    metrics = problem.evaluate(problem.space.sample(512, 0)).metrics
    if not metrics.valid.any():
        raise InputError(f"problem {problem.name!r}: none of 512 random designs is valid")
    references = {
        m.name: float(np.median(metrics[m.name][metrics.valid])) for m in problem.objectives
    }
    return WeightedProduct(weights, references)


def list_problems() -> list[str]:
    """Names of all registered problems."""
    return PROBLEMS.names()
