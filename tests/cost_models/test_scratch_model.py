"""Networks that are trained when they are evaluated, and networks on an array that stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from codesign_gym.cost_models.accuracy import train_table, training
from codesign_gym.cost_models.accuracy.scratch_model import ScratchModel
from codesign_gym.cost_models.analytical.array_model import DRAM_GBPS, SRAM_KB, ArrayModel
from codesign_gym.cost_models.analytical.systolic import SystolicArrays, layer_table
from codesign_gym.cost_models.learned.operation_lut import lut_of_model
from codesign_gym.cost_models.workloads.spaces import from_space
from codesign_gym.search_spaces import CellSpace, InputError


def test_isomorphic_cells_are_trained_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScratchModel(seeds=(0,), epochs=1, size=100)
    trained: list[dict[str, object]] = []

    def train(network: dict[str, object]) -> tuple[float, str]:
        trained.append(network)
        return 50.0 + len(trained), ""

    monkeypatch.setattr(model, "_train", train)
    space = model.space
    assert isinstance(space, CellSpace)
    designs = space.unravel(range(space.size))
    first = space.representatives(designs)
    [row, *_] = np.flatnonzero((first != designs).any(axis=1))
    found = model.evaluate([designs[row], first[row]])["accuracy_pct"]
    assert found[0] == found[1]
    assert len(trained) == 1


@pytest.mark.parametrize("size", [100, 30])
def test_compiled_code_trains_as_torch_does(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    model = ScratchModel(seeds=(0, 1), epochs=1, size=size)
    design = [[3, 1, 2, 1, 0, 3]]
    found = model.evaluate(design)["accuracy_pct"][0]
    by_torch: list[object] = []

    def count(*args: Any) -> training.Trained:
        by_torch.append(args)
        return kept(*args)

    kept = training.train
    monkeypatch.setattr(training, "train", count)
    monkeypatch.setattr(train_table, "COMPILED", set())
    again = ScratchModel(seeds=(0, 1), epochs=1, size=size).evaluate(design)["accuracy_pct"][0]
    assert len(by_torch) == 1
    # The same steps up to rounding; batches that do not divide the tests leave torch alone.
    assert found == pytest.approx(again, abs=1.5 if size == 100 else 0)


@pytest.mark.parametrize("compiled", [True, False])
def test_training_that_diverges_is_invalid(monkeypatch: pytest.MonkeyPatch, compiled: bool) -> None:
    if not compiled:
        monkeypatch.setattr(train_table, "COMPILED", set())
    model = ScratchModel(seeds=(0,), epochs=1, size=200, learning_rate=1e30)
    found = model.evaluate([[3] * 6])
    assert found.reason(0) == "training diverged: weights are no numbers"
    assert found["accuracy_pct"][0] == -np.inf


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"space": "fbnet"}, "unknown space of trainable networks 'fbnet'"),
        ({"task": "mnist1d-stroke", "space": "resnet9-1d"}, "made for tasks with accuracy"),
        ({"epochs": -1}, "epochs must be at least 0, got -1"),
        ({"seeds": ()}, "seeds must be integers in 0..4294967295, got"),
        ({"size": 4001}, "training sequences must be in 20..4000, got 4001"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0, got 0"),
    ],
)
def test_what_cannot_be_trained_is_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        ScratchModel(**options)  # type: ignore[arg-type]


def test_latency_is_that_of_the_layers() -> None:
    model = ArrayModel(dataflow="os", side=4)
    designs = model.space.sample(20, 0)
    arrays = SystolicArrays(
        rows=np.array(4), cols=np.array(4), dataflow=np.array(0), ifmap_kb=np.array(SRAM_KB),
        filter_kb=np.array(SRAM_KB), ofmap_kb=np.array(SRAM_KB), dram_gbps=np.array(DRAM_GBPS),
        word_bytes=np.array(1),
    )  # fmt: skip
    cycles = [
        float(layer_table(layers, arrays)["cycles"].sum())
        for layers in from_space(model.space, designs)
    ]
    found = model.evaluate(designs)["latency_us"]
    np.testing.assert_allclose(found, np.array(cycles) / 1e3, rtol=1e-12)  # at 1 GHz


def test_operations_add_up_on_an_array() -> None:
    report = lut_of_model(ArrayModel(), "latency_us", samples=300).report
    assert report is not None
    assert report.r2 > 0.999


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"side": 0}, r"side must be an integer in \[1, 4096\], got 0"),
        ({"dataflow": "rs"}, "unknown dataflow 'rs'"),
        ({"space": "fbnet"}, "fbnet"),
    ],
)
def test_arrays_that_cannot_be_are_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        ArrayModel(**options)  # type: ignore[arg-type]
