"""Proxies: as good as a forest can be, plain data on disk, and never mistaken for the truth."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from codesign_gym.cost_models.learned import LearnedCostModel, train_on_designs
from codesign_gym.cost_models.learned.model import FORMAT
from codesign_gym.cost_models.learned.training import FEWEST_ROWS
from codesign_gym.envs import DesignProblem, make_problem
from codesign_gym.envs.proxied import load_proxy
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.runner import STORE_NAME, run
from codesign_gym.experiments.store import Store
from codesign_gym.experiments.testing import synthetic_problem
from codesign_gym.experiments.train_proxy import ModelCard, train_proxy
from codesign_gym.search_spaces import InputError, SearchSpace

PROBLEM = make_problem("resnet18-asic")
PART = "target0.part0"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ModelCard]:
    """A folder with a store of 600 random designs and the proxy trained on it."""
    folder = tmp_path_factory.mktemp("trained")
    run(RunConfig("resnet18-asic", "random", 600), folder)
    return folder, train_proxy([folder / STORE_NAME], folder / "proxy.npz", model="extra-trees")


def fresh(n: int = 1000) -> Any:
    return PROBLEM.space.sample(n, np.random.default_rng(99))


def test_the_card_tells_of_a_decent_model(trained: tuple[Path, ModelCard]) -> None:
    _, card = trained
    assert (card.rows, card.test_rows) == (600, 120)
    assert set(card.metrics) == {metric.name for metric in PROBLEM.metrics}
    for name in ("latency_ms", "energy_uj", "area_mm2", "dram_mb"):
        assert card.metrics[name]["kendall_tau"] > 0.7, name
        assert card.metrics[name]["r2"] > 0.4, name
    assert card.metrics["energy_uj"]["r2"] > 0.7
    assert card.us_per_design < card.us_single


def test_the_card_holds_on_designs_never_seen(trained: tuple[Path, ModelCard]) -> None:
    folder, card = trained
    designs = fresh()
    truth, predicted = (
        PROBLEM.measure(designs),
        LearnedCostModel.load(folder / "proxy.npz").compute(designs),
    )
    for name in ("energy_uj", "area_mm2"):
        error = predicted[name] - truth[name]
        r2 = 1 - (error**2).mean() / truth[name].var()
        assert r2 == pytest.approx(card.metrics[name]["r2"], abs=0.2)
        rmse_pct = 100 * np.sqrt((error**2).mean()) / truth[name].mean()
        assert rmse_pct == pytest.approx(card.metrics[name]["rmse_pct"], rel=0.6)


def test_training_again_gives_the_same_proxy(
    trained: tuple[Path, ModelCard], tmp_path: Path
) -> None:
    folder, card = trained
    again = train_proxy([folder / STORE_NAME], tmp_path / "again.npz", model="extra-trees")
    assert again.metrics == card.metrics
    other = train_proxy([folder / STORE_NAME], tmp_path / "other.npz", seed=1, model="extra-trees")
    assert other.metrics != card.metrics
    a, b = (LearnedCostModel.load(path).compute(fresh(50)).values_matrix
            for path in (folder / "proxy.npz", tmp_path / "again.npz"))  # fmt: skip
    assert np.array_equal(a, b)


def test_a_loaded_proxy_predicts_identically(tmp_path: Path) -> None:
    problem = synthetic_problem("conditional")
    designs = problem.space.sample(300, np.random.default_rng(0))
    proxy = train_on_designs(problem.space, designs, problem.measure(designs), "random-forest", 3)
    proxy.save(tmp_path / "proxy.npz")
    loaded = LearnedCostModel.load(tmp_path / "proxy.npz")
    others = problem.space.sample(500, np.random.default_rng(1))
    assert np.array_equal(loaded.compute(others).values_matrix, proxy.compute(others).values_matrix)
    assert np.array_equal(loaded.uncertainty(others), proxy.uncertainty(others))
    assert loaded.metrics == proxy.metrics
    assert loaded.space == proxy.space
    assert loaded.provenance == proxy.provenance
    assert {path.name for path in tmp_path.iterdir()} == {"proxy.npz"}


def test_metrics_that_are_not_positive_are_learned_as_they_are() -> None:
    problem = synthetic_problem("ordinal")
    designs = problem.space.sample(300, np.random.default_rng(0))
    metrics = problem.measure(designs)
    valid = designs[metrics.valid]
    shifted = problem.measure(valid)
    shifted.values_matrix[:, 0] -= shifted.values_matrix[:, 0].mean()
    predicted = train_on_designs(problem.space, valid, shifted, "random-forest").compute(valid)
    assert (predicted["time_ms"] < 0).any()
    assert np.corrcoef(predicted["time_ms"], shifted["time_ms"])[0, 1] > 0.95
    assert (predicted["quality_pct"] > 0).all()


# -- what is refused --------------------------------------------------------------------------


def test_too_few_designs(tmp_path: Path) -> None:
    run(RunConfig("resnet18-asic", "random", FEWEST_ROWS), tmp_path)
    with pytest.raises(
        InputError, match=f"at least 25 distinct designs, the stores hold {FEWEST_ROWS}"
    ):
        train_proxy([tmp_path / STORE_NAME], tmp_path / "proxy.npz")
    assert not (tmp_path / "proxy.npz").exists()


def test_equal_designs_count_once(trained: tuple[Path, ModelCard], tmp_path: Path) -> None:
    folder, card = trained
    twice = train_proxy([folder / STORE_NAME] * 2, tmp_path / "p.npz", model="random-forest")
    assert twice.rows == card.rows


def test_a_proxys_own_predictions_are_no_data(
    trained: tuple[Path, ModelCard], tmp_path: Path
) -> None:
    folder, _ = trained
    # Another seed: extra-trees repeat the designs that they were trained on.
    config = RunConfig("resnet18-asic", "random", 50, seed=9, proxy=str(folder / "proxy.npz"))
    record = run(config, tmp_path)
    assert not np.allclose(
        record.evaluation.metrics.values_matrix[:, :-1],
        PROBLEM.measure(record.evaluation.designs).values_matrix,
    )
    with pytest.raises(InputError, match=r"made with the proxy .*: not a truth"):
        train_proxy([folder / STORE_NAME, tmp_path / STORE_NAME], tmp_path / "proxy.npz")


def test_stores_of_different_problems(trained: tuple[Path, ModelCard], tmp_path: Path) -> None:
    folder, card = trained
    run(RunConfig("mobilenetv2-asic", "random", 40), tmp_path)
    # One space and the same metrics, of two networks: what a design costs differs.
    with pytest.raises(InputError, match="'resnet18-asic' and of 'mobilenetv2-asic'"):
        train_proxy([folder / STORE_NAME, tmp_path / STORE_NAME], tmp_path / "proxy.npz")
    assert card.rows == 600


def test_a_proxy_of_another_space(tmp_path: Path) -> None:
    other = synthetic_problem("ordinal")
    designs = other.space.sample(50, np.random.default_rng(0))
    train_on_designs(other.space, designs, other.measure(designs), "random-forest").save(
        tmp_path / "proxy.npz"
    )
    with pytest.raises(InputError, match="lacks the parameters"):
        load_proxy(tmp_path / "proxy.npz", PROBLEM)


def test_a_proxy_of_another_problem(trained: tuple[Path, ModelCard]) -> None:
    with pytest.raises(InputError, match="trained on 'resnet18-asic', not on 'mobilenetv2-asic'"):
        load_proxy(trained[0] / "proxy.npz", make_problem("mobilenetv2-asic"))


class Bomb:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was loaded",))


def test_a_pickle_inside_is_not_loaded(trained: tuple[Path, ModelCard], tmp_path: Path) -> None:
    folder, _ = trained
    with np.load(folder / "proxy.npz") as file:
        arrays = {name: file[name] for name in file.files}
    for name in ("about", f"{PART}.value", "target0.factors"):
        bomb = np.empty((), dtype=object)
        bomb[()] = Bomb()
        evil: dict[str, Any] = arrays | {name: bomb}
        np.savez(tmp_path / "evil.npz", **evil)
        with pytest.raises(InputError, match="not a proxy or is damaged"):
            load_proxy(tmp_path / "evil.npz", PROBLEM)
    (tmp_path / "raw.npz").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="not a proxy or is damaged"):
        load_proxy(tmp_path / "raw.npz", PROBLEM)
    assert all(array.dtype != object for array in arrays.values())


def test_missing_and_foreign_files(trained: tuple[Path, ModelCard], tmp_path: Path) -> None:
    folder, _ = trained
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "empty.npz").touch()
    np.savez(tmp_path / "other.npz", x=np.arange(3))
    with zipfile.ZipFile(tmp_path / "zip.npz", "w") as file:
        file.writestr("a.txt", "b")
    for name in ("text", "empty", "other", "zip"):
        with pytest.raises(InputError, match="not a proxy or is damaged"):
            load_proxy(tmp_path / f"{name}.npz", PROBLEM)
    with pytest.raises(InputError, match="there is no proxy"):
        load_proxy(tmp_path / "nothing.npz", PROBLEM)
    with pytest.raises(InputError):
        load_proxy(folder, PROBLEM)


def rewritten(folder: Path, to: Path, **changes: Any) -> Path:
    with np.load(folder / "proxy.npz") as file:
        arrays: dict[str, Any] = {name: file[name] for name in file.files}
    if "about" in changes:
        changes["about"] = np.array(json.dumps(json.loads(str(arrays["about"])) | changes["about"]))
    np.savez(to, **(arrays | changes))
    return to


def test_a_newer_format(trained: tuple[Path, ModelCard], tmp_path: Path) -> None:
    path = rewritten(trained[0], tmp_path / "p.npz", about={"format": FORMAT + 1})
    with pytest.raises(InputError, match="newer codesign-gym"):
        load_proxy(path, PROBLEM)


def test_trees_that_would_lead_astray(trained: tuple[Path, ModelCard], tmp_path: Path) -> None:
    with np.load(trained[0] / "proxy.npz") as file:
        left, roots, feature = (file[f"{PART}.{n}"] for n in ("left", "roots", "feature"))
        value = file[f"{PART}.value"]
    loop, outside, root, column = left.copy(), left.copy(), roots.copy(), feature.copy()
    loop[0], outside[0], root[3], column[0] = 0, len(left), -1, 1000
    changes: list[dict[str, Any]] = [
        {f"{PART}.left": loop},
        {f"{PART}.right": outside},
        {f"{PART}.roots": root},
        {f"{PART}.feature": column},
        {f"{PART}.value": value[:2]},
        {f"{PART}.threshold": np.zeros(3, np.float32)},
    ]
    for change in changes:
        path = rewritten(trained[0], tmp_path / "p.npz", **change)
        with pytest.raises(InputError, match="its trees are not trees"):
            load_proxy(path, PROBLEM)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    few = fresh(30)
    small = train_on_designs(PROBLEM.space, few, PROBLEM.measure(few), "random-forest")
    small.save(tmp_path / "proxy.npz")
    content = (tmp_path / "proxy.npz").read_bytes()
    reference = small.evaluate(fresh(50)).values_matrix
    path, rng = tmp_path / "p.npz", np.random.default_rng(0)
    for cut in rng.integers(1, len(content), 20).tolist():
        path.write_bytes(content[:cut])
        with pytest.raises(InputError):
            load_proxy(path, PROBLEM)
    tail = len(content) - 1500  # where the directory of the archive is
    places = [*rng.integers(0, len(content), 60), *rng.integers(tail, len(content), 200)]
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            found = load_proxy(path, PROBLEM).evaluate(fresh(50)).values_matrix
        except InputError:
            continue
        assert np.array_equal(found, reference)  # a bit that nothing depends on


# -- searching with a proxy -------------------------------------------------------------------


def test_a_search_with_a_proxy_is_verified_by_the_true_models(
    trained: tuple[Path, ModelCard], tmp_path: Path
) -> None:
    folder, _ = trained
    words = ["run", "resnet18-asic", "--agent", "random", "--budget", "80", "--json"]
    words += ["--proxy", str(folder / "proxy.npz"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    verified = summary["verified"]
    found = summary["best_in_search"]
    assert found["choices"] in [row["choices"] for row in verified]
    assert summary["best"] == verified[0]
    assert summary["best"]["reward"] == max(row["reward"] for row in verified if row["feasible"])
    assert summary["true_evaluations"] == len(verified)
    assert found["metrics"]["by_true_model"] == 0
    assert {tuple(row["choices"]) for row in summary["pareto"]} <= {
        tuple(row["choices"]) for row in verified
    }
    for row in verified:
        truth = PROBLEM.evaluate([row["choices"]])
        assert row["metrics"]["energy_uj"] == pytest.approx(float(truth.metrics["energy_uj"][0]))
        assert row["reward"] == pytest.approx(float(PROBLEM.reward(truth)[0]))
    [same] = [row for row in verified if row["choices"] == found["choices"]]
    assert same["metrics"] != found["metrics"]


def test_where_a_proxy_is_not_sure_the_true_models_are_asked(
    trained: tuple[Path, ModelCard], tmp_path: Path
) -> None:
    folder, _ = trained
    words = ["run", "resnet18-asic", "--agent", "random", "--budget", "80", "--seed", "9"]
    words += [
        "--proxy",
        str(folder / "proxy.npz"),
        "--trust",
        "1.0",
        "--out",
        str(tmp_path),
        "--json",
    ]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    with Store(tmp_path / STORE_NAME) as store:
        [record] = store.records()
    evaluation = record.evaluation
    asked = evaluation.metrics["by_true_model"] == 1
    assert 0 < asked.sum() < len(asked)
    asked_of = len(np.unique(evaluation.designs[asked], axis=0))
    assert summary["true_evaluations"] == asked_of + len(summary["verified"])
    truth = PROBLEM.measure(evaluation.designs)
    for name in ("energy_uj", "latency_ms"):
        gap = np.abs(evaluation.metrics[name] / truth[name] - 1)
        assert gap[asked].max() < 1e-12
        assert gap[~asked].max() > 1e-3
    assert "--trust 1.0" in record.command
    assert "Figures are those of a proxy" in (tmp_path / "report.html").read_text()
    again = CliRunner().invoke(app, words)
    assert json.loads(again.stdout)["best"] == summary["best"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--trust", "0.1"], "trust is for searches with a proxy"),
        (["--trust", "-1", "--proxy", "p"], "trust must be a share of at least 0, got -1"),
        (["--trust", "inf", "--proxy", "{proxy}"], "trust must be a share of at least 0, got inf"),
        (["--trust", "nan", "--proxy", "{proxy}"], "trust must be a share of at least 0, got nan"),
    ],
)
def test_bad_trust(trained: tuple[Path, ModelCard], words: list[str], says: str) -> None:
    given = [word.format(proxy=trained[0] / "proxy.npz") for word in words]
    result = CliRunner().invoke(app, ["run", "resnet18-asic", "--budget", "5", *given])
    assert result.exit_code == 2, result.output
    assert says in " ".join(result.stderr.replace("│", "").split())


def test_a_file_is_a_cost_model(trained: tuple[Path, ModelCard], tmp_path: Path) -> None:
    path = trained[0] / "proxy.npz"
    problem = make_problem("resnet18-asic", cost_model=path)
    designs = fresh(5)
    wanted = LearnedCostModel.load(path).compute(designs)
    assert np.array_equal(problem.measure(designs).values_matrix, wanted.values_matrix)
    with pytest.raises(InputError, match="there is no proxy"):
        make_problem("resnet18-asic", cost_model=str(tmp_path / "none.npz"))
    with pytest.raises(InputError, match="trained on 'resnet18-asic', not on 'mobilenetv2-asic'"):
        make_problem("mobilenetv2-asic", cost_model=path)


def test_a_run_is_not_mixed_with_that_of_another_proxy(
    trained: tuple[Path, ModelCard], tmp_path: Path
) -> None:
    folder, _ = trained
    shutil.copy(folder / "proxy.npz", tmp_path / "proxy.npz")
    config = RunConfig("resnet18-asic", "random", 30, proxy=str(tmp_path / "proxy.npz"))
    first = run(config, tmp_path)
    assert np.array_equal(run(config, tmp_path).rewards, first.rewards)
    train_proxy([folder / STORE_NAME], tmp_path / "proxy.npz", seed=1, model="random-forest")
    with pytest.raises(InputError, match="this run with another content of"):
        run(config, tmp_path)


def test_the_space_of_a_proxy_is_that_of_its_data(trained: tuple[Path, ModelCard]) -> None:
    model = load_proxy(trained[0] / "proxy.npz", PROBLEM)
    space: SearchSpace = model.space
    assert space == PROBLEM.space
    problem: DesignProblem = make_problem("resnet18-asic", cost_model=model)
    assert problem.evaluate(fresh(3)).objectives.shape == (3, 3)


# -- tables -----------------------------------------------------------------------------------


def written(path: Path, n: int = 60, unit: str = "ms") -> Path:
    rng = np.random.default_rng(0)
    tile, layout = rng.integers(1, 20, n), rng.choice(["row", "col"], n)
    time = tile * np.where(layout == "row", 1.0, 2.0) + 0.01 * rng.random(n)
    lines = [f"{t},{o},{x}" for t, o, x in zip(tile, layout, time, strict=True)]
    path.write_text("\n".join([f"tile,layout,time [{unit}]", *lines]) + "\n")
    return path


def test_a_table_from_the_command_line(tmp_path: Path) -> None:
    table, out = written(tmp_path / "t.csv"), tmp_path / "p.npz"
    words = ["train-proxy", str(table), "--target", "time", "--method", "random-forest"]
    result = CliRunner().invoke(app, [*words, "--out", str(out), "--json"])
    assert result.exit_code == 0, result.output
    card = json.loads(result.stdout)
    assert (card["rows"], card["test_rows"], card["ordered_by"]) == (60, 12, "time")
    wanted = {"rmse_pct", "mape_pct", "r2", "kendall_tau", "coverage_50_pct", "coverage_90_pct"}
    assert wanted < set(card["metrics"]["time"])
    assert wanted < set(card["extrapolation"]["time"])
    assert card["extrapolation"]["time"]["mape_pct"] > card["metrics"]["time"]["mape_pct"]
    assert [point["rows"] for point in card["learning_curve"]["time"]] == [48]
    mean, _ = LearnedCostModel.load(out).predict({"tile": [10], "layout": ["col"]})
    assert mean[0] == pytest.approx(20, rel=0.2)
    readable = CliRunner().invoke(app, [*words, "--out", str(out)])
    assert "learning curve" in readable.stdout


def test_bad_tables_from_the_command_line(tmp_path: Path) -> None:
    table, other = written(tmp_path / "a.csv"), written(tmp_path / "b.csv", unit="us")
    few = written(tmp_path / "few.csv", 20)
    gap = tmp_path / "gap.csv"
    gap.write_text(table.read_text() + "7,row,\n")
    each = tmp_path / "each.csv"
    each.write_text("tile,layout,time\n" + "".join(f"{i},l{i},{i + 1}\n" for i in range(40)))
    for words, fault in (
        ([str(table)], "needs --target"),
        ([str(table), str(other), "--target", "time"], "column 'time' has the unit us in"),
        ([str(few), "--target", "time"], "at least 25 rows, the table has 20"),
        ([str(gap), "--target", "time"], "1 of 61 rows have no finite value"),
        ([str(table), str(tmp_path), "--target", "time"], "either tables or stores"),
        ([str(each), "--target", "time"], "column 'layout' has another text in each row"),
    ):
        result = CliRunner().invoke(app, ["train-proxy", *words])
        assert result.exit_code == 2, result.output
        assert fault in " ".join(result.stderr.split())
    card = train_proxy([gap], tmp_path / "p.npz", 0, "time", model="gp", drop_missing=True)
    assert (card.rows, card.left_out) == (60, 1)
