"""What an agent lacks, and what is wrong with its options, is told before anything runs."""

from __future__ import annotations

import dataclasses
import typing
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from typer.testing import CliRunner

from codesign_gym.envs import Fidelity
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.runner import STORE_NAME
from codesign_gym.experiments.summaries import catalogue
from codesign_gym.experiments.testing import SyntheticModel, synthetic_problem, synthetic_problems
from codesign_gym.search import agent_class, list_agents, make_agent
from codesign_gym.search.agents import RandomAgent
from codesign_gym.search.capabilities import CAPABILITIES, missing_packages
from codesign_gym.search_spaces import InputError

ORDINAL = synthetic_problem("ordinal")


@pytest.mark.parametrize(
    ("need", "kind", "objectives", "text"),
    [
        ("ordered", "categorical", 2, "ordered parameters alone, which problem"),
        ("several-objectives", "ordinal", 1, "several objectives, which problem"),
        ("one-objective", "ordinal", 2, "a single objective, which problem"),
        ("masks", "ordinal", 2, "parameters that count only under conditions, which problem"),
        ("growing", "ordinal", 2, "a space of growing networks, which problem"),
        (
            "supernet",
            "categorical",
            2,
            "networks that can share their weights in a supernet, which problem",
        ),
        ("relaxation", "ordinal", 2, "cost models with gradients, which problem"),
        ("fidelities", "ordinal", 2, "cost models of several fidelities, which problem"),
    ],
)
def test_what_a_problem_lacks(need: str, kind: str, objectives: int, text: str) -> None:
    class Needy(RandomAgent):
        needs = (need,)

    problem = synthetic_problem(kind, objectives=objectives)
    with pytest.raises(InputError) as caught:
        Needy(problem.statement)
    begin = "agent Needy cannot be used here: it needs "
    assert str(caught.value) == f"{begin}{text} 'synthetic-{kind}' lacks"


def test_what_a_problem_offers() -> None:
    class Needy(RandomAgent):
        needs = tuple(CAPABILITIES.keys() - {"ordered", "one-objective", "growing", "supernet"})

    class Smooth(SyntheticModel):
        offers = ("relaxation",)

    problem = synthetic_problem("conditional")
    cheaper = (Fidelity(Fraction(1, 4), problem.models),)
    able = dataclasses.replace(problem, models=(Smooth(problem.space),), fidelities=cheaper)
    assert able.statement.offers == {"relaxation"}
    assert able.statement.fidelities == (Fraction(1, 4),)
    assert Needy(able.statement).ask(3).shape == (3, 5)


def test_a_package_that_is_not_installed() -> None:
    class Needy(RandomAgent):
        packages = MappingProxyType({"no_such_module": "more"})

    assert missing_packages(Needy.packages) == ["no_such_module"]
    with pytest.raises(InputError, match=r"no_such_module \(pip install codesign-gym\[more\]\)"):
        Needy(ORDINAL.statement)


def test_a_need_that_does_not_exist() -> None:
    class Needy(RandomAgent):
        needs = ("luck",)

    with pytest.raises(InputError, match="unknown capability that agent Needy needs 'luck'"):
        Needy(ORDINAL.statement)


def test_needs_are_listed() -> None:
    rows = {row["name"]: row for row in catalogue("agents")}
    assert rows["maskable-ppo"]["needs"] == ["the extra maskable"]
    assert rows["random"]["needs"] == []


def test_a_run_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "needy_agent.py").write_text(
        "from codesign_gym.search.agents import RandomAgent\n"
        "class Needy(RandomAgent):\n    needs = ('relaxation',)\n"
    )
    words = ["run", "resnet18-asic", "--agent", "needy_agent:Needy", "--out", str(tmp_path / "o")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "needs cost models with gradients, which problem 'resnet18-asic' lacks" in done.output
    assert not (tmp_path / "o" / STORE_NAME).exists()


def test_a_sampler_of_one_objective_says_so_when_it_is_made() -> None:
    with pytest.raises(InputError, match=r"sampler 'CmaEs' cannot be used here.*multi-objective"):
        make_agent("optuna", ORDINAL, 0, sampler="CmaEs", multi_objective=True)


# -- options of all agents ---------------------------------------------------------------------


def options() -> list[tuple[str, str]]:
    agents = [*list_agents(), "exec:cat"]
    return [(a, f.name) for a in agents for f in dataclasses.fields(agent_class(a).Options)]


def kinds(agent: str, option: str) -> tuple[type, ...]:
    hint = typing.get_type_hints(agent_class(agent).Options)[option]
    return tuple(kind for kind in typing.get_args(hint) or (hint,) if kind is not type(None))


def refused(agent: str, option: str, value: Any) -> str:
    missing = missing_packages(agent_class(agent).packages)
    if missing:
        pytest.skip(f"needs {missing[0]}")
    needs = agent_class(agent).needs
    special = [kind for kind in ("growing", "fidelities", "supernet") if kind in needs]
    problem = synthetic_problems()[special[0]] if special else ORDINAL
    with pytest.raises(InputError) as caught:
        make_agent(agent, problem, 0, **{option: value})
    assert f"option {option!r} of {agent}" in str(caught.value)
    assert str(value) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("agent", "option"), options())
def test_options_of_a_wrong_type(agent: str, option: str) -> None:
    if kinds(agent, option) == (str,):
        refused(agent, option, "no-such-word")  # everything is a text
    else:
        assert " must be " in refused(agent, option, "three")


@pytest.mark.parametrize(("agent", "option"), options())
def test_options_out_of_range(agent: str, option: str) -> None:
    (kind,) = kinds(agent, option)
    value = {bool: 2, str: "-"}.get(kind, -1)
    text = refused(agent, option, value)
    assert any(
        words in text
        for words in (
            "must be at least",
            "must be in",
            "must be bool",
            "one of",
            "Known",
            "numbers above 0",
        )
    )
