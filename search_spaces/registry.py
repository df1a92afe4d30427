"""Names for things: what ``make_*`` and ``list_*`` look up, open to other packages.

A package adds to a registry with the decorator, or without being imported by declaring an entry
point in the registry's group (``codesign_gym.spaces``, ``codesign_gym.cost_models``,
``codesign_gym.families``, ``codesign_gym.problems``, ``codesign_gym.agents``).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from codesign_gym.search_spaces.errors import InputError, unknown_name

T = TypeVar("T")
M = TypeVar("M")


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
        """The item called ``name``; ``module:attribute`` is that of an importable module.

        Raises:
            InputError: There is none (the nearest name is told), or it fails to load.
        """
        if not isinstance(name, str):
            raise unknown_name(self.kind, name, self.names())
        if name in self._items:
            return self._items[name]
        if ":" in name:  # of any module that can be imported
            if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*", name):
                raise InputError(f"{self.kind} {name!r} must be written module:attribute")
            point = EntryPoint(name, name, self.group)
        elif name in self._outside():
            point = self._outside()[name]
        else:
            raise unknown_name(self.kind, name, self.names())
        try:
            loaded: T = point.load()
        except Exception as error:  # whatever the code of others raises when it is imported
            raise InputError(
                f"{self.kind} {name!r}: {point.value!r} cannot be loaded: "
                f"{type(error).__name__}: {error}"
            ) from error
        if ":" not in name:
            self._items[name] = loaded
        return loaded

    def make(self, name: str, kind: type[M], **options: Any) -> M:
        """What the registered function or class ``name`` gives when called with ``options``.

        Raises:
            InputError: There is none, it takes no such option, or it gives something else than a
                ``kind``.
        """
        factory: Any = self.get(name)
        if not callable(factory):
            raise InputError(f"{self.kind} {name!r} must be a function or a class, got {factory!r}")
        known = inspect.signature(factory).parameters
        for option in options:
            if option not in known:
                raise unknown_name(f"option of {self.kind} {name!r}", option, known)
        try:
            made = factory(**options)
        except TypeError as error:
            raise InputError(f"{self.kind} {name!r} cannot be made: {error}") from error
        if not isinstance(made, kind):
            raise InputError(f"{self.kind} {name!r} must give a {kind.__name__}, gave {made!r}")
        return made

    def names(self) -> list[str]:
        """All known names, sorted, those of entry points included (which are not loaded)."""
        return sorted(self._items.keys() | self._outside().keys())

    def _outside(self) -> dict[str, EntryPoint]:
        if self._entry_points is None:
            self._entry_points = {point.name: point for point in entry_points(group=self.group)}
        return self._entry_points
