"""Learned cost models: every method, what they correct, how sure they are, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from codesign_gym.cost_models.analytical.gemm_gpu import GemmFigures, GpuGemm
from codesign_gym.cost_models.learned import (
    LearnedCostModel,
    fitting,
    group_attention,
    read_table,
    train,
)
from codesign_gym.cost_models.learned.frames import as_frame
from codesign_gym.cost_models.learned.trees import Boosting
from codesign_gym.search_spaces import InputError
from tests.reference import reference

COMPARED = ("random-forest", "extra-trees", "boosting", "gp")
METHODS = (*COMPARED, "deep-boosting", "joint-boosting", "mlp", "group-attention")
GPU = GpuGemm(
    GemmFigures(2.0, 2.5e6, 1.0, 1.0, 1e-3, 1.5e6, 5e6, 2.0, 3.0, 0.8), multiprocessors=108
)


def table(n: int = 160, seed: int = 0) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(seed)
    size, flow = rng.uniform(1, 8, n), rng.choice(["os", "ws"], n)
    time = np.exp(0.3 * size) * np.where(flow == "os", 1.0, 2.0)
    return {"size [kB]": size, "flow": flow, "time [ms]": time * rng.lognormal(0, 0.02, n)}


def products(n: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(seed)
    sizes = {name: 2.0 ** rng.integers(3, 13, n) for name in "mnk"}
    return {**sizes, "latency": GPU.predict(sizes) * rng.lognormal(0, 0.05, n)}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_keeps_and_loads(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_attention, "_STEPS", 250)
    model = train(table(), "time", model=method)
    fresh = table(80, seed=1)
    mean, std = model.predict(fresh)
    assert np.median(np.abs(mean / fresh["time [ms]"] - 1)) < 0.1
    assert (std > 0).all()
    model.save(tmp_path / "m.npz")
    loaded = LearnedCostModel.load(tmp_path / "m.npz", features=["flow", "size"])
    for ours, theirs in zip(model.predict(fresh), loaded.predict(fresh), strict=True):
        assert np.array_equal(ours, theirs)
    assert loaded.provenance["data_sha256"] == as_frame(table()).digest()
    assert loaded.metrics[0].unit == "ms"


def test_auto_is_no_worse_than_the_worst_and_says_what_it_compared() -> None:
    model = train(table(120), "time")
    compared = model.provenance["compared"]["time"]
    assert set(COMPARED) <= set(compared)
    assert compared[model.methods["time"]] <= 1.03 * min(compared.values())


def test_boosted_trees_predict_as_in_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] + x[:, 2]).astype(np.float64)
    theirs = HistGradientBoostingRegressor(
        max_iter=250, learning_rate=0.08, max_leaf_nodes=15, min_samples_leaf=3, random_state=0
    ).fit(x, y)
    points = rng.normal(size=(200, 4)).astype(np.float32)
    np.testing.assert_allclose(
        Boosting.fit(x, y).predict(points), theirs.predict(points), rtol=1e-4, atol=1e-4
    )


def test_intervals_hold_what_they_promise() -> None:
    model = train(table(300), "time", model="extra-trees")
    fresh = table(2000, seed=5)
    found = model.assess(fresh)
    inside = (found.low <= fresh["time [ms]"]) & (fresh["time [ms]"] <= found.high)
    assert 0.83 < inside.mean() < 0.97
    narrow = model.assess(fresh, level=0.5)
    assert (narrow.high - narrow.low < found.high - found.low).all()


def test_intervals_know_that_all_rows_teach_more() -> None:
    """Errors that fall in proportion to the number of rows: a third more makes them 3/4."""
    half, most = np.full(50, 1.5), np.ones(50)
    assert fitting._with_all_rows(most, half, 10**9) == pytest.approx(0.75)
    assert fitting._with_all_rows(most, half, 200) == pytest.approx(0.75**0.5)
    assert fitting._with_all_rows(most, 0.5 * half, 10**9) == 1.0  # chance: they never grow
    assert fitting._with_all_rows(0 * most, 0 * half, 1000) == 1.0
    half[0] = 1e6  # an outlier tells nothing of the others
    assert fitting._with_all_rows(most, half, 10**9) == pytest.approx(0.75)


def test_rows_outside_are_flagged_and_doubted() -> None:
    model = train(table(), "time", model="extra-trees")
    rows = {"size": [4.0, 40.0, np.nan, 4.0], "flow": ["os", "os", "os", "new"]}
    found = model.assess(rows)
    assert found.extrapolated.tolist() == [False, True, False, False]
    assert found.valid.tolist() == [True, True, False, False]
    assert found.std[1] > 2 * found.std[0] * found.mean[1] / found.mean[0]
    assert np.isnan(found.mean[2:]).all()
    assert np.isinf(found.std[2:]).all()
    assert set(found.invalid) == {
        "size is no number of at most 1e+30 in size",
        "flow is none of those trained on",
    }


def test_it_is_a_cost_model_of_the_values_it_saw() -> None:
    data = products(60)
    model = train(data, "latency", baseline="none", model="random-forest")
    designs = model.space.sample(20, 0)
    metrics = model.evaluate(designs)
    mean, _ = model.predict(dict(zip("mnk", model.space.values(designs).values(), strict=True)))
    assert np.array_equal(metrics["latency"], mean)
    assert model.uncertainty(designs).shape == (20, 1)


# -- correcting a baseline --------------------------------------------------------------------


def test_a_gpu_is_calibrated_from_latencies_in_any_unit() -> None:
    data, fresh = products(400), products(200, seed=1)
    for unit in (1.0, 1e-3):
        gpu = GpuGemm.fit(data, unit * data["latency"], multiprocessors=108)
        error = np.abs(gpu.predict(fresh) / (unit * fresh["latency"]) - 1)
        assert error.mean() < 0.08


def test_columns_of_products_bring_their_baseline(tmp_path: Path) -> None:
    data, fresh = products(200), products(300, seed=1)
    model = train(data, "latency", model="extra-trees")
    alone = train(data, "latency", model="extra-trees", baseline="none")
    error, without = (
        np.abs(m.predict(fresh)[0] / fresh["latency"] - 1).mean() for m in (model, alone)
    )
    assert error < 0.5 * without
    model.save(tmp_path / "m.npz")
    loaded = LearnedCostModel.load(tmp_path / "m.npz")
    assert np.array_equal(loaded.predict(fresh)[0], model.predict(fresh)[0])


def test_a_cost_model_as_baseline(tmp_path: Path) -> None:
    data = products(60)
    truth = train(data, "latency", baseline="none", model="random-forest")
    slower = {**data, "latency": 3 * truth.predict(data)[0]}
    model = train(slower, "latency", baseline=truth, model="extra-trees")
    assert np.allclose(model.predict(slower)[0], slower["latency"], rtol=1e-3)
    model.save(tmp_path / "m.npz")
    with pytest.raises(InputError, match="give it to load, got none"):
        LearnedCostModel.load(tmp_path / "m.npz")
    again = LearnedCostModel.load(tmp_path / "m.npz", baseline=truth)
    assert np.array_equal(again.predict(slower)[0], model.predict(slower)[0])


def test_measured_products_of_unseen_weights() -> None:
    """Mean error of the calibrated formula alone on A100 against the roofline's 16 % (guide)."""
    frame = read_table(reference("gemm/gemm_bf16_measured.csv.gz"))
    frame = frame.take(np.flatnonzero(frame.columns["system"] == "a100_sxm")[::7])
    gpu = GpuGemm.fit(frame.columns, frame.columns["latency"], multiprocessors=108)
    assert np.abs(gpu.predict(frame.columns) / frame.columns["latency"] - 1).mean() < 0.11


