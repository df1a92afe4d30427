"""The tasks of a sweep on a Dask cluster: results come back by value, no file need be shared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from typing import Any, TypeVar

from codesign_gym.cost_models.workers import ATTEMPTS
from codesign_gym.search.capabilities import missing_packages
from codesign_gym.search_spaces import InputError

T = TypeVar("T")
PREFIX = "dask://"
"""What the address of an executor begins with; the rest is HOST:PORT of a scheduler."""

CONNECT_S = 5.0
"""How long a scheduler may take to answer."""


def each_on_dask(
    address: str, function: Callable[..., T], tasks: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[int, T]]:
    """Call a function of a module with the arguments of each task; (task's number, result).

    Results come as they are ready. What a worker that dies was doing is done again, so the function
    must be one that can be repeated.

    Args:
        address: ``dask://HOST:PORT``.
        function: Importable on the workers; arguments and results are sent to and fro.
        tasks: Arguments of each call.

    Raises:
        InputError: The package is not installed, the address is malformed, the scheduler cannot be
            reached, or workers keep dying.
    """
    host = address.removeprefix(PREFIX)
    port = host.rpartition(":")[2]
    known = port.isascii() and port.isdigit() and 1 <= int(port) <= 65535
    if not address.startswith(PREFIX) or not host.rpartition(":")[0] or not known:
        raise InputError(f"executor must be {PREFIX}HOST:PORT, port 1..65535, got {address!r}")
    if missing_packages({"distributed": "dask"}):
        raise InputError(
            f"executor {address}: needs the package distributed (pip install codesign-gym[dask])"
        )
    from distributed import Client

    try:
        client: Any = Client(  # type: ignore[no-untyped-call, unused-ignore]  # it has no types
            f"tcp://{host}", timeout=CONNECT_S, set_as_default=False
        )
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(
            f"executor {address}: no scheduler answers within {CONNECT_S:g} s "
            f"({type(error).__name__})"
        ) from None
    with client:
        yield from _with_client(client, address, function, tasks)


def _with_client(
    client: Any, address: str, function: Callable[..., T], tasks: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[int, T]]:
    from distributed import KilledWorker

    deaths = dict.fromkeys(range(len(tasks)), 0)
    pool = client.get_executor(pure=False)  # equal arguments would be one call otherwise
    running: dict[Future[T], int] = {pool.submit(function, *t): i for i, t in enumerate(tasks)}
    try:
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                i = running.pop(future)
                try:
                    result = future.result()
                except KilledWorker:  # Dask itself has tried several workers by now
                    deaths[i] += 1
                    if deaths[i] == ATTEMPTS:
                        raise InputError(
                            f"executor {address}: workers died again and again in task {i}"
                        ) from None
                    running[pool.submit(function, *tasks[i])] = i
                except CancelledError:
                    raise InputError(
                        f"executor {address}: the scheduler is gone; "
                        "the same command continues where this one stopped"
                    ) from None
                else:
                    yield i, result
    finally:
        pool.shutdown(wait=False)
