"""Task graphs, and the workloads: their counts worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from codesign_gym.cost_models.workloads.ar_workloads import TASK_GRAPHS, task_graph
from codesign_gym.cost_models.workloads.task_graphs import Task, TaskGraph
from codesign_gym.search_spaces import InputError


@pytest.mark.parametrize("name", TASK_GRAPHS)
def test_every_workload_hangs_together(name: str) -> None:
    graph = task_graph(name)
    tasks = {task.name: task for task in graph.tasks}
    assert graph.name == name
    for task in graph.tasks:
        assert task.operations > 0
        assert bool(task.reads) != bool(task.input_bytes)  # of tasks, or from outside
        for producer, amount in task.reads.items():
            assert 0 < amount <= tasks[producer].output_bytes
    assert graph.sinks.sum() == 2  # two strips, two ears


def test_sobel_is_eighteen_macs_per_pixel() -> None:
    graph = task_graph("edge-detection")
    pixels = 640 * (240 + 4)
    gradient = graph.operations[graph.names.index("gradient_0")]
    assert gradient == pixels * (2 * 18 + 2 + 1 + 8)  # then two squares, a sum and a root
    assert graph.period_ms == pytest.approx(33.33, abs=0.01)


def test_audio_counts_by_hand() -> None:
    graph = task_graph("audio-decoder")
    by_name = dict(zip(graph.names, graph.operations.tolist(), strict=True))
    transform = 2.5 * 2048 * 11
    assert by_name["psychoacoustic_2"] == 5 * (2 * transform + 6 * 1025)
    assert by_name["rotate_3"] == 2 * 49 * 1024
    assert by_name["zoom"] == 2 * 256 * 1024
    assert sum(t.input_bytes for t in graph.tasks) == 16 * 1024 * 2
    # All of a block: well below the 250 MOPS of the smallest core at its half clock.
    assert 0.1e6 < graph.operations.sum() / graph.period_ms < 0.25e6


def test_cava_counts_by_hand() -> None:
    graph = task_graph("cava")
    pixels = 320 * 20
    stages = [2, 8, 3 * 38, 18, 16 * 22, 12, 6]
    assert graph.operations[:7].tolist() == [pixels * stage for stage in stages]
    assert graph.operations[7:].tolist() == graph.operations[:7].tolist()
    assert math.isclose(graph.period_ms * 240 / 32 * 30, 1000)


def test_edges_are_in_rows() -> None:
    graph = TaskGraph(
        "g", (Task("a", "x", 1, 8), Task("b", "y", 2, 4, {"a": 8}), Task("c", "x", 3, 2,
        {"a": 4, "b": 4})), 1,
    )  # fmt: skip
    starts, producers, amounts = graph.edges
    assert starts.tolist() == [0, 0, 1, 3]
    assert producers.tolist() == [0, 0, 1]
    assert amounts.tolist() == [8, 4, 4]
    assert graph.kinds == ("x", "y")
    assert graph.kind_codes.tolist() == [0, 1, 0]
    assert graph.sinks.tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": ()}, "at least one task"),
        ({"period_ms": 0.0}, "period must be > 0"),
        ({"word_bytes": 1}, "must be 2 or 4, got 1"),
        ({"tasks": (Task("a", "x", -1, 1),)}, "at least 0"),
        ({"tasks": (Task("a", "x", 1, math.inf),)}, "finite"),
        ({"tasks": (Task("a", "x", 1, 1, {"b": 1}), Task("b", "x", 1, 1))}, "reads of 'b'"),
        ({"tasks": (Task("a", "x", 1, 1), Task("a", "x", 1, 1))}, "two tasks 'a'"),
    ],
)
def test_faulty_graphs(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"name": "g", "tasks": (Task("a", "x", 1, 1),), "period_ms": 1.0}
    with pytest.raises(InputError, match=message):
        TaskGraph(**(arguments | changes))


def test_unknown_workload() -> None:
    with pytest.raises(InputError, match="did you mean 'cava'"):
        task_graph("kava")
