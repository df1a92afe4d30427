"""Which parameters of a design matter: activity conditions, evaluated for whole batches."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codesign_gym.search_spaces.errors import InputError, unknown_name
from codesign_gym.search_spaces.parameters import Parameter

COUNT_LIMIT = 10_000_000
"""Largest table, assignments of parents x parameters, that `count` builds for one part."""


Rule = tuple[int, int, NDArray[np.bool_]]
"""A condition as (child column, parent column, allowed parent choices ``[k]``)."""


def rules(parameters: tuple[Parameter, ...]) -> list[Rule]:
    """The conditions of all parameters, in the order of the children.

    Raises:
        InputError: A condition names a parameter that is unknown or does not come before the
            child, or a value that the parent does not offer.
    """
    labels = {p.label: column for column, p in enumerate(parameters)}
    found = []
    for child, parameter in enumerate(parameters):
        for condition in parameter.active_when:
            name = condition.parameter
            label = name if name in labels else f"{parameter.group}.{name}"
            if label not in labels:
                raise unknown_name(f"parent of parameter {parameter.label!r}", name, labels)
            parent = labels[label]
            if parent >= child:
                raise InputError(
                    f"parameter {parameter.label!r} depends on {label!r}, which must come before it"
                )
            allowed = np.zeros(len(parameters[parent]), dtype=np.bool_)
            allowed[[parameters[parent].index(value) for value in condition.values]] = True
            found.append((child, parent, allowed))
    return found


def mask(conditions: Sequence[Rule], designs: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which parameters are active in each design, ``[n, p]``; a child of an inactive one is not."""
    active = np.ones(designs.shape, dtype=np.bool_)
    for child, parent, allowed in conditions:  # parents first, as the columns are ordered
        active[:, child] &= active[:, parent] & allowed[designs[:, parent]]
    return active


def count(sizes: Sequence[int], conditions: Sequence[Rule]) -> int:
    """Number of designs that differ once inactive parameters are disregarded.

    Parameters that no condition joins multiply. Within a part that conditions hold together, the
    assignments of the parents are walked through.

    Args:
        sizes: Number of choices of each parameter.
        conditions: What `rules` found.

    Raises:
        InputError: A part has more than `COUNT_LIMIT` assignments of parents.
    """
    part = list(range(len(sizes)))  # the lowest column of the part that each column is in
    for child, parent, _ in conditions:
        low, high = sorted((part[child], part[parent]))
        part = [low if root == high else root for root in part]
    total = 1
    for root in sorted(set(part)):
        columns = [column for column, own in enumerate(part) if own == root]
        at = {column: i for i, column in enumerate(columns)}
        inside = [(at[c], at[q], allowed) for c, q, allowed in conditions if c in at]
        total *= _count_part([sizes[column] for column in columns], inside)
    return total


def _count_part(sizes: Sequence[int], conditions: Sequence[Rule]) -> int:
    parents = sorted({parent for _, parent, _ in conditions})
    shape = [sizes[parent] for parent in parents]
    if math.prod(shape) * len(sizes) > COUNT_LIMIT:
        raise InputError(
            f"cannot count designs: conditions tie {len(sizes)} parameters together, with "
            f"{math.prod(shape)} combinations of parents; the product must be <= {COUNT_LIMIT}"
        )
    grid = np.zeros((math.prod(shape), len(sizes)), dtype=np.int32)
    if parents:
        grid[:, parents] = np.stack(np.unravel_index(np.arange(len(grid)), shape), axis=1)
    active = mask(conditions, grid)
    active = active[(active | (grid == 0)).all(axis=1)]  # canonical assignments only
    children = [column for column in range(len(sizes)) if column not in parents]
    # Rows that activate the same children have the same number of designs: multiply exactly, as
    # Python integers, once per distinct pattern.
    patterns, times = np.unique(active[:, children], axis=0, return_counts=True)
    return sum(
        int(n) * math.prod(sizes[c] for c, on in zip(children, row, strict=True) if on)
        for row, n in zip(patterns, times, strict=True)
    )
