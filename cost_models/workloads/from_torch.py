"""Layer tables of PyTorch modules, read off the graph that `torch.export` records.

Layers are convolutions (`conv1d`, `conv2d` and their transposed variants), products (`linear`,
`matmul`, `einsum` and the like), attention as its two products, poolings, and sums, differences,
products and quotients of two activations. An operand is an activation if an input of the module
changes it; what is computed from weights alone costs nothing. `free.TORCH` lists the operators that
ride along, such as views, normalisations and activation functions. Every other operator is an
error. Nothing is computed: modules and inputs on the `meta` device will do.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable

from torch import Tensor, nn

from codesign_gym.cost_models.workloads import free, operators
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.torch_graph import Call, calls
from codesign_gym.search_spaces.errors import InputError

_NORMALISATIONS = "torch.nn.modules.normalization."
"""Modules of which everything inside is free: local response normalisation averages and divides."""


def from_torch(
    module: nn.Module, example_inputs: Tensor | tuple[Tensor, ...], name: str = ""
) -> Layers:
    """The layers that one inference runs, in order of execution.

    Layers are called what their module is (`layer1.0.conv1`), operators outside of a leaf module
    what they do in the module around them (`layer1.0.add`).

    Args:
        module: The network; it is exported in evaluation mode and left in the mode it is in.
        example_inputs: What it is called with; only shapes and types matter.
        name: Put before every layer's name, with a dot.

    Raises:
        InputError: The module cannot be exported, its shapes depend on data, it has an operator
            that is not supported, or no layer.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        >>> layers = from_torch(net, torch.zeros(1, 3, 32, 32))
        >>> layers.name, layers.macs.tolist(), layers.ops.tolist()
        (('0', '2'), [221184, 0], [0, 8192])
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"from_torch needs a torch.nn.Module; got a {type(module).__name__}")
    inputs = (example_inputs,) if isinstance(example_inputs, Tensor) else example_inputs
    if not isinstance(inputs, (tuple, list)):
        raise InputError(
            f"example_inputs must be a tensor or a tuple of them; got a {type(inputs).__name__}"
        )
    model = name or type(module).__name__
    table = Layers.concat(*(_layers(call) for call in calls(module, inputs, model)))
    if not len(table):
        raise InputError(f"{model} has no layers: nothing in it multiplies, pools or adds")
    return Layers(name=_distinct(table.name, name), **table.to_columns())


