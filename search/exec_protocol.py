"""The messages between a search and an agent that is another program: a JSON object per line.

`docs/exec-agents.md` describes them for those who write one.
"""

from __future__ import annotations

import json
import math
from typing import Any

from codesign_gym.envs import Evaluation, ProblemStatement
from codesign_gym.search_spaces import Designs, InputError, SearchSpace

VERSION = 1


def start_message(statement: ProblemStatement, seed: int, budget: int | None) -> str:
    """The first message: all that an agent may know."""
    space = statement.space
    parameters = [
        {
            "name": name,
            "kind": "ordinal" if parameter.ordered else "categorical",
            "values": list(parameter.values),
            "unit": parameter.unit,
            "active_when": parameter.to_dict()["active_when"],
        }
        for name, parameter in zip(space.names, space.parameters, strict=True)
    ]
    return _text(
        type="start",
        protocol=VERSION,
        problem=statement.name,
        seed=seed,
        budget=budget,
        choices=space.nvec.tolist(),
        parameters=parameters,
        objectives=[
            {"name": m.name, "unit": m.unit, "direction": m.direction} for m in statement.objectives
        ],
        specs=[{"metric": s.metric, "sense": s.sense, "bound": s.bound} for s in statement.specs],
    )


def ask_message(n: int, remaining: int | None) -> str:
    """The one message that is answered."""
    return _text(type="ask", n=n, remaining=remaining)


def tell_message(statement: ProblemStatement, evaluation: Evaluation) -> str:
    """What designs cost; what is infinite or was not measured is null."""
    return _text(
        type="tell",
        designs=evaluation.designs.tolist(),
        values=statement.space.decode(evaluation.designs),
        metrics={name: _finite(column.tolist()) for name, column in evaluation.metrics.items()},
        objectives=[_finite(row) for row in evaluation.objectives.tolist()],
        violations=[_finite(row) for row in evaluation.violations.tolist()],
        feasible=evaluation.feasible.tolist(),
        reward=_finite(statement.reward(evaluation).tolist()),
    )


def end_message() -> str:
    """The last message."""
    return _text(type="end")


def read_designs(space: SearchSpace, line: str, n: int) -> Designs:
    """The ``n`` designs ``[n, p]`` of an answer, rows of choice indices or values by name.

    Raises:
        InputError: It is not JSON, has another shape, or a choice that is not offered.
    """
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        raise InputError(f"is not JSON: {_short(line)}") from None
    designs = answer.get("designs") if isinstance(answer, dict) else None
    if not isinstance(designs, list) or len(designs) != n:
        got = f"{len(designs)} designs" if isinstance(designs, list) else _short(line)
        raise InputError(f'must be {{"designs": [...]}} with {n} designs, got {got}')
    if all(isinstance(design, dict) for design in designs):
        return space.encode(designs)
    if not all(isinstance(design, list) for design in designs):
        raise InputError(f"must have designs that are all lists or all objects, got {_short(line)}")
    return space.canonical(space.check(designs))


def _text(**message: Any) -> str:
    return json.dumps(message, allow_nan=False)


def _finite(values: list[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]


def _short(line: str) -> str:
    return repr(line if len(line) <= 80 else f"{line[:77]}...")
