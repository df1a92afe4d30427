"""Threads of linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits

from codesign_gym import make_agent, make_problem
from codesign_gym.cost_models import learned
from codesign_gym.search.initial import latin_hypercube


def blas_threads() -> set[int]:
    return {
        library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    }


def watched(monkeypatch: pytest.MonkeyPatch) -> list[set[int]]:
    """How many threads there were when a matrix was factorised."""
    seen: list[set[int]] = []

    def cholesky(*given: object, **options: object) -> object:
        seen.append(blas_threads())
        return factorise(*given, **options)

    factorise = scipy.linalg.cholesky
    monkeypatch.setattr(scipy.linalg, "cholesky", cholesky)
    return seen


def test_an_agent_with_a_model_takes_one_thread_and_gives_the_others_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = make_problem("resnet18-asic")
    agent = make_agent("gp", problem, 0)
    designs = latin_hypercube(problem.space, 30, np.random.default_rng(0))
    agent.tell(designs, problem.evaluate(designs))
    seen = watched(monkeypatch)
    with threadpool_limits(2, user_api="blas"):
        agent.ask(4)
        assert blas_threads() == {2}
    assert seen
    assert all(threads == {1} for threads in seen)


def test_so_does_the_training_of_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).random(60)
    seen: list[set[int]] = []
    fit = learned.training._fit_alone

    def fitted(*given: object, **options: object) -> object:
        seen.append(blas_threads())
        return fit(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(learned.training, "_fit_alone", fitted)
    with threadpool_limits(2, user_api="blas"):
        learned.train({"x": x, "y": x**2}, "y", model="extra-trees")
        assert blas_threads() == {2}
    assert seen
    assert all(threads == {1} for threads in seen)
