"""Measurements of designs, looked up. Letters: ``w`` designs of a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.search_spaces import Designs, InputError, SearchSpace


class MeasuredTable(CostModel):
    """Metrics of the designs of a table; those that are not in it are invalid.

    Args:
        space: Of the designs.
        designs: Those of the table ``[w, p]``.
        metrics: What was measured.
        values: The measurements ``[w, k]``, NaN where there is none.
        source: Where they come from.
        name: Name of the model.
        fidelity: Orders tables of the same metrics from cheap to costly.
    """

    def __init__(
        self,
        space: SearchSpace,
        designs: Designs,
        metrics: Sequence[Metric],
        values: ArrayLike,
        source: str,
        name: str = "measured-table",
        fidelity: int = 0,
    ) -> None:
        self.space, self.metrics, self.source = space, tuple(metrics), source
        self.name, self.fidelity = name, fidelity
        if not len(designs):
            raise InputError(f"{source} has no design: a table has a line for each")
        keys = _keys(space, space.canonical(space.check(designs)))
        self._sorted, first = np.unique(keys, return_index=True)
        if len(first) < len(keys):
            repeated = int(np.setdiff1d(np.arange(len(keys)), first)[0])
            named = space.decode(designs[repeated : repeated + 1])[0]
            raise InputError(f"{source} has the design {named} twice")
        self.measured = np.asarray(values, dtype=np.float64)
        if self.measured.shape != (len(keys), len(self.metrics)):
            raise InputError(
                f"values must be [{len(keys)}, {len(self.metrics)}], got {self.measured.shape}"
            )
        self.designs, self._row = space.canonical(space.check(designs)), first
        self._missing = f"not in the table: it has {len(keys):,} designs"

    def compute(self, designs: Designs) -> Metrics:
        """What was measured of designs ``[n, p]``."""
        keys = _keys(self.space, designs)
        at = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        missing = self._sorted[at] != keys
        values = self.measured[self._row[at]]
        lost = ~missing & np.isnan(values).any(axis=1)
        reasons = {self._missing: missing, "no measurement in the table": lost}
        return Metrics(
            self.metrics, values, {text: mask for text, mask in reasons.items() if mask.any()}
        )


def _keys(space: SearchSpace, designs: Designs) -> NDArray[np.bytes_]:
    """A byte string per design ``[n]``, equal where designs are: spaces may be too large to number.

    NumPy drops zero bytes at the end of strings; as all have one length, none become equal by it.
    """
    wide = ">u2" if int(space.nvec.max()) > 256 else "u1"
    rows = np.ascontiguousarray(designs.astype(wide))
    return rows.view(f"S{rows.dtype.itemsize * len(space)}").ravel()
