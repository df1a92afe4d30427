"""Run configurations out of TOML: what is wrong is said with file, line and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codesign_gym.experiments.config import make_config, read_config
from codesign_gym.experiments.record import RunConfig
from codesign_gym.search_spaces import InputError


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "run.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


WHOLE = """
problem = "resnet18-asic"
agent = "nsga2"
budget = 200
seed = 7
specs = ["area_mm2<=4", "latency_ms<=10"]
proxy = "proxy.npz"

[options]
population = 24
"""


def test_every_key(tmp_path: Path) -> None:
    assert make_config(read_config(written(tmp_path, WHOLE))) == RunConfig(
        problem="resnet18-asic",
        agent="nsga2",
        budget=200,
        seed=7,
        options={"population": 24},
        specs=("area_mm2<=4", "latency_ms<=10"),
        proxy="proxy.npz",
    )


def test_keys_left_out_keep_their_defaults(tmp_path: Path) -> None:
    values = read_config(written(tmp_path, 'problem = "resnet18-asic"\nagent = "random"\n'))
    assert make_config(values) == RunConfig("resnet18-asic", "random")
    assert read_config(written(tmp_path, "")) == {}


@pytest.mark.parametrize(
    ("text", "line", "key", "says"),
    [
        ("budgte = 5", 1, "budgte", "unknown key 'budgte'; did you mean 'budget'"),
        ('agent = "a"\n\nbudget = "5"', 3, "budget", "must be a whole number, got '5'"),
        ("budget = 5.0", 1, "budget", "must be a whole number, got 5.0"),
        ("seed = true", 1, "seed", "must be a whole number, got True"),
        ("# first\nproblem = 3", 2, "problem", "must be text, got 3"),
        ("\nagent.name = 'a'", 2, "agent", "must be text, got {'name': 'a'}"),
        ("options = 3", 1, "options", "must be a table, got 3"),
        ("\n\nspecs = 'a<=1'", 3, "specs", "must be a list of texts, got 'a<=1'"),
        ("specs = ['a<=1', 2]", 1, "specs", "must be a list of texts, got ['a<=1', 2]"),
        ("proxy = []", 1, "proxy", "must be text, got []"),
        ("seed = 1\n[optoins]\na = 1", 2, "optoins", "did you mean 'options'"),
    ],
)
def test_a_wrong_key_or_type(tmp_path: Path, text: str, line: int, key: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}, line {line}, key {key!r}")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("budget = ", "line 1, the end"),
        ('problem = "p"\nbudget 5', "line 2, column"),
        ("[options\na = 1", "line 1, column"),
        ("seed = 1\nseed = 2", "line 2, the end"),
        (b"problem = '\xff'", "cannot read"),
        ("a = " + "[" * 100_000, ""),
    ],
)
def test_malformed_toml(tmp_path: Path, text: str | bytes, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_config(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.toml", tmp_path):
        with pytest.raises(InputError, match="cannot read"):
            read_config(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"problem": ""}, "no problem given"),
        ({"agent": ""}, "no agent given"),
        ({"budget": 0}, r"budget must be in 1\.\.1000000000, got 0"),
        ({"budget": -5}, r"budget must be in 1\.\.1000000000, got -5"),
        ({"seed": -1}, r"seed must be in 0\.\.4294967295, got -1"),
        ({"seed": 2**32}, "seed must be in"),
    ],
)
def test_values_out_of_range(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        make_config({"problem": "p", "agent": "a"} | change)
