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
from codesign_gym.search.initial import latin_hypercube
from codesign_gym.search.operators import crossover, keys, mutate
from codesign_gym.search.options import at_least
from codesign_gym.search_spaces import Designs

FloatArray = NDArray[np.float64]

_SHORTLIST = 160
"""Points of which the joint distribution is looked at."""

_REWARD_SHARE = 0.5
"""Proposals for the front that go for the reward, one more weighting of the objectives."""

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
        goals: The lowest of each goal among feasible designs ``[g]``, infinite where there is none.
        excess: The lowest total of what is above 0 in the limits; 0 where something is feasible.
    """

    goals: FloatArray
    excess: float


class BayesianAgent(ArchiveAgent):
    """Proposes where a model expects the largest improvement times the chance of feasibility.

    A subclass gives the model (`_fit`). The goal is the reward as if there were no specs, and every
    spec has a model of its own (constrained expected improvement, Gardner et al., ICML 2014). Until
    something is feasible, the improvement is that of the total excess over the limits. Where
    it goes for the front of several objectives, each proposal has a goal of its own: a weighting of
    the objectives drawn at random (ParEGO, Knowles, IEEE TEVC 2006). Proposals of one batch
    are taken one after the other, as if the model had come true at those before (kriging believer,
    Ginsbourger et al. 2010).
    """

    name: ClassVar[str]
    candidates: ClassVar[int] = 512
    climbs: ClassVar[int] = 2
    options: Any

    def __init__(
        self, statement: ProblemStatement, seed: int = 0, options: Any | None = None
    ) -> None:
        super().__init__(statement, seed, options)
        for option in ("start", "batch"):
            at_least(self.name, option, getattr(self.options, option), 1)
        self.batch_size = self.options.batch
        at_least(self.name, "front_after", self.options.front_after, 0)
        self.patience: int | None = None  # designs without a new one of the front: then the reward

    @property
    def _front(self) -> bool:
        """Whether it goes for the front now."""
        several = len(self.statement.objectives) > 1
        late = len(self._designs) >= self.options.front_after
        # Before anything is feasible, there is no front to go for.
        late &= bool((self._violation == 0).any())
        wanted = bool(self.options.multi_objective and several and late)
        return wanted and (self.patience is None or self._idle() < self.patience)

    def _idle(self) -> int:
        """Designs that it was told of since the front last gained a member."""
        from moocore import is_nondominated

        rows = np.flatnonzero(self._violation == 0)
        kept = is_nondominated(self._objectives[rows], keep_weakly=False)
        return len(self._designs) - 1 - int(rows[np.asarray(kept, dtype=np.bool_)].max())

    @abstractmethod
    def _fit(self, rows: NDArray[np.intp], goals: FloatArray, limits: FloatArray) -> Posterior:
        """The model of goals ``[n, g]`` and limits ``[n, k]`` of these rows of the archive.

        Both are NaN where a design was spared the cost model, see `known`.
        """

    def ask(self, n: int) -> Designs:
        """A Latin hypercube at first, then the points of the largest acquisition."""
        if len(self._designs) + len(self._pending) < self.options.start or len(self._designs) < 2:
            return self._propose(latin_hypercube(self.space, n, self.rng))
        order = self._best_first(self._front)
        goals, limits = self._goals(n), self._limits()
        posterior = self._fit(order, goals, limits)
        feasible = self._violation == 0
        if feasible.any():
            best = Incumbent(goals[feasible].min(axis=0), 0.0)
        else:
            total = np.maximum(np.nan_to_num(limits, nan=_FAR), 0).sum(axis=1)
            best = Incumbent(np.full(goals.shape[1], np.inf), float(total.min()))
        points, score = self._search(order, posterior, best)
        chosen = self._choose(n, points, score, posterior, best)
        if len(chosen) < n:
            rest = mutate(self.space, self._designs[order[:1]].repeat(n - len(chosen), 0), self.rng)
            chosen = np.concatenate([chosen, rest])
        return self._propose(chosen)

    # -- what is modelled ------------------------------------------------------------------------

    def _goals(self, n: int) -> FloatArray:
        """What is to be low, about standardised: a column; one per proposal for the front."""
        reward = _scaled(-_spread_out(self._values))
        if not self._front:
            return reward[:, None]
        objectives = np.stack([_scaled(_spread_out(column)) for column in self._objectives.T], 1)
        feasible = self._violation == 0
        if feasible.sum() > 1:
            low = objectives[feasible].min(axis=0)
            objectives = (objectives - low) / np.maximum(np.ptp(objectives[feasible], axis=0), 1e-9)
        weights = self.rng.dirichlet(np.ones(objectives.shape[1]), size=n)
        weighted = objectives[:, None, :] * weights
        goals = np.asarray(weighted.max(axis=2) + 0.05 * weighted.sum(axis=2))
        goals[:, self.rng.random(n) < _REWARD_SHARE] = reward[:, None]
        return goals

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

    # -- where it is promising -------------------------------------------------------------------

    def _search(
        self, order: NDArray[np.intp], posterior: Posterior, best: Incumbent
    ) -> tuple[Designs, FloatArray]:
        """Points not told of with their scores ``[m, g]``: random, near the best, climbed to."""
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
        """Logarithm of expected improvement times chance of feasibility, ``[m, g]``."""
        g = len(best.goals)
        if not len(points):
            return np.empty((0, g))
        mean, deviation = posterior.predict(points)
        goals, limits = mean[:, :g], mean[:, g:]
        if not np.isfinite(best.goals).all():  # nothing is feasible: to become so comes first
            total = np.maximum(limits, 0).sum(axis=1, keepdims=True)
            open_ = np.where(limits > -deviation[:, g:], deviation[:, g:], 0.0)
            spread = np.sqrt((open_**2).sum(axis=1, keepdims=True)) + 1e-6
            return np.asarray(_log_improvement(best.excess - total, spread) - 0.1 * goals)
        chance = _log_chance(-limits / deviation[:, g:]).sum(axis=1, keepdims=True)
        return np.asarray(chance + _log_improvement(best.goals - goals, deviation[:, :g]))

    def _choose(
        self,
        n: int,
        points: Designs,
        score: FloatArray,
        posterior: Posterior,
        best: Incumbent,
    ) -> Designs:
        """``n`` of the points, or all of them, one after the other."""
        if self._front or n == 1 or not len(points):
            left = score.copy()
            picks = np.empty(min(n, len(points)), dtype=np.intp)
            for i in range(len(picks)):
                picks[i] = left[:, i % score.shape[1]].argmax()
                left[picks[i]] = -np.inf
            return points[picks]
        size = max(_SHORTLIST, 3 * n)
        short = np.argsort(-score[:, 0], kind="stable")[:size]
        points, g = points[short], len(best.goals)
        waiting = [np.frombuffer(key, dtype=np.int32) for key in self._pending]
        known = np.array(waiting, dtype=np.int32).reshape(len(waiting), len(self.space))
        both = np.concatenate([known[-_SHORTLIST:], points])
        covariance = posterior.covariance(both)
        for row in range(len(both) - len(points)):
            _believe(covariance, row)
        covariance = covariance[len(both) - len(points) :, len(both) - len(points) :]
        mean, deviation = posterior.predict(points)
        chance = _log_chance(-mean[:, g:] / deviation[:, g:]).sum(axis=1)
        believed, chosen = float(best.goals[0]), list[int]()
        for _ in range(min(n, len(points))):
            if np.isfinite(believed):
                narrowed = np.sqrt(np.maximum(covariance.diagonal(), 1e-12))
                value = chance + _log_improvement(believed - mean[:, 0], narrowed)
            else:
                value = score[short, 0].copy()
            value[chosen] = -np.inf
            chosen.append(int(value.argmax()))
            _believe(covariance, chosen[-1])
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


def _scaled(values: FloatArray) -> FloatArray:
    """Values to be low, standardised; the bad tail is cut, what is missing stays NaN."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros_like(values)
    low, middle = np.quantile(finite, [0.05, 0.5])
    cut = np.minimum(finite, middle + 2.0 * (middle - low) if middle > low else finite.max())
    scaled = np.full_like(values, np.nan)
    scaled[np.isfinite(values)] = (cut - cut.mean()) / (cut.std() or 1.0)
    return scaled


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