# -- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"time [ms]": np.ones(160)}, "target 'time' is 1.0 in every row"),
        ({"time [ms]": np.full(160, np.nan)}, "160 of 160 rows have no finite value"),
        ({"size [kB]": np.full(160, np.inf)}, "column 'size': 160 of 160 rows"),
        ({"size [kB]": np.ones(160), "flow": ["os"] * 160}, "are all constant"),
        ({"flow": ["os"] * 3}, "equally long"),
        ({"time [ms]": ["slow"] * 160}, "must be numbers, got text such as 'slow'"),
        ({"time [ms]": ["1.5"] * 159 + ["?"]}, "must be numbers, got text such as '\\?'"),
        ({"time [ms]": np.full(160, 1e200)}, "at most 1e\\+100 in size, got 1e\\+200"),
        ({"size [kB]": np.full(160, -1e40)}, "at most 1e\\+30 in size, got 1e\\+40"),
    ],
)
def test_bad_tables(change: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        train({**table(), **change}, "time")


def test_bad_names_and_too_few_rows() -> None:
    for words, text in (
        ({"target": "tme"}, "did you mean 'time'"),
        ({"target": "time", "features": ["sise"]}, "did you mean 'size'"),
        ({"target": "time", "model": "boost"}, "did you mean 'boosting'"),
        ({"target": "time", "features": ["time"]}, "cannot be a feature too"),
        ({"target": "time", "features": ["size", "size"]}, "'size' is named twice"),
    ):
        with pytest.raises(InputError, match=text):
            train(table(), **words)
    with pytest.raises(InputError, match="at least 20 rows, got 19"):
        train(table(19), "time")


def test_another_schema_is_refused(tmp_path: Path) -> None:
    model = train(table(), "time", model="random-forest")
    for rows, text in (
        ({"size": [1.0]}, "lacks column 'flow'"),
        ({"size [MB]": [1.0], "flow": ["os"]}, "is in MB, the model was trained on kB"),
        ({"size": ["big"], "flow": ["os"]}, "must be numbers"),
    ):
        with pytest.raises(InputError, match=text):
            model.predict(rows)
    model.save(tmp_path / "m.npz")
    with pytest.raises(InputError, match="reads the columns size, flow, not size, rows"):
        LearnedCostModel.load(tmp_path / "m.npz", features=["size", "rows"])
    with np.load(tmp_path / "m.npz") as file:
        arrays: dict[str, Any] = {name: file[name] for name in file.files}
    about = json.loads(str(arrays["about"]))
    np.savez(tmp_path / "old.npz", **(arrays | {"about": json.dumps(about | {"format": 1})}))
    with pytest.raises(InputError, match="an older codesign-gym"):
        LearnedCostModel.load(tmp_path / "old.npz")


def test_tables_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for text, fault in (
        ("", "is empty"),
        ("a,b\n", "rows below"),
        ("a,b\n1\n", "line 2"),
        ("a,a\n1,2\n", "differ"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=fault):
            read_table(path)
    with pytest.raises(InputError, match="there is no file"):
        read_table(tmp_path / "none.csv")
