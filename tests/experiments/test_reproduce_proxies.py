"""Studies of learned cost models, small: what they claim follows from the data they are given."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from codesign_gym.cost_models.analytical.gemm_gpu import GemmFigures, GpuGemm
from codesign_gym.cost_models.learned import group_attention
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.reproduce import archgym_proxy, gpperf, ncpp
from codesign_gym.experiments.reproduce.finding import Finding, Settings, write_finding
from codesign_gym.search_spaces import InputError
from tests.reference import reference

GPU = GpuGemm(GemmFigures(2.0, 2.5e6, 1.0, 1.0, 1e-3, 1.5e6, 5e6, 2.0, 3.0, 0.8), 108)


def write(path: Path, columns: dict[str, list[object]]) -> Path:
    with path.open("w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(columns)
        out.writerows(zip(*columns.values(), strict=True))
    return path


# -- ArchGym's proxies ------------------------------------------------------------------------


def test_proxies_by_data_and_by_who_gathered_them(tmp_path: Path) -> None:
    settings = Settings(1, 40, 1, tmp_path)
    agents = ("regularized-evolution", "random")
    finding = archgym_proxy.study(settings, ["dram-stream"], agents, 100, "extra-trees")
    for rows in finding.tables.values():
        assert len({tuple(row) for row in rows}) == 1  # of a table, all have the same columns
    curve, mixes, speeds = finding.tables.values()
    assert [row["rows"] for row in curve] == [100, 300, 800]
    worst = [max(archgym_proxy._objectives(row)) for row in curve]
    assert worst[-1] < worst[0]
    assert [row["data of"] for row in mixes] == [*agents, archgym_proxy.MIXED]
    assert len({row["rows"] for row in mixes}) == 1
    assert speeds[0]["times as fast"] > 1
    texts = [claim.text for claim in finding.claims]
    assert len(texts) == 4
    assert finding.claims[0].holds is (worst[-1] <= archgym_proxy.PUBLISHED_PCT)
    result, report = write_finding(finding, tmp_path, "codesign reproduce archgym-proxy")
    assert result.exists()
    assert report.exists()


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(1, 30, 1, tmp_path)

    def study() -> Finding:
        return archgym_proxy.study(settings, ["dram-stream"], ["random"], 50, "extra-trees")

    first = study()
    pieces = sorted((tmp_path / "pieces").iterdir())
    assert [path.name for path in pieces] == ["dram-stream-0.json", "dram-stream-curve.json"]
    monkeypatch.setattr(archgym_proxy, "train_on_designs", None)  # nothing is trained
    assert study().to_dict() == first.to_dict()
    pieces[0].write_text("{}")
    with pytest.raises(TypeError):
        study()


def test_problems_with_other_objectives_have_tables_of_their_own() -> None:
    rows = [{"problem": "p", "time": 1.0}, {"problem": "q", "area": 2.0}]
    tables = archgym_proxy._by_problem("by size", ["p", "q"], rows)
    assert list(tables.values()) == [rows[:1], rows[1:]]


def test_shares_are_equal_and_distinct() -> None:
    every = np.arange(24, dtype=np.int32).reshape(12, 2)
    ours, theirs = every[:6], every[2:]
    assert archgym_proxy._shares([ours, theirs], 5)[:, 0].tolist() == [0, 4, 2, 6, 8]
    assert len(archgym_proxy._shares([ours, theirs], 12)) == 12


def test_several_agents_are_compared_with_those_that_search_and_with_chance() -> None:
    rows = [
        {"problem": "p", "data of": who, "seed": 0, "rows": 9, "time": error}
        for who, error in {"nsga2": 4.0, "random": 1.0, archgym_proxy.MIXED: 2.0}.items()
    ]
    searching, chance = archgym_proxy._diversity("p", rows)
    assert searching.holds is True
    assert chance.holds is False
    assert "several 2.00 %, random 1.00 %" in chance.measured


def test_a_budget_that_gives_too_few_designs_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="raise the budget of 5"):
        archgym_proxy.study(Settings(1, 5, 1, tmp_path), ["dram-stream"], ["random"], tested=50)


# -- matrix products --------------------------------------------------------------------------


def products(path: Path, power: bool) -> Path:
    rng = np.random.default_rng(0)
    sizes = {name: 2.0 ** rng.integers(5, 13, 160) for name in "mnk"}
    latency = GPU.predict(sizes) * rng.lognormal(0, 0.03, 160)
    columns = {name: values.astype(int).tolist() for name, values in sizes.items()}
    columns |= {"system": ["gpu"] * 160, "latency": latency.tolist()}
    if power:
        work = np.prod(list(sizes.values()), axis=0) / latency
        columns["power"] = (80 + 2e-5 * work).tolist()
    return write(path, columns)


def test_times_are_learned_and_power_where_it_was_measured(tmp_path: Path) -> None:
    settings = Settings(1, 1000, 1, tmp_path)
    finding = gpperf.study(settings, products(tmp_path / "a.csv", power=False), "boosting")
    [rows] = finding.tables.values()
    errors = {(row["split"], row["way"]): row["mean error %"] for row in rows}
    assert errors["largest fifth", "roofline, corrected"] < errors["largest fifth", "forest"]
    assert errors["random", "roofline, corrected"] < 10
    assert [path.name for path in (tmp_path / "pieces").iterdir()] == ["gpu-latency-0.json"]
    _seen, beyond, power = finding.claims
    assert power.holds is None
    assert "no power" in power.measured
    assert beyond.holds is (errors["largest fifth", "forest"] <= gpperf.PUBLISHED_MEAN_PCT)
    finding = gpperf.study(settings, products(tmp_path / "b.csv", power=True), "boosting")
    assert finding.claims[-1].holds is not None
    assert finding.claims[-1].measured.startswith("power: R2 ")
    write_finding(finding, tmp_path, "codesign reproduce gpperf")


# -- scores of processors ---------------------------------------------------------------------


def scores_of(path: Path, machines: dict[str, int], preset: float = 1.0) -> Path:
    """Each test thrice on each machine; scores grow with cores."""
    names = ("suite", "test", "value", "cpu_model", "host", "cores", "l1d_kb")
    columns: dict[str, list[object]] = {name: [] for name in names}
    for host, cores in machines.items():
        for t in range(8):
            for repeat in range(3):
                value = preset * (t + 1) * cores * (1 + 0.001 * repeat)
                row = ("s", f"t{t}", value, "X", host, cores, 48)
                for name, cell in zip(names, row, strict=True):
                    columns[name].append(cell)
    return write(path, columns)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_attention, "_STEPS", 60)


def test_one_machine_teaches_nothing_about_another(short: None, tmp_path: Path) -> None:
    files = [
        scores_of(tmp_path / "a.csv", {"h0": 40}),
        scores_of(tmp_path / "b.csv", {"h1": 56}),
    ]
    methods = (ncpp.ATTENTION, "extra-trees")
    finding = ncpp.study(Settings(1, 1, 1, tmp_path), files, methods)
    best, tell, _shuffled = finding.claims
    assert best.holds is None
    assert "one machine per suite" in best.measured
    assert tell.holds is False
    means = next(iter(finding.tables.values()))
    official = ncpp._overall(means, ncpp.OFFICIAL)
    assert official[ncpp.MEAN] == pytest.approx(100 * (1 - 40 / 56), abs=0.1)
    flagged = {row["split"]: row["flagged %"] for row in means if row["suite"] == "s"}
    assert flagged[ncpp.OFFICIAL] == 100
    assert flagged[ncpp.AT_RANDOM] < 100
    assert ncpp._overall(means, ncpp.AT_RANDOM)["extra-trees"] < official["extra-trees"]
    write_finding(finding, tmp_path, "codesign reproduce ncpp")


def test_several_machines_allow_a_verdict(short: None, tmp_path: Path) -> None:
    known = {f"h{i}": 20 + 8 * i for i in range(6)}
    files = [scores_of(tmp_path / "a.csv", known), scores_of(tmp_path / "b.csv", {"x": 33})]
    finding = ncpp.study(Settings(1, 1, 1, tmp_path), files, (ncpp.ATTENTION, "boosting", "gp"))
    assert finding.claims[0].holds is not None
    assert finding.claims[1].holds is True


def test_the_public_part_is_the_means_alone() -> None:
    """The guide's mean errors of the per-test means: HPCG 32, SPECfp 22, SPECint 8.9, Stream 16."""
    known, asked = (ncpp._read(reference(name)) for name in ncpp.FILES)
    rows = {row["suite"]: row["mean error %"] for row in ncpp._errors(known, asked, "", 0, ())}
    assert rows["HPCG"] == pytest.approx(32.2, abs=0.1)
    assert rows["SPECrate2017_fp_base"] == pytest.approx(22.1, abs=0.1)
    assert rows["Stream"] == pytest.approx(15.8, abs=0.1)
    assert rows["Memory Latency Checker latency"] == pytest.approx(1.04, abs=0.01)


@pytest.mark.parametrize(("name", "words"), [("gpperf", "gemm"), ("ncpp", "perfcastdb")])
def test_a_table_that_is_not_there_is_told(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODESIGN_REFERENCE", str(tmp_path))
    done = CliRunner().invoke(app, ["reproduce", name, "--out", str(tmp_path / "o")])
    assert done.exit_code == 2
    text = " ".join(done.output.split())
    assert words in text
    assert "set CODESIGN_REFERENCE" in text
