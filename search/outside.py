"""A program of somebody else, spoken to in lines: every way in which it may fail is a sentence.

POSIX only: the program and what it starts are one process group, which is killed as a whole.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from codesign_gym.search_spaces import InputError

MOST_BYTES = 16 * 2**20
"""Longest line that a program may say."""

GRACE_S = 1.0
"""How long a program may take to end once its input is closed."""

_LOOK_S = 0.1
"""How often it is asked for whether a silent program still runs."""

_LAST_WORDS = 4096
_GUARD = (
    "import os, signal, sys\n"
    "group = int(sys.stdin.readline())\n"
    "sys.stdin.read()\n"
    "os.killpg(group, signal.SIGKILL)\n"
)
"""Kills the program when we are killed: our end of its input is then closed."""


class OutsideProgram:
    """A running program that answers lines with lines.

    Args:
        name: What it is called in error texts.
        words: The command, run without a shell.
        timeout_s: How long it may take to read a line, and to answer one.

    Raises:
        InputError: It cannot be started.
    """

    def __init__(self, name: str, words: Sequence[str], timeout_s: float) -> None:
        self.name = name
        self.lines_read = 0
        self._timeout_s = timeout_s
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                words, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True
            )
        except OSError as error:
            raise InputError(f"{name} cannot be started: {error.strerror or error}") from None
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GUARD],
            stdin=pipe,
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin
        assert self._process.stdout
        assert self._process.stderr
        assert self._guard.stdin
        self._guard.stdin.write(f"{self._process.pid}\n".encode())
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._err = self._process.stderr.fileno()
        self._said = bytearray()
        self._complained = bytearray()
        self._open = {self._out, self._err}
        for descriptor in (self._in, self._out, self._err):
            os.set_blocking(descriptor, False)
        self._end = weakref.finalize(self, _end, self._process, self._guard, GRACE_S)

    def send(self, line: str) -> None:
        """Write a line; what the program says meanwhile is kept."""
        left = memoryview(line.encode() + b"\n")
        deadline = time.monotonic() + self._timeout_s
        while left:
            try:
                left = left[os.write(self._in, left) :]
            except BlockingIOError:
                self._pump(deadline, "does not read its input", writing=True)
            except BrokenPipeError:
                self._ended()

    def receive(self) -> str:
        """The next line that it says."""
        deadline = time.monotonic() + self._timeout_s
        while (end := self._said.find(b"\n")) < 0:
            if self._out not in self._open:
                self._ended()
            self._pump(deadline, "gave no answer")
        line = self._said[:end].decode(errors="replace")
        del self._said[: end + 1]
        self.lines_read += 1
        return line

    def unasked(self) -> str:
        """The beginning of what it has said beyond the answers; empty if it has not."""
        return self._said[:80].decode(errors="replace").strip()

    def close(self) -> None:
        """End it: its input is closed, and what is left of its group after a moment is killed."""
        self._end()

    def _pump(self, deadline: float, failing: str, writing: bool = False) -> None:
        """Wait until it says or reads something, and take what it says."""
        with selectors.DefaultSelector() as ready:
            for descriptor in self._open:
                ready.register(descriptor, selectors.EVENT_READ)
            if writing:
                ready.register(self._in, selectors.EVENT_WRITE)
            left = deadline - time.monotonic()
            found = ready.select(min(left, _LOOK_S)) if left > 0 else []
        if not found and _has_ended(self._process):  # what it started may hold its output open
            self._ended()
        if not found and left <= _LOOK_S:
            self._fail(f"{failing} within {self._timeout_s:g} s")
        for key, _ in found:
            if key.fd != self._in:
                self._take(key.fd)

    def _take(self, descriptor: int) -> None:
        data = os.read(descriptor, 2**16)
        if not data:
            self._open.discard(descriptor)
        elif descriptor == self._err:
            self._complained += data
            del self._complained[:-_LAST_WORDS]
        else:
            self._said += data
            if len(self._said) > MOST_BYTES:
                self._fail(f"said more than {MOST_BYTES // 2**20} MiB that was not asked for")

    def _ended(self) -> NoReturn:
        """It has closed its output, or no longer reads: say how it ended."""
        deadline = time.monotonic() + GRACE_S
        while not _has_ended(self._process) and time.monotonic() < deadline:
            time.sleep(0.005)
        while self._err in self._open:  # its last words
            try:
                self._take(self._err)
            except BlockingIOError:  # somebody that it started holds the other end
                break
        if not _has_ended(self._process):
            self._fail("closed its input or output and went on running")
        code = self._process.wait()
        self._fail(f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}")

    def _fail(self, what: str) -> NoReturn:
        words = self._complained.decode(errors="replace").strip().splitlines()[-5:]
        if self._end.detach() is not None:
            _end(self._process, self._guard, grace_s=0.0)
        said = f"; the end of its stderr: {' | '.join(words)}" if words else ""
        raise InputError(f"{self.name} {what}{said}")


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process has ended, which stays to be waited for: its number is not reused yet."""
    if process.returncode is not None:
        return True
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _end(process: subprocess.Popen[bytes], guard: subprocess.Popen[bytes], grace_s: float) -> None:
    assert process.stdin
    process.stdin.close()
    deadline = time.monotonic() + grace_s
    while not _has_ended(process) and time.monotonic() < deadline:
        time.sleep(0.002)
    with suppress(ProcessLookupError, PermissionError):  # all of the group have ended
        os.killpg(process.pid, signal.SIGKILL)
    guard.kill()
    for one in (process, guard):
        one.wait()
        for stream in (one.stdin, one.stdout, one.stderr):
            if stream is not None:
                stream.close()
