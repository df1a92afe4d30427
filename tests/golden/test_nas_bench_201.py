"""NAS-Bench-201 (Dong and Yang, ICLR 2020): networks, accuracies, latencies and agents.

Of the 15,625 networks the best reach 94.373, 73.513 and 47.311 % on CIFAR-10, CIFAR-100 and
ImageNet16-120. Hill climbing and regularised evolution were measured at 46.75 % and 46.63 % on the
last after 100 evaluations. Latencies are those of HELP (Lee et al., NeurIPS 2021).
"""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.cost_models.accuracy import MeasuredTable, table
from codesign_gym.cost_models.learned.operation_lut import lut_of_model, read_lut
from codesign_gym.cost_models.workloads import all_networks, from_space
from codesign_gym.cost_models.workloads.nas_bench_201 import parameters
from codesign_gym.envs import DesignProblem
from codesign_gym.envs.rewards import WeightedProduct
from codesign_gym.experiments.statistics import iqm
from codesign_gym.search import make_agent, search
from codesign_gym.search_spaces import CellSpace, make_space
from tests.reference import reference, reference_rows

ACCURACY, LATENCY = "nas/nb201_accuracy.csv.gz", "nas/nb201_latency_help.csv.gz"
BUDGET, SEEDS = 100, 20


@pytest.fixture(scope="module")
def space() -> CellSpace:
    space = make_space("nas-bench-201")
    assert isinstance(space, CellSpace)
    return space


@pytest.fixture(scope="module")
def accuracy(space: CellSpace) -> MeasuredTable:
    targets = [f"acc_{data}_e200" for data in ("c10", "c100", "in16")]
    return table(reference(ACCURACY), space, targets)


def test_optima(accuracy: MeasuredTable) -> None:
    assert accuracy.measured.max(axis=0) == pytest.approx([94.373, 73.513, 47.311], abs=1e-3)
    assert accuracy.fidelity == 200
    assert [metric.unit for metric in accuracy.metrics] == ["%"] * 3


def test_strings_and_indices_name_the_same_cells(space: CellSpace) -> None:
    rows = reference_rows(ACCURACY)
    indices = [[int(row[parameter.name]) for parameter in space.parameters] for row in rows]
    assert space.from_arch_string([row["arch_str"] for row in rows]).tolist() == indices
    assert space.arch_string(space.check(indices)) == [row["arch_str"] for row in rows]


def test_isomorphic_cells_are_those_published(space: CellSpace) -> None:
    rows = reference_rows(ACCURACY)
    designs = space.from_arch_string([row["arch_str"] for row in rows])
    ours = space.ravel(space.representatives(designs)).tolist()
    theirs = [int(row["canon_idx"]) for row in rows]
    assert len(set(ours)) == len(set(theirs)) == len(set(zip(ours, theirs, strict=True))) == 6466


def test_macs_and_parameters_of_every_network(space: CellSpace) -> None:
    rows = reference_rows(ACCURACY)
    designs = space.from_arch_string([row["arch_str"] for row in rows])
    networks, at = all_networks(space), space.ravel(designs)
    for of_layer, column in (
        (networks.layers.macs, "macs_c10"),
        (parameters(networks.layers), "params_c10"),
    ):
        each = of_layer[networks.indices] * networks.counts
        totals = np.add.reduceat(each, networks.indptr[:-1])
        assert totals[at].tolist() == [int(row[column]) for row in rows]
    for row, layers in zip(rows[:300], from_space(space, designs[:300]), strict=True):
        assert layers.macs.sum() == int(row["macs_c10"]), row["arch_str"]
        assert parameters(layers).sum() == int(row["params_c10"]), row["arch_str"]


@pytest.fixture(scope="module")
def latencies(space: CellSpace) -> MeasuredTable:
    return table(reference(LATENCY), space, ["help_eyeriss", "help_fpga", "help_pixel3"])


def test_latencies_of_accelerators_add_up(latencies: MeasuredTable) -> None:
    """Those of phones do not: what is left is for learned models to earn."""
    for device, least, most in (("eyeriss", 0.995, 1), ("fpga", 0.995, 1), ("pixel3", 0.85, 0.93)):
        report = lut_of_model(latencies, f"latency_{device}_ms").report
        assert report is not None
        assert least <= report.r2 <= most, device


def test_what_leads_nowhere_takes_no_time_unless_floored(
    space: CellSpace, latencies: MeasuredTable
) -> None:
    dead = space.check([[0] * 6])
    floored = table(reference(LATENCY), space, "help_pixel3", floor=1.0)
    assert latencies.evaluate(dead)["latency_pixel3_ms"] < 0.1
    assert floored.evaluate(dead)["latency_pixel3_ms"] == 1.0


def test_fbnet_latencies_add_up() -> None:
    fbnet = table(reference("nas/fbnet_latency_help_5000.csv.gz"), make_space("fbnet"),
                  "lat_ms_pixel3")  # fmt: skip
    assert len(fbnet.designs) == 5000
    report = lut_of_model(fbnet).report
    assert report is not None
    assert report.r2 > 0.999


def test_transnas_counts_what_is_disconnected_as_worst() -> None:
    """The indices are the benchmark's own: 0 is none, 1 skip, 2 and 3 the convolutions."""
    space = make_space("transnas-101-micro")
    tasks = ["class_scene", "class_object", "jigsaw", "segmentsemantic", "normal", "room_layout"]
    model = table(reference("nas/transnas101_micro_4096.csv.gz"), space, tasks)
    none, skip, conv1, conv3 = model.evaluate([[op] * 6 for op in range(4)]).values_matrix
    assert len(model.designs) == 4096
    assert (none < skip).mean() > 0.8
    assert none[0] == model.measured[:, 0].min()
    assert (conv3 > conv1).all()


def test_published_tables_of_layers() -> None:
    pixel = read_lut(reference("nas/proxylessnas_pixel1_lut.csv"))
    assert len(pixel) == 72
    assert pixel["Conv-input:224x224x3-output:112x112x32"] == pytest.approx(4.0838, abs=1e-4)
    note = read_lut(reference("nas/ofa_note10_lut.csv"), resolution=160)
    assert 0 < len(note) < 480


def test_auto_beats_climbing_after_100_evaluations(accuracy: MeasuredTable) -> None:
    reward = WeightedProduct({"acc_in16_e200_pct": 1.0}, {"acc_in16_e200_pct": 100.0})
    problem = DesignProblem(
        "nas-bench-201", accuracy.space, (accuracy,), ("acc_in16_e200_pct",), (), reward
    )
    runs = [search(problem, make_agent("auto", problem, seed), BUDGET) for seed in range(SEEDS)]
    assert float(iqm(100 * np.array([run.best.reward for run in runs]))) > 46.9
