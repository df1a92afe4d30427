"""Memory traces: reading them, what is refused with file and line, and the generated ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from codesign_gym.cost_models.simulators.dram import (
    PARTS,
    WORKLOADS,
    Trace,
    make_trace,
    read_trace,
    simulate,
    simulate_all,
)
from codesign_gym.search_spaces import InputError

TEXT = "# two requests\n\n0:\tread\t0x40\n7: (64) write 0x80 0xFF\r\n7 read 1C0\n"


@pytest.mark.parametrize("packed", [False, True])
def test_read(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("t.stl.gz" if packed else "t.stl")
    path.write_bytes(gzip.compress(TEXT.encode()) if packed else TEXT.encode())
    found = read_trace(path)
    assert found.clock.tolist() == [0, 7, 7]
    assert found.write.tolist() == [False, True, False]
    assert found.address.tolist() == [0x40, 0x80, 0x1C0]
    assert found.lines.tolist() == [3, 4, 5]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0: read 0x40\n1: read\n", "line 2: must be 'clock: read 0xADDRESS'.*'1: read'"),
        ("0: read 0x40\n1: fetch 0x80\n", "line 2"),
        ("0: read 0xG\n", "line 1"),
        ("-1: read 0x0\n", "line 1"),
        ("1.5: read 0x0\n", "line 1"),
        ("0: (32) read 0x0\n", "line 1: requests must be of 64 bytes, got 32"),
        ("5: read 0x40\n\n4: read 0x80\n", "line 3: clocks must not decrease, got 4"),
        (f"0: read 0x0\n{1 << 40}: read 0x0\n", "line 2: clock must be in 0..68719476736, got"),
        (f"0: read {1 << 70:x}\n", "line 1: no such clock or address"),
        (f"0: read 0x0\n{'9' * 6000}: read 0x0\n", "line 2: must be 'clock: read"),
        (f"0: ({'9' * 6000}) read 0x0\n", "line 1: must be 'clock: read"),
        ("\u0663: read 0x0\n", "line 1: must be 'clock: read"),
        ("", "has no request"),
        ("# nothing\n\n", "has no request"),
    ],
)
def test_malformed(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.stl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=f"{path}.*{says}"):
        read_trace(path)


def test_an_address_outside_the_part_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "far.stl"
    path.write_text("0: read 0x0\n1: read 0x40000000\n")
    design = [[0] * 10]
    says = r"far\.stl, line 2: address 0x40000000 is outside DDR3-1600"
    with pytest.raises(InputError, match=says):
        simulate(read_trace(path), design)
    assert simulate(read_trace(path), design, "DDR4-2400").valid.all()


def test_cut_off_and_unreadable(tmp_path: Path) -> None:
    whole = gzip.compress("".join(f"{k}: read {64 * k:#x}\n" for k in range(3000)).encode())
    cut = tmp_path / "cut.stl.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cannot read .*cut.stl.gz after line \d+"):
        read_trace(cut)
    binary = tmp_path / "binary.stl"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InputError, match="cannot read"):
        read_trace(binary)
    for path in (tmp_path / "none.stl", tmp_path):
        with pytest.raises(InputError, match="there is no trace"):
            read_trace(path)


@pytest.mark.parametrize(
    ("clock", "write", "address", "says"),
    [
        ([], [], [], "trace has no request"),
        ([0, 1], [False], [0, 64], "2 clocks, 1 directions and 2 addresses"),
        ([0.5], [False], [0], "clock must be integers"),
        ([0], [1], [0], "write must be bools"),
        ([[0]], [False], [0], r"clock must be integers \[n\], got shape \[1, 1\]"),
        ([-1], [False], [0], "trace, request 0: clock must be in"),
        ([3, 2], [False, False], [0, 0], "trace, request 1: clocks must not decrease, got 2"),
    ],
)
def test_traces_made_by_hand(clock: object, write: object, address: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Trace(np.array(clock), np.array(write), np.array(address))


@pytest.mark.parametrize("name", WORKLOADS)
def test_generated(name: str) -> None:
    found, again, other = make_trace(name), make_trace(name), make_trace(name, seed=1)
    assert len(found) == 10_000
    assert found.name == name
    for column in ("clock", "write", "address"):
        np.testing.assert_array_equal(getattr(found, column), getattr(again, column))
    if name not in ("stream", "copy"):
        assert (found.address != other.address).any()
    assert (found.address % 64 == 0).all()
    for part in PARTS.values():
        assert found.address.max() < part.size_bytes
    assert len(make_trace(name, 1)) == 1


@pytest.mark.parametrize(("name", "share"), [("cloud-1", 0.48), ("cloud-2", 0.5)])
def test_mixtures(name: str, share: float) -> None:
    """The share of a stream is that of ArchGym's traces; a stream goes on where it stopped."""
    found = make_trace(name)
    consecutive = np.diff(found.address) == 64
    assert consecutive.mean() == pytest.approx(share, abs=0.01)
    assert not found.write.any()


@pytest.mark.parametrize(
    ("name", "share"), [("copy", 0.5), ("hot", 0.3), ("bursty", 0.25), ("mixed", 1 / 3)]
)
def test_share_of_writes(name: str, share: float) -> None:
    assert make_trace(name).write.mean() == pytest.approx(share, abs=0.05)


def test_unknown_workload() -> None:
    with pytest.raises(InputError, match="did you mean 'stream'"):
        make_trace("streem")


def test_a_mark_of_utf_8_is_no_part_of_the_clock(tmp_path: Path) -> None:
    text = "\ufeff7: read 0x40\r\n".encode()
    for name, content in (("plain.stl", text), ("packed.stl.gz", gzip.compress(text))):
        (tmp_path / name).write_bytes(content)
        assert read_trace(tmp_path / name).clock.tolist() == [7]


def test_what_is_no_trace_is_told() -> None:
    for path in (None, 5, b"a.stl"):
        with pytest.raises(InputError, match="a trace file is named by a path"):
            read_trace(path)  # type: ignore[arg-type]
    large = np.array([1 << 63], dtype=np.uint64)
    with pytest.raises(InputError, match=r"clock must be below 2\^63, got 9223372036854775808"):
        Trace(large, [False], [0])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="1 lines for 2 requests"):
        Trace([0, 1], [False, True], [0, 0], lines=np.array([1]))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="unknown memory workload"):
        make_trace(["stream"])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="traces must be a list"):
        simulate_all(make_trace("stream", 4), [[0] * 10])  # type: ignore[arg-type]
