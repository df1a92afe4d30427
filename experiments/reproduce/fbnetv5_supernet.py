"""FBNetV5 with weights that really train: one supernet for several tasks against one for each.

The heads of three tasks of MNIST-1D stand on one trunk of cells that share their weights; see the
agent ``fbnetv5-supernet``. What is found is trained from scratch, for each task by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from codesign_gym.cost_models.accuracy.recipe import RECIPES
from codesign_gym.cost_models.accuracy.scratch_model import ScratchModel
from codesign_gym.cost_models.accuracy.tasks import TRAINING_SIZE, get_task
from codesign_gym.cost_models.accuracy.trained import embedded_table
from codesign_gym.envs.nas_problems import SPACE, TASKS
from codesign_gym.experiments.record import RunConfig, RunRecord
from codesign_gym.experiments.reproduce.finding import Claim, Drawing, Row, Settings
from codesign_gym.experiments.statistics import FloatArray, share_better
from codesign_gym.experiments.sweep import sweep
from codesign_gym.search_spaces import Designs, InputError

AGENT = "fbnetv5-supernet"
PROBLEM = "nas-mnist1d-tasks"
SCORES = tuple(get_task(task).score for task in TASKS)
"""Its objectives, of which a search has all or one."""

JUDGES = (100, 101, 102, 103)
"""Seeds with which what was found is trained once more: no search has seen them."""

MOST_SEEDS = 5
"""Repetitions at most: unlike those on tables, these searches train."""

PROPOSALS = len(TASKS)
"""Networks that a search proposes, which are trained from scratch: one supernet for all tasks then
gets as many as each task's own."""

DEARER = 1.25
"""How much more than a search for one task, on average, a search for all may take."""

ONE, EACH, RANDOM = "one supernet", "a supernet each", "random search, equal cost"


@dataclass(frozen=True, eq=False)
class TrainedSearches:
    """What was found with weights that train.

    Attributes:
        scores: Way to search -> what was found for each task, trained afresh, percent, ``[s, t]``.
        shares: The same as the share of the networks of the tables that are better, percent.
        together_s: CPU seconds of a search for all tasks.
        alone_s: Of a search for each, ``[t]``.
        networks: Networks that random search trains.
    """

    scores: Mapping[str, FloatArray]
    shares: Mapping[str, FloatArray]
    together_s: float
    alone_s: FloatArray
    networks: int


def trained_searches(
    settings: Settings,
    progress: Callable[[int], None],
    problem: str = PROBLEM,
    judges: Sequence[int] = JUDGES,
    size: int = TRAINING_SIZE,
) -> TrainedSearches:
    """Search with one supernet for all tasks, with one for each, and by chance.

    Args:
        settings: Of the study; it continues what ``directory`` holds.
        progress: Told how many of its `trained_steps` are done.
        problem: That of all tasks.
        judges: Seeds of the last trainings.
        size: Training sequences of these.
    """
    from codesign_gym.experiments.reproduce.supernet_costs import network_epoch_s, search_s

    seeds = range(min(settings.seeds, MOST_SEEDS))
    wanted = [SCORES, *((score,) for score in SCORES)]
    together_s, *alone = (search_s(problem, AGENT, own) for own in wanted)
    network_s = len(TASKS) * RECIPES[SPACE].epochs * network_epoch_s()
    networks = PROPOSALS + ceil(together_s / network_s)
    ways = [(AGENT, PROPOSALS, own) for own in wanted]
    configs = [
        RunConfig(problem, agent, budget, seed, objectives=own)
        for agent, budget, own in (*ways, ("random", networks, SCORES))
        for seed in seeds
    ]
    swept = sweep(configs, settings.directory, settings.jobs, lambda done, _: progress(done))
    if swept.failures:
        raise InputError(f"{len(swept.failures)} runs failed: {swept.failures[0].error}")
    records = np.array(swept.records, dtype=object).reshape(-1, len(seeds))
    runs = {
        ONE: [(record, task) for record in records[0] for task in range(len(TASKS))],
        EACH: [(record, 0) for s in range(len(seeds)) for record in records[1:-1, s]],
        RANDOM: [(record, task) for record in records[-1] for task in range(len(TASKS))],
    }
    models = [
        ScratchModel(SPACE, task, seeds=judges, epochs=RECIPES[SPACE].epochs, size=size)
        for task in TASKS
    ]
    scores = {}
    done = len(configs)
    for arm, found in runs.items():
        judged = []
        for i, (record, objective) in enumerate(found):
            metrics = models[i % len(TASKS)].evaluate(_best(record, objective))
            judged.append(float(metrics.values_matrix[0, 0]))
            done += 1
            progress(done)
        scores[arm] = np.array(judged).reshape(-1, len(TASKS))
    shares = {arm: _shares(values) for arm, values in scores.items()}
    return TrainedSearches(scores, shares, together_s, np.array(alone), networks)


