"""Training that finds no memory makes designs invalid, or ends a search with what would help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from codesign_gym.cost_models import CostModel
from codesign_gym.cost_models.accuracy import growing_torch, train_table, training
from codesign_gym.cost_models.accuracy.growth_model import GrowthModel
from codesign_gym.cost_models.accuracy.memory_faults import OUT_OF_MEMORY, ran_out_of_memory
from codesign_gym.cost_models.accuracy.scratch_model import ScratchModel
from codesign_gym.cost_models.accuracy.supernet_model import SupernetModel
from codesign_gym.cost_models.accuracy.supernet_training import Lessons
from codesign_gym.experiments.testing import synthetic_problems
from codesign_gym.search import make_agent
from codesign_gym.search_spaces import InputError

TOO_MUCH = 1 << 50
"""Numbers that no machine holds."""


def by_torch(*args: Any, **options: Any) -> None:
    torch.empty(TOO_MUCH)


def by_numpy(*args: Any, **options: Any) -> None:
    np.empty(TOO_MUCH)


def by_mistake(*args: Any, **options: Any) -> None:
    raise RuntimeError("shapes do not match")


@pytest.fixture(params=[by_torch, by_numpy])
def failing(request: pytest.FixtureRequest) -> Callable[..., None]:
    failure: Callable[..., None] = request.param
    return failure


def broken(monkeypatch: pytest.MonkeyPatch, failure: Callable[..., None]) -> None:
    """Every training asks for more memory than there is."""
    monkeypatch.setattr(train_table, "COMPILED", set())
    monkeypatch.setattr(training, "train", failure)
    monkeypatch.setattr(growing_torch, "fit", failure)
    monkeypatch.setattr(Lessons, "step", failure)


MODELS: list[Callable[[], CostModel]] = [
    lambda: ScratchModel(seeds=(0,), epochs=1, size=100),
    lambda: SupernetModel(epochs=1, size=100),
    lambda: GrowthModel(training_size=100, inherit=False),
]


@pytest.mark.parametrize("make", MODELS)
def test_designs_are_invalid_with_the_reason(
    make: Callable[[], CostModel], failing: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, failing)
    model = make()
    found = model.evaluate(model.space.sample(2, 0))
    assert not found.valid.any()
    assert {found.reason(0), found.reason(1)} == {OUT_OF_MEMORY}


@pytest.mark.parametrize("make", MODELS)
def test_other_errors_are_not_hidden(
    make: Callable[[], CostModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, by_mistake)
    model = make()
    with pytest.raises(RuntimeError, match="shapes do not match"):
        model.evaluate(model.space.sample(1, 0))


def test_a_search_says_what_would_help(
    failing: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, failing)
    agent = make_agent("pc-darts", synthetic_problems()["supernet"], batch=70, share=1)
    with pytest.raises(InputError, match="out of memory in training of the supernet; a smaller ba"):
        agent.ask(1)


def test_a_gpu_says_it_in_its_words() -> None:
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    assert ran_out_of_memory(error)
    assert not ran_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))
