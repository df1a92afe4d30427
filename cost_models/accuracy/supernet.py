"""What agents that learn by gradients are told: what networks share weights, and their costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from codesign_gym.cost_models.accuracy.tasks import TRAINING_SIZE, get_task
from codesign_gym.cost_models.accuracy.train_table import check_trainable
from codesign_gym.cost_models.learned.operation_lut import OperationLut
from codesign_gym.search_spaces import InputError

SUPERNET_SPACES = ("nas-bench-201-1d",)
"""Spaces whose networks can share their weights in one supernet."""


@dataclass(frozen=True, eq=False)
class SupernetTask:
    """Networks of a space that can be trained together, as one supernet.

    It is what an agent may know besides figures: the training data, and costs that add up.

    Attributes:
        space: Name of the space, all of whose parameters the supernet decides.
        task: Name of what the networks are trained on.
        also: Names of further tasks that ask something else of the same sequences: their heads
            stand on the same supernet.
        size: Training sequences to use, the first so many.
        epochs: How long a supernet is trained unless an agent is told otherwise.
        costs: Metric -> costs of the operations, which add up to it.
    """

    space: str
    task: str = "mnist1d"
    also: tuple[str, ...] = ()
    size: int = TRAINING_SIZE
    epochs: int = 20
    costs: Mapping[str, OperationLut] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for task in self.tasks:
            check_shared(self.space, task)
        check_together(self.tasks)
        check_size(self.size)
        if self.epochs < 1:
            raise InputError(f"epochs must be at least 1, got {self.epochs}")

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of all tasks."""
        return (self.task, *self.also)


def check_together(tasks: Sequence[str]) -> None:
    """Raise `InputError` unless the tasks differ and ask something of the same sequences."""
    if len(set(tasks)) < len(tasks):
        raise InputError(f"the tasks of a supernet must differ, got {', '.join(tasks)}")
    sequences = {task: get_task(task).sequences for task in tasks}
    if len(set(sequences.values())) > 1:
        raise InputError(
            "the tasks of a supernet must be of the same sequences, got "
            + ", ".join(f"{task} of {own}" for task, own in sequences.items())
        )


def check_shared(space: str, task: str) -> None:
    """Raise `InputError` unless the space has a supernet, made for the task."""
    if space not in SUPERNET_SPACES:
        known = ", ".join(map(repr, SUPERNET_SPACES))
        raise InputError(f"space {space!r} has no supernet; those that have are {known}")
    check_trainable(space, task)


def check_size(size: int) -> None:
    """Raise `InputError` unless there are so many training sequences, and enough to be split."""
    if not 20 <= size <= TRAINING_SIZE:
        raise InputError(f"training sequences must be in 20..{TRAINING_SIZE}, got {size}")
