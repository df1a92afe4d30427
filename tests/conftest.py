"""How property tests run: the speed of the machine plays no part in whether they pass."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("codesign", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("codesign")
