"""What an agent knows, as plain data: for checkpoints that need no unpickling.

Numbers, text, bytes, None, lists, tuples, sets, dicts, NumPy arrays and random generators become
JSON-able data and back.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

_TAG = "__type__"


def pack(value: Any) -> Any:
    """``value`` as JSON-able data.

    Raises:
        TypeError: It holds something else; the text names its type.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic) and not isinstance(value.item(), np.generic):
        return pack(value.item())
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufcSU":
        text = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {_TAG: "array", "dtype": value.dtype.str, "shape": list(value.shape), "data": text}
    if isinstance(value, bytes):
        return {_TAG: "bytes", "data": base64.b64encode(value).decode()}
    if isinstance(value, np.random.Generator):
        return {_TAG: "rng", "state": pack(value.bit_generator.state)}
    if type(value) in (list, tuple, set, frozenset):
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        return {_TAG: type(value).__name__, "items": [pack(item) for item in items]}
    if type(value) is dict:
        return {_TAG: "dict", "items": [[pack(k), pack(v)] for k, v in value.items()]}
    raise TypeError(f"cannot store a {type(value).__name__}")


def unpack(data: Any) -> Any:
    """The value that `pack` turned into ``data``."""
    if not isinstance(data, dict):
        return data
    kind = data[_TAG]
    if kind == "array":
        flat = np.frombuffer(base64.b64decode(data["data"]), dtype=np.dtype(data["dtype"]))
        return flat.reshape(data["shape"]).copy()
    if kind == "bytes":
        return base64.b64decode(data["data"])
    if kind == "rng":
        state = unpack(data["state"])
        bit_generator = getattr(np.random, state["bit_generator"])()
        bit_generator.state = state
        return np.random.Generator(bit_generator)
    if kind == "dict":
        return {unpack(k): unpack(v) for k, v in data["items"]}
    makers = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
    return makers[kind](unpack(item) for item in data["items"])
