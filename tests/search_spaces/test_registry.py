"""Registries: decorator, duplicates, unknown names, entry points of other packages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from codesign_gym.search_spaces import InputError, Registry, SearchSpace, list_spaces, make_space
from codesign_gym.search_spaces import registry as module


@dataclass
class FakeEntryPoint:
    """What the registry uses of `importlib.metadata.EntryPoint`, counting loads."""

    name: str
    item: object
    loads: int = 0

    def load(self) -> object:
        self.loads += 1
        return self.item


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> FakeEntryPoint:
    """One entry point called ``outside`` in the group ``test.things``."""
    point = FakeEntryPoint("outside", lambda: "from another package")
    monkeypatch.setattr(
        module, "entry_points", lambda group: [point] if group == "test.things" else []
    )
    return point


def test_decorator_returns_the_item_and_makes_it_known() -> None:
    things: Registry[Callable[[], int]] = Registry("thing", "test.none")

    @things.register("one")
    def one() -> int:
        return 1

    assert one() == 1
    assert things.get("one") is one
    assert things.names() == ["one"]


def test_a_name_is_taken_once() -> None:
    things: Registry[object] = Registry("thing", "test.none")
    first = object()
    things.register("one")(first)
    things.register("one")(first)  # the same again, as after a reload, is no conflict
    with pytest.raises(InputError, match="thing name 'one' is already taken by <object"):
        things.register("one")(object())
    assert things.get("one") is first


def test_unknown_names_suggest_the_nearest() -> None:
    things: Registry[object] = Registry("thing", "test.none")
    things.register("regularized-evolution")(object())
    things.register("random")(object())
    with pytest.raises(InputError) as error:
        things.get("evolution")
    assert str(error.value) == (
        "unknown thing 'evolution'; did you mean 'regularized-evolution'? "
        "Known: random, regularized-evolution"
    )
    with pytest.raises(InputError, match=r"unknown thing 'qqqq'\. Known: random"):
        things.get("qqqq")


def test_empty_registry_says_so() -> None:
    with pytest.raises(InputError, match=r"Known: \(none\)"):
        Registry[object]("thing", "test.none").get("x")


def test_entry_points_are_listed_unloaded_and_loaded_once(outside: FakeEntryPoint) -> None:
    things: Registry[object] = Registry("thing", "test.things")
    things.register("inside")(object())
    assert things.names() == ["inside", "outside"]
    assert outside.loads == 0
    assert things.get("outside") is outside.item
    assert things.get("outside") is outside.item
    assert outside.loads == 1


def test_entry_points_are_suggested_too(outside: FakeEntryPoint) -> None:
    with pytest.raises(InputError, match=f"did you mean '{outside.name}'"):
        Registry[object]("thing", "test.things").get("outsid")


def test_own_items_come_before_entry_points(outside: FakeEntryPoint) -> None:
    things: Registry[object] = Registry("thing", "test.things")
    own = object()
    things.register("outside")(own)
    assert things.get("outside") is own
    assert outside.loads == 0


@pytest.mark.parametrize("name", list_spaces())
def test_every_registered_space_is_made(name: str) -> None:
    space = make_space(name)
    assert isinstance(space, SearchSpace)
    assert space.name == name
    assert make_space(name) == space


def test_unknown_space() -> None:
    with pytest.raises(InputError, match="unknown search space 'cell-net'; did you mean 'cell-net"):
        make_space("cell-net")
