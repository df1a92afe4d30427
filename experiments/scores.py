"""How good predictions are: errors, order, and whether intervals hold what they promise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned.frames import Frame
from codesign_gym.cost_models.learned.model import LearnedCostModel

_LEAST = 1e-100
"""What errors are divided by where the truth is 0: a time in seconds may well be 1e-12."""


def point_scores(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> dict[str, float]:
    """``rmse_pct`` (of the mean), ``mape_pct``, ``r2`` and ``kendall_tau`` of ``[n]`` values."""
    from scipy.stats import kendalltau

    error = predicted - truth
    variance = float(np.var(truth))
    scale = np.maximum(np.abs(truth), _LEAST)
    mean = max(abs(float(np.mean(truth))), _LEAST)
    return {
        "rmse_pct": 100 * float(np.sqrt(np.mean(error**2))) / mean,
        "mape_pct": 100 * float(np.mean(np.abs(error) / scale)),
        "r2": 1 - float(np.mean(error**2)) / variance if variance else float(not error.any()),
        "kendall_tau": float(kendalltau(truth, predicted).statistic) if variance else 1.0,
    }


def scores(model: LearnedCostModel, frame: Frame, target: str) -> dict[str, float]:
    """`point_scores` on the rows of a table, and the share that intervals hold.

    ``coverage_50_pct`` and ``coverage_90_pct`` of the rows are within those intervals;
    ``extrapolated_pct`` are outside the training data, and said to be.
    """
    truth = frame.columns[target]
    wide, narrow = (model.assess(frame, target, level) for level in (0.9, 0.5))
    known = wide.valid
    covered = {
        f"coverage_{name}_pct": 100
        * float(np.mean((found.low <= truth)[known] & (truth <= found.high)[known]))
        for name, found in (("50", narrow), ("90", wide))
    }
    return {
        **point_scores(truth[known], wide.mean[known]),
        **covered,
        "extrapolated_pct": 100 * float(np.mean(wide.extrapolated)),
        "invalid_pct": 100 * float(np.mean(~known)),
    }
