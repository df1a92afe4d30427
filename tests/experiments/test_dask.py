"""A sweep on a Dask cluster that shares no files with us."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from codesign_gym.experiments import dask_executor
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.dask_executor import each_on_dask
from codesign_gym.experiments.runner import run
from codesign_gym.experiments.sweep import grid, sweep
from codesign_gym.search_spaces import InputError

CLUSTER = """
import os, sys
from pathlib import Path
from distributed import LocalCluster

if __name__ == "__main__":
    os.chdir(sys.argv[1])  # the workers' directory is not ours
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    )
    Path("address.part").write_text(cluster.scheduler_address.removeprefix("tcp://"))
    Path("address.part").rename("address")
    sys.stdin.read()
    cluster.close()
"""
PLUG_IN = """
import os, time
from pathlib import Path
from codesign_gym.search.agents import RandomAgent

class Mine(RandomAgent):
    def ask(self, n):
        if self.seed == 9:
            raise ZeroDivisionError("by nothing")
        mark = Path(os.environ["MARK"])
        if self.seed == 5 and not mark.exists():
            mark.write_text(str(os.getpid()))
            time.sleep(60)
        return super().ask(n)
"""
AGENTS: dict[str, dict[str, list[int]]] = {"random": {}, "nsga2": {"population": [8]}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    pytest.importorskip("distributed", reason="needs the extra dask")
    (folder / "cluster.py").write_text(CLUSTER)
    (folder / "their_agent.py").write_text(PLUG_IN)
    paths = os.pathsep.join([str(folder), *filter(None, sys.path)])
    process = subprocess.Popen(
        [sys.executable, "cluster.py", str(folder)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": paths, "MARK": str(folder / "mark")},
    )
    deadline = time.monotonic() + 120
    while not (folder / "address").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield f"dask://{(folder / 'address').read_text()}"
    process.communicate(timeout=60)


def test_runs_come_back_by_value(address: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    configs = grid(["resnet18-asic"], AGENTS, range(3), 30)
    sweep(configs[:2], tmp_path / "s")  # the rest is left to the cluster
    result = sweep(configs, tmp_path / "s", 1, lambda *done: seen.append(done), address)
    assert seen == [(i, 6) for i in range(2, 7)]
    assert not result.failures
    for record, config in zip(result.records, configs, strict=True):
        alone = run(config, tmp_path / "alone")
        assert np.array_equal(alone.evaluation.designs, record.evaluation.designs)
        assert alone.info["code"] == record.info["code"]
    assert not list((tmp_path / "s" / "parts").iterdir())


def test_the_command_is_resumable(address: str, tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text('problems = ["resnet18-asic"]\nseeds = 2\nbudget = 10\n[agents.random]\n')
    words = ["sweep", str(file), "--out", str(tmp_path / "s"), "--json", "--executor"]
    first = CliRunner().invoke(app, [*words, address])
    assert first.exit_code == 0, first.output
    again = CliRunner().invoke(app, words[:-1])  # nothing is left to do
    assert json.loads(again.stdout)["problems"] == json.loads(first.stdout)["problems"]


def test_a_worker_that_dies_is_replaced_and_a_run_that_fails_is_told(
    address: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(folder)
    mark = folder / "mark"
    monkeypatch.setenv("MARK", str(mark))
    killed: list[int] = []

    def progress(done: int, total: int) -> None:
        if done and not killed and mark.exists():
            killed.append(int(mark.read_text()))
            os.kill(killed[0], signal.SIGKILL)

    agents: dict[str, dict[str, list[int]]] = {"their_agent:Mine": {}}
    seeds = [5, *range(10, 30), 9]
    configs = grid(["resnet18-asic"], agents, seeds, 10)
    result = sweep(configs, tmp_path / "s", 1, progress, address)
    assert killed
    assert len(result.records) == len(seeds) - 1
    (failure,) = result.failures
    assert (failure.config.seed, failure.error) == (9, "ZeroDivisionError: by nothing")


def test_another_version_of_the_code_is_not_taken(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codesign_gym.experiments.runner._package_digest", lambda: "another")
    configs = grid(["resnet18-asic"], {"random": {}}, [40], 10)
    (failure,) = sweep(configs, tmp_path / "s", 1, executor=address).failures
    assert "another content of codesign_gym" in failure.error


def test_a_scheduler_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="needs the extra dask")
    monkeypatch.setattr(dask_executor, "CONNECT_S", 0.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = tmp_path / "sweep.toml"
    file.write_text('problems = ["resnet18-asic"]\nbudget = 10\n[agents.random]\n')
    words = ["sweep", str(file), "--out", str(tmp_path / "s")]
    done = CliRunner().invoke(app, [*words, "--executor", f"dask://127.0.0.1:{port}"])
    assert done.exit_code == 2
    assert f"executor dask://127.0.0.1:{port}: no scheduler answers within 0.5 s" in done.output


@pytest.mark.parametrize(
    "address", ["dask", "dask://here", "ray://here:80", "dask://:", "dask://a:b", "dask://a:0"]
)
def test_malformed_addresses(address: str) -> None:
    with pytest.raises(InputError, match=r"must be dask://HOST:PORT, port 1\.\.65535, got"):
        list(each_on_dask(address, len, [("a",)]))


def test_the_package_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_executor, "missing_packages", list)
    with pytest.raises(InputError, match=r"pip install codesign-gym\[dask\]"):
        list(each_on_dask("dask://here:80", len, [("a",)]))
