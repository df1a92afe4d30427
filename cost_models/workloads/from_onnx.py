"""Layer tables of ONNX files, read off the graph with the shapes that ONNX infers.

Layers are convolutions (`Conv`, `ConvTranspose`), products (`Gemm`, `MatMul`, `Einsum`), poolings,
and sums, differences, products and quotients of two activations. An operand is an activation if an
input of the graph changes it; what is computed from initialisers alone costs nothing. `free.ONNX`
lists the operators that ride along. Every other operator is an error. Weights stored outside of the
file are not needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codesign_gym.cost_models.workloads import free, operators
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.search_spaces.errors import InputError

if TYPE_CHECKING:
    import onnx

_DOMAINS = ("", "ai.onnx")
"""The operators of ONNX itself; others may mean anything by the same name."""


def from_onnx(path: str | Path, name: str = "") -> Layers:
    """The layers of a model in the order of its graph, called what its nodes are.

    Args:
        path: The `.onnx` file; its inputs must have fixed sizes.
        name: Put before every layer's name, with a dot.

    Raises:
        InputError: The `onnx` package is missing; the file is missing or damaged; an input has a
            dynamic dimension; the shape of an operand is unknown; an operator is not supported; or
            the model has no layer.
    """
    model = _load(Path(path))
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {sparse.values.name for sparse in graph.sparse_initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    _check_inputs(inputs, path)
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    shapes |= _shapes([*_inferred(model, path).graph.value_info, *graph.input, *graph.output])

    activations = {value.name for value in inputs}
    tables: list[Layers] = []
    for index, node in enumerate(graph.node):
        if activations.isdisjoint(node.input):
            _keep_constant(node, shapes)
            continue
        activations.update(node.output)
        label = node.name or (node.output[0] if node.output else f"{node.op_type}_{index}")
        tables.append(_layers(_Node.of(node, label, shapes, activations, str(path))))
    table = Layers.concat(*tables)
    if not len(table):
        raise InputError(f"{path} has no layers: nothing in it multiplies, pools or adds")
    names = (f"{name}.{layer}" if name else layer for layer in table.name)
    return Layers(name=tuple(names), **table.to_columns())


def _load(path: Path) -> onnx.ModelProto:
    """The model without weights that are stored outside of the file."""
    try:
        import onnx
    except ImportError as error:
        raise InputError(
            f"reading {path} needs the onnx package: pip install codesign-gym[onnx]"
        ) from error
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's, which is no dependency of ours
        raise InputError(f"{path} is not an ONNX model, or is damaged: {error}") from error
    if not model.graph.node or not model.opset_import:
        raise InputError(f"{path} is not an ONNX model, or is damaged: it has no graph")
    return model


def _inferred(model: onnx.ModelProto, path: str | Path) -> onnx.ModelProto:
    """The model with the shapes that follow from those of its inputs."""
    import onnx

    try:
        return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:  # InferenceError, or RuntimeError from the C++ side
        reason = " ".join(str(error).split())
        raise InputError(f"the shapes in {path} do not fit together: {reason}") from error


def _check_inputs(inputs: list[onnx.ValueInfoProto], path: str | Path) -> None:
    """Raise unless every size of every input is a number."""
    for value in inputs:
        if not value.type.tensor_type.HasField("shape"):
            raise InputError(f"{path}: input {value.name!r} is not a tensor of known rank")
        for axis, dimension in enumerate(value.type.tensor_type.shape.dim):
            if dimension.dim_value < 1:
                size = repr(dimension.dim_param) if dimension.dim_param else "no size"
                raise InputError(
                    f"{path}: input {value.name!r} has a dynamic dimension (axis {axis} is "
                    f"{size}); export the model with a fixed size, a batch of 1 for instance"
                )


def _shapes(values: list[onnx.ValueInfoProto]) -> dict[str, tuple[int, ...]]:
    """The shapes of the values of which every size is known."""
    shapes = {}
    for value in values:
        tensor = value.type.tensor_type
        sizes = tuple(dimension.dim_value for dimension in tensor.shape.dim)
        if tensor.HasField("shape") and all(
            dimension.HasField("dim_value") for dimension in tensor.shape.dim
        ):
            shapes[value.name] = sizes
    return shapes


def _keep_constant(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> None:
    """Note the shape of a `Constant` node, which inference leaves out in some versions."""
    for attribute in node.attribute:
        if node.op_type == "Constant" and attribute.name == "value":
            shapes[node.output[0]] = tuple(attribute.t.dims)


@dataclass(frozen=True)
class _Node:
    """A node of a graph.

    Attributes:
        operator: The operator, with its domain unless that is ONNX's own.
        name: What its layer is called.
        inputs: Names of its operands.
        outputs: Names of its results.
        attributes: By name.
        shapes: Of the values that are known.
        activations: Names of the values that an input of the graph changes.
        path: The file, for errors.
    """

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    activations: set[str]
    path: str

    @classmethod
    def of(
        cls,
        node: onnx.NodeProto,
        name: str,
        shapes: dict[str, tuple[int, ...]],
        activations: set[str],
        path: str,
    ) -> _Node:
        """What the graph says of a node."""
        import onnx

        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        operator = node.op_type if node.domain in _DOMAINS else f"{node.domain}.{node.op_type}"
        inputs, outputs = tuple(node.input), tuple(node.output)
        return cls(operator, name, inputs, outputs, attributes, shapes, activations, path)

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of an operand."""
        return self._shape(self.inputs[index])

    def output(self) -> tuple[int, ...]:
        """The shape of the first result."""
        return self._shape(self.outputs[0])

    def _shape(self, value: str) -> tuple[int, ...]:
        if value not in self.shapes:
            raise InputError(
                f"{self.path}: the shape of {value!r}, of which node {self.name!r} "
                f"({self.operator}) needs to know it, cannot be inferred"
            )
        return self.shapes[value]

    def fixed(self, index: int) -> bool:
        """Whether an operand is a weight, or computed from weights alone."""
        return self.inputs[index] not in self.activations

    def text(self, attribute: str, default: str) -> str:
        """An attribute that is a string."""
        value = self.attributes.get(attribute, default)
        return value.decode() if isinstance(value, bytes) else str(value)

    def unsupported(self, why: str = "") -> InputError:
        """The error for this node."""
        return InputError(
            f"{self.path}: operator {self.operator} of node {self.name!r} is not supported{why}"
        )


