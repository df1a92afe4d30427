"""Choosing a method by cross-validation on the training rows, and measuring its errors there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned.estimator import LEVELS, Estimator, distance
from codesign_gym.cost_models.learned.gaussian_process import GaussianProcess
from codesign_gym.cost_models.learned.joint import JointBoosting
from codesign_gym.cost_models.learned.layout import Layout, Structured
from codesign_gym.cost_models.learned.regressors import FloatArray, Matrix, Regressor, regressor
from codesign_gym.cost_models.learned.trees import ExtraTrees

_FEW = 500
"""Rows up to which methods that cost the cube of them are tried."""

_LENGTHS = 60
"""Features up to which a Gaussian process has a length for each: so many rows tell no more."""

_COMPARED = 3000
"""Rows that methods are compared on."""

_FRONTIER = 0.2
"""Share of the largest rows that is predicted from the rest, where there is a baseline."""


_DOUBT = 12
"""Trees that tell how large an error is to be expected."""

_SLOPE = 4.0
"""What an interval widens by per width of the training data that a row is away, at least."""


_FOLDS = 4
"""Parts of the rows, each predicted from the others."""

_BELIEVED = 200
"""Rows of which half of what they promise of further ones is believed."""


def folds_of(rows: int, groups: NDArray[np.intp] | None, seed: int) -> NDArray[np.intp]:
    """The fold of every row, ``[n]``: rows of a group are in one fold."""
    rng = np.random.default_rng(seed)
    if groups is None:
        return np.asarray(rng.permutation(rows) % _FOLDS)
    several = int(groups.max()) + 1
    if several < 2 * _FOLDS:
        return np.asarray(rng.permutation(rows) % _FOLDS)
    return np.asarray((rng.permutation(several) % _FOLDS)[groups])


def fit_estimator(
    x: Matrix,
    y: FloatArray,
    log: bool,
    model: str,
    seed: int,
    groups: NDArray[np.intp] | None = None,
    order: FloatArray | None = None,
    frontier: bool = False,
    layout: Layout | None = None,
) -> tuple[Estimator, dict[str, float]]:
    """Learn ``y [n]``, with the method called ``model`` or with the best for ``"auto"``.

    Args:
        x: Features ``[n, f]``.
        y: What to learn, in the space to learn it in.
        log: Whether that is a logarithm.
        model: Name of a method, or several joined by ``+``, of which the mean counts.
        seed: Of everything drawn.
        groups: Group of each row, for rows that are unseen together ``[n]``.
        order: How large each row is: how errors grow beyond the largest is tried out ``[n]``.
        frontier: Whether the choice of a method heeds errors beyond the largest rows, too.
        layout: What the columns belong to, for the methods that ask.

    Returns:
        The estimator, and the mean absolute errors of the methods that were compared.
    """
    fold = folds_of(len(y), groups, seed)
    kinds, errors = tuple(model.split("+")), dict[str, float]()
    known: dict[str, FloatArray] = {}
    if model == "auto":
        kinds, errors, known = _chosen(x, y, log, fold, seed, order if frontier else None, layout)
    each = [
        known[kind] if kind in known else _unseen(kind, x, y, fold, seed, layout) for kind in kinds
    ]
    residuals = np.mean(each, axis=0)
    errors["+".join(kinds)] = float(np.abs(residuals).mean())  # on all rows, not on some of them
    parts = tuple(_fit(kind, x, y, seed, layout) for kind in kinds)
    some = _half(fold)
    each = [_fit(kind, x[some], y[some], seed, layout).predict(x[~some]) for kind in kinds]
    halves = np.mean(each, axis=0) - y[~some]
    residuals = residuals * _with_all_rows(residuals[~some], halves, len(y))
    estimator = _calibrated(parts, x, residuals, log, fold, seed)
    if order is None:
        return estimator, errors

    def beyond() -> FloatArray:
        each = [_beyond(kind, x, y, order, seed, layout) for kind in kinds]
        return np.asarray(np.mean(each, axis=0))

    return replace(estimator, slope=_slope(estimator, x, order, beyond)), errors


def fit_together(
    x: Matrix,
    targets: Sequence[FloatArray],
    logs: Sequence[bool],
    seed: int,
    groups: NDArray[np.intp] | None = None,
) -> list[tuple[Estimator, dict[str, float]]]:
    """Learn several targets with the same trees, see `JointBoosting`.

    Args:
        x: Features ``[n, f]``.
        targets: What to learn, in the space to learn it in, each ``[n]``.
        logs: Whether each is a logarithm.
        seed: Of everything drawn.
        groups: As in `fit_estimator`.

    Returns:
        What `fit_estimator` returns, for each target.
    """
    y = np.stack(targets, axis=1)
    fold = folds_of(len(y), groups, seed)
    residuals = np.empty(y.shape)
    for held in np.unique(fold):
        test = fold == held
        found = JointBoosting.fit_all(x[~test], y[~test], seed)[0]
        residuals[test] = found.predict_all(x[test]) - y[test]
    methods = JointBoosting.fit_all(x, y, seed)
    some = _half(fold)
    halves = JointBoosting.fit_all(x[some], y[some], seed)[0].predict_all(x[~some]) - y[~some]
    out = []
    for column, (method, goal, log) in enumerate(zip(methods, targets, logs, strict=True)):
        residual = residuals[:, column]
        smaller = _with_all_rows(residual[~some], halves[:, column], len(y)) * residual
        estimator = _calibrated((method,), x, smaller, log, fold, seed)
        beyond = partial(_beyond, method.kind, x, goal, goal, seed)
        estimator = replace(estimator, slope=_slope(estimator, x, goal, beyond))
        out.append((estimator, {method.kind: float(np.abs(residual).mean())}))
    return out


def _chosen(
    x: Matrix,
    y: FloatArray,
    log: bool,
    fold: NDArray[np.intp],
    seed: int,
    order: FloatArray | None,
    layout: Layout | None,
) -> tuple[tuple[str, ...], dict[str, float], dict[str, FloatArray]]:
    """The best method, or the best two together; all errors; residuals where all rows have one."""
    candidates = ["extra-trees", "boosting"]
    if len(y) <= _FEW:
        candidates.insert(0, "random-forest")  # an mlp costs more than all of these
        candidates += ["additive", "additive-costs"] if log else ["additive"]
        if x.shape[1] <= _LENGTHS:
            candidates.append("gp")
        if log and layout is not None and layout.networks:
            candidates.append("layer-set")
    if len(y) >= _COMPARED:
        candidates.append("deep-boosting")
    rows = np.arange(len(y))
    if len(y) > _COMPARED:
        rows = np.sort(np.random.default_rng(seed).permutation(len(y))[:_COMPARED])
    part = x[rows], y[rows], fold[rows]
    residuals = {kind: _unseen(kind, *part, seed, layout) for kind in candidates}
    if order is not None:
        beyond = {kind: _beyond(kind, *part[:2], order[rows], seed) for kind in candidates}
        scored = {kind: np.concatenate([residuals[kind], beyond[kind]]) for kind in candidates}
    else:
        scored = residuals
    errors = {kind: float(np.abs(scored[kind]).mean()) for kind in candidates}
    first, second = sorted(candidates, key=errors.__getitem__)[:2]
    both = float(np.abs((scored[first] + scored[second]) / 2).mean())
    errors[f"{first}+{second}"] = both
    kinds = (first, second) if both < 0.98 * errors[first] else (first,)
    return kinds, errors, residuals if len(rows) == len(y) else {}


def _fit(kind: str, x: Matrix, y: FloatArray, seed: int, layout: Layout | None = None) -> Regressor:
    """The method called ``kind``, fitted; the layout is for those that read it."""
    method = regressor(kind)
    if layout is not None and issubclass(method, Structured):
        return method.fit_layout(x, y, seed, layout)
    return method.fit(x, y, seed)


def _unseen(
    kind: str,
    x: Matrix,
    y: FloatArray,
    fold: NDArray[np.intp],
    seed: int,
    layout: Layout | None = None,
) -> FloatArray:
    """Errors on rows predicted from the other folds, ``[n]``."""
    if kind == GaussianProcess.kind:
        return GaussianProcess.unseen(x, y, fold, seed)
    out = np.empty(len(y))
    for held in np.unique(fold):
        test = fold == held
        out[test] = _fit(kind, x[~test], y[~test], seed, layout).predict(x[test]) - y[test]
    return out


def _beyond(
    kind: str,
    x: Matrix,
    y: FloatArray,
    order: FloatArray,
    seed: int,
    layout: Layout | None = None,
) -> FloatArray:
    """Errors on the largest rows, predicted from the rest."""
    cut = np.argsort(order, kind="stable")
    train, test = np.split(cut, [round((1 - _FRONTIER) * len(cut))])
    return np.asarray(_fit(kind, x[train], y[train], seed, layout).predict(x[test]) - y[test])


def _half(fold: NDArray[np.intp]) -> NDArray[np.bool_]:
    """The rows of half of the folds, ``[n]``."""
    return np.asarray(fold < _FOLDS // 2)


def _with_all_rows(residuals: FloatArray, halves: FloatArray, rows: int) -> float:
    """What errors on rows left out shrink by when those are trained on too, 0.5 to 1.

    Errors fall with a power of the number of rows; which one, half of them and all but a fold tell.
    Few rows tell little of it: there, errors are rather expected to stay as they are. Errors are
    compared by what nine tenths of them are below, as intervals are: means are those of a few rows.

    Args:
        residuals: Errors of what is trained on all but a fold ``[h]``.
        halves: Errors on the same rows of what is trained on the others of `_half` ``[h]``.
        rows: Rows in all.
    """
    more, fewer = (max(float(np.quantile(np.abs(e), 0.9)), 1e-12) for e in (residuals, halves))
    most = 1 - 1 / _FOLDS
    power = np.log(fewer / more) / np.log(most / 0.5)
    return float(np.clip(most ** (power * rows / (rows + _BELIEVED)), 0.5, 1.0))


def _calibrated(
    parts: Sequence[Regressor],
    x: Matrix,
    residuals: FloatArray,
    log: bool,
    fold: NDArray[np.intp],
    seed: int,
) -> Estimator:
    size = np.abs(residuals)
    floor = max(0.2 * float(np.median(size)), 1e-12)
    goal = np.log(np.maximum(size, floor))
    expected = np.empty(len(size))
    leaf = max(5, min(30, len(size) // 40))
    for half in (0, 1):
        test = fold % 2 == half
        doubt = ExtraTrees.grow(x[~test], goal[~test], seed, _DOUBT, leaf)
        expected[test] = np.maximum(np.exp(doubt.predict(x[test])), floor)
    n = len(size)
    at = np.minimum(LEVELS * (n + 1) / n, 1.0)  # the finite sample's correction
    factors = np.quantile(size / expected, at)
    doubt = ExtraTrees.grow(x, goal, seed, _DOUBT, leaf)
    ranges = np.stack([x.min(axis=0), x.max(axis=0)]).astype(np.float64)
    return Estimator(tuple(parts), log, doubt, factors, floor, ranges, _SLOPE)


def _slope(
    estimator: Estimator, x: Matrix, order: FloatArray, beyond: Callable[[], FloatArray]
) -> float:
    """How intervals must widen beyond the training data to hold nine tenths of what is there.

    Args:
        estimator: What to widen the intervals of.
        x: Features of the training data ``[n, f]``.
        order: How large each row is ``[n]``.
        beyond: Errors on the largest rows, predicted from the rest.
    """
    cut = np.argsort(order, kind="stable")
    train, test = np.split(cut, [round((1 - _FRONTIER) * len(cut))])
    away = distance(x[test], np.stack([x[train].min(axis=0), x[train].max(axis=0)]))
    if (away > 0).sum() < 20:
        return _SLOPE
    half = estimator.half(0.9) * estimator.spread(x[test])
    needed = (np.abs(beyond()) / half - 1)[away > 0] / away[away > 0]
    return max(_SLOPE, float(np.quantile(needed, 0.9)))
