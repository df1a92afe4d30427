"""A strict check of YAML against a shape, and a reader of YAML with tags."""

from __future__ import annotations

import re
from typing import Any

import yaml


class Tag(dict[str, Any]):
    """A mapping that had a tag."""

    def __init__(self, tag: str, items: dict[str, Any]) -> None:
        super().__init__(items)
        self.tag = tag


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    pass


_Loader.add_multi_constructor(
    "!", lambda loader, tag, node: Tag(tag, loader.construct_mapping(node, deep=True))
)


def read_yaml(text: str) -> Any:
    """What a YAML text says; tagged mappings are `Tag`."""
    return yaml.load(text, Loader=_Loader)


def check(data: Any, shape: Any, where: str = "$") -> None:
    """Fail where the data are not of the shape.

    A shape is a type; a pattern, which a text must match whole; ``[shape]`` for a list of such;
    a dict of keys, those after ``?`` optional, no others allowed; or a function that is true of it.
    """
    if isinstance(shape, dict):
        assert isinstance(data, dict), where
        required = {key for key in shape if not key.startswith("?")}
        known = {key.lstrip("?") for key in shape}
        assert required <= data.keys() <= known, (where, sorted(data))
        for key, value in data.items():
            check(value, shape.get(key, shape.get(f"?{key}")), f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(data, list), where
        for i, item in enumerate(data):
            check(item, shape[0], f"{where}[{i}]")
    elif isinstance(shape, re.Pattern):
        assert isinstance(data, str) and shape.fullmatch(data), (where, data)  # noqa: PT018
    elif isinstance(shape, type):
        assert isinstance(data, shape) and not (shape is int and data is True), (where, data)  # noqa: PT018
    else:
        assert shape(data), (where, data)
