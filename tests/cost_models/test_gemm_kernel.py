"""Measured kernels: right products, resumable measurements, a table without holes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from codesign_gym.cost_models import make_cost_model
from codesign_gym.cost_models.measured import timing
from codesign_gym.cost_models.measured.gemm_kernel import SIDE, kernel, tiles_of
from codesign_gym.cost_models.measured.gemm_table import embedded_times
from codesign_gym.search_spaces import InputError, Ordinal, SearchSpace, gemm_kernel
from codesign_gym.search_spaces.files import write_arrays

SPACE = gemm_kernel()


@pytest.mark.parametrize(("inner", "pack"), [("row", "rows"), ("dot", "columns"), ("row", "none")])
def test_products_are_right(inner: str, pack: str) -> None:
    a, b = np.random.default_rng(1).normal(size=(2, SIDE, SIDE)).astype(np.float32)
    c, buffer = np.zeros_like(a), np.zeros(SIDE * SIDE, dtype=np.float32)
    tiles = tiles_of("kji", {"i": 16, "j": 64, "k": 8})
    kernel(inner, 4, 2, pack)(a, b, c, tiles, 16, 64, 8, buffer)
    np.testing.assert_allclose(c, a @ b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("order", ["ijk", "jki"])
def test_tiles_cover_the_product_once_and_pack_only_new_ones(order: str) -> None:
    tiles = tiles_of(order, {"i": 64, "j": 16, "k": 256})
    assert len(np.unique(tiles[:, :3], axis=0)) == len(tiles) == 4 * 16 * 1
    needed = 16 if order[-1] == "i" else len(tiles)  # i innermost: a tile of b serves all of i
    assert tiles[:, 3].sum() == needed


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> SearchSpace:
    """Eight kernels of three compiled groups, in place of all."""
    few = {"tile_j": (64, 256), "unroll": (1, 2)}
    kept = [
        Ordinal(p.name, few[p.name], p.unit, p.group)
        if p.name in few
        else type(p)(p.name, p.values[-1:], group=p.group)
        for p in SPACE.parameters
    ]
    space = SearchSpace("few-kernels", tuple(kept))
    monkeypatch.setattr(timing, "gemm_kernel", lambda: space)
    return space


def test_measurements_go_on_where_they_were(tmp_path: Path, small: SearchSpace) -> None:
    path = tmp_path / "times.npz"

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        timing.time_kernels(path, 2, "now", stop)
    before, _ = timing.load_times(path)
    assert np.isnan(before).sum() == small.size // 2  # one of four groups is missing
    timing.time_kernels(path, 2, "later")
    after, about = timing.load_times(path)
    known = ~np.isnan(before)
    np.testing.assert_array_equal(after[known], before[known])
    assert (after > 0).all()
    assert (about["command"], about["passes"]) == ("now", 2)


def test_times_of_two_machines_do_not_mix(
    tmp_path: Path, small: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "times.npz"
    about = {"space": small.digest, "machine": "a slower one", "versions": {}}
    unfinished = np.full((1, small.size), np.nan)
    write_arrays(path, {"times_ms": unfinished, "provenance": np.array(json.dumps(about))})
    monkeypatch.setattr(timing, "_processor", lambda: "this one")
    with pytest.raises(InputError, match="begun with machine a slower one, here it is this one"):
        timing.time_kernels(path, 1, "later")


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "times.npz"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"times\.npz holds no kernel times"):
        timing.load_times(path)
    about = np.array('{"space": "another"}')
    write_arrays(path, {"times_ms": np.ones((1, 4)), "provenance": about})
    with pytest.raises(InputError, match="another version of the space"):
        timing.load_times(path)


def test_the_table_is_whole_and_its_passes_agree() -> None:
    times, about = embedded_times()
    assert times.shape == (about["passes"], SPACE.size)
    assert np.isfinite(times).all()
    first, second = np.sort(times, axis=0)[:2]
    assert np.median(second / first) < 1.05  # two undisturbed runs of most kernels


def test_the_buffer_is_that_of_a_packed_tile() -> None:
    model = make_cost_model("gemm-kernel-times")
    chosen = {"tile_i": 8, "tile_j": 64, "tile_k": 256, "order": "jki", "inner": "dot"}
    packs = [{"pack": pack} for pack in ("none", "rows", "columns")]
    designs = SPACE.encode([chosen | {"rows": 4, "unroll": 1} | pack for pack in packs])
    np.testing.assert_array_equal(model.evaluate(designs)["buffer_kib"], [0, 64, 64])
