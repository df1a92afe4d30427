"""ONNX graphs built node by node, without PyTorch: known networks and whatever a test needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper


class Graph:
    """A graph that grows at its end; weights have shapes and stand in a file that is not there.

    Attributes:
        last: The value that the last node computes.
    """

    def __init__(self, *shape: int | str | None, name: str = "image") -> None:
        self.inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.last = name

    def weight(self, *shape: int) -> str:
        """A new initialiser."""
        name = f"w{len(self.weights)}"
        tensor = TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights.bin")
        self.weights.append(tensor)
        return name

    def integers(self, *values: int) -> str:
        """A new initialiser with these values."""
        name = f"w{len(self.weights)}"
        self.weights.append(helper.make_tensor(name, TensorProto.INT64, [len(values)], values))
        return name

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Append a node, with `last` as its input unless there are others."""
        output = f"v{len(self.nodes)}"
        node = helper.make_node(operator, inputs or [self.last], [output], name, **attributes)
        self.nodes.append(node)
        self.last = output
        return output

    def conv(self, c: int, k: int, r: int, name: str = "", **attributes: Any) -> str:
        """Append a convolution of the last value."""
        weight = self.weight(k, c // attributes.get("group", 1), r, r)
        return self.add("Conv", self.last, weight, name=name, **attributes)

    def fc(self, c: int, k: int) -> str:
        """Append a fully connected layer as PyTorch exports it."""
        return self.add("Gemm", self.last, self.weight(k, c), self.weight(k), transB=1)

    def save(self, folder: Path, opset: int = 17) -> Path:
        """Write the graph with the last value as its output."""
        output = helper.make_empty_tensor_value_info(self.last)
        graph = helper.make_graph(self.nodes, "g", self.inputs, [output], self.weights)
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid("custom", 1)]
        path = folder / "net.onnx"
        path.write_bytes(
            helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
        )
        return path


def alexnet() -> Graph:
    """Krizhevsky et al. 2012, with its response normalisation and two groups."""
    graph = Graph(1, 3, 227, 227)
    for c, k, r, options, pooled in (
        (3, 96, 11, {"strides": [4, 4]}, True),
        (96, 256, 5, {"pads": [2] * 4, "group": 2}, True),
        (256, 384, 3, {"auto_pad": "SAME_UPPER"}, False),
        (384, 384, 3, {"pads": [1] * 4, "group": 2}, False),
        (384, 256, 3, {"auto_pad": "SAME_LOWER", "group": 2}, True),
    ):
        graph.conv(c, k, r, **options)
        graph.add("Relu")
        if pooled:
            graph.add("LRN", size=5)
            graph.add("MaxPool", kernel_shape=[3, 3], strides=[2, 2])
    graph.add("Flatten")
    for c, k in ((9216, 4096), (4096, 4096), (4096, 1000)):
        graph.fc(c, k)
    return graph


def resnet18() -> Graph:
    """He et al. 2016, batch normalisation unfolded."""
    graph = Graph(1, 3, 224, 224)

    def conv_norm(c: int, k: int, r: int, stride: int) -> str:
        graph.conv(c, k, r, strides=[stride] * 2, pads=[r // 2] * 4)
        scale = [graph.weight(k) for _ in range(4)]
        return graph.add("BatchNormalization", graph.last, *scale)

    conv_norm(3, 64, 7, 2)
    graph.add("Relu")
    graph.add("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    c = 64
    for stage in range(4):
        k = 64 * 2**stage
        for index in range(2):
            stride = 2 if stage and not index else 1
            start = graph.last
            conv_norm(c, k, 3, stride)
            graph.add("Relu")
            body = shortcut = conv_norm(k, k, 3, 1)
            graph.last = shortcut = start
            if stride > 1:
                shortcut = conv_norm(c, k, 1, stride)
            graph.add("Add", body, shortcut)
            graph.add("Relu")
            c = k
    graph.add("GlobalAveragePool")
    graph.add("Flatten")
    graph.fc(512, 1000)
    return graph


def bert(tokens: int = 128, blocks: int = 12) -> Graph:
    """Devlin et al. 2019, from the embedded tokens on, with shapes computed in the graph."""
    width, hidden, heads = 768, 3072, 12
    graph = Graph(1, tokens, width, name="embedded")
    scale = graph.weight(1)

    def linear(value: str, c: int, k: int) -> str:
        product = graph.add("MatMul", value, graph.weight(c, k))
        return graph.add("Add", product, graph.weight(k))

    def split(value: str, order: list[int]) -> str:
        graph.add("Reshape", value, graph.integers(0, 0, heads, width // heads))
        return graph.add("Transpose", perm=order)

    for _ in range(blocks):
        x = graph.last
        q, k, v = (linear(x, width, width) for _ in range(3))
        graph.add("MatMul", split(q, [0, 2, 1, 3]), split(k, [0, 2, 3, 1]))
        graph.add("Div", graph.last, scale)
        weights = graph.add("Softmax", axis=-1)
        graph.add("MatMul", weights, split(v, [0, 2, 1, 3]))
        graph.add("Transpose", perm=[0, 2, 1, 3])
        # The original shape, as exporters write it.
        shape = graph.add("Shape", x)
        context = graph.add("Reshape", graph.nodes[-2].output[0], shape)
        x = graph.add("Add", x, linear(context, width, width))
        graph.add("LayerNormalization", x, graph.weight(width), axis=-1)
        x = graph.last
        graph.add("Erf", linear(x, width, hidden))
        graph.add("Add", x, linear(graph.last, hidden, width))
        graph.add("LayerNormalization", graph.last, graph.weight(width), axis=-1)
    return graph
