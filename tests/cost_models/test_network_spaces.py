"""Networks as published: layers and torch modules agree, and their numbers are the papers'."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from codesign_gym.cost_models import SystolicModel
from codesign_gym.cost_models.accuracy.grouped import costs, seeded
from codesign_gym.cost_models.accuracy.hybrid_torch import HybridNetwork
from codesign_gym.cost_models.accuracy.mobile_torch import Shuffle
from codesign_gym.cost_models.accuracy.moe_vit_torch import MoeVitNetwork
from codesign_gym.cost_models.accuracy.training import builder
from codesign_gym.cost_models.analytical.network_size import NetworkSize
from codesign_gym.cost_models.workloads import mobile
from codesign_gym.cost_models.workloads.parts import layer
from codesign_gym.cost_models.workloads.spaces import faults, from_space, sizes, workloads_of
from codesign_gym.search_spaces import InputError, make_space
from codesign_gym.search_spaces.networks.darts import read_cells, write_cells
from codesign_gym.search_spaces.networks.fbnet import FBNET
from codesign_gym.search_spaces.networks.mobile import Block, Mobile, read_block
from codesign_gym.search_spaces.networks.moe_vit import TASKS, TOKENS

# Spaces whose modules compute nothing but convolutions.
INPUTS = {
    "darts": (1, 3, 32, 32),
    "darts-1d": (1, 1, 40),
    "darts-imagenet": (1, 3, 224, 224),
    "fbnet": (1, 3, 224, 224),
    "proxylessnas": (1, 3, 224, 224),
    "proxylessnas-1d": (1, 1, 40),
}

# Published genotypes, by the names of the DARTS and PC-DARTS papers' repositories.
S3, S5, D3, D5 = "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"
SKIP, MAX, MEAN = "skip_connect", "max_pool_3x3", "avg_pool_3x3"
DARTS_V2 = (
    [(S3, 0), (S3, 1), (S3, 0), (S3, 1), (S3, 1), (SKIP, 0), (SKIP, 0), (D3, 2)],
    [(MAX, 0), (MAX, 1), (SKIP, 2), (MAX, 1), (MAX, 0), (SKIP, 2), (SKIP, 2), (MAX, 1)],
)
PC_DARTS_CIFAR = (
    [(S3, 1), (SKIP, 0), (S3, 0), (D3, 1), (S5, 0), (S3, 1), (MEAN, 0), (D3, 1)],
    [(S5, 1), (MAX, 0), (S5, 1), (S5, 2), (S3, 0), (S3, 3), (S3, 1), (S3, 2)],
)
PC_DARTS_IMAGE = (
    [(SKIP, 1), (S3, 0), (S3, 0), (SKIP, 1), (S3, 1), (S3, 3), (S3, 1), (D5, 4)],
    [(S3, 0), (SKIP, 1), (D5, 2), (MAX, 1), (S3, 2), (S3, 1), (S5, 0), (S3, 3)],
)
PAPERS_SCALE = {
    "darts": {"channels": 36, "cells": 20},
    "darts-imagenet": {"channels": 48, "cells": 14},
}


@pytest.mark.parametrize("name", INPUTS)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_layers_and_modules_agree(name: str, seed: int) -> None:
    space = make_space(name)
    designs = space.sample(1, seed)
    [layers] = from_space(space, designs)
    module = builder(name, space.decode(designs)[0])(1)
    parameters, macs = costs(module, torch.zeros(INPUTS[name]))
    found = sizes(space, designs)
    assert found.macs.tolist() == [macs] == [int(layers.macs.sum())]
    assert found.parameters.tolist() == [parameters]


@pytest.mark.parametrize("name", INPUTS)
def test_batches_are_single_designs(name: str) -> None:
    space = make_space(name)
    designs = space.sample(5, 0)
    together = sizes(space, designs)
    tables = from_space(space, designs)
    loads = workloads_of(space, designs)
    assert together.macs.tolist() == [int(table.macs.sum()) for table in tables]
    assert loads.counts.sum() == sum(map(len, tables))
    alone = [sizes(space, designs[i : i + 1]).parameters[0] for i in range(5)]
    assert together.parameters.tolist() == alone
    assert len(sizes(space, designs[:0]).macs) == 0


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("darts-1d", (1, 40)),
        ("proxylessnas-1d", (1, 40)),
        ("fbnet", (3, 64, 64)),
        ("hybrid-vision", (3, 64, 64)),
    ],
)
def test_copies_are_independent(name: str, shape: tuple[int, ...]) -> None:
    """Two copies side by side say what each says alone."""
    space = make_space(name)
    designs = space.sample(20, 3)
    fit = next(i for i, fault in enumerate(faults(space, designs)) if not fault)
    [network] = space.decode(designs[[fit]])
    build, c = builder(name, network), shape[0]
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 2 * c, *shape[1:], generator=generator)
    with torch.no_grad():
        both = seeded(build, (5, 6)).eval()(x)
        alone = [
            seeded(build, (seed,)).eval()(x[:, copy * c : (copy + 1) * c])
            for copy, seed in enumerate((5, 6))
        ]
    assert not torch.allclose(alone[0], alone[1])
    for copy, part in enumerate(alone):
        torch.testing.assert_close(both[:, copy : copy + 1], part, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "genotype", "parameters", "macs", "published"),
    [
        # Parameters as the authors' code prints them, in million; MACs of an independent count.
        ("darts", DARTS_V2, 3.349342, 528, 528),
        ("darts", PC_DARTS_CIFAR, 3.634678, 557, 558),
        # DARTS table 3, PC-DARTS table 2: 4.7 M and 574 M, 5.3 M and 586 M, 5.3 M and 597 M. The
        # papers count 3 to 8 % more MACs than convolutions and classifier have.
        ("darts-imagenet", DARTS_V2, 4.718752, 530, 574),
        ("darts-imagenet", PC_DARTS_CIFAR, 5.270560, 571, 586),
        ("darts-imagenet", PC_DARTS_IMAGE, 5.342464, 582, 597),
    ],
)
def test_published_darts_networks(
    name: str, genotype: tuple[list[tuple[str, int]], list[tuple[str, int]]], parameters: float,
    macs: int, published: int,
) -> None:  # fmt: skip
    space = make_space(name)
    found = sizes(space, space.encode([{**write_cells(*genotype), **PAPERS_SCALE[name]}]))
    assert found.parameters[0] / 1e6 == parameters
    assert round(found.macs[0] / 1e6) == macs
    assert 0.92 < macs / published <= 1


def searched(kernels: str, expansions: str) -> list[Block | None]:
    """A network's blocks by kernel (0: skipped) and expansion, a digit for each."""
    pairs = zip(kernels, expansions, strict=True)
    return [Block(int(k), int(e)) if int(k) else None for k, e in pairs]


