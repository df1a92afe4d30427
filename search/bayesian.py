"""Bayesian optimisation on batches: what agents with a model of the objectives share.

Letters: ``n`` designs told of, ``m`` points asked about, ``g`` goals, ``k`` limits.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from codesign_gym.envs import ProblemStatement
from codesign_gym.search.archive import ArchiveAgent
from codesign_gym.search.hypervolume import FrontGain
from codesign_gym.search.initial import latin_hypercube
from codesign_gym.search.operators import crossover, keys, mutate
from codesign_gym.search.options import at_least
from codesign_gym.search.threads import one_blas_thread
from codesign_gym.search_spaces import Designs

FloatArray = NDArray[np.float64]

_SHORTLIST = 160
"""Points of which the joint distribution is looked at."""

_TOP = 5
"""Designs best by reward that are looked around too where it goes for the front."""

_FAR = 4.0
"""Excess over a limit, in standard deviations, beyond which it is all one."""


class Posterior(Protocol):
    """What a model believes of designs; goals and limits are to be low."""

    def predict(self, points: Designs) -> tuple[FloatArray, FloatArray]:
        """Means and standard deviations ``[m, g + k]``, goals first."""
        ...

    def covariance(self, points: Designs) -> FloatArray:
        """Covariance of the first goal between points, ``[m, m]``."""
        ...


class Incumbent(NamedTuple):
    """What is to be improved on.

    Attributes:
        goals: How many goals there are; what else the model knows are limits.
        goal: The lowest first goal among feasible designs; infinite where there is none.
        excess: The lowest total of what is above 0 in the limits; 0 where something is feasible.
        front: What designs are worth to the front of the other goals, where it is searched for.
    """

    goals: int
    goal: float
    excess: float
    front: FrontGain | None


class BayesianAgent(ArchiveAgent):
    """Proposes where a model expects the largest improvement times the chance of feasibility.

    A subclass gives the model (`_fit`). The goal is the reward as if there were no specs, and every
    spec has a model of its own (constrained expected improvement, Gardner et al., ICML 2014). Until
    something is feasible, the improvement is that of the total excess over the limits. Where
    it goes for the front of several objectives, these are goals too, and every other proposal is
    that of the largest expected gain of hypervolume. Proposals of one batch
    are taken one after the other, as if the model had come true at those before (kriging believer,
    Ginsbourger et al. 2010).
    """

    name: ClassVar[str]
    candidates: ClassVar[int] = 512
    climbs: ClassVar[int] = 2
    ranked: ClassVar[bool] = False
    """Whether a reward's rank counts beside its size."""
    options: Any

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        for option in ("start", "batch"):
            at_least(self.name, option, getattr(self.options, option), 1)
        self.batch_size = self.options.batch

    @property
    def _front(self) -> bool:
        """Whether it goes for the front: of several objectives, once something is feasible."""
        several = len(self.statement.objectives) > 1
        return bool(self.options.multi_objective and several and (self._violation == 0).any())

    def _front_rows(self) -> NDArray[np.intp]:
        """Feasible designs that no other one dominates."""
        from moocore import is_nondominated

        rows = np.flatnonzero(self._violation == 0)
        kept = is_nondominated(self._objectives[rows], keep_weakly=False)
        return rows[np.asarray(kept, dtype=np.bool_)]

    @abstractmethod
    def _fit(self, rows: NDArray[np.intp], goals: FloatArray, limits: FloatArray) -> Posterior:
        """The model of goals ``[n, g]`` and limits ``[n, k]`` of these rows of the archive.

        Both are NaN where a design was spared the cost model, see `known`.
        """

    @one_blas_thread()
    def ask(self, n: int) -> Designs:
        """A Latin hypercube at first, then the points of the largest acquisition."""
        if len(self._designs) + len(self._pending) < self.options.start or len(self._designs) < 2:
            return self._propose(latin_hypercube(self.space, n, self.rng))
        order, goals, limits = self._order(), self._goals(), self._limits()
        posterior = self._fit(order, goals, limits)
        best = self._incumbent(goals, limits)
        points, score = self._search(order, posterior, best)
        chosen = self._choose(n, points, score, posterior, best)
        if len(chosen) < n:
            rest = mutate(self.space, self._designs[order[:1]].repeat(n - len(chosen), 0), self.rng)
            chosen = np.concatenate([chosen, rest])
        return self._propose(chosen)

    # -- what is modelled ------------------------------------------------------------------------

    def _order(self) -> NDArray[np.intp]:
        """Rows from best to worst; for the front, those best by reward, then by fronts."""
        by_reward = self._best_first(front=False)
        if not self._front:
            return by_reward
        by_fronts, top = self._best_first(front=True), by_reward[:_TOP]
        return np.concatenate([top, by_fronts[~np.isin(by_fronts, top)]])

    def _goals(self) -> FloatArray:
        """What is to be low, about standardised: the reward; for the front, the objectives too."""
        reward = _scaled(-_spread_out(self._values))
        columns = [_ranked_too(reward) if self.ranked else reward]
        if self._front:
            front = self._front_rows()
            for column in self._objectives.T:
                spread = _spread_out(column)
                columns.append(_scaled(spread, keep=float(spread[front].max())))
        return np.stack(columns, axis=1)

    def _limits(self) -> FloatArray:
        """What must be below 0: the specs' excesses, and validity where it is in question."""
        columns = []
        for column in self._excess.T:
            known = column[np.isfinite(column)]
            if (known > 0).any():
                columns.append(np.clip(column / (known.std() or 1.0), -_FAR, _FAR))
        invalid = np.isinf(self._violation)
        if invalid.any():
            columns.append(np.where(invalid, 1.0, -1.0))
        return np.stack(columns, axis=1) if columns else np.empty((len(self._designs), 0))

    def _incumbent(self, goals: FloatArray, limits: FloatArray) -> Incumbent:
        """What is to be improved on, in terms of goals and limits of all designs."""
        feasible = self._violation == 0
        if not feasible.any():
            total = np.maximum(np.nan_to_num(limits, nan=_FAR), 0).sum(axis=1)
            return Incumbent(goals.shape[1], np.inf, float(total.min()), None)
        front = FrontGain(goals[self._front_rows(), 1:], self.rng) if self._front else None
        return Incumbent(goals.shape[1], float(goals[feasible, 0].min()), 0.0, front)

    # -- where it is promising -------------------------------------------------------------------

    def _search(
        self, order: NDArray[np.intp], posterior: Posterior, best: Incumbent
    ) -> tuple[Designs, FloatArray]:
        """Points not told of with their scores: random, near the best, climbed to."""
        space, rng = self.space, self.rng
        elite = self._designs[order[: max(2, min(20, len(order) // 4))]]
        part = self.candidates // 4
        parents = elite[rng.integers(0, len(elite), (2, 2 * part))]
        near = mutate(space, parents[0], rng, rate=1 / len(space))
        mixed = mutate(space, crossover(space, parents[0], parents[1], rng)[:part], rng)
        close = space.neighbours(elite[:3])[0]
        if len(close) > 2 * part:
            close = close[rng.choice(len(close), 2 * part, replace=False)]
        points = self._unknown(
            np.concatenate([latin_hypercube(space, part, rng), near, mixed, close])
        )
        score = self._score(points, posterior, best)
        for _ in range(self.climbs):
            if not len(points):
                break
            tops = np.unique(
                np.argsort(-score, axis=0, kind="stable")[: max(1, 8 // score.shape[1])]
            )
            around = space.neighbours(points[tops[:16]])[0]
            if len(around) > self.candidates:
                around = around[rng.choice(len(around), self.candidates, replace=False)]
            known = set(keys(points))
            fresh = self._unknown(around)
            fresh = fresh[[key not in known for key in keys(fresh)]]
            points = np.concatenate([points, fresh])
            score = np.concatenate([score, self._score(fresh, posterior, best)])
        return points, score

    def _unknown(self, designs: Designs) -> Designs:
        """The designs that are neither told of nor pending, each once, in order."""
        rows = {key: i for i, key in reversed(list(enumerate(keys(designs))))}
        kept = [i for k, i in rows.items() if k not in self._told and k not in self._pending]
        return designs[np.sort(np.array(kept, dtype=np.intp))]

    def _score(self, points: Designs, posterior: Posterior, best: Incumbent) -> FloatArray:
        """Logarithm of expected improvement times chance of feasibility, ``[m, 1]``.

        For the front a second column has that of the expected gain, ``[m, 2]``.
        """
        if not len(points):
            return np.empty((0, 1 if best.front is None else 2))
        mean, deviation = posterior.predict(points)
        g = best.goals
        limits, doubt = mean[:, g:], deviation[:, g:]
        if not np.isfinite(best.goal):  # nothing is feasible: to become so comes first
            total = np.maximum(limits, 0).sum(axis=1, keepdims=True)
            open_ = np.where(limits > -doubt, doubt, 0.0)
            spread = np.sqrt((open_**2).sum(axis=1, keepdims=True)) + 1e-6
            return np.asarray(_log_improvement(best.excess - total, spread) - 0.1 * mean[:, :1])
        score = [_log_improvement(best.goal - mean[:, 0], deviation[:, 0])]
        if best.front is not None:
            score.append(best.front.log_of(mean[:, 1:g], deviation[:, 1:g]))
        chance = _log_chance(-limits / doubt).sum(axis=1, keepdims=True)
        return np.asarray(np.stack(score, axis=1) + chance)

    def _choose(
        self,
        n: int,
        points: Designs,
        score: FloatArray,
        posterior: Posterior,
        best: Incumbent,
    ) -> Designs:
        """``n`` of the points, or all of them, one after the other; by turns for each score."""
        size, turns = max(_SHORTLIST, 3 * n) // score.shape[1], score.shape[1]
        best_first = np.argsort(-score, axis=0, kind="stable")[:size].T.ravel()
        short = np.array(list(dict.fromkeys(best_first.tolist())), dtype=np.intp)
        points, g = points[short], best.goals
        waiting = [np.frombuffer(key, dtype=np.int32) for key in self._pending]
        known = np.array(waiting, dtype=np.int32).reshape(len(waiting), len(self.space))
        known = known[-_SHORTLIST:]
        covariance = posterior.covariance(np.concatenate([known, points]))
        for row in range(len(known)):
            _believe(covariance, row)
        covariance = covariance[len(known) :, len(known) :]
        mean, deviation = posterior.predict(points)
        if best.front is not None and len(known):
            best.front.believe(posterior.predict(known)[0][:, 1:g])
        chance = _log_chance(-mean[:, g:] / deviation[:, g:]).sum(axis=1)
        first = int(self.rng.integers(turns)) if turns > 1 and n % turns else 0
        chosen = list[int]()
        for i in range(min(n, len(points))):
            narrowed = np.sqrt(np.maximum(covariance.diagonal(), 1e-12))
            if not np.isfinite(best.goal):
                value = score[short, 0].copy()
            elif best.front is not None and (first + i) % turns:
                # What is believed of one goal narrows the others alike.
                ratio = np.minimum(narrowed / deviation[:, 0], 1.0)[:, None]
                value = chance + best.front.log_of(mean[:, 1:g], deviation[:, 1:g] * ratio)
            else:
                value = chance + _log_improvement(best.goal - mean[:, 0], narrowed)
            value[chosen] = -np.inf
            chosen.append(int(value.argmax()))
            _believe(covariance, chosen[-1])
            if best.front is not None:
                best.front.believe(mean[chosen[-1:], 1:g])
        return points[chosen]


def _believe(covariance: FloatArray, row: int) -> None:
    """Condition on one point, in place."""
    column = covariance[:, row].copy()
    covariance -= np.outer(column, column) / max(float(column[row]), 1e-12)


def _spread_out(values: FloatArray) -> FloatArray:
    """The logarithm where all finite values are positive or all negative, sign kept."""
    finite = values[np.isfinite(values)]
    if len(finite) and (finite > 0).all():
        return np.log(np.where(np.isfinite(values), values, np.nan))
    if len(finite) and (finite < 0).all():
        return -np.log(-np.where(np.isfinite(values), values, np.nan))
    return np.where(np.isfinite(values), values, np.nan)


def _scaled(values: FloatArray, keep: float = -np.inf) -> FloatArray:
    """Values to be low, standardised; the bad tail above ``keep`` is cut, NaN stays."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros_like(values)
    low, middle = np.quantile(finite, [0.05, 0.5])
    most = max(keep, middle + 2.0 * (middle - low)) if middle > low else finite.max()
    cut = np.minimum(finite, most)
    scaled = np.full_like(values, np.nan)
    scaled[np.isfinite(values)] = (cut - cut.mean()) / (cut.std() or 1.0)
    return scaled


def _ranked_too(values: FloatArray) -> FloatArray:
    """Half the size and half the normal score of the rank, standardised; NaN stays.

    Where the best are close together, a model of sizes takes their differences for noise.
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    measured = np.isfinite(values)
    finite = values[measured]
    if not len(finite):
        return values
    both = finite + ndtri((rankdata(finite) - 0.5) / len(finite))
    mixed = values.copy()
    mixed[measured] = (both - both.mean()) / (both.std() or 1.0)
    return mixed


def known(targets: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
    """The rows of targets ``[n, c]`` that were measured, and those targets.

    A spec that a cheap model finds broken spares the costly ones: what they would have said is
    not made up. All rows count, and the targets are 0, where fewer than two were measured.
    """
    rows = np.flatnonzero(np.isfinite(targets).all(axis=1))
    if len(rows) < 2:
        return np.arange(len(targets)), np.zeros_like(targets)
    return rows, targets[rows]


def _log_chance(z: FloatArray) -> FloatArray:
    """Log of the chance that a standard normal variable is below ``z``."""
    from scipy.special import log_ndtr

    return np.asarray(log_ndtr(z))


def _log_improvement(gap: FloatArray, deviation: FloatArray) -> FloatArray:
    """Log of the expected improvement of a normal variable below ``gap`` under its mean."""
    from scipy.special import ndtr

    z = np.maximum(gap / deviation, -1e8)
    far = np.minimum(z, -5.0)
    near = np.maximum(z, -5.0)
    density = np.exp(-0.5 * near**2) / np.sqrt(2 * np.pi)
    body = np.log(density + near * ndtr(near))
    tail = -0.5 * far**2 - 0.5 * np.log(2 * np.pi) - 2 * np.log(-far)
    return np.asarray(np.where(z < -5.0, tail, body) + np.log(deviation))
