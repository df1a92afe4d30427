"""At the door: what counts as a matrix of designs, and what is wrong with anything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.search_spaces.errors import InputError
from codesign_gym.search_spaces.parameters import Parameter

Designs = NDArray[np.int32]
"""Rows of choice indices, ``[n, p]``."""


def checked_designs(
    space: str, names: Sequence[str], parameters: Sequence[Parameter], designs: ArrayLike
) -> Designs:
    """A copy of the designs as an int32 matrix ``[n, p]``.

    Args:
        space: Name of the space, for error texts.
        names: Names of the parameters.
        parameters: The parameters.
        designs: What was given.

    Raises:
        InputError: Anything but integer indices in range; names row, parameter, range and value.
    """
    array = as_array(f"designs of {space!r}", designs)
    if array.ndim != 2 or array.shape[1] != len(parameters):
        raise InputError(
            f"designs of {space!r} must have shape [n, {len(parameters)}] "
            f"({', '.join(names)}), got shape {list(array.shape)}"
        )
    if array.dtype.kind not in "iu":
        raise _wrong_type(names, parameters, array)
    outside = (array < 0) | (array >= [len(parameter) for parameter in parameters])
    if outside.any():
        row, column = map(int, np.argwhere(outside)[0])
        parameter = parameters[column]
        raise InputError(
            f"design {row}: parameter {names[column]!r} must be a choice index in "
            f"0..{len(parameter) - 1} (for {parameter.describe()}), got {array[row, column]}"
        )
    return array.astype(np.int32)


def _wrong_type(
    names: Sequence[str], parameters: Sequence[Parameter], array: NDArray[Any]
) -> InputError:
    if array.size == 0:
        return InputError(f"designs must be integer choice indices, got dtype {array.dtype}")
    cells = array.ravel().tolist()
    kind = float if array.dtype.kind == "f" else int
    # The first cell that is no index however it is read; failing that, the first of all.
    wrong = (i for i, x in enumerate(cells) if type(x) is not kind or not 0 <= x < 2**31 or x % 1)
    row, column = divmod(next(wrong, 0), len(parameters))
    return InputError(
        f"designs must be integer choice indices, got dtype {array.dtype}: design {row}: "
        f"parameter {names[column]!r} must be in 0..{len(parameters[column]) - 1}, "
        f"got {cells[row * len(parameters) + column]!r}"
    )


def as_table(what: str, columns: Any) -> dict[str, Any]:
    """Columns by name, of a mapping or of what is used like one; all else raises `InputError`."""
    if not hasattr(columns, "keys"):
        raise InputError(f"{what} must be a mapping of columns, got {columns!r:.60}")
    return dict(columns)  # a data frame too


def as_array(what: str, data: ArrayLike) -> NDArray[Any]:
    """The data as an array; rows of different lengths raise `InputError`."""
    try:
        return np.asarray(data)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{what} must be an array: {error}") from None
