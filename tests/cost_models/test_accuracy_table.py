"""The embedded accuracies: complete, plausible, and what training gives."""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.cost_models import AccuracyTable
from codesign_gym.cost_models.accuracy.mnist1d_training import Recipe, train
from codesign_gym.cost_models.accuracy.table import embedded_table
from codesign_gym.search_spaces import InputError, cell_network

SPACE = cell_network()
DESIGNS = SPACE.enumerate()
VALUES = SPACE.values(DESIGNS)
PATH_01_12 = (VALUES["op_01"] != "none") & (VALUES["op_12"] != "none")
CONNECTED = PATH_01_12 | (VALUES["op_02"] != "none")
CONVOLUTIONS = sum(
    np.char.startswith(VALUES[edge], "conv3").astype(int) for edge in ("op_01", "op_02", "op_12")
)


def test_every_network_is_there() -> None:
    table = embedded_table()
    assert table.correct.shape == (1125, len(table.provenance["seeds"]), 10)
    assert table.correct_int8.shape == table.correct_fp16.shape == table.correct.shape[:2]
    assert table.correct.max() <= table.provenance["test_size"]
    assert {"command", "recipe", "versions", "data", "cpu_hours"} <= table.provenance.keys()


def test_what_cannot_learn_has_not_learned() -> None:
    """Networks with no path from input to output give one answer always: about one in ten."""
    accuracy = embedded_table().correct[:, :, -1] / 1000
    assert 0 < (~CONNECTED).sum() < 1125
    assert accuracy[~CONNECTED].max() < 0.16
    assert accuracy[CONNECTED & (CONVOLUTIONS == 3)].min() > 0.8


def test_table_separates_networks_from_noise() -> None:
    """Networks differ by much more than the two seeds of one network do."""
    accuracy = embedded_table().correct[CONNECTED][:, :, -1] / 1000
    of_seeds = np.sqrt(accuracy.var(axis=1, ddof=1).mean())
    of_networks = accuracy.mean(axis=1).std()
    assert of_networks > 4 * of_seeds


def test_reduced_precision_is_close_and_not_the_same() -> None:
    table = embedded_table()
    full = table.correct[:, :, -1].astype(int)
    assert np.abs(full - table.correct_fp16).max() <= 10
    difference = full - table.correct_int8
    assert (difference != 0).any()
    assert np.abs(difference[CONNECTED].mean()) < 10


def test_model_reads_the_row_of_the_design() -> None:
    model = AccuracyTable()
    table = embedded_table()
    names = [p.name for p in model.space.parameters]
    assert names == ["op_01", "op_02", "op_12", "width", "cells", "word"]
    words = model.space.parameters[-1].values
    columns = {1: table.correct_int8, 2: table.correct_fp16, 4: table.correct[:, :, -1]}
    for j, word in enumerate(words):
        designs = np.column_stack([DESIGNS, np.full(1125, j)])
        expected = columns[int(word)].mean(axis=1) / 10
        assert np.allclose(model.evaluate(designs)["accuracy_pct"], expected)


def test_epochs_are_fidelities() -> None:
    early, late = AccuracyTable(epoch=2), AccuracyTable()
    assert early.fidelity < late.fidelity
    designs = np.column_stack([DESIGNS, np.full(1125, 2)])
    a, b = (m.evaluate(designs)["accuracy_pct"][CONNECTED] for m in (early, late))
    assert a.mean() < b.mean()
    with pytest.raises(InputError, match=r"epoch must be in 1\.\.10, got 11"):
        AccuracyTable(epoch=11)


@pytest.mark.parametrize(
    "network",
    [
        {"op_01": "conv3", "op_02": "conv3", "op_12": "conv3", "width": 8, "cells": 1},
        {"op_01": "avgpool3", "op_02": "conv1", "op_12": "skip", "width": 8, "cells": 2},
        {"op_01": "none", "op_02": "skip", "op_12": "conv1", "width": 16, "cells": 1},
    ],
)
def test_training_gives_the_row(network: dict[str, object]) -> None:
    """Real training, the table's recipe and seeds: equal up to the noise of other arithmetic."""
    table = embedded_table()
    row = int(SPACE.ravel(SPACE.encode([network]))[0])
    trained = train(network, table.provenance["seeds"], Recipe(**table.provenance["recipe"]))
    # Rounding of another processor grows into another local optimum: a seed's worth of difference.
    assert np.abs(trained.correct[:, -1].astype(int) - table.correct[row, :, -1]).max() <= 60
    assert np.abs(trained.correct_int8.astype(int) - table.correct_int8[row]).max() <= 70
