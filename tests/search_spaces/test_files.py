"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike

from codesign_gym.search_spaces.files import write_arrays, write_whole


def test_what_is_written_is_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "text"
    for content in ("first, longer", "zweite: ü"):
        write_whole(path, content)
        assert path.read_text(encoding="utf-8") == content
    assert [p.name for p in path.parent.iterdir()] == ["text"]


def test_a_write_that_fails_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "text"
    write_whole(path, "old")

    def full(source: object, target: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        write_whole(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["text"]
    assert path.read_text(encoding="utf-8") == "old"


def test_arrays_come_back_whatever_the_file_is_called(tmp_path: Path) -> None:
    arrays: dict[str, ArrayLike] = {
        "rows": np.arange(6).reshape(2, 3),
        "text": np.array("é"),
        "number": 2.5,
    }
    path = tmp_path / "table.data"
    write_arrays(path, arrays)
    assert [p.name for p in tmp_path.iterdir()] == ["table.data"]
    with np.load(path, allow_pickle=False) as found:
        assert set(found) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
