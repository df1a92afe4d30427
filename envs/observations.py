"""What agents see of evaluated designs: figures of any magnitude, in [-1, 1]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs.evaluation import Evaluation

Observation = NDArray[np.float32]


def magnitude(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """``sign(x) log(1+|x|)``: figures of any magnitude stay apart."""
    return np.sign(x) * np.log1p(np.abs(x))


def squash(x: NDArray[np.float64]) -> Observation:
    """``x/(1+|x|)``, in (-1, 1); what is infinite is at the bound."""
    finite = np.where(np.isfinite(x), x, 0.0)
    squashed: Observation = np.where(
        np.isfinite(x), finite / (1 + np.abs(finite)), np.sign(x)
    ).astype(np.float32)
    return squashed


def observe(evaluation: Evaluation) -> Observation:
    """What an agent sees of evaluated designs, in (-1, 1): objectives, then violations, ``[n, o]``.

    An objective x becomes s/(1+|s|) with s = sign(x) log(1+|x|), so that figures of any magnitude
    stay apart; a violation v becomes v/(1+v). What was not measured is at the bound 1.
    """
    return squash(np.concatenate([magnitude(evaluation.objectives), evaluation.violations], axis=1))
