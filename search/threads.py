"""How many threads torch and linear algebra may use while an agent learns."""

from __future__ import annotations

from codesign_gym.cost_models.threads import one_blas_thread, one_thread

__all__ = ["one_blas_thread", "one_thread"]
