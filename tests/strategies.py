"""Hypothesis strategies: random search spaces, and designs in them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from codesign_gym.search_spaces import Categorical, Condition, Designs, Ordinal, SearchSpace
from codesign_gym.search_spaces.parameters import Choice

GROUPS = ("net", "chip", "compiler")

_numbers = st.one_of(st.integers(-9, 9), st.floats(-9, 9, allow_nan=False))
_texts = st.text("abc xyz", min_size=1, max_size=3)


@st.composite
def parameters(
    draw: st.DrawFn, name: str, group: str, before: list[Categorical | Ordinal]
) -> Categorical | Ordinal:
    """A parameter of one to four choices, perhaps under conditions on earlier ones."""
    conditions = []
    conditional = draw(st.booleans())
    if before and conditional:
        parents = st.lists(st.sampled_from(before), min_size=1, max_size=2, unique_by=id)
        for parent in draw(parents):
            values = st.lists(st.sampled_from(parent.values), min_size=1, unique=True)
            near = parent.group == group and draw(st.booleans())
            conditions.append(Condition(parent.name if near else parent.label, draw(values)))
    unit = draw(st.sampled_from(("", "kB")))
    if draw(st.booleans()):
        ordered = draw(st.lists(_numbers, min_size=1, max_size=4, unique=True))
        return Ordinal(name, tuple(sorted(ordered)), unit, group, tuple(conditions))
    mixed: st.SearchStrategy[Choice] = st.one_of(_texts, st.booleans(), _numbers)
    choices = draw(st.lists(mixed, min_size=1, max_size=4, unique=True))
    return Categorical(name, tuple(choices), unit, group, tuple(conditions))


@st.composite
def spaces(draw: st.DrawFn, conditions: bool = True) -> SearchSpace:
    """A space of one to six parameters in up to three groups, 4,096 rows at most."""
    made: list[Categorical | Ordinal] = []
    for i in range(draw(st.integers(1, 6))):
        group = draw(st.sampled_from(GROUPS))
        made.append(draw(parameters(f"p{i}", group, made if conditions else [])))
    return SearchSpace("random", tuple(made))


@st.composite
def spaces_and_designs(
    draw: st.DrawFn, conditions: bool = True, min_size: int = 0
) -> tuple[SearchSpace, Designs]:
    """A space with some rows of it, not canonical."""
    space = draw(spaces(conditions))
    row = st.tuples(*(st.integers(0, len(p) - 1) for p in space.parameters))
    rows = draw(st.lists(row, min_size=min_size, max_size=5))
    return space, np.array(rows, dtype=np.int32).reshape(len(rows), len(space))


def is_active(space: SearchSpace, row: tuple[int, ...]) -> list[bool]:
    """By the definition, parameter by parameter: every condition holds under an active parent."""
    active: list[bool] = []
    by_label = {p.label: column for column, p in enumerate(space.parameters)}
    for parameter in space.parameters:
        on = True
        for condition in parameter.active_when:
            inside = f"{parameter.group}.{condition.parameter}"
            parent = by_label.get(condition.parameter, by_label.get(inside, -1))
            on = on and active[parent]
            on = on and space.parameters[parent].values[row[parent]] in condition.values
        active.append(on)
    return active


def canonical_row(space: SearchSpace, row: tuple[int, ...]) -> tuple[int, ...]:
    """The row with the choices that do not matter set to 0."""
    return tuple(i if on else 0 for i, on in zip(row, is_active(space, row), strict=True))
