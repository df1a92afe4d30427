"""Names for things: what ``make_*`` and ``list_*`` look up, open to other packages.

A package adds to a registry with the decorator, or without being imported by declaring an entry
point in the registry's group (``codesign_gym.spaces``, ``codesign_gym.cost_models``,
``codesign_gym.problems``, ``codesign_gym.agents``).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from codesign_gym.search_spaces.errors import InputError, unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """Named items of one kind.

    Attributes:
        kind: What the items are, for error texts ("agent").
        group: The entry-point group in which other packages declare theirs.
    """

    def __init__(self, kind: str, group: str) -> None:
        self.kind = kind
        self.group = group
        self._items: dict[str, T] = {}
        self._entry_points: dict[str, EntryPoint] | None = None

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: make the item known as ``name``; a name can be taken once."""

        def add(item: T) -> T:
            taken = self._items.get(name)
            if taken is not None and taken is not item:
                raise InputError(f"{self.kind} name {name!r} is already taken by {taken!r}")
            self._items[name] = item
            return item

        return add

    def get(self, name: str) -> T:
        """The item called ``name``.

        Raises:
            InputError: There is none (the nearest name is told), or a package's own fails to load.
        """
        if name not in self._items:
            outside = self._outside()
            if name not in outside:
                raise unknown_name(self.kind, name, self.names())
            try:
                self._items[name] = outside[name].load()
            except (ImportError, AttributeError) as error:
                raise InputError(
                    f"{self.kind} {name!r} is declared by an installed package as "
                    f"{outside[name].value!r}, which cannot be loaded: {error}"
                ) from error
        return self._items[name]

    def names(self) -> list[str]:
        """All known names, sorted, those of entry points included (which are not loaded)."""
        return sorted(self._items.keys() | self._outside().keys())

    def _outside(self) -> dict[str, EntryPoint]:
        if self._entry_points is None:
            self._entry_points = {point.name: point for point in entry_points(group=self.group)}
        return self._entry_points
