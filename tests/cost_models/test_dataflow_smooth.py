"""The array form of the dataflow model: equal to the kernel, and its gradients to differences."""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.cost_models.analytical.dataflow import (
    SpatialAccelerators,
    accelerator_rows,
    evaluate,
    find_mapping,
    layer_rows,
)
from codesign_gym.cost_models.analytical.dataflow_smooth import mapping_costs
from codesign_gym.cost_models.analytical.spatial_presets import eyeriss_v1
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.networks import network
from codesign_gym.search_spaces.errors import InputError

torch = pytest.importorskip("torch")
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def cases(how: str = "searched", stays: str = "weights") -> tuple[Rows, dict[str, np.ndarray]]:
    """Rows `[a, l, ...]` of layers, accelerators and mappings, and what the kernel says of them."""
    layers = Layers.concat(
        network("alexnet", 2), network("resnet50").take(range(0, 54, 6)),
        network("mobilenetv2").take(range(0, 53, 7)),
    )  # fmt: skip
    chips = SpatialAccelerators(
        ["nvdla", "tpu", "eyeriss", "nvdla", "eyeriss"], [16, 32, 12, 8, 24], [16, 8, 14, 64, 7],
        l1_bytes=[512, 16, 520, 8, 256], l2_kb=[128, 512, 108, 32, 64], word_bytes=[1, 1, 2, 2, 1],
        noc_bandwidth=[64, 32, 8, 16, 8], dram_gbps=[16, 4, 1, 2, 8],
    )  # fmt: skip
    if stays == "outputs":
        chips = SpatialAccelerators(
            "shidiannao", [16, 8, 7, 64], [16, 8, 14, 5], l1_bytes=[512, 16, 64, 256],
            l2_kb=[128, 512, 32, 64], noc_bandwidth=[64, 8, 16, 2], dram_gbps=[16, 1, 4, 8],
        )  # fmt: skip
    assert how in ("searched", "template")
    found, valid = (
        find_mapping(layers, chips, "template")
        if how == "template"
        else find_mapping(layers, chips)
    )
    assert valid.all()
    shape = (len(chips), len(layers))
    hardware = np.broadcast_to(accelerator_rows(chips)[:, None], (*shape, 25)).copy()
    rows = np.broadcast_to(layer_rows(layers), (*shape, 16)).copy()
    table = evaluate(layers, chips, found)
    return (rows, hardware, found.to_rows(shape).reshape(*shape, 20)), dict(table)


@pytest.mark.parametrize("stays", ["weights", "outputs"])
@pytest.mark.parametrize("how", ["template", "searched"])
def test_exact_form_equals_the_kernel(how: str, stays: str) -> None:
    rows, table = cases(how, stays)
    for costs in (
        mapping_costs(*rows),
        mapping_costs(*map(torch.tensor, rows)),
    ):
        for name, values in costs.items():
            assert np.asarray(values) == pytest.approx(table[name], rel=1e-12), name


@pytest.mark.parametrize("stays", ["weights", "outputs"])
def test_smooth_form_is_near_and_never_rounds(stays: str) -> None:
    """Within a factor of two on most; below by the idle PEs of edges, above by the soft maximum."""
    rows, table = cases(stays=stays)
    smooth = mapping_costs(*rows, smooth=True)
    ratio = smooth["cycles"] / table["cycles"]
    assert np.median(np.abs(ratio - 1)) < 0.1
    assert ((ratio > 0.4) & (ratio < 1.3)).all()
    energy = smooth["energy_pj"] / table["energy_pj"]
    assert ((energy > 0.5) & (energy < 1.3)).all()


@pytest.mark.parametrize("stays", ["weights", "outputs"])
def test_gradients_are_those_of_differences(stays: str) -> None:
    """Every tile, PE and bandwidth: central differences agree with torch's gradient."""
    rows, _ = cases(stays=stays)
    layers, hardware, mappings = (torch.tensor(values[:, ::3]) for values in rows)
    # Off the corners where a case changes: sizes that divide evenly sit exactly on them.
    generator = np.random.default_rng(0)
    mappings[..., 1:19] *= torch.tensor(generator.uniform(1.01, 1.09, mappings[..., 1:19].shape))
    columns = (2, 3, 4, 8, 9, 15, 16, 17) if stays == "weights" else (2, 4, 5, 8, 10, 15, 16, 17)
    tested = [("mappings", column) for column in columns]
    tested += [("hardware", column) for column in (10, 12, 14, 19, 22)]
    hardware.requires_grad_()
    mappings.requires_grad_()
    costs = mapping_costs(layers, hardware, mappings, smooth=True)
    worth = torch.log(costs["cycles"]) + torch.log(costs["energy_pj"])
    gradients = dict(
        zip(
            ("hardware", "mappings"),
            torch.autograd.grad(worth.sum(), (hardware, mappings)),
            strict=True,
        )
    )
    for which, column in tested:
        values = []
        for sign in (1, -1):
            moved = {"hardware": hardware.detach().clone(), "mappings": mappings.detach().clone()}
            moved[which][..., column] *= 1 + sign * 1e-6
            c = mapping_costs(layers, moved["hardware"], moved["mappings"], smooth=True)
            values.append(torch.log(c["cycles"]) + torch.log(c["energy_pj"]))
        at = {"hardware": hardware, "mappings": mappings}[which].detach()[..., column]
        difference = (values[0] - values[1]) / (2e-6 * at)
        error = (gradients[which][..., column] - difference).abs() * at
        assert (error < 1e-5).double().mean() > 0.99, (which, column)


def test_what_it_cannot_do_is_said() -> None:
    layers = network("alexnet").take([2])
    chip = SpatialAccelerators("free", 8, 8)
    found, _ = find_mapping(layers, chip)
    rows = layer_rows(layers), accelerator_rows(chip)
    inputs = found.to_rows((1, 1))
    inputs[:, 0] = 2
    with pytest.raises(InputError, match="all keep weights, or all outputs, in the PEs"):
        mapping_costs(*rows, inputs)
    with pytest.raises(InputError, match=r"shape \[..., 25\]; got \(1, 16\)"):
        mapping_costs(rows[0], rows[0], found.to_rows((1, 1)))


def test_the_preset_runs() -> None:
    chip, energies = eyeriss_v1()
    layers = network("vgg16", 3).take([4])
    found, _ = find_mapping(layers, chip, energies=energies)
    costs = mapping_costs(
        layer_rows(layers), accelerator_rows(chip, energies), found.to_rows((1, 1))
    )
    assert costs["energy_pj"] == pytest.approx(
        evaluate(layers, chip, energies=energies)["energy_pj"][0]
    )