def proxyless(stem: int, first: int, widths: tuple[int, ...], features: int) -> Mobile:
    stages = [(k, 4, stride) for k, stride in zip(widths[:5], (2, 2, 2, 1, 2), strict=True)]
    return Mobile(stem, (*stages, (widths[5], 1, 1)), features, first)


MOBILENET_V2 = Mobile(
    stem=32, first=16, features=1280,
    stages=((24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1)),
)  # fmt: skip

FBNET_C = (
    "k3_e1 k3_e6 k3_e1 k3_e1 skip k5_e6 k5_e3 k5_e6 k3_e6 k5_e6 k5_e3 k5_e6 k5_e6 "
    "k5_e6 k5_e6 k5_e6 k5_e3 k5_e6 k5_e6 k5_e6 k5_e6 k3_e6"
)


@pytest.mark.parametrize(
    ("network", "blocks", "parameters", "macs"),
    [
        # ProxylessNAS figure 4: GPU 465 M MACs, mobile 320 M; parameters of the released models.
        (
            proxyless(40, 24, (32, 56, 112, 128, 256, 432), 1728),
            searched("500070037005503577757", "333333336333633366666"),
            7_119_848,
            465.3,
        ),
        (
            proxyless(32, 16, (32, 40, 80, 96, 192, 320), 1280),
            searched("530073557555555577777", "333333336333633366336"),
            4_080_512,
            320.4,
        ),
        # Sandler et al. 2018, table 4: 300 M MACs, 3.4 M parameters; exactly as in torchvision.
        (MOBILENET_V2, searched("3" * 16, "6" * 16), 3_504_872, 300.8),
        # FBNet-C: 375 M in the paper; parameters of the model in the library timm.
        (FBNET, [read_block(text) for text in FBNET_C.split()], 5_572_200, 385.0),
    ],
)
def test_published_mobile_networks(
    network: Mobile, blocks: list[Block | None], parameters: int, macs: float
) -> None:
    parts = mobile.parts(network, blocks)
    layers = [layer(part) for part in parts]
    assert sum(part.trained for part in parts) == parameters
    assert round(sum(int(table.macs.sum()) for table in layers) / 1e6, 1) == macs


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_genotypes_come_back(seed: int) -> None:
    space = make_space("darts-1d")
    [network] = space.decode(space.sample(1, seed))
    cells = read_cells(network)
    assert write_cells(cells["normal"], cells["reduce"]) == network
    swapped = [cells["normal"][i ^ 1] for i in range(8)]
    assert write_cells(swapped, cells["reduce"]) == network


