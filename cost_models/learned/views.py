"""Further features that a space has besides the choices themselves, from their one-hot codes.

Parameters that share their choices, such as the layers of a network, are places of one kind: how
often each choice occurs among them is a feature. Of a cell of NAS-Bench-201, what stands on a dead
edge is not computed, so that its operations without those are features too. Letters: ``n`` rows,
``f`` features, ``c`` choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from codesign_gym.search_spaces import CellSpace, nas_bench_201

Matrix = NDArray[np.float32]

FEWEST_PLACES = 3
"""Parameters with the same choices that make a kind of place."""

_NONE = "none"


class View(Protocol):
    """Features that follow from others.

    Attributes:
        width: How many.
    """

    @property
    def width(self) -> int:
        """How many."""
        ...

    def of(self, x: Matrix) -> Matrix:
        """The features ``[n, width]`` of rows ``[n, f]``."""
        ...


class Counts(NamedTuple):
    """How often each of ``c`` choices occurs among places.

    Attributes:
        starts: First column of each place's one-hot code.
        width: Choices of each.
    """

    starts: tuple[int, ...]
    width: int

    def of(self, x: Matrix) -> Matrix:
        """Counts ``[n, c]``."""
        codes = [x[:, start : start + self.width] for start in self.starts]
        return np.asarray(np.sum(codes, axis=0), dtype=np.float32)


class LiveCell(NamedTuple):
    """The operations of a cell that are computed, one-hot by edge, and their counts.

    Attributes:
        starts: First column of each edge's one-hot code, in the order of the space.
        choices: Operations of each.
        none: Which of them is none.
        cells: The space.
    """

    starts: tuple[int, ...]
    choices: int
    none: int
    cells: CellSpace

    @property
    def width(self) -> int:
        """A code per edge, and the counts."""
        return (len(self.starts) + 1) * self.choices

    def of(self, x: Matrix) -> Matrix:
        """Codes and counts ``[n, width]``."""
        codes = np.stack([x[:, start : start + self.choices] for start in self.starts], axis=1)
        present = codes[:, :, self.none] == 0
        dead = ~self.cells.alive(present.astype(np.int32))
        codes[dead] = np.eye(self.choices, dtype=np.float32)[self.none]
        return np.concatenate([codes.reshape(len(x), -1), codes.sum(axis=1)], axis=1)


def views_of(names: Sequence[str], choices: Sequence[tuple[str, ...]]) -> tuple[View, ...]:
    """What further features columns have.

    Args:
        names: The columns, of any group.
        choices: Their categories, in the order of their codes; none for a number.

    Example:
        >>> [view.width for view in views_of("abcd", [("x", "y", "z")] * 3 + [()])]
        [3]
    """
    starts = np.cumsum([0, *(len(own) or 1 for own in choices)]).tolist()
    kinds: dict[tuple[str, ...], list[int]] = {}
    for index, own in enumerate(choices):
        if len(own) > 2:
            kinds.setdefault(own, []).append(index)
    views: list[View] = []
    for own, members in kinds.items():
        if len(members) < FEWEST_PLACES:
            continue
        places = {names[i].rpartition(".")[2]: starts[i] for i in members}
        cells = nas_bench_201()
        if tuple(sorted(places)) == tuple(sorted(cells.names)) and _NONE in own:
            edges = tuple(places[edge] for edge in cells.names)
            views.append(LiveCell(edges, len(own), own.index(_NONE), cells))
        else:
            views.append(Counts(tuple(starts[i] for i in members), len(own)))
    return tuple(views)
