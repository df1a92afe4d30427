"""What an agent reached on the suite: a compact file that others can score, compare and verify."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from codesign_gym.experiments.record import RunRecord
from codesign_gym.experiments.suite.definition import (
    LEVELS,
    SEEDS_APART,
    Suite,
    Task,
    shipped,
)
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.files import write_whole

FORMAT = 1


@dataclass(frozen=True)
class Outcome:
    """What one run reached.

    Attributes:
        value: The best feasible value, or the share of the best known front; None without a
            feasible design.
        designs: Digest of the designs evaluated, in order; empty where the run failed.
        error: Why the run failed; empty where it did not.
    """

    value: float | None
    designs: str
    error: str = ""

    @classmethod
    def of(cls, task: Task, record: RunRecord) -> Self:
        """The outcome of a finished run."""
        chosen = np.ascontiguousarray(record.evaluation.designs.astype("<i4"))
        digest = hashlib.sha256(chosen.tobytes()).hexdigest()[:12]
        return cls(task.value(record.evaluation, record.rewards), digest)


Outcomes = Mapping[str, Mapping[str, Sequence[Outcome]]]
"""Task -> level -> a run per seed."""


@dataclass(frozen=True, eq=False)
class Result:
    """An agent's runs of the suite, all or some of them.

    Attributes:
        version: Of the suite.
        agent: Registered name, or ``module:Class``.
        options: That were set.
        seeds: Runs of every task with every budget.
        tasks: Task -> digest of what it was.
        outcomes: Of the runs; a task or a level that was left out is not there.
        info: Versions, code digests, command.
        note: What a reader must know, such as why runs are missing.
    """

    version: str
    agent: str
    options: Mapping[str, Any]
    seeds: int
    tasks: Mapping[str, str]
    outcomes: Outcomes
    info: Mapping[str, Any]
    note: str = ""

    @property
    def label(self) -> str:
        """Agent with the options that were set."""
        return labelled(self.agent, self.options)

    @property
    def failures(self) -> list[dict[str, Any]]:
        """The runs that failed, and why."""
        return [
            {"task": task, "budget": level, "seed": seed, "error": run.error}
            for task, levels in self.outcomes.items()
            for level, runs in levels.items()
            for seed, run in enumerate(runs)
            if run.error
        ]

    def scores(self, suite: Suite) -> dict[tuple[str, str], NDArray[np.float64]]:
        """Task and level -> the scores of its runs, ``[seeds]``; failed runs score 0."""
        return {
            (name, level): np.array([task.score(run.value) for run in self.outcomes[name][level]])
            for name, task in suite.tasks.items()
            for level in LEVELS
            if level in self.outcomes.get(name, {})
        }

    def missing(self, suite: Suite) -> str:
        """Which runs are not there, in words; empty where all are."""
        gaps = []
        for level in LEVELS:
            lacking = [name for name in suite.tasks if level not in self.outcomes.get(name, {})]
            if len(lacking) == len(suite.tasks):
                gaps.append(f"{level}: all")
            elif lacking:
                gaps.append(f"{level}: {', '.join(lacking)}")
        return "; ".join(gaps)

    def save(self, path: Path) -> None:
        """Write the result as JSON, a task a line."""
        head = {
            "format": FORMAT,
            "suite": self.version,
            "agent": self.agent,
            "options": dict(self.options),
            "seeds": self.seeds,
            "note": self.note,
            "info": dict(self.info),
        }
        lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
        rows = []
        for name, levels in self.outcomes.items():
            runs = {level: [_packed(run) for run in part] for level, part in levels.items()}
            row = {"digest": self.tasks[name], "runs": runs}
            rows.append(f"{json.dumps(name)}: {json.dumps(row)}")
        lines.append('"tasks": {\n' + ",\n".join(rows) + "\n}")
        write_whole(path, "{\n" + ",\n".join(lines) + "\n}\n")

    @classmethod
    def load(cls, path: Path, suite: Suite) -> Self:
        """The result in a file that `save` wrote.

        Raises:
            InputError: The file is damaged, of another version of the suite, or of a task that has
                changed since.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["format"] > FORMAT:
                raise InputError(f"{path} was written by a newer codesign-gym")
            tasks = {name: row["digest"] for name, row in data["tasks"].items()}
            outcomes = {
                name: {
                    level: [_unpacked(run) for run in runs] for level, runs in row["runs"].items()
                }
                for name, row in data["tasks"].items()
            }
            seeds = data["seeds"]
            if type(seeds) is not int or not 1 <= seeds <= SEEDS_APART:
                raise ValueError(f"seeds must be in 1..{SEEDS_APART}, got {seeds!r}")
            result = cls(
                str(data["suite"]), str(data["agent"]), dict(data["options"]), seeds, tasks,
                outcomes, dict(data["info"]), str(data["note"]),
            )  # fmt: skip
            counts = {len(runs) for part in outcomes.values() for runs in part.values()}
            levels = {level for part in outcomes.values() for level in part}
            if counts != {seeds} or not levels <= set(LEVELS):
                raise ValueError(f"every task must have {seeds} runs of {', '.join(LEVELS)}")
        except InputError:
            raise
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{path} is not a result of the suite, or damaged: {error!r}"
            ) from None
        if result.version != suite.version:
            raise InputError(
                f"{path} is a result of suite {result.version!r}, compared is {suite.version!r}"
            )
        for name, digest in tasks.items():
            if name not in suite.tasks or suite.tasks[name].digest != digest:
                raise InputError(
                    f"{path}: task {name!r} is not the one of suite {suite.version!r}: its scores "
                    "do not compare"
                )
        return result


def labelled(agent: str, options: Mapping[str, Any]) -> str:
    """An agent with its options, for people."""
    told = ", ".join(f"{name}={value}" for name, value in options.items())
    return f"{agent} ({told})" if told else agent


def _packed(run: Outcome) -> list[Any]:
    return [run.value, run.designs, *([run.error] if run.error else [])]


def _unpacked(row: Sequence[Any]) -> Outcome:
    value, designs, *error = row
    finite = value is None or (isinstance(value, float | int) and np.isfinite(value))
    if not finite or not isinstance(designs, str) or len(error) > 1:
        raise ValueError(f"a run must be [value, digest], got {row}")
    return Outcome(None if value is None else float(value), designs, *map(str, error))


def references(suite: Suite) -> list[Result]:
    """The shipped results of the built-in agents."""
    folder = shipped() / "reference" / suite.version
    return [Result.load(path, suite) for path in sorted(folder.glob("*.json"))]
