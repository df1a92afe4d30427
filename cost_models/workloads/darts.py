"""DARTS networks as layers; pooling, sums, concatenation and activations ride along with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from codesign_gym.cost_models.workloads.parts import Part
from codesign_gym.search_spaces.networks.darts import (
    CELLS,
    INPUTS,
    NODES,
    OPERATIONS,
    SEQUENCE_OPERATIONS,
    Cell,
    Macro,
    read_cells,
    read_macro,
)

_FIRST_SEPARABLE = OPERATIONS.index("sep_conv_3x3")


@dataclass
class _Writer:
    """Layers so far, in order of execution."""

    macro: Macro
    parts: list[Part] = field(default_factory=list)

    def conv(
        self, c: int, k: int, kernel: int, size: int, *, stride: int = 1, groups: int = 1,
        dilation: int = 1, norm: bool = True,
    ) -> None:  # fmt: skip
        """A convolution, with a batch norm unless told otherwise."""
        extra = 2 * k if norm else 0
        self.parts.append(
            Part(c, k, kernel, size, stride, groups, dilation, self.macro.dims, extra)
        )

    def preprocess(self, c: int, k: int, size: int, reduce: bool) -> None:
        """What brings a cell's input to ``k`` channels, and to half of ``size`` where needed."""
        if not reduce:
            self.conv(c, k, 1, size)
            return
        self.conv(c, k // 2, 1, size, stride=2)  # each half of a factorized reduction
        self.conv(c, k // 2, 1, size, stride=2)

    def operation(self, index: int, c: int, size: int, stride: int) -> None:
        """An operation on an edge, by its index."""
        if index == OPERATIONS.index("skip_connect") and stride > 1:
            self.preprocess(c, c, size, reduce=True)
        if index < _FIRST_SEPARABLE:
            return
        kernel = (3, 5)[(index - _FIRST_SEPARABLE) % 2]
        if index < _FIRST_SEPARABLE + 2:
            self.conv(c, c, kernel, size, stride=stride, groups=c, norm=False)
            size //= stride
            self.conv(c, c, 1, size)
            self.conv(c, c, kernel, size, groups=c, norm=False)
        else:
            self.conv(c, c, kernel, size, stride=stride, groups=c, dilation=2, norm=False)
            size //= stride
        self.conv(c, c, 1, size)


def parts(macro: Macro, cells: Mapping[str, Cell]) -> list[Part]:
    """The layers of a network in order of execution.

    Args:
        macro: What surrounds the cells.
        cells: Their genotypes.
    """
    names = OPERATIONS if macro.dims == 2 else SEQUENCE_OPERATIONS
    indices = {cell: [(names.index(op), source) for op, source in cells[cell]] for cell in CELLS}
    writer, size, c = _Writer(macro), macro.size, macro.channels
    if macro.stem:
        before = previous = macro.stem * c
        writer.conv(macro.colours, previous, 3, size)
        reduced = False
    else:
        writer.conv(macro.colours, c // 2, 3, size, stride=2)
        writer.conv(c // 2, c, 3, size // 2, stride=2)
        writer.conv(c, c, 3, size // 4, stride=2)
        before = previous = c
        size, reduced = size // 8, True
    for number in range(macro.cells):
        reduce = number in macro.reductions
        c *= 2 if reduce else 1
        writer.preprocess(before, c, 2 * size if reduced else size, reduced)
        writer.preprocess(previous, c, size, False)
        for index, source in indices["reduce" if reduce else "normal"]:
            halves = reduce and source < INPUTS
            inner = size // 2 if reduce and not halves else size
            writer.operation(index, c, inner, 2 if halves else 1)
        before, previous, reduced = previous, NODES * c, reduce
        size //= 2 if reduce else 1
    classifier = Part(previous, macro.classes, 1, 1, dims=macro.dims, extra=macro.classes)
    return [*writer.parts, classifier]


def layer_keys(space: str, network: Mapping[str, object]) -> list[Part]:
    """The layers of a decoded design of ``darts``, ``darts-1d`` or ``darts-imagenet``, in order."""
    return parts(read_macro(space, network), read_cells(network))
