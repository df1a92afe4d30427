"""Every registered agent passes the conformance suite, and a few of its variants."""

from __future__ import annotations

from typing import Any

import pytest

from codesign_gym.envs import ProblemStatement
from codesign_gym.experiments.testing import AgentConformance
from codesign_gym.search import Agent, agent_class, list_agents
from codesign_gym.search.capabilities import missing_packages


class TestRegistered(AgentConformance):
    @pytest.fixture(params=list_agents())
    def agent(self, request: pytest.FixtureRequest) -> str:
        missing = missing_packages(agent_class(request.param).packages)
        if missing:
            pytest.skip(f"{request.param} needs the package {missing[0]}")
        return str(request.param)


VARIANTS: dict[str, dict[str, Any]] = {
    "tpe": {"multi_objective": True, "together": "all"},
    "forest": {"multi_objective": True},
    "gp": {"multi_objective": True},
    "surrogate-gradient": {"multi_objective": True},
    "local-search": {"improvement": "best", "restart": "random"},
}


class TestVariants(AgentConformance):
    @pytest.fixture(params=VARIANTS)
    def agent(self, request: pytest.FixtureRequest) -> type[Agent]:
        kind: Any = agent_class(request.param)

        class Variant(kind):  # type: ignore[misc]  # its base is looked up by name
            def __init__(self, statement: ProblemStatement, seed: int = 0) -> None:
                super().__init__(statement, seed, kind.Options(**VARIANTS[request.param]))

        return Variant
