"""Methods that read what columns belong to: groups as tokens, networks as sets of layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codesign_gym.cost_models.learned import (
    LearnedCostModel,
    group_attention,
    layer_set,
    mlp,
    train,
    train_on_designs,
)
from codesign_gym.cost_models.learned.frames import as_frame
from codesign_gym.cost_models.learned.group_attention import GroupAttention
from codesign_gym.cost_models.learned.layout import layout_of
from codesign_gym.cost_models.learned.schema import Schema
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.cost_models.workloads.spaces import from_space, workloads_of
from codesign_gym.search_spaces import Designs, InputError, SearchSpace, make_space

LATENCY = Metric("latency_ms", "ms", "min")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_attention, "_STEPS", 150)
    monkeypatch.setattr(layer_set, "_STEPS", 150)
    monkeypatch.setattr(mlp, "_STEPS", 100)


def machines(n: int = 120, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    cores, ghz = rng.integers(4, 64, n), rng.uniform(1.5, 4, n)
    test = rng.choice(["int", "fp"], n)
    score = cores * ghz * np.where(test == "int", 1.0, 3.0)
    return {"cores": cores, "ghz": ghz, "test": test, "l1_kb": np.full(n, 48.0), "score": score}


def latencies(space: SearchSpace, designs: Designs) -> Metrics:
    """A device on which layers take a fixed time, and some per operation and word."""
    times = [
        float((0.01 + 1e-6 * table.macs / 50 + 1e-7 * table.ofmap_words).sum())
        for table in from_space(space, designs)
    ]
    return Metrics((LATENCY,), np.array(times)[:, None])


# -- groups -----------------------------------------------------------------------------------


def test_tokens_are_groups_of_columns() -> None:
    frame = as_frame(machines())
    schema = Schema.learn(frame, ["cores", "ghz", "test", "l1_kb"])
    named = layout_of(schema, None, {"core": ["cores", "ghz"]}).tokens
    assert named.tolist() == [0, 0, 1, 1, 2]  # a category has a column per text
    assert layout_of(schema, None).tokens.tolist() == [0, 1, 2, 2, 3]
    dotted = as_frame({"core.a": [1, 2], "core.b": [1, 2], "ram.a": [1, 2], "x": [1, 2]})
    assert layout_of(Schema.learn(dotted, list(dotted.columns)), None).tokens.tolist() == [
        0, 0, 1, 2,
    ]  # fmt: skip
    with pytest.raises(InputError, match="coers"):
        layout_of(schema, None, {"core": ["coers"]})
    with pytest.raises(InputError, match="'ghz' is in the tokens 'a' and 'b'"):
        layout_of(schema, None, {"a": ["ghz"], "b": ["ghz"]})


def test_a_token_reads_its_own_columns_alone(tmp_path: Path) -> None:
    tokens = {"core": ["cores", "ghz"], "cache": ["l1_kb"]}
    model = train(machines(), "score", None, "group-attention", tokens=tokens)
    [part] = model._estimators[0].parts
    assert isinstance(part, GroupAttention)
    embed = part.weights["embed"].reshape(5, 3, -1)
    used = (embed != 0).any(axis=2)
    assert used[[0, 1, 2, 3], [0, 0, 1, 1]].all()
    assert not used[[0, 1], 1:].any()
    assert not used[[2, 3]][:, [0, 2]].any()
    fresh = machines(60, 1)
    assert np.median(np.abs(model.predict(fresh)[0] / fresh["score"] - 1)) < 0.25
    model.save(tmp_path / "m.npz")
    loaded = LearnedCostModel.load(tmp_path / "m.npz")
    assert np.array_equal(loaded.predict(fresh)[0], model.predict(fresh)[0])


@pytest.mark.parametrize("method", ["group-attention", "mlp", "gp", "additive"])
def test_what_never_changed_tells_nothing_and_is_flagged(method: str) -> None:
    model = train(machines(60), "score", None, method)
    fresh = machines(20, 1)
    there, gone = model.assess(fresh), model.assess(fresh | {"l1_kb": np.full(20, 4.5)})
    assert np.array_equal(there.mean, gone.mean)
    assert not there.extrapolated.all()
    assert gone.extrapolated.all()
    assert (gone.high - gone.low > there.high - there.low).all()


# -- layers -----------------------------------------------------------------------------------


def test_networks_are_what_their_layers_are(tmp_path: Path) -> None:
    space = make_space("fbnet")
    designs = space.sample(160, 0)
    metrics = latencies(space, designs)
    model = train_on_designs(space, designs[:80], metrics.take(slice(80)), "layer-set")
    predicted = model.compute(designs[80:])["latency_ms"]
    truth = metrics["latency_ms"][80:]
    assert np.abs(predicted / truth - 1).mean() < 0.05
    assert np.corrcoef(predicted, truth)[0, 1] > 0.9
    model.save(tmp_path / "m.npz")
    loaded = LearnedCostModel.load(tmp_path / "m.npz")
    assert np.array_equal(
        loaded.compute(designs).values_matrix, model.compute(designs).values_matrix
    )
    assert np.array_equal(loaded.uncertainty(designs[:9]), model.uncertainty(designs[:9]))


def test_cells_of_the_same_layers_are_one_set() -> None:
    space = make_space("nas-bench-201")
    designs = space.sample(400, 1)
    loads = workloads_of(space, designs)
    sets: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for i, (start, stop) in enumerate(zip(loads.indptr[:-1], loads.indptr[1:], strict=True)):
        pairs = zip(loads.indices[start:stop], loads.counts[start:stop], strict=True)
        sets.setdefault(tuple(sorted((int(a), int(b)) for a, b in pairs)), []).append(i)
    same = max(sets.values(), key=len)
    assert len(same) > 2
    model = train_on_designs(space, designs[:60], latencies(space, designs[:60]), "layer-set")
    assert np.ptp(model.compute(designs[same])["latency_ms"]) < 1e-4


def test_auto_compares_sets_of_layers_of_networks_alone() -> None:
    space = make_space("fbnet")
    designs = space.sample(40, 0)
    model = train_on_designs(space, designs, latencies(space, designs))
    assert "layer-set" in model.provenance["compared"]["latency_ms"]
    other = train(machines(40), "score")
    assert "layer-set" not in other.provenance["compared"]["score"]


def test_a_table_has_no_layers() -> None:
    with pytest.raises(InputError, match="layer-set needs the designs of a space of networks"):
        train(machines(), "score", model="layer-set")
    space = make_space("dram-controller")
    designs = space.sample(40, 0)
    metrics = Metrics((LATENCY,), np.linspace(1, 2, 40)[:, None])
    with pytest.raises(InputError, match="has no layer tables"):
        train_on_designs(space, designs, metrics, "layer-set")


def test_a_damaged_set_is_refused(tmp_path: Path) -> None:
    space = make_space("fbnet")
    designs = space.sample(30, 0)
    path = tmp_path / "m.npz"
    train_on_designs(space, designs, latencies(space, designs), "layer-set").save(path)
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    part = "target0.part0."
    for name, value in {
        "codes0": np.zeros((2, 2), np.float32),
        "first": np.zeros((3, 3), np.float32),
        "space": np.array('{"name": "x"}'),
    }.items():
        np.savez(path, **arrays | {part + name: value})
        with pytest.raises(InputError):
            LearnedCostModel.load(path)
