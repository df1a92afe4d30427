"""Agents by name: registered, of a module, of another package."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from codesign_gym.experiments.testing import synthetic_problem
from codesign_gym.search import AGENTS, agent_class, list_agents, make_agent
from codesign_gym.search.agents import Nsga2, RandomAgent
from codesign_gym.search_spaces import InputError, Registry, registry

PROBLEM = synthetic_problem("ordinal")


def test_registered_agents() -> None:
    assert list_agents() == [
        "a2c",
        "alternating",
        "annealing",
        "ant-colony",
        "assisted",
        "auto",
        "catcma",
        "dqn",
        "eas",
        "fbnetv5",
        "fbnetv5-supernet",
        "forest",
        "genetic",
        "gp",
        "ippo",
        "large-batch-ppo",
        "local-search",
        "mappo",
        "maskable-ppo",
        "nsga2",
        "optuna",
        "pc-darts",
        "ppo",
        "proxylessnas",
        "random",
        "regularized-evolution",
        "reinforce",
        "sac",
        "successive-halving",
        "surrogate-gradient",
        "tpe",
    ]
    assert agent_class("nsga2") is Nsga2


def test_an_agent_is_shown_the_statement_alone() -> None:
    by_problem = make_agent("nsga2", PROBLEM, seed=4, population="30")
    by_statement = make_agent("nsga2", PROBLEM.statement, seed=4, population=30)
    assert by_problem.statement is PROBLEM.statement
    assert by_problem.options == by_statement.options == Nsga2.Options(population=30)
    assert by_problem.seed == 4


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown agent 'randm'; did you mean 'random'"):
        make_agent("randm", PROBLEM)


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "a_plug_in.py").write_text(
        "from codesign_gym.search.agents import RandomAgent\n"
        "class Mine(RandomAgent):\n    'Mine.'\n"
        "not_a_class = 3\n"
        "class Other: ...\n"
    )
    (tmp_path / "broken_plug_in.py").write_text("x = 1 / 0\n")
    (tmp_path / "unreadable_plug_in.py").write_text("def (:\n")
    (tmp_path / "lacking_plug_in.py").write_text("import no_such_library_at_all\n")
    (tmp_path / "outdated_plug_in.py").write_text("import json\njson.no_such_function()\n")
    return tmp_path


@pytest.mark.usefixtures("plug_in")
def test_module_and_class() -> None:
    made = make_agent("a_plug_in:Mine", PROBLEM)
    assert type(made).__name__ == "Mine"
    assert made.ask(3).shape == (3, 8)


@pytest.mark.usefixtures("plug_in")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("no_such_plug_in:Mine", "ModuleNotFoundError: No module named 'no_such_plug_in'"),
        ("a_plug_in:Yours", "has no attribute 'Yours'"),
        ("a_plug_in:", "must be written module:attribute"),
        (":Mine", "must be written module:attribute"),
        (".relative:Mine", "must be written module:attribute"),
        ("a_plug_in:not_a_class", "must be a subclass of codesign_gym.Agent, got 3"),
        ("a_plug_in:Other", "must be a subclass of codesign_gym.Agent"),
        ("broken_plug_in:Mine", "cannot be loaded: ZeroDivisionError"),
        ("unreadable_plug_in:Mine", "cannot be loaded: SyntaxError"),
        ("lacking_plug_in:Mine", "No module named 'no_such_library_at_all'"),
        ("outdated_plug_in:Mine", "cannot be loaded: AttributeError"),
    ],
)
def test_what_is_wrong_with_a_plug_in_is_said(name: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        agent_class(name)
    assert f"agent {name!r}" in str(caught.value)
    assert text in str(caught.value)


def test_entry_points_of_other_packages(plug_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plug_in.is_dir()
    asked: list[str] = []

    def entry_points(group: str) -> list[EntryPoint]:
        asked.append(group)
        return [EntryPoint("mine", "a_plug_in:Mine", group), EntryPoint("odd", "json:dumps", group)]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    fresh: Registry[Any] = Registry("agent", AGENTS.group)
    fresh.register("random")(RandomAgent)
    monkeypatch.setattr(sys.modules["codesign_gym.search.registry"], "AGENTS", fresh)
    assert list(fresh.names()) == ["mine", "odd", "random"]
    assert agent_class("mine").__name__ == "Mine"
    assert make_agent("mine", PROBLEM).ask(1).shape == (1, 8)
    assert asked == ["codesign_gym.agents"]
    with pytest.raises(InputError, match="must be a subclass"):
        agent_class("odd")
    with pytest.raises(InputError, match="did you mean 'mine'"):
        agent_class("mime")


def test_a_name_is_taken_once() -> None:
    with pytest.raises(InputError, match="agent name 'random' is already taken"):
        AGENTS.register("random")(Nsga2)
    assert agent_class("random") is RandomAgent


def test_options_of_an_agent_without_any() -> None:
    with pytest.raises(InputError, match=r"unknown option of random 'size'\. Known: \(none\)"):
        make_agent("random", PROBLEM, size=3)
