"""What an agent needs of a problem and of the installation, told before a run begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from codesign_gym.envs import ProblemStatement
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.errors import unknown_name
from codesign_gym.search_spaces.networks.growth import is_growing


@dataclass(frozen=True)
class Capability:
    """Something that a problem may offer.

    Attributes:
        about: What it is, for people.
        there: Whether a statement offers it.
    """

    about: str
    there: Callable[[ProblemStatement], bool]


def _declared(name: str) -> Callable[[ProblemStatement], bool]:
    return lambda statement: name in statement.offers


CAPABILITIES: Mapping[str, Capability] = {
    "ordered": Capability(
        "ordered parameters alone", lambda s: all(p.ordered for p in s.space.parameters)
    ),
    "several-objectives": Capability("several objectives", lambda s: len(s.objectives) > 1),
    "one-objective": Capability("a single objective", lambda s: len(s.objectives) == 1),
    "masks": Capability(
        "parameters that count only under conditions",
        lambda s: any(p.active_when for p in s.space.parameters),
    ),
    "growing": Capability("a space of growing networks", lambda s: is_growing(s.space)),
    "supernet": Capability(
        "networks that can share their weights in a supernet", lambda s: s.supernet is not None
    ),
    "relaxation": Capability("cost models with gradients", _declared("relaxation")),
    "fidelities": Capability("cost models of several fidelities", lambda s: bool(s.fidelities)),
}
"""What an agent's class may name in ``needs``."""


def check_capabilities(
    agent: str, statement: ProblemStatement, needs: tuple[str, ...], packages: Mapping[str, str]
) -> None:
    """Raise `InputError` unless the problem and the installation have what an agent needs.

    Args:
        agent: Who needs it, for the error text.
        statement: Of the problem.
        needs: Names in `CAPABILITIES`.
        packages: Module -> the extra of this package that installs it.
    """
    for need in needs:
        if need not in CAPABILITIES:
            raise unknown_name(f"capability that agent {agent} needs", need, CAPABILITIES)
        if not CAPABILITIES[need].there(statement):
            raise lacking(agent, f"problem {statement.name!r}", CAPABILITIES[need].about)
    for package in missing_packages(packages):
        extra = packages[package]
        what = f"the package {package} (pip install codesign-gym[{extra}])"
        raise lacking(agent, "this installation", what)


def lacking(agent: str, who: str, what: str) -> InputError:
    """The one error of an agent that cannot serve a problem."""
    return InputError(f"agent {agent} cannot be used here: it needs {what}, which {who} lacks")


def missing_packages(packages: Mapping[str, str]) -> list[str]:
    """Those of the modules that are not installed."""
    return [package for package in packages if find_spec(package) is None]
