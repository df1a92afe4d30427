"""Which results of built-in agents are shipped with a version of the suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codesign_gym.experiments.config import read_toml
from codesign_gym.experiments.suite.definition import LEVELS, Suite, shipped
from codesign_gym.experiments.suite.results import Result
from codesign_gym.search_spaces import InputError


@dataclass(frozen=True)
class Entry:
    """A result that is to be shipped.

    Attributes:
        name: Of the entry.
        agent: Registered name.
        options: That are set.
        levels: Budgets that it is run with.
        note: Why some are left out.
    """

    name: str
    agent: str
    options: Mapping[str, Any]
    levels: Sequence[str]
    note: str = ""

    def done(self, path: Path, suite: Suite) -> bool:
        """Whether a file has this result, with every run that is wanted."""
        try:
            result = Result.load(path, suite)
        except InputError:
            return False
        return result.seeds == suite.seeds and all(
            set(result.outcomes.get(name, {})) == set(self.levels) for name in suite.tasks
        )


def entries(version: str) -> list[Entry]:
    """The entries of a version, from ``<version>-reference.toml``, in order."""
    data = read_toml(shipped() / f"{version}-reference.toml", {"results": (list, dict)})
    return [
        Entry(
            name,
            row["agent"],
            row.get("options", {}),
            row.get("budgets", LEVELS),
            row.get("note", ""),
        )
        for name, row in data["results"].items()
    ]
