"""The search space: what a design is, and every view of it.

A design is a row of choice indices, one per parameter; a batch of them is an int32 matrix. Letters
used in shapes throughout the package: ``n`` designs, ``p`` parameters, ``k`` choices of one
parameter, ``K`` choices of all of them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.search_spaces import activity
from codesign_gym.search_spaces.checks import Designs, as_array, checked_designs
from codesign_gym.search_spaces.errors import InputError, unknown_name
from codesign_gym.search_spaces.parameters import Choice, Parameter, parameter_from_dict

if TYPE_CHECKING:
    import gymnasium
    from optuna.distributions import BaseDistribution


def _column(values: tuple[Choice, ...]) -> NDArray[Any]:
    """The values as an array that keeps their types: of objects, where the types are mixed."""
    kinds = {"number" if type(v) in (int, float) else type(v).__name__ for v in values}
    return np.array(values, dtype=object if len(kinds) > 1 else None)


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """An ordered tuple of finite parameters in named groups.

    Attributes:
        name: Name of the space; parameters without a group get it as theirs.
        parameters: The parameters; a design is one choice index for each, in this order.

    Spaces multiply: ``network * accelerator`` has the parameters of both, in two groups.

    >>> from codesign_gym.search_spaces.parameters import Categorical, Ordinal
    >>> chip = SearchSpace("chip", (Ordinal("rows", (8, 16)), Categorical("flow", ("os", "ws"))))
    >>> chip.decode([[1, 0]])
    [{'rows': 16, 'flow': 'os'}]
    >>> (SearchSpace("net", (Ordinal("width", (1, 2, 3)),)) * chip).names
    ('net.width', 'chip.rows', 'chip.flow')
    """

    name: str
    parameters: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        parameters = tuple(p if p.group else replace(p, group=self.name) for p in self.parameters)
        object.__setattr__(self, "parameters", parameters)
        if not parameters:
            raise InputError(f"search space {self.name!r} needs at least one parameter, got none")
        labels = [p.label for p in parameters]
        twice = {label for label in labels if labels.count(label) > 1}
        if twice:
            raise InputError(f"search space {self.name!r} has two parameters {sorted(twice)[0]!r}")
        _ = self._rules  # conditions are checked here, at the door

    @cached_property
    def _rules(self) -> list[activity.Rule]:
        return activity.rules(self.parameters)

    # -- shape ---------------------------------------------------------------------------------

    @cached_property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """Column indices of each group, in order of first appearance."""
        groups: dict[str, list[int]] = {}
        for column, parameter in enumerate(self.parameters):
            groups.setdefault(parameter.group, []).append(column)
        return {group: tuple(columns) for group, columns in groups.items()}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Parameter names, ``group.name`` where the space has several groups."""
        several = len(self.groups) > 1
        return tuple(p.label if several else p.name for p in self.parameters)

    @cached_property
    def nvec(self) -> NDArray[np.int32]:
        """Number of choices per parameter, ``[p]``."""
        return np.array([len(p) for p in self.parameters], dtype=np.int32)

    @property
    def size(self) -> int:
        """Number of index rows, inactive parameters counted: the product of `nvec`."""
        return math.prod(len(p) for p in self.parameters)

    @cached_property
    def cardinality(self) -> int:
        """Number of different designs: index rows that differ after `canonical`."""
        return activity.count([len(p) for p in self.parameters], self._rules)

    @cached_property
    def digest(self) -> str:
        """A short fingerprint of the parameters, equal exactly where two spaces are."""
        text = json.dumps([p.to_dict() for p in self.parameters], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"<SearchSpace {self.name}: {len(self)} parameters, {self.size:,} rows>"

    def __len__(self) -> int:
        return len(self.parameters)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self.parameters == other.parameters

    def __hash__(self) -> int:
        return hash(self.parameters)

    # -- composition ---------------------------------------------------------------------------

    def __mul__(self, other: SearchSpace) -> SearchSpace:
        """The joint space: the parameters of both; a name that occurs in both is an error."""
        if not isinstance(other, SearchSpace):
            return NotImplemented
        return SearchSpace(f"{self.name}*{other.name}", self.parameters + other.parameters)

    def select(self, *labels: str) -> SearchSpace:
        """The sub-space of whole groups (``"network"``) and parameters (``"chip.rows"``)."""
        known = set(self.groups) | {p.label for p in self.parameters}
        for label in labels:
            if label not in known:
                raise unknown_name(f"group or parameter of {self.name!r}", label, known)
        kept = tuple(p for p in self.parameters if p.group in labels or p.label in labels)
        return SearchSpace("+".join(labels), kept)

    def columns_of(self, part: SearchSpace) -> NDArray[np.intp]:
        """Where the parameters of ``part`` stand in this space, ``[p of part]``."""
        position = {parameter: column for column, parameter in enumerate(self.parameters)}
        missing = [p.label for p in part.parameters if p not in position]
        if missing:
            raise InputError(
                f"space {self.name!r} lacks the parameters {', '.join(missing)} of {part.name!r}"
            )
        return np.array([position[p] for p in part.parameters], dtype=np.intp)

    # -- designs -------------------------------------------------------------------------------

    def check(self, designs: ArrayLike) -> Designs:
        """A copy of the designs as an int32 matrix ``[n, p]``; else `InputError`."""
        return checked_designs(self.name, self.names, self.parameters, designs)

    def sample(self, n: int, rng: np.random.Generator | int) -> Designs:
        """``n`` designs ``[n, p]``, each parameter drawn uniformly, inactive ones zeroed.

        Args:
            n: How many.
            rng: A generator, or the seed of a new one.
        """
        rng = np.random.default_rng(rng)
        return self.canonical(rng.integers(0, self.nvec, size=(n, len(self)), dtype=np.int32))

    def active(self, designs: Designs) -> NDArray[np.bool_]:
        """Which parameters matter in each design, ``[n, p]``."""
        return activity.mask(self._rules, designs)

    def canonical(self, designs: Designs) -> Designs:
        """The designs with inactive parameters set to 0: equal rows are equal designs."""
        if not self._rules:
            return designs
        return np.where(self.active(designs), designs, 0).astype(np.int32)

    def neighbours(self, designs: Designs) -> tuple[Designs, NDArray[np.intp]]:
        """Designs one move away: any other category, or the next smaller or larger ordinal.

        Returns:
            The neighbours ``[m, p]``, canonical, grouped by origin, and the row of ``designs``
            that each is a neighbour of, ``[m]``. Inactive parameters are not moved.
        """
        designs = self.canonical(designs)
        active = self.active(designs)
        rows, origins = [], []
        for column, parameter in enumerate(self.parameters):
            choices = np.arange(len(parameter), dtype=np.int32)
            distance = np.abs(choices[None, :] - designs[:, column, None])
            near = (distance == 1) if parameter.ordered else (distance > 0)
            origin, choice = np.nonzero(near & active[:, column, None])
            moved = designs[origin]
            moved[:, column] = choice
            rows.append(moved)
            origins.append(origin)
        origin = np.concatenate(origins)
        order = np.argsort(origin, kind="stable")
        return self.canonical(np.concatenate(rows)[order]), origin[order]

    def ravel(self, designs: Designs) -> NDArray[np.int64]:
        """The position of each row in the grid of all rows, ``[n]``; last parameter fastest."""
        return designs @ self._strides

    def unravel(self, positions: ArrayLike) -> Designs:
        """The rows at these grid positions, ``[n, p]``: the inverse of `ravel`."""
        strides = self._strides
        at = as_array(f"grid positions of {self.name!r}", positions)
        if at.ndim != 1 or (at.dtype.kind not in "iu" and at.size):
            raise InputError(
                f"grid positions of {self.name!r} must be integers [n], "
                f"got shape {list(at.shape)}, dtype {at.dtype}"
            )
        outside = (at < 0) | (at >= self.size)
        if outside.any():
            raise InputError(
                f"grid positions of {self.name!r} must be in 0..{self.size - 1}, "
                f"got {at[outside][0]}"
            )
        return (at.astype(np.int64)[:, None] // strides % self.nvec).astype(np.int32)

    @cached_property
    def _strides(self) -> NDArray[np.int64]:
        if self.size > np.iinfo(np.int64).max:
            raise InputError(
                f"space {self.name!r} has more than 1e{len(str(self.size)) - 1} rows: "
                "too many to number"
            )
        sizes = [len(p) for p in self.parameters]
        return np.array([math.prod(sizes[j + 1 :]) for j in range(len(sizes))], dtype=np.int64)

    def enumerate(self, limit: int = 1_000_000) -> Designs:
        """Every different design once, in grid order, where there are at most ``limit`` rows."""
        if self.size > limit:
            raise InputError(f"space {self.name!r} has {self.size} rows, more than {limit}")
        grid = self.unravel(np.arange(self.size))
        return grid[np.flatnonzero(np.all(self.canonical(grid) == grid, axis=1))]

    # -- views: people -------------------------------------------------------------------------

    def values(self, designs: Designs) -> dict[str, NDArray[Any]]:
        """The chosen values as columns: parameter name -> ``[n]``."""
        return {
            name: _column(parameter.values)[designs[:, column]]
            for column, (name, parameter) in enumerate(
                zip(self.names, self.parameters, strict=True)
            )
        }

    def decode(self, designs: ArrayLike) -> list[dict[str, Choice]]:
        """The designs as dicts of values, for people."""
        return [
            {name: p.values[i] for name, p, i in zip(self.names, self.parameters, row, strict=True)}
            for row in self.check(designs).tolist()
        ]

    def encode(self, rows: Sequence[Mapping[str, object]]) -> Designs:
        """The inverse of `decode`; a missing, unknown or impossible value raises `InputError`.

        Inactive parameters may be left out.
        """
        if isinstance(rows, Mapping) or not all(isinstance(row, Mapping) for row in rows):
            raise InputError(f"designs to encode must be a list of dicts, got {rows!r}")
        column_of = {name: column for column, name in enumerate(self.names)}
        designs = np.zeros((len(rows), len(self)), dtype=np.int32)
        lacking = np.ones(designs.shape, dtype=np.bool_)
        for i, row in enumerate(rows):
            for name, value in row.items():
                if name not in column_of:
                    raise unknown_name(f"parameter of {self.name!r}", name, self.names)
                column = column_of[name]
                designs[i, column] = self.parameters[column].index(value)
                lacking[i, column] = False
        lacking &= self.active(designs)
        if lacking.any():
            i, column = map(int, np.argwhere(lacking)[0])
            parameter = self.parameters[column]
            raise InputError(
                f"design {i} lacks parameter {self.names[column]!r} (one of {parameter.describe()})"
            )
        return self.canonical(designs)

    # -- views: numbers ------------------------------------------------------------------------

    def unit(self, designs: Designs) -> NDArray[np.float64]:
        """The designs in the open unit cube ``[n, p]``: choice i of k at (i + 1/2) / k."""
        return (designs + 0.5) / self.nvec

    def from_unit(self, points: ArrayLike) -> Designs:
        """The designs whose cells hold these points of [0, 1]^p; every cell is equally large."""
        x = as_array(f"points of {self.name!r}", points)
        if x.ndim != 2 or x.shape[1] != len(self) or x.dtype.kind not in "fiu":
            raise InputError(
                f"points of {self.name!r} must be numbers [n, {len(self)}], "
                f"got shape {list(x.shape)}, dtype {x.dtype}"
            )
        outside = ~((x >= 0) & (x <= 1))  # also true for NaN
        if outside.any():
            row, column = map(int, np.argwhere(outside)[0])
            raise InputError(
                f"point {row}: parameter {self.names[column]!r} must be in 0..1, "
                f"got {x[row, column]}"
            )
        return self.canonical(np.minimum(x * self.nvec, self.nvec - 1).astype(np.int32))

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """First one-hot column of each parameter, and the total ``K`` last, ``[p + 1]``."""
        return np.concatenate([[0], np.cumsum(self.nvec, dtype=np.int64)])

    def one_hot(self, designs: Designs) -> NDArray[np.float32]:
        """One column per choice, ``[n, K]``."""
        out = np.zeros((len(designs), int(self.offsets[-1])), dtype=np.float32)
        np.put_along_axis(out, designs + self.offsets[:-1], 1.0, axis=1)
        return out

    def from_one_hot(self, scores: NDArray[np.floating[Any]]) -> Designs:
        """The best-scored choice of each parameter, ``[n, K] -> [n, p]``."""
        pairs = zip(self.offsets[:-1], self.offsets[1:], strict=True)
        best = [scores[:, start:stop].argmax(axis=1) for start, stop in pairs]
        return self.canonical(np.stack(best, axis=1).astype(np.int32))

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of `features`."""
        named = zip(self.names, self.parameters, strict=True)
        return tuple(
            label
            for name, p in named
            for label in ([name] if p.ordered else [f"{name}={value}" for value in p.values])
        )

    def features(self, designs: Designs) -> NDArray[np.float32]:
        """Columns for learned models: ordinals in the unit cube, categories one-hot, ``[n, f]``."""
        unit, one_hot, offsets = self.unit(designs), self.one_hot(designs), self.offsets
        columns = [
            unit[:, [j]] if p.ordered else one_hot[:, offsets[j] : offsets[j + 1]]
            for j, p in enumerate(self.parameters)
        ]
        return np.concatenate(columns, axis=1).astype(np.float32)

    # -- views: other libraries ----------------------------------------------------------------

    def to_gymnasium(self) -> gymnasium.spaces.MultiDiscrete:
        """The space of one design's index row, for Gymnasium."""
        from gymnasium.spaces import MultiDiscrete

        return MultiDiscrete(self.nvec.astype(np.int64))

    def to_optuna(self) -> dict[str, BaseDistribution]:
        """A distribution per parameter for Optuna: categories by value, ordinals by index."""
        from optuna.distributions import CategoricalDistribution, IntDistribution

        return {
            name: IntDistribution(0, len(p) - 1) if p.ordered else CategoricalDistribution(p.values)
            for name, p in zip(self.names, self.parameters, strict=True)
        }

    def from_optuna(self, params: Mapping[str, Any]) -> Designs:
        """The design ``[1, p]`` of one Optuna trial's parameters."""
        row = []
        for name, p in zip(self.names, self.parameters, strict=True):
            if name not in params:
                raise InputError(f"Optuna's parameters lack {name!r} of {self.name!r}")
            row.append(params[name] if p.ordered else p.index(params[name]))
        return self.canonical(self.check([row]))

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description."""
        return {"name": self.name, "parameters": [p.to_dict() for p in self.parameters]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SearchSpace:
        """The space that `to_dict` described."""
        return cls(data["name"], tuple(parameter_from_dict(p) for p in data["parameters"]))
