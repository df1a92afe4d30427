"""The conformance suite: what every agent, space, cost model and problem must do.

A plug-in's author subclasses a suite and says what to test with one fixture; pytest does the rest::

    class TestMyAgent(AgentConformance):
        @pytest.fixture
        def agent(self):
            return "my_module:MyAgent"
"""

from __future__ import annotations

import hashlib
import json
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from multiprocessing import get_context

import numpy as np

from codesign_gym.cost_models import CostModel, make_cost_model
from codesign_gym.envs import DesignProblem, Evaluation, Evaluator, make_problem
from codesign_gym.experiments.testing_problems import (
    SyntheticModel,
    synthetic_problem,
    synthetic_problems,
)
from codesign_gym.search import Agent, SearchResult, agent_class, search
from codesign_gym.search.capabilities import CAPABILITIES
from codesign_gym.search.operators import keys
from codesign_gym.search_spaces import SearchSpace, make_space
from codesign_gym.search_spaces.errors import unknown_name

__all__ = [
    "AgentConformance",
    "CostModelConformance",
    "ProblemConformance",
    "SpaceConformance",
    "SyntheticModel",
    "conformance",
    "synthetic_problem",
    "synthetic_problems",
]


class AgentConformance:
    """Every agent; give a fixture ``agent``: a registered name, ``module:Class`` or a class.

    Problems that lack what the agent's class says that it needs are left out.
    """

    budget = 40
    """Evaluations of each search."""

    def test_search_spends_the_budget_inside_the_space(self, agent: str | type[Agent]) -> None:
        """On every kind of problem: exactly the budget, canonical designs only.

        Of an agent that needs cheaper fidelities too, less than an evaluation may be left over.
        """
        for problem in _served(agent).values():
            evaluator = Evaluator(problem, self.budget)
            _make(agent, problem).search(evaluator)
            history = evaluator.history
            assert history is not None
            assert len(history) == evaluator.used
            if "fidelities" in _kind(agent).needs:
                assert 0 <= evaluator.left < 1
            else:
                assert evaluator.used == evaluator.spent == self.budget
            space = problem.space
            assert np.array_equal(space.canonical(space.check(history.designs)), history.designs)

    def test_same_seed_same_history(self, agent: str | type[Agent]) -> None:
        """Equal seeds give equal searches; another seed gives another one."""
        problem = _usual(agent)
        first, again, other = (
            _search(agent, problem, self.budget, seed).history.designs for seed in (3, 3, 4)
        )
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_same_history_in_another_process(self, agent: str | type[Agent]) -> None:
        """Hash seeds, addresses and earlier work of the process play no part."""
        if not isinstance(agent, str):
            return  # another process can find an agent by name alone
        there = _another_process().submit(history_digest, agent, self.budget).result()
        assert history_digest(agent, self.budget) == there

    def test_ask_any_number(self, agent: str | type[Agent]) -> None:
        """``ask(n)`` gives ``n`` int32 designs of the space, whatever ``n``."""
        for kind, problem in _served(agent).items():
            made = _make(agent, problem)
            if made.owns_loop:
                return
            for n in (1, 7, 64 if kind == "large" else 256):
                designs = made.ask(n)
                assert designs.shape == (n, len(problem.space))
                assert designs.dtype == np.int32
                assert np.array_equal(problem.space.canonical(designs), designs)
                made.tell(designs, problem.evaluate(designs))

    def test_first_proposals_differ(self, agent: str | type[Agent]) -> None:
        """Where there are 100 times as many designs, no more than a fifth are repetitions."""
        problem = _usual(agent)
        made = _make(agent, problem)
        if made.owns_loop:
            return
        asked = []
        for _ in range(5):
            asked.append(made.ask(8))
            made.tell(asked[-1], problem.evaluate(asked[-1]))
        assert len(set(keys(np.concatenate(asked)))) >= 32

    def test_learns_from_designs_it_did_not_ask_for(self, agent: str | type[Agent]) -> None:
        """A warm start: others' designs, in parts, invalid and infeasible ones among them."""
        for problem in _served(agent, "conditional", "infeasible", "categorical").values():
            made = _make(agent, problem)
            if made.owns_loop:
                return
            designs = problem.space.sample(60, np.random.default_rng(0))
            evaluation = problem.evaluate(designs)
            made.tell(designs[:10], evaluation.take(slice(10)))
            made.tell(designs[10:], evaluation.take(slice(10, None)))
            assert made.ask(5).shape == (5, len(problem.space))

    def test_is_told_in_any_order(self, agent: str | type[Agent]) -> None:
        """Late, backwards, in parts, twice, never, with others' among them, or of nothing."""
        for problem in _served(agent, "conditional", "one-objective").values():
            made = _make(agent, problem)
            if made.owns_loop:
                return
            rng = np.random.default_rng(1)
            rounds = [made.ask(7) for _ in range(4)]  # three of them are under way meanwhile
            for designs in (*rounds[::-1], rounds[0], rounds[0][:0]):
                told = np.concatenate([designs[rng.permutation(len(designs))[:5]], rounds[1][:2]])
                told = np.concatenate([told, problem.space.sample(2, rng)])[::-1]
                made.tell(told, problem.evaluate(told))
                made.tell(told[:0], problem.evaluate(told[:0]))
                asked = made.ask(3)
                assert np.array_equal(problem.space.canonical(problem.space.check(asked)), asked)

    def test_nothing_valid(self, agent: str | type[Agent]) -> None:
        """Designs that all failed are no reason to stop."""
        problem = _usual(agent)
        nothing = replace(problem, models=(SyntheticModel(problem.space, invalid_share=1.0),))
        made = _make(agent, nothing)
        if made.owns_loop:
            return
        for n in (1, 9, 30, 9):
            designs = made.ask(n)
            evaluation = nothing.evaluate(designs)
            assert not evaluation.metrics.valid.any()
            made.tell(designs, evaluation)
        assert made.ask(4).shape == (4, len(nothing.space))

    def test_state_round_trip(self, agent: str | type[Agent]) -> None:
        """An agent made from another's state, through JSON, goes on exactly like it."""
        for problem in _served(agent, "ordinal", "conditional").values():
            made, copy = _make(agent, problem), _make(agent, problem, seed=9)
            if made.owns_loop:
                return
            for _ in range(3):
                designs = made.ask(20)
                made.tell(designs[:15], problem.evaluate(designs[:15]))
            copy.load_state_dict(json.loads(json.dumps(made.state_dict())))
            for _ in range(2):
                designs, same = made.ask(8), copy.ask(8)
                assert np.array_equal(designs, same)
                evaluation = problem.evaluate(designs)
                made.tell(designs, evaluation)
                copy.tell(designs, evaluation)


