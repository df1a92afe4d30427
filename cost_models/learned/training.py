"""From a table of measurements to a cost model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.learned.additive import AdditiveCosts
from codesign_gym.cost_models.learned.baselines import Baseline, baseline_for
from codesign_gym.cost_models.learned.estimator import Estimator
from codesign_gym.cost_models.learned.fitting import fit_estimator, fit_together
from codesign_gym.cost_models.learned.frames import Frame, as_frame
from codesign_gym.cost_models.learned.joint import JointBoosting
from codesign_gym.cost_models.learned.layout import Layout, layout_of
from codesign_gym.cost_models.learned.model import LearnedCostModel, with_baseline
from codesign_gym.cost_models.learned.regressors import FloatArray, Matrix, regressor
from codesign_gym.cost_models.learned.schema import Schema, first_text
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.cost_models.threads import one_blas_thread
from codesign_gym.search_spaces import Designs, InputError, SearchSpace
from codesign_gym.search_spaces.errors import unknown_name

FEWEST_ROWS = 20
PRESETS: dict[str, tuple[str, ...]] = {"gemm": ("m", "n", "k")}
"""Names for lists of features; each brings its baseline along."""

Methods = str | Mapping[str, str]
"""Name of a method, or one per target."""

_JOINT_ROWS = 2000
"""Rows from which on ``auto`` compares trees for all targets together."""

_SETTLED_ROWS, _SETTLED = 10_000, 0.01
"""Rows and mean errors, in standard deviations, at which it tries nothing else."""

_LARGEST = 1e100
"""Most that the size of a target may be: squares of errors have to be numbers."""

_RECORDED = ("codesign-gym", "numpy", "scikit-learn", "torch")


@one_blas_thread()
def train(
    frame: Any,
    target: str | Metric | Sequence[str | Metric],
    features: Sequence[str] | str | None = None,
    model: Methods = "auto",
    baseline: CostModel | Baseline | str | None = None,
    seed: int = 0,
    *,
    groups: Sequence[str] | None = None,
    categorical: Sequence[str] = (),
    space: SearchSpace | None = None,
    tokens: Mapping[str, Sequence[str]] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> LearnedCostModel:
    """Learn one or several columns of a table from others.

    A target that is positive throughout is learned as its logarithm. With a baseline, what is
    learned is the logarithm of the measured over the predicted.

    Args:
        frame: Columns by name, a pandas DataFrame or a structured array; a unit may stand behind
            a name, ``latency [ms]``.
        target: The column to predict, or several; a `Metric` says unit and direction too.
        features: The columns to predict it from: all others, by default. ``"gemm"`` stands for
            the matrix product's m, n and k, with the features and the baseline of `GpuGemm`.
        model: ``random-forest``, ``extra-trees``, ``boosting``, ``deep-boosting``,
            ``joint-boosting`` (the same trees for all targets), ``gp``, ``additive``,
            ``additive-costs`` (of positive targets), ``mlp``, ``group-attention``, ``layer-set``
            (of the designs of a space of networks), several joined by ``+`` for their mean, or
            ``auto``: the best of all but mlp and group-attention, or the best two together, by
            cross-validation on these rows, and joint-boosting in place of that where many rows
            have several targets and it is better on the whole. Of several targets, a mapping
            gives each its own.
        baseline: A cost model to correct, ``"gemm"``, or ``"none"``. None takes ``"gemm"`` where
            columns m, n and k are among the features.
        seed: Of everything drawn: equal tables and seeds give equal models.
        groups: Columns whose combinations are unseen as a whole where the model will be used;
            those of the baseline by default.
        categorical: Features that are categories though they are numbers.
        space: The space that the features are the parameters of, in this order; by default that
            of the values in the table.
        tokens: Groups of columns that ``group-attention`` reads as one, see `layout_of`.
        provenance: Further facts to keep with the model.

    Raises:
        InputError: Fewer than `FEWEST_ROWS` rows, a missing or constant column, a value that is
            not finite, or a name that is unknown.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> table = {"size [kB]": rng.integers(1, 9, 200), "flow": rng.choice(["os", "ws"], 200)}
        >>> table["time [ms]"] = table["size [kB]"] * np.where(table["flow"] == "os", 1.0, 2.0)
        >>> proxy = train(table, target="time", model="extra-trees")
        >>> mean, std = proxy.predict({"size": [4], "flow": ["ws"]})
        >>> round(float(mean[0])), proxy.metrics[0].unit
        (8, 'ms')
    """
    table = as_frame(frame)
    metrics = _metrics(table, target)
    names = _features(table, features, [metric.name for metric in metrics])
    methods = _methods(model, metrics)
    if table.rows < FEWEST_ROWS:
        raise InputError(f"training needs at least {FEWEST_ROWS} rows, got {table.rows}")
    kinds = frozenset(categorical) | (_unordered(space, names) if space is not None else set())
    schema = Schema.learn(table, names, kinds)
    x = schema.encode(table).x
    layout = layout_of(schema, space, tokens)
    targets = {m.name: _target(table, m, varies=space is None) for m in metrics}
    preset = "gemm" if features == "gemm" and baseline is None else baseline
    base = _baseline(preset, table, names, targets, seed)
    alone = joint_groups(table, groups if groups is not None else base.groups if base else ())
    together = _fit_together(x, targets, methods, seed, alone) if base is None else {}
    fits: dict[str, Fitted] = {}
    for name, y in targets.items():
        if name in together and (methods[name] != "auto" or _settled(together, targets)):
            fits[name] = together[name]
        elif base is None:
            fits[name] = _fit_alone(x, y, methods[name], seed, alone, layout)
        else:
            fits[name] = _fit_correction(base, table, x, y, methods[name], seed, alone, layout)
    better = bool(together) and _better(together, fits)
    for name, (estimator, errors) in together.items():
        fits[name] = (estimator if better else fits[name][0], fits[name][1] | errors)
    facts = {
        "rows": table.rows,
        "seed": seed,
        "methods": methods,
        "data_sha256": table.digest(),
        "versions": {name: version(name) for name in _RECORDED},
        "constant": list(schema.constant),
        "compared": {name: errors for name, (_, errors) in fits.items()},
        "baseline_features": len(base.features(table.columns)) if base is not None else 0,
    }
    own = space if space is not None else schema.space_of(table)
    estimators = [estimator for estimator, _ in fits.values()]
    return LearnedCostModel(own, metrics, schema, estimators, base, facts | dict(provenance or {}))


Fitted = tuple[Estimator, dict[str, float]]
"""An estimator, and the errors of the methods that were compared."""


def _fit_together(
    x: Matrix,
    targets: Mapping[str, FloatArray],
    methods: Mapping[str, str],
    seed: int,
    groups: NDArray[np.intp] | None,
) -> dict[str, Fitted]:
    """The targets that are to share their trees; with ``auto`` and enough rows, all of them."""
    auto = set(methods.values()) == {"auto"} and len(x) >= _JOINT_ROWS
    wanted = [name for name in targets if auto or methods[name] == JointBoosting.kind]
    if len(wanted) < 2:
        return {}
    logs = [bool((targets[name] > 0).all()) for name in wanted]
    pairs = zip(wanted, logs, strict=True)
    learned = [np.log(targets[name]) if log else targets[name] for name, log in pairs]
    return dict(zip(wanted, fit_together(x, learned, logs, seed, groups), strict=True))


def _settled(together: Mapping[str, Fitted], targets: Mapping[str, FloatArray]) -> bool:
    """Whether so many rows leave so little unexplained that nothing else need be tried."""
    shares = [
        errors[JointBoosting.kind] / max(float(np.std(np.log(y) if (y > 0).all() else y)), 1e-12)
        for y, (_, errors) in zip(targets.values(), together.values(), strict=True)
    ]
    return len(next(iter(targets.values()))) >= _SETTLED_ROWS and max(shares) <= _SETTLED


def _better(together: Mapping[str, Fitted], fits: Mapping[str, Fitted]) -> bool:
    """Whether shared trees have smaller errors than what was fitted, in the geometric mean."""
    ratios = [
        together[name][1][JointBoosting.kind]
        / max(errors["+".join(part.kind for part in estimator.parts)], 1e-12)
        for name, (estimator, errors) in fits.items()
        if name in together
    ]
    return float(np.log(np.maximum(ratios, 1e-12)).mean()) <= 0


def _fit_alone(
    x: Matrix,
    y: FloatArray,
    method: str,
    seed: int,
    groups: NDArray[np.intp] | None,
    layout: Layout,
) -> Fitted:
    """Learn a target ``[n]`` as it is, or its logarithm where all of it is positive."""
    log = bool((y > 0).all())
    if not log and AdditiveCosts.kind in method.split("+"):
        raise InputError(f"{AdditiveCosts.kind} needs a target above 0, the least is {y.min():g}")
    learned = np.log(y) if log else y
    return fit_estimator(x, learned, log, method, seed, groups, order=learned, layout=layout)


def _fit_correction(
    base: Baseline,
    table: Frame,
    x: Matrix,
    y: FloatArray,
    method: str,
    seed: int,
    groups: NDArray[np.intp] | None,
    layout: Layout,
) -> Fitted:
    """Learn the logarithm of a target over what the baseline predicts, ``[n]``."""
    features, predicted = with_baseline(base, table, x)
    residual = np.log(y) - predicted
    return fit_estimator(
        features, residual, True, method, seed, groups, order=predicted, frontier=True,
        layout=layout,
    )  # fmt: skip


def _methods(model: Methods, metrics: Sequence[Metric]) -> dict[str, str]:
    """Target -> method; an unknown one raises `InputError`."""
    methods = {m.name: model if isinstance(model, str) else model[m.name] for m in metrics}
    for kind in {kind for method in methods.values() for kind in method.split("+")} - {"auto"}:
        regressor(kind)
    return methods


def _unordered(space: SearchSpace, names: Sequence[str]) -> set[str]:
    """The features that are categories in their space."""
    pairs = zip(names, space.parameters, strict=True)
    return {name for name, parameter in pairs if not parameter.ordered}


def _baseline(
    wanted: CostModel | Baseline | str | None,
    table: Frame,
    features: tuple[str, ...],
    targets: Mapping[str, FloatArray],
    seed: int,
) -> Baseline | None:
    """What is to be corrected, if anything; it takes one target, which must be positive."""
    name, y = next(iter(targets.items()))
    base = baseline_for(wanted, table, features, name, seed)
    if base is not None and len(targets) > 1:
        raise InputError("a model with a baseline has one target, got several")
    if base is not None and (y <= 0).any():
        raise InputError(f"a baseline needs a target above 0, {name!r} is not")
    return base


def _metrics(table: Frame, target: str | Metric | Sequence[str | Metric]) -> list[Metric]:
    several = [target] if isinstance(target, (str, Metric)) else list(target)
    metrics = []
    for one in several:
        name = one if isinstance(one, str) else one.name
        if name not in table.columns:
            raise unknown_name("target column", name, table.columns)
        unit = table.units.get(name, "")
        if isinstance(one, str):
            metrics.append(Metric(name, unit, "min"))
        elif unit and unit != one.unit:
            raise InputError(f"target {name!r} is in {unit}, the metric is in {one.unit}")
        else:
            metrics.append(one)
    if not metrics:
        raise InputError("training needs a target, got none")
    return metrics


def _features(
    table: Frame, features: Sequence[str] | str | None, targets: list[str]
) -> tuple[str, ...]:
    if features is None:
        names = tuple(name for name in table.columns if name not in targets)
    elif isinstance(features, str):
        if features not in PRESETS:
            raise unknown_name("preset of features", features, PRESETS)
        names = PRESETS[features]
    else:
        names = tuple(features)
    for name in names:
        if name not in table.columns:
            raise unknown_name("column", name, table.columns)
        if name in targets:
            raise InputError(f"column {name!r} is a target: it cannot be a feature too")
    if not names:
        raise InputError("training needs a column beside the target, got none")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"column {twice[0]!r} is named twice as a feature")
    return names


def _target(table: Frame, metric: Metric, varies: bool) -> NDArray[np.float64]:
    y = table.columns[metric.name]
    if y.dtype.kind == "U":
        raise InputError(
            f"target {metric.name!r} must be numbers, got text such as {first_text(y)!r}"
        )
    bad = ~np.isfinite(y)
    if bad.any():
        raise InputError(
            f"target {metric.name!r}: {bad.sum()} of {len(y)} rows have no finite value, the first "
            f"one is row {int(bad.argmax())}"
        )
    if np.abs(y).max(initial=0) > _LARGEST:
        raise InputError(
            f"target {metric.name!r}: values must be at most {_LARGEST:g} in size, got "
            f"{np.abs(y).max():g}"
        )
    if varies and (y == y[0]).all():
        raise InputError(f"target {metric.name!r} is {y[0]} in every row: nothing to learn")
    return y


def check_table(frame: Frame, target: str, features: Sequence[str] | None) -> None:
    """Raise `InputError` for what `train` would refuse, of the whole table before it is split."""
    metrics = _metrics(frame, target)
    schema = Schema.learn(frame, _features(frame, features, [target]))
    for feature in schema.features:
        if len(feature.categories) == frame.rows:
            raise InputError(
                f"column {feature.name!r} has another text in each row, such as "
                f"{feature.categories[0]!r}: nothing follows from it, name the columns to predict "
                "from without it"
            )
    _target(frame, metrics[0], varies=True)


def joint_groups(table: Frame, names: Sequence[str]) -> NDArray[np.intp] | None:
    """The group of each row: equal numbers where all these columns are equal."""
    if not names:
        return None
    for name in names:
        if name not in table.columns:
            raise unknown_name("column of groups", name, table.columns)
    codes = [np.unique(table.columns[name], return_inverse=True)[1] for name in names]
    joint = np.stack([code.ravel() for code in codes], axis=1)
    return np.asarray(np.unique(joint, axis=0, return_inverse=True)[1].ravel())


def table_of_designs(space: SearchSpace, designs: Designs, metrics: Metrics) -> Frame:
    """The values of designs ``[n, p]`` and their metrics, a row per design."""
    columns = as_frame(space.values(designs)).columns
    return Frame(columns | {name: metrics[name] for name in metrics}, {})


def train_on_designs(
    space: SearchSpace,
    designs: Designs,
    metrics: Metrics,
    model: Methods = "auto",
    seed: int = 0,
    provenance: Mapping[str, Any] | None = None,
) -> LearnedCostModel:
    """Learn the metrics of designs ``[n, p]``; invalid and unmeasured rows are left out."""
    usable = np.isfinite(metrics.values_matrix).all(axis=1)
    table = table_of_designs(space, designs[usable], metrics.take(np.flatnonzero(usable)))
    return train(
        table, metrics.metrics, space.names, model, "none", seed,
        space=space, provenance=provenance,
    )  # fmt: skip
