"""How agents of one number per design treat specs: by rule, by penalty, or by a model of each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import Evaluation, ProblemStatement

FloatArray = NDArray[np.float64]

_BELOW_ANY_REWARD = -1e300


def merit(evaluation: Evaluation, rewards: FloatArray) -> FloatArray:
    """A number per design that orders them by the feasibility rule (Deb 2000), ``[n]``.

    A feasible design has its reward; any infeasible one lies below all of them, the lower the more
    it violates. For comparisons: its differences mean nothing across the border.
    """
    v = evaluation.violation
    share = np.divide(v, 1 + v, out=np.ones_like(v), where=np.isfinite(v))
    return np.where(evaluation.feasible, rewards, _BELOW_ANY_REWARD * (1 + share))


def penalised(
    rewards: FloatArray, violation: FloatArray, spread: float, floor: float
) -> FloatArray:
    """Rewards of which differences mean something for infeasible designs too, ``[n]``.

    An infeasible design lies below ``floor`` by ``spread`` for every 100 % of its violation, by
    ten times ``spread`` at most.

    Args:
        rewards: Rewards of the designs ``[n]``; those of infeasible ones are not read.
        violation: Total violations ``[n]``, infinite for invalid designs.
        spread: What counts as a large difference of rewards.
        floor: The lowest reward of a feasible design.
    """
    return np.where(violation == 0, rewards, floor - spread * np.minimum(violation, 10.0))


def unconstrained_rewards(statement: ProblemStatement, evaluation: Evaluation) -> FloatArray:
    """The rewards of the designs if there were no specs, ``[n]``; NaN where not all was measured.

    A model learns more of them than of rewards that break off where a spec is missed.
    """
    free = replace(evaluation, violations=np.zeros_like(evaluation.violations))
    measured = np.isfinite(evaluation.metrics.values_matrix).all(axis=1) & evaluation.metrics.valid
    return np.where(measured, statement.reward(free), np.nan)


def excess(statement: ProblemStatement, evaluation: Evaluation) -> FloatArray:
    """How far each metric is beyond its bound, below 0 where the spec is kept, ``[n, k]``.

    In the logarithm of the ratio where metric and bound are positive, relative to the bound
    elsewhere; NaN where there is no finite figure.
    """
    columns = np.empty((len(evaluation), len(statement.specs)))
    for j, spec in enumerate(statement.specs):
        values = evaluation.metrics[spec.metric]
        sign = 1.0 if spec.sense == "<=" else -1.0
        known = evaluation.metrics.valid & np.isfinite(values)
        values = np.where(known, values, spec.bound)
        if spec.bound > 0:
            beyond = np.log(np.maximum(values / spec.bound, 1e-12))
        else:
            beyond = (values - spec.bound) / abs(spec.bound)
        columns[:, j] = np.where(known, sign * beyond, np.nan)
    return columns