class SpaceConformance:
    """Every space; give a fixture ``space``."""

    def test_round_trips(self, space: SearchSpace) -> None:
        """Every view gives back the designs it was made from."""
        designs = space.sample(200, np.random.default_rng(0))
        assert np.array_equal(space.canonical(space.check(designs)), designs)
        assert np.array_equal(space.encode(space.decode(designs)), designs)
        assert np.array_equal(space.from_unit(space.unit(designs)), designs)
        assert np.array_equal(space.from_one_hot(space.one_hot(designs)), designs)
        assert SearchSpace.from_dict(json.loads(json.dumps(space.to_dict()))) == space
        assert space.to_gymnasium().contains(designs[0].astype(np.int64))
        assert space.features(designs).shape == (200, len(space.feature_names))

    def test_neighbours(self, space: SearchSpace) -> None:
        """Neighbours are other designs of the space."""
        designs = space.sample(5, np.random.default_rng(1))
        neighbours, origin = space.neighbours(designs)
        assert np.array_equal(space.canonical(space.check(neighbours)), neighbours)
        assert (neighbours != designs[origin]).any(axis=1).all()


class CostModelConformance:
    """Every cost model; give a fixture ``model``."""

    samples = 64
    """Random designs that are evaluated; a slow model may do with fewer."""

    def test_batches_agree(self, model: CostModel) -> None:
        """A design costs the same alone as in a batch, each time."""
        designs = model.space.sample(self.samples, np.random.default_rng(0))
        batch = model.evaluate(designs)
        assert np.array_equal(batch.values_matrix, model.evaluate(designs).values_matrix)
        alone = [model.evaluate(designs[[i]]).values_matrix[0] for i in range(8)]
        np.testing.assert_allclose(alone, batch.values_matrix[:8], rtol=1e-12)

    def test_metrics_have_units(self, model: CostModel) -> None:
        """Metrics are named, have a unit and a direction, and are finite where valid."""
        metrics = model.evaluate(model.space.sample(self.samples, np.random.default_rng(1)))
        assert tuple(metrics) == tuple(metric.name for metric in model.metrics)
        assert all(metric.unit for metric in model.metrics)
        assert np.isfinite(metrics.values_matrix[metrics.valid]).all()
        assert model.source

    def test_no_designs(self, model: CostModel) -> None:
        """An empty batch is a batch."""
        empty = np.empty((0, len(model.space)), dtype=np.int32)
        assert model.evaluate(empty).values_matrix.shape == (0, len(model.metrics))


