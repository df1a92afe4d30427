"""Measured accuracies, looked up: every cell network trained on MNIST-1D.

The table was made by ``codesign train-table`` and is a measurement (its provenance says which
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

from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.search_spaces import Designs, InputError, SearchSpace
from codesign_gym.search_spaces.hardware import systolic_accelerator
from codesign_gym.search_spaces.networks import cell_network

ACCURACY = Metric("accuracy_pct", "%", "max", "test accuracy on MNIST-1D, mean of the seeds")


class AccuracyRecords(NamedTuple):
    """Correct test sequences of every cell network in grid order; ``s`` seeds, ``e`` epochs.

    Attributes:
        correct: After each epoch, ``[1125, s, e]``.
        correct_fp16: At the end, operands rounded to half precision, ``[1125, s]``.
        correct_int8: At the end, operands rounded to int8, ``[1125, s]``.
        provenance: Recipe, seeds, command, versions.
    """

    correct: NDArray[np.uint16]
    correct_fp16: NDArray[np.uint16]
    correct_int8: NDArray[np.uint16]
    provenance: dict[str, Any]


def load_table(path: Path) -> AccuracyRecords:
    """The table in ``path``; one of another version of the space raises `InputError`."""
    with np.load(path, allow_pickle=False) as file:
        provenance = json.loads(str(file["provenance"]))
        correct, fp16, int8 = (file[key] for key in ("correct", "correct_fp16", "correct_int8"))
    if provenance["space"] != cell_network().digest:
        raise InputError(f"{path} was made for another version of the space 'cell-network'")
    return AccuracyRecords(correct, fp16, int8, provenance)


@cache
def embedded_table() -> AccuracyRecords:
    """The table that the package carries."""
    with as_file(files(__package__) / "data" / "mnist1d_cell.npz") as path:
        return load_table(path)


class AccuracyTable(CostModel):
    """Accuracy of a cell network on MNIST-1D at the word size of its accelerator.

    Args:
        epoch: Epochs of training after which to read the accuracy, 1 to the last; the last by
            default. Earlier epochs are a cheaper fidelity, known in full precision only.
    """

    metrics = (ACCURACY,)
    name = "mnist1d-accuracy"

    def __init__(self, epoch: int | None = None) -> None:
        self.records = embedded_table()
        epochs = self.records.correct.shape[2]
        if epoch is not None and not 1 <= epoch <= epochs:
            raise InputError(f"epoch must be in 1..{epochs}, got {epoch}")
        joint = cell_network() * systolic_accelerator()
        self.space: SearchSpace = joint.select("network", "accelerator.word")
        self.fidelity = epochs if epoch is None else epoch
        self.source = f"trained with codesign train-table: {self.records.provenance['recipe']}"
        full = self.records.correct[:, :, self.fidelity - 1]
        last = self.fidelity == epochs
        by_word = {
            1: self.records.correct_int8 if last else full,
            2: self.records.correct_fp16 if last else full,
            4: full,
        }
        words = self.space.parameters[-1].values
        correct = np.stack([by_word[int(word)].mean(axis=1) for word in words], axis=1)
        test_size = self.records.provenance["test_size"]
        self._accuracy_pct = correct * 100 / test_size  # [1125, words]

    def compute(self, designs: Designs) -> Metrics:
        """Accuracies of designs ``[n, p]``."""
        network = cell_network().ravel(designs[:, :-1])
        return Metrics(self.metrics, self._accuracy_pct[network, designs[:, -1]][:, None])
