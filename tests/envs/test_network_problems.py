"""Network spaces as problems: what they ask for, and what is measured."""

from __future__ import annotations

import numpy as np
import pytest

from codesign_gym.cost_models.accuracy.trained import embedded_table
from codesign_gym.envs import make_problem
from codesign_gym.envs.network_problems import AREA_MM2, NAS201, SETTINGS, TASKS
from codesign_gym.search_spaces import make_space


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_what_random_designs_are(name: str) -> None:
    problem = make_problem(name)
    metrics = problem.evaluate(problem.space.sample(2000, 1)).metrics
    small = metrics.valid & (metrics["area_mm2"] <= AREA_MM2)
    fast = (metrics["latency_ms"] <= SETTINGS[name].latency_ms)[small].mean()
    assert 0.25 < fast < 0.4
    for metric, value in (("gmacs", "gmacs"), ("energy_uj", "energy_uj")):
        median = np.median(metrics[metric][small])
        assert median == pytest.approx(getattr(SETTINGS[name], value), rel=0.15)


def test_the_cells_accuracies_are_the_tables() -> None:
    table, problem = embedded_table(*NAS201), make_problem("nas201-mnist1d")
    everything = problem.space.unravel(np.arange(problem.space.size))
    evaluation = problem.evaluate(everything)
    means = table.correct[:, :, -1].mean(axis=1) / 10
    valid = evaluation.metrics.valid
    assert evaluation.metrics["accuracy_pct"][valid].max() == means.max()
    assert set(evaluation.metrics["accuracy_pct"][valid]) == set(means)
    assert not evaluation.feasible[~valid].any()


def test_an_evaluation_gives_the_scores_of_all_three_tasks() -> None:
    problem = make_problem("nas201-mnist1d-tasks")
    tables = [embedded_table(NAS201[0], task) for task in TASKS]
    on_all = set.intersection(*(set(table.network.tolist()) for table in tables))
    assert len(on_all) == min(len(table.network) for table in tables)  # first in one random order
    everything = problem.space.unravel(np.arange(problem.space.size))
    evaluation = problem.evaluate(everything)
    assert evaluation.metrics.valid.sum() >= len(on_all)
    network = sorted(on_all)[7]
    [found] = problem.evaluate(problem.space.unravel([network])).objectives
    means = [t.correct[t.network == network, :, -1].mean() / 10 for t in tables]
    assert found.tolist() == [-mean for mean in means]
    assert 0 < problem.reward(evaluation)[evaluation.feasible].max() <= 1


def test_cells_on_an_accelerator_have_the_accuracy_of_its_words() -> None:
    table, problem = embedded_table(*NAS201), make_problem("nas201-mnist1d-asic")
    cells = make_space(NAS201[0])
    designs = np.repeat(problem.space.sample(1, 0), 3, axis=0)
    designs[:, : len(cells)] = cells.unravel(table.network[[5]])
    word = problem.space.names.index("accelerator.word")
    designs[:, word] = range(3)
    accuracy = problem.evaluate(designs).metrics["accuracy_pct"]
    columns = (table.correct_int8, table.correct_fp16, table.correct[:, :, -1])
    assert accuracy.tolist() == [column[5].mean() / 10 for column in columns]
