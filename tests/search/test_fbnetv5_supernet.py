"""One supernet for several tasks: what each task is told apart by, and what is proposed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from codesign_gym.cost_models.accuracy.supernet_rules import SinglePath
from codesign_gym.envs import DesignProblem, make_problem
from codesign_gym.envs.nas_problems import nas_mnist1d_tasks
from codesign_gym.envs.rewards import WeightedProduct
from codesign_gym.experiments.cli import app
from codesign_gym.experiments.testing import synthetic_problems
from codesign_gym.search import make_agent, search
from codesign_gym.search.agents import FbNetV5Supernet
from codesign_gym.search.best_first import best_first
from codesign_gym.search_spaces import Designs, InputError


def tiny() -> DesignProblem:
    return nas_mnist1d_tasks(epochs=1, seeds=1, supernet_epochs=2, training_size=100)


def made(problem: DesignProblem, seed: int = 0, **options: Any) -> FbNetV5Supernet:
    agent = make_agent("fbnetv5-supernet", problem, seed, **options)
    assert isinstance(agent, FbNetV5Supernet)
    return agent


class Wishes:
    """Lessons whose losses are known: each task wants its own operation on all edges."""

    def __init__(self, wanted: tuple[int, ...]) -> None:
        self.wanted = wanted

    def losses(self, batch: object, rule: SinglePath) -> Tensor:
        design = np.array(rule.design)
        return torch.tensor([float((design != own).sum()) for own in self.wanted])


def learned(agent: FbNetV5Supernet, wanted: tuple[int, ...], steps: int) -> np.ndarray:
    """Logits after steps along the gradient, ``[t, K]``."""
    logits = np.zeros((len(wanted), 30))
    agent._variance = np.ones(len(wanted))
    for _ in range(steps):
        designs = agent._drawn(logits, 8)
        logits += agent._gradient(Wishes(wanted), None, logits, designs)  # type: ignore[arg-type]
    return logits


def test_every_task_comes_to_what_it_wants() -> None:
    """Drawn from one proposal, which the others draw elsewhere."""
    wanted = (3, 1, 0)
    logits = learned(made(tiny(), entropy=0.0), wanted, 200)
    best = logits.reshape(3, 6, 5).argmax(axis=2)
    assert best.tolist() == [[own] * 6 for own in wanted]


def test_what_a_task_alone_would_not_draw_hardly_moves_it() -> None:
    agent = made(tiny(), entropy=0.0, clip=10.0)
    logits = np.zeros((2, 30))
    logits.reshape(2, 6, 5)[0, :, 3] = 6.0  # the first task draws convolutions alone
    logits.reshape(2, 6, 5)[1, :, 1] = 6.0
    agent._variance = np.ones(2)
    skips = np.array([[1] * 6, [1] * 5 + [0], [1] * 5 + [2]], dtype=np.int32)
    gradient = agent._gradient(Wishes((1, 1)), None, logits, skips)  # type: ignore[arg-type]
    assert np.abs(gradient[0]).max() < 1e-6 < 1e-2 < np.abs(gradient[1]).max()


def test_the_likeliest_of_each_task_come_first() -> None:
    agent = made(tiny(), 3, warm_up=0.5)
    modes = agent.modes()
    assert modes.shape == (3, 6)
    first = list(dict.fromkeys(map(tuple, modes.tolist())))
    ranked = [*agent.ranked()]
    assert ranked[: len(first)] == first
    assert len(ranked) == len({*ranked}) == agent.space.size
    orders = [best_first(own) for own in agent._by_task()]
    assert [next(order) for order in orders] == [tuple(row) for row in modes.tolist()]


def test_an_objective_alone_is_searched_alone() -> None:
    problem = tiny()
    assert [task.score for task in made(problem).tasks] == ["accuracy_pct", "r2_pct", "iou_pct"]
    alone = made(replace(problem, objective_names=("iou_pct",)))
    assert [task.score for task in alone.tasks] == ["iou_pct"]
    assert alone.modes().shape == (1, 6)
    # Problems with other objectives: the supernet is all there is to learn from.
    other = made(synthetic_problems()["supernet"])
    assert [task.metric for task in other.tasks] == ["accuracy"]


def test_an_objective_alone_needs_no_network_to_be_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("a network was trained")

    monkeypatch.setattr("codesign_gym.cost_models.accuracy.scratch_model.train_network", refused)
    problem = make_problem("nas-mnist1d-tasks", objectives=["r2_pct"])
    assert problem.reward == WeightedProduct({"r2_pct": 1.0}, {"r2_pct": 100.0})


def test_the_same_seed_learns_the_same() -> None:
    def asked() -> Designs:
        return make_agent("fbnetv5-supernet", tiny(), 5).ask(4)

    assert np.array_equal(asked(), asked())


def test_a_search_trains_what_it_proposes() -> None:
    history = search(tiny(), made(tiny()), 2).history
    assert history.metrics.valid.all()
    assert history.objectives.shape == (2, 3)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"draws": 1}, "option 'draws' of fbnetv5-supernet must be at least 2, got 1"),
        ({"clip": 0.5}, "option 'clip' of fbnetv5-supernet must be at least 1, got 0.5"),
        ({"entropy": -1.0}, "option 'entropy' of fbnetv5-supernet must be in"),
    ],
)
def test_options_are_checked(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        made(tiny(), **options)


def test_the_command_line_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codesign_gym.envs.nas_problems.tiny_tasks", tiny, raising=False)
    command = ["run", "codesign_gym.envs.nas_problems:tiny_tasks", "--agent", "fbnetv5-supernet"]
    arguments = [*command, "--budget", "1", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    for name in ("accuracy_pct", "r2_pct", "iou_pct"):
        assert name in result.output