def _distinct(names: Iterable[str], prefix: str) -> tuple[str, ...]:
    """Names with a prefix, and a number from the second occurrence on."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        full = f"{prefix}.{name}" if prefix else name
        result.append(full if seen[name] == 1 else f"{full}_{seen[name]}")
    return tuple(result)


def _layers(call: Call) -> Layers:
    """What a call costs."""
    call.check_sizes()
    handler = _HANDLERS.get(call.operator)
    if call.around.startswith(_NORMALISATIONS):
        return operators.NONE
    if handler is not None:
        return handler(call)
    if call.operator in free.TORCH or call.node.target is operator.getitem:
        return operators.NONE
    raise call.unsupported()


def _convolution(call: Call) -> Layers:
    filters, inputs = call.shape("weight"), call.shape("input")
    sizes = len(filters) - 2
    if sizes > 2 or not call.fixed("weight"):
        raise call.unsupported(" in three dimensions" if sizes > 2 else " with computed weights")
    if len(inputs) == len(filters) - 1:  # an image without a batch
        inputs = (1, *inputs)
    groups = call.arguments["groups"]
    if call.arguments.get("transposed") or call.operator.startswith("conv_transpose"):
        return operators.transposed_convolution(call.name, inputs, filters, groups=groups)
    dilation = call.each("dilation", sizes)
    if call.arguments["padding"] == "same":
        total = [d * (taps - 1) for d, taps in zip(dilation, filters[2:], strict=True)]
        begin, end = [t // 2 for t in total], [t - t // 2 for t in total]
    elif call.arguments["padding"] == "valid":
        begin = end = [0] * sizes
    else:
        begin = end = call.each("padding", sizes)
    return operators.convolution(
        call.name, inputs, filters, stride=call.each("stride", sizes), begin=begin, end=end,
        dilation=dilation, groups=groups,
    )  # fmt: skip


def _linear(call: Call) -> Layers:
    return operators.product(
        call.name, call.shape("input"), call.shape("weight")[::-1],
        left_fixed=call.fixed("input"), right_fixed=call.fixed("weight"),
    )  # fmt: skip


def _product(left: str, right: str) -> Callable[[Call], Layers]:
    """The handler of a product of the arguments `left` and `right`."""

    def handler(call: Call) -> Layers:
        if call.fixed(left) and call.fixed(right):  # what is added to the product is computed
            return operators.NONE
        return operators.product(
            call.name, call.shape(left), call.shape(right), left_fixed=call.fixed(left),
            right_fixed=call.fixed(right),
        )  # fmt: skip

    return handler


def _einsum(call: Call) -> Layers:
    operands = call.arguments["tensors"]
    if len(operands) == 1:  # a sum or a permutation
        return operators.NONE
    if len(operands) > 2:
        raise call.unsupported(" with more than two operands")
    left, right = operands
    return operators.einsum(
        call.name, call.arguments["equation"], call.shape_of(left), call.shape_of(right),
        left_fixed=left not in call.activations, right_fixed=right not in call.activations,
    )  # fmt: skip


def _attention(call: Call) -> Layers:
    return operators.attention(call.name, *map(call.shape, ("query", "key", "value")))


def _pooling(call: Call) -> Layers:
    outputs = call.outputs()
    sizes = 1 if "1d" in call.operator else 2
    kernel, pads = call.each("kernel_size", sizes), call.each("padding", sizes)
    return operators.pooling(
        call.name, _image(call.shape("self"), sizes), outputs, kernel=kernel,
        stride=call.each("stride", sizes) or kernel, begin=pads, end=pads,
        dilation=call.each("dilation", sizes) if "dilation" in call.arguments else [1] * sizes,
    )  # fmt: skip


def _adaptive_pooling(call: Call) -> Layers:
    sizes = 1 if "1d" in call.operator else 2
    inputs = _image(call.shape("self"), sizes)
    return operators.adaptive_pooling(call.name, inputs, call.outputs())


def _mean(call: Call) -> Layers:
    """The mean of an image's rows and columns is a global pooling, every other mean is free."""
    shape, over = call.shape("self"), call.arguments.get("dim") or []
    if len(shape) == 4 and sorted(axis % 4 for axis in over) == [2, 3]:
        return operators.adaptive_pooling(call.name, shape, (1, 1))
    return operators.NONE


def _elementwise(call: Call) -> Layers:
    if call.fixed("self") or call.fixed("other"):  # a number, a bias, a table of positions
        return operators.NONE
    return operators.elementwise(call.name, call.outputs())


def _image(shape: tuple[int, ...], sizes: int) -> tuple[int, ...]:
    """The shape with a batch where it has none."""
    return shape if len(shape) == sizes + 2 else (1, *shape)


_HANDLERS: dict[str, Callable[[Call], Layers]] = {
    **dict.fromkeys(
        ("conv1d", "conv2d", "convolution", "conv_transpose1d", "conv_transpose2d"), _convolution
    ),
    "linear": _linear,
    "addmm": _product("mat1", "mat2"),
    "mm": _product("self", "mat2"),
    "bmm": _product("self", "mat2"),
    "baddbmm": _product("batch1", "batch2"),
    "matmul": _product("self", "other"),
    "mv": _product("self", "vec"),
    "dot": _product("self", "tensor"),
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys(
        (
            "avg_pool1d", "avg_pool2d", "max_pool1d", "max_pool2d", "max_pool1d_with_indices",
            "max_pool2d_with_indices",
        ),
        _pooling,
    ),
    **dict.fromkeys(
        (
            "adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d",
            "adaptive_max_pool1d", "adaptive_max_pool2d",
        ),
        _adaptive_pooling,
    ),
    "mean": _mean,
    **dict.fromkeys(("add", "sub", "mul", "div", "maximum", "minimum"), _elementwise),
}  # fmt: skip
