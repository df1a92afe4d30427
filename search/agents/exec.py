"""An agent that is another program, in any language, spoken to in lines of JSON."""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NoReturn

from codesign_gym.envs import Evaluation, Evaluator, ProblemStatement
from codesign_gym.envs.evaluator import OtherDesignsError
from codesign_gym.search.agent import Agent
from codesign_gym.search.exec_protocol import (
    ask_message,
    end_message,
    read_designs,
    start_message,
    tell_message,
)
from codesign_gym.search.options import at_least, between
from codesign_gym.search.outside import OutsideProgram
from codesign_gym.search_spaces import Designs, InputError

PREFIX = "exec:"
"""What an agent's name begins with where the rest is a command."""


@dataclass(frozen=True)
class ExecOptions:
    """What can be set.

    Attributes:
        batch: Designs asked for at once.
        timeout_s: How long the program may take for an answer, or to read a message.
    """

    batch: int = 1
    timeout_s: float = 60.0


class ExecAgent(Agent):
    """A program that answers ``ask`` messages on its input with designs on its output.

    It is started at the first message, and gone when the search ends, whatever ends it. A search
    that is resumed starts it anew and asks it again: with equal seeds it must answer equally.

    Attributes:
        command: The command, run without a shell.
    """

    Options = ExecOptions
    options: ExecOptions
    command: ClassVar[str] = ""

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        self.name = PREFIX + self.command
        at_least(self.name, "batch", self.options.batch, 1)
        between(self.name, "timeout_s", self.options.timeout_s, 0.01, 1e6)
        self._words = command_words(self.name)
        if shutil.which(self._words[0]) is None:
            raise InputError(f"agent {self.name!r}: there is no program {self._words[0]!r}")
        self.batch_size = self.options.batch
        self._program: OutsideProgram | None = None
        self._budget: int | None = None
        self._asked = 0
        self._log: list[tuple[int, str]] = []  # messages; designs asked for, 0 where it is told

    def ask(self, n: int) -> Designs:
        """What the program answers; anything but ``n`` designs of the space is an `InputError`."""
        remaining = None if self._budget is None else self._budget - self._asked
        self._asked += n
        return self._ask(n, ask_message(n, remaining))

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Pass it on; there is no answer."""
        if len(evaluation):
            self._send(0, tell_message(self.statement, evaluation))

    def search(self, evaluator: Evaluator) -> None:
        """Spend the evaluator's budget; the program does not outlive it."""
        self._budget = evaluator.budget
        try:
            super().search(evaluator)
            self._running().send(end_message())
        except OtherDesignsError as error:
            raise InputError(
                f"{error} Agent {self.name!r} must propose the same designs whenever it is told "
                "the same: let all of its randomness come from the seed"
            ) from None
        finally:
            self.close()

    def close(self) -> None:
        """End the program, if it runs."""
        if self._program is not None:
            self._program.close()
            self._program = None

    def state_dict(self) -> dict[str, Any]:
        """All that was said to the program, from which another one learns the same."""
        state = {"seed": self.seed, "budget": self._budget, "asked": self._asked}
        return state | {"log": [list(message) for message in self._log]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Start the program anew and say the same to it again."""
        self.close()
        self.seed, self._budget, self._asked = state["seed"], state["budget"], state["asked"]
        self._log = []
        for n, message in state["log"]:
            if n:
                self._ask(n, message)
            else:
                self._send(n, message)

    def _ask(self, n: int, message: str) -> Designs:
        program = self._running()
        extra = program.unasked()
        if extra:
            self._refuse(f"said what it was not asked for: {extra!r}")
        self._send(n, message)
        line = program.receive()
        try:
            return read_designs(self.space, line, n)
        except InputError as error:
            self._refuse(f"line {program.lines_read} of its output: {error}")

    def _send(self, n: int, message: str) -> None:
        self._running().send(message)
        self._log.append((n, message))

    def _refuse(self, what: str) -> NoReturn:
        self.close()
        raise InputError(f"agent {self.name!r}: {what}")

    def _running(self) -> OutsideProgram:
        if self._program is None:
            name = f"agent {self.name!r}"
            self._program = OutsideProgram(name, self._words, self.options.timeout_s)
            self._program.send(start_message(self.statement, self.seed, self._budget))
        return self._program


def command_words(name: str) -> list[str]:
    """The command of an agent called ``exec:COMMAND``, as words.

    Raises:
        InputError: There is none, or a quotation is not closed.
    """
    try:
        words = shlex.split(name.removeprefix(PREFIX))
    except ValueError as error:
        raise InputError(f"agent {name!r}: {error}") from None
    if not words:
        raise InputError(f"agent {name!r} must be written {PREFIX}COMMAND")
    return words


def command_files(name: str) -> list[str]:
    """The files that the command of an agent names: what it does depends on them."""
    words = command_words(name) if name.startswith(PREFIX) else []
    return [word for word in words if os.path.isfile(word)]


@lru_cache(maxsize=256)
def exec_agent(name: str) -> type[ExecAgent]:
    """The class of the agent called ``exec:COMMAND``."""
    command_words(name)
    own = {"command": name.removeprefix(PREFIX), "__doc__": ExecAgent.__doc__}
    return type("ExecAgent", (ExecAgent,), own | {"__module__": __name__})
