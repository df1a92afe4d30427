"""Measured accuracies, looked up: the networks of a space trained on a task, all or a sample.

The tables were made by ``codesign train-table`` and are measurements (their provenance says which
recipe, seeds and versions). The word size of the accelerator counts: a network run in int8 has the
accuracy measured with its weights and activations rounded to int8 after training.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.accuracy.tasks import get_task
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.search_spaces import CellSpace, Designs, InputError, SearchSpace, make_space
from codesign_gym.search_spaces.hardware import systolic_accelerator


class Embedded(NamedTuple):
    """A table that the package carries: name of its cost model, name of its file."""

    model: str
    file: str


DATA = files(__package__) / "data"

TABLES = {
    ("cell-network", "mnist1d"): Embedded("mnist1d-accuracy", "mnist1d_cell.npz"),
    ("mobilenet-1d", "mnist1d"): Embedded("mobilenet-mnist1d", "mnist1d_mobilenet.npz"),
    ("nas-bench-201-1d", "mnist1d"): Embedded("nas201-mnist1d", "mnist1d_nas201.npz"),
    ("nas-bench-201-1d", "mnist1d-denoise"): Embedded(
        "nas201-mnist1d-denoise", "mnist1d-denoise_nas201.npz"
    ),
    ("nas-bench-201-1d", "mnist1d-stroke"): Embedded(
        "nas201-mnist1d-stroke", "mnist1d-stroke_nas201.npz"
    ),
    ("resnet9-1d", "mnist1d"): Embedded("resnet9-mnist1d", "mnist1d_resnet9.npz"),
    ("resnet9-1d", "mnist1d-shuffled"): Embedded(
        "resnet9-mnist1d-shuffled", "mnist1d-shuffled_resnet9.npz"
    ),
    ("unet-1d", "mnist1d-stroke"): Embedded("unet-mnist1d-stroke", "mnist1d-stroke_unet.npz"),
}
"""Tables by space and task, those that are not carried (yet) too."""

EMBEDDED = {key: table for key, table in TABLES.items() if (DATA / table.file).is_file()}
"""The tables that the package carries, by space and task."""

GROUP = "network"
"""The group of a space with one network; others are told apart in the names of metrics."""


class AccuracyRecords(NamedTuple):
    """Correct test sequences of ``w`` networks in grid order; ``s`` seeds, ``e`` epochs.

    In segmentation, a sequence counts by its intersection over union, in denoising by its variance
    explained, and the sum is rounded.

    Attributes:
        network: Grid position of each network, ``[w]``.
        correct: After each epoch, ``[w, s, e]``.
        correct_fp16: At the end, operands rounded to half precision, ``[w, s]``.
        correct_int8: At the end, operands rounded to int8, ``[w, s]``.
        provenance: Recipe, seeds, command, versions.
    """

    network: NDArray[np.int64]
    correct: NDArray[np.uint16]
    correct_fp16: NDArray[np.uint16]
    correct_int8: NDArray[np.uint16]
    provenance: dict[str, Any]


def load_table(path: Path, space: str = "cell-network", task: str = "mnist1d") -> AccuracyRecords:
    """The table in ``path``; one of another space or task raises `InputError`."""
    with np.load(path, allow_pickle=False) as file:
        provenance = json.loads(str(file["provenance"]))
        correct, fp16, int8 = (file[key] for key in ("correct", "correct_fp16", "correct_int8"))
        network = file.get("network")
    grid = make_space(space)
    if provenance["space"] != grid.digest:
        raise InputError(f"{path} was made for another space, or another version of {space!r}")
    own = provenance.get("task", "mnist1d")  # the first table was made when there was one task
    if own != task:
        raise InputError(f"{path} was made for the task {own!r}, not {task!r}")
    if network is None:  # a table of all different networks
        network = grid.ravel(grid.enumerate())
    return AccuracyRecords(network, correct, fp16, int8, provenance)


@cache
def embedded_table(space: str = "cell-network", task: str = "mnist1d") -> AccuracyRecords:
    """The table of a space and a task that the package carries.

    Raises:
        InputError: There is none.
    """
    if (space, task) not in EMBEDDED:
        known = ", ".join(f"{one!r} on {other!r}" for one, other in EMBEDDED)
        raise InputError(f"no accuracies of {space!r} on {task!r}; there are those of {known}")
    with as_file(DATA / EMBEDDED[space, task].file) as path:
        return load_table(path, space, task)


class AccuracyTable(CostModel):
    """Accuracy of a network after real training, at the word size of its accelerator.

    The metric is ``accuracy_pct`` or, in segmentation, ``iou_pct``; that of a group other than
    ``network`` carries the group's name: ``accuracy_task1_pct``. A table may hold a random sample
    of the networks: the others are invalid. Isomorphic cells have one accuracy.

    Args:
        space: Name of the space of networks; see `EMBEDDED`.
        task: What they were trained on.
        epoch: Epochs of training after which to read the accuracy, 1 to the last; the last by
            default. Earlier epochs are a cheaper fidelity, known in full precision only.
        word: Whether the design has an ``accelerator.word`` that counts; else full precision.
        group: Group of the network's parameters.
        file: A table that ``codesign train-table`` wrote, in place of an embedded one.

    Example:
        >>> AccuracyTable("unet-1d", "mnist1d-stroke", word=False, group="task2").metrics[0].name
        'iou_task2_pct'
    """

    def __init__(
        self,
        space: str = "cell-network",
        task: str = "mnist1d",
        *,
        epoch: int | None = None,
        word: bool = True,
        group: str = GROUP,
        file: Path | None = None,
    ) -> None:
        self.records = (
            embedded_table(space, task) if file is None else load_table(file, space, task)
        )
        epochs = self.records.correct.shape[2]
        if epoch is not None and not 1 <= epoch <= epochs:
            raise InputError(f"epoch must be in 1..{epochs}, got {epoch}")
        self.fidelity = epochs if epoch is None else epoch
        suffix = "" if group == GROUP else f"_{group}"
        known = TABLES.get((space, task))
        self.name = (known.model if known else f"{space}-{task}") + suffix.replace("_", "-")
        about = get_task(task)
        self.metrics = (
            Metric(f"{about.metric}{suffix}_pct", "%", "max", f"{about.about}, mean of the seeds"),
        )
        self.source = f"trained with codesign train-table: {self.records.provenance['recipe']}"
        self._network = make_space(space, group=group)
        self.space: SearchSpace = self._network
        words: tuple[Any, ...] = (4,)
        if word:
            joint = self._network * systolic_accelerator()
            self.space = joint.select(group, "accelerator.word")
            words = self.space.parameters[-1].values
        full = self.records.correct[:, :, self.fidelity - 1]
        last = self.fidelity == epochs
        by_word = {
            1: self.records.correct_int8 if last else full,
            2: self.records.correct_fp16 if last else full,
            4: full,
        }
        correct = np.stack([by_word[int(word)].mean(axis=1) for word in words], axis=1)
        order = np.argsort(self.records.network)
        self._known = self.records.network[order]
        self._accuracy_pct = correct[order] * 100 / self.records.provenance["test_size"]
        everything = self.records.provenance.get("different_networks", len(self.records.network))
        self._missing = (
            f"not in the table: trained subset of {len(self.records.network):,} of {everything:,}"
        )

    def compute(self, designs: Designs) -> Metrics:
        """Accuracies of designs ``[n, p]``."""
        parameters = len(self._network)
        networks = designs[:, :parameters]
        if isinstance(self._network, CellSpace):
            networks = self._network.representatives(networks)
        places = self._network.ravel(networks)
        rows = np.minimum(np.searchsorted(self._known, places), len(self._known) - 1)
        missing = self._known[rows] != places
        word = designs[:, parameters] if designs.shape[1] > parameters else 0
        values = self._accuracy_pct[rows, word][:, None]
        return Metrics(self.metrics, values, {self._missing: missing} if missing.any() else None)
