"""Speed of the DRAM simulator: ``codesign bench dram``. Reports, asserts nothing.

CPU seconds of one thread; the gain of a second one is of wall time, the median of alternating runs,
and says something only where the machine has two cores to spare.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import gymnasium
import numpy as np

from codesign_gym.cost_models.simulators.dram import WORKLOADS, make_trace, simulate
from codesign_gym.experiments.bench_rows import Row, row
from codesign_gym.search_spaces import dram_controller

_PROBLEM = "dram-cloud-1"


def _taken(function: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    function()
    return clock() - start


def dram_rows(count: int = 128, repeats: int = 5) -> Iterator[Row]:
    """Requests and designs per second on traces of 10,000 requests.

    Args:
        count: Random controllers in a batch, all different.
        repeats: Batches, of which the median counts.
    """
    space = dram_controller()
    designs = np.unique(space.sample(2 * count, 0), axis=0)[:count]
    for name in WORKLOADS:
        trace = make_trace(name)
        call = partial(simulate, trace, designs)
        call()  # compiles
        taken = np.median([_taken(call, time.process_time) for _ in range(repeats)])
        rate = len(trace) * count / taken / 1e6
        yield row(f"dram {name}, one thread, CPU", rate, "M requests/s")
    trace = make_trace("cloud-1")
    one, two = (partial(simulate, trace, designs, threads=threads) for threads in (1, 2))
    gains = [
        _taken(one, time.perf_counter) / _taken(two, time.perf_counter) for _ in range(repeats)
    ]
    yield row("dram cloud-1, two threads over one", float(np.median(gains)), "x")
    env = gymnasium.make_vec("codesign_gym:codesign/Design-v0", num_envs=count, problem=_PROBLEM)
    env.reset(seed=0)
    step = partial(env.step, designs)
    taken = np.median([_taken(step, time.process_time) for _ in range(repeats)])
    yield row(f"make_vec {_PROBLEM}, {count} envs, CPU", count / taken, "designs/s")
