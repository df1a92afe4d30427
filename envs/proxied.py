"""Problems whose cost models are replaced by a learned one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from codesign_gym.envs.problem import DesignProblem
from codesign_gym.search_spaces import InputError

if TYPE_CHECKING:
    from codesign_gym.cost_models.learned import LearnedCostModel


def load_proxy(path: Path, problem: DesignProblem) -> LearnedCostModel:
    """The learned cost model in ``path``; one of another problem raises `InputError`."""
    from codesign_gym.cost_models.learned.model import LearnedCostModel

    model = LearnedCostModel.load(path)
    problem.space.columns_of(model.space)
    trained_on = model.provenance.get("problem", problem.name)
    if trained_on != problem.name:  # equal spaces may cost differently
        raise InputError(f"{path} was trained on {trained_on!r}, not on {problem.name!r}")
    names = [own.name for own in problem.models]  # a model's name has its workload
    if model.provenance.get("models", names) != names:
        raise InputError(
            f"{path} was trained on {', '.join(model.provenance['models'])}, "
            f"not on {', '.join(names)}"
        )
    return model


def with_proxy(problem: DesignProblem, path: Path, trust: float = 0.0) -> DesignProblem:
    """The problem by the proxy in ``path``, and by its true models where that is not sure.

    Args:
        problem: The problem with its true models.
        path: Of a learned cost model.
        trust: See `TrustedProxy`; objectives and specs have to be sure.

    Raises:
        InputError: The proxy cannot be read, or is of another problem.
    """
    from codesign_gym.cost_models.learned.trusted import TrustedProxy

    proxy = load_proxy(path, problem)
    if trust and proxy.space != problem.space:
        raise InputError(
            f"{path} was trained on the space {proxy.space.name!r}: trust needs a proxy that was "
            f"trained on that of problem {problem.name!r}"
        )
    specs = (spec.metric for spec in problem.specs)
    names = (*problem.objective_names, *specs, *getattr(problem.reward, "metric_names", ()))
    watched = tuple(dict.fromkeys(names))
    model = TrustedProxy(proxy, problem.measure, trust, watched, problem.models)
    return replace(problem, models=(model,), fidelities=())
