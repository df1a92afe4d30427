"""Agents within agents: one that is made by name to search on behalf of another."""

from __future__ import annotations

from codesign_gym.envs import ProblemStatement
from codesign_gym.search.agent import Agent
from codesign_gym.search_spaces import InputError


def inner_agent(owner: str, name: str, statement: ProblemStatement, seed: int) -> Agent:
    """The agent called ``name`` with its default options, for one that asks and tells it.

    Args:
        owner: The agent that it works for, for error texts.
        name: Registered name, or ``module:Class``.
        statement: What it searches.
        seed: Of its random generator.

    Raises:
        InputError: There is no such agent, it drives the evaluator itself, or it has an inner agent
            of its own.
    """
    from codesign_gym.search.registry import agent_class, make_agent

    try:
        kind = agent_class(name)
    except InputError as error:
        raise InputError(f"option 'inner' of {owner} must be one of the agents: {error}") from None
    if kind.owns_loop:
        raise InputError(
            f"option 'inner' of {owner} must be an agent that can be asked and told, "
            f"got {name!r}, which drives the evaluator itself"
        )
    if hasattr(kind.Options, "inner"):
        raise InputError(
            f"option 'inner' of {owner} must be an agent without an inner one, got {name!r}"
        )
    return make_agent(name, statement, seed)
