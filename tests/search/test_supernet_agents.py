"""Agents that train a supernet: what they derive, propose, refuse and remember."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from codesign_gym.cost_models.accuracy.supernet import SupernetTask
from codesign_gym.envs import DesignProblem, make_problem
from codesign_gym.envs.nas_problems import nas_mnist1d
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.testing import synthetic_problems
from codesign_gym.search import make_agent, search
from codesign_gym.search.agents.proxylessnas import ProxylessNas
from codesign_gym.search.best_first import best_first, derived
from codesign_gym.search.operators import keys
from codesign_gym.search_spaces import CellSpace, InputError, make_space

CELLS = synthetic_problems()["supernet"]
NODES = ((0,), (1, 2), (3, 4, 5))


def random_scores(seed: int, sizes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.log(rng.dirichlet(np.ones(size))) for size in sizes]


@given(st.integers(0, 1000), st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_the_best_come_first(seed: int, sizes: list[int]) -> None:
    scores = random_scores(seed, tuple(sizes))
    found = list(best_first(scores))
    assert len(set(found)) == len(found) == np.prod(sizes)
    totals = [sum(row[i] for row, i in zip(scores, design, strict=True)) for design in found]
    assert all(a >= b - 1e-9 for a, b in itertools.pairwise(totals))


@given(st.integers(0, 1000))
def test_no_operation_comes_last(seed: int) -> None:
    raw = random_scores(seed, (3,) * 4)
    order = list(best_first(derived(raw, np.ones(4), ((0, 1), (2, 3)), 0, inputs=0)))
    assert len(order) == 3**4
    # ... and the fewer there are, the sooner.
    counts = [design.count(0) for design in order]
    assert counts == sorted(counts)


@given(st.integers(0, 1000))
def test_the_strongest_edges_into_a_node_are_kept(seed: int) -> None:
    raw, edges = random_scores(seed, (5,) * 6), np.random.default_rng(seed).random(6) + 0.1
    best = next(best_first(derived(raw, edges, NODES, 0, inputs=2)))
    strength = [edge * np.exp(row[1:].max()) for edge, row in zip(edges, raw, strict=True)]
    dropped = 3 + int(np.argmin(strength[3:]))
    assert [i for i, operation in enumerate(best) if operation == 0] == [dropped]
    kept = [i for i in range(6) if i != dropped]
    assert [best[i] for i in kept] == [1 + int(np.argmax(raw[i][1:])) for i in kept]


@pytest.mark.parametrize("agent", ["pc-darts", "proxylessnas"])
@pytest.mark.parametrize("name", ["resnet18-asic", "eas-mnist1d"])
def test_other_problems_are_refused(agent: str, name: str) -> None:
    text = f"networks that can share their weights in a supernet, which problem '{name}' lacks"
    with pytest.raises(InputError, match=text):
        make_agent(agent, make_problem(name))


def test_a_supernet_of_another_space_is_refused() -> None:
    with pytest.raises(InputError, match="its supernet is of the space 'nas-bench-201-1d'"):
        replace(synthetic_problems()["ordinal"], supernet=SupernetTask("nas-bench-201-1d"))


def test_channels_that_cannot_be_shared_are_refused() -> None:
    with pytest.raises(InputError, match="'share' of pc-darts must divide its width, 16 channels"):
        make_agent("pc-darts", CELLS, share=3)


@pytest.mark.parametrize("agent", ["pc-darts", "proxylessnas"])
def test_a_training_that_diverges_says_so(agent: str) -> None:
    made = make_agent(agent, CELLS, learning_rate=10.0, epochs=2)
    made.options = replace(made.options, learning_rate=1e35)  # beyond what may be asked for
    with pytest.raises(InputError, match=rf"agent {agent}: training of the supernet diverged in"):
        made.ask(1)


def test_known_designs_are_not_proposed() -> None:
    first = make_agent("pc-darts", CELLS, 0).ask(3)
    made = make_agent("pc-darts", CELLS, 0)
    made.tell(first[:2], CELLS.evaluate(first[:2]))
    again = made.ask(3)
    assert np.array_equal(again[0], first[2])
    assert not {*keys(first[:2])} & {*keys(again)}


def test_after_all_designs_random_ones_follow() -> None:
    made = make_agent("pc-darts", CELLS, 0)
    everything = made.ask(CELLS.space.size + 3)
    assert len({*keys(everything)}) == CELLS.space.size
    assert made.ask(2).shape == (2, 6)


def test_the_same_network_is_not_proposed_twice() -> None:
    """Not until all others are: isomorphic cells are one network."""
    space = CELLS.space
    assert isinstance(space, CellSpace)
    made = make_agent("pc-darts", CELLS, 0)
    asked = made.ask(len(space.distinct()))
    assert len(np.unique(space.representatives(asked), axis=0)) == len(asked)


def test_operations_that_play_no_part_weigh_nothing() -> None:
    from codesign_gym.cost_models.accuracy.supernets import supernet
    from codesign_gym.search.differentiable import Architecture

    assert supernet("nas-bench-201-1d").weightless == (0, 1, 4)  # none, skip, average pool
    choices = Architecture((2, 3), ((0,), (1,)), np.random.default_rng(0))
    some = choices.weighted(False, np.array([True, False, True, True, False])).weights
    for masked, whole, zeros in zip(some, choices.weighted(False).weights, ([1], [2]), strict=True):
        assert not masked[zeros].any()
        others = [i for i in range(len(whole)) if i not in zeros]
        assert masked[others].tolist() == whole[others].tolist()


def tiny(group: str = "network") -> DesignProblem:
    problem = nas_mnist1d(epochs=1, seeds=1, supernet_epochs=1, training_size=100)
    return replace(problem, space=make_space("nas-bench-201-1d", group=group))


def test_cells_that_pay_for_nothing_come_after_those_that_do_not() -> None:
    problem = tiny()
    space = problem.space
    assert isinstance(space, CellSpace)
    assert problem.supernet is not None
    lut = problem.supernet.costs["latency_us"]
    made = make_agent("proxylessnas", problem, 0, target=5.0)
    assert isinstance(made, ProxylessNas)
    order = np.array([*made.ranked()], dtype=np.int32)
    cost, used = (lut.evaluate(cells)["latency_us"] for cells in (order, space.pruned(order)))
    kept = cost <= 5.0 + 1e-6
    assert (np.diff(kept.astype(int)) <= 0).all()
    wasted = (used < cost - 1e-6)[kept]
    assert 0 < wasted.sum() < len(wasted)
    assert (np.diff(wasted.astype(int)) >= 0).all()


@pytest.mark.parametrize(
    "options", [{}, {"share": 1, "normalised": False}, {"inputs": 2}, {"dropout": 0.0}]
)
def test_pc_darts_on_networks_that_are_trained(options: dict[str, object]) -> None:
    found, again = (
        search(tiny(), make_agent("pc-darts", tiny(), 1, **options), 2).history for _ in range(2)
    )
    assert np.array_equal(found.designs, again.designs)
    assert found.metrics.valid.all()
    nothing = (found.designs[0] == 0).sum()
    assert nothing == (1 if options.get("inputs") else 0)


def test_the_command_line_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codesign_gym.envs.nas_problems.tiny", tiny, raising=False)
    command = ["run", "codesign_gym.envs.nas_problems:tiny", "--agent", "pc-darts", "--budget", "1"]
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "accuracy_pct" in result.output
    assert (tmp_path / "report.html").exists()
    (tmp_path / "other").mkdir()
    command = ["run", "resnet18-asic", "--agent", "pc-darts", "--out", str(tmp_path / "other")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert "share their weights in a supernet" in " ".join(result.output.split())
