"""A run killed at any moment loses nothing that was acknowledged, and resumes as if never killed.

An evaluation is acknowledged once the agent is told of it, or once a reader has seen it: from then
on it must stay, exactly once, at its step.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.runner import STORE_NAME, run
from codesign_gym.experiments.store import Store
from codesign_gym.search_spaces import InputError

PROBLEM = "resnet18-asic"
CLI = [sys.executable, "-c", "from codesign_gym.experiments.cli import main; main()"]

PLUG_IN = '''
import os, time
from pathlib import Path
from codesign_gym.search.agents import RegularizedEvolution

class Slow(RegularizedEvolution):
    """Takes its time, and writes down how many evaluations it has been told of."""
    batch_size = 3
    told = 0

    def ask(self, n):
        time.sleep(float(os.environ["SLEEP"]))
        return super().ask(n)

    def tell(self, designs, evaluation):
        super().tell(designs, evaluation)
        self.told += len(designs)
        with open("told", "a") as file:
            file.write(f"{self.told}\\n")
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "slow_plug_in.py").write_text(PLUG_IN)
    return tmp_path


def start(folder: Path, agent: str, budget: int, *more: str, sleep: float = 0.004) -> Running:
    words = ["run", PROBLEM, "--agent", agent, "--budget", str(budget), "--out", "out", "--json"]
    return subprocess.Popen(
        [*CLI, *words, *more],
        cwd=folder,
        env=os.environ | {"SLEEP": str(sleep), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores Ctrl-C, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


Running = subprocess.Popen[str]


def wait_until(condition: Callable[[], bool], process: Running) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.002)


def stored(folder: Path) -> RunRecord | None:
    """The run as a reader sees it, if it has begun."""
    try:
        with Store(folder / "out" / STORE_NAME) as store:
            records = store.records()
    except InputError as error:
        assert "there is no store" in str(error)  # noqa: PT017 - anything else is damage
        return None
    return records[0] if records else None


def designs_of(record: RunRecord | None) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    return np.empty((0, 8), np.int32) if record is None else record.evaluation.designs


def steps(folder: Path) -> list[int]:
    """The steps as they stand in the file, read by SQLite alone."""
    uri = f"{(folder / 'out' / STORE_NAME).as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        rows = connection.execute("SELECT step FROM evaluations ORDER BY run, step").fetchall()
    return [step for (step,) in rows]


def told(folder: Path) -> int:
    """The most evaluations that an agent was ever told of."""
    path = folder / "told"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return max((int(line) for line in lines if line.endswith("\n")), default=0)


def told_more_than(folder: Path, number: int) -> bool:
    return told(folder) > number


def kill(process: Running) -> None:
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def finish(folder: Path, agent: str, budget: int, *more: str) -> RunRecord:
    process = start(folder, agent, budget, *more, sleep=0)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    summary = json.loads(out)
    assert summary["finished"]
    assert summary["evaluations"] == budget
    record = stored(folder)
    assert record is not None
    return record


def same(a: RunRecord, b: RunRecord) -> bool:
    return (
        np.array_equal(a.evaluation.designs, b.evaluation.designs)
        and np.array_equal(a.evaluation.metrics.values_matrix, b.evaluation.metrics.values_matrix)
        and np.array_equal(a.rewards, b.rewards)
    )


def test_repeated_kills_lose_nothing(folder: Path) -> None:
    """Killed again and again, in the middle of resumes too, until nothing is left to do."""
    budget, rng = 400, np.random.default_rng(0)
    seen = designs_of(None)
    for attempt in range(6):
        process = start(folder, "slow_plug_in:Slow", budget)
        if attempt == 2:  # while it reads what there is
            wait_until(lambda: (folder / "out" / f"{STORE_NAME}.lock").exists(), process)
        else:
            wait_until(partial(told_more_than, folder, told(folder)), process)
        time.sleep(rng.uniform(0, 0.15))
        watched = designs_of(stored(folder))
        kill(process)
        acknowledged = told(folder)
        now = designs_of(stored(folder))
        assert steps(folder) == list(range(len(now)))
        assert len(now) >= max(len(watched), acknowledged)
        assert len(now) <= acknowledged + 3  # at most the batch that was about to be told
        assert np.array_equal(now[: len(watched)], watched)
        assert np.array_equal(now[: len(seen)], seen)
        seen = now
    assert 0 < len(seen) < budget
    final = finish(folder, "slow_plug_in:Slow", budget)
    assert np.array_equal(final.evaluation.designs[: len(seen)], seen)
    (folder / "undisturbed").mkdir()
    (folder / "slow_plug_in.py").rename(folder / "undisturbed" / "slow_plug_in.py")
    assert same(final, finish(folder / "undisturbed", "slow_plug_in:Slow", budget))


@pytest.mark.parametrize(
    ("agent", "budget", "options", "kills"),
    [
        ("regularized-evolution", 3000, {}, 2),
        ("optuna", 150, {}, 2),
        ("ppo", 600, {"num_envs": 8}, 1),
        ("nsga2", 15_000, {}, 2),
    ],
)
def test_real_agents(
    folder: Path, agent: str, budget: int, options: dict[str, int], kills: int
) -> None:
    rng = np.random.default_rng(budget)
    flags = [word for name, value in options.items() for word in ("--set", f"{name}={value}")]
    watched = designs_of(None)
    for _ in range(kills):
        process = start(folder, agent, budget, *flags)
        before = len(watched)

        def further(before: int = before) -> bool:
            nonlocal watched
            watched = designs_of(stored(folder))
            return len(watched) > before

        wait_until(further, process)
        time.sleep(rng.uniform(0, 0.05))
        kill(process)
        now = designs_of(stored(folder))
        assert steps(folder) == list(range(len(now)))
        assert np.array_equal(now[: len(watched)], watched)
        watched = now
    assert len(watched) < budget, "the run was over before it was killed: raise the budget"
    final = finish(folder, agent, budget, *flags)
    config = RunConfig(PROBLEM, agent, budget, options=options)
    assert same(final, run(config, folder / "undisturbed"))


def test_ctrl_c_leaves_a_run_to_continue(folder: Path) -> None:
    budget = 60
    process = start(folder, "slow_plug_in:Slow", budget, sleep=0.05)
    wait_until(lambda: told(folder) > 0, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert out == ""
    assert "interrupted; the same command continues where this one stopped" in err
    assert "Traceback" not in err
    record = stored(folder)
    assert record is not None
    assert told(folder) <= len(record.evaluation) < budget
    assert not record.finished
    assert not (folder / "out" / "report.html").exists()
    assert finish(folder, "slow_plug_in:Slow", budget).finished


def test_a_second_command_is_refused_while_one_runs(folder: Path) -> None:
    process = start(folder, "slow_plug_in:Slow", 1000, sleep=0.05)
    wait_until(lambda: told(folder) > 0, process)
    second = start(folder, "random", 10)
    out, err = second.communicate(timeout=20)
    assert second.returncode == 2
    assert out == ""
    assert err.strip() == f"error: store out/{STORE_NAME} is in use by another process"
    assert process.poll() is None
    kill(process)
