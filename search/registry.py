"""Agents by name, the package's own and others'."""

from __future__ import annotations

from typing import Any

from codesign_gym.envs import DesignProblem, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.agents import (
    Alternating,
    Annealing,
    AntColony,
    Auto,
    Forest,
    GaussianProcess,
    Genetic,
    Ippo,
    LargeBatchPpo,
    LocalSearch,
    Mappo,
    Nsga2,
    OptunaAgent,
    Ppo,
    RandomAgent,
    RegularizedEvolution,
    Reinforce,
    Sac,
    SurrogateGradient,
    Tpe,
)
from codesign_gym.search.options import make_options
from codesign_gym.search_spaces import InputError, Registry

AGENTS: Registry[type[Agent]] = Registry("agent", "codesign_gym.agents")
"""Registered agents: name -> class."""

AGENTS.register("alternating")(Alternating)
AGENTS.register("annealing")(Annealing)
AGENTS.register("ant-colony")(AntColony)
AGENTS.register("auto")(Auto)
AGENTS.register("forest")(Forest)
AGENTS.register("genetic")(Genetic)
AGENTS.register("gp")(GaussianProcess)
AGENTS.register("ippo")(Ippo)
AGENTS.register("large-batch-ppo")(LargeBatchPpo)
AGENTS.register("local-search")(LocalSearch)
AGENTS.register("mappo")(Mappo)
AGENTS.register("nsga2")(Nsga2)
AGENTS.register("optuna")(OptunaAgent)
AGENTS.register("ppo")(Ppo)
AGENTS.register("random")(RandomAgent)
AGENTS.register("regularized-evolution")(RegularizedEvolution)
AGENTS.register("reinforce")(Reinforce)
AGENTS.register("sac")(Sac)
AGENTS.register("surrogate-gradient")(SurrogateGradient)
AGENTS.register("tpe")(Tpe)


def agent_class(name: str) -> type[Agent]:
    """The class called ``name``: a registered name, or ``module:Class`` of an importable module.

    Raises:
        InputError: There is no such agent, its module cannot be imported, or it is not a subclass
            of `Agent`.
    """
    found: Any = AGENTS.get(name)
    if not (isinstance(found, type) and issubclass(found, Agent)):
        raise InputError(f"agent {name!r} must be a subclass of codesign_gym.Agent, got {found!r}")
    return found


def make_agent(
    name: str, problem: DesignProblem | ProblemStatement, seed: int = 0, **options: Any
) -> Agent:
    """An agent for a problem.

    Args:
        name: Registered name, or ``module:Class``.
        problem: The problem; the agent is shown its statement alone.
        seed: Of the agent's random generator, 0 to 2**32 - 1.
        **options: Fields of the class's ``Options``; an unknown one raises `InputError`.
    """
    kind = agent_class(name)
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise InputError(f"seed must be an integer in 0..{2**32 - 1}, got {seed!r}")
    statement = problem.statement if isinstance(problem, DesignProblem) else problem
    return kind(statement, seed, make_options(name, kind.Options, options))


def list_agents() -> list[str]:
    """Names of all registered agents."""
    return AGENTS.names()
