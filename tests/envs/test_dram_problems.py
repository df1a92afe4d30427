"""Problems of memory controllers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from codesign_gym.cost_models.simulators.dram import make_trace, simulate
from codesign_gym.envs import list_problems, make_problem
from codesign_gym.envs.rewards import TargetRatio
from codesign_gym.search_spaces import InputError

GENERATED = ("stream", "random", "cloud-1", "cloud-2", "copy", "hot", "bursty")
ARCHGYM = [name for name in list_problems() if name.startswith("archgym-dram-")]


@pytest.mark.parametrize("workload", GENERATED)
def test_the_cap_of_power_divides_the_controllers(workload: str) -> None:
    problem = make_problem(f"dram-{workload}")
    evaluation = problem.evaluate(problem.space.sample(128, 0))
    assert 0.4 < evaluation.feasible.mean() < 0.95
    typical = np.median(problem.reward(evaluation)[evaluation.feasible])
    assert 0.3 < typical < 3


@pytest.mark.parametrize("workload", ["random", "cloud-1", "copy", "hot"])
def test_time_and_power_pull_apart(workload: str) -> None:
    problem = make_problem(f"dram-{workload}")
    metrics = problem.evaluate(problem.space.sample(128, 0)).metrics
    time, power = (metrics[m.name].argsort().argsort() for m in problem.objectives)
    assert np.corrcoef(time, power)[0, 1] < -0.5


@pytest.mark.parametrize("name", ARCHGYM)
def test_archgym_rewards_reach_their_cap_for_some(name: str) -> None:
    problem = make_problem(name)
    assert isinstance(problem.reward, TargetRatio)
    rewards = problem.reward(problem.evaluate(problem.space.sample(128, 0)))
    assert 0 < np.isclose(rewards, problem.reward.cap).mean() < 0.5
    assert rewards.min() < 10


def test_eight_archgym_problems() -> None:
    assert len(ARCHGYM) == 8


def test_ones_own_trace(tmp_path: Path) -> None:
    path = tmp_path / "my.stl"
    path.write_text("".join(f"{3 * k}: read {8192 * k:#x}\n" for k in range(100)))
    problem = make_problem("dram", trace=str(path), specs=["average_power_w<=1.5"])
    found = problem.evaluate(problem.space.sample(5, 0))
    assert problem.models[0].name == f"dram-{path}-DDR3-1600"
    assert (found.metrics["total_time_ns"] > 297 * 1.25).all()
    assert problem.specs[0].bound == 1500
    faster = make_problem("dram", trace="copy", part="DDR4-2400")
    designs = faster.space.sample(3, 1)
    np.testing.assert_array_equal(
        faster.evaluate(designs).metrics.values_matrix,
        simulate(make_trace("copy"), designs, "DDR4-2400").values_matrix,
    )


def test_a_problem_with_its_own_trace_takes_no_other() -> None:
    with pytest.raises(InputError, match="unknown option of problem 'dram-copy' 'trace'"):
        make_problem("dram-copy", trace="stream")
