"""Files that appear whole or not at all."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file in one step: whoever reads sees the old content or the new, whenever we stop.

    Its folder is made where it does not exist. Text is written as UTF-8.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def write_arrays(path: Path, arrays: Mapping[str, ArrayLike]) -> None:
    """Write arrays by name as a compressed ``.npz``, in one step, whatever the file is called."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **{k: np.asarray(v) for k, v in arrays.items()})
    write_whole(path, buffer.getvalue())
