"""Costs that add up over the choices of a design: look-up tables of operations, and their fit.

The latency model of ProxylessNAS (Cai et al., ICLR 2019, arXiv 1812.00332, section 3.3): a network
takes a fixed time and that of the operation chosen at each place, so that its expectation over
independent choices is linear in their probabilities and has a gradient. Letters: ``w`` known
designs, ``K`` choices of all parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.cost_models.accuracy.csv_columns import (
    data_file,
    line_of,
    number_columns,
    text_columns,
)
from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.measured.table import MeasuredTable
from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.search_spaces import Designs, InputError, SearchSpace
from codesign_gym.search_spaces.errors import unknown_name

if TYPE_CHECKING:
    from torch import Tensor

HELD_OUT = 0.2
"""Share of the known designs that a fit does not see and is judged on."""


@dataclass(frozen=True)
class LutFit:
    """How well costs add up, on designs that the fit has not seen.

    Attributes:
        r2: Share of the variance that is explained.
        rmse: Root of the mean squared residual, in the metric's unit.
        worst: Largest residual, in the metric's unit.
        spearman: Rank correlation of prediction and truth.
        rows: Designs fitted on.
        held_out: Designs judged on.
    """

    r2: float
    rmse: float
    worst: float
    spearman: float
    rows: int
    held_out: int


class OperationLut(CostModel):
    """A fixed cost and one of each choice; a design costs their sum.

    Args:
        space: The designs.
        metric: What they cost.
        costs: Cost of each choice, a row per parameter in the order of its values.
        fixed: Cost of what every design has.
        source: Where the numbers come from.
        report: How well they fit, where they were fitted.

    Example:
        >>> from codesign_gym.search_spaces import Categorical
        >>> layers = Categorical("a", ("skip", "conv")), Categorical("b", ("skip", "conv"))
        >>> space = SearchSpace("net", layers)
        >>> lut = OperationLut(space, Metric("latency_ms", "ms", "min"), [[0, 2], [1, 3]], fixed=5)
        >>> lut.evaluate([[1, 0]])["latency_ms"].item()
        8.0
    """

    name = "operation-lut"

    def __init__(
        self,
        space: SearchSpace,
        metric: Metric,
        costs: Sequence[ArrayLike],
        fixed: float = 0.0,
        source: str = "given costs of operations",
        report: LutFit | None = None,
    ) -> None:
        self.space, self.metrics, self.source, self.report = space, (metric,), source, report
        self.fixed = float(fixed)
        rows = [np.asarray(row, dtype=np.float64) for row in costs]
        if len(rows) != len(space):
            raise InputError(
                f"costs must have {len(space)} rows, one per parameter; got {len(rows)}"
            )
        for parameter, row in zip(space.parameters, rows, strict=True):
            if row.shape != (len(parameter),) or not np.isfinite(row).all():
                raise InputError(
                    f"costs of {parameter.label!r} must be {len(parameter)} finite numbers, "
                    f"got {row.tolist()}"
                )
        self.costs = np.concatenate(rows)

    def compute(self, designs: Designs) -> Metrics:
        """Costs of designs ``[n, p]``; inactive parameters cost nothing."""
        chosen = self.costs[designs + self.space.offsets[:-1]]
        total = self.fixed + np.where(self.space.active(designs), chosen, 0.0).sum(axis=1)
        return Metrics(self.metrics, total[:, None])

    def expected(self, probabilities: Tensor) -> Tensor:
        """Expected cost when every parameter is chosen by itself, with its gradient.

        Args:
            probabilities: Of all choices, parameter after parameter, ``[..., K]``.

        Returns:
            ``[...]``, in the metric's unit.

        Raises:
            InputError: The space has inactive parameters, or there are not ``K`` probabilities.
        """
        import torch

        if self.space.cardinality != self.space.size:
            raise InputError(f"space {self.space.name!r} has parameters that are not always active")
        if probabilities.shape[-1] != len(self.costs):
            raise InputError(
                f"probabilities must be [..., {len(self.costs)}], one per choice of "
                f"{self.space.name!r}; got {list(probabilities.shape)}"
            )
        costs = torch.as_tensor(self.costs).to(probabilities)
        return self.fixed + (probabilities * costs).sum(-1)


def fit_lut(
    space: SearchSpace,
    designs: ArrayLike,
    values: ArrayLike,
    metric: Metric,
    source: str = "fitted",
    seed: int = 0,
) -> OperationLut:
    """The additive costs nearest to known ones by least squares, and how near they are.

    The cheapest choice of each parameter costs 0 (what they all have is in the fixed cost), since
    sums do not tell how a cost is shared between parameters.

    Args:
        space: The designs.
        designs: Those whose cost is known ``[w, p]``.
        values: Their cost ``[w]``, finite.
        metric: What it is.
        source: Where the costs come from.
        seed: Of the choice of designs that are held out; all are used for the final costs.
    """
    known = space.canonical(space.check(designs))
    y = np.asarray(values, dtype=np.float64)
    if y.shape != (len(known),) or not np.isfinite(y).all():
        raise InputError(f"values must be {len(known)} finite numbers, got shape {y.shape}")
    choices = int(space.offsets[-1])
    held = int(HELD_OUT * len(known))
    if held < 2 or len(known) - held <= choices - len(space):
        least = int(np.ceil((choices - len(space) + 1) / (1 - HELD_OUT))) + 2
        raise InputError(
            f"a table of {choices} operations needs the cost of at least {least} designs, "
            f"got {len(known)}"
        )
    x = space.one_hot(known).astype(np.float64)
    x *= np.repeat(space.active(known), space.nvec, axis=1)
    order = np.random.default_rng(seed).permutation(len(known))
    test, train = order[:held], order[held:]
    costs, fixed = _solve(space, x[train], y[train])
    report = _judge(fixed + x[test] @ costs, y[test], len(train))
    costs, fixed = _solve(space, x, y)
    rows = np.split(costs, space.offsets[1:-1])
    return OperationLut(space, metric, rows, fixed, source, report)


def lut_of_model(
    model: CostModel, metric: str = "", samples: int = 2000, seed: int = 0
) -> OperationLut:
    """The additive costs nearest to a cost model's, over random designs of its space.

    Args:
        model: Any cost model, a measured table too; of a table its own designs are used.
        metric: Which of its metrics; the first by default.
        samples: Designs to evaluate; the invalid ones are left out.
        seed: Of the designs and of those that are held out.
    """
    names = {one.name: one for one in model.metrics}
    if metric and metric not in names:
        raise unknown_name(f"metric of {model.name!r}", metric, names)
    wanted = names[metric] if metric else model.metrics[0]
    if isinstance(model, MeasuredTable):
        designs: Designs = model.designs
    else:
        designs = np.unique(model.space.sample(samples, seed), axis=0)
    found = model.evaluate(designs)
    rows = found.valid
    return fit_lut(
        model.space, designs[rows], found[wanted.name][rows], wanted,
        f"additive fit to {model.name}: {model.source}", seed,
    )  # fmt: skip


def read_lut(path: Path | str, resolution: int | None = None) -> dict[str, float]:
    """Measured time of each kind of layer, ms, out of a table with the columns ``key``, ``mean``.

    Args:
        path: A ``.csv`` or ``.csv.gz`` file, or its name in the folder ``CODESIGN_DATA``.
        resolution: Rows to take, where the table has a column ``resolution``.

    Raises:
        InputError: A column is missing or is no number, or a key occurs twice.
    """
    file = data_file(path)
    keys, mean = text_columns(file, ["key"])["key"], number_columns(file, ["mean"])["mean"]
    rows = np.arange(len(keys))
    if resolution is not None:
        sizes = number_columns(file, ["resolution"])["resolution"]
        rows = np.flatnonzero(sizes == resolution)
        if not len(rows):
            known = ", ".join(f"{size:g}" for size in np.unique(sizes))
            raise InputError(f"{file} has the resolutions {known}, not {resolution}")
    times: dict[str, float] = {}
    for row in rows:
        if keys[row] in times:
            raise InputError(
                f"{file}, line {line_of(file, int(row))}: column 'key' has {keys[row]!r} twice"
            )
        times[keys[row]] = float(mean[row])
    return times


def _solve(
    space: SearchSpace, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Costs of the choices ``[K]``, the cheapest of each parameter 0, and the fixed cost."""
    solution = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)[0]
    costs, fixed = solution[:-1].astype(np.float64), float(solution[-1])
    if space.cardinality == space.size:  # else a parameter may add nothing, which is not a choice
        for start, stop in zip(space.offsets[:-1], space.offsets[1:], strict=True):
            fixed += float(costs[start:stop].min())
            costs[start:stop] -= costs[start:stop].min()
    return costs, fixed


def _judge(said: NDArray[np.float64], true: NDArray[np.float64], rows: int) -> LutFit:
    from scipy.stats import spearmanr

    residual = true - said
    spread = float(((true - true.mean()) ** 2).sum())
    return LutFit(
        r2=1.0 - float((residual**2).sum()) / spread if spread else float(not residual.any()),
        rmse=float(np.sqrt((residual**2).mean())),
        worst=float(np.abs(residual).max()),
        spearman=float(spearmanr(said, true).statistic) if spread else 1.0,
        rows=rows,
        held_out=len(true),
    )
