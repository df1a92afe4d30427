"""Workloads by name, by file or by the function that builds a network."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from codesign_gym.cost_models.workloads.from_csv import from_csv
from codesign_gym.cost_models.workloads.from_onnx import from_onnx
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.cost_models.workloads.networks import NETWORKS, network
from codesign_gym.search_spaces.errors import InputError, unknown_name


def load_workload(source: str) -> Layers:
    """The layers of a source.

    Args:
        source: One of

            - a network of `NETWORKS`;
            - a path that ends in `.onnx` (see `from_onnx`);
            - a path that ends in `.csv` (see `from_csv`);
            - `module:function`, a function without arguments, importable from here, that returns
              `(module, example_inputs)` or a `torch.nn.Module` alone, which is given one image of
              3x224x224 (see `from_torch`).

    Raises:
        InputError: There is no such source, or it cannot be read.

    Example:
        >>> len(load_workload("resnet18"))
        21
    """
    if not isinstance(source, str):
        raise InputError(f"a workload is named by text, got {source!r:.60}")
    if source in NETWORKS:
        return network(source)
    if source.lower().endswith(".onnx"):
        return from_onnx(source)
    if source.lower().endswith(".csv"):
        return from_csv(source)
    if ":" in source:
        return _built(source)
    others = "a path that ends in .onnx or .csv and module:function are workloads too"
    raise InputError(f"{unknown_name('workload', source, NETWORKS)}; {others}")


def _built(source: str) -> Layers:
    """The layers of what the function `module:function` returns."""
    built = _call(_imported(source), source)
    import torch

    from codesign_gym.cost_models.workloads.from_torch import from_torch

    if isinstance(built, torch.nn.Module):
        weight = next(built.parameters(), torch.zeros(0))
        return from_torch(built, weight.new_zeros(1, 3, 224, 224))
    if isinstance(built, tuple) and len(built) == 2 and isinstance(built[0], torch.nn.Module):
        return from_torch(*built)
    raise InputError(
        f"workload {source!r} must return a torch.nn.Module or (module, example_inputs); "
        f"got {_described(built)}"
    )


def _imported(source: str) -> Callable[[], Any]:
    """The function that `module:function` names."""
    module_name, _, name = source.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever the module's code raises
        raise InputError(
            f"workload {source!r}: cannot import {module_name!r} "
            f"({type(error).__name__}: {error}); is its folder on PYTHONPATH?"
        ) from error
    function: Callable[[], Any] | None = getattr(module, name, None)
    if function is None or not callable(function):
        raise InputError(f"workload {source!r}: {module_name!r} has no function {name!r}")
    return function


def _call(function: Callable[[], Any], source: str) -> Any:
    try:
        return function()
    except Exception as error:  # whatever the function's code raises
        raise InputError(
            f"workload {source!r}: the function failed: {type(error).__name__}: {error}"
        ) from error


def _described(value: object) -> str:
    """A type, and the types inside if it is a tuple."""
    if isinstance(value, tuple):
        return f"({', '.join(type(item).__name__ for item in value)})"
    return type(value).__name__
