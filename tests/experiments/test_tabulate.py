"""Every design of a problem: all of them, once, whatever happens; and what is shipped."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import codesign_gym.experiments.tabulate as module
from codesign_gym.envs import make_problem
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.reference import reference
from codesign_gym.experiments.runner import problem_of
from codesign_gym.experiments.tabulate import distinct, tabulate
from codesign_gym.experiments.truth import Truth, key_of, known_truth
from codesign_gym.search.pareto import nondominated
from codesign_gym.search_spaces import InputError, make_space

SHIPPED = sorted(path.stem for path in (Path(module.__file__).parent / "tabulated").glob("*.json"))
PLUG_IN = """
import os, time
import numpy as np
from codesign_gym.cost_models import CostModel, Metric, Metrics
from codesign_gym.envs import DesignProblem, Spec
from codesign_gym.envs.rewards import WeightedProduct
from codesign_gym.search_spaces import Categorical, Condition, Ordinal, SearchSpace

SPACE = SearchSpace("s", (
    Ordinal("a", tuple(range(1, 41))), Ordinal("b", tuple(range(1, 41))),
    Categorical("c", ("x", "y")), Ordinal("d", (1, 2, 3), active_when=[Condition("c", ("x",))]),
))

class Model(CostModel):
    name, space, source = "slow", SPACE, "made up"
    metrics = (Metric("cost_usd", "USD", "min"), Metric("speed_hz", "Hz", "max"))

    def compute(self, designs):
        time.sleep(float(os.environ.get("SLEEP", "0")))
        a, b, c, d = (designs[:, j].astype(float) + 1 for j in range(4))
        values = np.stack([a * a + b + d, a * np.sqrt(b) + c], axis=1)
        return Metrics(self.metrics, values, {"a is b": a == b})

def problem():
    return DesignProblem(
        "plug-in", SPACE, (Model(),), ("cost_usd", "speed_hz"), (Spec("cost_usd", "<=", 800.0),),
        WeightedProduct({"cost_usd": -1.0, "speed_hz": 1.0}, {"cost_usd": 1.0, "speed_hz": 1.0}),
    )
