"""A problem with some choices held: what is left to choose when the rest is decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codesign_gym.cost_models.base import CostModel
from codesign_gym.cost_models.metrics import Metrics
from codesign_gym.envs.problem import DesignProblem
from codesign_gym.search_spaces import Designs, SearchSpace


class HeldModel(CostModel):
    """A cost model of which some parameters have fixed choices.

    Args:
        model: The model.
        whole: The space of the problem.
        free: What may still be chosen; a model of none of that is constant.
        design: Choices of the whole space ``[1, p]``, of which the held ones count.
    """

    def __init__(
        self, model: CostModel, whole: SearchSpace, free: SearchSpace, design: Designs
    ) -> None:
        self._model = model
        chosen = set(free.parameters)
        self._row = design[:, whole.columns_of(model.space)]
        self._columns = np.array(
            [j for j, p in enumerate(model.space.parameters) if p in chosen], dtype=np.intp
        )
        own = tuple(model.space.parameters[j] for j in self._columns)
        self._constant = not own
        self.space = SearchSpace(f"{model.name}, free part", own) if own else free
        self.name, self.metrics, self.source = model.name, model.metrics, model.source
        self.fidelity, self.expensive = model.fidelity, model.expensive
        self.offers = model.offers

    def compute(self, designs: Designs) -> Metrics:
        """The metrics of the free choices ``[n, p]``."""
        return self._model.compute(self._whole(designs))

    def explain(self, designs: Designs) -> list[dict[str, str | float]]:
        """As for the model itself."""
        return self._model.explain(self._whole(designs))

    def _whole(self, designs: Designs) -> Designs:
        rows = np.repeat(self._row, len(designs), axis=0)
        if not self._constant:
            rows[:, self._columns] = designs
        return self._model.space.canonical(rows)


def partial_problem(
    problem: DesignProblem, free: Iterable[str], design: ArrayLike
) -> DesignProblem:
    """The problem of choosing what ``free`` names, the rest held as in ``design``.

    Cost models, specs, objectives and reward stay the same. No free parameter may depend on a held
    one.

    Args:
        problem: The problem.
        free: Groups, or parameters as ``group.name``, that may be chosen.
        design: A design ``[1, p]`` of the whole problem; its free choices do not count.

    Raises:
        InputError: There is no such group or parameter, or a free one depends on a held one.
    """
    part = problem.space.select(*free)
    held = problem.space.canonical(problem.space.check(design))

    def holding(models: Iterable[CostModel]) -> tuple[CostModel, ...]:
        return tuple(HeldModel(model, problem.space, part, held) for model in models)

    return replace(
        problem,
        name=f"{problem.name}/{part.name}",
        space=part,
        models=holding(problem.models),
        fidelities=tuple(replace(f, models=holding(f.models)) for f in problem.fidelities),
    )


def completed(
    problem: DesignProblem, free: Iterable[str], design: Designs, part: Designs
) -> Designs:
    """Designs of the whole problem ``[n, p]``: free ones from ``part``, the rest from ``design``.

    Args:
        problem: The whole problem.
        free: The groups or parameters that were chosen.
        design: The design held, ``[1, p]``.
        part: Designs of the partial problem, ``[n, q]``.
    """
    columns = problem.space.columns_of(problem.space.select(*free))
    return complete(problem.space, columns, design, part)


def complete(
    space: SearchSpace, columns: NDArray[np.intp], design: Designs, part: Designs
) -> Designs:
    """Designs ``[n, p]`` of a space: these columns from ``part``, the rest from ``design``.

    Args:
        space: The whole space.
        columns: Where the free parameters stand in it, ``[q]``.
        design: The design held, ``[1, p]``.
        part: Choices of the free parameters, ``[n, q]``.
    """
    rows = np.repeat(design, len(part), axis=0)
    rows[:, columns] = part
    return space.canonical(rows)
