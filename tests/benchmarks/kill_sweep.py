"""A sweep whose coordinator and workers are killed again and again: what is lost, what is doubled.

Run by hand: ``python -m tests.benchmarks.kill_sweep --runs 1000 --kills 20``. It prints a line of
JSON: runs, kills of either kind, runs lost, runs doubled.

A run is acknowledged once a reader sees it in the sweep's store. Lost is an acknowledged run that
is missing later, or has other evaluations, or a run that is missing in the end. Doubled is a run
that was begun again after it was acknowledged, or that has more evaluations than its budget.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from codesign_gym.experiments.runner import STORE_NAME
from codesign_gym.experiments.store import Store

BUDGET = 5
PLUG_IN = '''
from codesign_gym.search.agents import RandomAgent

class Logged(RandomAgent):
    """Writes down which run it begins."""
    batch_size = 2
    begun = False

    def ask(self, n):
        if not self.begun:
            self.begun = True
            with open("begun", "a") as file:
                file.write(f"{self.seed}\\n")
        return super().ask(n)
'''


@dataclass
class Outcome:
    """What became of a sweep."""

    runs: int
    coordinators_killed: int = 0
    workers_killed: int = 0
    lost: int = 0
    doubled: int = 0
    seconds: float = 0.0


def kill_sweep(folder: Path, runs: int, kills: int, seed: int = 0) -> Outcome:
    """Carry out a sweep of ``runs`` short runs while killing ``kills`` times, by turns.

    Args:
        folder: An empty directory, in which the sweep's is ``s``.
        runs: How many runs, a seed each.
        kills: How many kills, evenly spread over the runs; the coordinator first, then a worker.
        seed: Of when exactly.
    """
    (folder / "logged_agent.py").write_text(PLUG_IN)
    (folder / "sweep.toml").write_text(
        f'problems = ["resnet18-asic"]\nseeds = {runs}\nbudget = {BUDGET}\n'
        '[agents."logged_agent:Logged"]\n'
    )
    rng, outcome, begin = random.Random(seed), Outcome(runs), time.monotonic()
    seen: dict[int, tuple[int, int]] = {}  # seed of an acknowledged run -> its rows, their sum
    process, log_at = _start(folder), 0
    for number in range(kills):
        target = (number + 1) * runs // (kills + 1)
        while process.poll() is None and len(acknowledged(folder)) < target:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.1))
        if number % 2:
            children = _children(process.pid)
            while process.poll() is None and not children:  # a new coordinator is still starting
                time.sleep(0.01)
                children = _children(process.pid)
            if children:
                _kill(rng.choice(children))
                outcome.workers_killed += 1
            continue
        outcome.coordinators_killed += process.poll() is None
        process.kill()
        process.wait()
        outcome.doubled += len(set(_begun(folder)[log_at:]) & seen.keys())
        _compare(seen, acknowledged(folder), outcome)
        log_at = len(_begun(folder))
        process = _start(folder)
    if process.wait() != 0:
        failures = json.loads((folder / "s" / "failures.json").read_text())
        raise RuntimeError(f"the sweep failed in the end: {failures}")
    final = acknowledged(folder)
    outcome.doubled += len(set(_begun(folder)[log_at:]) & seen.keys())
    _compare(seen, final, outcome)
    outcome.lost += runs - len(final)
    outcome.doubled += sum(rows > BUDGET for rows, _ in final.values())
    outcome.seconds = round(time.monotonic() - begin, 1)
    return outcome


def acknowledged(folder: Path) -> dict[int, tuple[int, int]]:
    """Seed of each run in the sweep's store -> its evaluations and the sum of their checksums."""
    path = folder / "s" / STORE_NAME
    if not path.exists():
        return {}
    query = (
        "SELECT json_extract(config, '$.seed'), count(*), sum(evaluations.checksum) "
        "FROM runs JOIN evaluations ON run = id GROUP BY id"
    )
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
        return {seed: (rows, total) for seed, rows, total in connection.execute(query)}


def _compare(
    seen: dict[int, tuple[int, int]], now: Mapping[int, tuple[int, int]], outcome: Outcome
) -> None:
    outcome.lost += sum(now.get(seed) != what for seed, what in seen.items())
    seen.update(now)


def _begun(folder: Path) -> list[int]:
    """Seeds of the runs that were begun, in order."""
    path = folder / "begun"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def _start(folder: Path) -> subprocess.Popen[bytes]:
    code = "from codesign_gym.experiments.cli import main; main()"
    words = [sys.executable, "-c", code, "sweep", "sweep.toml", "--jobs", "2", "--out", "s"]
    return subprocess.Popen([*words, "--json"], cwd=folder, stdout=subprocess.DEVNULL)


def _children(process: int) -> list[int]:
    """The workers of a coordinator; multiprocessing's helper is none."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
        found = [int(child) for child in text.split()]
        return [c for c in found if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def main() -> None:
    """Print what became of a sweep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        outcome = kill_sweep(Path(directory), given.runs, given.kills)
        with Store(Path(directory) / "s" / STORE_NAME) as store:  # verifies every checksum
            assert len(store.records()) == given.runs
    sys.stdout.write(json.dumps(asdict(outcome)) + "\n")


if __name__ == "__main__":
    main()
