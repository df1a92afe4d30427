"""What may be chosen: parameters, spaces, and the views of a design."""

from collections.abc import Callable

from codesign_gym.search_spaces.checks import Designs
from codesign_gym.search_spaces.errors import InputError
from codesign_gym.search_spaces.groups import in_group
from codesign_gym.search_spaces.hardware import heterogeneous_accelerator, systolic_accelerator
from codesign_gym.search_spaces.networks import cell_network
from codesign_gym.search_spaces.parameters import Categorical, Condition, Ordinal, Parameter
from codesign_gym.search_spaces.registry import Registry
from codesign_gym.search_spaces.space import SearchSpace

__all__ = [
    "SPACES",
    "Categorical",
    "Condition",
    "Designs",
    "InputError",
    "Ordinal",
    "Parameter",
    "Registry",
    "SearchSpace",
    "cell_network",
    "heterogeneous_accelerator",
    "in_group",
    "list_spaces",
    "make_space",
    "systolic_accelerator",
]

SPACES: Registry[Callable[[], SearchSpace]] = Registry("search space", "codesign_gym.spaces")
"""Registered spaces: name -> function that makes the space."""

SPACES.register("cell-network")(cell_network)
SPACES.register("heterogeneous-accelerator")(heterogeneous_accelerator)
SPACES.register("systolic-accelerator")(systolic_accelerator)


def make_space(name: str) -> SearchSpace:
    """The registered space called ``name``; an unknown name raises `InputError`."""
    return SPACES.make(name, SearchSpace)


def list_spaces() -> list[str]:
    """Names of all registered spaces."""
    return SPACES.names()
