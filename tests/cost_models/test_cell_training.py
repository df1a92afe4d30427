"""Compiled training computes what the torch module under torch's optimiser does."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from codesign_gym.cost_models.accuracy import cell_dense, cell_steps
from codesign_gym.cost_models.accuracy.cell_kernels import F32
from codesign_gym.cost_models.accuracy.cell_training import Copy, train_cells
from codesign_gym.cost_models.accuracy.nas_bench_201_torch import SequenceNetwork
from codesign_gym.cost_models.accuracy.recipe import Recipe
from codesign_gym.cost_models.accuracy.tasks import get_task
from codesign_gym.cost_models.accuracy.train_table import train_table
from codesign_gym.cost_models.accuracy.training import MARKING, one_cycle, train
from codesign_gym.search_spaces import InputError, make_space

SPACE = make_space("nas-bench-201-1d")
BATCH = 20


def cells() -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, 4), min_size=6, max_size=6)


def decoded(cell: list[int]) -> dict[str, object]:
    return dict(SPACE.decode(SPACE.check([cell]))[0])


def check(
    copy: Copy, x: F32, y: NDArray[Any], metric: str, scores: F32, loss: float, gradient: F32
) -> None:
    """That scores, loss and gradient of a copy are those of its torch module in training."""
    gradients = []
    for kind in (torch.float64, torch.float32):
        module = copy.module.to(kind).train()
        wanted = module(torch.from_numpy(x)[:, None].to(kind))
        true = torch.from_numpy(y)
        mean = MARKING[metric][0](wanted, true.to(kind)[:, None] if y.ndim == 2 else true[:, None])
        found = torch.autograd.grad(mean, list(module.parameters()), allow_unused=True)
        parts = [
            (torch.zeros_like(p) if g is None else g).flatten()
            for g, p in zip(found, module.parameters(), strict=True)
        ]
        gradients.append(torch.cat(parts).double().numpy())
    np.testing.assert_allclose(scores, wanted.detach()[:, 0], atol=1e-4)
    assert loss == pytest.approx(mean.item(), rel=1e-5)
    # A rectifier's input next to zero may fall to either side in single precision, torch's too.
    # Channels whose batch varies little are divided by little: rounding is scaled up with them.
    nearest = min(gradients, key=lambda one: float(np.abs(one - gradient).max()))
    np.testing.assert_allclose(gradient, nearest, atol=2e-3 * max(1.0, np.abs(nearest).max()))


@settings(max_examples=40, deadline=None)
@given(cell=cells(), seed=st.integers(0, 99))
def test_scores_loss_and_gradients_are_torchs(cell: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((BATCH, 40)).astype(np.float32)
    y = rng.integers(10, size=BATCH)
    copy, work = Copy(decoded(cell), seed), cell_steps.work(BATCH, 40)
    flat, gradient = x.T.ravel(), np.empty_like(copy.theta)
    cell_steps.forward(copy.layout, copy.theta, flat, BATCH, True, copy.running, work)
    scores = work.scores.T.copy()
    loss = cell_steps.backward(copy.layout, copy.theta, flat, y, np.arange(BATCH), work, gradient)

    check(copy, x, y, "accuracy", scores, loss, gradient)


@pytest.mark.parametrize("cell", [[3, 2, 4, 1, 3, 2], [4, 3, 3, 2, 1, 4], [0, 0, 0, 0, 0, 0]])
def test_an_epoch_leaves_the_weights_that_torch_leaves(cell: list[int]) -> None:
    data, recipe, steps = get_task("mnist1d").data(), Recipe(epochs=1, batch=BATCH), 5
    order = np.random.default_rng(0).permutation(steps * BATCH)
    copy = Copy(decoded(cell), 1)
    module = Copy(decoded(cell), 1).module.train()
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = one_cycle(optimizer, recipe, steps)
    rates = []
    for step in range(steps):
        rows = order[step * BATCH : (step + 1) * BATCH]
        [group] = optimizer.param_groups
        rates.append((group["lr"], group["betas"][0]))
        scores = module(torch.from_numpy(data.x[rows])[:, None])[:, 0]
        optimizer.zero_grad()
        torch.autograd.backward(
            torch.nn.functional.cross_entropy(scores, torch.from_numpy(data.y[rows]))
        )
        optimizer.step()
        schedule.step()
    cell_steps.epoch(
        copy.layout, np.ascontiguousarray(data.x.T), data.y, order, BATCH,
        np.array(rates, dtype=np.float32), recipe.weight_decay, 0, copy.theta, copy.moments,
        copy.running, cell_steps.work(BATCH, 40),
    )  # fmt: skip
    tests = torch.from_numpy(data.x_test[:100])[:, None]
    with torch.no_grad():
        wanted = module.eval()(tests)[:, 0]
    said = copy.scores(data.x_test[:100], cell_steps.work(BATCH, 40))
    np.testing.assert_allclose(said, wanted, atol=2e-3)
    rebuilt = SequenceNetwork.of(decoded(cell))
    rebuilt.load_state_dict(copy.state())
    with torch.no_grad():
        np.testing.assert_allclose(said, rebuilt.eval()(tests)[:, 0], atol=1e-4)


def test_trained_networks_are_as_good_as_torchs() -> None:
    recipe, task, cell = Recipe(epochs=2), get_task("mnist1d"), decoded([3, 1, 0, 2, 0, 4])
    ours = train_cells(cell, task, (0, 1), recipe)
    theirs = train(partial(SequenceNetwork.of, cell), task, (0, 1), recipe)
    assert ours.correct.shape == theirs.correct.shape == (2, 2)
    assert (ours.parameters, ours.macs) == (theirs.parameters, theirs.macs)
    # Rounding apart, the same numbers: two epochs leave it no time to grow.
    gap = np.abs(ours.correct.astype(int) - theirs.correct.astype(int))
    assert gap.max() <= 30, (ours.correct, theirs.correct)
    assert np.abs(ours.correct_int8.astype(int) - ours.correct[:, -1].astype(int)).max() <= 60
    again = train_cells(cell, task, (0, 1), recipe)
    np.testing.assert_array_equal(ours.correct, again.correct)


@settings(max_examples=40, deadline=None)
@given(cell=cells(), seed=st.integers(0, 99), logits=st.booleans())
def test_dense_scores_loss_and_gradients_are_torchs(
    cell: list[int], seed: int, logits: bool
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((BATCH, 40)).astype(np.float32)
    y = rng.random((BATCH, 40)).round().astype(np.float32)
    copy, work = Copy(decoded(cell), seed, dense=True), cell_dense.work(BATCH, 40)
    flat, gradient = x.T.ravel(), np.empty_like(copy.theta)
    cell_dense.forward(copy.layout, copy.theta, flat, BATCH, True, copy.running, work)
    scores = work.scores.reshape(40, BATCH).T.copy()
    loss = cell_dense.backward(
        copy.layout, copy.theta, flat, y.T.ravel(), BATCH, logits, work, gradient
    )

    check(copy, x, y, "iou" if logits else "r2", scores, loss, gradient)


@pytest.mark.parametrize("name", ["mnist1d-denoise", "mnist1d-stroke"])
def test_trained_dense_networks_are_as_good_as_torchs(name: str) -> None:
    recipe, task, cell = Recipe(epochs=1), get_task(name), decoded([3, 1, 0, 2, 0, 4])
    ours = train_cells(cell, task, (0, 1), recipe)
    theirs = train(partial(SequenceNetwork.dense_of, cell), task, (0, 1), recipe)
    assert (ours.parameters, ours.macs) == (theirs.parameters, theirs.macs)
    gap = np.abs(ours.correct.astype(int) - theirs.correct.astype(int))
    assert gap.max() <= 30, (ours.correct, theirs.correct)
    assert np.abs(ours.correct_fp16.astype(int) - ours.correct[:, -1].astype(int)).max() <= 30


def test_journals_of_the_two_trainers_are_told_apart(tmp_path: Path) -> None:
    journal, recipe = tmp_path / "j.jsonl", Recipe(epochs=1)
    train_table(journal, [15624], (0,), recipe, space=SPACE.name)
    header, row = map(json.loads, journal.read_text().splitlines())
    assert header["trainer"] == "compiled"
    assert row["network"] == 15624
    del header["trainer"]
    journal.write_text(json.dumps(header) + "\n")
    with pytest.raises(InputError, match="begun with"):
        train_table(journal, [15624], (0,), recipe, space=SPACE.name)