class ProblemConformance:
    """Every problem; give a fixture ``problem``."""

    samples = 2000
    """Random designs that are evaluated; a slow problem may do with fewer."""

    def test_evaluation(self, problem: DesignProblem) -> None:
        """Shapes fit, rewards are finite, and feasible designs can be found."""
        evaluation = self._evaluation(problem)
        assert evaluation.objectives.shape == (self.samples, len(problem.objectives))
        assert evaluation.violations.shape == (self.samples, len(problem.specs))
        assert np.isfinite(problem.reward(evaluation)).all()
        assert 0.01 < evaluation.feasible.mean() <= 1
        assert problem.description
        assert problem.source

    def test_reward_prefers_feasible(self, problem: DesignProblem) -> None:
        """Where the reward says so, any feasible design is worth more than any infeasible one."""
        if not getattr(problem.reward, "feasible_first", False):
            return
        evaluation = self._evaluation(problem)
        rewards, feasible = problem.reward(evaluation), evaluation.feasible
        if not feasible.all():
            assert rewards[feasible].min() > rewards[~feasible].max()

    def _evaluation(self, problem: DesignProblem) -> Evaluation:
        return problem.evaluate(problem.space.sample(self.samples, np.random.default_rng(0)))


def conformance(kind: str, name: str) -> Iterator[tuple[str, str]]:
    """Run a suite on something registered, without pytest.

    Args:
        kind: agent, space, cost-model or problem.
        name: Its name.

    Yields:
        What each test says that it shows, and how it failed (empty if it passed).
    """
    suites: dict[str, tuple[type, Callable[[str], object]]] = {
        "agent": (AgentConformance, _known_agent),
        "space": (SpaceConformance, make_space),
        "cost-model": (CostModelConformance, make_cost_model),
        "problem": (ProblemConformance, make_problem),
    }
    if kind not in suites:
        raise unknown_name("kind", kind, suites)
    suite, make = suites[kind]
    subject = make(name)
    for test_name, test in vars(suite).items():
        if test_name.startswith("test_"):
            says = " ".join((test.__doc__ or test_name).split())
            try:
                test(suite(), subject)
            except Exception as error:  # whatever a plug-in does wrong is what is asked for
                where = traceback.extract_tb(error.__traceback__)[-1]
                detail = str(error) or where.line
                yield says, f"{type(error).__name__}: {detail} ({where.filename}:{where.lineno})"
            else:
                yield says, ""


def history_digest(agent: str, budget: int) -> str:
    """A fingerprint of a search, to compare across processes."""
    problem = _served(agent, "conditional", "ordinal", "categorical").popitem()[1]
    history = _search(agent, problem, budget, seed=5).history
    return hashlib.sha256(history.designs.tobytes()).hexdigest()


@cache
def _another_process() -> ProcessPoolExecutor:
    """One for all agents: most of its time is what importing their libraries takes."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def _known_agent(name: str) -> str:
    agent_class(name)  # raises where there is none
    return name


def _served(agent: str | type[Agent], *kinds: str) -> dict[str, DesignProblem]:
    """The synthetic problems, or those of some kinds, that have what the agent needs."""
    needs = [CAPABILITIES[need] for need in _kind(agent).needs]
    found = {
        kind: problem
        for kind, problem in synthetic_problems().items()
        if (not kinds or kind in kinds) and all(need.there(problem.statement) for need in needs)
    }
    assert found or kinds, "no synthetic problem has what the agent needs"
    return found or _served(agent)


def _usual(agent: str | type[Agent]) -> DesignProblem:
    """A problem that is neither tiny nor large, where the agent can serve one."""
    served = _served(agent)
    return served.get("ordinal") or max(served.values(), key=lambda problem: problem.space.size)


def _kind(agent: str | type[Agent]) -> type[Agent]:
    return agent_class(agent) if isinstance(agent, str) else agent


def _make(agent: str | type[Agent], problem: DesignProblem, seed: int = 0) -> Agent:
    return _kind(agent)(problem.statement, seed)


def _search(
    agent: str | type[Agent], problem: DesignProblem, budget: int, seed: int = 0
) -> SearchResult:
    return search(problem, _make(agent, problem, seed), budget)