"""
CONFIG = RunConfig("all_plug_in:problem", agent="")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a problem of one's own in it, in blocks of 100 designs."""
    (tmp_path / "all_plug_in.py").write_text(PLUG_IN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(module, "BLOCK", 100)
    return tmp_path


def reward_of(truth: Truth) -> tuple[float, float]:
    """The best reward of a feasible design, and the median one."""
    found = truth.optima["reward"]
    return found["value"], found["median"]


def test_distinct_designs_are_the_enumerated_ones() -> None:
    space = make_space("heterogeneous-accelerator")
    if space.size > 1_000_000:
        space = make_space("cell-network")
    np.testing.assert_array_equal(space.unravel(distinct(space)), space.enumerate())


def test_the_truth_is_that_of_all_designs(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    truth = tabulate(CONFIG, folder / "out", progress=lambda *done: seen.append(done))
    problem = make_problem("all_plug_in:problem")
    evaluation = problem.evaluate(problem.space.enumerate())
    rewards = problem.reward(evaluation)
    assert truth.designs == len(evaluation) == 40 * 40 * 4
    assert truth.valid == 39 * 40 * 4
    assert truth.feasible == evaluation.feasible.sum()
    assert truth.optima["reward"]["value"] == rewards[evaluation.feasible].max()
    assert truth.optima["reward"]["median"] == np.median(rewards[evaluation.feasible])
    cheapest = evaluation.metrics["cost_usd"][evaluation.feasible].min()
    assert truth.optima["cost_usd"]["value"] == cheapest
    again = problem.evaluate([truth.optima["speed_hz"]["choices"]])
    assert again.metrics["speed_hz"][0] == truth.optima["speed_hz"]["value"]
    front = nondominated(evaluation)
    assert truth.front_choices == evaluation.designs[front].tolist()
    assert seen[0] == (0, 6400)
    assert seen[-1] == (6400, 6400)
    with np.load(folder / "out" / "table.npz") as table:
        np.testing.assert_array_equal(table["positions"], distinct(problem.space))
        np.testing.assert_allclose(table["cost_usd"], evaluation.metrics["cost_usd"], rtol=1e-6)
    assert truth.hypervolume_share(evaluation.objectives[front]) == pytest.approx(1)
    half = truth.hypervolume_share(evaluation.objectives[front[::7]])
    assert 0 < half < 1
    assert truth.hypervolume_share(evaluation.objectives[:0]) == 0
    assert truth.regret(
        np.array([truth.optima["reward"]["value"], truth.optima["reward"]["median"]])
    ).tolist() == [0, 1]
    for metric in problem.objectives:  # of the feasible designs alone: specs cut the best off
        column = evaluation.metrics[metric.name][evaluation.feasible]
        regrets = truth.regret(column, metric.name)
        assert regrets.min() == 0
        assert np.median(regrets) == pytest.approx(1)
        worse = metric.sign * column > metric.sign * np.median(column)
        assert ((regrets > 1) == worse).all()


def test_processes_change_nothing(folder: Path) -> None:
    one = tabulate(CONFIG, folder / "one")
    two = tabulate(CONFIG, folder / "two", jobs=2)
    first, second = dataclasses.asdict(one), dataclasses.asdict(two)
    first.pop("provenance")
    second.pop("provenance")
    assert first == second


def test_what_was_done_is_not_done_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tabulate(CONFIG, folder / "out")
    (folder / "out" / "block-00003.npz").unlink()
    made: list[str] = []
    evaluate = module._evaluate_block

    def spy(config: RunConfig, positions: object, path: Path) -> None:
        made.append(path.name)
        evaluate(config, positions, path)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(module, "_evaluate_block", spy)
    assert tabulate(CONFIG, folder / "out").front == whole.front
    assert made == ["block-00003.npz"]
    tabulate(CONFIG, folder / "out", fresh=True)
    assert len(made) == 1 + 64


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"\x00" * 300])
def test_a_damaged_block_is_named(folder: Path, content: bytes) -> None:
    whole = tabulate(CONFIG, folder / "out")
    block = folder / "out" / "block-00003.npz"
    block.write_bytes(content)
    done = CliRunner().invoke(app, ["tabulate", "all_plug_in:problem", "--out", "out"])
    assert done.exit_code == 2, done.output
    assert "block-00003.npz is damaged: delete it" in done.output.replace("\n", " ")
    block.unlink()
    assert tabulate(CONFIG, folder / "out").front == whole.front


def test_killed_at_any_moment_it_goes_on(folder: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "import codesign_gym.experiments.tabulate as module\n"
        "from codesign_gym.experiments.record import RunConfig\n"
        "module.BLOCK = 100\n"
        "module.tabulate(RunConfig('all_plug_in:problem', agent=''), Path('out'))\n"
    )
    environment = os.environ | {"SLEEP": "0.02", "PYTHONPATH": f"{folder}:{_pythonpath()}"}
    for blocks in (5, 20):
        process = subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=environment)
        deadline = time.monotonic() + 60
        while len(list(folder.glob("out/block-*.npz"))) < blocks and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(list(folder.glob("out/block-*.npz"))) >= blocks
    resumed = tabulate(CONFIG, folder / "out")
    assert resumed.front == tabulate(CONFIG, folder / "undisturbed").front


def _pythonpath() -> str:
    return os.environ.get("PYTHONPATH", "")


def test_mistakes_are_told(folder: Path) -> None:
    with pytest.raises(InputError, match=r"at most 50,000,000 points, the space has 2,531,725,875"):
        tabulate(RunConfig("mnist1d-asic", agent=""), folder / "out")
    tabulate(CONFIG, folder / "out")
    other = dataclasses.replace(CONFIG, specs=("cost_usd<=700",))
    with pytest.raises(InputError, match="another problem"):
        tabulate(other, folder / "out")
    with pytest.raises(InputError, match="none of its designs is feasible"):
        tabulate(dataclasses.replace(CONFIG, specs=("cost_usd<=1",)), folder / "none")
    (folder / "x.json").write_text("{}")
    with pytest.raises(InputError, match=r"x\.json is not a tabulation's summary"):
        Truth.load(folder / "x.json")
    (folder / "new.json").write_text('{"format": 99}')
    with pytest.raises(InputError, match="newer"):
        Truth.load(folder / "new.json")