def _layers(node: _Node) -> Layers:
    """What a node costs."""
    if node.operator in _HANDLERS:
        return _HANDLERS[node.operator](node)
    if node.operator in free.ONNX:
        return operators.NONE
    raise node.unsupported()


def _windows(node: _Node, size: tuple[int, ...], kernel: tuple[int, ...]) -> dict[str, list[int]]:
    """Strides, dilations and the zeros at the begin and end of each size."""
    count = len(size)
    stride = list(node.attributes.get("strides") or [1] * count)
    dilation = list(node.attributes.get("dilations") or [1] * count)
    pads = list(node.attributes.get("pads") or [0] * 2 * count)
    begin, end = pads[:count], pads[count:]
    padding = node.text("auto_pad", "NOTSET")
    if padding == "VALID":
        begin, end = [0] * count, [0] * count
    elif padding.startswith("SAME"):
        for axis, (length, taps) in enumerate(zip(size, kernel, strict=True)):
            outputs, extent = -(-length // stride[axis]), dilation[axis] * (taps - 1) + 1
            total = max((outputs - 1) * stride[axis] + extent - length, 0)
            less, more = total // 2, total - total // 2
            begin[axis], end[axis] = (less, more) if padding == "SAME_UPPER" else (more, less)
    return {"stride": stride, "begin": begin, "end": end, "dilation": dilation}


def _convolution(node: _Node) -> Layers:
    inputs, filters = node.shape(0), node.shape(1)
    if len(filters) - 2 > 2 or not node.fixed(1):
        why = " in three dimensions" if len(filters) > 4 else " with computed weights"
        raise node.unsupported(why)
    groups = node.attributes.get("group", 1)
    if node.operator == "ConvTranspose":
        return operators.transposed_convolution(node.name, inputs, filters, groups=groups)
    windows = _windows(node, inputs[2:], filters[2:])
    return operators.convolution(node.name, inputs, filters, groups=groups, **windows)


def _pooling(node: _Node) -> Layers:
    inputs, kernel = node.shape(0), tuple(node.attributes["kernel_shape"])
    if len(kernel) > 2:
        raise node.unsupported(" in three dimensions")
    windows = _windows(node, inputs[2:], kernel)
    return operators.pooling(node.name, inputs, node.output(), kernel=kernel, **windows)


def _global_pooling(node: _Node) -> Layers:
    inputs = node.shape(0)
    if len(inputs) > 4:
        raise node.unsupported(" in three dimensions")
    return operators.adaptive_pooling(node.name, inputs, [1] * (len(inputs) - 2))


def _matmul(node: _Node) -> Layers:
    return operators.product(
        node.name, node.shape(0), node.shape(1), left_fixed=node.fixed(0), right_fixed=node.fixed(1)
    )


def _gemm(node: _Node) -> Layers:
    if node.fixed(0) and node.fixed(1):  # what is added to the product is computed
        return operators.NONE
    left, right = node.shape(0), node.shape(1)
    left = left[::-1] if node.attributes.get("transA") else left
    right = right[::-1] if node.attributes.get("transB") else right
    return operators.product(
        node.name, left, right, left_fixed=node.fixed(0), right_fixed=node.fixed(1)
    )


def _einsum(node: _Node) -> Layers:
    if len(node.inputs) == 1:  # a sum or a permutation
        return operators.NONE
    if len(node.inputs) > 2:
        raise node.unsupported(" with more than two operands")
    return operators.einsum(
        node.name, node.text("equation", ""), node.shape(0), node.shape(1),
        left_fixed=node.fixed(0), right_fixed=node.fixed(1),
    )  # fmt: skip


def _elementwise(node: _Node) -> Layers:
    if sum(value in node.activations for value in node.inputs) < 2:
        return operators.NONE
    if len(node.inputs) > 2:
        raise node.unsupported(" with more than two operands")
    return operators.elementwise(node.name, node.output())


_HANDLERS: dict[str, Callable[[_Node], Layers]] = {
    **dict.fromkeys(("Conv", "ConvTranspose"), _convolution),
    **dict.fromkeys(("AveragePool", "LpPool", "MaxPool"), _pooling),
    **dict.fromkeys(("GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool"), _global_pooling),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum"), _elementwise),
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Einsum": _einsum,
}
"""What is a layer, and how it is read."""
