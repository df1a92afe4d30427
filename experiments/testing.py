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
from multiprocessing import get_context

import numpy as np

from codesign_gym.cost_models import CostModel, Metric, Metrics, make_cost_model
from codesign_gym.envs import DesignProblem, Evaluation, Spec, make_problem
from codesign_gym.envs.rewards import WeightedProduct
from codesign_gym.search import Agent, SearchResult, agent_class, search, serves
from codesign_gym.search_spaces import (
    Categorical,
    Condition,
    Designs,
    InputError,
    Ordinal,
    SearchSpace,
    growing_network,
    make_space,
)
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

A, B, C = "abc"

_SPACES: dict[str, Callable[[], SearchSpace]] = {
    "tiny": lambda: SearchSpace("tiny", (Categorical("x", (A, B)),)),
    "single-value": lambda: SearchSpace(
        "single", (Categorical("fixed", (A,)), Ordinal("y", (1, 2, 4, 8, 16)), Ordinal("one", (1,)))
    ),
    "categorical": lambda: SearchSpace(
        "cat", tuple(Categorical(f"c{i}", (A, B, C, "d", "e")) for i in range(6))
    ),
    "conditional": lambda: SearchSpace(
        "cond",
        (
            Categorical("kind", ("simple", "cached")),
            Ordinal("cache", (1, 2, 4, 8), unit="kB", active_when=(Condition("kind", ["cached"]),)),
            Categorical("policy", ("lru", "fifo"), active_when=(Condition("cache", [4, 8]),)),
            Ordinal("ports", (1, 2, 3, 4, 5, 6)),
            Ordinal("depth", tuple(range(1, 33))),
        ),
    ),
    "ordinal": lambda: SearchSpace(
        "ord", tuple(Ordinal(f"o{i}", tuple(range(1, 9))) for i in range(8))
    ),
    "large": lambda: SearchSpace(
        "large", tuple(Ordinal(f"o{i}", (1, 2, 3, 4)) for i in range(120))
    ),
    "growing": growing_network,
}


class SyntheticModel(CostModel):
    """Two positive metrics that conflict, out of seeded tables of main effects; free to evaluate.

    About one design in ten is invalid where the space has more than ten.
    """

    metrics = (
        Metric("time_ms", "ms", "min"),
        Metric("quality_pct", "%", "max"),
    )
    name = "synthetic"
    source = "seeded random tables"

    def __init__(self, space: SearchSpace, invalid_share: float = 0.1) -> None:
        self.space = space
        rng = np.random.default_rng(0)
        self._effects = rng.gamma(2.0, size=(2, int(space.offsets[-1]))) / len(space)
        self._invalid = rng.random(int(space.offsets[-1])) if space.size > 10 else None
        self._share = invalid_share

    def compute(self, designs: Designs) -> Metrics:
        """The metrics of designs ``[n, p]``."""
        chosen = designs + self.space.offsets[:-1]
        # Sums of each row by itself: a matrix product rounds differently in another batch.
        effects = self._effects[:, chosen].sum(axis=2).T
        values = 1.0 + effects * [1.0, 10.0]
        if self._invalid is None:
            return Metrics(self.metrics, values)
        noise = self._invalid[chosen].sum(axis=1) % 1.0
        return Metrics(self.metrics, values, {"synthetic defect": noise < self._share})


def synthetic_problem(kind: str, infeasible: bool = False, objectives: int = 2) -> DesignProblem:
    """A problem that costs nothing to evaluate.

    Args:
        kind: Kind of space: tiny, single-value, categorical, conditional, ordinal, large, growing.
        infeasible: Whether no design keeps the spec.
        objectives: 1 or 2.
    """
    space = _SPACES[kind]()
    return DesignProblem(
        name=f"synthetic-{kind}",
        space=space,
        models=(SyntheticModel(space),),
        objective_names=("time_ms", "quality_pct")[:objectives],
        specs=(Spec("time_ms", "<=", 0.5 if infeasible else 3.0),),
        reward=WeightedProduct(
            {"time_ms": -1.0, "quality_pct": 0.5}, {"time_ms": 1.0, "quality_pct": 10.0}
        ),
    )


