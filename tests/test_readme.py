"""README does what it says: its blocks are run in order, in an empty directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def blocks() -> list[tuple[str, str]]:
    """Language and text of every block, but for the installation."""
    found = re.findall(r"```(python|bash)\n(.*?)```", README.read_text(), re.DOTALL)
    return [(language, text) for language, text in found if "make demo" not in text]


def test_two_commands_come_first() -> None:
    first = README.read_text().split("```")[1]
    assert [line.split("#")[0].strip() for line in first.splitlines()[1:3]] == [
        "make demo",
        "make test",
    ]


def test_new_agent_is_short() -> None:
    (agent,) = [text for language, text in blocks() if "(Agent)" in text]
    assert len([line for line in agent.splitlines() if line.strip()]) <= 20


def test_blocks_run(tmp_path: Path, subtests: pytest.Subtests) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"}
    for number, (language, text) in enumerate(blocks()):
        with subtests.test(number=number, first_line=text.splitlines()[0]):
            if "(Agent)" in text:
                (tmp_path / "my_agents.py").write_text(text)
            command = ["bash", "-euc", text]
            if language == "python":
                command = [sys.executable, "-W", "error", "-c", text]
            done = subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
