"""Networks: published sizes, the reference table, and their sparse-row form."""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.cost_models.workloads.constructors import linear
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.networks import NETWORKS, Workloads, network
from codesign_gym.search_spaces.errors import InputError
from tests.reference import reference_rows

# torchvision's model pages, GFLOPS (multiply-accumulates, batch 1) to their two decimals. Its
# AlexNet is the one-column variant and its MobileNetV1 does not exist.
TORCHVISION_GMAC = {"resnet18": 1.81, "resnet50": 4.09, "mobilenetv2": 0.30, "vgg16": 15.47}


@pytest.mark.parametrize("name", sorted(TORCHVISION_GMAC))
def test_macs_as_published(name: str) -> None:
    assert round(network(name).macs.sum() / 1e9, 2) == TORCHVISION_GMAC[name]


def test_mobilenetv1_as_published() -> None:
    """Howard et al. 2017, table 4: 569 million MACs, 4.2 million parameters."""
    layers = network("mobilenetv1")
    assert round(layers.macs.sum() / 1e6) == 569
    assert round(layers.weights.sum() / 1e6, 1) == 4.2


def test_alexnet_as_published() -> None:
    """Eyeriss (JSSC 2017) and others: 666 million MACs in the five convolutions."""
    assert round(network("alexnet").macs[:5].sum() / 1e6) == 666


def test_bert_counts_every_block() -> None:
    """Twelve blocks of 7.08 million weights (Devlin et al. 2019: 85 million without embeddings)."""
    layers = network("bert_base_s128")
    shared = [row for row, name in enumerate(layers.name) if not name.startswith("attn")]
    weights = (layers.weights * layers.repeat)[shared].sum()
    assert weights == 12 * (4 * 768**2 + 2 * 768 * 3072)


@pytest.mark.parametrize("name", NETWORKS)
def test_batch_scales_the_work_and_keeps_the_weights(name: str) -> None:
    one, four = network(name), network(name, batch=4)
    assert ((four.macs * four.repeat) == 4 * one.macs * one.repeat).all()
    assert (four.weights == one.weights).all()


@pytest.mark.parametrize(("name", "distinct"), [("resnet50", 24), ("mobilenetv2", 31)])
def test_distinct_layers(name: str, distinct: int) -> None:
    assert len(network(name).unique()[0]) == distinct


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="resnet50"):
        network("resnet5O")


def kind(layers: Layers, row: int, name: str) -> str:
    """The reference's `type` of a layer."""
    if name.startswith("bert"):
        return "GEMM"
    if layers.groups[row] == layers.c[row] > 1:
        return "DWCONV"
    return "FC" if layers.h[row] == layers.w[row] == 1 else "CONV"


@pytest.mark.parametrize("name", NETWORKS)
def test_equals_the_reference_row_by_row(name: str) -> None:
    rows = [r for r in reference_rows("accelerators/networks.csv") if r["network"] == name]
    layers = network(name)
    assert len(rows) == len(layers)
    convolution = {
        "N": layers.n, "K": layers.k, "C": layers.c, "R": layers.r, "S": layers.s, "H": layers.h,
        "W": layers.w, "groups": layers.groups,
    }  # fmt: skip
    m, k, n, _ = layers.gemm_shape()
    for row, expected in enumerate(rows):
        got: dict[str, object] = {"network": name, "index": row, "name": layers.name[row]}
        got |= {"type": kind(layers, row, name), "macs": layers.macs[row]}
        if got["type"] == "GEMM":
            got |= dict.fromkeys([*convolution, "stride", "pad"], "")
            got |= {"M": m[row], "N_": n[row], "K_": k[row]}
        else:
            got |= {column: values[row] for column, values in convolution.items()}
            assert layers.stride_h[row] == layers.stride_w[row]
            assert layers.pad_h[row] == layers.pad_w[row]
            got |= {"stride": layers.stride_h[row], "pad": layers.pad_h[row]}
            got |= dict.fromkeys(["M", "N_", "K_"], "")
        assert {column: str(value) for column, value in got.items()} == expected


def test_workloads_keep_each_networks_work() -> None:
    tables = [network(name) for name in NETWORKS]
    workloads = Workloads.of(*tables)
    assert len(workloads) == len(tables)
    work = workloads.layers.macs[workloads.indices] * workloads.counts
    sums = np.add.reduceat(work, workloads.indptr[:-1])
    assert sums.tolist() == [(table.macs * table.repeat).sum() for table in tables]
    assert len(workloads.layers) < sum(len(table) for table in tables)


@pytest.mark.parametrize(
    ("indptr", "indices", "counts", "message"),
    [
        ([0, 2], [0], [1], "indptr must rise from 0 to 1"),
        ([0, 0, 1], [0], [1], "each network having a layer"),
        ([0, 1], [1], [1], r"indices must lie in \[0, 0\]; got 1"),
        ([0, 1], [0], [0], "counts must be 1 positive integers"),
    ],
)
def test_workloads_reject(
    indptr: list[int], indices: list[int], counts: list[int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Workloads(linear("a", 8, 4), *(np.array(part) for part in (indptr, indices, counts)))
