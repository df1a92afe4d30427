"""Task graphs: what a system on chip has to do for every frame or block of samples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from codesign_gym.search_spaces.errors import InputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """One step of a workload.

    Attributes:
        name: What it is called.
        kind: The kind of arithmetic, which an accelerator may be made for.
        operations: Additions, multiplications, comparisons and the like.
        output_bytes: What it writes, the size of its output buffer.
        reads: Bytes that it reads of the output of each earlier task.
        input_bytes: What it reads from outside, where a sensor has left it in DRAM.
    """

    name: str
    kind: str
    operations: float
    output_bytes: float
    reads: Mapping[str, float] = field(default_factory=dict)
    input_bytes: float = 0.0


@dataclass(frozen=True, eq=False)
class TaskGraph:
    """The tasks of one period with their data; a task starts when all that it reads of has ended.

    Attributes:
        name: What the workload is called.
        tasks: The `t` tasks, each after those whose outputs it reads.
        period_ms: Time between two frames or blocks, by which all has to be done.
        word_bytes: Width of the numbers that are computed with: 2 or 4.

    >>> halves = TaskGraph("pair", (Task("a", "x", 1e6, 10), Task("b", "x", 1e6, 5, {"a": 10})), 1)
    >>> halves.kinds, halves.sinks.tolist()
    (('x',), [False, True])
    """

    name: str
    tasks: tuple[Task, ...]
    period_ms: float
    word_bytes: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(self.tasks))
        if self.word_bytes not in (2, 4):
            raise InputError(
                f"task graph {self.name!r}: word_bytes must be 2 or 4, got {self.word_bytes}"
            )
        if not self.tasks:
            raise InputError(f"task graph {self.name!r} needs at least one task, got none")
        if not 0 < self.period_ms < math.inf:
            raise InputError(f"task graph {self.name!r}: period must be > 0, got {self.period_ms}")
        known: set[str] = set()
        for task in self.tasks:
            figures = (task.operations, task.output_bytes, task.input_bytes, *task.reads.values())
            if not all(0 <= figure < math.inf for figure in figures):
                raise InputError(
                    f"task {task.name!r} of {self.name!r}: operations and bytes must be finite "
                    f"and at least 0, got {figures}"
                )
            for producer in task.reads:
                if producer not in known:
                    raise InputError(
                        f"task {task.name!r} of {self.name!r} reads of {producer!r}, "
                        "which must come before it"
                    )
            if task.name in known:
                raise InputError(f"task graph {self.name!r} has two tasks {task.name!r}")
            known.add(task.name)

    def __len__(self) -> int:
        return len(self.tasks)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return tuple(task.name for task in self.tasks)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The different kinds of tasks, in order of first appearance."""
        return tuple(dict.fromkeys(task.kind for task in self.tasks))

    @cached_property
    def kind_codes(self) -> IntArray:
        """Index into `kinds` of each task, ``[t]``."""
        return np.array([self.kinds.index(task.kind) for task in self.tasks], dtype=np.int64)

    @cached_property
    def operations(self) -> FloatArray:
        """Operations of each task, ``[t]``."""
        return np.array([task.operations for task in self.tasks], dtype=np.float64)

    @cached_property
    def output_bytes(self) -> FloatArray:
        """Output buffer of each task, ``[t]``."""
        return np.array([task.output_bytes for task in self.tasks], dtype=np.float64)

    @cached_property
    def input_bytes(self) -> FloatArray:
        """What each task reads from outside, ``[t]``."""
        return np.array([task.input_bytes for task in self.tasks], dtype=np.float64)

    @cached_property
    def edges(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Bounds per consumer ``[t + 1]``, producers ``[e]`` and bytes ``[e]`` of all edges."""
        index = {name: i for i, name in enumerate(self.names)}
        starts = np.cumsum([0, *(len(task.reads) for task in self.tasks)]).astype(np.int64)
        producers = [index[name] for task in self.tasks for name in task.reads]
        amounts = [amount for task in self.tasks for amount in task.reads.values()]
        return starts, np.array(producers, np.int64), np.array(amounts, np.float64)

    @cached_property
    def sinks(self) -> NDArray[np.bool_]:
        """Which outputs no task reads: they leave the chip, ``[t]``."""
        sinks = np.ones(len(self), dtype=np.bool_)
        sinks[self.edges[1]] = False
        return sinks
