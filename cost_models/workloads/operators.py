"""Operators of imported graphs as layers, from the shapes of their operands alone.

Shapes are PyTorch's and ONNX's: images `[n, c, *size]` with one or two spatial sizes, filters
`[k, c / groups, *kernel]`, products `[..., m, k] @ [..., k, n]`. An operand is fixed if no input of
the network changes it: a weight, or computed from weights alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from codesign_gym.cost_models.workloads import constructors
from codesign_gym.cost_models.workloads.layers import Layers
from codesign_gym.search_spaces.errors import InputError

Shape = Sequence[int]
NONE = Layers.concat()
"""The table of an operator that costs nothing."""


def convolution(
    name: str,
    inputs: Shape,
    filters: Shape,
    *,
    stride: Shape,
    begin: Shape,
    end: Shape,
    dilation: Shape,
    groups: int,
) -> Layers:
    """A 1-D or 2-D convolution; `begin` and `end` are the zeros before and after each size.

    Tables pad both sides alike. An odd sum of zeros is rounded up where the output stays what it
    is, else the input has one more row or column, as frameworks copy it to: outputs and MACs are
    exact, inputs and those of them that are touched one row or column off.
    """
    n, c, *size = inputs
    k, _, *kernel = filters
    h, w, r, s, steps, pads, taps = _window(size, kernel, stride, begin, end, dilation)
    return constructors.conv(
        name, n=n, c=c, k=k, h=h, w=w, r=r, s=s, stride=steps, pad=pads, dilation=taps,
        groups=groups,
    )  # fmt: skip


def transposed_convolution(name: str, inputs: Shape, filters: Shape, *, groups: int) -> Layers:
    """A transposed convolution, `filters` being `[c, k / groups, *kernel]`.

    It is the matrix product that computes it, a 1x1 convolution from `c` to `k r s` channels over
    the input. MACs and weights are exact; the outputs are those before overlapping ones are summed.
    """
    n, c, *size = inputs
    h, w = _two(size, 1)
    k = prod(filters[1:]) * groups
    return constructors.conv(name, n=n, c=c, k=k, h=h, w=w, r=1, groups=groups)


def pooling(
    name: str,
    inputs: Shape,
    outputs: Shape,
    *,
    kernel: Shape,
    stride: Shape,
    begin: Shape,
    end: Shape,
    dilation: Shape,
) -> Layers:
    """A 1-D or 2-D pooling to `outputs`, more than fit where the last window is a partial one."""
    n, c, *size = inputs
    needed = [
        (out - 1) * step + tap * (taps - 1) + 1 - length
        for out, step, tap, taps, length in zip(
            outputs[-len(size) :], stride, dilation, kernel, size, strict=True
        )
    ]
    end = [
        max(after, total - before) for after, before, total in zip(end, begin, needed, strict=True)
    ]
    h, w, r, s, steps, pads, taps = _window(size, kernel, stride, begin, end, dilation)
    return constructors.pool(
        name, n=n, c=c, h=h, w=w, r=r, s=s, stride=steps, pad=pads, dilation=taps
    )  # fmt: skip


def adaptive_pooling(name: str, inputs: Shape, outputs: Shape) -> Layers:
    """A pooling that cuts each size into as many windows as there are outputs.

    Windows are equal in a table: exact where the sizes divide, else each has the length of the
    last one at the stride `size // outputs`.
    """
    size, out = inputs[2:], outputs[-len(inputs[2:]) :]
    if any(length < count for length, count in zip(size, out, strict=True)):
        raise InputError(f"{name}: adaptive pooling must not enlarge; got {size} to {out}")
    stride = [length // count for length, count in zip(size, out, strict=True)]
    kernel = [
        length - (count - 1) * step
        for length, count, step in zip(size, out, stride, strict=True)
    ]  # fmt: skip
    zeros, ones = [0] * len(size), [1] * len(size)
    return pooling(
        name, inputs, outputs, kernel=kernel, stride=stride, begin=zeros, end=zeros, dilation=ones
    )  # fmt: skip


def elementwise(name: str, shape: Shape) -> Layers:
    """A sum, product or the like with a result of `shape`; smaller operands count as broadcast."""
    n, c, h, *rest = (*shape, 1, 1, 1) if len(shape) != 1 else (1, *shape, 1, 1)
    return constructors.elementwise(name, n=n, c=c, h=h, w=prod(rest))


def product(
    name: str, left: Shape, right: Shape, *, left_fixed: bool = False, right_fixed: bool = False
) -> Layers:
    """A matrix product with broadcast batches, as NumPy's `matmul`.

    With a fixed operand it is a convolution, with one operand for the whole batch a single product,
    else it repeats for each pair of matrices.
    """
    left, right = _matrices(left, right)
    if left_fixed:  # W x is the transpose of xT WT
        left, right = (*right[:-2], right[-1], right[-2]), (*left[:-2], left[-1], left[-2])
    *left_batch, m, k = left
    *right_batch, _, n = right
    batch = prod(np.broadcast_shapes(tuple(left_batch), tuple(right_batch)))
    matrices = prod(right_batch)
    if not (left_fixed or right_fixed):
        if matrices == 1:
            return constructors.matmul(name, batch * m, k, n)
        return constructors.matmul(name, m, k, n, repeat=batch)
    if matrices > 1:
        return constructors.conv(
            name, n=batch // matrices, c=matrices * k, k=matrices * n, h=m, w=1, r=1,
            groups=matrices,
        )  # fmt: skip
    if not left_batch:
        return constructors.linear(name, k, n, n=m)
    return constructors.gemm(name, m, k, n, batch=batch)


def einsum(
    name: str, equation: str, left: Shape, right: Shape, *, left_fixed: bool, right_fixed: bool
) -> Layers:
    """A sum of products of two operands: a matrix product, or elementwise if nothing is summed.

    Raises:
        InputError: An index occurs twice in an operand.
    """
    indices, arrow, result = equation.replace(" ", "").partition("->")
    first, _, second = indices.partition(",")
    if not arrow:  # what occurs once, the ellipsis first
        once = {i for i in indices if i.isalpha() and indices.count(i) == 1}
        result = "..." * ("..." in indices) + "".join(sorted(once))
    first, second, result = _without_ellipsis((first, second, result), (len(left), len(right)))
    if len({*first}) < len(first) or len({*second}) < len(second):
        raise InputError(f"{name}: einsum must not repeat an index in an operand; got {equation!r}")
    size = dict(zip(first, left, strict=True))
    size |= {i: max(n, size.get(i, 1)) for i, n in zip(second, right, strict=True)}
    both = {*first} & {*second}
    summed = prod(size[i] for i in both - {*result})
    m = prod(size[i] for i in {*first} - both if i in result)
    n = prod(size[i] for i in {*second} - both if i in result)
    batch = prod(size[i] for i in both & {*result})
    if both <= {*result}:
        return NONE if left_fixed or right_fixed else elementwise(name, [size[i] for i in result])
    stack = (batch,) if batch > 1 else ()
    return product(
        name, (*stack, m, summed), (*stack, summed, n), left_fixed=left_fixed,
        right_fixed=right_fixed,
    )  # fmt: skip


def attention(name: str, query: Shape, key: Shape, value: Shape) -> Layers:
    """Scaled dot-product attention: the products of queries and keys and of scores and values.

    A causal mask saves nothing: every score is computed.
    """
    *heads, tokens, depth = query
    repeat = prod(heads)
    return Layers.concat(
        constructors.matmul(f"{name}.qk", tokens, depth, key[-2], repeat=repeat),
        constructors.matmul(f"{name}.av", tokens, key[-2], value[-1], repeat=repeat),
    )


def _matrices(left: Shape, right: Shape) -> tuple[Shape, Shape]:
    """Vectors as the row and the column that a product takes them for."""
    return (1, *left) if len(left) == 1 else left, (*right, 1) if len(right) == 1 else right


def _without_ellipsis(terms: tuple[str, str, str], ranks: tuple[int, int]) -> list[str]:
    """The terms of an equation with the indices that `...` stands for as capitals from the end."""
    spare = [letter for letter in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if letter not in "".join(terms)]
    longest = 0
    filled = []
    for term, rank in zip(terms, (*ranks, None), strict=True):
        missing = longest if rank is None else rank - len(term.replace("...", ""))
        longest = max(longest, missing if "..." in term else 0)
        filled.append(term.replace("...", "".join(reversed(spare[:missing]))))
    return filled


def _two(values: Shape, absent: int) -> tuple[int, int]:
    """A value for each of height and width; 1-D operators have no height."""
    return (absent, values[0]) if len(values) == 1 else (values[0], values[1])


def _window(
    size: Shape, kernel: Shape, stride: Shape, begin: Shape, end: Shape, dilation: Shape
) -> tuple[int, int, int, int, tuple[int, int], tuple[int, int], tuple[int, int]]:
    """`h, w, r, s` and the strides, pads and dilations, with equal pads on both sides."""
    lengths, pads = [], []
    for axis, (length, taps) in enumerate(zip(size, kernel, strict=True)):
        total = begin[axis] + end[axis]
        extent, step = dilation[axis] * (taps - 1) + 1, stride[axis]
        pad = total // 2
        if total % 2:
            # One more zero goes unnoticed unless a window ends exactly there.
            if (length + total + 1 - extent) % step:
                pad += 1
            else:
                length += 1
        lengths.append(length)
        pads.append(pad)
    return (
        *_two(lengths, 1), *_two(kernel, 1), _two(stride, 1), _two(pads, 0), _two(dilation, 1),
    )  # fmt: skip
