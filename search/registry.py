"""Agents by name, the package's own and others'."""

from __future__ import annotations

from typing import Any

from codesign_gym.envs import DesignProblem, ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search.agents import (
    A2c,
    Alternating,
    Annealing,
    AntColony,
    Assisted,
    Auto,
    CatCma,
    Dqn,
    Eas,
    FbNetV5,
    FbNetV5Supernet,
    Forest,
    GaussianProcess,
    Genetic,
    Ippo,
    LargeBatchPpo,
    LocalSearch,
    Mappo,
    MaskablePpo,
    Nsga2,
    OptunaAgent,
    PcDarts,
    Ppo,
    ProxylessNas,
    RandomAgent,
    RegularizedEvolution,
    Reinforce,
    Sac,
    SuccessiveHalving,
    SurrogateGradient,
    Tpe,
)
from codesign_gym.search.agents.exec import PREFIX, exec_agent
from codesign_gym.search.options import make_options
from codesign_gym.search_spaces import InputError, Registry

AGENTS: Registry[type[Agent]] = Registry("agent", "codesign_gym.agents")
"""Registered agents: name -> class."""

AGENTS.register("a2c")(A2c)
AGENTS.register("alternating")(Alternating)
AGENTS.register("annealing")(Annealing)
AGENTS.register("ant-colony")(AntColony)
AGENTS.register("assisted")(Assisted)
AGENTS.register("auto")(Auto)
AGENTS.register("catcma")(CatCma)
AGENTS.register("dqn")(Dqn)
AGENTS.register("eas")(Eas)
AGENTS.register("fbnetv5")(FbNetV5)
AGENTS.register("fbnetv5-supernet")(FbNetV5Supernet)
AGENTS.register("forest")(Forest)
AGENTS.register("genetic")(Genetic)
AGENTS.register("gp")(GaussianProcess)
AGENTS.register("ippo")(Ippo)
AGENTS.register("large-batch-ppo")(LargeBatchPpo)
AGENTS.register("local-search")(LocalSearch)
AGENTS.register("mappo")(Mappo)
AGENTS.register("maskable-ppo")(MaskablePpo)
AGENTS.register("nsga2")(Nsga2)
AGENTS.register("optuna")(OptunaAgent)
AGENTS.register("pc-darts")(PcDarts)
AGENTS.register("ppo")(Ppo)
AGENTS.register("proxylessnas")(ProxylessNas)
AGENTS.register("random")(RandomAgent)
AGENTS.register("regularized-evolution")(RegularizedEvolution)
AGENTS.register("reinforce")(Reinforce)
AGENTS.register("sac")(Sac)
AGENTS.register("successive-halving")(SuccessiveHalving)
AGENTS.register("surrogate-gradient")(SurrogateGradient)
AGENTS.register("tpe")(Tpe)


def agent_class(name: str) -> type[Agent]:
    """The class called ``name``.

    Args:
        name: A registered name, ``module:Class`` of an importable module, or ``exec:COMMAND``, a
            program that speaks the protocol of `docs/exec-agents.md`.

    Raises:
        InputError: There is no such agent, its module cannot be imported, or it is not a subclass
            of `Agent`.
    """
    if isinstance(name, str) and name.startswith(PREFIX):
        return exec_agent(name)
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


def serves(agent: str | type[Agent], problem: DesignProblem | ProblemStatement) -> bool:
    """Whether an agent, by name or as its class, can search a problem, with its own options.

    An agent that cannot says so when it is made.
    """
    kind = agent_class(agent) if isinstance(agent, str) else agent
    statement = problem.statement if isinstance(problem, DesignProblem) else problem
    try:
        kind(statement, 0)
    except InputError:
        return False
    return True


def list_agents() -> list[str]:
    """Names of all registered agents."""
    return AGENTS.names()