def test_the_command(folder: Path) -> None:
    done = CliRunner().invoke(app, ["tabulate", "all_plug_in:problem", "--json"])
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert data["designs"] == 6400
    path = Path(data["truth"])
    assert Truth.load(path).front == data["front"]
    text = CliRunner().invoke(app, ["tabulate", "all_plug_in:problem"]).stdout
    assert "6,400 designs" in text
    assert "optimum of" in text


def test_some_truths_are_shipped() -> None:
    assert {"resnet18-asic", "mobilenetv2-asic"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_truths_are_those_of_todays_code(name: str) -> None:
    problem = make_problem(name)
    truth = known_truth(problem)
    assert truth is not None, f"run codesign tabulate {name} again"
    assert truth.key == key_of(problem)
    best = problem.evaluate([truth.optima["reward"]["choices"]])
    assert problem.reward(best)[0] == pytest.approx(truth.optima["reward"]["value"], rel=1e-9)
    for known in truth.optima.values():
        assert known["median"] != known["value"]
    rng = np.random.default_rng(0)
    some = rng.choice(len(truth.front), size=min(len(truth.front), 100), replace=False)
    front = problem.evaluate(np.array(truth.front_choices)[some])
    signs = [metric.sign for metric in problem.objectives]
    np.testing.assert_allclose(front.objectives * signs, np.array(truth.front)[some], rtol=1e-9)
    sample = problem.evaluate(problem.space.sample(100, rng))
    assert (
        problem.reward(sample)[sample.feasible] <= truth.optima["reward"]["value"] * (1 + 1e-9)
    ).all()
    own = np.array(truth.front) * signs
    for row in sample.objectives[sample.feasible]:
        assert (own <= row + 1e-9 * np.abs(row)).all(axis=1).any()  # dominated or on the front


def test_other_specs_have_no_known_truth() -> None:
    assert known_truth(make_problem("resnet18-asic", specs="area_mm2<=1.5")) is None
    assert known_truth(make_problem("mnist1d-asic")) is None


def test_compare_states_regret_against_the_truth(folder: Path) -> None:
    words = ["compare", "resnet18-asic", "--agents", "random", "--seeds", "2", "--budget", "50"]
    row = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)["agents"][0]
    assert 0 <= row["regret"] < 2
    assert 0 <= row["front %"] <= 100


def test_local_search_comes_near_the_truth(folder: Path) -> None:
    whole = tabulate(CONFIG, folder / "all")
    seen: list[tuple[int, int]] = []
    found = reference(CONFIG, folder / "some", starts=40, progress=lambda *done: seen.append(done))
    assert seen[-1] == (280, 280)  # by the reward, by each of two objectives, by four weightings
    assert found.key == whole.key
    assert found.optima["reward"]["value"] == pytest.approx(whole.optima["reward"]["value"])
    assert found.optima["reward"]["median"] == pytest.approx(
        whole.optima["reward"]["median"], rel=0.1
    )
    for name in ("cost_usd", "speed_hz"):
        assert found.optima[name]["value"] == pytest.approx(whole.optima[name]["value"])
    problem = problem_of(CONFIG)
    signs = [metric.sign for metric in problem.objectives]
    assert 0.97 < whole.hypervolume_share(np.array(found.front) * signs) <= 1
    assert Truth.load(folder / "some" / "truth.json").front == found.front
    again = reference(CONFIG, folder / "again", starts=40)
    assert again.front_choices == found.front_choices
    with pytest.raises(InputError, match="none of its designs is feasible"):
        reference(dataclasses.replace(CONFIG, specs=("cost_usd<=1",)), folder / "none")


def test_the_command_climbs_where_designs_are_too_many(folder: Path) -> None:
    words = ["tabulate", "synthetic-12x8", "--starts", "3", "--out", "out", "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert data["provenance"]["reference"] == "local search from 3 starts"
    truth = known_truth(make_problem("synthetic-12x8"))
    assert truth is not None
    assert (
        truth.optima["reward"]["median"]
        < data["optima"]["reward"]["value"]
        <= truth.optima["reward"]["value"]
    )