def trained_steps(seeds: int) -> int:
    """Runs, and trainings of what they found, of so many repetitions."""
    return min(seeds, MOST_SEEDS) * (2 + len(TASKS) + 3 * len(TASKS))


def _best(record: RunRecord, objective: int) -> Designs:
    """The design of a run that was best for an objective, ``[1, p]``."""
    evaluation = record.evaluation
    return evaluation.designs[[int(np.argmin(evaluation.objectives[:, objective]))]]


def _shares(scores: FloatArray) -> FloatArray:
    """The share of the tables' networks that is better, percent, ``[s, t]``."""
    found = []
    for task, own in zip(TASKS, scores.T, strict=True):
        records = embedded_table(SPACE, task)
        known = records.correct[:, :, -1].mean(axis=1) * 100 / records.provenance["test_size"]
        found.append(share_better(known, own))
    return np.stack(found, axis=1)


def trained_claims(found: TrainedSearches) -> list[Claim]:
    """What the paper says of it, beside ours."""
    one, each, chance = (found.scores[arm] for arm in (ONE, EACH, RANDOM))
    spread = each.std(axis=0, ddof=1)
    good = one.mean(axis=0) >= each.mean(axis=0) - spread - 1e-12
    beaten = one.mean(axis=0) > chance.mean(axis=0)
    texts = [
        f"{task} {a:.2f} against {b:.2f} +- {s:.2f} %"
        for task, a, b, s in zip(TASKS, one.mean(0), each.mean(0), spread, strict=True)
    ]
    ratio = found.together_s / found.alone_s.mean()
    t = len(TASKS)
    return [
        Claim(
            "own tasks, weights that train: one supernet for all tasks finds for each a network as "
            "good as a supernet for it alone, within the seeds' spread",
            "one search for three tasks, networks as good as known for each",
            f"for {good.sum()} of {t} tasks: {'; '.join(texts)}",
            bool(good.all()),
        ),
        Claim(
            "own tasks, weights that train: what a search costs does not grow with the tasks, by "
            f"more than {DEARER - 1:.0%}",
            "independent of their number",
            f"{ratio:.2f} times a search for one task, {found.together_s / found.alone_s.sum():.2f}"
            f" times {t} searches ({found.together_s:.0f} against {found.alone_s.sum():.0f} CPU s)",
            bool(ratio <= DEARER),
        ),
        Claim(
            "own tasks, weights that train: better for each task than random search of equal cost",
            "not stated",
            f"for {beaten.sum()} of {t} tasks, against the best of {found.networks} random "
            f"networks: {found.shares[ONE].mean():.2f} % of the known networks are better than "
            f"what is found, {found.shares[EACH].mean():.2f} % for a supernet each, "
            f"{found.shares[RANDOM].mean():.2f} % for random search",
            bool(beaten.all()),
        ),
    ]


def trained_rows(found: TrainedSearches) -> list[Row]:
    """A row for each way to search and task."""
    cost = {ONE: found.together_s, RANDOM: found.together_s}
    return [
        {
            "search": arm,
            "task": task,
            "trained afresh, %": float(values[:, t].mean()),
            "worst": float(values[:, t].min()),
            "best": float(values[:, t].max()),
            "deviation": float(values[:, t].std(ddof=1)),
            "known networks that are better, %": float(found.shares[arm][:, t].mean()),
            "CPU s of the search": cost.get(arm, float(found.alone_s[t])),
        }
        for arm, values in found.scores.items()
        for t, task in enumerate(TASKS)
    ]


def trained_drawing(found: TrainedSearches) -> Drawing:
    """What was found, as the share of the known networks that is better."""
    return shares_drawing(
        "own tasks, weights that train",
        "How many of the trained networks of our tables are better than what each search found for "
        "a task, trained afresh with other seeds; 0 is better than all.",
        TASKS,
        found.shares,
    )


def shares_drawing(
    title: str, about: str, tasks: Sequence[str], shares: Mapping[str, FloatArray]
) -> Drawing:
    """Shares of better networks ``[s, t]`` in percent of each way to search, a box per task."""
    import plotly.graph_objects as go

    from codesign_gym.experiments.report.figures import axis, colour, figure

    traces = [
        go.Box(
            x=np.broadcast_to(np.array(tasks), values.shape).ravel(), y=values.ravel(), name=arm,
            boxpoints="all", marker={"color": colour(a)},
        )
        for a, (arm, values) in enumerate(shares.items())
    ]  # fmt: skip
    return Drawing(
        title,
        about,
        figure(
            traces,
            xaxis=axis("task", type="category"),
            yaxis=axis("better networks, %"),
            boxmode="group",
        ),
    )
