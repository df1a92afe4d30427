"""The store gives back what was put in, to one writer and many readers, or says why not."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codesign_gym.cost_models import Metric, Metrics
from codesign_gym.envs import DesignProblem, Evaluation, Spec
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.store import SCHEMA_VERSION, Store, run_id
from codesign_gym.experiments.testing import synthetic_problem
from codesign_gym.search_spaces import InputError

PROBLEM = synthetic_problem("conditional")
CONFIG = RunConfig("synthetic", "random", 100, 3, {"size": 4, "name": "é"}, ("time_ms<=3",))


def evaluation_of(n: int, seed: int = 0) -> Evaluation:
    """Designs of which some are invalid, for two reasons, and one is infinitely slow."""
    designs = PROBLEM.space.sample(n, np.random.default_rng(seed))
    values = PROBLEM.measure(designs).values_matrix.copy()
    values[0, 0] = np.inf
    broken, odd = np.zeros((2, n), dtype=np.bool_)
    broken[2::5], odd[4::10] = True, True
    metrics = Metrics(PROBLEM.metrics, values, {"no power; no light": broken, "odd": odd})
    return PROBLEM.assess(designs, metrics)


def rewards_of(evaluation: Evaluation) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.arange(len(evaluation)) / 7


def fill(path: Path, n: int = 40) -> Evaluation:
    evaluation = evaluation_of(n)
    with Store(path, write=True) as store:
        key = store.begin(CONFIG, PROBLEM, "codesign run", {"git": "abc"})
        store.append(key, evaluation.take(slice(25)), rewards_of(evaluation)[:25])
        store.append(key, evaluation.take(slice(25, None)), rewards_of(evaluation)[25:])
    return evaluation


def read(path: Path) -> list[RunRecord]:
    with Store(path) as store:
        return store.records()


def same(record: RunRecord, evaluation: Evaluation) -> bool:
    found = record.evaluation
    return (
        np.array_equal(found.designs, evaluation.designs)
        and np.array_equal(found.metrics.values_matrix, evaluation.metrics.values_matrix)
        and np.array_equal(found.metrics.valid, evaluation.metrics.valid)
        and np.array_equal(found.objectives, evaluation.objectives)
        and np.array_equal(found.violations, evaluation.violations)
        and np.array_equal(record.rewards, rewards_of(evaluation))
        and record.config == CONFIG
        and record.space == PROBLEM.space
        and record.objectives == PROBLEM.objectives
        and record.specs == PROBLEM.specs
        and record.command == "codesign run"
        and record.info["git"] == "abc"
    )


def test_everything_comes_back(tmp_path: Path) -> None:
    evaluation = fill(tmp_path / "s")
    [record] = read(tmp_path / "s")
    assert same(record, evaluation)
    assert not record.finished
    reasons = [record.evaluation.metrics.reason(i) for i in range(5)]
    assert reasons == ["", "", "no power; no light", "", "odd"]
    assert np.isinf(record.evaluation.metrics["time_ms"][[0, 2, 4]]).all()
    assert record.best == 39
    assert record.best == record.ranking[0]
    assert record.evaluation.feasible[record.pareto].all()


def test_a_store_at_rest_is_one_file_beside_its_lock(tmp_path: Path) -> None:
    fill(tmp_path / "s")
    read(tmp_path / "s")
    assert {path.name for path in tmp_path.iterdir()} <= {"s", "s.lock"}


def test_finish_and_order_of_runs(tmp_path: Path) -> None:
    first, second, third = (replace(CONFIG, seed=seed) for seed in (9, 1, 5))
    evaluation = evaluation_of(3)
    with Store(tmp_path / "s", write=True) as store:
        keys = [store.begin(c, PROBLEM, "", {}) for c in (first, second, third)]
        assert store.read(keys[1]) is None
        store.append(keys[0], evaluation, rewards_of(evaluation))
        store.append(keys[2], evaluation, rewards_of(evaluation))
        store.finish(keys[2])
        assert store.begin(second, PROBLEM, "other command", {}) == keys[1]
        assert store.run_ids() == keys
        assert [(r.config.seed, r.finished) for r in store.records()] == [(9, False), (5, True)]
        with pytest.raises(InputError, match="no run 'nothing'"):
            store.read("nothing")


def test_equal_configurations_are_one_run() -> None:
    assert run_id(CONFIG) == run_id(replace(CONFIG, options={"name": "é", "size": 4}))
    others = [
        replace(CONFIG, seed=4),
        replace(CONFIG, budget=101),
        replace(CONFIG, options={"size": 5}),
        replace(CONFIG, specs=None),
        replace(CONFIG, specs=()),
        replace(CONFIG, proxy="p"),
        replace(CONFIG, agent="r"),
        replace(CONFIG, problem="p"),
    ]
    assert len({run_id(config) for config in [CONFIG, *others]}) == 9


def test_rewards_that_are_no_number_are_a_defect(tmp_path: Path) -> None:
    evaluation = evaluation_of(3)
    with Store(tmp_path / "s", write=True) as store:
        key = store.begin(CONFIG, PROBLEM, "", {})
        with pytest.raises(ValueError, match="reward of design 1 is NaN"):
            store.append(key, evaluation, np.array([0.0, np.nan, 1.0]))
        assert store.read(key) is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"specs": (Spec("time_ms", "<=", 9.0),)}, "other specs than"),
        ({"objective_names": ("time_ms",)}, "other objectives than"),
        ({"models": ()}, "other metrics and objectives than"),
    ],
)
def test_a_run_of_a_problem_that_changed_is_refused(
    tmp_path: Path, change: dict[str, object], named: str
) -> None:
    evaluation = fill(tmp_path / "s")
    changed = PROBLEM
    if "models" in change:

        class Renamed(type(PROBLEM.models[0])):  # type: ignore[misc]
            metrics = (replace(PROBLEM.metrics[0], unit="s"), PROBLEM.metrics[1])

        changed = replace(PROBLEM, models=(Renamed(PROBLEM.space),))
    else:
        changed = replace(PROBLEM, **change)  # type: ignore[arg-type]
    with (
        Store(tmp_path / "s", write=True) as store,
        pytest.raises(InputError, match=f"has this run of 'synthetic' with {named}"),
    ):
        store.begin(CONFIG, changed, "", {})
    assert same(read(tmp_path / "s")[0], evaluation)


# -- writers and readers ----------------------------------------------------------------------


def test_a_second_writer_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "s"
    code = (
        "import sys, time; from pathlib import Path\n"
        "from codesign_gym.experiments.store import Store\n"
        "from codesign_gym.search_spaces import InputError\n"
        "start = time.perf_counter()\n"
        "try:\n    Store(Path(sys.argv[1]), write=True)\n"
        "except InputError as error:\n"
        "    assert time.perf_counter() - start < 2\n    print(error)\n"
    )
    with Store(path, write=True):
        with pytest.raises(InputError, match="in use by another process"):
            Store(path, write=True)
        there = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
        )
        assert there.stdout.strip() == f"store {path} is in use by another process"
    with Store(path, write=True) as store:  # the lock is given up
        assert store.run_ids() == []


def test_a_reader_while_a_writer_writes_sees_whole_batches(tmp_path: Path) -> None:
    path, batch, batches = tmp_path / "s", 7, 60
    evaluation = evaluation_of(batch)
    started, seen = threading.Event(), set()

    def write() -> None:
        with Store(path, write=True) as store:
            key = store.begin(CONFIG, PROBLEM, "", {})
            for _ in range(batches):
                store.append(key, evaluation, rewards_of(evaluation))
                started.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert started.wait(10)
    while writer.is_alive():
        [record] = read(path)
        seen.add(len(record.evaluation))
    writer.join()
    assert all(n % batch == 0 for n in seen)
    assert len(read(path)[0].evaluation) == batch * batches


def test_a_log_left_by_a_killed_writer_is_read(tmp_path: Path) -> None:
    evaluation = evaluation_of(10)
    with Store(tmp_path / "s", write=True) as store:
        key = store.begin(CONFIG, PROBLEM, "codesign run", {"git": "abc"})
        store.append(key, evaluation, rewards_of(evaluation))
        for name in ("s", "s-wal"):  # what a kill would leave: the file, and the log beside it
            (tmp_path / f"killed-{name}").write_bytes((tmp_path / name).read_bytes())
    assert (tmp_path / "killed-s-wal").stat().st_size > 0
    (tmp_path / "killed-s-wal").rename(tmp_path / "killed-s-wal.aside")
    (tmp_path / "killed-s-wal.aside").rename(tmp_path / "killed-s-wal")
    assert same(read(tmp_path / "killed-s")[0], evaluation)
    with Store(tmp_path / "killed-s", write=True) as store:
        assert store.run_ids() == [key]
    assert same(read(tmp_path / "killed-s")[0], evaluation)


# -- files that are not stores ----------------------------------------------------------------


def refused(path: Path, text: str) -> None:
    before = path.read_bytes()
    for write in (False, True):
        with pytest.raises(InputError, match=text):
            Store(path, write=write)
        assert path.read_bytes() == before
    beside = {other.name for other in path.parent.iterdir()}
    assert beside <= {path.name, f"{path.name}.lock"}


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no store"):
        Store(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="there is no store"):
        Store(tmp_path / "folder")
    with pytest.raises(InputError, match="cannot read"):
        Store(tmp_path / "folder", write=True)


def test_a_path_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="cannot write the store"):
        Store(tmp_path / "file" / "s", write=True)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("content", [b"x", b"not a database", b"SQLite format 3\0", bytes(5000)])
def test_not_a_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s").write_bytes(content)
    refused(tmp_path / "s", "is not a store of codesign-gym: not touched")


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "s").touch()
    with pytest.raises(InputError, match="is not a store"):
        Store(tmp_path / "s")
    evaluation = fill(tmp_path / "s")
    assert same(read(tmp_path / "s")[0], evaluation)


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
@pytest.mark.parametrize("schema", ["CREATE TABLE t (x)", "CREATE TABLE runs (id)", ""])
def test_somebody_elses_database(tmp_path: Path, journal: str, schema: str) -> None:
    connection = sqlite3.connect(tmp_path / "s")
    connection.executescript(f"PRAGMA journal_mode = {journal}; PRAGMA user_version = 1; {schema}")
    connection.close()
    refused(tmp_path / "s", "is not a store of codesign-gym: not touched")


def test_a_newer_version(tmp_path: Path) -> None:
    fill(tmp_path / "s")
    connection = sqlite3.connect(tmp_path / "s")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    refused(tmp_path / "s", f"newer codesign-gym .*{SCHEMA_VERSION + 1}.*not touched")


# -- damage -----------------------------------------------------------------------------------


def damaged(
    path: Path, original: Evaluation, content: bytes, write: bool, use: Callable[[Store], object]
) -> bool:
    """Whether damage is refused; where it is not, nothing may read differently."""
    path.write_bytes(content)
    try:
        with Store(path, write=write) as store:
            use(store)
            [record] = store.records()
    except InputError:
        assert path.read_bytes() == content
        return True
    assert same(record, original)
    return False


def nothing(store: Store) -> None:
    """Only open and read."""


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    evaluation = fill(tmp_path / "s")
    whole = (tmp_path / "s").read_bytes()
    rng = np.random.default_rng(0)
    cuts = {1, 16, 99, 100, 4096, len(whole) - 1, *rng.integers(1, len(whole), 60).tolist()}
    for cut in sorted(cuts):
        for write in (False, True):
            assert damaged(tmp_path / "t", evaluation, whole[:cut], write, nothing), cut


def test_flipped_bits_are_refused_or_without_effect(tmp_path: Path) -> None:
    evaluation = fill(tmp_path / "s")
    whole = (tmp_path / "s").read_bytes()
    rng = np.random.default_rng(0)
    refusals = 0
    for position in [*range(100), *rng.integers(100, len(whole), 300).tolist()]:
        flipped = bytearray(whole)
        flipped[position] ^= 1 << int(rng.integers(8))
        refusals += damaged(tmp_path / "t", evaluation, bytes(flipped), False, nothing)
    assert refusals > 100


def test_every_figure_is_under_a_checksum(tmp_path: Path) -> None:
    """A byte changed in the middle of a design, of metrics, of a text: never read as something."""
    evaluation = fill(tmp_path / "s")
    whole = (tmp_path / "s").read_bytes()
    row = evaluation.metrics.values_matrix[7].tobytes()
    places = [whole.index(row) + 3, whole.index(b"no power"), whole.index(b'"cached"') + 2]
    for place in places:
        flipped = bytearray(whole)
        flipped[place] ^= 1
        for write in (False, True):
            assert damaged(tmp_path / "t", evaluation, bytes(flipped), write, nothing)


def test_missing_rows_are_noticed(tmp_path: Path) -> None:
    fill(tmp_path / "s")
    connection = sqlite3.connect(tmp_path / "s")
    connection.execute("DELETE FROM evaluations WHERE step = 11")
    connection.commit()
    connection.close()
    with pytest.raises(InputError, match=r"damaged .*a checksum or a step is wrong"):
        read(tmp_path / "s")


def test_many_small_batches_stay_fast(tmp_path: Path) -> None:
    """The cost of a batch does not grow with the run: no statement walks over earlier rows."""
    fill(tmp_path / "s")
    connection = sqlite3.connect(tmp_path / "s")
    statement = "SELECT ifnull(max(step) + 1, 0) FROM evaluations WHERE run = 'x'"
    program = connection.execute(f"EXPLAIN {statement}").fetchall()
    connection.close()
    assert any("Seek" in row[1] for row in program)
    assert "Next" not in {row[1] for row in program}


def test_the_problem_is_not_needed_to_read(tmp_path: Path) -> None:
    other = DesignProblem("mine", PROBLEM.space, PROBLEM.models, ("time_ms",), (), PROBLEM.reward)
    evaluation = other.evaluate(PROBLEM.space.sample(5, np.random.default_rng(0)))
    with Store(tmp_path / "s", write=True) as store:
        key = store.begin(RunConfig("mine", "random"), other, "", {})
        store.append(key, evaluation, other.reward(evaluation))
    [record] = read(tmp_path / "s")
    assert record.objectives == (Metric("time_ms", "ms", "min"),)
    assert record.specs == ()
    assert record.evaluation.violations.shape == (5, 0)


HALF_DONE = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 2")  # so small that changes reach the file at once
connection.execute("BEGIN IMMEDIATE")
for _ in range(50):
    connection.execute("UPDATE evaluations SET reason = hex(zeroblob(2000))")
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("write", [False, True])
def test_a_writer_killed_between_two_kinds_of_log(tmp_path: Path, write: bool) -> None:
    """What it left half done is undone by whoever opens the store next, a reader too."""
    evaluation = fill(tmp_path / "s")
    subprocess.run([sys.executable, "-c", HALF_DONE, str(tmp_path / "s")], check=False)
    assert (tmp_path / "s-journal").stat().st_size
    with Store(tmp_path / "s", write=write) as store:
        assert same(store.records()[0], evaluation)
    assert same(read(tmp_path / "s")[0], evaluation)
