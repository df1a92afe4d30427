"""Trees for several targets: the same predictions together and alone, kept once, chosen if good."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign_gym.cost_models.learned import LearnedCostModel, train, training
from codesign_gym.cost_models.learned.joint import JointBoosting
from codesign_gym.search_spaces import InputError

KIND = JointBoosting.kind
TARGETS = ["time", "energy", "gain"]


def table(n: int = 300, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    size, flow = rng.integers(1, 9, n), rng.choice(["os", "ws", "is"], n)
    time = size * np.where(flow == "os", 1.0, 2.0)
    return {"size": size, "flow": flow, "time": time, "energy": time**2, "gain": time - 6.0}


@given(st.integers(1, 4), st.integers(20, 60), st.integers(0, 5))
@settings(max_examples=8, deadline=None)
def test_targets_together_are_those_alone(k: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 4, (n, 3)).astype(np.float32)
    y = rng.normal(size=(n, k))
    each = JointBoosting.fit_all(x, y, seed)
    together = each[0].predict_all(x)
    assert together.shape == (n, k)
    for column, method in enumerate(each):
        assert np.array_equal(method.predict(x), together[:, column])
    again = JointBoosting.from_arrays(each[-1].arrays(), 3)
    assert np.array_equal(again.predict(x), together[:, -1])


def test_one_walk_serves_all_targets_and_is_kept_once(tmp_path: Path) -> None:
    model = train(table(), TARGETS, ["size", "flow"], KIND)
    assert set(model.methods.values()) == {KIND}
    designs = model.space.sample(50, 0)
    together = model.compute(designs)
    for name in TARGETS:
        alone = model.only(name)
        assert np.array_equal(alone.compute(designs)[name], together[name])
        assert np.allclose(model.predict(model.frame_of(designs), name)[0], together[name])
    assert (together["gain"] < 0).any()
    truth = table(100, 1)
    assert np.abs(model.predict(truth, "energy")[0] / truth["energy"] - 1).max() < 0.02
    model.save(tmp_path / "all.npz")
    loaded = LearnedCostModel.load(tmp_path / "all.npz")
    assert np.array_equal(loaded.compute(designs).values_matrix, together.values_matrix)
    assert np.array_equal(loaded.uncertainty(designs), model.uncertainty(designs))
    with np.load(tmp_path / "all.npz", allow_pickle=False) as file:
        assert sum(name.endswith(".part0.values") for name in file.files) == 1


def test_a_file_whose_targets_do_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    train(table(), TARGETS, ["size", "flow"], KIND).save(path)
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    for name, value in {
        "target1.part0.column": np.array(3),
        "target0.part0.affine": np.ones((2, 2)),
        "target0.part0.left": np.zeros_like(arrays["target0.part0.left"]),
    }.items():
        np.savez(path, **arrays | {name: value})
        with pytest.raises(InputError, match="damaged"):
            LearnedCostModel.load(path)


def test_auto_takes_them_where_they_are_better(monkeypatch: pytest.MonkeyPatch) -> None:
    data, features = table(60), ["size", "flow"]
    monkeypatch.setattr(training, "_JOINT_ROWS", 50)
    found = train(data, TARGETS, features)
    compared = found.provenance["compared"]
    together = float(np.prod([compared[name][KIND] for name in TARGETS]))
    alone = float(np.prod([min(e for m, e in compared[n].items() if m != KIND) for n in TARGETS]))
    assert set(found.methods.values()) == {KIND} or together > 0.9 * alone
    assert train(data, "time", features).methods["time"] != KIND


def test_auto_tries_nothing_else_where_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    data, features = table(60), ["size", "flow"]
    monkeypatch.setattr(training, "_JOINT_ROWS", 50)
    monkeypatch.setattr(training, "_SETTLED_ROWS", 50)
    monkeypatch.setattr(training, "_SETTLED", 0.2)
    found = train(data, TARGETS, features)
    assert set(found.methods.values()) == {KIND}
    assert all(set(errors) == {KIND} for errors in found.provenance["compared"].values())
    noisy = data | {"gain": np.random.default_rng(0).normal(size=60)}
    compared = train(noisy, TARGETS, features).provenance["compared"]
    assert all(len(errors) > 1 or set(errors) == {KIND} for errors in compared.values())


def test_some_targets_may_have_other_methods() -> None:
    methods = {"time": KIND, "energy": "extra-trees", "gain": KIND}
    model = train(table(), TARGETS, ["size", "flow"], methods)
    assert model.methods == methods
    designs = model.space.sample(20, 0)
    for name in TARGETS:
        assert np.allclose(model.compute(designs)[name], model.only(name).compute(designs)[name])
