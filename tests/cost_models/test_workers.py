"""Work in processes: each task done, whatever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from codesign_gym.cost_models.workers import each

TASKS = """
import os, signal, time
from pathlib import Path

def square(x):
    return x * x

def threads():
    return os.environ["OMP_NUM_THREADS"]

def fatal_once(folder, x):
    mark = Path(folder, f"{x}")
    if x % 3 == 0 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x

def fatal():
    os.kill(os.getpid(), signal.SIGKILL)

def wrong(x):
    if x == 2:
        raise ValueError(f"no {x}")
    return x

def slow(folder, x):
    Path(folder, f"pid-{os.getpid()}").touch()
    time.sleep(60)
"""


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "worker_tasks.py").write_text(TASKS)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_task_is_done_once(tasks: Path, jobs: int) -> None:
    from worker_tasks import square  # type: ignore[import-not-found]  # written by the fixture

    assert dict(each(square, [(x,) for x in range(9)], jobs)) == {x: x * x for x in range(9)}
    assert dict(each(square, [], jobs)) == {}


def test_processes_have_one_thread(tasks: Path) -> None:
    from worker_tasks import threads

    assert dict(each(threads, [(), ()], jobs=2)) == {0: "1", 1: "1"}


def test_a_killed_process_is_replaced(tasks: Path) -> None:
    from worker_tasks import fatal_once

    found = dict(each(fatal_once, [(str(tasks), x) for x in range(7)], jobs=2))
    assert found == {x: x for x in range(7)}


def test_what_always_dies_is_given_up(tasks: Path) -> None:
    from worker_tasks import fatal

    with pytest.raises(BrokenProcessPool):
        list(each(fatal, [(), ()], jobs=2))


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_is_passed_on(tasks: Path, jobs: int) -> None:
    from worker_tasks import wrong

    with pytest.raises(ValueError, match="no 2"):
        list(each(wrong, [(x,) for x in range(5)], jobs))


def test_no_process_outlives_a_killed_parent(tasks: Path) -> None:
    code = (
        "import sys\n"
        "if __name__ == '__main__':\n"
        "    from worker_tasks import slow\n"
        "    from codesign_gym.cost_models.workers import each\n"
        "    list(each(slow, [(sys.argv[1], x) for x in range(2)], jobs=2))\n"
    )
    (tasks / "parent.py").write_text(code)
    paths = os.pathsep.join([str(tasks), os.environ.get("PYTHONPATH", "")])
    parent = subprocess.Popen(
        [sys.executable, str(tasks / "parent.py"), str(tasks)],
        env=os.environ | {"PYTHONPATH": paths},
    )
    deadline = time.monotonic() + 60
    while len(found := list(tasks.glob("pid-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    children = [int(path.name.removeprefix("pid-")) for path in found]
    assert len(children) == 2
    while any(map(_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(_alive, children))


def _alive(process: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
