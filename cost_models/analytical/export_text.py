"""What the exports share: names that are safe in files, and YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


class Tagged(dict[str, Any]):
    """A mapping that YAML marks with a tag, such as ``!Component``."""

    def __init__(self, tag: str, items: Mapping[str, Any]) -> None:
        super().__init__(items)
        self.tag = f"!{tag}"


def yaml_text(data: object, about: str) -> str:
    """YAML of plain data and `Tagged` mappings, keys in their order, under lines of comment.

    Example:
        >>> print(yaml_text({"nodes": [Tagged("Component", {"name": "mac"})]}, "One node."), end="")
        # One node.
        nodes:
        - !Component {name: mac}
    """
    import yaml

    # No anchors: equal parts are written out.
    dumper: Any = type("Dumper", (yaml.SafeDumper,), {"ignore_aliases": lambda self, data: True})
    dumper.add_representer(
        Tagged, lambda writer, item: writer.represent_mapping(item.tag, dict(item))
    )
    comment = "".join(f"# {line}\n" for line in about.splitlines())
    text: str = yaml.dump(data, Dumper=dumper, sort_keys=False, width=100, default_flow_style=None)
    return comment + text


def file_name(text: str) -> str:
    """A layer's name with what is not a letter, digit, dot or dash replaced."""
    return re.sub(r"[^\w.-]", "_", text)
