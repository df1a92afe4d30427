"""Agents that are other programs: what they are told, and every way in which they fail."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from codesign_gym.envs import DesignProblem
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.runner import STORE_NAME, run
from codesign_gym.experiments.store import Store
from codesign_gym.experiments.testing import AgentConformance, synthetic_problem
from codesign_gym.search import agent_class, make_agent, search
from codesign_gym.search.outside import MOST_BYTES
from codesign_gym.search_spaces import InputError
from tests.toy import toy_problem

DOCS = Path(__file__).parents[2] / "docs" / "exec-agents.md"
CONDITIONAL = synthetic_problem("conditional")
SMALL = toy_problem()

LOOP = """
import json, os, sys, time
for number, line in enumerate(sys.stdin):
    message = json.loads(line)
    if message["type"] == "ask":
        n = message["n"]
        {answer}
        sys.stdout.flush()
"""


def documented(language: str) -> str:
    (text,) = re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(), re.DOTALL)
    return str(text)


def command(*words: object) -> str:
    return "exec:" + shlex.join(map(str, words))


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """Makes the agent that runs a Python program."""

    def write(text: str) -> str:
        path = tmp_path / "program.py"
        path.write_text(text)
        return command(sys.executable, "-S", path)

    return write


@pytest.fixture
def answering(program: Callable[[str], str]) -> Callable[[str], str]:
    """Makes the agent that does this for every ask."""
    return lambda answer: program(LOOP.format(answer=answer))


class TestDocumented(AgentConformance):
    @pytest.fixture(params=["python", "sh"])
    def agent(self, request: pytest.FixtureRequest, tmp_path: Path) -> str:
        path = tmp_path / "agent"
        path.write_text(documented(request.param))
        interpreter = [sys.executable, "-S"] if request.param == "python" else ["sh"]
        return command(*interpreter, path)


def test_the_python_example_is_short() -> None:
    assert len(documented("python").splitlines()) < 30


# -- what it is told ---------------------------------------------------------------------------


def test_messages(program: Callable[[str], str], tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    name = program(
        f"import json, sys\nheard = open({str(heard)!r}, 'w')\n"
        "for line in sys.stdin:\n"
        "    heard.write(line); heard.flush()\n"
        "    n = json.loads(line).get('n')\n"
        "    if n: print(json.dumps({'designs': [{'chip.rows': 1, 'chip.cols': 8,"
        " 'net.depth': i + 1} for i in range(n)]}), flush=True)\n"
    )
    history = search(SMALL, make_agent(name, SMALL, 7, batch=4), 6).history
    start, ask, tell, ask_more, tell_more, end = map(json.loads, heard.read_text().splitlines())
    assert start["type"] == "start"
    assert (start["protocol"], start["seed"], start["budget"]) == (1, 7, 6)
    assert start["choices"] == [4, 4, 4]
    assert start["parameters"][0] == {
        "name": "chip.rows", "kind": "ordinal", "values": [1, 2, 4, 8], "unit": "",
        "active_when": [],
    }  # fmt: skip
    assert [m["direction"] for m in start["objectives"]] == ["max", "min"]
    assert start["specs"][1] == {"metric": "area_mm2", "sense": "<=", "bound": 4.0}
    assert ask == {"type": "ask", "n": 4, "remaining": 6}
    assert ask_more == {"type": "ask", "n": 2, "remaining": 2}
    assert tell["designs"] == history.designs[:4].tolist()
    assert tell["values"][1] == {"chip.rows": 1, "chip.cols": 8, "net.depth": 2}
    assert tell["feasible"] == [False] * 4  # one row of eight cannot be built
    assert tell["metrics"]["area_mm2"] == [None] * 4
    assert tell["objectives"][0] == [None, None]
    assert len(tell["violations"][0]) == 2
    assert np.isfinite(np.array(tell["reward"], dtype=float)).all()
    assert len(tell_more["designs"]) == 2
    assert end == {"type": "end"}


def test_conditions_are_told(program: Callable[[str], str], tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    name = program(f"import sys\nopen({str(heard)!r}, 'w').write(sys.stdin.readline())\n")
    with pytest.raises(InputError, match="ended with exit code 0"):
        make_agent(name, CONDITIONAL).ask(1)
    parameters = json.loads(heard.read_text())["parameters"]
    assert parameters[1]["active_when"] == [{"parameter": "kind", "values": ["cached"]}]


# -- what it may do wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("print('hello')", "line 1 of its output: is not JSON: 'hello'"),
        ("print('[' * 100000)", r"is not JSON: '\[\[\["),
        ("print('3')", r'must be {"designs": \[...\]} with 2 designs, got \'3\''),
        ("print('{}')", "with 2 designs, got '{}'"),
        ("print(json.dumps({'designs': [[0, 0, 0]]}))", "with 2 designs, got 1 designs"),
        ("print(json.dumps({'designs': [[0, 0]] * n}))", r"must have shape \[n, 3\]"),
        ("print(json.dumps({'designs': [[0, 0], [0]]}))", "must be an array"),
        ("print(json.dumps({'designs': [0, 0]}))", "all lists or all objects"),
        (
            "print(json.dumps({'designs': [[0, 0, 0], [0, 9, 0]]}))",
            r"line 1 .*design 1: parameter 'chip.cols' must be a choice index in 0\.\.3 "
            r"\(for 1, 2, 4, 8\), got 9",
        ),
        ("print(json.dumps({'designs': [[0, 0.5, 0]] * n}))", "'chip.cols' must be in 0..3"),
        ("print(json.dumps({'designs': [['a', 'b', 'c']] * n}))", "integer choice indices"),
        (
            "print(json.dumps({'designs': [{'chip.rows': 3}] * n}))",
            "'chip.rows' must be one of 1, 2, 4, 8, got 3",
        ),
        ("print(json.dumps({'designs': [{'chip.rows': 1}] * n}))", "lacks parameter 'chip.cols'"),
        ("print(json.dumps({'designs': [{'rows': 1}] * n}))", "unknown parameter"),
        ("print('x' * 80 * 10**6)", f"said more than {MOST_BYTES // 2**20} MiB"),
        ("time.sleep(60)", "gave no answer within 0.7 s"),
        ("sys.exit(3)", "ended with exit code 3"),
        ("sys.exit('one\\ntwo')", r"ended with exit code 1; the end of its stderr: one \| two"),
        ("os.kill(os.getpid(), 9)", "was ended by signal 9"),
        ("os.close(1); time.sleep(60)", "closed its input or output and went on running"),
        ("1 / 0", r"ended with exit code 1; .*ZeroDivisionError: division by zero"),
    ],
)
def test_bad_answers(answering: Callable[[str], str], answer: str, words: str) -> None:
    patience = 0.7 if "sleep" in answer and "close" not in answer else 20.0
    agent = make_agent(answering(answer), SMALL, 0, batch=2, timeout_s=patience)
    with pytest.raises(InputError, match=words) as caught:
        search(SMALL, agent, 6)
    assert str(caught.value).startswith("agent 'exec:")


def test_a_line_too_many(answering: Callable[[str], str]) -> None:
    name = answering("print(json.dumps({'designs': [[0, 0, 0]] * n}) + '\\n' + 'and more')")
    with pytest.raises(InputError, match="said what it was not asked for: 'and more'"):
        search(SMALL, make_agent(name, SMALL), 4)


def test_it_never_reads(program: Callable[[str], str]) -> None:
    agent = make_agent(program("import time; time.sleep(60)"), SMALL, 0, timeout_s=0.3)
    evaluation = SMALL.evaluate(SMALL.space.sample(2000, 0))
    with pytest.raises(InputError, match=r"does not read its input within 0\.3 s"):
        agent.tell(evaluation.designs, evaluation)


def test_stderr_is_drained(answering: Callable[[str], str]) -> None:
    name = answering(
        "sys.stderr.write('noise\\n' * 10**6); print(json.dumps({'designs': [[0, 0, 0]] * n}))"
    )
    assert len(search(SMALL, make_agent(name, SMALL), 3).history) == 3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("exec:", "must be written exec:COMMAND"),
        ("exec:'a", "No closing quotation"),
        ("exec:no-such-program-at-all x", "there is no program 'no-such-program-at-all'"),
    ],
)
def test_mistakes_are_told_before_the_run(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_agent(name, SMALL)


def test_a_program_that_cannot_be_started(tmp_path: Path) -> None:
    path = tmp_path / "odd"
    path.write_bytes(b"\x00\x01")
    path.chmod(0o755)
    with pytest.raises(InputError, match="cannot be started: Exec format error"):
        make_agent(command(path), SMALL).ask(1)


def test_there_is_no_shell(tmp_path: Path) -> None:
    agent = make_agent(f"exec:true ; touch {tmp_path / 'made'}", SMALL)
    with pytest.raises(InputError, match="ended with exit code 0"):
        agent.ask(1)
    assert not (tmp_path / "made").exists()


# -- what is left of it ------------------------------------------------------------------------

CHILD = """
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(100)"])
open({path!r}, "a").write(f"{{os.getpid()}} {{child.pid}} ")
"""


def alive(process: str) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def gone(path: Path) -> None:
    processes = path.read_text().split()
    assert len(processes) == 2
    deadline = time.monotonic() + 20
    while any(map(alive, processes)):
        assert time.monotonic() < deadline, processes
        time.sleep(0.01)


@pytest.mark.parametrize(
    "answer", ["print(json.dumps({'designs': [[0, 0, 0]] * n}))", "print('no')", "sys.exit(0)"]
)
def test_nothing_outlives_the_search(
    program: Callable[[str], str], tmp_path: Path, answer: str
) -> None:
    begin = "import subprocess, sys, os" + CHILD.format(path=str(tmp_path / "pids"))
    agent = make_agent(program(begin + LOOP.format(answer=answer)), SMALL)
    if "designs" in answer:
        search(SMALL, agent, 3)
    else:
        with pytest.raises(InputError):
            search(SMALL, agent, 3)
    gone(tmp_path / "pids")


def test_nothing_outlives_a_killed_search(program: Callable[[str], str], tmp_path: Path) -> None:
    """Not even a program that never reads, and so does not learn that its input is closed."""
    begin = "import subprocess, sys, os, time" + CHILD.format(path=str(tmp_path / "pids"))
    name = program(begin + "time.sleep(100)\n")
    code = (
        "import sys; from codesign_gym.search import make_agent\n"
        "from codesign_gym.experiments.testing import synthetic_problem\n"
        "make_agent(sys.argv[1], synthetic_problem('tiny')).ask(1)\n"
    )
    searching = subprocess.Popen([sys.executable, "-c", code, name])
    deadline = time.monotonic() + 60
    while not (tmp_path / "pids").exists() or (tmp_path / "pids").read_text().count(" ") < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    searching.send_signal(signal.SIGKILL)
    searching.wait()
    gone(tmp_path / "pids")


def test_an_agent_that_is_forgotten_takes_its_program_with_it(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    begin = "import subprocess, sys, os" + CHILD.format(path=str(tmp_path / "pids"))
    answer = "print(json.dumps({'designs': [[0, 0, 0]] * n}))"
    agent = make_agent(program(begin + LOOP.format(answer=answer)), SMALL)
    agent.ask(1)
    del agent
    gone(tmp_path / "pids")


# -- commands ----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_agent.py").write_text(documented("python"))
    (tmp_path / "my_agent.sh").write_text(documented("sh"))
    (tmp_path / "bad.py").write_text("import sys; sys.exit('no licence')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def invoke(*words: str) -> Any:
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_run_and_compare(folder: Path) -> None:
    words = ("run", "resnet18-asic", "--agent", "exec:python my_agent.py", "--budget", "30")
    done = invoke(*words, "--set", "batch=4")
    assert done["finished"]
    assert "exec-python-my_agent-py-s0" in done["store"]
    found = invoke(
        "compare", "resnet18-asic", "--agents", "random,exec:sh my_agent.sh", "--seeds", "2",
        "--budget", "12",
    )  # fmt: skip
    assert {row["agent"] for row in found["agents"]} == {"random", "exec:sh my_agent.sh"}


def test_a_sweep_goes_on_without_a_program_that_fails(folder: Path) -> None:
    (folder / "sweep.toml").write_text(
        'problems = ["resnet18-asic"]\nseeds = 2\nbudget = 10\n'
        '[agents."exec:python my_agent.py"]\nbatch = [1, 5]\n[agents."exec:python bad.py"]\n'
    )
    done = CliRunner().invoke(app, ["sweep", "sweep.toml", "--out", "s", "--json"])
    assert done.exit_code == 1
    failures = json.loads(done.stdout)["failures"]
    assert [failure["seed"] for failure in failures] == [0, 1]
    assert all("the end of its stderr: no licence" in failure["error"] for failure in failures)
    with Store(folder / "s" / STORE_NAME) as store:
        assert len(store.run_ids()) == 4


def interrupted(config: RunConfig, directory: Path) -> None:
    left = [3]

    def progress(evaluation: Any, rewards: Any, replayed: bool, used: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config, directory, progress)


def test_a_run_is_resumed_by_asking_again(folder: Path) -> None:
    config = RunConfig("resnet18-asic", "exec:python my_agent.py", 20)
    interrupted(config, folder / "a")
    again, alone = run(config, folder / "a"), run(config, folder / "b")
    assert np.array_equal(again.evaluation.designs, alone.evaluation.designs)
    assert again.info["files"].keys() == {"my_agent.py"}
    (folder / "my_agent.py").write_text(documented("python") + "\n")
    with pytest.raises(InputError, match=r"another content of my_agent\.py"):
        run(config, folder / "a")


def test_a_program_that_draws_lots_cannot_be_resumed(folder: Path) -> None:
    text = documented("python").replace('random.Random(message["seed"])', "random.Random()")
    (folder / "my_agent.py").write_text(text)
    config = RunConfig("resnet18-asic", "exec:python my_agent.py", 20)
    interrupted(config, folder / "a")
    with pytest.raises(InputError, match=r"cannot resume.* let all of its randomness come from"):
        run(config, folder / "a")


def test_the_class_is_found_by_name() -> None:
    kind = agent_class("exec:cat")
    assert kind is agent_class("exec:cat")
    problem: DesignProblem = SMALL
    assert kind(problem.statement).options == kind.Options()
