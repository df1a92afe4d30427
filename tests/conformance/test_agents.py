"""Every registered agent passes the conformance suite, and a few of its variants."""

from __future__ import annotations

import pytest

from codesign_gym.experiments.testing import AgentConformance
from codesign_gym.search import list_agents


class TestRegistered(AgentConformance):
    @pytest.fixture(params=list_agents())
    def agent(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)
