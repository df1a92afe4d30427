"""Training elsewhere than on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from codesign_gym import make_problem
from codesign_gym.cost_models.accuracy import devices, training
from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.scratch_model import ScratchModel
from codesign_gym.cost_models.accuracy.tasks import get_task
from codesign_gym.search_spaces import InputError, make_space


@pytest.mark.parametrize(
    ("space", "task"),
    [
        ("nas-bench-201-1d", "mnist1d"),
        ("nas-bench-201-1d", "mnist1d-stroke"),
        ("nas-bench-201-1d", "mnist1d-denoise"),
        ("proxylessnas-1d", "mnist1d"),
        ("darts-1d", "mnist1d"),
    ],
)
def test_all_that_is_trained_with_is_on_the_device(
    space: str, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On ``meta``, where nothing is computed, but tensors of another device are refused too."""
    where: list[str] = []

    def count(credit: torch.Tensor) -> np.ndarray:
        where.append(credit.device.type)
        return np.zeros(credit.shape[1], dtype=np.uint16)

    monkeypatch.setattr(training, "count", count)
    monkeypatch.setattr(torch, "isfinite", lambda p: torch.ones(1, dtype=torch.bool))
    about, made = get_task(task).first(64), make_space(space)
    design = made.decode(made.sample(1, 0))[0]
    build = training.builder(space, design, about.metric)
    trained = training.train(build, about, (0, 1), Recipe(2, 32), "meta")
    assert trained.parameters > 0
    assert where == ["meta"] * 4  # two epochs, two precisions


def test_a_device_that_is_not_there_is_refused_before_anything_is_trained() -> None:
    for name in ("cuda:99", "tpu", ""):
        with pytest.raises(InputError, match=f"device must be one of cpu.*, got '{name}'"):
            ScratchModel(device=name)
    with pytest.raises(InputError, match="device must be one of"):
        make_problem("nas-mnist1d", device="gpu")


def test_what_torch_finds_is_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert devices.available() == ["cpu", "cuda", "cuda:0", "cuda:1", "mps"]
    devices.check_device("cuda:1")
    assert ScratchModel(device="cuda")._device == "cuda"
