"""Training that runs out of memory: how it is told from other errors."""

from __future__ import annotations

OUT_OF_MEMORY = "out of memory in training"
"""The reason of designs whose training found no room."""

SIGNS = ("out of memory", "can't allocate memory", "not enough memory")
"""What torch says on a GPU, and on a CPU of Linux and of Windows."""


def ran_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Whether an error says that there was no memory left.

    Args:
        error: What Python and NumPy raise, or torch, whose errors are told by their words.
    """
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in SIGNS)
