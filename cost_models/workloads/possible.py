"""Layer tables of which some rows describe no possible layer, as a search may propose them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.cost_models.workloads.layers import Layers

POSSIBLE, BAD_GROUPS, BAD_KERNEL = range(3)
"""What is the matter with a row."""


def possible_layers(columns: Mapping[str, ArrayLike]) -> tuple[Layers, NDArray[np.int64]]:
    """The layers of a table, those that cannot be replaced by ones that can, and which these are.

    Groups that do not divide the channels, and kernels larger than the padded input, become 1.

    Args:
        columns: As for `Layers.from_table`, which raises for every other fault of a table.

    Returns:
        The layers `[l]`, and for each `POSSIBLE`, `BAD_GROUPS` or `BAD_KERNEL`, int64 `[l]`.

    Example:
        >>> columns = {"h": [8, 8], "w": 8, "r": 3, "s": 3, "c": [4, 4], "k": 4, "groups": [2, 3]}
        >>> layers, faults = possible_layers(columns)
        >>> layers.groups.tolist(), faults.tolist()
        ([2, 1], [0, 1])
    """
    names, table = Layers.read_table(columns)
    faults = np.zeros(len(names), dtype=np.int64)
    if all(column.dtype.kind in "iu" and column.shape == faults.shape for column in table.values()):
        groups = np.maximum(table["groups"], 1)
        bad_groups = (table["c"] % groups != 0) | (table["k"] % groups != 0)
        table["groups"] = np.where(bad_groups, 1, table["groups"])
        faults[bad_groups] = BAD_GROUPS
        for kernel, size, axis in (("r", "h", "h"), ("s", "w", "w")):
            extent = table[f"dilation_{axis}"] * (table[kernel] - 1) + 1
            bad_kernel = extent > table[size] + 2 * table[f"pad_{axis}"]
            table[kernel] = np.where(bad_kernel, 1, table[kernel])
            faults[bad_kernel & ~bad_groups] = BAD_KERNEL
    return Layers(name=names, **table), faults