def test_impossible_genotypes_are_refused() -> None:
    cell = list(DARTS_V2[0])
    with pytest.raises(InputError, match="the normal cell needs 8 edges, got 7"):
        write_cells(cell[:7], cell)
    with pytest.raises(
        InputError, match=r"node 2 of the reduce cell must read two .* got \[0, 0\]"
    ):
        write_cells(cell, [(S3, 0), (S3, 0), *cell[2:]])
    with pytest.raises(InputError, match=r"node 2 .* in 0..1, got \[0, 4\]"):
        write_cells([(S3, 0), (S3, 4), *cell[2:]], cell)
    with pytest.raises(InputError, match="sep_conv_7x7"):
        write_cells([("sep_conv_7x7", 0), *cell[1:]], cell)


@pytest.mark.parametrize("text", ["", "k3", "e6", "k3_e", "kx_e3", "k3_e6_q2"])
def test_texts_that_are_no_block(text: str) -> None:
    with pytest.raises(InputError, match="block of a mobile network"):
        read_block(text)


def test_layers_are_skipped_where_nothing_changes_shape() -> None:
    space = make_space("proxylessnas")
    skippable = [p.name for p in space.parameters if "skip" in p.values]
    assert len(skippable) == 15
    assert not {"l1", "l5", "l9", "l13", "l17", "l21"} & set(skippable)
    skipped = space.encode(
        [{p.name: p.values[-1] if "skip" in p.values else "k3_e3" for p in space.parameters}]
    )
    [layers] = from_space(space, skipped)
    assert len(layers) == 3 + 6 * 3 + 2


def test_channels_are_shuffled_between_groups() -> None:
    x = torch.arange(12).view(1, 12, 1).float()
    shuffled = Shuffle(groups=3, seeds=2)(x)[0, :, 0].tolist()
    assert shuffled == [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]


@pytest.mark.parametrize("name", ["darts", "proxylessnas"])
def test_networks_cost_on_an_accelerator_what_their_layers_cost(name: str) -> None:
    model = SystolicModel(name)
    designs = model.space.sample(6, 1)
    together = model.evaluate(designs)
    networks = make_space(name)
    for i, layers in enumerate(from_space(networks, designs[:, : len(networks)])):
        fixed = SystolicModel(layers).evaluate(designs[i : i + 1, len(networks) :])
        np.testing.assert_allclose(together.values_matrix[i], fixed.values_matrix[0], rtol=1e-12)
    rows = model.explain(designs[:1])
    assert sum(int(row["times"]) for row in rows) == len(
        from_space(networks, designs[:1, : len(networks)])[0]
    )


def test_dead_edges_cost_nothing_on_an_accelerator() -> None:
    model = SystolicModel("nas-bench-201-1d")
    hardware = model.space.sample(1, 0)[:, 6:]
    cells = np.array([[3, 0, 0, 0, 0, 0], [0] * 6, [3, 3, 3, 3, 3, 3]])
    latency = model.evaluate(np.hstack([cells, np.repeat(hardware, 3, axis=0)]))["latency_ms"]
    assert 0 < latency[0] == latency[1] < latency[2]


