"""How many threads torch and linear algebra may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread: sums, and so whole searches, are the same on every machine load.

    Networks as small as those of this package lose time by more.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """One thread for the linear algebra of numpy and scipy, for the same reasons.

    Matrices of some hundred rows gain nothing by more, and where other processes are at work,
    threads that wait for each other took 28 times as long (a search by Gaussian processes).
    """
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> ThreadpoolController:
    """The libraries of numpy and scipy, which each has its own of; looked for once."""
    import scipy.linalg  # noqa: F401 - loads its library, to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
