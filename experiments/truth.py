"""What is known of a problem of which every design was evaluated: optimum, front, quantiles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import DesignProblem, Evaluation
from codesign_gym.experiments.front_share import FrontShare
from codesign_gym.search.pareto import nondominated, ranking
from codesign_gym.search_spaces import InputError
from codesign_gym.search_spaces.files import write_whole

FloatArray = NDArray[np.float64]
QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
FORMAT = 1


@dataclass(frozen=True, eq=False)
class Truth:
    """The result of evaluating all designs of a problem; `k` objectives.

    Attributes:
        problem: Name of the problem.
        key: What the problem was made of: see `key_of`.
        designs: Distinct designs, all of them evaluated.
        valid: How many are valid.
        feasible: How many are valid and keep all specs.
        optima: Name of an objective, or ``"reward"`` -> its best feasible value and that design,
            and the median of the feasible designs.
        quantiles: Metric -> `QUANTILES` of its values over the valid designs.
        front: Objective values of the Pareto front, in their own directions, ``[f, k]``, by the
            first objective.
        front_choices: The designs of the front, choice indices ``[f, p]``.
        provenance: Command, versions, CPU time.
    """

    problem: str
    key: Mapping[str, Any]
    designs: int
    valid: int
    feasible: int
    optima: Mapping[str, Mapping[str, Any]]
    quantiles: Mapping[str, list[float]]
    front: list[list[float]]
    front_choices: list[list[int]]
    provenance: Mapping[str, Any]

    @classmethod
    def of(
        cls, problem: DesignProblem, evaluation: Evaluation, provenance: Mapping[str, Any]
    ) -> Self:
        """The truth that follows from the evaluation of all distinct designs of a problem.

        Raises:
            InputError: No design is feasible.
        """
        feasible = evaluation.feasible
        if not feasible.any():
            raise InputError(f"problem {problem.name!r}: none of its designs is feasible")
        rewards = problem.reward(evaluation)
        best = {"reward": int(ranking(evaluation, rewards)[0])}
        for j, metric in enumerate(problem.objectives):
            best[metric.name] = int(
                np.argmin(np.where(feasible, evaluation.objectives[:, j], np.inf))
            )
        metrics = evaluation.metrics
        column = {"reward": rewards, **metrics}
        rows = nondominated(evaluation)
        signs = np.array([metric.sign for metric in problem.objectives])
        return cls(
            problem=problem.name,
            key=key_of(problem),
            designs=len(evaluation),
            valid=int(metrics.valid.sum()),
            feasible=int(feasible.sum()),
            optima={
                name: {
                    "value": float(column[name][row]),
                    "median": float(np.median(column[name][feasible])),
                    "design": problem.space.decode(evaluation.designs[[row]])[0],
                    "choices": evaluation.designs[row].tolist(),
                }
                for name, row in best.items()
            },
            quantiles={name: _quantiles(values[metrics.valid]) for name, values in metrics.items()},
            front=(evaluation.objectives[rows] * signs).tolist(),
            front_choices=evaluation.designs[rows].tolist(),
            provenance=provenance,
        )

    def save(self, path: Path) -> None:
        """Write the truth as JSON, whole or not at all."""
        write_whole(path, json.dumps({"format": FORMAT} | asdict(self)) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """The truth in a file that `save` wrote; anything else raises `InputError`."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data.pop("format") > FORMAT:
                raise InputError(f"{path} was written by a newer codesign-gym: tabulate it again")
            return cls(**data)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{path} is not a tabulation's summary: {error!r}") from None

    def regret(self, values: FloatArray, of: str = "reward") -> FloatArray:
        """How far feasible designs stay behind the optimum: 0 at it, 1 at the median feasible one.

        Args:
            values: Rewards, or values of an objective, any shape.
            of: ``"reward"``, or the objective's name.
        """
        best, median = self.optima[of]["value"], self.optima[of]["median"]
        sign = -1.0 if self.key["objectives"].get(of) == "min" else 1.0
        span = sign * (best - median)
        return np.asarray(sign * (best - values) / (span if span > 0 else 1.0))

    def hypervolume_share(self, objectives: FloatArray) -> float:
        """The share of the true front's hypervolume that designs dominate: see `FrontShare`.

        Args:
            objectives: Of feasible designs, to be minimised, ``[n, k]``.
        """
        return self._share.of(objectives)

    @cached_property
    def _share(self) -> FrontShare:
        return FrontShare.of_values(self.front, self.key["objectives"].values())


def _quantiles(values: FloatArray) -> list[float]:
    with np.errstate(invalid="ignore"):  # between two values that were not measured there is none
        return [float(x) for x in np.quantile(values, QUANTILES)]


def key_of(problem: DesignProblem) -> dict[str, Any]:
    """What decides a problem's truth: equal keys, equal truths (while its code stays the same)."""
    return {
        "space": problem.space.digest,
        "models": [model.name for model in problem.models],
        "objectives": {metric.name: metric.direction for metric in problem.objectives},
        "specs": [str(spec) for spec in problem.specs],
        "reward": repr(problem.reward),
    }


def known_truth(problem: DesignProblem) -> Truth | None:
    """The truth of a problem that came with the package; None where there is none."""
    path = Path(str(files("codesign_gym.experiments"))) / "tabulated" / f"{problem.name}.json"
    if not path.is_file():
        return None
    truth = Truth.load(path)
    return truth if truth.key == key_of(problem) else None
