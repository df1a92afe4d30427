"""How tests run: on any machine, and the longest first."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# The speed of the machine plays no part in whether a property test passes.
settings.register_profile("codesign", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("codesign")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """README's blocks, one long test, begin at once: last, they would keep one worker waiting."""
    items.sort(key=lambda item: "test_readme" not in item.nodeid)
