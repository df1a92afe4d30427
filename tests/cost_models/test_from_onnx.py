"""ONNX files as layer tables: known networks, every operator, and files that are wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx", reason="the extra 'onnx' is not installed")

from codesign_gym.cost_models.workloads.from_onnx import from_onnx
from codesign_gym.cost_models.workloads.layers import Kind
from codesign_gym.cost_models.workloads.networks import network
from codesign_gym.search_spaces.errors import InputError
from tests.cost_models import onnx_graphs
from tests.cost_models.onnx_graphs import Graph


@pytest.mark.parametrize(
    ("name", "build", "pools", "sums"),
    [
        ("alexnet", onnx_graphs.alexnet, 3, 0),
        ("resnet18", onnx_graphs.resnet18, 2, 8),
        ("bert_base_s128", onnx_graphs.bert, 0, 24),
    ],
)
def test_networks_equal_the_shipped_tables(
    name: str, build: Callable[[], Graph], pools: int, sums: int, tmp_path: Path
) -> None:
    layers = from_onnx(build().save(tmp_path), name=name)
    kinds = layers.kind
    assert ((kinds == Kind.POOLING).sum(), (kinds == Kind.ELEMENTWISE).sum()) == (pools, sums)
    rows, expected = layers.take(layers.multiplies.nonzero()[0]), network(name)
    if name.startswith("bert"):  # the shipped table has equal layers once
        rows, expected = rows.unique()[0], expected.unique()[0]
    for column, values in rows.to_columns().items():
        assert values.tolist() == expected.to_columns()[column].tolist(), column
    assert layers.name[0].startswith(f"{name}.v")


# Shape of the input, operator, shapes of weights, attributes; kind, MACs, output and repeat.
@pytest.mark.parametrize(
    ("shape", "operator", "weights", "attributes", "expected"),
    [
        ((1, 3, 9), "Conv", [(4, 3, 3)], {"dilations": [2]}, (0, 1 * 5 * 4 * 9, (1, 5), 1)),
        ((1, 3, 8, 8), "Conv", [(4, 3, 3, 3)], {"strides": [2, 2], "pads": [0, 0, 1, 1]},
         (0, 16 * 4 * 27, (4, 4), 1)),
        ((1, 3, 9, 8), "Conv", [(4, 3, 2, 3)], {"auto_pad": "SAME_LOWER", "strides": [1, 2]},
         (0, 36 * 4 * 18, (9, 4), 1)),
        ((1, 3, 9, 8), "Conv", [(4, 3, 2, 3)], {"auto_pad": "VALID"}, (0, 48 * 4 * 18, (8, 6), 1)),
        ((1, 4, 5, 5), "ConvTranspose", [(4, 3, 2, 2)], {"strides": [2, 2], "group": 2},
         (0, 25 * 4 * 3 * 4, (5, 5), 1)),
        ((1, 4, 7), "MaxPool", [], {"kernel_shape": [2], "strides": [2], "ceil_mode": 1},
         (1, 0, (1, 4), 1)),
        ((1, 4, 6, 6), "AveragePool", [], {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER"},
         (1, 0, (6, 6), 1)),
        ((1, 4, 6, 6), "GlobalMaxPool", [], {}, (1, 0, (1, 1), 1)),
        ((7, 5), "Gemm", [(7, 3)], {"transA": 1}, (0, 105, (1, 1), 1)),
        ((5, 7), "Gemm", [(3, 7), (3,)], {"transB": 1}, (0, 105, (1, 1), 1)),
        ((2, 5, 7), "MatMul", [(7, 3)], {}, (0, 210, (5, 1), 1)),
        ((2, 5, 7), "Einsum", [(3, 7)], {"equation": "bic,oc->bio"}, (0, 210, (1, 1), 1)),
    ],
)  # fmt: skip
def test_operators(
    shape: tuple[int, ...],
    operator: str,
    weights: list[tuple[int, ...]],
    attributes: dict[str, Any],
    expected: tuple[int, int, tuple[int, int], int],
    tmp_path: Path,
) -> None:
    graph = Graph(*shape)
    graph.add(operator, graph.last, *(graph.weight(*w) for w in weights), name="x", **attributes)
    layers = from_onnx(graph.save(tmp_path))
    outputs = (layers.p.item(), layers.q.item())
    got = (layers.kind.item(), layers.macs.item(), outputs, layers.repeat.item())
    assert got == expected
    assert layers.name == ("x",)


def test_products_of_activations_repeat(tmp_path: Path) -> None:
    graph = Graph(2, 3, 5, 7)
    other = graph.add("Transpose", perm=[0, 1, 3, 2])
    graph.add("MatMul", "image", other)
    graph.add("Einsum", "image", graph.last, equation="bhik,bhij->bhkj")
    layers = from_onnx(graph.save(tmp_path))
    assert layers.kind.tolist() == [Kind.MATMUL] * 2
    assert layers.macs.tolist() == [5 * 7 * 5] * 2
    assert layers.repeat.tolist() == [6, 6]


def test_what_weights_alone_decide_is_free(tmp_path: Path) -> None:
    """A weight that is dequantised and transposed first is a weight still; so is a constant."""
    graph = Graph(4, 7)
    raw = graph.weight(3, 7)
    weight = graph.add("Transpose", graph.add("Mul", raw, raw))
    graph.add("MatMul", "image", weight)
    onnx = pytest.importorskip("onnx")
    bias = onnx.helper.make_tensor("bias", onnx.TensorProto.FLOAT, [3], [0.0] * 3)
    product, constant = graph.last, graph.add("Constant", "", value=bias)
    del graph.nodes[-1].input[:]
    graph.add("Add", product, constant)
    layers = from_onnx(graph.save(tmp_path))
    assert (layers.macs.tolist(), layers.weights.tolist()) == ([84], [21])


def test_initialisers_may_be_listed_as_inputs(tmp_path: Path) -> None:
    """Files before IR version 4 list every weight among the inputs."""
    onnx = pytest.importorskip("onnx")
    graph = Graph(4, 7)
    graph.add("MatMul", "image", graph.weight(7, 3))
    graph.inputs.append(onnx.helper.make_tensor_value_info("w0", onnx.TensorProto.FLOAT, [7, 3]))
    assert from_onnx(graph.save(tmp_path)).kind.tolist() == [Kind.CONVOLUTION]


@pytest.mark.parametrize(
    ("operator", "shape", "operands", "message"),
    [
        ("LSTM", (3, 1, 4), [(1, 16, 4), (1, 16, 4)], "operator LSTM of node 'x' is not supported"),
        ("Conv", (1, 1, 4, 4, 4), [(1, 1, 2, 2, 2)], "operator Conv .* in three dimensions"),
        ("Conv", (1, 1, 4, 4), ["image"], "operator Conv .* with computed weights"),
        ("GlobalMaxPool", (1, 1, 4, 4, 4), [], "GlobalMaxPool .* in three dimensions"),
        ("Sum", (2, 2), ["image", "image"], "operator Sum .* with more than two operands"),
        ("Relu", (2, 2), [], "has no layers"),
        ("MatMul", (2, 3), [(4, 5)], "the shapes in .* do not fit together: .*"),
    ],
)
def test_rejects_operators(
    operator: str,
    shape: tuple[int, ...],
    operands: list[tuple[int, ...] | str],
    message: str,
    tmp_path: Path,
) -> None:
    graph = Graph(*shape)
    values = [op if isinstance(op, str) else graph.weight(*op) for op in operands]
    options = {"hidden_size": 4} if operator == "LSTM" else {}
    graph.add(operator, "image", *values, name="x", **options)
    with pytest.raises(InputError, match=message):
        from_onnx(graph.save(tmp_path))


def test_rejects_other_domains_and_what_follows_from_them(tmp_path: Path) -> None:
    graph = Graph(2, 2)
    graph.add("Relu", domain="custom", name="x")
    with pytest.raises(InputError, match=r"operator custom\.Relu of node 'x' is not supported"):
        from_onnx(graph.save(tmp_path))


def test_rejects_unknown_shapes(tmp_path: Path) -> None:
    graph = Graph(8, 8)
    graph.add("Compress", graph.last, graph.weight(8))
    graph.add("MatMul", "image", graph.last, name="product")
    with pytest.raises(InputError, match=r"shape of 'v0', of which node 'product' \(MatMul\)"):
        from_onnx(graph.save(tmp_path))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (
            ("batch", 3, 8, 8),
            r"input 'image' has a dynamic dimension \(axis 0 is 'batch'\)",
        ),
        ((1, 3, None, 8), r"input 'image' has a dynamic dimension \(axis 2 is no size\)"),
    ],
)
def test_rejects_dynamic_dimensions(
    sizes: tuple[int | str | None, ...], message: str, tmp_path: Path
) -> None:
    graph = Graph(*sizes)
    graph.conv(3, 4, 3)
    with pytest.raises(InputError, match=message):
        from_onnx(graph.save(tmp_path))


def test_rejects_inputs_without_a_shape(tmp_path: Path) -> None:
    graph = Graph(2, 2)
    graph.inputs[0].type.tensor_type.ClearField("shape")
    graph.add("MatMul", "image", "image")
    with pytest.raises(InputError, match="input 'image' is not a tensor of known rank"):
        from_onnx(graph.save(tmp_path))


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08\xff\xff\xff", None])
def test_rejects_damaged_files(content: bytes | None, tmp_path: Path) -> None:
    whole = onnx_graphs.alexnet().save(tmp_path).read_bytes()
    path = tmp_path / "broken.onnx"
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(InputError, match=r"broken.onnx is not an ONNX model, or is damaged"):
        from_onnx(path)


def test_rejects_missing_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*nothing\.onnx"):
        from_onnx(tmp_path / "nothing.onnx")


def test_names_the_extra_if_onnx_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"pip install codesign-gym\[onnx\]"):
        from_onnx(tmp_path / "net.onnx")
