"""The operators that a PyTorch module calls on its activations, as `torch.export` records them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from codesign_gym.search_spaces.errors import InputError

_REGIONS = ("wrap_with_autocast", "wrap_with_set_grad_enabled")
"""Operators that run a graph of their own under a setting that costs nothing."""


def calls(module: nn.Module, inputs: tuple[Tensor, ...], model: str) -> Iterator[Call]:
    """Each call of an inference of which an operand is an activation, in order of execution.

    Args:
        module: The network; it is exported in evaluation mode and left in the mode it is in.
        inputs: What it is called with.
        model: What it is called in errors.

    Raises:
        InputError: The module cannot be exported.
    """
    program = _export(module, inputs, model)
    given = set(program.graph_signature.user_inputs)
    activations = {node for node in program.graph.nodes if node.name in given}
    yield from _calls(program.graph_module, module, activations, model)


def _calls(
    graph: fx.GraphModule, root: nn.Module, activations: set[fx.Node], model: str
) -> Iterator[Call]:
    """The calls in a graph of which `activations` are inputs; results are added to them."""
    for node in graph.graph.nodes:
        if node.op != "call_function" or activations.isdisjoint(node.all_input_nodes):
            continue
        if getattr(node.target, "__name__", "") in _REGIONS:
            body, operands = _region(node, graph)
            inner = [n for n in body.graph.nodes if n.op == "placeholder"]
            pairs = zip(inner, operands, strict=True)
            activations.update(n for n, operand in pairs if operand in activations)
            yield from _calls(body, root, activations, model)
            activations.add(node)
            continue
        call = Call.of(node, root, activations, model)
        activations.update((node, *call.written()))
        yield call


def _region(node: fx.Node, graph: fx.GraphModule) -> tuple[fx.GraphModule, tuple[Any, ...]]:
    """The graph that a call runs, and the operands it runs it on."""
    place = next(
        i for i, a in enumerate(node.args) if isinstance(a, fx.Node) and a.op == "get_attr"
    )
    body = graph.get_submodule(str(node.args[place].target))  # type: ignore[union-attr]
    assert isinstance(body, fx.GraphModule)
    return body, node.args[place + 1 :]


def _export(
    module: nn.Module, inputs: tuple[Tensor, ...], model: str
) -> torch.export.ExportedProgram:
    """The graph of an inference."""
    modes = [(part, part.training) for part in module.modules()]
    logged = logging.root.manager.disable
    logging.disable()  # torch logs what it raises
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # torch's own, on how kernels will run
            return torch.export.export(module.eval(), tuple(inputs), strict=False)
    except Exception as error:  # whatever the module's code raises
        reason = str(error).strip().split("\n")[0]
        raise InputError(
            f"torch.export cannot record {model}: {type(error).__name__}: {reason}"
        ) from error
    finally:
        logging.disable(logged)
        for part, training in modes:
            part.training = training


@dataclass(frozen=True)
class Call:
    """A call in the graph: which operator, of which arguments.

    Attributes:
        node: The call.
        operator: The operator's base name (`add` for `aten.add_.Tensor`).
        name: What its layer is called.
        around: The type of the module around it, with its Python module.
        arguments: By the names in the operator's schema, defaults included.
        activations: The nodes that an input changes.
        model: What the network is called, for errors.
    """

    node: fx.Node
    operator: str
    name: str
    around: str
    arguments: dict[str, Any]
    activations: set[fx.Node]
    model: str

    @classmethod
    def of(cls, node: fx.Node, root: nn.Module, activations: set[fx.Node], model: str) -> Call:
        """The call of a node of a graph exported from `root`."""
        name, arguments = getattr(node.target, "__name__", str(node.target)), dict(node.kwargs)
        if isinstance(node.target, torch._ops.OpOverload):
            schema = node.target._schema
            name = schema.name.removeprefix("aten::")
            if not name.endswith("__"):  # __and__ is called so, add_ is add in place
                name = name.removesuffix("_")
            names = [argument.name for argument in schema.arguments]
            defaults = {a.name: a.default_value for a in schema.arguments if a.has_default_value()}
            arguments = defaults | dict(zip(names, node.args, strict=False)) | arguments
        stack = node.meta.get("nn_module_stack") or {"": ("", "")}
        path, around = list(stack.values())[-1]
        leaf = path and not any(root.get_submodule(path).children())
        label = path if leaf else f"{path}.{name}" if path else name
        return cls(node, name, label, str(around), arguments, activations, model)

    def written(self) -> list[fx.Node]:
        """The arguments that the operator changes in place."""
        if not isinstance(self.node.target, torch._ops.OpOverload):
            return []
        written = [a.name for a in self.node.target._schema.arguments if a.is_write]
        return [self.arguments[name] for name in written]

    def shape(self, argument: str) -> tuple[int, ...]:
        """The shape of a tensor argument."""
        return self.shape_of(self.arguments[argument])

    def outputs(self) -> tuple[int, ...]:
        """The shape of the first result."""
        return self.shape_of(self.node)

    def shape_of(self, node: fx.Node) -> tuple[int, ...]:
        """The shape of the (first) tensor a node stands for."""
        value = node.meta["val"]
        tensor = value[0] if isinstance(value, (tuple, list)) else value
        return tuple(tensor.shape)

    def check_sizes(self) -> None:
        """Raise if the sizes of a result are not known before the network runs."""
        value = self.node.meta.get("val")
        for result in value if isinstance(value, (tuple, list)) else (value,):
            shape = tuple(result.shape) if isinstance(result, Tensor) else (result,)
            if any(isinstance(size, torch.SymInt) for size in shape):
                raise InputError(
                    f"{self.model}: the shape of node {self.node.name!r} ({self.node.target}) "
                    f"depends on data: {shape}"
                )

    def fixed(self, argument: str) -> bool:
        """Whether an argument is a number, a weight, or computed from weights alone."""
        return self.arguments[argument] not in self.activations

    def each(self, argument: str, count: int) -> list[int]:
        """An argument that is a number for all sizes or one for each, as a list."""
        value = self.arguments[argument]
        values = [value] if isinstance(value, int) else list(value)
        return values * count if len(values) == 1 else values

    def unsupported(self, why: str = "") -> InputError:
        """The error for this call."""
        return InputError(
            f"{self.model}: operator {self.node.target} of node {self.node.name!r} "
            f"(layer {self.name!r}) is not supported{why}"
        )
