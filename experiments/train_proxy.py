"""Training a proxy cost model from a store, and saying how good it is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned.forest import FEWEST_ROWS, ForestProxy
from codesign_gym.cost_models.metrics import concat_metrics
from codesign_gym.experiments.store import Store
from codesign_gym.search_spaces import InputError


@dataclass(frozen=True)
class ModelCard:
    """How well a proxy predicts designs that it has not seen.

    Attributes:
        metrics: Metric -> ``rmse_pct`` (of the mean), ``mape_pct``, ``r2``, ``kendall_tau``.
        rows: Distinct designs trained on, the tested ones included in the saved model.
        test_rows: Designs tested on while they were left out.
        us_per_design: CPU microseconds to predict one design in a batch of 4,096.
        us_single: CPU microseconds to predict one design alone.
    """

    metrics: dict[str, dict[str, float]]
    rows: int
    test_rows: int
    us_per_design: float
    us_single: float


def train_proxy(stores: list[Path], out: Path, seed: int = 0) -> ModelCard:
    """Train a random forest on all evaluations in stores and save it.

    A fifth of the distinct designs is held out to measure the errors; the saved proxy is then
    trained on all of them.

    Raises:
        InputError: The stores mix problems, hold a proxy's own predictions, or too few
            designs.
    """
    space, designs, metrics, problem, models = _load(stores)
    rows = np.isfinite(metrics.values_matrix).all(axis=1)
    designs, metrics = designs[rows], metrics.take(rows)
    n = len(designs)
    if n < FEWEST_ROWS * 5 // 4:
        raise InputError(
            f"training needs at least {FEWEST_ROWS * 5 // 4} distinct designs, the stores hold {n}"
        )
    order = np.random.default_rng(seed).permutation(n)
    test, train = order[: n // 5], order[n // 5 :]
    trial = ForestProxy.fit(space, designs[train], metrics.take(train), seed)
    predicted = trial.compute(designs[test])
    scores = {name: _scores(metrics[name][test], predicted[name]) for name in metrics}
    provenance: dict[str, Any] = {"problem": problem, "models": models, "scores": scores}
    proxy = ForestProxy.fit(space, designs, metrics, seed, provenance=provenance)
    out.parent.mkdir(parents=True, exist_ok=True)
    proxy.save(out)
    batch = space.sample(4096, np.random.default_rng(seed))
    return ModelCard(
        metrics=scores,
        rows=n,
        test_rows=len(test),
        us_per_design=_microseconds(proxy, batch) / len(batch),
        us_single=_microseconds(proxy, batch[:1]),
    )


def _load(stores: list[Path]) -> Any:
    """Space, distinct designs, their metrics, names of the problem and of its models in stores."""
    records = []
    for path in stores:
        with Store(path) as store:
            records += store.records()
    if not records:
        raise InputError(f"no evaluations in {', '.join(map(str, stores))}")
    first = records[0]
    for record in records:
        if record.config.proxy:
            raise InputError(f"a run was made with the proxy {record.config.proxy}: not a truth")
        if record.config.problem != first.config.problem:  # equal spaces may cost differently
            raise InputError(
                f"runs of {first.config.problem!r} and of {record.config.problem!r}: "
                "train a proxy for each problem"
            )
        if record.info.get("models") != first.info.get("models"):
            raise InputError(
                f"runs with the cost models {first.info.get('models')} and "
                f"{record.info.get('models')}: train a proxy for each"
            )
        same_metrics = record.evaluation.metrics.metrics == first.evaluation.metrics.metrics
        if record.space != first.space or not same_metrics:
            raise InputError(
                f"problem {first.config.problem!r} was changed between the runs: its space or "
                "metrics differ"
            )
    designs = np.concatenate([record.evaluation.designs for record in records])
    metrics = concat_metrics([record.evaluation.metrics for record in records])
    _, once = np.unique(designs, axis=0, return_index=True)
    models = first.info.get("models", [])
    return first.space, designs[once], metrics.take(once), first.config.problem, models


def _scores(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> dict[str, float]:
    from scipy.stats import kendalltau

    error = predicted - truth
    variance = float(np.var(truth))
    scale = np.maximum(np.abs(truth), 1e-12)
    return {
        "rmse_pct": 100 * float(np.sqrt(np.mean(error**2)) / np.abs(np.mean(truth))),
        "mape_pct": 100 * float(np.mean(np.abs(error) / scale)),
        "r2": 1 - float(np.mean(error**2)) / variance if variance else float(not error.any()),
        "kendall_tau": float(kendalltau(truth, predicted).statistic) if variance else 1.0,
    }


def _microseconds(proxy: ForestProxy, designs: NDArray[np.int32]) -> float:
    proxy.compute(designs)  # compiles
    times = []
    for _ in range(5):
        start = time.process_time()
        proxy.compute(designs)
        times.append(time.process_time() - start)
    return 1e6 * float(np.median(times))
