"""Pieces of a study, kept in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from codesign_gym.cost_models import learned
from codesign_gym.cost_models.learned import trees
from codesign_gym.experiments.reproduce.pieces import code_of, piece, read_piece


def test_a_piece_is_made_once(tmp_path: Path) -> None:
    path, calls = tmp_path / "pieces" / "a.json", list[int]()

    def make() -> list[float]:
        calls.append(1)
        return [0.1 + 0.2, float("inf")]

    for _ in range(2):
        assert piece(path, {"seed": 0, "agents": ("a", "b")}, make) == [0.1 + 0.2, float("inf")]
    assert len(calls) == 1
    piece(path, {"seed": 1, "agents": ("a", "b")}, make)
    assert len(calls) == 2


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"made": {"seed": 0}}', "null"])
def test_a_damaged_file_is_none(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    assert read_piece(path, {"seed": 0}) is None


def test_code_is_that_of_a_module_or_of_a_whole_package() -> None:
    assert code_of(trees) == code_of(trees)
    assert len({code_of(trees), code_of(learned), code_of(learned, trees)}) == 3
