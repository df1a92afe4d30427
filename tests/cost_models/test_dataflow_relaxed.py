"""Relaxed accelerators: near the template's cost, exact gradients, and a way downhill."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from codesign_gym.cost_models.analytical.dataflow import (
    SpatialAccelerators,
    evaluate,
    layer_rows,
    unit_energies,
)
from codesign_gym.cost_models.analytical.dataflow_relaxed import (
    DESIGN,
    RELAXABLE,
    _hardware,
    relaxed_costs,
)
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.networks import network
from codesign_gym.search_spaces.errors import InputError

torch = pytest.importorskip("torch")

LAYERS = Layers.concat(
    network("resnet50").take(range(0, 54, 5)), network("mobilenetv2").take(range(0, 53, 8))
)
CHIPS = np.array(
    [[16, 16, 512, 128, 32, 16], [8, 32, 256, 64, 64, 8], [40, 12, 64, 256, 16, 4]], dtype=float
)


def hard(designs: np.ndarray, template: str) -> np.ndarray:
    """Log of energy x delay of the searched mappings, mean over layers `[a]`."""
    rounded = np.concatenate([designs[:, :2].round(), designs[:, 2:]], axis=1)
    table = evaluate(LAYERS, SpatialAccelerators(template, *rounded.T))
    worth: np.ndarray = np.log(table["cycles"] * table["energy_pj"]).mean(axis=1)
    return worth


@pytest.mark.parametrize("template", RELAXABLE)
def test_near_the_template(template: str) -> None:
    costs = relaxed_costs(torch.tensor(layer_rows(LAYERS)), torch.tensor(CHIPS), template)
    table = evaluate(LAYERS, SpatialAccelerators(template, *CHIPS.T), "template")
    for name, values in (("cycles", costs["cycles"]), ("energy_pj", costs["energy_pj"])):
        ratio = values.numpy() / table[name]
        assert np.median(np.abs(np.log(ratio))) < 0.25, name
        assert np.corrcoef(np.log(values.numpy()).ravel(), np.log(table[name]).ravel())[0, 1] > 0.9


@pytest.mark.parametrize("template", RELAXABLE)
def test_gradients_are_those_of_differences(template: str) -> None:
    """Of every figure of the design, on 99 % of layers: some sit on an edge where cases change."""
    rows = torch.tensor(layer_rows(LAYERS))
    # Off the corners on which sizes that divide evenly sit.
    designs = torch.tensor(CHIPS * np.random.default_rng(0).uniform(1.01, 1.09, CHIPS.shape))

    def worth(at: Any) -> Any:
        costs = relaxed_costs(rows, at, template)
        return torch.log(costs["cycles"]) + torch.log(costs["energy_pj"])

    # Of each layer apart: designs repeated, so that each has a gradient of its own.
    many = designs.repeat_interleave(len(LAYERS), 0).requires_grad_()
    own = torch.arange(len(LAYERS)).repeat(len(designs))
    picked = worth(many)[torch.arange(len(many)), own]
    (gradient,) = torch.autograd.grad(picked.sum(), many)
    assert (gradient != 0).any(dim=0).all(), "every figure matters to some layer"
    for column in range(len(DESIGN)):
        values = []
        for sign in (1, -1):
            moved = designs.clone()
            moved[:, column] *= 1 + sign * 1e-6
            values.append(worth(moved).reshape(-1))
        at = many.detach()[:, column]
        difference = (values[0] - values[1]) / (2e-6 * at)
        error = (gradient[:, column] - difference).abs() * at
        assert (error < 1e-5).double().mean() > 0.99, DESIGN[column]


@pytest.mark.parametrize("template", RELAXABLE)
def test_the_gradient_points_downhill(template: str) -> None:
    """A few steps of the design along the relaxed gradient lower the cost of the real mappings."""
    rows, start = torch.tensor(layer_rows(LAYERS)), torch.tensor(CHIPS).log()
    low = torch.tensor([4, 4, 32, 16, 4, 1.0]).log()
    high = torch.tensor([128, 128, 2048, 1024, 256, 64.0]).log()
    logs = start.clone()
    for _ in range(10):
        logs.requires_grad_()
        costs = relaxed_costs(rows, logs.exp(), template)
        worth = (costs["cycles"].log() + costs["energy_pj"].log()).mean(dim=1)
        (gradient,) = torch.autograd.grad(worth.sum(), logs)
        step = 0.1 * gradient / gradient.norm(dim=1, keepdim=True)
        logs = torch.minimum(torch.maximum(logs.detach() - step, low), high)
    before, after = hard(start.exp().numpy(), template), hard(logs.exp().numpy(), template)
    assert (after < before).all()


def test_energies_are_those_of_the_real_thing() -> None:
    chips = SpatialAccelerators("nvdla", *CHIPS.T)
    columns = dict(zip(DESIGN, torch.tensor(CHIPS).t().unsqueeze(-1), strict=True))
    found = torch.cat(_hardware(columns, 0, 1), 1)[:, 14:24].numpy()
    assert found == pytest.approx(unit_energies(chips).rows(3))


def test_what_it_cannot_do_is_said() -> None:
    rows = torch.tensor(layer_rows(LAYERS))
    with pytest.raises(InputError, match="unknown relaxable template 'free'"):
        relaxed_costs(rows, torch.tensor(CHIPS), "free")
    with pytest.raises(InputError, match=r"shape \[a, 6\]; got \(3, 5\)"):
        relaxed_costs(rows, torch.tensor(CHIPS[:, 1:]), "tpu")
