"""Who searches: agents, and the loop that lets one spend a budget on a problem.

The package itself can be called: ``codesign_gym.search(problem, agent)`` is its function `search`.
"""

import importlib
import inspect
import sys
from types import ModuleType
from typing import Any

from codesign_gym.search.agent import Agent
from codesign_gym.search.loop import Best, SearchResult, search
from codesign_gym.search.options import at_least
from codesign_gym.search.pareto import nondominated
from codesign_gym.search.registry import AGENTS, agent_class, list_agents, make_agent, serves

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
    "serves",
]


class _CallableModule(ModuleType):
    """Lets the public function and the package that it lives in share their name."""

    __signature__ = inspect.signature(search)

    def __call__(self, *args: Any, **kwargs: Any) -> SearchResult:
        return search(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return importlib.import_module, (self.__name__,)


sys.modules[__name__].__class__ = _CallableModule
