"""What the columns of features belong to, for methods that read more than a row of numbers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned.frames import as_frame
from codesign_gym.cost_models.learned.regressors import FloatArray, Matrix
from codesign_gym.cost_models.learned.schema import Schema
from codesign_gym.cost_models.workloads.spaces import has_layers
from codesign_gym.search_spaces import InputError, SearchSpace
from codesign_gym.search_spaces.errors import unknown_name


class Layout(NamedTuple):
    """What columns belong to.

    Attributes:
        tokens: Group of each column that a table's columns become, from 0 on, ``[c]``; further
            columns of features belong to none of these.
        space: The space that the columns are the parameters of, where they are.
        codes: The columns of each choice of every parameter of the space, ``[choices, width]``.
    """

    tokens: NDArray[np.intp]
    space: SearchSpace | None
    codes: tuple[Matrix, ...]

    @property
    def networks(self) -> bool:
        """Whether the rows are networks of which the layers are known."""
        return self.space is not None and has_layers(self.space)


@runtime_checkable
class Structured(Protocol):
    """A `Regressor` that reads the layout."""

    @classmethod
    @abstractmethod
    def fit_layout(cls, x: Matrix, y: FloatArray, seed: int, layout: Layout) -> Self:
        """Learn ``y [n]`` from features ``x [n, f]`` of this layout."""
        ...


def layout_of(
    schema: Schema, space: SearchSpace | None, tokens: Mapping[str, Sequence[str]] | None = None
) -> Layout:
    """The layout of a schema's columns.

    Args:
        schema: The columns.
        space: The space that they are the parameters of, if they are.
        tokens: Name of a group -> its columns; what is in none is one by itself. By default the
            part of a name before its last dot, such as the group of a parameter.

    Raises:
        InputError: A column of ``tokens`` is none of the schema's, or in two groups.
    """
    place: dict[str, str] = {}
    for token, names in (tokens or {}).items():
        for name in names:
            if name not in schema.names:
                raise unknown_name(f"column of token {token!r}", name, schema.names)
            if name in place:
                raise InputError(f"column {name!r} is in the tokens {place[name]!r} and {token!r}")
            place[name] = token
    if tokens is None and len({name.rpartition(".")[0] for name in schema.names}) > 1:
        place = {n: prefix for n in schema.names if (prefix := n.rpartition(".")[0])}
    labels = [
        f"in {place[name]}" if name in place else f"by itself {name}" for name in schema.names
    ]
    known = {label: index for index, label in enumerate(dict.fromkeys(labels))}
    widths = [feature.width for feature in schema.features]
    codes: tuple[Matrix, ...] = ()
    if space is not None:
        codes = tuple(
            Schema((feature,)).encode(as_frame({feature.name: list(parameter.values)})).x
            for feature, parameter in zip(schema.features, space.parameters, strict=True)
        )
    return Layout(np.repeat([known[label] for label in labels], widths), space, codes)
