"""How many threads torch may use while an agent learns."""

from __future__ import annotations

from codesign_gym.cost_models.threads import one_thread

__all__ = ["one_thread"]
