"""Searching groups of parameters one after the other, in turns, or all together.

Four ways to search a network and its hardware are settings of one mechanism, here for the groups
``network`` and ``accelerator``:

    ====================  =====================================  ========
    search                order                                  rounds
    ====================  =====================================  ========
    network, then chip    ``network,accelerator``                1
    chip, then network    ``accelerator,network``                1
    alternating           ``network,accelerator``                several
    joint                 ``network+accelerator``                1
    ====================  =====================================  ========
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.metrics import Metric, Metrics
from codesign_gym.envs import Evaluation, Evaluator, ProblemStatement
from codesign_gym.envs.evaluation import assess
from codesign_gym.envs.partial import complete
from codesign_gym.search.agent import Agent
from codesign_gym.search.constraints import merit
from codesign_gym.search.initial import latin_hypercube
from codesign_gym.search.inner import inner_agent
from codesign_gym.search.options import at_least, between
from codesign_gym.search.state import pack, unpack
from codesign_gym.search_spaces import Designs, InputError, SearchSpace
from codesign_gym.search_spaces.errors import unknown_name

MOST_ROUNDS = 1000
"""Rounds beyond which phases would have no evaluations."""

HORIZON = 1000
"""Evaluations of all phases where neither the options nor a budget say how many."""


@dataclass(frozen=True)
class AlternatingOptions:
    """What can be set.

    Attributes:
        order: Groups of a round: phases apart by ``,``, groups searched together joined by ``+``;
            by default every group is a phase, in the order of the space.
        rounds: How often the phases are gone through.
        shares: Share of a round for each of its phases, apart by ``,``; equal by default.
        inner: The agent that searches within a phase, with its default options.
        start: Designs of a Latin hypercube, of which the best is held first; those told of before
            count among them.
        horizon: Evaluations of all phases; by default the budget of the search, or 1,000.
    """

    order: str = ""
    rounds: int = 1
    shares: str = ""
    inner: str = "regularized-evolution"
    start: int = 16
    horizon: int | None = None


class Alternating(Agent):
    """In each phase some groups are searched, by a new inner agent, and all others are held.

    Held is the best design so far; the inner agent is told of it first.
    """

    Options = AlternatingOptions
    options: AlternatingOptions

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        between("alternating", "rounds", self.options.rounds, 1, MOST_ROUNDS)
        at_least("alternating", "start", self.options.start, 1)
        if self.options.horizon is not None:
            at_least("alternating", "horizon", self.options.horizon, 1)
        self._round = _phases(self.space, self.options.order)
        self._shares = _shares(self.options.shares, len(self._round))
        self._parts = [self._part(groups) for groups in self._round]
        for part in self._parts:
            inner_agent("alternating", self.options.inner, part, 0)
        self._horizon = self.options.horizon or HORIZON
        self._asked = 0
        self._known = 0  # designs told of before the first was asked for: they are a start too
        self._phase = -1  # that of the start
        self._inner: Agent | None = None
        self._best: Evaluation | None = None
        self._held: Evaluation | None = None

    @property
    def batch_size(self) -> int:  # type: ignore[override]  # no batch reaches into another phase
        """Designs per round of the inner agent, or what is left of the phase."""
        left = self._ends()[self._due() + 1] - self._asked
        wanted = self.options.start if self._inner is None else self._inner.batch_size
        return max(1, min(wanted, left)) if left > 0 else wanted

    def search(self, evaluator: Evaluator) -> None:
        """Spend the evaluator's budget, all phases within it."""
        self._horizon = self.options.horizon or evaluator.budget
        super().search(evaluator)

    def ask(self, n: int) -> Designs:
        """A Latin hypercube at first, then the inner agent's choices beside those held."""
        due = self._due()
        self._asked += n
        if due < 0 or self._best is None:
            return latin_hypercube(self.space, n, self.rng)
        if due != self._phase:
            self._begin(due)
        assert self._inner is not None
        assert self._held is not None
        return complete(self.space, self._free, self._held.designs, self._inner.ask(n))

    def tell(self, designs: Designs, evaluation: Evaluation) -> None:
        """Remember the best; the inner agent learns of designs that keep to what is held."""
        if not len(evaluation):
            return
        if not self._asked:
            self._known += len(evaluation)
        rank = merit(evaluation, self.statement.reward(evaluation))
        top = evaluation.take(np.array([int(rank.argmax())]))
        if self._best is None or rank.max() > self._merit(self._best):
            self._best = top
        if self._inner is None or self._held is None:
            return
        own = evaluation.designs[:, self._free]
        alike = complete(self.space, self._free, self._held.designs, own) == evaluation.designs
        self._inform(evaluation.take(np.flatnonzero(alike.all(axis=1))))

    # -- phases ----------------------------------------------------------------------------------

    def _ends(self) -> NDArray[np.int64]:
        """Evaluations after which the start and each phase end; the last one never does."""
        start = min(max(self.options.start - self._known, 0), self._horizon)
        shares = np.tile(self._shares, self.options.rounds).cumsum() / self.options.rounds
        ends = start + np.round((self._horizon - start) * shares).astype(np.int64)
        ends[-1] = np.iinfo(np.int64).max
        return np.concatenate([[start], ends])

    def _due(self) -> int:
        """The phase of the next proposal, -1 for the start."""
        return int(np.searchsorted(self._ends(), self._asked, side="right")) - 1

    def _begin(self, phase: int) -> None:
        assert self._best is not None
        self._phase, self._held = phase, self._best
        self._inner = self._made(int(self.rng.integers(2**32)))
        self._inform(self._best)

    def _made(self, seed: int) -> Agent:
        part = self._parts[self._phase % len(self._parts)]
        return inner_agent("alternating", self.options.inner, part, seed)

    def _inform(self, evaluation: Evaluation) -> None:
        """Tell the inner agent of designs that keep to what is held."""
        assert self._inner is not None
        if len(evaluation):
            own = self._inner.space.canonical(evaluation.designs[:, self._free])
            self._inner.tell(own, replace(evaluation, designs=own))

    def _part(self, groups: tuple[str, ...]) -> ProblemStatement:
        """What an inner agent may know."""
        space = self.space if set(groups) == set(self.space.groups) else self.space.select(*groups)
        return replace(
            self.statement, name=f"{self.statement.name}/{space.name}", space=space, supernet=None
        )

    @property
    def _free(self) -> NDArray[np.intp]:
        return self.space.columns_of(self._parts[self._phase % len(self._parts)].space)

    def _merit(self, evaluation: Evaluation) -> float:
        return float(merit(evaluation, self.statement.reward(evaluation))[0])

    # -- state -----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """How far the phases are, what is held, and the state of the inner agent."""
        names = ("rng", "_asked", "_known", "_phase", "_horizon")
        kept = {name: pack(getattr(self, name)) for name in names}
        known = {name: _packed(getattr(self, name)) for name in ("_best", "_held")}
        return kept | known | {"_inner": self._inner.state_dict() if self._inner else None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        apart = ("_best", "_held", "_inner")
        super().load_state_dict({k: v for k, v in state.items() if k not in apart})
        self._best, self._held = (self._unpacked(state[name]) for name in ("_best", "_held"))
        self._inner = None
        if state["_inner"] is not None:
            self._inner = self._made(0)
            self._inner.load_state_dict(state["_inner"])

    def _unpacked(self, data: Any) -> Evaluation | None:
        if data is None:
            return None
        known = unpack(data)
        kinds = tuple(Metric(**kind) for kind in known["kinds"])
        invalid = {known["reason"]: np.ones(1, dtype=np.bool_)} if known["reason"] else {}
        metrics = Metrics(kinds, known["values"], invalid)
        return assess(known["designs"], metrics, self.statement.objectives, self.statement.specs)


def _packed(evaluation: Evaluation | None) -> Any:
    """One evaluated design as plain data."""
    if evaluation is None:
        return None
    metrics = evaluation.metrics
    return pack(
        {
            "designs": evaluation.designs,
            "kinds": [metric.to_dict() for metric in metrics.metrics],
            "values": metrics.values_matrix,
            "reason": metrics.reason(0),
        }
    )


def _phases(space: SearchSpace, order: str) -> list[tuple[str, ...]]:
    """The groups of each phase; `InputError` where they are not all groups of the space, once."""
    if not order.strip():
        return [(group,) for group in space.groups]
    phases = [tuple(name.strip() for name in part.split("+")) for part in order.split(",")]
    named = [name for phase in phases for name in phase]
    for name in named:
        if name not in space.groups:
            raise unknown_name("group in option 'order' of alternating", name, space.groups)
    if missing := [group for group in space.groups if group not in named]:
        raise InputError(
            f"option 'order' of alternating must name every group of {space.name!r}, "
            f"lacks {', '.join(missing)}: {order!r}"
        )
    return phases


def _shares(text: str, phases: int) -> NDArray[np.float64]:
    """The share of each phase in a round, which sum to 1."""
    if not text.strip():
        return np.full(phases, 1 / phases)
    try:
        shares = np.array([float(part) for part in text.split(",")])
    except ValueError:
        shares = np.empty(0)
    if len(shares) != phases or not (shares > 0).all() or not sum(shares.tolist()) < np.inf:
        raise InputError(
            f"option 'shares' of alternating must be {phases} numbers above 0, apart by ',', "
            f"got {text!r}"
        )
    return np.asarray(shares / shares.sum())
