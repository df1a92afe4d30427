"""DRACO's comparison, end to end and by its parts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from codesign_gym.cost_models.workloads.networks import network
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.reproduce.draco_accuracy import accuracy_of_groups
from codesign_gym.experiments.reproduce.draco_arrays import on_row_stationary, on_systolic


def test_command(tmp_path: Path) -> None:
    arguments = ["reproduce", "draco", "--seeds", "2", "--budget", "40", "--out", str(tmp_path)]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    result = json.loads((tmp_path / "result.json").read_text())
    networks, layers, searches, readings, accuracy = result["tables"].values()
    by_name = {row["network on array"]: row for row in networks}
    assert by_name["depthwise, OS"]["avg util %"] == pytest.approx(25.515, abs=1e-3)
    assert by_name["rule, OS"]["avg util %"] == pytest.approx(
        np.mean([row["draco"] for row in layers])
    )
    assert by_name["search within limits, OS"]["MACs x"] <= 2
    assert len(layers) == len(network("mobilenetv1"))
    assert {row["by"] for row in searches} >= {"proven optimum", "random"}
    assert len(readings) == 2
    assert [row["layer"] for row in accuracy] == ["dw1", "dw2", "dw3", "dw4", "all layers"]
    # Each verdict follows from the figure beside it.
    for claim in result["claims"][:4]:
        published = float(claim["published"].split()[0])
        measured = [float(text) for text in re.findall(r"[+-][\d.]+", claim["measured"])]
        reached = [
            value >= published if published > 0 else value <= published for value in measured
        ]
        assert (claim["verdict"] == "holds") == any(reached)
    assert result["claims"][-1]["verdict"] == "not comparable"
    assert "groups" in (tmp_path / "report.html").read_text()


def test_groups_side_by_side_are_never_slower_than_one_after_another() -> None:
    base = network("mobilenetv1")
    apart, together = (on_row_stationary("rs", base, both) for both in (False, True))
    assert (together.cycles <= apart.cycles * (1 + 1e-9)).all()
    whole = base.groups == 1
    assert np.array_equal(apart.cycles[whole], together.cycles[whole])


def test_the_array_is_as_large_for_everyone() -> None:
    base = network("mobilenetv1")
    for entry in (on_row_stationary("rs", base, True), on_systolic("os", base, "os")):
        assert entry.utilization_pct == pytest.approx(100 * base.macs / (4096 * entry.cycles))
        assert (entry.utilization_pct <= 100).all()
        assert (entry.limited_cycles >= entry.cycles * (1 - 1e-9)).all()


def test_the_slope_is_that_of_the_networks() -> None:
    accuracy = accuracy_of_groups()
    assert len(accuracy.accuracy_pct) == 81
    low, high = accuracy.interval
    assert low < accuracy.slope < high
    # A full grid is orthogonal: the fit over layers equals the fit over their mean.
    assert np.polyfit(accuracy.doublings, accuracy.accuracy_pct, 1)[0] == pytest.approx(
        accuracy.slope
    )