def measured(name: str, network: dict[str, Any]) -> tuple[int, int]:
    """MACs that torch counts while a network with attention runs, and its trained numbers."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        if name == "hybrid-vision":
            module: torch.nn.Module = HybridNetwork.of(network).eval()
            module(torch.zeros(1, 3, network["size"], network["size"]))
        else:
            module = MoeVitNetwork.of(network).eval()
            for task in range(len(TASKS)):
                assert module(torch.randn(1, 3, 224, 224), task).shape[1] == TOKENS
    return counter.get_total_flops() // 2, sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("name", ["hybrid-vision", "moe-vit"])
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_layers_and_modules_with_attention_agree(name: str, seed: int) -> None:
    space = make_space(name)
    designs = space.sample(40, seed)
    # Small ones alone: the large take a second each.
    sound = [i for i, fault in enumerate(faults(space, designs)) if not fault]
    macs = sizes(space, designs[sound]).macs
    design = designs[sound][[int(macs.argmin())]]
    found = sizes(space, design)
    [layers] = from_space(space, design)
    assert int(layers.macs.sum()) == found.macs[0]
    [network] = space.decode(design)
    assert (found.macs[0], found.parameters[0]) == measured(name, network)


def test_a_transformer_without_experts_is_the_published_one() -> None:
    """ViT-S/16 has 22,050,664 numbers, among them a class token with its position and a head."""
    space = make_space("moe-vit")
    plain = {"depth": 12, "width": 384, "heads": 6, "every": 0}
    found = sizes(space, space.encode([plain]))
    ours = 2 * 2 * 384 + (384 + 1) * 41 - 2 * 384  # both norms and answers, for the one norm
    assert found.parameters[0] == 22_050_664 - 2 * 384 - 385 * 1000 + ours
    one = found.macs[0] - 196 * 384 * 41
    blocks = 12 * (196 * 12 * 384**2 + 2 * 196**2 * 384)
    assert one == 2 * (blocks + 196 * 768 * 384)


def test_experts_share_the_tokens() -> None:
    space = make_space("moe-vit")
    base = {"depth": 6, "width": 192, "heads": 3, "every": 2, "ratio": 1}
    tops = {"top_segmentation": 1, "top_depth": 4}
    few, many = (space.encode([{**base, **tops, "experts": e}]) for e in (4, 16))
    assert sizes(space, few).macs < sizes(space, many).macs  # larger routers, the same experts
    router, tasks, blocks = 196 * 192, 2, 3
    assert sizes(space, many).macs - sizes(space, few).macs == router * 12 * tasks * blocks
    expert, routers = 2 * 192**2 + 2 * 192, tasks * 12 * 192
    more = sizes(space, many).parameters - sizes(space, few).parameters
    assert more == blocks * (12 * expert + routers)
    [layers] = from_space(space, many)
    rows = [int(h) for h, c, k in zip(layers.h, layers.c, layers.k, strict=True) if c == k == 192]
    assert sum(rows) == 2 * 6 * 196 + blocks * 2 * (1 + 4) * 196  # projections, experts
    assert {12, 13, 49} <= set(rows)


def test_a_gated_linear_unit_costs_half_as_much_again() -> None:
    space = make_space("hybrid-vision")
    [network] = space.decode(space.sample(1, 0) * 0)
    network |= {f"convolutions_{i}": 1 for i in (1, 2, 3, 4)} | {"transformers_4": 2}
    without, plain, gated = (
        sizes(space, space.encode([{**network, **changes}])).macs[0]
        for changes in ({"transformers_4": 0}, {}, {"feed_forward": "glu"})
    )
    tokens, width = 4 * 4, 256
    assert gated - plain == 2 * tokens * width * (2 * width)
    assert plain - without == 2 * (tokens * 8 * width**2 + 2 * tokens**2 * width)


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("hybrid-vision", {}, "stage 1 has no block"),
        (
            "hybrid-vision",
            {f"transformers_{i}": 1 for i in (1, 2, 3, 4)} | {"heads": 6},
            "stage 1: 6 heads do not divide 32 channels",
        ),
        ("moe-vit", {"width": 256}, "3 heads do not divide 256 features"),
        ("moe-vit", {"every": 1, "top_depth": 4}, "4 experts per token of 2"),
    ],
)
def test_networks_that_cannot_be_built(name: str, changes: dict[str, Any], reason: str) -> None:
    space = make_space(name)
    [network] = space.decode(space.sample(1, 0) * 0)
    bad = space.encode([{**network, **changes}])
    assert faults(space, bad) == [reason]
    with pytest.raises(InputError, match=f"design 0 of {name!r} cannot be built: {reason}"):
        from_space(space, bad)
    sound = next(d for d in space.sample(50, 0) if not faults(space, d[None])[0])
    both = np.vstack([bad, sound[None]])
    size = NetworkSize(name).evaluate(both)
    assert size.valid.tolist() == [False, True]
    assert size.reason(0) == reason
    chip = SystolicModel(name)
    hardware = chip.space.sample(2, 0)[:, len(space) :]
    joint = np.hstack([both, hardware])
    costs_of = chip.evaluate(joint)
    assert costs_of.valid.tolist() == [False, True]
    assert costs_of.reason(0) == reason
    assert not chip.evaluate(joint[:1]).valid.any()
    with pytest.raises(InputError, match=reason):
        chip.explain(joint[:1])


def test_spaces_without_known_parameters_say_so() -> None:
    with pytest.raises(InputError, match=r"parameters are known of the spaces 'darts'.*'unet-1d'"):
        NetworkSize("unet-1d")
    with pytest.raises(InputError, match="batch must be 1 for networks of a space, got 4"):
        SystolicModel("darts", batch=4)
