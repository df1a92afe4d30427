"""Spaces under another name, so that a problem can have the same one twice."""

from __future__ import annotations

from dataclasses import replace

from codesign_gym.search_spaces.parameters import Condition, Parameter
from codesign_gym.search_spaces.space import SearchSpace


def in_group(space: SearchSpace, group: str) -> SearchSpace:
    """The space with all its parameters in one group of that name, which is its name as well.

    >>> from codesign_gym.search_spaces import cell_network
    >>> (in_group(cell_network(), "task1") * in_group(cell_network(), "task2")).names[4:6]
    ('task1.cells', 'task2.op_01')
    """

    def moved(parameter: Parameter) -> Parameter:
        conditions = tuple(
            Condition(condition.parameter.rpartition(".")[2], condition.values)
            for condition in parameter.active_when
        )
        return replace(parameter, group=group, active_when=conditions)

    return SearchSpace(group, tuple(moved(parameter) for parameter in space.parameters))
