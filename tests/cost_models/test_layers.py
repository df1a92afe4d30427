"""Layer tables: shapes, counts, validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codesign_gym.cost_models.workloads.constructors import (
    conv,
    conv1d,
    elementwise,
    gemm,
    linear,
    matmul,
    pool,
)
from codesign_gym.cost_models.workloads.layers import Kind, LayerError, Layers
from codesign_gym.search_spaces.errors import InputError

sizes = st.integers(1, 9)


@st.composite
def convolutions(draw: st.DrawFn) -> Layers:
    """A small convolution with any stride, padding, dilation and grouping."""
    groups = draw(st.integers(1, 3))
    pad_h, pad_w = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    h, w = draw(sizes), draw(sizes)
    dilation = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    return conv(
        "x",
        n=draw(st.integers(1, 2)),
        c=groups * draw(st.integers(1, 3)),
        k=groups * draw(st.integers(1, 3)),
        h=h,
        w=w,
        r=draw(st.integers(1, (h + 2 * pad_h - 1) // dilation[0] + 1)),
        s=draw(st.integers(1, (w + 2 * pad_w - 1) // dilation[1] + 1)),
        stride=(draw(st.integers(1, 5)), draw(st.integers(1, 5))),
        pad=(pad_h, pad_w),
        dilation=dilation,
        groups=groups,
    )


def windows(size: int, kernel: int, stride: int, pad: int, dilation: int) -> list[range]:
    """Each output's input positions in one direction, found by sliding the kernel."""
    extent = dilation * (kernel - 1) + 1
    starts = range(-pad, size + pad - extent + 1, stride)
    return [range(start, start + extent, dilation) for start in starts]


@given(convolutions())
def test_shapes_and_words_match_a_sliding_kernel(layer: Layers) -> None:
    column = {field: values.item() for field, values in layer.to_columns().items()}
    rows, columns = (
        windows(*(column[field] for field in (size, kernel, f"stride_{size}", f"pad_{size}",
                                              f"dilation_{size}")))
        for size, kernel in (("h", "r"), ("w", "s"))
    )  # fmt: skip
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


def test_dilation_spreads_the_taps() -> None:
    """A 3x3 kernel at dilation 2 reaches as far as a 5x5 one, for the work of a 3x3 one."""
    dilated, dense = (
        conv("x", c=4, k=4, h=16, r=3, dilation=2),
        conv("x", c=4, k=4, h=16, r=5),
    )
    assert (dilated.p == dense.p).all()
    assert dilated.macs.item() * 25 == dense.macs.item() * 9
    assert conv1d("x", c=1, k=1, w=16, s=3, dilation=4).q.item() == 8


def test_pooling_and_elementwise_layers_have_operations_and_no_macs() -> None:
    pooled, added = pool("p", c=8, h=6, r=2, stride=2, n=3), elementwise("e", c=8, h=6, n=3)
    both = Layers.concat(pooled, added)
    assert [Kind(kind).name for kind in both.kind] == ["POOLING", "ELEMENTWISE"]
    assert both.macs.tolist() == both.weights.tolist() == [0, 0]
    assert both.ops.tolist() == [3 * 8 * 3 * 3 * 4, 3 * 8 * 36]
    assert both.ofmap_words.tolist() == [3 * 8 * 3 * 3, 3 * 8 * 36]
    assert both.ifmap_words.tolist() == [3 * 8 * 36, 3 * 8 * 36]
    assert both.second_operand_words.tolist() == [0, 3 * 8 * 36]
    assert not both.multiplies.any()
    assert [part.tolist() for part in both.gemm_shape()[:3]] == [[0, 0]] * 3
    assert (both.gemm_rows[:, [0, 1, 2, 4]] == 0).all()


def test_a_product_of_activations_is_one_with_weights_without_them() -> None:
    scores, weighted = matmul("qk", 128, 64, 96, repeat=12), gemm("qk", 128, 64, 96, repeat=12)
    assert (scores.gemm_rows == weighted.gemm_rows).all()
    assert scores.macs.item() == weighted.macs.item() == 128 * 64 * 96
    assert scores.ops.item() == weighted.ops.item() == 0
    assert (scores.weights.item(), weighted.weights.item()) == (0, 64 * 96)
    assert scores.second_operand_words.item() == weighted.second_operand_words.item() == 64 * 96
    assert len(Layers.concat(scores, weighted).unique()[0]) == 2


def test_scalars_stand_for_columns() -> None:
    size, ones = np.array([8, 4]), 1
    columns: dict[str, Any] = {"n": ones, "k": size, "c": size, "r": ones, "s": ones, "h": size}
    columns |= {"w": size, "stride_h": ones, "stride_w": ones, "pad_h": 0, "pad_w": 0, "groups": 1,
                "repeat": 1}  # fmt: skip
    layers = Layers(name=("a", "b"), **columns)
    assert layers.dilation_h.tolist() == [1, 1]
    assert layers.kind.tolist() == [Kind.CONVOLUTION] * 2
    assert layers.macs.tolist() == [8**4, 4**4]


def test_from_table_knows_dilation_and_kinds() -> None:
    columns = {"h": [8, 8], "w": [8, 8], "r": [2, 3], "s": [2, 3], "c": [4, 4], "k": [4, 4]}
    layers = Layers.from_table(
        columns | {"kind": ["Pooling", "0"], "groups": [4, 1], "dilation": [1, 2]}
    )
    assert layers.kind.tolist() == [Kind.POOLING, Kind.CONVOLUTION]
    assert layers.dilation_h.tolist() == layers.dilation_w.tolist() == [1, 2]
    assert layers.q.tolist() == [7, 4]
    with pytest.raises(InputError, match=r"unknown layer kind 'pool'; did you mean 'pooling'\?"):
        Layers.from_table(columns | {"kind": ["pool", "pool"]})


@pytest.mark.parametrize(
    ("change", "column", "message"),
    [
        ({"kind": 4}, "kind", r"kind must be an integer in \[0, 3\]; got 4"),
        ({"kind": 1, "groups": 1}, "groups", "groups must be c for pooling; got 1"),
        ({"kind": 2, "r": 2}, "r", "r must be 1 for elementwise; got 2"),
        ({"kind": 2, "groups": 8, "pad_w": 1}, "pad_w", "pad_w must be 0 for elementwise; got 1"),
        ({"kind": 3, "stride_h": 2}, "stride_h", "stride_h must be 1 for matmul; got 2"),
        (
            {"r": 4, "dilation_h": 3},
            "r",
            r"r must be in \[1, 3\], the padded input \(h \+ 2 \* pad_h\) at dilation 3; got 4",
        ),
        ({"dilation_w": 0}, "dilation_w", "dilation_w must be an integer in"),
    ],
)
def test_kinds_and_dilation_are_checked(change: dict[str, int], column: str, message: str) -> None:
    good = pool("x", c=8, h=8, r=1)
    columns: dict[str, Any] = {**good.to_columns(), **{f: np.array([v]) for f, v in change.items()}}
    with pytest.raises(LayerError, match=message) as caught:
        Layers(name=good.name, **columns)
    assert (caught.value.row, caught.value.column) == (0, column)


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
