"""Who searches: agents, and the loop that lets one spend a budget on a problem."""

from codesign_gym.search.agent import Agent
from codesign_gym.search.loop import Best, SearchResult, search
from codesign_gym.search.options import at_least
from codesign_gym.search.pareto import nondominated
from codesign_gym.search.registry import AGENTS, agent_class, list_agents, make_agent

__all__ = [
    "AGENTS",
    "Agent",
    "Best",
    "SearchResult",
    "agent_class",
    "at_least",
    "list_agents",
    "make_agent",
    "nondominated",
    "search",
]
