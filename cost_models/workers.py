"""Processes for long work: one thread each, gone when we are, replaced when they are killed."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

T = TypeVar("T")
ATTEMPTS = 5
"""Pools that may die one after another, without a task done in between, before we give up."""


def each(
    function: Callable[..., T], tasks: Sequence[tuple[Any, ...]], jobs: int = 1
) -> Iterator[tuple[int, T]]:
    """Call a function of a module with the arguments of each task; (task's number, result).

    Results come as they are ready. With several ``jobs`` every call is made in a process started
    afresh (spawned); a killed process is replaced and what it was doing is done again, so the
    function must be one that can be repeated. What it raises ends the others.
    """
    if jobs == 1:
        for i, task in enumerate(tasks):
            yield i, function(*task)
        return
    left, broken = dict(enumerate(tasks)), 0
    while left:
        try:
            for i, result in _with_pool(function, left, jobs):
                del left[i]
                broken = 0
                yield i, result
        except BrokenProcessPool:
            broken += 1
            if broken == ATTEMPTS:
                raise


def _with_pool(
    function: Callable[..., T], tasks: dict[int, tuple[Any, ...]], jobs: int
) -> Iterator[tuple[int, T]]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=context, initializer=_start)
    waiting = iter(list(tasks.items()))
    running: dict[Future[T], int] = {}
    try:
        while True:
            # No more than are about to run: what waits in the pool's queue cannot be taken back.
            while len(running) < 2 * jobs and (item := next(waiting, None)) is not None:
                running[pool.submit(function, *item[1])] = item[0]
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _start() -> None:
    """What a new process does first."""
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded: two threads on a core are slower
    parent = multiprocessing.parent_process()
    assert parent is not None
    # A pool's process never learns that its parent was killed: it would wait for work forever.
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)
