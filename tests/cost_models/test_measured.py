"""Measured tables read from CSV files: what they give and what they refuse."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from codesign_gym.cost_models import Metric
from codesign_gym.cost_models.accuracy import MeasuredTable, table
from codesign_gym.cost_models.accuracy.tables import TARGETS
from codesign_gym.search_spaces import Categorical, InputError, SearchSpace, make_space

SPACE = SearchSpace("net", (Categorical("a", ("x", "y", "z")), Categorical("b", ("x", "y"))))
SPEED = Metric("speed", "1/s", "max")
TEXT = "b,a,speed,lat_ms_chip\n0,0,1.5,2\n1,2,4,-1\n1,0,,7\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "t.csv").write_text(TEXT)
    return tmp_path / "t.csv"


def test_what_was_measured(path: Path) -> None:
    metrics = table(path, SPACE, "speed", SPEED).evaluate([[2, 1], [0, 0], [1, 1], [0, 1]])
    assert metrics["speed"].tolist() == [4.0, 1.5, -np.inf, -np.inf]
    reasons = [metrics.reason(row) for row in range(4)]
    assert reasons == ["", "", "not in the table: it has 3 designs", "no measurement in the table"]


def test_what_failed_to_compile_has_no_latency(path: Path) -> None:
    model = table(path, SPACE, "lat_ms_chip", floor=3.0)
    assert model.metrics == (Metric("latency_chip_ms", "ms", "min", "measured on chip"),)
    metrics = model.evaluate([[2, 1], [0, 0], [0, 1]])
    assert metrics["latency_chip_ms"].tolist() == [np.inf, 3.0, 7.0]
    assert metrics.reason(0) == "no measurement in the table"


def test_gzipped_and_by_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path.parent / "z.csv.gz").write_bytes(gzip.compress(TEXT.encode()))
    with pytest.raises(InputError, match=r"no table z.csv.gz; CODESIGN_DATA may name the folder"):
        table("z.csv.gz", SPACE, "speed", SPEED)
    monkeypatch.setenv("CODESIGN_DATA", str(path.parent))
    assert len(table("z.csv.gz", SPACE, "speed", SPEED).designs) == 3
    with pytest.raises(InputError, match=r"there is no table y\.csv or"):
        table("y.csv", SPACE, "speed", SPEED)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", r"t\.csv is empty"),
        ("a,speed\n0,1\n", r"t\.csv lacks the column 'b'; it has a, speed"),
        ("a,b\n0,0\n", r"t\.csv lacks the column 'speed'"),
        (
            "a,b,speed\n0,0,fast\n",
            r"t\.csv, line 2: column 'speed' must be a finite number, got 'fast'",
        ),
        ("a,b,speed\n0,0,1\n3,0,1\n", r"line 3: column 'a' must be an index in 0\.\.2, got 3"),
        ("a,b,speed\n0,0.5,1\n", r"line 2: column 'b' must be an index in 0\.\.1, got 0.5"),
        ("a,b,speed\n0,0,1\n0,0\n", r"t\.csv, line 3: 2 cells for 3 columns"),
        ("a,b,speed\n\n0,0,1\n\n0,1,inf\n", r"line 5: .* must be a finite number, got 'inf'"),
        ("a,b,speed\n\n9,0,1\n", r"line 3: column 'a' must be an index in 0\.\.2, got 9"),
        ("a,b,speed\n", r"has no design"),
        ("a,b,speed,speed\n0,0,1,2\n", r"t\.csv has the column 'speed' 2 times"),
        ('a,b,speed\n0,0,"1\n', r"t\.csv is not a CSV file"),
        ("a,b,speed\n0,1,1\n0,1,2\n", r"has the design .* twice"),
    ],
)
def test_tables_that_are_none(path: Path, text: str, error: str) -> None:
    path.write_text(text)
    with pytest.raises(InputError, match=error):
        table(path, SPACE, "speed", SPEED)


def test_broken_files(path: Path) -> None:
    whole = gzip.compress(TEXT.encode())
    for data in (whole[:-9], whole[:10] + b"\xff" * 9 + whole[19:]):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"t\.csv is not a CSV file"):
            table(path, SPACE, "speed", SPEED)


def test_a_mark_of_the_encoding_is_no_part_of_the_first_name(path: Path) -> None:
    path.write_text(TEXT, encoding="utf-8-sig")
    assert len(table(path, SPACE, "speed", SPEED).designs) == 3


@pytest.mark.parametrize("targets", [[], ["speed", "a"]])
def test_a_metric_is_of_one_column(path: Path, targets: list[str]) -> None:
    with pytest.raises(InputError, match="one target or, without a metric, several"):
        table(path, SPACE, targets, SPEED)


def test_columns_of_no_known_table_need_a_metric(path: Path) -> None:
    with pytest.raises(InputError, match="column 'speed' is of no known table: give the metric"):
        table(path, SPACE, "speed")


def test_every_known_target_names_a_unit() -> None:
    assert all(target.unit and target.name for target in TARGETS.values())


def test_cells_by_string_and_by_number(tmp_path: Path) -> None:
    cells = make_space("nas-bench-201")
    texts = ["|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|",
             "|none~0|+|none~0|none~1|+|avg_pool_3x3~0|none~1|none~2|"]  # fmt: skip
    index = tmp_path / "nb201_accuracy.csv.gz"
    rows = f"arch_idx,arch_str,acc_c10_e200\n7,{texts[0]},50\n3,{texts[1]},60\n"
    index.write_bytes(gzip.compress(rows.encode()))
    both = cells.check([[0, 0, 0, 3, 0, 0], [0, 0, 0, 4, 0, 0]])
    accuracy = table(index, cells, "acc_c10_e200").evaluate(both)
    assert accuracy["acc_c10_e200_pct"].tolist() == [50.0, 60.0]
    numbered = tmp_path / "latency.csv"
    numbered.write_text("arch_idx,help_fpga\n3,1.5\n7,2.5\n")
    latency = table(numbered, cells, "help_fpga").evaluate(both)
    assert latency["latency_fpga_ms"].tolist() == [2.5, 1.5]
    numbered.write_text("arch_idx,help_fpga\n4,1.5\n")
    with pytest.raises(InputError, match=r"must be one of nb201_accuracy\.csv\.gz, got 4"):
        table(numbered, cells, "help_fpga")
    index.unlink()
    with pytest.raises(InputError, match="which explains them, is missing"):
        table(numbered, cells, "help_fpga")


def test_spaces_too_large_to_number() -> None:
    fbnet = make_space("fbnet")
    designs = fbnet.sample(50, 0)
    designs[3] = 0  # zeros at the end are not lost
    model = MeasuredTable(fbnet, designs, (SPEED,), np.arange(50.0)[:, None], "made up")
    assert model.evaluate(designs)["speed"].tolist() == list(range(50))
    assert not model.evaluate(fbnet.sample(5, 1)).valid.any()


def test_values_that_do_not_fit() -> None:
    with pytest.raises(InputError, match=r"values must be \[2, 1\], got \(2,\)"):
        MeasuredTable(SPACE, SPACE.check([[0, 0], [1, 1]]), (SPEED,), [1.0, 2.0], "made up")
