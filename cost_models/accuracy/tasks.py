"""What networks are trained on: four tasks made of MNIST-1D.

MNIST-1D (Greydanus and Kobak, ICML 2024) is generated locally by the ``mnist1d`` package: 4,000
training and 1,000 test sequences of 40 values, always the same. Each holds one of ten digits, a
curve of twelve points, padded with correlated noise, stretched, shifted, sheared and scaled.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from codesign_gym.search_spaces.errors import unknown_name

TEST_SIZE = 1000
"""Test sequences: accuracies are counts out of this many."""


TRAINING_SIZE = 4000
"""Training sequences there are."""


class Data(NamedTuple):
    """Sequences and what is to be said of them.

    Attributes:
        x: Training sequences, float32 ``[4000, 40]``.
        y: Their digits, int64 ``[4000]``, or masks or clean sequences, float32 ``[4000, 40]``.
        x_test: Test sequences ``[1000, 40]``.
        y_test: Their digits ``[1000]``, masks or clean sequences ``[1000, 40]``.
    """

    x: NDArray[np.float32]
    y: NDArray[Any]
    x_test: NDArray[np.float32]
    y_test: NDArray[Any]

    def first(self, size: int) -> Data:
        """The same with the first ``size`` of the training sequences."""
        return self._replace(x=self.x[:size], y=self.y[:size])


class Task(NamedTuple):
    """A data set and how answers are marked.

    Attributes:
        data: Makes the data, the same each time.
        metric: ``accuracy`` (classification), ``iou`` (segmentation: intersection over union of
            the positions said and the true ones, mean over the test sequences) or ``r2`` (the share
            of a sequence's variance that is explained, at least 0, mean over the test sequences).
        about: What it is, in a few words.
        made: How the data are made, for the provenance of a table.
        sequences: Name of the sequences, the same of tasks that ask different things of the same
            ones.
    """

    data: Callable[[], Data]
    metric: str
    about: str
    made: str
    sequences: str = "mnist1d"

    @property
    def score(self) -> str:
        """Name of the metric of networks that are trained on it."""
        return f"{self.metric}_pct"

    def first(self, size: int) -> Task:
        """The same with the first ``size`` of the training sequences."""
        data = self.data().first(size)
        return self._replace(data=lambda: data)


def _generate(templates: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """What the generator makes with these of its arguments changed."""
    from mnist1d.data import get_dataset_args, make_dataset

    arguments = get_dataset_args()
    for name, value in changes.items():
        setattr(arguments, name, value)
    made: dict[str, Any] = make_dataset(arguments, templates)
    return made


def _classification(**changes: Any) -> Data:
    made = _generate(**changes)
    x, x_test = (made[key].astype(np.float32) for key in ("x", "x_test"))
    return Data(x, made["y"].astype(np.int64), x_test, made["y_test"].astype(np.int64))


@cache
def mnist1d() -> Data:
    """MNIST-1D: which digit is it?"""
    return _classification()


@cache
def mnist1d_shuffled() -> Data:
    """MNIST-1D with the positions of all sequences permuted alike: which digit is it?"""
    return _classification(shuffle_seq=True)


NOISELESS: dict[str, Any] = {"corr_noise_scale": 0.0, "iid_noise_scale": 0.0, "shear_scale": 0.0}
"""Arguments under which the generator draws the same numbers and adds none of the noise."""


@cache
def mnist1d_stroke() -> Data:
    """MNIST-1D: which of the 40 positions belong to the digit, which to the padding?

    The mask is what the generator, from the same seed, makes of digits that are 1 at each of their
    twelve points, with noise, shear and random scale at zero: 1 inside the digit, 0 in the padding,
    and between them at the two ends. A position belongs to the digit where it exceeds 1/2. The
    digits cover 6 to 10 positions.
    """
    from mnist1d.data import get_templates

    templates = get_templates()
    ones = templates | {"x": np.ones_like(templates["x"])}
    made = _generate(ones, scale_coeff=0.0, **NOISELESS)
    low, high = made["x"].min(), made["x"].max()  # the generator standardises: undone here
    y, y_test = (((made[key] - low) / (high - low) > 0.5) for key in ("x", "x_test"))
    digits = mnist1d()
    return Data(digits.x, y.astype(np.float32), digits.x_test, y_test.astype(np.float32))


@cache
def mnist1d_denoise() -> Data:
    """MNIST-1D: what was the sequence before noise was added?

    The answer is what the generator makes of the same draws with the scale of both noises at zero.
    """
    noisy = mnist1d()
    made = _generate(corr_noise_scale=0.0, iid_noise_scale=0.0)
    y, y_test = (made[key].astype(np.float32) for key in ("x", "x_test"))
    return Data(noisy.x, y, noisy.x_test, y_test)


TASKS: dict[str, Task] = {
    "mnist1d": Task(
        mnist1d, "accuracy", "test accuracy on MNIST-1D", "make_dataset(get_dataset_args())"
    ),
    "mnist1d-denoise": Task(
        mnist1d_denoise,
        "r2",
        "share of the clean sequences' variance explained on MNIST-1D",
        "make_dataset(get_dataset_args()); answers with both noise scales at 0",
    ),
    "mnist1d-shuffled": Task(
        mnist1d_shuffled,
        "accuracy",
        "test accuracy on MNIST-1D with permuted positions",
        "make_dataset with shuffle_seq=True",
        sequences="mnist1d-shuffled",
    ),
    "mnist1d-stroke": Task(
        mnist1d_stroke,
        "iou",
        "intersection over union with the digit's positions on MNIST-1D",
        "make_dataset(get_dataset_args()); masks from digits of ones without noise, above 1/2",
    ),
}
"""Tasks by name."""


def get_task(name: str) -> Task:
    """The task called ``name``; an unknown name raises `InputError`."""
    if name not in TASKS:
        raise unknown_name("task", name, TASKS)
    return TASKS[name]
