"""Layer tables: shapes, counts, validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codesign_gym.cost_models.workloads.layers import Layers, conv, conv1d, gemm, linear
from codesign_gym.search_spaces.errors import InputError

sizes = st.integers(1, 9)


@st.composite
def convolutions(draw: st.DrawFn) -> Layers:
    """A small convolution with any stride, padding and grouping."""
    groups = draw(st.integers(1, 3))
    pad_h, pad_w = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    h, w = draw(sizes), draw(sizes)
    return conv(
        "x",
        n=draw(st.integers(1, 2)),
        c=groups * draw(st.integers(1, 3)),
        k=groups * draw(st.integers(1, 3)),
        h=h,
        w=w,
        r=draw(st.integers(1, h + 2 * pad_h)),
        s=draw(st.integers(1, w + 2 * pad_w)),
        stride=(draw(st.integers(1, 5)), draw(st.integers(1, 5))),
        pad=(pad_h, pad_w),
        groups=groups,
    )


def windows(size: int, kernel: int, stride: int, pad: int) -> list[range]:
    """Each output's input positions in one direction, found by sliding the kernel."""
    starts = range(-pad, size + pad - kernel + 1, stride)
    return [range(start, start + kernel) for start in starts]


@given(convolutions())
def test_shapes_and_words_match_a_sliding_kernel(layer: Layers) -> None:
    column = {field: values.item() for field, values in layer.to_columns().items()}
    rows = windows(column["h"], column["r"], column["stride_h"], column["pad_h"])
    columns = windows(column["w"], column["s"], column["stride_w"], column["pad_w"])
    assert layer.p.item() == len(rows)
    assert layer.q.item() == len(columns)
    seen_h = {position for window in rows for position in window} & set(range(column["h"]))
    seen_w = {position for window in columns for position in window} & set(range(column["w"]))
    touched = column["n"] * column["c"] * len(seen_h) * len(seen_w)
    assert layer.ifmap_words_touched.item() == touched
    assert touched <= layer.ifmap_words.item()


@given(convolutions())
def test_gemm_view_conserves_work(layer: Layers) -> None:
    m, k, n, groups = layer.gemm_shape()
    assert (groups * m * k * n == layer.macs).all()
    assert (groups * k * n == layer.weights).all()
    assert (groups * m * n == layer.ofmap_words).all()
    assert (layer.gemm_rows[:, :4] == np.stack([m, k, n, groups], axis=1)).all()


def test_resnet_stem() -> None:
    """He et al. 2016: 7x7, 64 filters, stride 2 on 224x224 gives 112x112; 118.0 million MACs."""
    layer = conv("conv1", c=3, k=64, h=224, r=7, stride=2, pad=3)
    assert (layer.p.item(), layer.q.item()) == (112, 112)
    assert layer.macs.item() == 112 * 112 * 64 * 3 * 49
    assert layer.weights.item() == 9408


def test_strided_pointwise_reads_a_quarter() -> None:
    layer = conv("downsample", c=64, k=128, h=56, r=1, stride=2)
    assert layer.ifmap_words_touched.item() == 64 * 28 * 28


def test_gemm_linear_and_conv1d_are_convolutions() -> None:
    assert [part.item() for part in gemm("g", 128, 768, 3072).gemm_shape()] == [128, 768, 3072, 1]
    assert gemm("g", 5, 7, 3, batch=4).gemm_shape()[0].item() == 20
    assert [part.item() for part in linear("fc", 512, 10, n=8).gemm_shape()] == [8, 512, 10, 1]
    wave = conv1d("c", c=4, k=8, w=40, s=5, stride=2, pad=2, groups=4)
    assert (wave.p.item(), wave.q.item(), wave.macs.item()) == (1, 20, 20 * 8 * 5)


def test_unique_merges_and_keeps_the_cost() -> None:
    table = Layers.concat(
        linear("a", 8, 4), linear("b", 16, 4, repeat=3), linear("c", 8, 4, repeat=2)
    )
    distinct, inverse = table.unique()
    assert distinct.name == ("a", "b")
    assert distinct.repeat.tolist() == [3, 3]
    assert inverse.tolist() == [0, 1, 0]
    assert (distinct.macs * distinct.repeat).sum() == (table.macs * table.repeat).sum()


def test_take_and_concat_round_trip() -> None:
    table = Layers.concat(linear("a", 8, 4), conv("b", c=2, k=2, h=5, r=3))
    again = Layers.concat(*(table.take([row]) for row in range(len(table))))
    assert again.name == table.name
    for field, values in table.to_columns().items():
        assert (again.to_columns()[field] == values).all()


def test_empty_table() -> None:
    empty = Layers.concat()
    assert len(empty) == len(empty.unique()[0]) == 0


def test_columns_are_private_and_read_only() -> None:
    given_values = linear("a", 8, 4).to_columns()
    columns: dict[str, Any] = {field: values.copy() for field, values in given_values.items()}
    layers = Layers(name=("a",), **columns)
    columns["c"][0] = 99
    assert layers.c.item() == 8
    with pytest.raises(ValueError, match="read-only"):
        layers.c[0] = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"c": 0}, r"Layer 0 \('x'\): c must be an integer in \[1, 2147483647\]; got 0"),
        ({"pad": -1}, r"pad_h must be an integer in \[0, 2147483647\]; got -1"),
        ({"k": 2.5}, r"k must be an integer in .*; got 2.5"),
        ({"groups": 3}, r"groups must be a divisor of c=8; got 3"),
        ({"groups": 8}, r"groups must be a divisor of k=4; got 8"),
        ({"r": 7}, r"r must be in \[1, 6\], the padded input \(h \+ 2 \* pad_h\); got 7"),
        ({"s": 9, "w": 5}, r"s must be in \[1, 5\], the padded input .*; got 9"),
        ({"k": 2**31 - 1, "repeat": 2**31 - 1}, r"macs \* repeat must be below"),
    ],
)
def test_rejects(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        conv("x", **({"c": 8, "k": 4, "h": 6, "r": 3} | change))


def test_rejects_a_column_of_another_length() -> None:
    columns = linear("a", 8, 4).to_columns() | {"h": np.array([1, 1])}
    with pytest.raises(InputError, match=r"Layers.h must have shape \(1,\)"):
        Layers(name=("a",), **columns)