def synthetic_problems() -> dict[str, DesignProblem]:
    """Every kind of problem that an agent must cope with, unless it refuses it, by name."""
    problems = {kind: synthetic_problem(kind) for kind in _SPACES}
    problems["infeasible"] = synthetic_problem("ordinal", infeasible=True)
    problems["one-objective"] = synthetic_problem("ordinal", objectives=1)
    return problems


def served_problem(agent: str | type[Agent], kind: str) -> DesignProblem:
    """The synthetic problem of a kind; the first that the agent serves, where it refuses that one.

    Raises:
        InputError: The agent refuses all of them.
    """
    problems = synthetic_problems()
    for problem in (problems[kind], *problems.values()):
        if serves(agent, problem):
            return problem
    raise InputError(f"agent {agent!r} serves none of the problems {', '.join(problems)}")


class AgentConformance:
    """Every agent; give a fixture ``agent``: a registered name, ``module:Class`` or a class.

    An agent for problems of one kind is tested on the synthetic problems that it does not refuse.
    """

    budget = 40
    """Evaluations of each search."""

    def test_search_spends_the_budget_inside_the_space(self, agent: str | type[Agent]) -> None:
        """On every kind of problem: exactly the budget, canonical designs only."""
        for problem in _served(agent).values():
            history = _search(agent, problem, self.budget).history
            assert len(history) == self.budget
            space = problem.space
            assert np.array_equal(space.canonical(space.check(history.designs)), history.designs)

    def test_same_seed_same_history(self, agent: str | type[Agent]) -> None:
        """Equal seeds give equal searches; another seed gives another one."""
        problem = served_problem(agent, "ordinal")
        first, again, other = (
            _search(agent, problem, self.budget, seed).history.designs for seed in (3, 3, 4)
        )
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_same_history_in_another_process(self, agent: str | type[Agent]) -> None:
        """Hash seeds, addresses and earlier work of the process play no part."""
        if not isinstance(agent, str):
            return  # another process can find an agent by name alone
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            there = pool.submit(history_digest, agent, self.budget).result()
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
                made.tell(designs, problem.evaluate(designs))

    def test_learns_from_designs_it_did_not_ask_for(self, agent: str | type[Agent]) -> None:
        """A warm start: others' designs, in parts, invalid and infeasible ones among them."""
        problem = served_problem(agent, "conditional")
        made = _make(agent, problem)
        if made.owns_loop:
            return
        designs = problem.space.sample(60, np.random.default_rng(0))
        evaluation = problem.evaluate(designs)
        made.tell(designs[:10], evaluation.take(slice(10)))
        made.tell(designs[10:], evaluation.take(slice(10, None)))
        assert made.ask(5).shape == (5, len(problem.space))

    def test_state_round_trip(self, agent: str | type[Agent]) -> None:
        """An agent made from another's state, through JSON, goes on exactly like it."""
        problem = served_problem(agent, "ordinal")
        made, copy = _make(agent, problem), _make(agent, problem, seed=9)
        if made.owns_loop:
            return
        for _ in range(3):
            designs = made.ask(20)
            made.tell(designs, problem.evaluate(designs))
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
    history = _search(agent, served_problem(agent, "conditional"), budget, seed=5).history
    return hashlib.sha256(history.designs.tobytes()).hexdigest()


def _known_agent(name: str) -> str:
    agent_class(name)  # raises where there is none
    return name


def _served(agent: str | type[Agent]) -> dict[str, DesignProblem]:
    """The synthetic problems that an agent does not refuse."""
    problems = synthetic_problems()
    return {kind: problem for kind, problem in problems.items() if serves(agent, problem)}


def _make(agent: str | type[Agent], problem: DesignProblem, seed: int = 0) -> Agent:
    kind = agent_class(agent) if isinstance(agent, str) else agent
    return kind(problem.statement, seed)


def _search(
    agent: str | type[Agent], problem: DesignProblem, budget: int, seed: int = 0
) -> SearchResult:
    return search(problem, _make(agent, problem, seed), budget)
